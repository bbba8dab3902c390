/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One socket pair (SOCK_SEQPACKET) between us and the child is both the gate and the status: the child reads one byte
 * before it does anything (end of file: we are gone), and sends
 *   STATUS_FAILED  a step failed, with its errno; the child then calls _exit(127), or
 *   STATUS_EXEC    everything but exec is done, with the kept ends of the FIFOs; then exec closes the socket.
 * So: end of file after STATUS_EXEC alone means that exec was done; after nothing, that the child was killed before.
 *
 * Everything that the child needs is made before the fork: after it only async-signal-safe calls are allowed
 * (signal-safety(7)), as another thread may have held any lock at that moment. The child first moves what it keeps above
 * all targets and closes all else: it may be blocked in open() of a strange path for long, and must not hold the pipes
 * and FIFOs of others open meanwhile.
 */

#include "base/spawn.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/fd.h"

#define INHERIT_MAX 8
#define KEEP_MAX (3 + INHERIT_MAX + 3) /* status, network namespace, cgroup; inherited; stdio */
#define FD_FLOOR 64
#define EXIT_BEFORE_EXEC 127

enum { STATUS_FAILED = 1, STATUS_EXEC };

enum step { STEP_FDS, STEP_LIMIT, STEP_SESSION, STEP_NETNS, STEP_CGROUP, STEP_STDIN, STEP_STDOUT, STEP_STDERR, STEP_CWD,
            STEP_EXEC, STEP_KILLED, STEP_N };

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

struct status {
        uint8_t kind;
        uint8_t step;
        uint8_t kept; /* bit i: the ends of stdio[i] come with this message, in order */
        int32_t errnum;
};

/* What the child works with. */
struct child {
        const struct spawn_params *params;
        int status;
        int parents; /* the parent's end of it: as long as the child had it open, there were no end of file */
        int netns, cgroup;
        int stdio[3]; /* SPAWN_STDIO_FD: ours, then the child's; else what it opened */
        int inherit[INHERIT_MAX];
        int kept[3];
        char *file[3]; /* SPAWN_STDIO_FILE: a copy of the path, to be cut at each slash */
        int floor;     /* above all targets */
};

/* ------------------------------------------------------------------------------------------------------------------ *
 * In the child: async-signal-safe only, until the next such line.
 * ------------------------------------------------------------------------------------------------------------------ */

static _Noreturn void child_fail(const struct child *c, enum step step, int errnum)
{
        struct status status = { .kind = STATUS_FAILED, .step = (uint8_t)step, .errnum = errnum };

        fd_send(c->status, &status, sizeof(status), NULL, 0, MSG_NOSIGNAL);
        _exit(EXIT_BEFORE_EXEC);
}

static void child_signals(void)
{
        struct sigaction action = { .sa_handler = SIG_DFL };
        sigset_t none;

        for (int i = 1; i < NSIG; i++)
                sigaction(i, &action, NULL); /* fails for SIGKILL, SIGSTOP and those of the C library: as it should */
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Replaces *fd by a duplicate above all targets. */
static int lift(const struct child *c, int *fd)
{
        int high = fcntl(*fd, F_DUPFD_CLOEXEC, c->floor);

        if (high < 0)
                return -errno;
        *fd = high;
        return 0;
}

/* Closes all descriptors from 3 on but those in keep, which it sorts. */
static void close_others(int *keep, size_t n)
{
        unsigned from = 3;

        for (size_t i = 1; i < n; i++) {
                for (size_t j = i; j > 0 && keep[j - 1] > keep[j]; j--) {
                        int fd = keep[j];

                        keep[j] = keep[j - 1];
                        keep[j - 1] = fd;
                }
        }
        /* Before Linux 5.9 there is no close_range: then they stay until exec, as all are close-on-exec. */
        for (size_t i = 0; i < n; i++) {
                if ((unsigned)keep[i] > from)
                        close_range(from, (unsigned)keep[i] - 1, 0);
                from = (unsigned)keep[i] + 1;
        }
        close_range(from, ~0U, 0);
}

static int child_keep(struct child *c)
{
        int keep[KEEP_MAX], *from[KEEP_MAX];
        size_t n = 0;

        if (c->netns >= 0)
                from[n++] = &c->netns;
        if (c->cgroup >= 0)
                from[n++] = &c->cgroup;
        for (size_t i = 0; i < 3; i++) {
                if (c->stdio[i] >= 0)
                        from[n++] = &c->stdio[i];
        }
        for (size_t i = 0; i < c->params->n_inherit; i++)
                from[n++] = &c->inherit[i];
        for (size_t i = 0; i < n; i++) {
                int r = lift(c, from[i]);

                if (r < 0)
                        return r;
                keep[i] = *from[i];
        }
        keep[n++] = c->status;
        close_others(keep, n);
        return 0;
}

static void child_gate(const struct child *c)
{
        char byte;
        ssize_t n;

        do
                n = recv(c->status, &byte, 1, 0);
        while (n < 0 && errno == EINTR);
        if (n != 1)
                _exit(EXIT_BEFORE_EXEC);
}

static int child_limit(uint64_t max)
{
        struct rlimit limit = { .rlim_cur = max, .rlim_max = max };

        return setrlimit(RLIMIT_FSIZE, &limit) < 0 ? -errno : 0;
}

/* open(2), above all targets. Returns the descriptor or -errno. */
static int open_high(const struct child *c, const char *path, int flags)
{
        int low = open(path, flags | O_NOCTTY | O_CLOEXEC, 0644), fd = low, r;

        if (low < 0)
                return -errno;
        if (low >= c->floor)
                return low;
        r = lift(c, &fd);
        close(low);
        return r < 0 ? r : fd;
}

static int make_parents(char *path)
{
        for (char *p = path + 1; *p; p++) {
                int r;

                if (*p != '/')
                        continue;
                *p = '\0';
                r = mkdir(path, 0755) < 0 && errno != EEXIST ? -errno : 0;
                *p = '/';
                if (r < 0)
                        return r;
        }
        return 0;
}

static int open_file(const struct child *c, size_t i)
{
        mode_t mask = umask(0); /* the modes are exactly these; what is executed gets the umask that we have */
        struct stat st;
        int fd = make_parents(c->file[i]);

        if (fd == 0) /* O_NONBLOCK: what is no regular file is refused, not waited for */
                fd = open_high(c, c->file[i], (i == 0 ? O_RDONLY : O_WRONLY | O_APPEND | O_CREAT) | O_NONBLOCK);
        umask(mask);
        if (fd < 0)
                return fd;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EINVAL;
        fd_set_nonblock(fd, false);
        return fd;
}

/* The end that is opened first is a reader in both directions, so that no open waits for a peer or fails for lack of one. */
static int open_fifo(struct child *c, size_t i)
{
        const struct spawn_stdio *io = &c->params->stdio[i];
        int reader = open_high(c, io->path, O_RDONLY | O_NONBLOCK), writer;
        struct stat st;

        if (reader < 0)
                return reader;
        if (fstat(reader, &st) < 0)
                return -errno;
        if (!S_ISFIFO(st.st_mode)) /* was replaced since we looked: the client plays games */
                return -EINVAL;
        if (io->chown && fchown(reader, io->uid, io->gid) < 0)
                return -errno;
        writer = open_high(c, io->path, O_WRONLY | (i == 0 ? O_NONBLOCK : 0));
        if (writer < 0)
                return writer;
        if (i != 0) {
                c->kept[i] = reader;
                return writer;
        }
        c->kept[i] = writer;
        fd_set_nonblock(reader, false);
        return reader;
}

static int open_path(struct child *c, size_t i)
{
        const char *path = c->params->stdio[i].path;
        struct stat st;

        if (stat(path, &st) < 0)
                return -errno;
        if (S_ISFIFO(st.st_mode))
                return open_fifo(c, i);
        return open_high(c, path, i == 0 ? O_RDONLY : O_WRONLY | O_APPEND);
}

static int open_stdio(struct child *c, size_t i)
{
        switch (c->params->stdio[i].kind) {
        case SPAWN_STDIO_NULL:
                return open_high(c, "/dev/null", O_RDWR);
        case SPAWN_STDIO_FD:
                return c->stdio[i];
        case SPAWN_STDIO_PATH:
                return open_path(c, i);
        case SPAWN_STDIO_FILE:
                return open_file(c, i);
        case SPAWN_STDIO_SAME:
                return c->stdio[1];
        }
        return -EINVAL;
}

static void child_stdio(struct child *c)
{
        for (size_t i = 0; i < 3; i++) {
                int fd = open_stdio(c, i);

                if (fd < 0)
                        child_fail(c, (enum step)(STEP_STDIN + (int)i), -fd);
                c->stdio[i] = fd;
        }
        for (int i = 0; i < 3; i++) {
                if (dup2(c->stdio[i], i) < 0)
                        child_fail(c, STEP_FDS, errno);
        }
        for (size_t i = 0; i < c->params->n_inherit; i++) {
                if (dup2(c->inherit[i], c->params->inherit[i].target) < 0)
                        child_fail(c, STEP_FDS, errno);
        }
}

/* The kept ends must arrive: a process whose stdin has lost its writer would see an end of file that nobody meant. */
static void child_send_kept(const struct child *c)
{
        struct status status = { .kind = STATUS_EXEC };
        int fds[3];
        size_t n = 0;

        for (size_t i = 0; i < 3; i++) {
                if (c->kept[i] < 0)
                        continue;
                fds[n++] = c->kept[i];
                status.kept |= (uint8_t)(1U << i);
        }
        if (fd_send(c->status, &status, sizeof(status), fds, n, MSG_NOSIGNAL) < 0 && n > 0)
                _exit(EXIT_BEFORE_EXEC);
}

static _Noreturn void child_main(struct child *c)
{
        static char *const no_environment[] = { NULL };
        const struct spawn_params *p = c->params;
        int r;

        child_signals();
        close(c->parents);
        r = lift(c, &c->status);
        if (r < 0)
                child_fail(c, STEP_FDS, -r);
        r = child_keep(c);
        if (r < 0)
                child_fail(c, STEP_FDS, -r);
        child_gate(c);

        if (p->new_session && setsid() < 0)
                child_fail(c, STEP_SESSION, errno);
        if (c->cgroup >= 0 && write(c->cgroup, "0", 1) != 1)
                child_fail(c, STEP_CGROUP, errno);
        if (c->netns >= 0 && setns(c->netns, CLONE_NEWNET) < 0)
                child_fail(c, STEP_NETNS, errno);
        child_stdio(c);
        if (p->fsize_max) {
                r = child_limit(p->fsize_max);
                if (r < 0)
                        child_fail(c, STEP_LIMIT, -r);
        }
        if (chdir(p->cwd ? p->cwd : "/") < 0)
                child_fail(c, STEP_CWD, errno);

        child_send_kept(c);
        execve(p->path, p->argv, p->envp ? p->envp : no_environment);
        child_fail(c, STEP_EXEC, errno);
}

/* ------------------------------------------------------------------------------------------------------------------ *
 * In the parent.
 * ------------------------------------------------------------------------------------------------------------------ */

static void child_deinit(struct child *c)
{
        c->status = fd_close(c->status);
        for (size_t i = 0; i < 3; i++)
                free(c->file[i]);
}

static int child_prepare(struct child *c, const struct spawn_params *p)
{
        c->params = p;
        c->netns = p->netns_fd;
        c->cgroup = p->cgroup_procs_fd;
        c->floor = FD_FLOOR;
        if (p->n_inherit > INHERIT_MAX || p->path[0] != '/')
                return -EINVAL;
        for (size_t i = 0; i < p->n_inherit; i++) {
                if (p->inherit[i].target < 3)
                        return -EINVAL;
                c->inherit[i] = p->inherit[i].fd;
                if (p->inherit[i].target >= c->floor)
                        c->floor = p->inherit[i].target + 1;
        }
        for (size_t i = 0; i < 3; i++) {
                const struct spawn_stdio *io = &p->stdio[i];

                c->kept[i] = c->stdio[i] = -1;
                if (io->kind == SPAWN_STDIO_FD)
                        c->stdio[i] = io->fd;
                if (io->kind == SPAWN_STDIO_SAME && i != 2)
                        return -EINVAL;
                if (io->kind != SPAWN_STDIO_PATH && io->kind != SPAWN_STDIO_FILE)
                        continue;
                if (!io->path || io->path[0] != '/')
                        return -EINVAL;
                if (io->kind == SPAWN_STDIO_FILE) {
                        c->file[i] = strdup(io->path);
                        if (!c->file[i])
                                return -ENOMEM;
                }
        }
        return 0;
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

static void note_status(struct spawn *s, const struct status *status, int *fds, size_t n_fds)
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
                struct status status;
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

/* All signals are blocked over the fork: no handler of ours runs in the child. */
static pid_t fork_child(struct child *c)
{
        sigset_t all, old;
        pid_t pid;

        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &old);
        pid = fork();
        if (pid == 0)
                child_main(c);
        pthread_sigmask(SIG_SETMASK, &old, NULL);
        return pid < 0 ? -errno : pid;
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
        _cleanup_(child_deinit) struct child child = { .status = -1 };
        _cleanup_(fd_closep) int ours = -1;
        struct pidref p = PIDREF_NULL;
        int pair[2], k;
        pid_t pid;

        assert(!s->active);
        k = child_prepare(&child, params);
        if (k < 0)
                return k;
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        ours = pair[0];
        child.status = pair[1];
        child.parents = ours;

        pid = fork_child(&child);
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
        if (s->status_fd >= 0)
                fd_send(s->status_fd, "", 1, NULL, 0, MSG_NOSIGNAL | MSG_DONTWAIT);
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
