/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The child first moves what it keeps above all targets and closes all else: it may wait at the gate or be blocked in
 * open() of a strange path for long, and must not hold the pipes and FIFOs of others open meanwhile.
 */

#include "base/spawn_child.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/fd.h"

struct spawn_child {
        struct spawn_order order;
        int status;
        int kept[3];
};

#define KEEP_MAX (3 + SPAWN_INHERIT_MAX + 3) /* status, network namespace, cgroup; inherited; stdio */
#define EXIT_BEFORE_EXEC 127

static _Noreturn void child_fail(const struct spawn_child *c, enum spawn_step step, int errnum)
{
        struct spawn_status status = { .kind = STATUS_FAILED, .step = (uint8_t)step, .errnum = errnum };

        fd_send(c->status, &status, sizeof(status), NULL, 0, MSG_NOSIGNAL);
        _exit(EXIT_BEFORE_EXEC);
}

static void child_signals(void)
{
        /* The kernel's struct sigaction, of all zeroes: SIG_DFL. The C library's function refuses signals 32 and 33,
         * which glibc's posix_spawn leaves ignored in what it starts: make, for one, and all below it. */
        static const unsigned long by_default[8];
        sigset_t none;

        for (int i = 1; i < NSIG; i++)
                /* fails for SIGKILL and SIGSTOP: as it should */
                syscall(SYS_rt_sigaction, i, by_default, NULL, NSIG / 8);
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Replaces *fd by a duplicate above all targets. */
static int lift(const struct spawn_child *c, int *fd)
{
        int high = fcntl(*fd, F_DUPFD_CLOEXEC, c->order.floor);

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

static int child_keep(struct spawn_child *c)
{
        struct spawn_order *o = &c->order;
        int keep[KEEP_MAX], *from[KEEP_MAX];
        size_t n = 0;

        from[n++] = &c->status;
        if (o->netns >= 0)
                from[n++] = &o->netns;
        if (o->cgroup >= 0)
                from[n++] = &o->cgroup;
        for (size_t i = 0; i < 3; i++) {
                if (o->stdio[i].fd >= 0)
                        from[n++] = &o->stdio[i].fd;
        }
        for (size_t i = 0; i < o->n_inherit; i++)
                from[n++] = &o->inherit[i].fd;
        for (size_t i = 0; i < n; i++) {
                int r = lift(c, from[i]);

                if (r < 0)
                        return r;
                keep[i] = *from[i];
        }
        close_others(keep, n);
        return 0;
}

static void child_gate(const struct spawn_child *c)
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
static int open_high(const struct spawn_child *c, const char *path, int flags)
{
        int low = open(path, flags | O_NOCTTY | O_CLOEXEC, 0644), fd = low, r;

        if (low < 0)
                return -errno;
        if (low >= c->order.floor)
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

static int open_file(struct spawn_child *c, size_t i)
{
        mode_t mask = umask(0); /* the modes are exactly these; what is executed gets the umask that we have */
        struct stat st;
        char *path = c->order.stdio[i].path;
        int fd = make_parents(path);

        if (fd == 0) /* O_NONBLOCK: what is no regular file is refused, not waited for */
                fd = open_high(c, path, (i == 0 ? O_RDONLY : O_WRONLY | O_APPEND | O_CREAT) | O_NONBLOCK);
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

/* The end that is opened first is a reader in both directions, so that no open waits for a peer or fails for lack of
 * one. */
static int open_fifo(struct spawn_child *c, size_t i)
{
        const struct spawn_order_stdio *io = &c->order.stdio[i];
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

static int open_path(struct spawn_child *c, size_t i)
{
        const char *path = c->order.stdio[i].path;
        struct stat st;

        if (stat(path, &st) < 0)
                return -errno;
        if (S_ISFIFO(st.st_mode))
                return open_fifo(c, i);
        return open_high(c, path, i == 0 ? O_RDONLY : O_WRONLY | O_APPEND);
}

/* For a terminal: we copy between the pty and the client's FIFOs, and must not open those ourselves. */
static int open_hand_back(struct spawn_child *c, size_t i)
{
        const struct spawn_order_stdio *io = &c->order.stdio[i];
        struct stat st;
        int flags, fd;

        if (stat(io->path, &st) < 0)
                return -errno;
        flags = S_ISFIFO(st.st_mode) ? O_RDWR : i == 0 ? O_RDONLY : O_WRONLY | O_APPEND;
        fd = open_high(c, io->path, flags | O_NONBLOCK);
        if (fd < 0)
                return fd;
        if (io->chown && fchown(fd, io->uid, io->gid) < 0)
                return -errno;
        c->kept[i] = fd;
        return open_high(c, "/dev/null", O_RDWR);
}

static int open_relay(struct spawn_child *c, size_t i)
{
        const struct spawn_order_stdio *io = &c->order.stdio[i];
        struct stat st;
        int fd;

        if (stat(io->path, &st) < 0)
                return -errno;
        if (!S_ISFIFO(st.st_mode))
                return open_path(c, i);
        fd = open_high(c, io->path, O_RDWR | O_NONBLOCK);
        if (fd < 0)
                return fd;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISFIFO(st.st_mode)) /* was replaced since we looked */
                return -EINVAL;
        c->kept[i] = fd;
        return io->fd;
}

static int open_stdio(struct spawn_child *c, size_t i)
{
        switch (c->order.stdio[i].kind) {
        case SPAWN_STDIO_NULL:
                return open_high(c, "/dev/null", O_RDWR);
        case SPAWN_STDIO_FD:
                return c->order.stdio[i].fd;
        case SPAWN_STDIO_PATH:
                return open_path(c, i);
        case SPAWN_STDIO_FILE:
                return open_file(c, i);
        case SPAWN_STDIO_SAME:
                return c->order.stdio[1].fd;
        case SPAWN_STDIO_HAND_BACK:
                return open_hand_back(c, i);
        case SPAWN_STDIO_RELAY:
                return open_relay(c, i);
        }
        return -EINVAL;
}

static void child_stdio(struct spawn_child *c)
{
        for (size_t i = 0; i < 3; i++) {
                int fd = open_stdio(c, i);

                if (fd < 0)
                        child_fail(c, (enum spawn_step)(STEP_STDIN + (int)i), -fd);
                c->order.stdio[i].fd = fd;
        }
        for (int i = 0; i < 3; i++) {
                if (dup2(c->order.stdio[i].fd, i) < 0)
                        child_fail(c, STEP_FDS, errno);
        }
        for (size_t i = 0; i < c->order.n_inherit; i++) {
                if (dup2(c->order.inherit[i].fd, c->order.inherit[i].target) < 0)
                        child_fail(c, STEP_FDS, errno);
        }
}

/*
 * The kept ends do not arrive if our parent has died meanwhile. The command is known to the next daemon, which opens
 * them again; what we have opened must not be closed before, for then a client would see an end of file that nobody
 * meant, and not read what comes after it. So we go on, and keep them open for as long as the command runs.
 */
static void child_send_kept(const struct spawn_child *c)
{
        struct spawn_status status = { .kind = STATUS_EXEC };
        int fds[3];
        size_t n = 0;

        for (size_t i = 0; i < 3; i++) {
                if (c->kept[i] < 0)
                        continue;
                fds[n++] = c->kept[i];
                status.kept |= (uint8_t)(1U << i);
        }
        if (fd_send(c->status, &status, sizeof(status), fds, n, MSG_NOSIGNAL) >= 0)
                return;
        for (size_t i = 0; i < n; i++)
                fcntl(fds[i], F_SETFD, 0);
}

_Noreturn void spawn_child_main(int status, char *const *argv, char *const *envp)
{
        static struct spawn_child c = { .kept = { -1, -1, -1 } }; /* large */
        struct spawn_order *o = &c.order;
        int r;

        c.status = status;
        if (recv(status, o, sizeof(*o), 0) != sizeof(*o))
                _exit(EXIT_BEFORE_EXEC);
        child_signals();
        r = child_keep(&c);
        if (r < 0)
                child_fail(&c, STEP_FDS, -r);
        child_gate(&c);

        if (o->new_session && setsid() < 0)
                child_fail(&c, STEP_SESSION, errno);
        if (o->cgroup >= 0 && write(o->cgroup, "0", 1) != 1)
                child_fail(&c, STEP_CGROUP, errno);
        if (o->netns >= 0 && setns(o->netns, CLONE_NEWNET) < 0)
                child_fail(&c, STEP_NETNS, errno);
        child_stdio(&c);
        if (o->fsize_max) {
                r = child_limit(o->fsize_max);
                if (r < 0)
                        child_fail(&c, STEP_LIMIT, -r);
        }
        if (chdir(o->cwd) < 0)
                child_fail(&c, STEP_CWD, errno);

        child_send_kept(&c);
        execve(o->path, argv, envp);
        child_fail(&c, STEP_EXEC, errno);
}
