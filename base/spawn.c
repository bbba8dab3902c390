/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The parent's side: writes the order, starts sandboxd-helper, watches its status socket and its pid. What the two say
 * to each other is in base/spawn_child.h. Ready is reported before the exit in any case: if the exit is seen first, the
 * status socket is read to its end then.
 */

#include "base/spawn.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/crash.h"
#include "base/fd.h"
#include "base/spawn_child.h"

#define FD_FLOOR 64

static const char *const step_names[STEP_N] = {
        [STEP_FDS] = "arrange descriptors",
        [STEP_LIMIT] = "set file size limit",
        [STEP_SESSION] = "new session",
        [STEP_NETNS] = "enter network namespace",
        [STEP_CGROUP] = "enter cgroup",
        [STEP_STDIN] = "open stdin",
        [STEP_STDOUT] = "open stdout",
        [STEP_STDERR] = "open stderr",
        [STEP_CWD] = "change directory",
        [STEP_EXEC] = "exec",
        [STEP_KILLED] = "reach exec", /* was killed before */
};

static int put_path(char ret[PATH_MAX], const char *path)
{
        size_t len = strlen(path);

        if (len >= PATH_MAX)
                return -ENAMETOOLONG;
        memcpy(ret, path, len + 1);
        return 0;
}

static int order_stdio(struct spawn_order_stdio *ret, const struct spawn_stdio *io, size_t i)
{
        *ret = (struct spawn_order_stdio){
                .kind = io->kind, .fd = -1, .chown = io->chown, .uid = io->uid, .gid = io->gid
        };
        switch (io->kind) {
        case SPAWN_STDIO_NULL:
                return 0;
        case SPAWN_STDIO_FD:
                ret->fd = io->fd;
                return 0;
        case SPAWN_STDIO_SAME:
                return i == 2 ? 0 : -EINVAL;
        case SPAWN_STDIO_RELAY:
                ret->fd = io->fd;
                return i > 0 && io->path && io->path[0] == '/' ? put_path(ret->path, io->path) : -EINVAL;
        case SPAWN_STDIO_PATH:
        case SPAWN_STDIO_FILE:
        case SPAWN_STDIO_HAND_BACK:
                return io->path && io->path[0] == '/' ? put_path(ret->path, io->path) : -EINVAL;
        }
        return -EINVAL;
}

static int order_fill(struct spawn_order *o, const struct spawn_params *p)
{
        int r;

        *o = (struct spawn_order){ .netns = p->netns_fd,
                                   .cgroup = p->cgroup_procs_fd,
                                   .floor = FD_FLOOR,
                                   .n_inherit = p->n_inherit,
                                   .new_session = p->new_session,
                                   .fsize_max = p->fsize_max };
        if (p->n_inherit > SPAWN_INHERIT_MAX || p->path[0] != '/')
                return -EINVAL;
        for (size_t i = 0; i < p->n_inherit; i++) {
                if (p->inherit[i].target < 3)
                        return -EINVAL;
                o->inherit[i] = p->inherit[i];
                if (p->inherit[i].target >= o->floor)
                        o->floor = p->inherit[i].target + 1;
        }
        for (size_t i = 0; i < 3; i++) {
                r = order_stdio(&o->stdio[i], &p->stdio[i], i);
                if (r < 0)
                        return r;
        }
        r = put_path(o->cwd, p->cwd ? p->cwd : "/");
        return r < 0 ? r : put_path(o->path, p->path);
}

static void spawn_idle(struct spawn *s)
{
        watch_pid_stop(&s->pid);
        watch_fd_stop(&s->status_watch);
        deferred_cancel(&s->exit_later);
        s->status_fd = fd_close(s->status_fd);
        for (size_t i = 0; i < 3; i++)
                s->kept[i] = fd_close(s->kept[i]);
        s->active = false;
}

static void report_ready(struct spawn *s)
{
        struct spawn_ready ready = { .ok = s->step_errno == 0, .step = s->step, .errnum = s->step_errno };

        for (size_t i = 0; i < 3; i++) {
                ready.kept[i] = ready.ok ? TAKE_FD(s->kept[i]) : -1;
                s->kept[i] = fd_close(s->kept[i]);
        }
        watch_fd_stop(&s->status_watch);
        s->status_fd = fd_close(s->status_fd);
        s->ready_seen = true;
        s->on_ready(s, &ready); /* may abandon and free s */
        for (size_t i = 0; i < 3; i++)
                fd_close(ready.kept[i]);
}

static void report_exit(struct spawn *s)
{
        struct exit_info info = s->exit;

        spawn_idle(s);
        s->on_exit(s, &info); /* may free s, or start it again */
}

static void on_exit_later(struct deferred *d)
{
        report_exit(container_of(d, struct spawn, exit_later));
}

static void note_status(struct spawn *s, const struct spawn_status *status, int *fds, size_t n_fds)
{
        size_t n = 0;

        if (status->kind == STATUS_FAILED) {
                s->step = step_names[status->step < STEP_N ? status->step : STEP_KILLED];
                s->step_errno = status->errnum > 0 ? status->errnum : EPROTO;
                return;
        }
        s->step_errno = 0;
        s->step = NULL;
        for (size_t i = 0; i < 3 && n < n_fds; i++) {
                if (status->kept & (1U << i))
                        s->kept[i] = TAKE_FD(fds[n++]);
        }
}

/* Reads what there is; true at the end of it. */
static bool read_status(struct spawn *s)
{
        for (;;) {
                struct spawn_status status;
                int fds[3] = { -1, -1, -1 };
                size_t n = ARRAY_SIZE(fds);
                ssize_t r = fd_recv(s->status_fd, &status, sizeof(status), fds, &n, MSG_DONTWAIT);

                if (r == -EAGAIN)
                        return false;
                if (r == -ECONNRESET)
                        continue; /* it ended without having read our byte; what it sent comes after this error */
                if (r == -EMSGSIZE) {
                        /* no room for its descriptors: we are at our limit. It must not go on without what we keep. */
                        spawn_kill(s, SIGKILL);
                        s->step = "receive descriptors";
                        s->step_errno = EMFILE;
                        return true;
                }
                if (r != sizeof(status))
                        return true;
                note_status(s, &status, fds, n);
                for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
                        fd_close(fds[i]);
        }
}

static void on_status(struct watch_fd *watch, unsigned events)
{
        struct spawn *s = container_of(watch, struct spawn, status_watch);

        if (read_status(s))
                report_ready(s);
}

static void on_pid(struct watch_pid *pid, const struct exit_info *info)
{
        struct spawn *s = container_of(pid, struct spawn, pid);

        s->exit = *info;
        s->pid.pidref.fd = -1; /* the reaper closes it */
        if (s->ready_seen) {
                report_exit(s);
                return;
        }
        /* Queued first: on_ready may abandon us, which takes it out again. */
        loop_defer(&s->exit_later);
        read_status(s);
        report_ready(s);
}

void spawn_init(struct spawn *s, struct loop *loop)
{
        *s = (struct spawn){ .loop = loop, .status_fd = -1, .kept = { -1, -1, -1 } };
        watch_pid_init(&s->pid);
        watch_fd_init(&s->status_watch, loop, on_status);
        deferred_init(&s->exit_later, loop, on_exit_later);
}

static int keep_open(posix_spawn_file_actions_t *actions, int fd)
{
        return -posix_spawn_file_actions_adddup2(actions, fd, fd);
}

/* Starts the helper, with the descriptors that are in the order. Returns its pid or -errno. */
static pid_t start_helper(int helper, const struct spawn_params *p, const struct spawn_order *o, int status)
{
        static char *const no_environment[] = { NULL };
        _cleanup_(posix_spawn_file_actions_destroy) posix_spawn_file_actions_t actions;
        _cleanup_(freep) char **argv = NULL;
        char path[32], socket[16];
        size_t n = 0;
        pid_t pid;
        int r;

        /* the one that was there when we began: what an upgrade has put there since may want another order */
        snprintf(path, sizeof(path), "/proc/self/fd/%d", helper);
        snprintf(socket, sizeof(socket), "%d", status);
        while (p->argv[n])
                n++;
        r = -posix_spawn_file_actions_init(&actions);
        if (r < 0)
                return r;
        argv = calloc(n + 4, sizeof(*argv));
        if (!argv)
                return -ENOMEM;
        argv[0] = (char *)"sandboxd-helper";
        argv[1] = (char *)"spawn";
        argv[2] = socket;
        memcpy(argv + 3, p->argv, n * sizeof(*argv));
        /* onto itself: stays open over exec (posix_spawn_file_actions_adddup2(3), glibc 2.29) */
        r = keep_open(&actions, status);
        r = r < 0 || o->netns < 0 ? r : keep_open(&actions, o->netns);
        r = r < 0 || o->cgroup < 0 ? r : keep_open(&actions, o->cgroup);
        for (size_t i = 0; i < 3; i++)
                r = r < 0 || o->stdio[i].fd < 0 ? r : keep_open(&actions, o->stdio[i].fd);
        for (size_t i = 0; i < o->n_inherit; i++)
                r = r < 0 ? r : keep_open(&actions, o->inherit[i].fd);
        if (r == 0)
                r = -posix_spawn(&pid, path, &actions, NULL, argv, p->envp ? p->envp : no_environment);
        return r < 0 ? r : pid;
}

/* A child that we cannot watch must not be there. */
static int undo_fork(pid_t pid, int r)
{
        kill(pid, SIGKILL);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                ;
        return r;
}

int spawn_start(struct spawn *s, struct reaper *r, const struct spawn_params *params, spawn_ready_fn on_ready,
                spawn_exit_fn on_exit)
{
        _cleanup_(fd_closep) int ours = -1, childs = -1;
        struct pidref p = PIDREF_NULL;
        struct spawn_order order;
        int pair[2], k;
        pid_t pid;

        assert(!s->active);
        k = order_fill(&order, params);
        if (k < 0)
                return k;
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        ours = pair[0];
        childs = pair[1];
        k = (int)fd_send(ours, &order, sizeof(order), NULL, 0, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (k < 0)
                return k;

        crash_point("spawn.fork");
        pid = start_helper(reaper_helper(r), params, &order, childs);
        crash_point("spawn.forked");
        if (pid < 0)
                return (int)pid;
        k = pidref_open(&p, pid);
        if (k < 0)
                return undo_fork(pid, k);
        k = watch_pid_start(&s->pid, r, &p, on_pid);
        if (k < 0)
                return undo_fork(pid, k);

        s->step = step_names[STEP_KILLED];
        s->step_errno = ECANCELED;
        s->active = true;
        s->ready_seen = false;
        s->on_ready = on_ready;
        s->on_exit = on_exit;
        s->status_fd = TAKE_FD(ours);
        watch_fd_set(&s->status_watch, s->status_fd, LOOP_READ);
        return 0;
}

void spawn_release(struct spawn *s)
{
        /* fails only if the child is dead already, which is reported in its turn */
        crash_point("spawn.release");
        if (s->status_fd >= 0)
                fd_send(s->status_fd, "", 1, NULL, 0, MSG_NOSIGNAL | MSG_DONTWAIT);
        crash_point("spawn.released");
}

int spawn_kill(struct spawn *s, int signal)
{
        return s->pid.active ? pidref_kill(&s->pid.pidref, signal) : -ESRCH;
}

bool spawn_active(const struct spawn *s)
{
        return s->active;
}

void spawn_abandon(struct spawn *s)
{
        if (s->active)
                spawn_idle(s);
}
