/* SPDX-License-Identifier: Apache-2.0 */

/* The handlers of the methods: they check what was asked for and hand it to the object that it is about. */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>
#include "base/clock.h"
#include "base/fd.h"
#include "daemon/actions.h"
#include "daemon/daemon.h"
#include "daemon/dump.h"
#include "daemon/info.h"
#include "daemon/keeper_link.h"
#include "daemon/owner.h"
#include "daemon/runtime.h"
#include "daemon/stats_all.h"
#include "daemon/unusable.h"

static int check_key(const char *owner, const char *ns, const char *id, struct error *err)
{
        if (owner[0] && id_check(owner, "owner", err) < 0)
                return -1;
        if (ns[0] && id_check(ns, "namespace", err) < 0)
                return -1;
        return id_check(id, "container id", err);
}

/* The container that a request names, or NULL: then the request was answered. */
static struct container *find(struct daemon *d, struct request **req, const char *owner, const char *ns, const char *id)
{
        struct error err = ERROR_NULL;
        struct container *c;

        if (check_key(owner, ns, id, &err) < 0) {
                request_fail(req, &err);
                return NULL;
        }
        c = container_find(d, owner, ns, id);
        if (!c && unusable_check(d, owner, ns, id, &err) < 0)
                request_fail(req, &err);
        else if (!c)
                request_fail_reason(req, REASON_NOT_FOUND, "container %s in namespace %s does not exist", id,
                                    ns_or_default(ns));
        return c;
}

static struct process *find_process(struct daemon *d, struct request **req, const char *owner, const char *ns,
                                    const char *id, const char *exec_id)
{
        struct container *c = find(d, req, owner, ns, id);
        struct process *p;

        if (!c)
                return NULL;
        p = container_find_process(c, exec_id);
        if (!p)
                request_fail_reason(req, REASON_PROCESS_NOT_FOUND, "process does not exist %s", exec_id);
        return p;
}

/* --- create --- */

static int check_create(struct daemon *d, const struct create_params *x, struct error *err)
{
        struct stdio_paths paths = {
                .terminal = x->terminal,
                .in = x->stdin_path,
                .out = x->stdout_path,
                .err = x->stderr_path,
                .uid = x->io_uid,
                .gid = x->io_gid,
                .ns = x->ns,
                .id = x->id,
        };
        char bundles[LIMIT_PATH + 16];

        if (check_key(x->owner, x->ns, x->id, err) < 0)
                return -1;
        if (x->bundle[0] != '/')
                return error_set(err, REASON_INVALID_ARGUMENT, "bundle: \"%s\" is not an absolute path", x->bundle);
        snprintf(bundles, sizeof(bundles), "%s/bundles/", record_store_root(d->store));
        if (x->remove_bundle && (strncmp(x->bundle, bundles, strlen(bundles)) != 0 || strstr(x->bundle, "..")))
                return error_set(err, REASON_INVALID_ARGUMENT,
                                 "remove_bundle: only bundles below %s are removed, not %s", bundles, x->bundle);
        if (x->checkpoint[0] && x->checkpoint[0] != '/')
                return error_set(err, REASON_INVALID_ARGUMENT, "checkpoint: \"%s\" is not an absolute path",
                                 x->checkpoint);
        if (x->runtime_root[0] && x->runtime_root[0] != '/')
                return error_set(err, REASON_INVALID_ARGUMENT, "runtime_root: \"%s\" is not an absolute path",
                                 x->runtime_root);
        return stdio_check(&paths, err);
}

static void park(struct request **list, struct request *req)
{
        DL_APPEND2(*list, req, park_prev, park_next);
}

static bool is_going(const struct container *c)
{
        /* what an earlier daemon had not finished making may be undone, as soon as its command has ended */
        if (c->adopting && c->state < CONTAINER_CREATED)
                return true;
        return c->state == CONTAINER_UNDOING || c->state == CONTAINER_CLEANING ||
               (c->state == CONTAINER_DELETING && c->wanted == WANTED_GONE);
}

static void handle_create(struct daemon *d, struct request *req)
{
        const struct create_params *x = req->params;
        struct happening h = { .request = &req };
        struct error err = ERROR_NULL;
        struct runtime *rt = NULL;
        struct container *c;

        if (check_create(d, x, &err) < 0) {
                request_fail(&req, &err);
                return;
        }
        c = container_find(d, x->owner, x->ns, x->id);
        if (c && is_going(c)) {
                park(&c->after_gone, req);
                return;
        }
        if (c) {
                request_fail_reason(&req, REASON_ALREADY_EXISTS,
                                    "container %s in namespace %s: already exists (it is %s)", x->id,
                                    ns_or_default(x->ns), container_state_name(c->state));
                return;
        }
        if (unusable_check(d, x->owner, x->ns, x->id, &err) < 0) {
                err.reason = err.reason == REASON_NOT_SUPPORTED ? REASON_ALREADY_EXISTS : err.reason;
                request_fail(&req, &err);
                return;
        }
        if (runtime_for(&rt, d, x, &err) < 0 || container_new(&c, d, x, &err) < 0) {
                runtime_free(rt);
                request_fail(&req, &err);
                return;
        }
        c->runtime = rt;
        c->dir = record_dir_path(d->store, x->owner, c->params->ns, x->id, c->arena);
        c->dirfd = record_dir_open(d->store, x->owner, c->params->ns, x->id, true, &err);
        /* without a record there is no container: a full disk is told before anything was begun */
        if (c->dirfd < 0 || container_save(c, &err) < 0) {
                if (err.reason != REASON_ALREADY_EXISTS) /* for a newer sandboxd */
                        record_remove(d->store, x->owner, c->params->ns, x->id, NULL);
                container_retire(c);
                request_fail(&req, &err);
                return;
        }
        container_event(c, CEV_REQ_CREATE, &h);
}

/* --- about one container: for the table --- */

#define HANDLE_FOR_TABLE(name, T)                                                                                      \
        static void handle_##name(struct daemon *d, struct request *req)                                               \
        {                                                                                                              \
                const struct T *x = req->params;                                                                       \
                struct container *c = find(d, &req, x->owner, x->ns, x->id);                                           \
                                                                                                                       \
                if (c)                                                                                                 \
                        container_request(c, req);                                                                     \
        }
HANDLE_FOR_TABLE(start, start_params)
HANDLE_FOR_TABLE(pause, action_params)
HANDLE_FOR_TABLE(resume, action_params)
HANDLE_FOR_TABLE(kill, kill_params)
HANDLE_FOR_TABLE(update, update_params)
HANDLE_FOR_TABLE(pids, target)
HANDLE_FOR_TABLE(ps, target)
HANDLE_FOR_TABLE(stats, target)

static void handle_delete(struct daemon *d, struct request *req)
{
        const struct delete_params *x = req->params;
        struct container *c;

        if (!x->exec_id[0] && !container_find(d, x->owner, x->ns, x->id)) /* containerd's last word about it */
                owners_left(d->owners, x->owner, x->ns, x->id);
        c = find(d, &req, x->owner, x->ns, x->id);
        if (c)
                container_request(c, req);
}

static void handle_exec(struct daemon *d, struct request *req)
{
        const struct exec_params *x = req->params;
        struct container *c = find(d, &req, x->owner, x->ns, x->id);
        struct error err = ERROR_NULL;

        if (!c)
                return;
        if (id_check(x->exec_id, "exec id", &err) < 0)
                request_fail(&req, &err);
        else
                container_request(c, req);
}

static void handle_checkpoint(struct daemon *d, struct request *req)
{
        const struct checkpoint_params *x = req->params;
        struct container *c = find(d, &req, x->owner, x->ns, x->id);

        if (!c)
                return;
        if (x->path[0] != '/')
                request_fail_reason(&req, REASON_INVALID_ARGUMENT, "path: \"%s\" is not an absolute path", x->path);
        else
                container_request(c, req);
}

/* --- about one process --- */

static void handle_state(struct daemon *d, struct request *req)
{
        const struct target *x = req->params;
        struct process *p = find_process(d, &req, x->owner, x->ns, x->id, x->exec_id);
        struct state_result res;

        if (!p)
                return;
        if (container_describe(p->container, p, req->arena, &res) < 0)
                request_fail_reason(&req, REASON_NO_RESOURCES, "no memory for the answer");
        else
                request_reply(&req, &res);
}

static void wait_cancelled(struct request *req)
{
        struct process *p = req->parker;

        DL_DELETE2(p->waiters, req, park_prev, park_next);
        request_free(req);
}

static bool process_is_over(const struct process *p)
{
        const struct container *c = p->container;

        if (!process_is_init(p))
                return p->state == PROCESS_STOPPED || p->state == PROCESS_REMOVING;
        return c->state == CONTAINER_STOPPED || c->state == CONTAINER_DELETING || c->state == CONTAINER_CLEANING;
}

static void handle_wait(struct daemon *d, struct request *req)
{
        const struct target *x = req->params;
        struct process *p = find_process(d, &req, x->owner, x->ns, x->id, x->exec_id);
        struct exit_result res;

        if (!p)
                return;
        if (process_is_over(p)) {
                process_describe_exit(p, &res);
                request_reply(&req, &res);
                return;
        }
        req->parker = p;
        req->on_cancel = wait_cancelled;
        park(&p->waiters, req);
}

static void handle_resize(struct daemon *d, struct request *req)
{
        const struct resize_params *x = req->params;
        struct process *p = find_process(d, &req, x->owner, x->ns, x->id, x->exec_id);
        int r;

        if (!p)
                return;
        if (!process_is_init(p) && process_is_over(p)) {
                request_fail_reason(&req, REASON_PROCESS_FINISHED, "cannot resize a stopped process");
                return;
        }
        p->paths.width = x->width;
        p->paths.height = x->height;
        r = stdio_resize(&p->stdio, x->width, x->height);
        if (r == 0 && p->paths.terminal && p->container->runtime->driver->terminal_signal)
                p->container->runtime->driver->terminal_signal(p, SIGWINCH);
        if (r < 0 && r != -EIO)
                request_fail_reason(&req, REASON_INTERNAL, "cannot set the size of the terminal: %s",
                                    strerrordesc_np(-r));
        else
                request_reply(&req, &(struct empty){});
}

static void handle_close_io(struct daemon *d, struct request *req)
{
        const struct action_params *x = req->params;
        struct process *p = find_process(d, &req, x->owner, x->ns, x->id, x->exec_id);

        if (!p)
                return;
        stdio_close_stdin(&p->stdio);
        process_keep(p);
        p->stdin_closed = true;
        container_persist(p->container);
        request_reply(&req, &(struct empty){});
}

static void stacks_done(struct op *op, const struct error *err)
{
        struct debug_result res = { .state = "", .stacks = op->text, .no_stacks = err ? err->message : "" };
        _cleanup_(buf_deinit) struct buf b = BUF_NULL;

        dump_container(op->container, &b);
        buf_append(&b, "", 1);
        if (!b.failed)
                res.state = text_clean((char *)buf_head(&b), LIMIT_DUMP);
        text_clean((char *)res.stacks, LIMIT_DUMP);
        text_clean((char *)res.no_stacks, LIMIT_TEXT);
        request_reply(&op->request, &res);
}

static void handle_debug(struct daemon *d, struct request *req)
{
        const struct target *x = req->params;
        struct container *c = find(d, &req, x->owner, x->ns, x->id);
        struct op *op;

        if (!c)
                return;
        op = op_new(c, OP_STACKS, NULL, stacks_done);
        op->request = req;
        if (c->runtime && c->runtime->driver->has_stacks && c->init.pid && !c->init.ended)
                op_start(op);
        else
                op_finish(op, NULL);
}

/* --- about the host --- */

static int by_key(const void *a, const void *b)
{
        const struct state_result *x = a, *y = b;
        int r = strcmp(x->owner, y->owner);

        if (!r)
                r = strcmp(x->ns, y->ns);
        return r ? r : strcmp(x->id, y->id);
}

static void handle_list(struct daemon *d, struct request *req)
{
        const struct list_params *x = req->params;
        struct list_result res = { 0 };
        struct container *c, *tmp;

        res.containers.items = arena_alloc(req->arena, (HASH_COUNT(d->containers) + 1) * sizeof(struct state_result));
        if (!res.containers.items) {
                request_fail_reason(&req, REASON_NO_RESOURCES, "no memory for the answer");
                return;
        }
        HASH_ITER(hh, d->containers, c, tmp) {
                if (!x->all_owners && strcmp(c->params->owner, x->owner) != 0)
                        continue;
                if (x->ns[0] && strcmp(c->params->ns, x->ns) != 0)
                        continue;
                if (strncmp(c->params->id, x->id_prefix, strlen(x->id_prefix)) != 0)
                        continue;
                if (container_describe(c, &c->init, req->arena, &res.containers.items[res.containers.n]) == 0)
                        res.containers.n++;
        }
        qsort(res.containers.items, res.containers.n, sizeof(struct state_result), by_key);
        request_reply(&req, &res);
}

static void handle_info(struct daemon *d, struct request *req)
{
        struct info_result res;

        daemon_describe(d, req->arena, &res);
        request_reply(&req, &res);
}

static void handle_events(struct daemon *d, struct request *req)
{
        eventlog_serve(d->events, req);
}

static void handle_attach(struct daemon *d, struct request *req)
{
        owners_attach(d->owners, req);
}

const request_handler method_handlers[METHOD_N] = {
        [METHOD_INFO] = handle_info,
        [METHOD_LIST] = handle_list,
        [METHOD_STATE] = handle_state,
        [METHOD_CREATE] = handle_create,
        [METHOD_START] = handle_start,
        [METHOD_EXEC] = handle_exec,
        [METHOD_KILL] = handle_kill,
        [METHOD_PAUSE] = handle_pause,
        [METHOD_RESUME] = handle_resume,
        [METHOD_DELETE] = handle_delete,
        [METHOD_WAIT] = handle_wait,
        [METHOD_PIDS] = handle_pids,
        [METHOD_PS] = handle_ps,
        [METHOD_STATS] = handle_stats,
        [METHOD_STATS_ALL] = stats_all_begin,
        [METHOD_UPDATE] = handle_update,
        [METHOD_CHECKPOINT] = handle_checkpoint,
        [METHOD_DEBUG] = handle_debug,
        [METHOD_RESIZE] = handle_resize,
        [METHOD_CLOSE_IO] = handle_close_io,
        [METHOD_EVENTS_READ] = handle_events,
        [METHOD_OWNER_ATTACH] = handle_attach,
};
