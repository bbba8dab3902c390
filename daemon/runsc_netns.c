/* SPDX-License-Identifier: Apache-2.0 */

/* Making and keeping the private network namespace of runsc. */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/vfs.h>
#include <unistd.h>
#include "base/fd.h"
#include "base/log.h"
#include "daemon/daemon.h"
#include "daemon/runsc_netns.h"

struct runsc_netns {
        struct daemon *daemon;
        char path[PATH_MAX];
        int fd;
        int own_fd; /* our own namespace, to come back to */
        bool making;
        struct command command;
        void (*ready)(struct daemon *d, const struct error *err);
};

/* Our own path on our own tmpfs: open does not block. */
static int open_namespace(const char *path)
{
        _cleanup_(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        struct statfs fs;

        if (fd < 0 || fstatfs(fd, &fs) < 0 || fs.f_type != NSFS_MAGIC)
                return -1;
        return TAKE_FD(fd);
}

int runsc_netns_new(struct runsc_netns **ret, struct daemon *d)
{
        struct runsc_netns *n = calloc(1, sizeof(*n));

        if (!n)
                return -ENOMEM;
        n->daemon = d;
        snprintf(n->path, sizeof(n->path), "%s/netns/runsc", record_store_root(d->store));
        n->own_fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
        n->fd = open_namespace(n->path);
        *ret = n;
        return 0;
}

struct runsc_netns *runsc_netns_free(struct runsc_netns *n)
{
        if (!n)
                return NULL;
        if (n->making)
                command_deinit(&n->command);
        fd_close(n->own_fd);
        fd_close(n->fd);
        free(n);
        return NULL;
}

int runsc_netns_fd(struct runsc_netns *n)
{
        return n->fd;
}

/* A socket belongs to the network namespace in which its maker was. setns(2) is about the calling thread alone, and
 * between the two calls nothing else is done: nng's threads, and whatever runs later on this one, see nothing of it. */
int runsc_netns_socket(struct runsc_netns *n)
{
        int sock, saved;

        if (n->fd < 0 || n->own_fd < 0)
                return -ENOENT;
        if (setns(n->fd, CLONE_NEWNET) < 0)
                return -errno;
        sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        saved = errno;
        if (setns(n->own_fd, CLONE_NEWNET) < 0)
                abort(); /* nothing may go on in the wrong namespace; the keeper starts us anew */
        return sock < 0 ? -saved : sock;
}

static void made(struct command *cmd, const struct command_result *res)
{
        struct runsc_netns *n = cmd->data;
        struct error err = ERROR_NULL;

        if (!res->ok)
                command_error(res, "making the network namespace for runsc", &err);
        else if ((n->fd = open_namespace(n->path)) < 0)
                error_set(&err, REASON_INTERNAL, "%s is no network namespace", n->path);
        n->making = false;
        command_deinit(cmd);
        n->ready(n->daemon, error_is_set(&err) ? &err : NULL);
}

void runsc_netns_make(struct runsc_netns *n, void (*ready)(struct daemon *d, const struct error *err))
{
        if (n->making)
                return;
        n->making = true;
        n->ready = ready;
        if (command_init(&n->command, n->daemon->commands) < 0)
                abort(); /* no memory: see op_new */
        n->command.class = COMMAND_CREATE;
        n->command.data = n;
        n->command.on_done = made;
        n->command.capture_output = n->command.capture_error = true;
        n->command.params.path = n->daemon->helper_path;
        command_arg(&n->command, "sandboxd-helper");
        command_arg(&n->command, "netns");
        command_arg(&n->command, n->path);
        command_submit(&n->command);
}

void runsc_netns_remove(struct runsc_netns *n)
{
        if (n->fd < 0)
                return;
        n->fd = fd_close(n->fd);
        if (umount2(n->path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && errno != EINVAL && errno != ENOENT)
                log_warn("cannot unmount %s: %s", n->path, strerrordesc_np(errno));
        unlink(n->path);
}
