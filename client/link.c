/* SPDX-License-Identifier: Apache-2.0 */
#include "client/link.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include "base/clock.h"
#include "base/fd.h"
#include "client/frame.h"
#include "proto/proto.h"

#define READ_SIZE 65536U

int link_init(struct link *l, const char *path)
{
        *l = (struct link){ .address.sun_family = AF_UNIX, .fd = -1 };
        if (strlen(path) >= sizeof(l->address.sun_path))
                return -ENAMETOOLONG;
        strcpy(l->address.sun_path, path);
        return 0;
}

void link_deinit(struct link *l)
{
        l->fd = fd_close(l->fd);
        buf_deinit(&l->in);
        buf_deinit(&l->out);
}

static uint64_t pause_after(unsigned failures)
{
        static const uint8_t ms[] = { 0, 1, 2, 5, 10, 20, 50, 100 };

        return ms[failures < ARRAY_SIZE(ms) ? failures : ARRAY_SIZE(ms) - 1] * NSEC_PER_MSEC;
}

void link_down(struct link *l, uint64_t now)
{
        l->failures = l->good ? 0 : l->failures + 1;
        l->retry_at = now + pause_after(l->failures);
        l->good = l->greeted = false;
        link_deinit(l);
}

static int explain(const struct link *l, int errnum, struct error *err)
{
        const char *path = l->address.sun_path;

        switch (errnum) {
        case ENOENT:
        case ECONNREFUSED:
                return error_set(err, REASON_UNAVAILABLE, "cannot reach sandboxd at %s: %s", path,
                                 errnum == ENOENT ? "there is no such socket" : "nobody listens there");
        case EACCES:
        case EPERM:
                return error_set(err, REASON_PERMISSION, "may not open %s: that takes root, or the group of the socket",
                                 path);
        case EMFILE:
        case ENFILE:
        case ENOMEM:
        case ENOBUFS:
                return error_set_errno(err, REASON_NO_RESOURCES, errnum, "cannot connect to %s", path);
        default:
                return error_set_errno(err, REASON_UNAVAILABLE, errnum, "cannot connect to %s", path);
        }
}

int link_up(struct link *l, uint64_t now, struct error *err)
{
        int r = 0;

        l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (l->fd < 0)
                r = errno;
        else if (connect(l->fd, (const struct sockaddr *)&l->address, sizeof(l->address)) < 0)
                r = errno; /* EAGAIN: the listener's queue is full */
        if (r != 0) {
                link_down(l, now);
                return explain(l, r, err);
        }
        frame_greet(&l->out, FRAME_PROTOCOL_REQ);
        return 0;
}

int link_read(struct link *l)
{
        uint8_t *room = buf_reserve(&l->in, READ_SIZE);
        ssize_t n;

        if (!room)
                return -1;
        n = recv(l->fd, room, READ_SIZE, 0);
        if (n < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : -1;
        buf_commit(&l->in, (size_t)n);
        return n == 0 ? -1 : 0;
}

int link_write(struct link *l)
{
        while (buf_len(&l->out) > 0) {
                ssize_t n = send(l->fd, buf_head(&l->out), buf_len(&l->out), MSG_NOSIGNAL);

                if (n < 0)
                        return errno == EAGAIN || errno == EINTR ? 0 : -1;
                buf_consume(&l->out, (size_t)n);
        }
        return l->out.failed ? -1 : 0;
}
