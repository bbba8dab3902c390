/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A command is in one of four places: idle (nowhere), in its class's lane of the queue, in the running list, or
 * finished and waiting for its deferred on_done. Starting and finishing are both deferred, so no callback ever runs
 * from inside submit or cancel.
 *
 * A lane is a list of the first waiting command of each key; the others of that key hang behind it. The head of the
 * lane is served and the next of its key goes to the lane's end: each key has its turn, with nothing to be allocated. A
 * lane that was passed over PASS_MAX times in favour of more urgent ones is served once, so that a flood of queries
 * delays a create and cannot stop it. One of the urgent slots is never given to DELETE: slow deletes cannot hold up a
 * kill.
 */

#include "daemon/command.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utlist.h>
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "daemon/capture.h"

#define PASS_MAX 8
#define MAX_OUTPUT_DEFAULT (4UL * 1024 * 1024)
/* Killed and still there (uninterruptible, or frozen): then we stop waiting for it. */
#define KILL_GRACE_NS (5 * NSEC_PER_SEC)

struct command_queue {
        struct loop *loop;
        struct reaper *reaper;
        struct command_queue_options options;
        struct command *lanes[COMMAND_CLASS_N];
        unsigned passed[COMMAND_CLASS_N];
        struct command *running; /* also those that have ended and wait for on_done */
        unsigned n_running[COMMAND_CLASS_N];
        struct deferred pump;
};

/* --- the queue --- */

static struct command *lane_find(struct command *lane, const char *key)
{
        struct command *c;

        DL_FOREACH(lane, c)
        {
                if (strcmp(c->key, key) == 0)
                        return c;
        }
        return NULL;
}

static void lane_add(struct command_queue *q, struct command *c)
{
        struct command *first = lane_find(q->lanes[c->class], c->key);

        if (first)
                DL_APPEND(first->behind, c);
        else
                DL_APPEND(q->lanes[c->class], c);
        c->queued = true;
}

static struct command *take_behind(struct command *first)
{
        struct command *next = first->behind;

        if (!next)
                return NULL;
        DL_DELETE(first->behind, next);
        next->behind = TAKE(first->behind);
        return next;
}

static void lane_remove(struct command_queue *q, struct command *c)
{
        struct command *first = lane_find(q->lanes[c->class], c->key), *next;

        c->queued = false;
        if (first != c) {
                DL_DELETE(first->behind, c);
                return;
        }
        next = take_behind(c);
        if (next)
                DL_REPLACE_ELEM(q->lanes[c->class], c, next);
        else
                DL_DELETE(q->lanes[c->class], c);
}

static struct command *lane_take(struct command_queue *q, enum command_class class)
{
        struct command *c = q->lanes[class], *next = take_behind(c);

        DL_DELETE(q->lanes[class], c);
        if (next)
                DL_APPEND(q->lanes[class], next);
        c->queued = false;
        return c;
}

static unsigned sum_running(const struct command_queue *q, enum command_class from, enum command_class to)
{
        unsigned n = 0;

        for (unsigned i = from; i <= to; i++)
                n += q->n_running[i];
        return n;
}

static struct command *take_urgent(struct command_queue *q)
{
        unsigned n = sum_running(q, COMMAND_KILL, COMMAND_DELETE);

        if (n >= q->options.max_urgent)
                return NULL;
        if (q->lanes[COMMAND_KILL])
                return lane_take(q, COMMAND_KILL);
        if (!q->lanes[COMMAND_DELETE])
                return NULL;
        if (q->options.max_urgent > 1 && q->n_running[COMMAND_DELETE] + 1 >= q->options.max_urgent)
                return NULL;
        return lane_take(q, COMMAND_DELETE);
}

static struct command *take_ordinary(struct command_queue *q)
{
        unsigned class = COMMAND_CLASS_N;

        if (sum_running(q, COMMAND_CONTROL, COMMAND_CREATE) >= q->options.max_running)
                return NULL;
        for (unsigned i = COMMAND_CONTROL; i <= COMMAND_CREATE; i++) {
                if (q->lanes[i] && (class == COMMAND_CLASS_N || q->passed[i] >= PASS_MAX))
                        class = i;
        }
        if (class == COMMAND_CLASS_N)
                return NULL;
        q->passed[class] = 0;
        for (unsigned i = class + 1; i <= COMMAND_CREATE; i++) {
                if (q->lanes[i])
                        q->passed[i]++;
        }
        return lane_take(q, (enum command_class)class);
}

static void command_start(struct command *c);

static void on_pump(struct deferred *d)
{
        struct command_queue *q = container_of(d, struct command_queue, pump);
        struct command *c;

        while (q->lanes[COMMAND_WAIT])
                command_start(lane_take(q, COMMAND_WAIT));
        while ((c = take_urgent(q)) || (c = take_ordinary(q)))
                command_start(c);
}

int command_queue_new(struct command_queue **ret, struct loop *loop, struct reaper *reaper,
                      const struct command_queue_options *options)
{
        struct command_queue *q = calloc(1, sizeof(*q));

        if (!q)
                return -ENOMEM;
        q->loop = loop;
        q->reaper = reaper;
        q->options = *options;
        if (q->options.max_running == 0)
                q->options.max_running = 1;
        if (q->options.max_urgent == 0)
                q->options.max_urgent = 1;
        deferred_init(&q->pump, loop, on_pump);
        *ret = q;
        return 0;
}

size_t command_queue_running(const struct command_queue *q)
{
        return sum_running(q, COMMAND_KILL, COMMAND_CREATE);
}

size_t command_queue_waiting(const struct command_queue *q)
{
        const struct command *c, *d;
        size_t n = 0;

        for (unsigned i = 0; i < COMMAND_CLASS_N; i++) {
                DL_FOREACH(q->lanes[i], c)
                {
                        n++;
                        DL_FOREACH(c->behind, d)
                        n++;
                }
        }
        return n;
}

/* --- building --- */

int command_init(struct command *c, struct command_queue *q)
{
        *c = (struct command){
                .queue = q,
                .class = COMMAND_CONTROL,
                .params = SPAWN_PARAMS_NULL,
                .max_output = MAX_OUTPUT_DEFAULT,
                .log_dirfd = -1,
                .out_fd = -1,
                .err_fd = -1,
                .in_fd = -1,
        };
        c->params.new_session = true;
        c->arena = arena_new();
        return c->arena ? 0 : -ENOMEM;
}

static void vector_add(struct command *c, struct command_vector *v, char *text)
{
        if (!text) {
                c->build_failed = true;
                return;
        }
        if (v->n + 1 >= v->size) {
                size_t size = v->size ? v->size * 2 : 32;
                char **items = arena_alloc(c->arena, size * sizeof(*items));

                if (!items) {
                        c->build_failed = true;
                        return;
                }
                if (v->n > 0)
                        memcpy(items, v->items, v->n * sizeof(*items));
                v->items = items;
                v->size = size;
        }
        v->items[v->n++] = text; /* arena memory is zeroed: a NULL follows */
}

void command_arg(struct command *c, const char *arg)
{
        vector_add(c, &c->args, arena_strdup(c->arena, arg));
        c->params.argv = c->args.items;
}

void command_argf(struct command *c, const char *fmt, ...)
{
        _cleanup_(freep) char *text = NULL;
        va_list ap;

        va_start(ap, fmt);
        if (vasprintf(&text, fmt, ap) < 0)
                text = NULL;
        va_end(ap);
        if (text)
                command_arg(c, text);
        else
                c->build_failed = true;
}

void command_env(struct command *c, const char *assignment)
{
        vector_add(c, &c->env, arena_strdup(c->arena, assignment));
        c->params.envp = c->env.items;
}

/* --- one run --- */

static void command_close(struct command *c)
{
        c->out_fd = fd_close(c->out_fd);
        c->err_fd = fd_close(c->err_fd);
        c->in_fd = fd_close(c->in_fd);
        watch_timer_stop(&c->deadline);
}

static void command_unhold(struct command *c)
{
        if (c->held)
                reaper_unhold(&c->hold);
        c->held = false;
}

static void enter_running(struct command *c)
{
        DL_APPEND(c->queue->running, c);
        c->queue->n_running[c->class]++;
        c->running = true;
}

static void leave_running(struct command *c)
{
        if (!c->running)
                return;
        DL_DELETE(c->queue->running, c);
        c->queue->n_running[c->class]--;
        c->running = false;
        loop_defer(&c->queue->pump);
}

static void fill_result(const struct command *c, struct command_result *res)
{
        *res = (struct command_result){
                .spawned = c->executed,
                .spawn_step = c->failed_step ? c->failed_step : "",
                .spawn_errno = c->failed_errno,
                .exit = c->exit,
                .output = "",
                .error_text = "",
        };
        res->ok = c->executed && c->exit.known && c->exit.wait_status == 0;
        /* what ended well before the signal came was not killed */
        res->timed_out = c->timed_out && !res->ok;
        res->cancelled = c->cancelled && !res->ok;
        res->refused = c->refused;
}

static bool has_log(const struct command *c)
{
        return c->log_dirfd >= 0 && c->log_name[0];
}

static const char *find_words(const struct command *c, struct arena *a)
{
        const char *text = has_log(c) ? capture_log_words(c->log_dirfd, c->log_name, a) : "";

        return text[0] || c->err_fd < 0 ? text : capture_last_words(c->err_fd, a);
}

static void on_finish(struct deferred *d)
{
        struct command *c = container_of(d, struct command, finish);
        _cleanup_(arena_freep) struct arena *a = arena_new();
        _cleanup_(freep) char *output = NULL;
        struct command_result res;
        bool gone = false;

        fill_result(c, &res);
        if (c->out_fd >= 0)
                output = capture_read(c->out_fd, c->max_output, &res.output_len, &res.output_cut);
        if (output)
                res.output = output;
        if (!res.ok && a)
                res.error_text = find_words(c, a);
        if (has_log(c))
                unlinkat(c->log_dirfd, c->log_name, 0);
        command_close(c);
        leave_running(c);

        c->gone = &gone;
        c->on_done(c, &res);
        if (gone)
                return;
        c->gone = NULL;
        command_unhold(c);
}

/* The group is killed before its leader, which we have not reaped: so its number cannot have gone to another. The
 * processes of a container have sessions of their own. */
static void command_kill(struct command *c)
{
        const struct pidref *p = &c->spawn.pid.pidref;
        siginfo_t si;

        if (!spawn_active(&c->spawn) || c->exited)
                return;
        if (c->params.new_session && p->fd >= 0 && waitid(P_PIDFD, (id_t)p->fd, &si, WEXITED | WNOHANG | WNOWAIT) == 0)
                kill(-p->pid, SIGKILL);
        spawn_kill(&c->spawn, SIGKILL);
        watch_timer_arm(&c->deadline, KILL_GRACE_NS);
}

static void on_deadline(struct watch_timer *w)
{
        struct command *c = container_of(w, struct command, deadline);

        if (!c->timed_out && !c->cancelled) {
                c->timed_out = true;
                command_kill(c);
                return;
        }
        log_warn("pid %d (%s) was killed and does not end: no longer waiting for it", (int)c->spawn.pid.pidref.pid,
                 c->params.path);
        spawn_abandon(&c->spawn);
        c->exited = true;
        c->exit = (struct exit_info){ .realtime_ns = clock_realtime_ns() };
        loop_defer(&c->finish);
}

static void on_spawn_ready(struct spawn *s, struct spawn_ready *ready)
{
        struct command *c = container_of(s, struct command, spawn);

        c->executed = ready->ok;
        if (!ready->ok) {
                c->failed_step = ready->step;
                c->failed_errno = ready->errnum;
        } else if (c->on_ready) {
                c->on_ready(c, ready);
        }
}

static void on_spawn_exit(struct spawn *s, const struct exit_info *info)
{
        struct command *c = container_of(s, struct command, spawn);

        c->exited = true;
        c->exit = *info;
        watch_timer_stop(&c->deadline);
        loop_defer(&c->finish);
}

static int fail_step(struct command *c, const char *step, int r)
{
        c->failed_step = step;
        c->failed_errno = -r;
        return r;
}

/* Opens one memfd and puts it in the place of stdio[i]. */
static int redirect(struct command *c, size_t i, int *fd, int opened)
{
        if (opened < 0)
                return fail_step(c, i == 0 ? "make a memfd for its input" : "make a memfd for its output", opened);
        *fd = opened;
        c->params.stdio[i] = (struct spawn_stdio){ .kind = SPAWN_STDIO_FD, .fd = opened };
        return 0;
}

static int command_try_start(struct command *c)
{
        int r;

        if (c->build_failed)
                return fail_step(c, "build its arguments", -ENOMEM);
        if (c->input && redirect(c, 0, &c->in_fd, capture_input(c->input, c->input_len)) < 0)
                return -1;
        if (c->capture_output && redirect(c, 1, &c->out_fd, capture_open("stdout", c->max_output)) < 0)
                return -1;
        if (c->capture_error && redirect(c, 2, &c->err_fd, capture_open("stderr", c->max_output)) < 0)
                return -1;

        spawn_init(&c->spawn, c->queue->loop);
        c->held = c->class != COMMAND_WAIT;
        if (c->held)
                reaper_hold(c->queue->reaper, &c->hold);
        r = spawn_start(&c->spawn, c->queue->reaper, &c->params, on_spawn_ready, on_spawn_exit);
        if (r < 0)
                return fail_step(c, "create a process", r);
        c->in_fd = fd_close(c->in_fd);
        return 0;
}

static void command_start(struct command *c)
{
        struct command_queue *q = c->queue;
        uint64_t timeout = c->timeout_ns ? c->timeout_ns : q->options.default_timeout_ns;

        enter_running(c);
        if (command_try_start(c) < 0) {
                c->exited = true;
                loop_defer(&c->finish);
                return;
        }
        if (timeout && c->class != COMMAND_WAIT)
                watch_timer_arm(&c->deadline, timeout);
        if (c->on_started)
                c->on_started(c);
        if (!c->cancelled) /* by on_started: then it must not get through the gate */
                spawn_release(&c->spawn);
}

void command_submit(struct command *c)
{
        struct command_queue *q = c->queue;

        assert(q && !c->queued && !c->running && !c->finish.queued);
        assert(c->params.path && c->on_done && c->class < COMMAND_CLASS_N);
        c->timed_out = c->cancelled = c->exited = c->executed = false;
        c->failed_step = NULL;
        c->failed_errno = 0;
        c->refused = NULL;
        c->exit = (struct exit_info){ 0 };
        watch_timer_init(&c->deadline, q->loop, on_deadline);
        deferred_init(&c->finish, q->loop, on_finish);
        lane_add(q, c);
        loop_defer(&q->pump);
}

void command_cancel(struct command *c)
{
        if (c->queued) {
                lane_remove(c->queue, c);
                enter_running(c); /* for the rest of this round */
                c->cancelled = c->exited = true;
                loop_defer(&c->finish);
        } else if (c->running && !c->exited && !c->cancelled) {
                c->cancelled = true;
                command_kill(c);
        }
}

void command_refuse(struct command *c, const struct error *why)
{
        c->refused = arena_alloc(c->arena, sizeof(*c->refused));
        if (c->refused)
                *c->refused = *why;
        command_cancel(c);
}

/* Out of the queue, without a callback; what runs goes on without us. */
static void command_forget(struct command *c)
{
        if (c->queued)
                lane_remove(c->queue, c);
        if (c->running && c->class == COMMAND_WAIT && !c->exited)
                spawn_kill(&c->spawn, SIGKILL);
        if (c->running)
                spawn_abandon(&c->spawn);
        leave_running(c);
        if (c->finish.loop)
                deferred_cancel(&c->finish);
        if (c->deadline.loop)
                command_close(c);
        command_unhold(c);
}

void command_deinit(struct command *c)
{
        command_forget(c);
        if (c->gone)
                *c->gone = true;
        c->gone = NULL;
        c->arena = arena_free(c->arena);
        c->queue = NULL;
}

struct command_queue *command_queue_free(struct command_queue *q)
{
        struct command *c;

        if (!q)
                return NULL;
        for (unsigned i = 0; i < COMMAND_CLASS_N; i++) {
                while ((c = q->lanes[i])) {
                        command_forget(c);
                        c->queue = NULL;
                }
        }
        while ((c = q->running)) {
                command_forget(c);
                c->queue = NULL;
        }
        deferred_cancel(&q->pump);
        free(q);
        return NULL;
}
