/* SPDX-License-Identifier: Apache-2.0 */

/*
 * End of file on the ready pipe means ready, and is also what is seen when the logger dies. They are told apart by the
 * kernel: a process has PF_EXITING set before it closes its descriptors.
 */

#include "daemon/logger.h"

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

#define PF_EXITING 0x00000004U /* linux/sched.h; field 9 of /proc/PID/stat */

struct logger {
        struct loop *loop;
        struct arena *arena;
        const char *name; /* its path */
        struct spawn spawn;
        int ready_fd;  /* our end of the ready pipe */
        int output[3]; /* write ends for the process; 1 and 2 */
        struct watch_fd ready_watch;
        struct watch_timer timer;
        logger_fn fn; /* NULL: has been told, or nobody wants to know */
        void *data;
        bool released, terminated, failed, process_ended;
};

static struct logger *logger_free(struct logger *l)
{
        spawn_abandon(&l->spawn);
        watch_fd_stop(&l->ready_watch);
        watch_timer_stop(&l->timer);
        fd_close(l->ready_fd);
        logger_close_outputs(l);
        arena_free(l->arena);
        free(l);
        return NULL;
}
DEFINE_CLEANUP(struct logger *, logger_free)

static void tell(struct logger *l, const struct error *err)
{
        logger_fn fn = l->fn;

        l->fn = NULL;
        l->failed = err != NULL;
        watch_fd_stop(&l->ready_watch);
        watch_timer_stop(&l->timer);
        l->ready_fd = fd_close(l->ready_fd);
        if (fn)
                fn(l->data, err); /* may release it */
}

static bool is_exiting(pid_t pid)
{
        struct proc_stat st;

        return proc_stat_read(pid, &st) < 0 || st.state == 'Z' || (st.flags & PF_EXITING);
}

static void on_ready_fd(struct watch_fd *w, unsigned events)
{
        struct logger *l = container_of(w, struct logger, ready_watch);
        char byte;
        ssize_t n = read(l->ready_fd, &byte, 1);

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        if (n == 0 && (!spawn_active(&l->spawn) || is_exiting(l->spawn.pid.pidref.pid))) {
                watch_fd_stop(&l->ready_watch); /* its exit tells the rest */
                return;
        }
        tell(l, NULL);
}

static void on_timer(struct watch_timer *w)
{
        struct logger *l = container_of(w, struct logger, timer);
        struct error err = ERROR_NULL;

        if (!l->released) {
                spawn_kill(&l->spawn, SIGKILL);
                error_set(&err, REASON_RUNTIME_TIMEOUT,
                          "logger %s was not ready after %u s and was killed: it must close descriptor 5", l->name,
                          (unsigned)(LOGGER_READY_NS / NSEC_PER_SEC));
                tell(l, &err);
        } else if (!l->terminated) {
                l->terminated = true;
                spawn_kill(&l->spawn, SIGTERM);
                watch_timer_arm(&l->timer, LOGGER_KILL_NS - LOGGER_TERM_NS);
        } else {
                log_warn("logger %s did not end after SIGTERM: killed", l->name);
                spawn_kill(&l->spawn, SIGKILL);
        }
}

static void on_spawn_ready(struct spawn *s, struct spawn_ready *ready)
{
        struct logger *l = container_of(s, struct logger, spawn);
        struct error err = ERROR_NULL;

        if (ready->ok)
                return;
        error_set_errno(&err, REASON_INVALID_ARGUMENT, ready->errnum, "logger %s could not be started (%s)", l->name,
                        ready->step);
        tell(l, &err);
}

static void describe_exit(const struct exit_info *info, char *text, size_t size)
{
        if (!info->known)
                snprintf(text, size, "ended");
        else if (WIFSIGNALED(info->wait_status))
                snprintf(text, size, "was killed by signal %d", WTERMSIG(info->wait_status));
        else
                snprintf(text, size, "exited with status %d", WEXITSTATUS(info->wait_status));
}

static void on_spawn_exit(struct spawn *s, const struct exit_info *info)
{
        struct logger *l = container_of(s, struct logger, spawn);
        struct error err = ERROR_NULL;
        char how[64];

        if (l->released) {
                logger_free(l);
                return;
        }
        describe_exit(info, how, sizeof(how));
        if (l->failed || l->process_ended)
                return;
        if (!l->fn) {
                log_warn("logger %s %s while its container is there: what that writes is lost", l->name, how);
                return;
        }
        error_set(&err, REASON_INVALID_ARGUMENT, "logger %s %s before it was ready", l->name, how);
        tell(l, &err);
}

/* path key value ... */
static char **make_argv(struct arena *a, const struct stdio_uri *uri)
{
        char **argv = arena_alloc(a, (uri->args.n + 2) * sizeof(*argv));
        size_t n = 0;

        if (!argv)
                return NULL;
        argv[n] = arena_strdup(a, uri->path);
        for (size_t i = 0; i < uri->args.n && argv[n]; i++)
                argv[++n] = arena_strdup(a, uri->args.items[i]);
        return argv[n] ? argv : NULL;
}

/* Takes the read ends over into the child; the rest stays with l. */
static int logger_spawn(struct logger *l, struct reaper *reaper, const struct stdio_uri *uri, const char *ns,
                        const char *id, struct error *err)
{
        struct spawn_params params = SPAWN_PARAMS_NULL;
        char *env[3] = { arena_printf(l->arena, "CONTAINER_ID=%s", id),
                         arena_printf(l->arena, "CONTAINER_NAMESPACE=%s", ns) };
        int pipes[3][2] = { { -1, -1 }, { -1, -1 }, { -1, -1 } }, r = 0;
        struct spawn_inherit inherit[3];

        params.path = l->name;
        params.argv = make_argv(l->arena, uri);
        params.envp = env;
        params.inherit = inherit;
        params.n_inherit = 3;
        if (!env[0] || !env[1] || !params.argv)
                return error_set(err, REASON_NO_RESOURCES, "no memory for logger %s", l->name);

        for (size_t i = 0; i < 3; i++) {
                if (r == 0 && pipe2(pipes[i], O_CLOEXEC) < 0)
                        r = -errno;
                inherit[i] = (struct spawn_inherit){ .fd = pipes[i][i == 2], .target = 3 + (int)i };
        }
        l->output[1] = pipes[0][1];
        l->output[2] = pipes[1][1];
        l->ready_fd = pipes[2][0];
        if (r == 0)
                r = spawn_start(&l->spawn, reaper, &params, on_spawn_ready, on_spawn_exit);
        fd_close(pipes[0][0]);
        fd_close(pipes[1][0]);
        fd_close(pipes[2][1]);
        if (r < 0)
                return error_set_errno(err, reason_of_errno(r), r, "logger %s could not be started", l->name);
        spawn_release(&l->spawn);
        return 0;
}

int logger_new(struct logger **ret, struct loop *loop, struct reaper *reaper, const struct stdio_uri *uri,
               const char *ns, const char *id, logger_fn fn, void *data, struct error *err)
{
        _cleanup_(logger_freep) struct logger *l = calloc(1, sizeof(*l));

        if (!l)
                return error_set(err, REASON_NO_RESOURCES, "no memory for a logger");
        l->loop = loop;
        l->ready_fd = l->output[0] = l->output[1] = l->output[2] = -1;
        l->fn = fn;
        l->data = data;
        spawn_init(&l->spawn, loop);
        watch_fd_init(&l->ready_watch, loop, on_ready_fd);
        watch_timer_init(&l->timer, loop, on_timer);
        l->arena = arena_new();
        l->name = l->arena ? arena_strdup(l->arena, uri->path) : NULL;
        if (!l->name)
                return error_set(err, REASON_NO_RESOURCES, "no memory for a logger");
        if (logger_spawn(l, reaper, uri, ns, id, err) < 0)
                return -1;
        fd_set_nonblock(l->ready_fd, true);
        watch_fd_set(&l->ready_watch, l->ready_fd, LOOP_READ);
        watch_timer_arm(&l->timer, LOGGER_READY_NS);
        *ret = TAKE(l);
        return 0;
}

int logger_output(const struct logger *l, int i)
{
        return l->output[i];
}

int logger_take_output(struct logger *l, int i)
{
        return TAKE_FD(l->output[i]);
}

void logger_close_outputs(struct logger *l)
{
        for (int i = 1; i < 3; i++)
                l->output[i] = fd_close(l->output[i]);
}

void logger_process_ended(struct logger *l)
{
        l->process_ended = true;
}

struct logger *logger_release(struct logger *l)
{
        if (!l)
                return NULL;
        l->released = true;
        l->fn = NULL;
        watch_fd_stop(&l->ready_watch);
        l->ready_fd = fd_close(l->ready_fd);
        logger_close_outputs(l);
        if (!spawn_active(&l->spawn))
                return logger_free(l);
        watch_timer_arm(&l->timer, LOGGER_TERM_NS);
        return NULL;
}
