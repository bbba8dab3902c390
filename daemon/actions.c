/* SPDX-License-Identifier: Apache-2.0 */

/* What the container's table does before it enters a state, and for requests that change no state. */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>
#include "base/clock.h"
#include "base/log.h"
#include "daemon/actions.h"
#include "daemon/daemon.h"
#include "daemon/publish.h"
#include "daemon/runtime.h"

static struct request *take(struct happening *h)
{
        struct request *req = h->request ? *h->request : NULL;

        if (req)
                *h->request = NULL;
        return req;
}

static void take_to(struct request **slot, struct happening *h)
{
        struct request *req = take(h);

        if (!req)
                return;
        if (*slot)
                request_fail_reason(&req, REASON_WRONG_STATE, "the same is being done for an earlier request");
        else
                *slot = req;
}

/* --- requests come in --- */

const char *request_exec_id(const struct request *req)
{
        switch (req->method->id) {
        case METHOD_START:
                return ((const struct start_params *)req->params)->exec_id;
        case METHOD_KILL:
                return ((const struct kill_params *)req->params)->exec_id;
        case METHOD_DELETE:
                return ((const struct delete_params *)req->params)->exec_id;
        default:
                return "";
        }
}

static void process_request(struct container *c, struct process *p, struct request *req)
{
        struct happening h = { .request = &req, .process = p };

        switch (req->method->id) {
        case METHOD_START:
                container_event(c, CEV_REQ_EXEC_START, &h);
                break;
        case METHOD_KILL:
                process_event(p, PEV_REQ_KILL, &h);
                break;
        case METHOD_DELETE:
                process_event(
                        p, ((const struct delete_params *)req->params)->force ? PEV_REQ_FORCE_DELETE : PEV_REQ_DELETE,
                        &h);
                break;
        default:
                request_fail_reason(&req, REASON_INTERNAL, "method %s is not about a process", req->method->name);
        }
}

static enum container_event event_of_method(const struct request *req)
{
        switch (req->method->id) {
        case METHOD_START:
                return CEV_REQ_START;
        case METHOD_KILL:
                return CEV_REQ_KILL;
        case METHOD_PAUSE:
                return CEV_REQ_PAUSE;
        case METHOD_RESUME:
                return CEV_REQ_RESUME;
        case METHOD_EXEC:
                return CEV_REQ_EXEC;
        case METHOD_UPDATE:
                return CEV_REQ_UPDATE;
        case METHOD_CHECKPOINT:
                return CEV_REQ_CHECKPOINT;
        case METHOD_DELETE:
                return ((const struct delete_params *)req->params)->force ? CEV_REQ_FORCE_DELETE : CEV_REQ_DELETE;
        case METHOD_PIDS:
        case METHOD_PS:
        case METHOD_STATS:
                return CEV_REQ_QUERY;
        default:
                return CEV_N;
        }
}

void container_request(struct container *c, struct request *req)
{
        const char *exec_id = request_exec_id(req);
        enum container_event ev = event_of_method(req);
        struct happening h = { .request = &req };

        if (c->adopting) {
                DL_APPEND2(c->deferred, req, park_prev, park_next);
                return;
        }
        if (exec_id[0]) {
                struct process *p = container_find_process(c, exec_id);

                if (p)
                        process_request(c, p, req);
                else
                        request_fail_reason(&req, REASON_PROCESS_NOT_FOUND, "process does not exist %s", exec_id);
        } else if (ev == CEV_N) {
                request_fail_reason(&req, REASON_INTERNAL, "method %s is not for the table", req->method->name);
        } else {
                container_event(c, ev, &h);
        }
}

/* --- the actions --- */

/* In the record too: the next daemon goes on with it. */
static void want(struct container *c, enum wanted wanted)
{
        if (c->wanted == wanted)
                return;
        c->wanted = wanted;
        container_persist(c);
}

void action_create(struct container *c, struct happening *h)
{
        take_to(&c->create_request, h);
}

void action_start(struct container *c, struct happening *h)
{
        take_to(&c->start_request, h);
}

void action_pause(struct container *c, struct happening *h)
{
        take_to(&c->pause_request, h);
}

void action_resume(struct container *c, struct happening *h)
{
        take_to(&c->pause_request, h);
}

void action_checkpoint(struct container *c, struct happening *h)
{
        take_to(&c->checkpoint_request, h);
}

void action_delete(struct container *c, struct happening *h)
{
        take_to(&c->delete_request, h);
        c->wanted = WANTED_GONE;
}

void action_fail(struct container *c, struct happening *h)
{
        if (h->error)
                c->failure = *h->error;
        else
                error_set(&c->failure, REASON_INTERNAL, "failed without a reason");
}

static void done_quietly(struct op *op, const struct error *err)
{
        if (err && err->reason != REASON_PROCESS_FINISHED)
                log_info("container %s: %s: %s", op->container->key, op_kind_name(op->kind), err->message);
}

/* The signal could not be sent. In a state that does not pass by itself nothing would ever happen again: who waits for
 * the end is told, and may ask again. */
static void killed_everything(struct op *op, const struct error *err)
{
        struct container *c = op->container;

        done_quietly(op, err);
        if (!err || err->reason == REASON_PROCESS_FINISHED || c->wanted != WANTED_GONE)
                return;
        if (c->state != CONTAINER_CREATED && c->state != CONTAINER_RUNNING && c->state != CONTAINER_PAUSED)
                return;
        want(c, WANTED_STOPPED);
        if (c->delete_request)
                request_fail(&c->delete_request, err);
}

/* SIGKILL to all of it, for nobody in particular. */
void container_kill_everything(struct container *c)
{
        struct op *op;

        if (c->init.ended || !c->init.pid)
                return;
        DL_FOREACH(c->ops, op)
                if (op->done == killed_everything)
                        return;
        op = op_new(c, OP_KILL, &c->init, killed_everything);
        op->signal = SIGKILL;
        op->all = true;
        op_start(op);
}

void action_delete_created(struct container *c, struct happening *h)
{
        take_to(&c->delete_request, h);
        want(c, WANTED_GONE);
        container_kill_everything(c);
        loop_defer(&c->kick);
}

void action_force_delete(struct container *c, struct happening *h)
{
        action_delete_created(c, h);
}

void action_abort(struct container *c, struct happening *h)
{
        struct op *op;

        take_to(&c->delete_request, h);
        want(c, WANTED_GONE);
        DL_FOREACH(c->ops, op)
                op_cancel(op);
}

void action_fail_start(struct container *c, struct happening *h)
{
        action_fail(c, h);
        container_kill_everything(c);
}

static void give_up_process(struct process *p)
{
        struct exit_info unknown = { .known = false };

        if (!p->pid || p->ended)
                return;
        snprintf(p->cause, sizeof(p->cause),
                 "it was killed and did not end within the time given; it may still be there");
        process_ended(p, &unknown);
}

/* Its command hangs. It may end when it likes: nobody listens to it any more. */
static void give_up_start(struct process *p)
{
        struct error err = ERROR_NULL;
        struct happening h = { .error = &err };
        struct op *op;

        DL_FOREACH(p->container->ops, op) {
                if (op->kind != OP_EXEC || op->process != p)
                        continue;
                op->done = done_quietly;
                op->process = NULL;
                op_cancel(op);
        }
        error_set(&err, REASON_RUNTIME_TIMEOUT,
                  "the container has ended, and the command did not end within the time given");
        process_event(p, PEV_START_FAILED, &h);
}

/* The exit of the container is reported all the same; that of its processes before it. */
void action_give_up_waiting(struct container *c, struct happening *h)
{
        struct process *p, *tmp;

        daemon_warn(c->daemon, c,
                    "processes of the container did not end within the time given; its exit is reported all the same");
        DL_FOREACH_SAFE(c->execs, p, tmp) {
                if (p->state == PROCESS_STARTING)
                        give_up_start(p);
                else if (p->state == PROCESS_RUNNING)
                        give_up_process(p);
        }
        give_up_process(&c->init);
}

void action_auto_remove(struct container *c, struct happening *h)
{
        c->wanted = WANTED_GONE;
        loop_defer(&c->kick);
}

void action_thaw(struct container *c, struct happening *h)
{
        struct op *op = op_new(c, OP_RESUME, NULL, done_quietly);

        if (op)
                op_start(op);
}

void action_oom(struct container *c, struct happening *h)
{
        if (c->init.exit_published) /* by an earlier daemon, which did not live to leave STOPPING */
                return;
        /* It ran: that comes first in the log, though the runtime's start command has not ended yet. */
        if (c->state == CONTAINER_STARTING && !c->init.start_published) {
                c->init.started_at = clock_realtime_ns();
                publish_start(&c->init);
        }
        publish_oom(c, h->oom);
        container_persist(c);
}

/* --- signals --- */

static void kill_done(struct op *op, const struct error *err)
{
        if (!op->request)
                return;
        if (err)
                request_fail(&op->request, err);
        else
                request_reply(&op->request, &(struct empty){});
}

static void kill_begin(struct container *c, struct process *p, struct happening *h)
{
        const struct kill_params *params = (*h->request)->params;
        struct op *op = op_new(c, OP_KILL, p, kill_done);

        if (!op) {
                request_fail_reason(h->request, REASON_NO_RESOURCES, "cannot send the signal: no memory");
                return;
        }
        op->signal = (int)params->signal;
        op->all = params->all && process_is_init(p);
        p->last_signal = op->signal;
        p->last_signal_uid = (*h->request)->peer.uid;
        p->last_signal_pid = (*h->request)->peer.pid;
        if (op->signal == SIGKILL && process_is_init(p) && c->wanted == WANTED_RUN)
                want(c, WANTED_STOPPED);
        op->request = take(h);
        container_persist(c); /* its repeat is not told that the process has ended already */
        op_start(op);
}

void action_kill(struct container *c, struct happening *h)
{
        kill_begin(c, &c->init, h);
}

void action_process_kill(struct process *p, struct happening *h)
{
        kill_begin(p->container, p, h);
}

/* --- processes --- */

void action_exec(struct container *c, struct happening *h)
{
        struct request *req = take(h);
        const struct exec_params *x = req->params;
        struct stdio_paths paths = {
                .terminal = x->terminal,
                .in = x->stdin_path,
                .out = x->stdout_path,
                .err = x->stderr_path,
                .uid = x->io_uid ? x->io_uid : c->init.paths.uid,
                .gid = x->io_gid ? x->io_gid : c->init.paths.gid,
                .width = x->console_width,
                .height = x->console_height,
        };
        struct error err = ERROR_NULL;
        struct spec_process *spec;
        struct process *p;

        if (container_find_process(c, x->exec_id)) {
                request_fail_reason(&req, REASON_ALREADY_EXISTS, "id %s: already exists", x->exec_id);
                return;
        }
        if (spec_process_parse((const char *)x->spec.data, x->spec.len, req->arena, &spec, &err) < 0 ||
            stdio_check(&paths, &err) < 0 ||
            process_add(&p, c, x->exec_id, &paths, x->spec.data, x->spec.len, &err) < 0) {
                request_fail(&req, &err);
                return;
        }
        p->auto_remove = x->auto_remove;
        container_persist(c);
        if (!container_exec_is_in_log(c, p->exec_id)) /* else this is the repeat of a request that was cut short */
                publish_simple(c, EVENT_EXEC_ADDED, p->exec_id, "");
        request_reply(&req, &(struct empty){});
}

void action_exec_start(struct container *c, struct happening *h)
{
        process_event(h->process, PEV_REQ_START, h);
}

void action_process_start(struct process *p, struct happening *h)
{
        p->start_request = take(h);
}

void action_process_delete(struct process *p, struct happening *h)
{
        take_to(&p->delete_request, h);
}

static void killed_process(struct op *op, const struct error *err)
{
        struct process *p = op->process;

        done_quietly(op, err);
        if (!p || !err || err->reason == REASON_PROCESS_FINISHED)
                return;
        p->wanted_gone = false;
        if (p->delete_request)
                request_fail(&p->delete_request, err);
}

void action_process_force_delete(struct process *p, struct happening *h)
{
        struct op *op = op_new(p->container, OP_KILL, p, killed_process);

        p->wanted_gone = true;
        take_to(&p->delete_request, h);
        op->signal = SIGKILL;
        op_start(op);
}

void action_process_fail(struct process *p, struct happening *h)
{
        struct error err = ERROR_NULL;

        if (h->error)
                err = *h->error;
        snprintf(p->cause, sizeof(p->cause), "could not be started: %.400s", err.message);
        text_clean(p->cause, sizeof(p->cause) - 1);
        p->exited_at = clock_realtime_ns();
        if (p->start_request)
                request_fail(&p->start_request, &err);
}

/* --- requests that change no state --- */

static void update_done(struct op *op, const struct error *err)
{
        if (!err && op->container->state < CONTAINER_STOPPED) /* nothing but delete comes after the exit */
                publish_simple(op->container, EVENT_UPDATED, "", "");
        kill_done(op, err);
}

static void query_done(struct op *op, const struct error *err)
{
        if (!op->pids.host)
                op->pids.host_pid = (uint32_t)op->container->init.pid;
        if (err)
                request_fail(&op->request, err);
        else if (op->kind == OP_PIDS)
                request_reply(&op->request, &op->pids);
        else if (op->kind == OP_PS)
                request_reply(&op->request, &op->ps);
        else
                request_reply(&op->request, &op->stats);
}

static void op_for_request(struct container *c, enum op_kind kind, op_done_fn done, struct happening *h)
{
        struct op *op = op_new(c, kind, NULL, done);

        if (!op) {
                request_fail_reason(h->request, REASON_NO_RESOURCES, "no memory");
                return;
        }
        op->request = take(h);
        op_start(op);
}

void action_update(struct container *c, struct happening *h)
{
        const struct update_params *params = (*h->request)->params;
        struct spec_limits limits;
        struct error err = ERROR_NULL;

        if (spec_resources_parse((const char *)params->resources.data, params->resources.len, (*h->request)->arena,
                                 &limits, &err) < 0)
                request_fail(h->request, &err);
        else
                op_for_request(c, OP_UPDATE, update_done, h);
}

void action_query(struct container *c, struct happening *h)
{
        enum method_id m = (*h->request)->method->id;

        op_for_request(c, m == METHOD_PIDS ? OP_PIDS : m == METHOD_PS ? OP_PS : OP_STATS, query_done, h);
}
