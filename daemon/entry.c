/* SPDX-License-Identifier: Apache-2.0 */

/* What is done when a state has been entered: operations are begun, events published, requests answered. */

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "daemon/actions.h"
#include "daemon/daemon.h"
#include "daemon/publish.h"
#include "daemon/relay.h"
#include "daemon/runtime.h"

#define STOPPING_DEADLINE_NS (10 * NSEC_PER_SEC)
#define WAITERS_RETURN_NS (5 * NSEC_PER_SEC) /* after a restart, clients that wait have connected again by then */

void container_leave(struct container *c, enum container_state next)
{
        watch_timer_stop(&c->timer);
        c->looks = 0;
}

static void fail_or(struct request **req, const struct error *failure, enum reason reason, const char *text)
{
        if (!*req)
                return;
        if (error_is_set(failure))
                request_fail(req, failure);
        else
                request_fail_reason(req, reason, "%s", text);
}

static void fail_list(struct request **list, enum reason reason, const char *text)
{
        struct request *req, *tmp;

        DL_FOREACH_SAFE2(*list, req, tmp, park_next) {
                DL_DELETE2(*list, req, park_prev, park_next);
                request_fail_reason(&req, reason, "%s", text);
        }
}

static void reply_empty(struct request **req)
{
        if (*req)
                request_reply(req, &(struct empty){});
}

/* Answers to all who wait for the process. */
static void answer_waiters(struct process *p)
{
        struct exit_result res;
        struct request *req, *tmp, *list = p->waiters;

        p->waiters = NULL;
        process_describe_exit(p, &res);
        DL_FOREACH_SAFE2(list, req, tmp, park_next) {
                DL_DELETE2(list, req, park_prev, park_next);
                request_reply(&req, &res);
        }
}

static void result(struct container *c, enum container_event ok, enum container_event failed, const struct error *err)
{
        struct happening h = { .error = err };

        container_event(c, err ? failed : ok, &h);
}

/* --- making --- */

static int understand_spec(struct container *c, struct op *op, struct error *err)
{
        char *rootfs;

        if (spec_parse(op->text, op->text_len, c->arena, &c->spec, err) < 0)
                return error_wrap(err, "%s/config.json", c->params->bundle);
        if (c->spec->terminal != c->params->terminal && !c->from_checkpoint)
                return error_set(err, REASON_INVALID_SPEC,
                                 "%s/config.json: process.terminal is %s, but the request says %s: make them agree",
                                 c->params->bundle, c->spec->terminal ? "true" : "false",
                                 c->params->terminal ? "true" : "false");
        rootfs = c->spec->root_path[0] == '/' ? arena_strdup(c->arena, c->spec->root_path)
                                             : arena_printf(c->arena, "%s/%s", c->params->bundle, c->spec->root_path);
        if (!rootfs)
                return error_set(err, REASON_NO_RESOURCES, "no memory");
        c->rootfs = rootfs;
        c->cgroups_path = c->spec->cgroups_path;
        c->limits = c->spec->limits_text;
        c->private_pid_ns = c->spec->private_pid_ns;
        c->sandbox_id = runtime_sandbox_id(c->runtime, c->spec, c->params->id);
        return 0;
}

static void prepare_done(struct op *op, const struct error *err)
{
        struct container *c = op->container;
        struct error local = ERROR_NULL;

        if (!err && understand_spec(c, op, &local) < 0)
                err = &local;
        result(c, CEV_PREPARE_OK, CEV_PREPARE_FAILED, err);
}

static void enter_preparing(struct container *c, struct happening *h)
{
        c->mounted = c->params->rootfs.n > 0;
        op_begin(c, OP_PREPARE, NULL, prepare_done);
}

static void create_done(struct op *op, const struct error *err)
{
        result(op->container, CEV_CREATE_OK, CEV_CREATE_FAILED, err);
}

static void enter_creating(struct container *c, struct happening *h)
{
        struct op *op;

        if (!c->from_checkpoint) {
                c->made = true;
                op_begin(c, OP_CREATE, &c->init, create_done);
                return;
        }
        /* start restores: until then there is nothing, and the answer comes in a later turn as always */
        op = op_new(c, OP_CREATE, &c->init, create_done);
        if (op)
                op_finish(op, NULL);
}

static void undo_cleaned(struct op *op, const struct error *err)
{
        if (err)
                daemon_warn(op->container->daemon, op->container, "%s", err->message);
        container_event(op->container, CEV_UNDO_DONE, NULL);
}

static void undo_deleted(struct op *op, const struct error *err)
{
        if (err)
                daemon_warn(op->container->daemon, op->container, "undoing the create: %s", err->message);
        op_begin(op->container, OP_CLEAN, NULL, undo_cleaned);
}

static void enter_undoing(struct container *c, struct happening *h)
{
        struct op *op = c->made ? op_new(c, OP_DELETE, NULL, undo_deleted) : NULL;

        if (op) {
                op->force = true;
                op_start(op);
        } else {
                op_begin(c, OP_CLEAN, NULL, undo_cleaned);
        }
}

static void enter_created(struct container *c, struct happening *h)
{
        struct create_result res = { .pid = (uint32_t)c->init.pid };

        publish_create(c);
        if (c->create_request)
                request_reply(&c->create_request, &res);
        if (c->start_request) /* the start was not run: it may be tried again */
                fail_or(&c->start_request, &c->failure, REASON_INTERNAL, "start failed");
        c->failure = (struct error)ERROR_NULL;
}

/* --- running --- */

static void start_done(struct op *op, const struct error *err)
{
        struct happening h = { .error = err };

        if (err && op->not_run)
                container_event(op->container, CEV_START_NOT_RUN, &h);
        else
                result(op->container, CEV_START_OK, CEV_START_FAILED, err);
}

static void enter_starting(struct container *c, struct happening *h)
{
        c->made = true;
        op_begin(c, c->from_checkpoint ? OP_RESTORE : OP_START, &c->init, start_done);
}

static void checkpoint_over(struct container *c)
{
        if (error_is_set(&c->failure)) {
                fail_or(&c->checkpoint_request, &c->failure, REASON_INTERNAL, "checkpoint failed");
                return;
        }
        publish_simple(c, EVENT_CHECKPOINTED, "", "");
        reply_empty(&c->checkpoint_request);
}

static void enter_running(struct container *c, struct happening *h)
{
        struct start_result res = { .pid = (uint32_t)c->init.pid };

        if (!c->init.start_published) {
                c->init.started_at = clock_realtime_ns();
                publish_start(&c->init);
                container_persist(c);
        }
        if (c->runtime->driver->await)
                c->runtime->driver->await(c);
        if (c->start_request)
                request_reply(&c->start_request, &res);
        if (c->previous == CONTAINER_RESUMING) {
                publish_simple(c, EVENT_RESUMED, "", "");
                reply_empty(&c->pause_request);
        }
        if (c->previous == CONTAINER_PAUSING)
                fail_or(&c->pause_request, &c->failure, REASON_INTERNAL, "pause failed");
        if (c->previous == CONTAINER_CHECKPOINTING)
                checkpoint_over(c);
        c->failure = (struct error)ERROR_NULL;
}

static void pause_done(struct op *op, const struct error *err)
{
        result(op->container, CEV_PAUSE_OK, CEV_PAUSE_FAILED, err);
}

static void enter_pausing(struct container *c, struct happening *h)
{
        op_begin(c, OP_PAUSE, NULL, pause_done);
}

static void enter_paused(struct container *c, struct happening *h)
{
        if (c->previous == CONTAINER_RESUMING) {
                fail_or(&c->pause_request, &c->failure, REASON_INTERNAL, "resume failed");
        } else if (c->previous == CONTAINER_CHECKPOINTING_PAUSED) {
                checkpoint_over(c);
        } else {
                publish_simple(c, EVENT_PAUSED, "", "");
                reply_empty(&c->pause_request);
        }
        c->failure = (struct error)ERROR_NULL;
}

static void resume_done(struct op *op, const struct error *err)
{
        result(op->container, CEV_RESUME_OK, CEV_RESUME_FAILED, err);
}

static void enter_resuming(struct container *c, struct happening *h)
{
        op_begin(c, OP_RESUME, NULL, resume_done);
}

static void checkpoint_done(struct op *op, const struct error *err)
{
        result(op->container, CEV_CHECKPOINT_OK, CEV_CHECKPOINT_FAILED, err);
}

static void enter_checkpointing(struct container *c, struct happening *h)
{
        op_begin(c, OP_CHECKPOINT, NULL, checkpoint_done);
}

/* --- ending --- */

static void enter_stopping(struct container *c, struct happening *h)
{
        static const char text[] = "the container's init process has ended";

        fail_or(&c->start_request, &c->failure, REASON_STOPPED, text);
        fail_or(&c->pause_request, &c->failure, REASON_WRONG_STATE, text);
        fail_or(&c->checkpoint_request, &c->failure, REASON_WRONG_STATE, text);
        c->failure = (struct error)ERROR_NULL;
        c->deadline = clock_monotonic_ns() + STOPPING_DEADLINE_NS;
}

static void enter_stopped(struct container *c, struct happening *h)
{
        bool told;

        if (c->previous == CONTAINER_DELETING) {
                /* not again by itself: who wants it gone may ask again */
                c->wanted = WANTED_STOPPED;
                if (!c->delete_request)
                        daemon_warn(c->daemon, c, "could not be removed: %s", c->failure.message);
                fail_or(&c->delete_request, &c->failure, REASON_INTERNAL, "delete failed");
                fail_list(&c->after_gone, REASON_ALREADY_EXISTS, "the container that has this id could not be removed");
                c->failure = (struct error)ERROR_NULL;
                container_persist(c);
                return;
        }
        if (!c->init.exit_published) {
                publish_exit(&c->init);
                container_persist(c);
        }
        told = c->init.waiters != NULL;
        answer_waiters(&c->init);
        if (!c->init.auto_remove)
                return;
        if (told || !c->adopted)
                c->wanted = WANTED_GONE;
        else
                watch_timer_arm(&c->timer, WAITERS_RETURN_NS);
}

static void delete_done(struct op *op, const struct error *err)
{
        result(op->container, CEV_DELETE_OK, CEV_DELETE_FAILED, err);
}

static void enter_deleting(struct container *c, struct happening *h)
{
        struct op *op = op_new(c, OP_DELETE, NULL, delete_done);

        if (!op)
                return;
        op->force = true; /* it has stopped: nothing is killed that lives, and half-written runtime state goes too */
        if (c->made)
                op_start_alone(op);
        else
                op_finish(op, NULL);
}

static void clean_done(struct op *op, const struct error *err)
{
        if (err)
                daemon_warn(op->container->daemon, op->container, "%s", err->message);
        container_event(op->container, CEV_CLEAN_DONE, NULL);
}

static void enter_cleaning(struct container *c, struct happening *h)
{
        op_begin(c, OP_CLEAN, NULL, clean_done);
}

/* Who asked for the container to be there again waited for this one to be gone. */
void container_create_again(struct container *c)
{
        struct request *req, *tmp, *list = c->after_gone;
        struct daemon *d = c->daemon;

        c->after_gone = NULL;
        DL_FOREACH_SAFE2(list, req, tmp, park_next) {
                DL_DELETE2(list, req, park_prev, park_next);
                method_handlers[METHOD_CREATE](d, req);
        }
}

/* It went before their turn came: at the start of this daemon it was gone already, or all but gone. */
static void answer_revived_deletes(struct container *c, const struct exit_result *res)
{
        struct request *req, *tmp;

        DL_FOREACH_SAFE2(c->revived, req, tmp, park_next) {
                if (req->method->id != METHOD_DELETE || ((const struct delete_params *)req->params)->exec_id[0])
                        continue;
                DL_DELETE2(c->revived, req, park_prev, park_next);
                request_reply(&req, res);
        }
}

static void answer_removal(struct process *p)
{
        struct exit_result res;

        process_describe_exit(p, &res);
        if (p->delete_request)
                request_reply(&p->delete_request, &res);
}

static void enter_gone(struct container *c, struct happening *h)
{
        static const char removed[] = "the container was removed";
        struct daemon *d = c->daemon;
        struct exit_result res;
        struct process *p, *tmp;
        struct error err = ERROR_NULL;

        if (c->create_published)
                publish_delete(c);
        process_describe_exit(&c->init, &res);
        fail_or(&c->create_request, &c->failure, REASON_CANCELLED,
                "the container was removed while it was being created");
        if (c->delete_request)
                request_reply(&c->delete_request, &res);
        answer_revived_deletes(c, &res);
        DL_FOREACH_SAFE(c->execs, p, tmp) {
                fail_list(&p->waiters, REASON_NOT_FOUND, removed);
                fail_list(&p->deferred, REASON_NOT_FOUND, removed);
                fail_or(&p->start_request, &(struct error)ERROR_NULL, REASON_NOT_FOUND, removed);
                answer_removal(p);
        }
        if (c->previous == CONTAINER_UNDOING)
                fail_list(&c->init.waiters, REASON_NOT_FOUND, "the container could not be created");
        answer_waiters(&c->init);
        fail_list(&c->deferred, REASON_NOT_FOUND, removed);
        fail_list(&c->revived, REASON_NOT_FOUND, removed);
        if (record_remove(d->store, c->params->owner, c->params->ns, c->params->id, &err) < 0)
                daemon_warn(d, c, "%s", err.message);
        else
                container_owes_nothing(c);
        c->dirfd = fd_close(c->dirfd);
        container_retire(c);
        container_create_again(c);
}

const container_action container_entry[CONTAINER_STATE_N] = {
        [CONTAINER_PREPARING] = enter_preparing,
        [CONTAINER_CREATING] = enter_creating,
        [CONTAINER_UNDOING] = enter_undoing,
        [CONTAINER_CREATED] = enter_created,
        [CONTAINER_STARTING] = enter_starting,
        [CONTAINER_RUNNING] = enter_running,
        [CONTAINER_PAUSING] = enter_pausing,
        [CONTAINER_PAUSED] = enter_paused,
        [CONTAINER_RESUMING] = enter_resuming,
        [CONTAINER_CHECKPOINTING] = enter_checkpointing,
        [CONTAINER_CHECKPOINTING_PAUSED] = enter_checkpointing,
        [CONTAINER_STOPPING] = enter_stopping,
        [CONTAINER_STOPPED] = enter_stopped,
        [CONTAINER_DELETING] = enter_deleting,
        [CONTAINER_CLEANING] = enter_cleaning,
        [CONTAINER_GONE] = enter_gone,
};

/* --- added processes --- */

static void exec_done(struct op *op, const struct error *err)
{
        struct happening h = { .error = err };

        process_event(op->process, err ? PEV_START_FAILED : PEV_START_OK, &h);
}

static void enter_process_starting(struct process *p, struct happening *h)
{
        op_begin(p->container, OP_EXEC, p, exec_done);
}

static void enter_process_running(struct process *p, struct happening *h)
{
        struct start_result res = { .pid = (uint32_t)p->pid };

        p->started_at = clock_realtime_ns();
        publish_start(p);
        container_persist(p->container);
        if (p->start_request)
                request_reply(&p->start_request, &res);
}

static void enter_process_stopped(struct process *p, struct happening *h)
{
        process_let_go(p);
        if (p->start_published && !p->exit_published) {
                publish_exit(p);
                container_persist(p->container);
        }
        stdio_process_ended(&p->stdio);
        answer_waiters(p);
}

/* What it has written reaches the client first, so that nothing is lost with this daemon either. */
static void enter_process_removing(struct process *p, struct happening *h)
{
        if (stdio_moves(&p->stdio))
                watch_timer_arm(&p->drain, RELAY_LINGER_NS);
}

static void enter_process_gone(struct process *p, struct happening *h)
{
        answer_removal(p);
        fail_list(&p->waiters, REASON_PROCESS_NOT_FOUND, "the process was removed");
        fail_list(&p->deferred, REASON_PROCESS_NOT_FOUND, "the process was removed");
        process_unkeep(p);
        process_free(p);
}

const process_action process_entry[PROCESS_STATE_N] = {
        [PROCESS_STARTING] = enter_process_starting,
        [PROCESS_RUNNING] = enter_process_running,
        [PROCESS_STOPPED] = enter_process_stopped,
        [PROCESS_REMOVING] = enter_process_removing,
        [PROCESS_GONE] = enter_process_gone,
};
