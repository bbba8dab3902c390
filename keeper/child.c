/* SPDX-License-Identifier: Apache-2.0 */

/* Between fork and exec: the keeper has one thread, so that the child may do what it likes. */

#include "keeper/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "proto/keeper.h"

#define BACKOFF_FIRST_NS (10 * NSEC_PER_MSEC)
#define BACKOFF_MAX_NS (5 * NSEC_PER_SEC)
/* One that had come up was of use meanwhile, and clients wait for the next. */
#define BACKOFF_READY_MAX_NS (NSEC_PER_SEC / 4)
#define LONG_LIFE_NS (10 * NSEC_PER_SEC)
#define PASS_FIRST 3

void child_init(struct child *c, char **argv)
{
        const char *slash = strrchr(argv[0], '/');

        *c = (struct child){ .name = slash ? slash + 1 : argv[0], .argv = argv };
}

/* Puts fds[i] to PASS_FIRST + i, all of them. One that is in the way and is still needed is moved beyond the end
 * first. */
static int place(int *fds, size_t n)
{
        int end = PASS_FIRST + (int)n;

        for (size_t i = 0; i < n; i++) {
                int target = PASS_FIRST + (int)i;

                if (fds[i] == target) {
                        if (fcntl(target, F_SETFD, 0) < 0)
                                return -errno;
                        continue;
                }
                for (size_t k = i + 1; k < n; k++) {
                        if (fds[k] != target)
                                continue;
                        fds[k] = fcntl(target, F_DUPFD_CLOEXEC, end);
                        if (fds[k] < 0)
                                return -errno;
                }
                if (dup2(fds[i], target) < 0)
                        return -errno;
        }
        return 0;
}

static int set_number(const char *name, long value)
{
        char text[32];

        snprintf(text, sizeof(text), "%ld", value);
        return setenv(name, text, 1);
}

static int set_environment(const struct child_passes *passes)
{
        const struct store *s = passes->store;
        _cleanup_(freep) char *names = calloc(s->n + 1, KEEPER_NAME_MAX + 1);
        char *p = names;
        long n = 0;

        if (!names)
                return -ENOMEM;
        for (size_t i = 0; i < s->n; i++) {
                if (store_is_of_front(&s->items[i]))
                        continue;
                if (n++ > 0)
                        *p++ = ':';
                p = stpcpy(p, s->items[i].name);
        }
        if (setenv("NOTIFY_SOCKET", passes->notify_path, 1) < 0 ||
            set_number(KEEPER_FD_ENV, PASS_FIRST + n) < 0)
                return -ENOMEM;
        if (passes->watchdog_ns > 0 && (set_number("WATCHDOG_USEC", (long)(passes->watchdog_ns / 1000)) < 0 ||
                                        set_number("WATCHDOG_PID", getpid()) < 0))
                return -ENOMEM;
        if (n == 0)
                return 0;
        if (set_number("LISTEN_FDS", n) < 0 || set_number("LISTEN_PID", getpid()) < 0 ||
            setenv("LISTEN_FDNAMES", names, 1) < 0)
                return -ENOMEM;
        return 0;
}

static int prepare(const struct child_passes *passes)
{
        const struct store *s = passes->store;
        _cleanup_(freep) int *fds = calloc(s->n + 1, sizeof(*fds));
        size_t n = 0;
        int r;

        if (!fds)
                return -ENOMEM;
        for (size_t i = 0; i < s->n; i++)
                if (!store_is_of_front(&s->items[i]))
                        fds[n++] = s->items[i].fd;
        fds[n] = passes->keeper_fd;
        r = place(fds, n + 1);
        if (r < 0)
                return r;
        return set_environment(passes);
}

static _Noreturn void child_main(struct child *c, const struct child_passes *passes)
{
        sigset_t none;
        int r = prepare(passes);

        if (r < 0) {
                log_error("start %s: pass %zu descriptors: %s", c->name, passes->store->n, strerror(-r));
                _exit(127);
        }
        setrlimit(RLIMIT_NOFILE, &passes->nofile);
        signal(SIGPIPE, SIG_DFL);
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        execv(c->argv[0], c->argv);
        log_error("start %s: exec %s: %s", c->name, c->argv[0], strerror(errno));
        _exit(127);
}

int child_start(struct child *c, const struct child_passes *passes, uint64_t now_ns)
{
        pid_t pid = fork();

        if (pid < 0)
                return -errno;
        if (pid == 0)
                child_main(c, passes);
        c->pid = pid;
        c->started_ns = now_ns;
        c->restart_ns = 0;
        c->ready = false;
        return 0;
}

int child_exit_status(int wait_status)
{
        return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
}

void child_ended(struct child *c, int wait_status, bool stopping, uint64_t now_ns)
{
        int status = child_exit_status(wait_status);
        bool replacing = c->replacing;
        uint64_t max_ns = c->ready ? BACKOFF_READY_MAX_NS : BACKOFF_MAX_NS;

        c->pid = 0;
        c->kill_ns = 0;
        c->replacing = false;
        c->final = stopping || (!replacing && (status == 0 || status == 2));
        if (c->final)
                return;
        if (replacing) {
                c->backoff_ns = 0;
                c->restart_ns = now_ns;
                return;
        }
        if (now_ns - c->started_ns >= LONG_LIFE_NS)
                c->backoff_ns = 0;
        if (c->backoff_ns > max_ns)
                c->backoff_ns = max_ns;
        c->restart_ns = now_ns + c->backoff_ns;
        c->backoff_ns = c->backoff_ns == 0 ? BACKOFF_FIRST_NS : c->backoff_ns * 2;
}
