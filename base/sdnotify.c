/* SPDX-License-Identifier: Apache-2.0 */

#include "base/sdnotify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <utlist.h>
#include "base/crash.h"
#include "base/fd.h"

#define QUEUE_MAX 16384 /* datagrams; each may hold a descriptor */
#define LINES_MAX 4096  /* bytes of one */

struct sdnotify_datagram {
        struct sdnotify_datagram *prev, *next;
        int fd; /* -1: none */
        size_t len;
        char text[];
};

static struct sdnotify_datagram *datagram_free(struct sdnotify_datagram *d)
{
        if (d)
                fd_close(d->fd);
        free(d);
        return NULL;
}

static void drop_queue(struct sdnotify *n)
{
        while (n->queue) {
                struct sdnotify_datagram *d = n->queue;

                DL_DELETE(n->queue, d);
                datagram_free(d);
        }
        n->n_queued = 0;
}

/* True: it is sent, or never will be. */
static bool send_datagram(struct sdnotify *n, const struct sdnotify_datagram *d)
{
        ssize_t r;

        crash_point("store.send");
        r = fd_send(n->fd, d->text, d->len, &d->fd, d->fd >= 0, MSG_DONTWAIT | MSG_NOSIGNAL);
        crash_point("store.sent");
        return r != -EAGAIN && r != -EINTR && r != -ENOBUFS;
}

static void send_queue(struct sdnotify *n)
{
        while (n->queue && send_datagram(n, n->queue)) {
                struct sdnotify_datagram *d = n->queue;

                DL_DELETE(n->queue, d);
                datagram_free(d);
                n->n_queued--;
        }
        n->untold |= n->queue != NULL;
        watch_fd_set(&n->watch, n->fd, n->untold ? LOOP_WRITE : 0);
}

static void drained(struct sdnotify *n)
{
        n->untold = false;
        if (n->on_drained)
                n->on_drained(n);
}

static void on_writable(struct watch_fd *w, unsigned events)
{
        struct sdnotify *n = container_of(w, struct sdnotify, watch);

        send_queue(n);
        if (n->queue)
                return;
        watch_fd_stop(&n->watch);
        drained(n);
}

void sdnotify_init(struct sdnotify *n, struct loop *loop, void (*on_drained)(struct sdnotify *n))
{
        *n = (struct sdnotify){ .fd = -1, .on_drained = on_drained };
        watch_fd_init(&n->watch, loop, on_writable);
}

void sdnotify_deinit(struct sdnotify *n)
{
        if (!n->watch.loop)
                return;
        watch_fd_stop(&n->watch);
        n->fd = fd_close(n->fd);
        drop_queue(n);
}

/* Or -errno. */
static int connect_to(const char *path)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        size_t len = strlen(path);
        _cleanup_(fd_closep) int fd = -1;

        if ((path[0] != '/' && path[0] != '@') || len >= sizeof(address.sun_path))
                return -EINVAL;
        memcpy(address.sun_path, path, len);
        if (path[0] == '@')
                address.sun_path[0] = '\0';
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0 || connect(fd, (struct sockaddr *)&address,
                              (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (path[0] == '/'))) < 0)
                return -errno;
        return TAKE_FD(fd);
}

int sdnotify_connect(struct sdnotify *n, const char *path)
{
        int fd = connect_to(path);

        watch_fd_stop(&n->watch);
        fd_close(n->fd);
        n->fd = fd < 0 ? -1 : fd;
        if (fd >= 0) {
                send_queue(n);
                return 0;
        }
        drop_queue(n);
        drained(n);
        return fd;
}

int sdnotify_send(struct sdnotify *n, const char *lines, int fd)
{
        size_t len = strlen(lines);
        struct sdnotify_datagram *d;

        if (n->fd < 0)
                return 0;
        if (len > LINES_MAX)
                return -EMSGSIZE;
        if (n->n_queued >= QUEUE_MAX)
                return -ENOBUFS;
        d = calloc(1, sizeof(*d) + len);
        if (!d)
                return -ENOMEM;
        memcpy(d->text, lines, len);
        d->len = len;
        d->fd = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 3) : -1;
        if (fd >= 0 && d->fd < 0) {
                int r = -errno;

                datagram_free(d);
                return r;
        }
        DL_APPEND(n->queue, d);
        n->n_queued++;
        send_queue(n);
        return 0;
}

static bool name_ok(const char *name)
{
        size_t n = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789");

        return n > 0 && n <= SDNOTIFY_NAME_MAX && name[n] == '\0';
}

int sdnotify_store(struct sdnotify *n, const char *name, int fd, bool replace)
{
        char lines[96];

        if (fd < 0 || !name_ok(name))
                return -EINVAL;
        snprintf(lines, sizeof(lines), "%sFDSTORE=1\nFDPOLL=0\nFDNAME=%s", replace ? "FDSTOREREMOVE=1\n" : "", name);
        return sdnotify_send(n, lines, fd);
}

int sdnotify_unstore(struct sdnotify *n, const char *name)
{
        char lines[64];

        if (!name_ok(name))
                return -EINVAL;
        snprintf(lines, sizeof(lines), "FDSTOREREMOVE=1\nFDNAME=%s", name);
        return sdnotify_send(n, lines, -1);
}
