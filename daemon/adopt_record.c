/* SPDX-License-Identifier: Apache-2.0 */

/* Nothing is decided here: what comes out is what the record says, whether or not it is true any more. */

#include "daemon/adopt_record.h"

#include <stdio.h>
#include <string.h>
#include <utlist.h>
#include "base/log.h"
#include "daemon/daemon.h"
#include "daemon/runtime.h"

static void process_from_record(struct process *p, const struct record_process *r)
{
        p->pid = (pid_t)r->pid;
        p->start_time = r->start_time;
        p->internal_pid = (uint32_t)r->internal_pid;
        p->in_sandbox = r->in_sandbox;
        p->started_at = r->started_at;
        p->exited_at = r->exited_at;
        p->start_published = r->start_published;
        p->exit_published = r->exit_published;
        p->ended = r->ended;
        p->exit = (struct exit_info){ .known = r->exit_known,
                                      .wait_status = (int)r->wait_status,
                                      .realtime_ns = r->exited_at };
        p->auto_remove = r->auto_remove;
        p->stdin_closed = r->stdin_closed;
        p->kept.slot = r->slot;
        p->kept.ids[KEPT_PID] = r->pidfd_id;
        p->kept.ids[KEPT_CONTROL] = r->control_id;
        p->kept.ids[KEPT_MASTER] = r->terminal_id;
        p->kept.ids[KEPT_LISTENER] = r->listener_id;
        p->kept.ids[KEPT_IN] = r->stdin_id;
        p->kept.ids[KEPT_OUT] = r->stdout_id;
        p->kept.ids[KEPT_ERR] = r->stderr_id;
        p->kept.ids[KEPT_OUT_PIPE] = r->stdout_pipe_id;
        p->kept.ids[KEPT_ERR_PIPE] = r->stderr_pipe_id;
        if (p->container->daemon->kept)
                kept_store_used(p->container->daemon->kept, r->slot);
        snprintf(p->cause, sizeof(p->cause), "%s", r->cause);
}

static void execs_from_record(struct container *c, const struct container_record *rec)
{
        for (size_t i = 0; i < rec->execs.n; i++) {
                const struct record_process *r = &rec->execs.items[i];
                struct stdio_paths paths = {
                        .terminal = r->terminal,
                        .in = r->stdin_path,
                        .out = r->stdout_path,
                        .err = r->stderr_path,
                        .uid = r->io_uid,
                        .gid = r->io_gid,
                };
                struct error err = ERROR_NULL;
                struct process *p;
                int state = process_state_parse(r->state);

                if (state == PROCESS_GONE)
                        continue;
                if (state == PROCESS_REMOVING)
                        state = PROCESS_STOPPED; /* who asked for it asks again */
                if (state < 0 || process_add(&p, c, r->exec_id, &paths, r->spec.data, r->spec.len, &err) < 0) {
                        log_warn("container %s: process %s of the record is left out: %s", c->key, r->exec_id,
                                 err.message);
                        continue;
                }
                process_from_record(p, r);
                p->state = (enum process_state_kind)state;
        }
}

int container_from_record(struct container **ret, struct daemon *d, struct container_record *rec, struct error *err)
{
        int state = container_state_parse(rec->state);
        struct container *c;

        if (state < 0 || !rec->params || !rec->init)
                return error_set(err, REASON_CORRUPT, "state \"%s\", or no parameters", rec->state);
        if (container_new(&c, d, rec->params, err) < 0)
                return -1;
        c->state = (enum container_state)state;
        c->wanted = strcmp(rec->wanted, wanted_name(WANTED_GONE)) == 0      ? WANTED_GONE
                    : strcmp(rec->wanted, wanted_name(WANTED_STOPPED)) == 0 ? WANTED_STOPPED
                                                                            : WANTED_RUN;
        c->adopted = true;
        c->created_at = rec->created_at;
        c->sandbox_id = arena_strdup(c->arena, rec->sandbox[0] ? rec->sandbox : rec->params->id);
        c->rootfs = arena_strdup(c->arena, rec->rootfs);
        c->cgroups_path = arena_strdup(c->arena, rec->cgroups_path);
        c->limits = arena_strdup(c->arena, rec->limits);
        c->mounted = rec->mounted;
        c->made = rec->made;
        c->create_published = rec->create_published;
        c->private_pid_ns = rec->private_pid_ns;
        c->oom_killed = rec->oom_killed;
        c->oom_count = rec->oom_count;
        c->recorded_seq = rec->event_seq;
        snprintf(c->oom_text, sizeof(c->oom_text), "%s", rec->oom_text);
        process_from_record(&c->init, rec->init);
        execs_from_record(c, rec);
        c->dir = record_dir_path(d->store, rec->params->owner, c->params->ns, rec->params->id, c->arena);
        c->dirfd = record_dir_open(d->store, rec->params->owner, c->params->ns, rec->params->id, false, err);
        if (c->dirfd < 0 || runtime_of_record(&c->runtime, d, rec, err) < 0) {
                container_retire(c);
                return -1;
        }
        *ret = c;
        return 0;
}

/* --- execs that were added between the last record and the end of the daemon --- */

void container_exec_was_added(struct container *c, const char *exec_id)
{
        struct published *p = arena_alloc(c->arena, sizeof(*p));

        if (!p)
                return;
        p->exec_id = arena_strdup(c->arena, exec_id);
        p->next = c->added_early;
        c->added_early = p->exec_id ? p : c->added_early;
}

bool container_exec_is_in_log(struct container *c, const char *exec_id)
{
        for (struct published **p = &c->added_early; *p; p = &(*p)->next) {
                if (strcmp((*p)->exec_id, exec_id) != 0)
                        continue;
                *p = (*p)->next;
                return true;
        }
        return false;
}

void answers_from_record(struct daemon *d, const char *key, const struct list_record_answer *list)
{
        for (size_t i = list->n; i > 0; i--) { /* the most recent one last */
                const struct record_answer *r = &list->items[i - 1];
                struct answer answer = {
                        .request_id = r->request_id,
                        .method = r->method,
                        .answered_at = r->answered_at,
                        .data = r->data.data,
                        .len = r->data.len,
                        .container_key = key,
                };

                requests_restore_answer(d->requests, &answer);
        }
}

void requests_from_record(struct container *c, const struct list_record_request *list)
{
        for (size_t i = 0; i < list->n; i++) {
                const struct record_request *r = &list->items[i];
                const struct method_desc *method = method_find(r->method);
                _cleanup_(arena_freep) struct arena *arena = arena_new();
                struct error err = ERROR_NULL;
                struct request *req;
                void *params;

                if (!method || !arena ||
                    message_decode(method->params, r->params.data, r->params.len, arena, &params, &err) < 0)
                        continue;
                req = request_revive(c->daemon->requests, method, r->uid, params);
                if (req)
                        DL_APPEND2(c->revived, req, park_prev, park_next);
        }
}
