/* SPDX-License-Identifier: Apache-2.0 */

/* See runsc_freeze.h. A container that is paused holds its sandbox (control.holds); the sandbox stands still as long as
 * anybody does. */

#include "daemon/runsc_freeze.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>
#include "base/atomicfile.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "daemon/daemon.h"
#include "daemon/runsc_control.h"
#include "daemon/runsc_sub.h"
#include "daemon/runtime_oci.h"
#include "daemon/spec_urpc.h"

#define THAW_LOOK_NS (2 * NSEC_PER_MSEC)
#define THAW_MAX_NS (2 * NSEC_PER_SEC) /* for what was killed to end */

static void act(struct op *op);

/* --- who shares the sandbox --- */

static bool share(const struct container *a, const struct container *b)
{
        return b->runtime && b->runtime->driver == a->runtime->driver && strcmp(a->sandbox_id, b->sandbox_id) == 0 &&
               strcmp(a->params->ns, b->params->ns) == 0 && strcmp(a->params->owner, b->params->owner) == 0;
}

static bool held(const struct container *c)
{
        const struct container *o, *tmp;

        HASH_ITER(hh, c->daemon->containers, o, tmp)
                if (o->control.holds && !o->init.ended && share(c, o))
                        return true;
        return false;
}

static struct op *find(const struct container *c, enum op_freeze freeze)
{
        const struct container *o, *tmp;
        struct op *op;

        HASH_ITER(hh, c->daemon->containers, o, tmp)
        {
                if (!share(c, o))
                        continue;
                DL_FOREACH(o->ops, op)
                        if (op->freeze == freeze)
                                return op;
        }
        return NULL;
}

static void set_doubt(const struct container *c, bool doubt)
{
        struct container *o, *tmp;

        HASH_ITER(hh, c->daemon->containers, o, tmp)
                if (share(c, o))
                        o->control.doubt = doubt;
}

/* The sandbox runs, whatever was thought. */
static void nobody_holds(const struct container *c)
{
        struct container *o, *tmp;

        HASH_ITER(hh, c->daemon->containers, o, tmp)
                if (share(c, o))
                        o->control.holds = false;
}

/* --- one at a time --- */

static void next(const struct container *c)
{
        struct op *op = find(c, FREEZE_WAITS);

        if (op)
                act(op);
}

static void act_no_more(struct op *op)
{
        op->freeze = FREEZE_NOT;
        op->asked = false;
        if (op->urpc_used)
                urpc_close(&op->urpc);
}

static void over(struct op *op, const struct error *err)
{
        act_no_more(op);
        op_finish(op, err);
        next(op->container);
}

/* Somebody else does it. */
static void leave(struct op *op)
{
        act_no_more(op);
        op->other(op);
        next(op->container);
}

/* --- asking --- */

static void replied(struct urpc *u, struct urpc_reply *reply);

/* verb: Pause or Resume. Its older name was that of another service. */
static bool ask(struct op *op, const char *verb, void (*step)(struct op *op, const struct error *err))
{
        const char *service = op->container->control.old_pause ? "Lifecycle" : "containerManager";
        const char *method = arena_printf(op->arena, "%s.%s", service, verb);

        op->verb = verb;
        op->step = step;
        if (!method || !runsc_ask(op, spec_urpc_null(op->arena, method), RUNSC_CALL_NS, replied))
                return false;
        process_keep(&op->container->init);
        return true;
}

int runsc_freeze_fd(const struct process *p)
{
        const struct op *op;

        DL_FOREACH(p->container->ops, op)
                if (op->freeze == FREEZE_ACTS && op->asked && op->kind != OP_STATE)
                        return op->urpc.fd;
        return -1;
}

static void replied(struct urpc *u, struct urpc_reply *reply)
{
        struct op *op = container_of(u, struct op, urpc);
        struct error err = ERROR_NULL;

        if (runsc_no_reply(reply, &err))
                set_doubt(op->container, true);
        else
                spec_urpc_empty(reply->text, reply->len, &err);
        urpc_close(u);
        op->asked = false;
        process_keep(&op->container->init);
        if (err.reason == REASON_NOT_SUPPORTED && !op->container->control.old_pause) {
                op->container->control.old_pause = true;
                if (ask(op, op->verb, op->step))
                        return;
        }
        op->step(op, error_is_set(&err) ? &err : NULL);
}

/* --- looking: does it stand still? --- */

static size_t count(const char *text, const char *word)
{
        size_t n = 0;

        for (const char *at = strstr(text, word); at; at = strstr(at + 1, word))
                n++;
        return n;
}

/* Each of its tasks is a goroutine, which waits in doStop as long as it may not run. (That of a process stopped by a
 * signal does too: a sandbox in which all are is taken for paused, where that was in doubt.) */
bool runsc_freeze_in_stacks(const char *text)
{
        size_t tasks = count(text, "kernel.(*Task).run(");

        return tasks > 0 && count(text, "kernel.(*Task).doStop(") >= tasks;
}

static void looked(struct urpc *u, struct urpc_reply *reply)
{
        struct op *op = container_of(u, struct op, urpc);
        struct error err = ERROR_NULL;
        const char *text = "";

        if (!runsc_no_reply(reply, &err))
                spec_urpc_text(reply->text, reply->len, op->arena, &text, &err);
        urpc_close(u);
        op->asked = false;
        op->still = !error_is_set(&err) && runsc_freeze_in_stacks(text);
        op->step(op, error_is_set(&err) ? &err : NULL);
}

static bool look(struct op *op, void (*step)(struct op *op, const struct error *err))
{
        op->step = step;
        return runsc_ask(op, spec_urpc_null(op->arena, "debug.Stacks"), RUNSC_CALL_NS, looked);
}

/* --- runsc's command line --- */

static void cli_done(struct command *cmd, const struct command_result *res)
{
        struct op *op = cmd->data;
        struct container *c = op->container;
        struct error err = ERROR_NULL;

        if (!res->ok)
                command_error(res, op_kind_name(op->kind), &err);
        c->control.holds = (op->kind == OP_PAUSE) == res->ok;
        if (res->ok && op->kind == OP_PAUSE)
                c->control.cli_paused = true;
        over(op, res->ok ? NULL : &err);
}

/* runsc resumes by the name of that container by which it was paused. */
const char *runsc_freeze_paused_by(struct container *c)
{
        struct container *o, *tmp;

        HASH_ITER(hh, c->daemon->containers, o, tmp)
        {
                if (!o->control.cli_paused || !share(c, o))
                        continue;
                o->control.cli_paused = false;
                return o->params->id;
        }
        return c->params->id;
}

bool runsc_freeze_others_hold(struct container *c)
{
        bool own = c->control.holds, others;

        c->control.holds = false;
        others = held(c);
        c->control.holds = own;
        return others;
}

static void by_cli(struct op *op)
{
        oci_command(op, op_kind_name(op->kind), COMMAND_CONTROL);
        command_arg(&op->command,
                    op->kind == OP_RESUME ? runsc_freeze_paused_by(op->container) : op->container->params->id);
        oci_submit(op, cli_done);
}

void runsc_freeze_forget(const struct container *c, const char *now)
{
        static const char paused[] = "\"status\":\"paused\"";
        _cleanup_(buf_deinit) struct buf out = BUF_NULL;
        _cleanup_(fd_closep) int dir = open(c->runtime->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_(freep) char *text = NULL;
        char name[2 * LIMIT_ID + 32];
        const char *at;
        size_t len;

        snprintf(name, sizeof(name), "%s_sandbox:%s.state", c->params->id, c->sandbox_id);
        if (dir < 0 || fd_read_file(dir, name, LIMIT_JSON, &text, &len) < 0 || !(at = strstr(text, paused)))
                return;
        buf_append(&out, text, (size_t)(at - text));
        buf_printf(&out, "\"status\":\"%s\"", now);
        buf_append(&out, at + strlen(paused), len - (size_t)(at - text) - strlen(paused));
        if (out.failed || atomicfile_write(dir, name, buf_head(&out), buf_len(&out), 0640) < 0)
                log_warn("container %s: cannot correct runsc's state file %s", c->key, name);
}

/* --- pause, resume --- */

static void paused(struct op *op, const struct error *err)
{
        if (err && err->reason == REASON_NOT_SUPPORTED) {
                by_cli(op);
                return;
        }
        op->container->control.holds = !err;
        over(op, err);
}

static void act_pause(struct op *op)
{
        if (held(op->container)) {
                op->container->control.holds = true;
                over(op, NULL);
        } else if (!ask(op, "Pause", paused)) {
                by_cli(op);
        }
}

static void resumed(struct op *op, const struct error *err)
{
        if (err && err->reason == REASON_NOT_SUPPORTED) {
                by_cli(op);
                return;
        }
        if (err)
                op->container->control.holds = true;
        else
                runsc_freeze_forget(op->container, "running");
        over(op, err);
}

static void act_resume(struct op *op)
{
        struct container *c = op->container;
        bool was_held = c->control.holds;

        c->control.holds = false;
        if (!was_held || held(c) || !runsc_sandbox_lives(c))
                over(op, NULL);
        else if (!ask(op, "Resume", resumed))
                by_cli(op);
}

/* --- killing one of a sandbox that stands still --- */

static void refrozen(struct op *op, const struct error *err)
{
        if (err) {
                log_warn("container %s: its sandbox runs, though it should be paused: %s", op->container->key,
                         err->message);
                nobody_holds(op->container);
        }
        over(op, NULL);
}

static bool has_ended(const struct container *c)
{
        const struct process *p;

        DL_FOREACH(c->execs, p)
                if (p->in_sandbox && p->pid && !p->ended)
                        return false;
        return c->init.ended;
}

static void thaw_look(struct watch_timer *w)
{
        struct op *op = container_of(w, struct op, timer);

        if (!has_ended(op->container) && clock_monotonic_ns() < op->deadline)
                watch_timer_arm(w, THAW_LOOK_NS);
        else if (!ask(op, "Pause", refrozen))
                over(op, NULL); /* it has ended */
}

static void thawed(struct op *op, const struct error *err)
{
        if (err || !held(op->container)) {
                over(op, err);
                return;
        }
        op->deadline = clock_monotonic_ns() + THAW_MAX_NS;
        watch_timer_init(&op->timer, op->container->daemon->loop, thaw_look);
        watch_timer_arm(&op->timer, THAW_LOOK_NS);
}

static void signalled(struct urpc *u, struct urpc_reply *reply)
{
        struct op *op = container_of(u, struct op, urpc);
        struct container *c = op->container;
        bool still = held(c);
        struct error err = ERROR_NULL;

        runsc_kill_reply(reply, &err);
        urpc_close(u);
        op->asked = false;
        if (error_is_set(&err)) {
                over(op, &err);
                return;
        }
        c->control.holds = false;
        if (!still || !ask(op, "Resume", thawed))
                over(op, NULL);
}

static void act_kill(struct op *op)
{
        const char *id = op->container->params->id;

        if (!runsc_ask(op, spec_urpc_signal(op->arena, id, op->signal, 0, URPC_SIGNAL_ALL), RUNSC_CALL_NS, signalled))
                leave(op);
}

/* --- after a restart --- */

static void state_seen(struct op *op, const struct error *err)
{
        struct container *c = op->container;

        if (err) {
                log_info("container %s: does it stand still? %s", c->key, err->message);
                op->still = c->state == CONTAINER_PAUSED || c->state == CONTAINER_CHECKPOINTING_PAUSED;
        }
        c->control.holds = op->still;
        op->status = op->still ? "paused" : "running";
        over(op, NULL);
}

static void look_after_all(struct op *op)
{
        if (!look(op, state_seen))
                leave(op);
}

/* What an earlier daemon had asked for has been done now. */
static void asked_before(struct urpc *u, struct urpc_reply *reply)
{
        struct op *op = container_of(u, struct op, urpc);

        urpc_close(u);
        op->asked = false;
        process_keep(&op->container->init);
        look_after_all(op);
}

static void act_state(struct op *op)
{
        struct container *c = op->container;
        int fd = runsc_is_sub(c) ? -1 : process_kept_control(&c->init);

        if (fd < 0) {
                look_after_all(op);
                return;
        }
        urpc_init(&op->urpc, c->daemon->loop);
        op->urpc_used = op->asked = true;
        urpc_open(&op->urpc, fd);
        urpc_await(&op->urpc, RUNSC_CALL_NS, asked_before);
}

/* --- any of them --- */

static void act_surely(struct op *op)
{
        switch (op->kind) {
        case OP_PAUSE:
                act_pause(op);
                break;
        case OP_RESUME:
                act_resume(op);
                break;
        case OP_KILL:
                act_kill(op);
                break;
        default:
                act_state(op);
        }
}

static void doubt_over(struct op *op, const struct error *err)
{
        struct container *c = op->container;

        if (err) {
                over(op, err);
                return;
        }
        set_doubt(c, false);
        if (!op->still)
                nobody_holds(c);
        else if (!held(c)) /* what was asked for was done after all */
                c->control.holds = true;
        act_surely(op);
}

static void act(struct op *op)
{
        op->freeze = FREEZE_ACTS;
        if (!op->container->control.doubt || op->kind == OP_STATE || !look(op, doubt_over))
                act_surely(op);
}

static bool may_be_paused(const struct container *c)
{
        return c->state == CONTAINER_PAUSING || c->state == CONTAINER_PAUSED || c->state == CONTAINER_RESUMING ||
               c->state == CONTAINER_CHECKPOINTING_PAUSED;
}

static bool is_mine(const struct op *op)
{
        const struct container *c = op->container;

        switch (op->kind) {
        case OP_PAUSE:
        case OP_RESUME:
                return true;
        case OP_KILL:
                return op->signal == SIGKILL && runsc_is_sub(c) && op->process && process_is_init(op->process) &&
                       !c->init.ended && (held(c) || find(c, FREEZE_ACTS));
        case OP_STATE:
                return may_be_paused(c);
        default:
                return false;
        }
}

bool runsc_freeze_begin(struct op *op, void (*other)(struct op *op))
{
        if (!is_mine(op))
                return false;
        op->other = other;
        if (find(op->container, FREEZE_ACTS))
                op->freeze = FREEZE_WAITS;
        else
                act(op);
        return true;
}

void runsc_freeze_cancel(struct op *op)
{
        bool acted = op->freeze == FREEZE_ACTS;

        if (op->freeze == FREEZE_NOT)
                return;
        op->freeze = FREEZE_NOT;
        if (acted)
                set_doubt(op->container, true);
        if (acted)
                next(op->container);
}
