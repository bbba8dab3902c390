/* SPDX-License-Identifier: Apache-2.0 */

/* The configured runtimes, and operations: begun once, done once, always in a later turn. */

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>
#include "base/clock.h"
#include "base/fd.h"
#include "daemon/daemon.h"
#include "daemon/runtime.h"

#define STORED_DEADLINE_NS (5 * NSEC_PER_SEC) /* a keeper that stands still must not hold up containers for ever */

static const char *const op_names[OP_N] = {
        [OP_PREPARE] = "prepare",       [OP_CREATE] = "create", [OP_RESTORE] = "restore",
        [OP_START] = "start",           [OP_EXEC] = "exec",     [OP_KILL] = "kill",
        [OP_PAUSE] = "pause",           [OP_RESUME] = "resume", [OP_UPDATE] = "update",
        [OP_CHECKPOINT] = "checkpoint", [OP_DELETE] = "delete", [OP_CLEAN] = "clean",
        [OP_STATE] = "state",           [OP_PIDS] = "pids",     [OP_PS] = "ps",
        [OP_STATS] = "stats",
        [OP_STACKS] = "stacks",
        [OP_WAIT] = "wait",
};

const char *op_kind_name(enum op_kind kind)
{
        return op_names[kind];
}

/* --- operations --- */

static void start_the_last(struct container *c)
{
        struct op *op = c->ops;

        if (op && !op->next && op->alone) {
                op->alone = false;
                op_start(op);
        }
}

static void op_finished(struct deferred *d)
{
        struct op *op = container_of(d, struct op, finish);
        struct container *c = op->container;

        op->recorded = false;
        op->done(op, error_is_set(&op->error) ? &op->error : NULL);
        op_free(op);
        start_the_last(c);
}

struct op *op_new(struct container *c, enum op_kind kind, struct process *p, op_done_fn done)
{
        struct op *op = calloc(1, sizeof(*op));

        /* Without memory for a few hundred bytes nothing can be told to anybody either: the keeper starts us anew. */
        if (!op)
                abort();
        op->arena = arena_new();
        if (!op->arena)
                abort();
        op->container = c;
        op->kind = kind;
        op->process = p;
        op->done = done;
        op->text = op->status = "";
        op->give_fd[0] = op->give_fd[1] = -1;
        deferred_init(&op->finish, c->daemon->loop, op_finished);
        watch_timer_init(&op->timer, c->daemon->loop, NULL);
        snprintf(op->name, sizeof(op->name), "%s.%llu", op_names[kind], (unsigned long long)++c->daemon->serial);
        DL_APPEND(c->ops, op);
        return op;
}

/* What makes a process of ours writes the record before that goes on; what acts at once must not be ahead of it. */
static bool acts_at_once(const struct op *op)
{
        return op->kind == OP_KILL || op->kind == OP_PAUSE || op->kind == OP_RESUME || op->kind == OP_UPDATE;
}

static void op_act(struct op *op)
{
        op->container->runtime->driver->begin(op);
}

static void op_stored(struct keeper_link_wait *w)
{
        struct op *op = container_of(w, struct op, stored);

        watch_timer_stop(&op->timer);
        op_act(op);
}

static void op_not_stored(struct watch_timer *w)
{
        struct op *op = container_of(w, struct op, timer);

        keeper_link_wait_cancel(&op->stored);
        daemon_warn(op->container->daemon, op->container,
                    "the keeper has not taken what is stored for %u s: started all the same, its exit status may be "
                    "lost with this daemon",
                    (unsigned)(STORED_DEADLINE_NS / NSEC_PER_SEC));
        op_act(op);
}

void op_start(struct op *op)
{
        struct keeper_link *link = op->container->daemon->keeper;

        if (acts_at_once(op))
                container_persist_if_due(op->container);
        if (op->kind != OP_START || keeper_link_queued(link) == 0) {
                op_act(op);
                return;
        }
        /* what it does can be known only as long as its pidfd, or its parent, is there */
        op->stored.fn = op_stored;
        keeper_link_when_sent(link, &op->stored);
        watch_timer_init(&op->timer, op->container->daemon->loop, op_not_stored);
        watch_timer_arm(&op->timer, STORED_DEADLINE_NS);
}

void op_start_alone(struct op *op)
{
        struct op *other, *tmp;

        op->alone = true;
        DL_FOREACH_SAFE(op->container->ops, other, tmp)
        if (other != op)
                op_cancel(other);
        start_the_last(op->container);
}

struct op *op_begin(struct container *c, enum op_kind kind, struct process *p, op_done_fn done)
{
        struct op *op = op_new(c, kind, p, done);

        op_start(op);
        return op;
}

void op_cancel(struct op *op)
{
        struct error err = ERROR_NULL;

        if (op->stored.link) {
                keeper_link_wait_cancel(&op->stored);
                watch_timer_stop(&op->timer);
                op->not_run = true;
                error_set(&err, REASON_CANCELLED, "start was given up");
                op_finish(op, &err);
                return;
        }
        op->container->runtime->driver->cancel(op);
}

struct op *op_find(struct container *c, enum op_kind kind)
{
        struct op *op;

        DL_FOREACH(c->ops, op)
        if (op->kind == kind)
                return op;
        return NULL;
}

void op_finish(struct op *op, const struct error *err)
{
        if (err)
                op->error = *err;
        loop_defer(&op->finish);
}

struct op *op_free(struct op *op)
{
        if (!op)
                return NULL;
        DL_DELETE(op->container->ops, op);
        if (op->command_used)
                command_deinit(&op->command);
        if (op->urpc_used)
                urpc_close(&op->urpc);
        fd_close(op->give_fd[0]);
        fd_close(op->give_fd[1]);
        watch_timer_stop(&op->timer);
        keeper_link_wait_cancel(&op->stored);
        deferred_cancel(&op->finish);
        if (op->request)
                request_fail_reason(&op->request, REASON_CANCELLED,
                                    "%s was given up because the container is being removed", op_names[op->kind]);
        arena_free(op->arena);
        free(op);
        return NULL;
}

/* --- processes that only their sandbox knows --- */

static bool typed_signal(struct stdio *s, int signal)
{
        struct process *p = container_of(s, struct process, stdio);

        return p->container->runtime->driver->terminal_signal(p, signal);
}

void process_watch_terminal(struct process *p)
{
        if (p->paths.terminal && p->container->runtime && p->container->runtime->driver->terminal_signal)
                stdio_on_signal(&p->stdio, typed_signal);
}

void process_let_go(struct process *p)
{
        if (p->runsc_exec)
                p->container->runtime->driver->let_go(p);
}

int process_control_fd(const struct process *p)
{
        const struct runtime *rt = p->container->runtime;

        return rt && rt->driver->control_fd ? rt->driver->control_fd(p) : -1;
}

/* --- runtimes --- */

static const struct runtime_driver *driver_find(const char *type)
{
        if (strcmp(type, "oci") == 0)
                return &runtime_oci;
        if (strcmp(type, "runsc") == 0)
                return &runtime_runsc;
        return NULL;
}

static struct runtime *runtime_new(struct daemon *d)
{
        struct runtime *rt = calloc(1, sizeof(*rt));

        if (!rt)
                return NULL;
        rt->daemon = d;
        rt->arena = arena_new();
        if (!rt->arena) {
                free(rt);
                return NULL;
        }
        return rt;
}

struct runtime *runtime_free(struct runtime *rt)
{
        if (!rt)
                return NULL;
        arena_free(rt->arena);
        free(rt);
        return NULL;
}

void runtimes_free(struct runtime *list)
{
        struct runtime *rt, *tmp;

        LL_FOREACH_SAFE(list, rt, tmp)
        runtime_free(rt);
}

static int strs_copy(struct strs *ret, const struct strs *a, const struct strs *b, struct arena *arena)
{
        size_t n = a->n + (b ? b->n : 0);

        ret->items = arena_alloc(arena, (n + 1) * sizeof(char *));
        if (!ret->items)
                return -ENOMEM;
        for (size_t i = 0; i < a->n; i++)
                ret->items[ret->n++] = arena_strdup(arena, a->items[i]);
        for (size_t i = 0; b && i < b->n; i++)
                ret->items[ret->n++] = arena_strdup(arena, b->items[i]);
        return 0;
}

static int runtime_from_config(struct runtime *rt, struct daemon *d, const struct config_runtime *cr, struct error *err)
{
        const char *path = config_find_binary(rt->arena, cr->path);

        rt->driver = driver_find(cr->type);
        if (!rt->driver)
                return error_set(err, REASON_INVALID_ARGUMENT,
                                 "runtimes.%s: type \"%s\" is not known: use \"oci\" or \"runsc\"", cr->name, cr->type);
        rt->name = arena_strdup(rt->arena, cr->name);
        rt->path = path ? path : "";
        rt->root = cr->root[0] ? arena_strdup(rt->arena, cr->root)
                               : arena_printf(rt->arena, "%s/runtime/%s", record_store_root(d->store), cr->name);
        if (!rt->name || !rt->root || strs_copy(&rt->options, &cr->options, NULL, rt->arena) < 0)
                return error_set(err, REASON_NO_RESOURCES, "no memory for the runtimes");
        return 0;
}

int runtimes_load(struct daemon *d, struct error *err)
{
        struct runtime *list = NULL;
        const struct config_runtime *cr;

        LL_FOREACH(d->config->runtimes, cr)
        {
                struct runtime *rt = runtime_new(d);

                if (!rt) {
                        runtimes_free(list);
                        return error_set(err, REASON_NO_RESOURCES, "no memory for the runtimes");
                }
                LL_APPEND(list, rt);
                if (runtime_from_config(rt, d, cr, err) < 0) {
                        runtimes_free(list);
                        return -1;
                }
        }
        runtimes_free(d->runtimes);
        d->runtimes = list;
        return 0;
}

const char *runtime_default_name(const struct daemon *d)
{
        const struct config_runtime *cr = config_default_runtime(d->config);

        return cr ? cr->name : "";
}

struct runtime *runtime_find(struct daemon *d, const char *name, struct error *err)
{
        char names[256] = "";
        struct runtime *rt;

        if (!name[0])
                name = runtime_default_name(d);
        LL_FOREACH(d->runtimes, rt)
        {
                size_t len = strlen(names);

                if (strcmp(rt->name, name) == 0)
                        return rt;
                snprintf(names + len, sizeof(names) - len, "%s%s", len ? ", " : "", rt->name);
        }
        error_set(err, REASON_UNKNOWN_RUNTIME, "runtime \"%s\" is not configured; there are: %s", name, names);
        return NULL;
}

static const struct runtime_driver *driver_of_binary(const char *path, const struct runtime_driver *fallback)
{
        const char *base = strrchr(path, '/');

        base = base ? base + 1 : path;
        if (strncmp(base, "runsc", 5) == 0)
                return &runtime_runsc;
        if (strcmp(base, "runc") == 0 || strcmp(base, "crun") == 0)
                return &runtime_oci;
        return fallback;
}

/* With what only the container says. -1: no memory. */
static int own_options(struct runtime *rt, const struct create_params *params)
{
        size_t n = 0;

        for (size_t i = 0; i < rt->options.n && rt->driver->option; i++) {
                bool kept = true;
                const char *option = rt->driver->option(rt->options.items[i], params->id, rt->arena, &kept);

                if (kept && !option)
                        return -1;
                if (kept)
                        rt->options.items[n++] = option;
        }
        if (rt->driver->option)
                rt->options.n = n;
        return 0;
}

int runtime_for(struct runtime **ret, struct daemon *d, const struct create_params *params, struct error *err)
{
        const struct runtime *from = runtime_find(d, params->runtime, err);
        struct runtime *rt;

        if (!from)
                return -1;
        rt = runtime_new(d);
        if (!rt)
                return error_set(err, REASON_NO_RESOURCES, "no memory");
        rt->driver = from->driver;
        rt->name = arena_strdup(rt->arena, from->name);
        rt->path = arena_strdup(rt->arena, from->path);
        if (params->binary[0]) {
                rt->path = config_find_binary(rt->arena, params->binary);
                rt->driver = driver_of_binary(params->binary, from->driver);
        }
        rt->root = arena_printf(rt->arena, "%s/%s", params->runtime_root[0] ? params->runtime_root : from->root,
                                ns_or_default(params->ns));
        if (!rt->path || !rt->path[0] || access(rt->path, X_OK) < 0) {
                error_set(err, REASON_UNKNOWN_RUNTIME,
                          "runtime \"%s\": no executable %s: install it, or set its path in the configuration",
                          rt->name, params->binary[0] ? params->binary : from->name);
                runtime_free(rt);
                return -1;
        }
        if (!rt->root || strs_copy(&rt->options, &from->options, &params->runtime_args, rt->arena) < 0 ||
            own_options(rt, params) < 0) {
                runtime_free(rt);
                return error_set(err, REASON_NO_RESOURCES, "no memory");
        }
        *ret = rt;
        return 0;
}

/* runsc's rule: only who says that it is a container of a pod joins the sandbox that another one has made. */
static bool makes_sandbox(const struct spec *spec)
{
        static const char *const keys[] = { "io.kubernetes.cri.container-type", "io.kubernetes.cri-o.ContainerType" };

        for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
                const char *v = spec_annotation(spec, keys[i]);

                if (v && *v)
                        return strcmp(v, "container") != 0;
        }
        return true;
}

const char *runtime_sandbox_id(const struct runtime *rt, const struct spec *spec, const char *id)
{
        static const char *const keys[] = {
                "io.kubernetes.cri.sandbox-id",
                "io.kubernetes.cri-o.SandboxID",
                "io.containerd.runc.v2.group",
        };

        if (rt->driver == &runtime_runsc && makes_sandbox(spec))
                return id;
        for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
                const char *v = spec_annotation(spec, keys[i]);

                if (v && *v)
                        return v;
        }
        return id;
}

int runtime_of_record(struct runtime **ret, struct daemon *d, const struct container_record *rec, struct error *err)
{
        struct runtime *rt = runtime_new(d);

        if (!rt)
                return error_set(err, REASON_NO_RESOURCES, "no memory");
        rt->driver = driver_find(rec->runtime_type);
        rt->name = arena_strdup(rt->arena, rec->runtime_name);
        rt->path = arena_strdup(rt->arena, rec->runtime_path);
        rt->root = arena_strdup(rt->arena, rec->runtime_root);
        if (!rt->driver || !rt->path || !rt->root ||
            strs_copy(&rt->options, &rec->runtime_options, NULL, rt->arena) < 0) {
                runtime_free(rt);
                return error_set(err, REASON_CORRUPT, "runtime type \"%s\" is not known", rec->runtime_type);
        }
        *ret = rt;
        return 0;
}
