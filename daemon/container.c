/* SPDX-License-Identifier: Apache-2.0 */

/* The container as a noun: its memory, its links, its record. No decisions: those are in lifecycle.c and actions.c. */

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <utlist.h>
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "daemon/actions.h"
#include "daemon/daemon.h"
#include "daemon/keeper_link.h"
#include "daemon/runtime_start.h"

static const char *const wanted_names[WANTED_N] = {
        [WANTED_RUN] = "run",
        [WANTED_STOPPED] = "stopped",
        [WANTED_GONE] = "gone",
};

const char *wanted_name(enum wanted w)
{
        return wanted_names[w];
}

const char *ns_or_default(const char *ns)
{
        return ns && *ns ? ns : "default";
}

void container_key(char key[CONTAINER_KEY_MAX], const char *owner, const char *ns, const char *id)
{
        snprintf(key, CONTAINER_KEY_MAX, "%s/%s/%s", owner, ns_or_default(ns), id);
}

static void container_kick(struct deferred *d)
{
        container_settle(container_of(d, struct container, kick));
}

static void container_timer(struct watch_timer *w)
{
        container_look(container_of(w, struct container, timer));
}

int container_new(struct container **ret, struct daemon *d, const struct create_params *params, struct error *err)
{
        struct container *c = calloc(1, sizeof(*c));
        struct create_params *copy;

        if (!c)
                return error_set_errno(err, REASON_NO_RESOURCES, ENOMEM, "cannot make a container");
        c->daemon = d;
        c->dirfd = c->control.usage_fds[0] = c->control.usage_fds[1] = -1;
        c->dir = c->rootfs = c->cgroups_path = c->limits = c->sandbox_id = "";
        container_key(c->key, params->owner, params->ns, params->id);
        watch_timer_init(&c->timer, d->loop, container_timer);
        deferred_init(&c->kick, d->loop, container_kick);
        container_persist_init(c);
        process_init(&c->init, c);
        c->arena = arena_new();
        copy = c->arena ? message_copy(&desc_create_params, params, c->arena) : NULL;
        if (!copy) {
                container_free(c);
                return error_set_errno(err, REASON_NO_RESOURCES, ENOMEM, "cannot make a container");
        }
        copy->ns = ns_or_default(copy->ns);
        c->params = copy;
        c->sandbox_id = copy->id;
        c->from_checkpoint = copy->checkpoint[0] != '\0';
        c->created_at = clock_realtime_ns();
        c->init.auto_remove = copy->auto_remove;
        c->init.paths = (struct stdio_paths){
                .terminal = copy->terminal,
                .in = copy->stdin_path,
                .out = copy->stdout_path,
                .err = copy->stderr_path,
                .uid = copy->io_uid,
                .gid = copy->io_gid,
                .width = copy->console_width,
                .height = copy->console_height,
                .ns = copy->ns,
                .id = copy->id,
        };
        HASH_ADD_STR(d->containers, key, c);
        *ret = c;
        return 0;
}

struct container *container_find(struct daemon *d, const char *owner, const char *ns, const char *id)
{
        char key[CONTAINER_KEY_MAX];
        struct container *c = NULL;

        container_key(key, owner, ns, id);
        HASH_FIND_STR(d->containers, key, c);
        return c;
}

struct process *container_find_process(struct container *c, const char *exec_id)
{
        struct process *p;

        if (!exec_id[0])
                return &c->init;
        DL_FOREACH(c->execs, p)
                if (strcmp(p->exec_id, exec_id) == 0)
                        return p;
        return NULL;
}

void container_retire(struct container *c)
{
        struct daemon *d = c->daemon;
        struct process *p;

        process_unkeep(&c->init);
        DL_FOREACH(c->execs, p)
                process_unkeep(p);
        HASH_DEL(d->containers, c);
        deferred_cancel(&c->kick);
        deferred_cancel(&c->persist);
        c->gone_next = d->gone;
        d->gone = c;
        loop_defer(&d->reap);
}

struct container *container_free(struct container *c)
{
        struct op *op, *tmp;
        struct process *p, *ptmp;

        if (!c)
                return NULL;
        DL_FOREACH_SAFE(c->ops, op, tmp)
                op_free(op);
        DL_FOREACH_SAFE(c->execs, p, ptmp)
                process_free(p);
        process_deinit(&c->init);
        watch_timer_stop(&c->timer);
        deferred_cancel(&c->kick);
        deferred_cancel(&c->persist);
        oom_watch_free(c->oom);
        cgroup_free(c->cgroup);
        runtime_free(c->runtime);
        container_close(c);
        arena_free(c->arena);
        free(c);
        return NULL;
}

/* --- processes --- */

static void process_stdio_changed(struct stdio *s)
{
        struct process *p = container_of(s, struct process, stdio);

        process_keep(p);
        if (p->state == PROCESS_REMOVING)
                loop_defer(&p->container->kick);
}

static void process_drain_over(struct watch_timer *w)
{
        struct process *p = container_of(w, struct process, drain);

        log_info("container %s: process %s: somebody still has its output: that is ended", p->container->key,
                 p->exec_id);
        stdio_cut(&p->stdio);
        loop_defer(&p->container->kick);
}

void process_init(struct process *p, struct container *c)
{
        p->container = c;
        p->exec_id = "";
        p->paths = (struct stdio_paths){ .in = "", .out = "", .err = "", .ns = "", .id = "" };
        watch_pid_init(&p->watch);
        stdio_init(&p->stdio, c->daemon->loop, c->daemon->reaper);
        p->stdio.on_change = process_stdio_changed;
        watch_timer_init(&p->drain, c->daemon->loop, process_drain_over);
        kept_init(&p->kept);
}

void process_deinit(struct process *p)
{
        process_let_go(p);
        watch_pid_stop(&p->watch);
        watch_timer_stop(&p->drain);
        stdio_deinit(&p->stdio);
}

int process_add(struct process **ret, struct container *c, const char *exec_id, const struct stdio_paths *paths,
                const void *spec, size_t spec_len, struct error *err)
{
        struct process *p = calloc(1, sizeof(*p));
        struct arena *a = p ? arena_new() : NULL;
        uint8_t *copy;

        if (!a) {
                free(p);
                return error_set_errno(err, REASON_NO_RESOURCES, ENOMEM, "cannot add a process");
        }
        process_init(p, c);
        p->arena = a;
        p->exec_id = arena_strdup(a, exec_id);
        p->paths = *paths;
        p->paths.in = arena_strdup(a, paths->in);
        p->paths.out = arena_strdup(a, paths->out);
        p->paths.err = arena_strdup(a, paths->err);
        p->paths.ns = c->params->ns;
        p->paths.id = c->params->id;
        copy = arena_alloc(a, spec_len + 1);
        if (!p->exec_id || !p->paths.in || !p->paths.out || !p->paths.err || !copy) {
                process_deinit(p);
                arena_free(a);
                free(p);
                return error_set_errno(err, REASON_NO_RESOURCES, ENOMEM, "cannot add a process");
        }
        if (spec_len > 0)
                memcpy(copy, spec, spec_len);
        p->spec = (struct blob){ .data = copy, .len = spec_len };
        DL_APPEND(c->execs, p);
        *ret = p;
        return 0;
}

struct process *process_free(struct process *p)
{
        struct op *op;

        if (!p)
                return NULL;
        DL_FOREACH(p->container->ops, op)
                if (op->process == p)
                        op->process = NULL;
        DL_DELETE(p->container->execs, p);
        process_deinit(p);
        arena_free(p->arena);
        free(p);
        return NULL;
}

static void process_watched(struct watch_pid *w, const struct exit_info *info)
{
        struct process *p = container_of(w, struct process, watch);

        p->start_time = w->pidref.start_time;
        process_ended(p, info);
}

int process_attach(struct process *p, struct pidref *pid)
{
        p->pid = pid->pid;
        p->start_time = pid->start_time;
        return watch_pid_start(&p->watch, p->container->daemon->reaper, pid, process_watched);
}

int process_expect_end(struct process *p, uint64_t since)
{
        return watch_pid_expect(&p->watch, p->container->daemon->reaper, p->pid, since, process_watched);
}

uint32_t process_exit_status(const struct process *p)
{
        if (!p->ended)
                return p->cause[0] ? 255 : 0; /* could not be started; was never asked to */
        if (!p->exit.known)
                return 255;
        if (WIFSIGNALED(p->exit.wait_status))
                return 128 + (uint32_t)WTERMSIG(p->exit.wait_status);
        return (uint32_t)WEXITSTATUS(p->exit.wait_status);
}

static void process_explain(struct process *p)
{
        const struct container *c = p->container;
        char by[96] = "";
        int sig = p->exit.known && WIFSIGNALED(p->exit.wait_status) ? WTERMSIG(p->exit.wait_status) : 0;

        if (sig && sig == p->last_signal)
                snprintf(by, sizeof(by), ", sent by pid %d of uid %u", (int)p->last_signal_pid,
                         (unsigned)p->last_signal_uid);
        if (!p->exit.known && p->cause[0])
                ; /* was said by who gave it up */
        else if (!p->exit.known)
                snprintf(p->cause, sizeof(p->cause), "ended while nobody watched; its exit status is not known");
        else if (sig == SIGKILL && c->oom_killed && !by[0])
                snprintf(p->cause, sizeof(p->cause), "killed by the kernel for lack of memory: %s", c->oom_text);
        else if (sig)
                snprintf(p->cause, sizeof(p->cause), "killed by signal %d (SIG%s)%s", sig,
                         sigabbrev_np(sig) ? sigabbrev_np(sig) : "?", by);
        else if (c->oom_killed && WEXITSTATUS(p->exit.wait_status))
                snprintf(p->cause, sizeof(p->cause), "exited with status %d, after an OOM kill by the kernel: %s",
                         WEXITSTATUS(p->exit.wait_status), c->oom_text);
        else
                snprintf(p->cause, sizeof(p->cause), "exited with status %d", WEXITSTATUS(p->exit.wait_status));
        text_clean(p->cause, sizeof(p->cause) - 1);
}

void process_ended(struct process *p, const struct exit_info *info)
{
        struct container *c = p->container;

        if (p->ended)
                return;
        p->ended = true;
        p->exit = *info;
        p->exited_at = info->realtime_ns ? info->realtime_ns : clock_realtime_ns();
        if (c->oom)
                oom_watch_check(c->oom, p->pid); /* the kill comes before its consequence in the log */
        process_explain(p);
        stdio_process_ended(&p->stdio);
        if (process_is_init(p))
                container_event(c, CEV_INIT_EXITED, NULL);
        else
                process_event(p, PEV_EXITED, NULL);
        loop_defer(&c->kick); /* also where the table only remembers it */
        container_persist_now(c); /* also where it was too early for a transition */
        process_end_recorded(p);
        process_keep(p);
        runtime_process_ended(p);
}

/* --- answers --- */

static const char *process_status(const struct container *c, const struct process *p)
{
        const char *status = container_state_public(c->state);

        if (process_is_init(p))
                return status;
        /* an added process is paused with its container */
        if (p->state == PROCESS_RUNNING && strncmp(status, "paus", 4) == 0)
                return status;
        return process_state_public(p->state);
}

static void process_describe(const struct container *c, const struct process *p, struct process_state *ret)
{
        bool over = process_is_init(p) ? strcmp(process_status(c, p), "stopped") == 0 : p->state >= PROCESS_STOPPED;

        *ret = (struct process_state){
                .exec_id = p->exec_id,
                .status = process_status(c, p),
                .pid = (uint32_t)p->pid,
                .terminal = p->paths.terminal,
                .stdin_path = p->paths.in,
                .stdout_path = p->paths.out,
                .stderr_path = p->paths.err,
                .started_at = p->started_at,
        };
        if (over) {
                ret->exit_known = p->ended && p->exit.known;
                ret->exit_status = process_exit_status(p);
                ret->exited_at = p->exited_at;
                ret->cause = p->cause;
        }
}

int container_describe(struct container *c, const struct process *p, struct arena *a, struct state_result *ret)
{
        struct process_state *ps = arena_alloc(a, sizeof(*ps));
        struct process *e;
        size_t n = 0;

        if (!ps)
                return -ENOMEM;
        process_describe(c, p, ps);
        *ret = (struct state_result){
                .owner = c->params->owner,
                .ns = c->params->ns,
                .id = c->params->id,
                .bundle = c->params->bundle,
                .rootfs = c->rootfs,
                .runtime = c->runtime ? c->runtime->name : c->params->runtime,
                .runtime_root = c->runtime ? c->runtime->root : "",
                .sandbox = c->sandbox_id,
                .detail = container_state_name(c->state),
                .cgroup = c->cgroup ? cgroup_path(c->cgroup) : "",
                .created_at = c->created_at,
                .oom_killed = c->oom_killed,
                .auto_remove = c->init.auto_remove,
                .process = ps,
                .labels = c->params->labels,
        };
        if (!process_is_init(p))
                return 0;
        DL_FOREACH(c->execs, e)
                n++;
        ret->execs.items = arena_alloc(a, (n + 1) * sizeof(struct process_state));
        if (!ret->execs.items)
                return -ENOMEM;
        DL_FOREACH(c->execs, e)
                process_describe(c, e, &ret->execs.items[ret->execs.n++]);
        return 0;
}

void process_describe_exit(const struct process *p, struct exit_result *ret)
{
        *ret = (struct exit_result){
                .pid = (uint32_t)p->pid,
                .exit_known = p->ended && p->exit.known,
                .exit_status = process_exit_status(p),
                .exited_at = p->exited_at,
                .oom_killed = p->container->oom_killed,
                .cause = p->cause,
        };
}
