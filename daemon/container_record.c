/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What is written of a container: all that the next daemon needs to take it over, or to undo it. What cannot be written
 * (the disk is full, or read-only) is owed: it is tried again until it is, at the next change or by a timer, and
 * meanwhile the keeper is the one who knows how processes have ended. Ordinarily nothing is owed and no timer runs.
 */

#include <errno.h>
#include <string.h>
#include <utlist.h>
#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "daemon/actions.h"
#include "daemon/daemon.h"
#include "daemon/keeper_link.h"
#include "daemon/runtime.h"
#include "daemon/runtime_start.h"

static void process_to_record(const struct process *p, struct record_process *r)
{
        *r = (struct record_process){
                .exec_id = p->exec_id,
                .state = process_is_init(p) ? "" : process_state_name(p->state),
                .pid = (uint32_t)p->pid,
                .start_time = p->start_time,
                .internal_pid = p->internal_pid, .in_sandbox = p->in_sandbox,
                .started_at = p->started_at,
                .exited_at = p->exited_at,
                .ended = p->ended,
                .start_published = p->start_published,
                .exit_published = p->exit_published,
                .exit_known = p->ended && p->exit.known,
                .exit_status = p->ended ? process_exit_status(p) : 0,
                .wait_status = p->ended ? (uint32_t)p->exit.wait_status : 0,
                .cause = p->cause,
                .auto_remove = p->auto_remove,
                .terminal = p->paths.terminal,
                .stdin_path = p->paths.in,
                .stdout_path = p->paths.out,
                .stderr_path = p->paths.err,
                .io_uid = p->paths.uid,
                .io_gid = p->paths.gid,
                .stdin_closed = p->stdin_closed,
                .slot = p->kept.slot,
                .pidfd_id = p->kept.ids[KEPT_PID],
                .control_id = p->kept.ids[KEPT_CONTROL],
                .terminal_id = p->kept.ids[KEPT_MASTER],
                .listener_id = p->kept.ids[KEPT_LISTENER],
                .stdin_id = p->kept.ids[KEPT_IN],
                .stdout_id = p->kept.ids[KEPT_OUT],
                .stderr_id = p->kept.ids[KEPT_ERR],
                .stdout_pipe_id = p->kept.ids[KEPT_OUT_PIPE],
                .stderr_pipe_id = p->kept.ids[KEPT_ERR_PIPE],
        };
        if (!process_is_init(p) && p->state <= PROCESS_STARTING)
                r->spec = p->spec;
}

struct answers_fill {
        struct arena *a;
        struct list_record_answer list;
};

#define PERSISTED_ANSWERS 8

static void answer_to_record(void *data, const struct answer *answer)
{
        struct answers_fill *fill = data;

        if (fill->list.n == PERSISTED_ANSWERS)
                return;
        fill->list.items[fill->list.n++] = (struct record_answer){
                .request_id = answer->request_id,
                .method = answer->method,
                .answered_at = answer->answered_at,
                .data = { .data = answer->data, .len = answer->len },
        };
}

static void request_to_record(const struct request *req, struct arena *a, struct list_record_request *list)
{
        _cleanup_(buf_deinit) struct buf b = BUF_NULL;
        struct error err = ERROR_NULL;
        uint8_t *copy;

        if (!req || !req->request_id[0] || message_encode(req->method->params, req->params, &b, &err) < 0)
                return;
        copy = arena_alloc(a, buf_len(&b) + 1);
        if (!copy)
                return;
        memcpy(copy, buf_head(&b), buf_len(&b));
        list->items[list->n++] = (struct record_request){
                .method = req->method->name,
                .uid = req->peer.uid,
                .params = { .data = copy, .len = buf_len(&b) },
        };
}

/* Those whose repeat must not run twice, nor be told that it is too late. (A signal may be sent again.) */
static int requests_to_record(struct container *c, size_t n_execs, struct arena *a, struct list_record_request *list)
{
        const struct request *req;
        struct process *p;
        struct op *op;
        size_t n_revived = 0;

        DL_FOREACH(c->ops, op)
                n_revived++;
        for (req = c->revived; req; req = req->park_next)
                n_revived++;
        list->items = arena_alloc(a, (4 + n_revived + 2 * n_execs) * sizeof(struct record_request));
        if (!list->items)
                return -ENOMEM;
        request_to_record(c->create_request, a, list);
        request_to_record(c->start_request, a, list);
        request_to_record(c->pause_request, a, list);
        request_to_record(c->delete_request, a, list);
        for (req = c->revived; req; req = req->park_next)
                request_to_record(req, a, list);
        DL_FOREACH(c->ops, op)
                if (op->kind == OP_KILL)
                        request_to_record(op->request, a, list);
        DL_FOREACH(c->execs, p) {
                request_to_record(p->start_request, a, list);
                request_to_record(p->delete_request, a, list);
        }
        return 0;
}

/* Those of an earlier daemon too, of which nothing is decided yet: there may be a next one before that. */
static int commands_to_record(const struct container *c, struct arena *a, struct list_record_command *list)
{
        const struct op *op;
        size_t n = c->earlier ? c->earlier->n : 0;

        DL_FOREACH(c->ops, op)
                n++;
        list->items = arena_alloc(a, (n + 1) * sizeof(struct record_command));
        if (!list->items)
                return -ENOMEM;
        for (size_t i = 0; c->earlier && i < c->earlier->n; i++)
                list->items[list->n++] = c->earlier->items[i];
        DL_FOREACH(c->ops, op)
                if (op->recorded)
                        list->items[list->n++] = (struct record_command){
                                .kind = op_kind_name(op->kind),
                                .exec_id = op->process ? op->process->exec_id : "",
                                .pid = (uint32_t)op->command.spawn.pid.pidref.pid,
                                .start_time = op->command.spawn.pid.pidref.start_time,
                                .log = op->name,
                        };
        return 0;
}

/* From then on its limits are known to be in force. */
static bool is_made(const struct container *c)
{
        return c->state >= (c->from_checkpoint ? CONTAINER_RUNNING : CONTAINER_CREATED);
}

static int container_to_record(struct container *c, struct arena *a, struct container_record *rec)
{
        struct answers_fill fill = { .a = a };
        struct record_process *init = arena_alloc(a, sizeof(*init));
        struct process *p;
        size_t n_execs = 0;

        DL_FOREACH(c->execs, p)
                n_execs++;
        *rec = (struct container_record){
                .version = RECORD_VERSION,
                .boot_id = c->daemon->boot_id,
                .params = (struct create_params *)c->params,
                .state = container_state_name(c->state),
                .wanted = wanted_name(c->wanted),
                .created_at = c->created_at,
                .sandbox = c->sandbox_id,
                .runtime_name = c->runtime ? c->runtime->name : "",
                .runtime_path = c->runtime ? c->runtime->path : "",
                .runtime_type = c->runtime ? c->runtime->driver->type : "",
                .runtime_root = c->runtime ? c->runtime->root : "",
                .rootfs = c->rootfs,
                .cgroups_path = c->cgroups_path,
                .limits = is_made(c) ? "" : c->limits,
                .mounted = c->mounted,
                .made = c->made,
                .create_published = c->create_published,
                .private_pid_ns = c->private_pid_ns,
                .cgroup = c->cgroup ? cgroup_path(c->cgroup) : "",
                .oom_killed = c->oom_killed,
                .oom_count = c->oom ? oom_watch_seen(c->oom) : c->oom_count,
                .oom_text = c->oom_text,
                .event_seq = c->daemon->events ? eventlog_newest(c->daemon->events) : 0,
        };
        if (c->runtime)
                rec->runtime_options = c->runtime->options;
        rec->execs.items = arena_alloc(a, (n_execs + 1) * sizeof(struct record_process));
        fill.list.items = arena_alloc(a, PERSISTED_ANSWERS * sizeof(struct record_answer));
        if (!init || !rec->execs.items || !fill.list.items || commands_to_record(c, a, &rec->commands) < 0 ||
            requests_to_record(c, n_execs, a, &rec->requests) < 0)
                return -ENOMEM;
        process_to_record(&c->init, init);
        rec->init = init;
        DL_FOREACH(c->execs, p)
                process_to_record(p, &rec->execs.items[rec->execs.n++]);
        if (c->daemon->requests)
                requests_each_answer(c->daemon->requests, c->key, PERSISTED_ANSWERS, answer_to_record, &fill);
        rec->answers = fill.list;
        return 0;
}

int container_save(struct container *c, struct error *err)
{
        _cleanup_(arena_freep) struct arena *a = arena_new();
        struct container_record rec;

        if (!a || container_to_record(c, a, &rec) < 0)
                return error_set_errno(err, REASON_NO_RESOURCES, ENOMEM, "cannot write the record of container %s",
                                       c->key);
        return record_save(c->dirfd, &rec, err);
}

/* --- when it is written --- */

#define OWED_RETRY_NS NSEC_PER_SEC

static void persist_due(struct deferred *d)
{
        container_persist_now(container_of(d, struct container, persist));
}

void container_persist_init(struct container *c)
{
        deferred_init(&c->persist, c->daemon->loop, persist_due);
}

void container_persist(struct container *c)
{
        loop_defer_last(&c->persist);
}

static void forget_end(struct process *p)
{
        if (p->end_owed)
                keeper_link_forget(p->container->daemon->keeper, p->pid, p->start_time);
        p->end_owed = false;
}

void container_owes_nothing(struct container *c)
{
        struct process *p;

        if (!c->owed)
                return;
        c->owed = false;
        forget_end(&c->init);
        DL_FOREACH(c->execs, p)
                forget_end(p);
}

static void saved(struct container *c)
{
        start_drop_pid_files(c);
        container_owes_nothing(c);
}

int container_write(struct container *c, struct error *err)
{
        deferred_cancel(&c->persist);
        if (container_save(c, err) == 0) {
                saved(c);
                return 0;
        }
        if (!c->owed)
                daemon_warn(c->daemon, c, "%s: its state is kept in memory, and written as soon as it can be",
                            err->message);
        c->owed = true;
        if (!watch_timer_active(&c->daemon->owed_timer))
                watch_timer_arm(&c->daemon->owed_timer, OWED_RETRY_NS);
        return -1;
}

void container_persist_now(struct container *c)
{
        struct error err = ERROR_NULL;

        if (c->dirfd >= 0)
                container_write(c, &err);
}

void container_persist_if_due(struct container *c)
{
        if (c->persist.queued)
                container_persist_now(c);
}

void containers_persist_owed(struct watch_timer *w)
{
        struct daemon *d = container_of(w, struct daemon, owed_timer);
        struct container *c, *tmp;
        unsigned written = 0;

        HASH_ITER(hh, d->containers, c, tmp) {
                struct error err = ERROR_NULL;

                if (!c->owed)
                        continue;
                if (c->dirfd >= 0 && container_write(c, &err) < 0)
                        break; /* the others would fare no better; the timer was armed */
                written++;
        }
        if (written)
                log_info("%u records that could not be written are written now", written);
}

/* It is in the record: only now may the keeper forget it. Or it is not: then the keeper has to know it. */
void process_end_recorded(struct process *p)
{
        struct keeper_link *keeper = p->container->daemon->keeper;

        if (p->in_sandbox) /* that pid is its sandbox's */
                return;
        p->end_owed = p->container->owed;
        if (!p->end_owed)
                keeper_link_forget(keeper, p->pid, p->start_time);
        else if (p->exit.known)
                keeper_link_remember(keeper, p->pid, p->start_time, &p->exit);
}
