/* SPDX-License-Identifier: Apache-2.0 */

/* Taking over after a restart; see adopt.h. */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "daemon/actions.h"
#include "daemon/adopt.h"
#include "daemon/adopt_process.h"
#include "daemon/adopt_record.h"
#include "daemon/daemon.h"
#include "daemon/keeper_link.h"
#include "daemon/publish.h"
#include "daemon/runsc_sub.h"
#include "daemon/runtime.h"
#include "daemon/runtime_start.h"
#include "daemon/unusable.h"

/* One takes about 0.1 ms, and what else has happened to the host meanwhile is seen between them. */
#define IN_ONE_ROUND 16

/* A command of the earlier daemon that still runs. */
struct inflight {
        struct inflight *prev, *next;
        struct adoption *adoption;
        struct container *container;
        struct record_command *command;
        struct watch_pid watch;
        struct watch_timer deadline;
};

/* What one container's record said; kept until its fate is decided. */
struct found {
        struct found *prev, *next;
        struct arena *arena;
        struct container_record *rec;
        struct container *container;
};

struct adoption {
        struct daemon *daemon;
        void (*done)(struct daemon *d);
        struct reaper_hold hold; /* what the keeper tells of the dead is kept until all is decided */
        struct found *found;
        struct inflight *inflight;
        struct deferred start;
        struct watch_timer more; /* some are decided in each round of the loop */
        uint64_t began_ns;       /* when the first was; 0: not yet */
        uint64_t since;          /* the next event to look at */
        bool told, caught_up, served;
        size_t n_adopted;
};

static void decide(struct adoption *a, struct found *f);

static struct found *found_free(struct adoption *a, struct found *f)
{
        DL_DELETE(a->found, f);
        arena_free(f->arena);
        free(f);
        return NULL;
}

static void finish_if_over(struct adoption *a)
{
        if (!a->found && !a->inflight && a->served) {
                struct daemon *d = a->daemon;

                if (!d->unusable) /* what is stored of those is of use to who can read their records */
                        kept_store_sweep(d->kept);
                d->adoption = adoption_free(a);
        }
}

/* --- commands in flight --- */

static void inflight_over(struct inflight *i)
{
        struct adoption *a = i->adoption;
        struct container *c = i->container;
        struct found *f, *tmp;

        watch_timer_stop(&i->deadline);
        watch_pid_stop(&i->watch);
        DL_DELETE(a->inflight, i);
        free(i);
        if (--c->adopting || !a->served) /* not served: decide_all comes, once the keeper has told what it knows */
                return;
        DL_FOREACH_SAFE(a->found, f, tmp)
                if (f->container == c)
                        decide(a, f);
        finish_if_over(a);
}

/* What a child of spawn ends with if its daemon died before it was let through its gate: it executed nothing. */
#define STATUS_NOT_EXECUTED (127 << 8)

static void inflight_ended(struct watch_pid *w, const struct exit_info *info)
{
        struct inflight *i = container_of(w, struct inflight, watch);

        if (info->known && info->wait_status == STATUS_NOT_EXECUTED)
                i->command->pid = 0;
        inflight_over(i);
}

static void inflight_late(struct watch_timer *w)
{
        struct inflight *i = container_of(w, struct inflight, deadline);

        log_warn("container %s: a command of the earlier daemon (pid %d) does not end: it is killed", i->container->key,
                 (int)i->watch.pidref.pid);
        pidref_kill(&i->watch.pidref, SIGKILL);
}

static void watch_command(struct adoption *a, struct container *c, struct record_command *cmd)
{
        struct pidref ref = PIDREF_NULL;
        struct inflight *i;

        if (pidref_open_checked(&ref, (pid_t)cmd->pid, cmd->start_time) < 0) {
                if (!keeper_link_connected(a->daemon->keeper))
                        return;
                /* it has ended: the keeper will tell how, unless the earlier daemon had reaped it */
                ref = (struct pidref){ .pid = (pid_t)cmd->pid, .start_time = cmd->start_time, .fd = -1 };
        }
        i = calloc(1, sizeof(*i));
        if (!i)
                abort(); /* no memory at the start: the keeper tries again */
        i->adoption = a;
        i->container = c;
        i->command = cmd;
        watch_pid_init(&i->watch);
        watch_timer_init(&i->deadline, a->daemon->loop, inflight_late);
        if (watch_pid_start(&i->watch, a->daemon->reaper, &ref, inflight_ended) < 0) {
                free(i);
                return;
        }
        if (strcmp(cmd->kind, op_kind_name(OP_WAIT)) == 0) /* it would wait for the container; we do that ourselves */
                pidref_kill(&i->watch.pidref, SIGKILL);
        log_info("container %s: waiting for the command %s (pid %u) of the earlier daemon", c->key, cmd->kind,
                 cmd->pid);
        watch_timer_arm(&i->deadline, a->daemon->config->command_timeout_ns);
        DL_APPEND(a->inflight, i);
        c->adopting++;
}

/* --- what is recorded --- */

static void record_found(void *data, const char *owner, const char *ns, const char *id, struct container_record *rec,
                         struct arena **arena, const struct error *err)
{
        struct adoption *a = data;
        struct error local = ERROR_NULL;
        struct container *c = NULL;
        struct found *f;

        if (!rec || container_from_record(&c, a->daemon, rec, &local) < 0) {
                if ((rec ? &local : err)->reason == REASON_NO_RESOURCES)
                        abort(); /* not the record's fault: the keeper tries again */
                unusable_add(a->daemon, owner, ns, id, rec ? &local : err);
                return;
        }
        f = calloc(1, sizeof(*f));
        if (!f)
                abort(); /* no memory at the start: the keeper tries again */
        f->rec = rec;
        f->container = c;
        f->arena = *arena;
        *arena = NULL;
        DL_APPEND(a->found, f);
        answers_from_record(a->daemon, c->key, &rec->answers);
        requests_from_record(c, &rec->requests);
        c->earlier = &rec->commands;
        for (size_t i = 0; i < rec->commands.n; i++)
                watch_command(a, c, &rec->commands.items[i]);
}

static void tombstone_found(void *data, const char *key, const struct record_answer *answer)
{
        struct adoption *a = data;
        struct list_record_answer list = { .items = (struct record_answer *)answer, .n = 1 };

        answers_from_record(a->daemon, key, &list);
}

/* --- what the log got after the last record of a container was written: the crash was between the two --- */

static void catch_up_event(struct adoption *a, const struct event *ev)
{
        struct container *c = ev->id[0] ? container_find(a->daemon, ev->owner, ev->ns, ev->id) : NULL;
        struct process *p = c && ev->seq > c->recorded_seq ? container_find_process(c, ev->exec_id) : NULL;
        int kind = event_kind_parse(ev->kind);

        if (c && !p && kind == EVENT_EXEC_ADDED && ev->seq > c->recorded_seq)
                container_exec_was_added(c, ev->exec_id);
        if (!p)
                return;
        if (kind == EVENT_CREATE)
                c->create_published = true;
        if (kind == EVENT_START || kind == EVENT_EXEC_STARTED)
                p->start_published = true;
        if (kind == EVENT_EXIT || kind == EVENT_EXEC_EXIT)
                p->exit_published = true;
        /* the sandbox tells it once, and no keeper knows: it is in the log alone */
        if (kind == EVENT_EXEC_EXIT && p->in_sandbox && ev->exit_known)
                p->exit = (struct exit_info){ .known = true,
                                              .wait_status = (int)(ev->exit_status << 8),
                                              .realtime_ns = ev->exited_at };
        if (kind == EVENT_OOM && ev->oom) {
                c->oom_killed = true;
                c->oom_count = ev->oom->oom_kill;
                snprintf(c->oom_text, sizeof(c->oom_text), "%s", ev->message);
        }
        if (kind == EVENT_DELETE)
                c->create_published = false; /* then no second delete */
}

static uint64_t oldest_record(const struct adoption *a)
{
        uint64_t oldest = UINT64_MAX;
        struct found *f;

        DL_FOREACH(a->found, f)
                if (f->rec->event_seq < oldest)
                        oldest = f->rec->event_seq;
        return oldest;
}

/* Some of it; true: that was all. */
static bool catch_up(struct adoption *a)
{
        struct events_params params = { .since = a->since, .max = IN_ONE_ROUND * 8, .owner = "", .ns = "", .id = "" };
        _cleanup_(arena_freep) struct arena *arena = arena_new();
        struct events_result res = { 0 };
        struct error err = ERROR_NULL;

        if (!a->found || a->since > eventlog_newest(a->daemon->events) || !arena ||
            eventlog_read(a->daemon->events, &params, arena, &res, &err) < 0 || !res.events.n)
                return true;
        for (size_t i = 0; i < res.events.n; i++)
                catch_up_event(a, &res.events.items[i]);
        a->since = res.next;
        return false;
}

/* --- fates --- */

static void await_end(struct container *c)
{
        if ((c->state == CONTAINER_RUNNING || c->state == CONTAINER_PAUSED) && c->runtime->driver->await)
                c->runtime->driver->await(c);
}

static void adopted(struct adoption *a, struct container *c, enum container_state s, bool enter)
{
        /* the crash was after the record of the new state, and before its event */
        enter |= (s == CONTAINER_CREATED && !c->create_published) ||
                 (s == CONTAINER_RUNNING && !c->init.start_published);
        container_adopt_state(c, s, enter);
        await_end(c);
        publish_simple(c, EVENT_ADOPTED, "", container_state_name(s));
}

static void state_known(struct op *op, const struct error *err)
{
        struct container *c = op->container;
        enum container_state s = c->state == CONTAINER_STARTING   ? CONTAINER_RUNNING
                                 : c->state == CONTAINER_RESUMING ? CONTAINER_RUNNING
                                                                  : CONTAINER_PAUSED;

        if (err)
                log_warn("container %s: %s", c->key, err->message);
        else if (strcmp(op->status, "created") == 0)
                s = CONTAINER_CREATED;
        else if (strcmp(op->status, "paused") == 0)
                s = CONTAINER_PAUSED;
        else if (strcmp(op->status, "running") == 0)
                s = CONTAINER_RUNNING;
        /* any other: its init has ended, which is seen next */
        c->adopting--;
        container_adopt_state(c, s, s == CONTAINER_RUNNING && !c->init.start_published);
        await_end(c);
        publish_simple(c, EVENT_ADOPTED, "", container_state_name(s));
}

static enum container_state stable_state(const struct container *c)
{
        switch (c->state) {
        case CONTAINER_CHECKPOINTING:
                return CONTAINER_RUNNING;
        case CONTAINER_PAUSING:
        case CONTAINER_PAUSED:
        case CONTAINER_RESUMING:
        case CONTAINER_CHECKPOINTING_PAUSED:
                if (c->cgroup && c->runtime->driver == &runtime_oci)
                        return cgroup_frozen(c->cgroup) == 1 ? CONTAINER_PAUSED : CONTAINER_RUNNING;
                return c->state == CONTAINER_PAUSED && c->runtime->driver == &runtime_oci ? CONTAINER_PAUSED
                                                                                             : CONTAINER_STATE_N;
        case CONTAINER_STARTING:
                return CONTAINER_STATE_N;
        default:
                return c->state;
        }
}

static void decide_alive(struct adoption *a, struct found *f)
{
        struct container *c = f->container;
        struct error err = ERROR_NULL;
        enum container_state s;

        if (f->rec->cgroup[0] && cgroup_of_path(a->daemon->cgroups, f->rec->cgroup, &c->cgroup, &err) < 0)
                log_warn("container %s: %s", c->key, err.message);
        start_watch_oom(c);
        process_take_back(&c->init);
        s = stable_state(c);
        if (s != CONTAINER_STATE_N) {
                adopted(a, c, s, false);
                return;
        }
        c->adopting++;
        op_begin(c, OP_STATE, NULL, state_known);
}

/* The state that takes the end of init as it is meant to be taken: what is frozen must be thawed to die. */
static enum container_state dead_state(const struct container *c)
{
        switch (c->state) {
        case CONTAINER_CREATED:
                return CONTAINER_CREATED;
        case CONTAINER_PAUSING:
        case CONTAINER_PAUSED:
        case CONTAINER_RESUMING:
        case CONTAINER_CHECKPOINTING_PAUSED:
                return CONTAINER_PAUSED;
        default:
                return CONTAINER_RUNNING;
        }
}

/* Init has ended while nobody watched, or was never there. */
static void decide_dead(struct adoption *a, struct found *f)
{
        struct container *c = f->container;
        struct exit_info info = c->init.exit;
        struct error err = ERROR_NULL;

        if (f->rec->cgroup[0])
                cgroup_of_path(a->daemon->cgroups, f->rec->cgroup, &c->cgroup, &err);
        start_watch_oom(c);
        if (c->init.ended)
                process_take_back_ended(&c->init);
        else
                process_take_back(&c->init); /* its end comes below */
        if (!c->init.pid && c->from_checkpoint && c->state == CONTAINER_CREATED) {
                adopted(a, c, CONTAINER_CREATED, false);
                return;
        }
        /* an exit event without one of a start: the start had failed */
        if (c->state == CONTAINER_STARTING && c->init.pid && !c->init.exit_published)
                publish_start(&c->init);
        if (c->state == CONTAINER_STOPPING || c->init.exit_published)
                adopted(a, c, CONTAINER_STOPPING, true);
        else
                adopted(a, c, dead_state(c), false);
        if (!c->init.ended && (c->init.pid || c->state != CONTAINER_STOPPING))
                process_ended(&c->init, &info); /* the table takes it from here */
}

/* --- half-done creates --- */

static void undo(struct container *c)
{
        if (!error_is_set(&c->failure))
                error_set(&c->failure, REASON_IN_DOUBT,
                          "the daemon ended while the container was being created; what there was of it was removed");
        publish_simple(c, EVENT_CLEANED, "", c->failure.message);
        container_adopt_state(c, CONTAINER_UNDOING, true);
        container_settle_create(c); /* it may have gone before the end of this round */
}

static void made_known(struct op *op, const struct error *err)
{
        struct container *c = op->container;

        c->adopting--;
        if (err)
                log_warn("container %s: %s", c->key, err->message);
        /* or a limit is not in force: whoever asks again is told so by the next create */
        if (err || !op->status[0] || error_is_set(&c->failure)) {
                undo(c);
                return;
        }
        container_adopt_state(c, CONTAINER_CREATED, true);
        publish_simple(c, EVENT_ADOPTED, "", container_state_name(CONTAINER_CREATED));
}

/* The runtime's create came to its end without its daemon. Undone and done again, it would be seen: its stdio was open,
 * and whoever reads it would take the end of the first one for the end of all; and its event may have been read. */
static bool decide_made(struct adoption *a, struct found *f)
{
        struct container *c = f->container;
        bool alive;

        if (!c->init.pid && !process_find_made(&a->hold, f->rec, &c->init))
                return false;
        alive = c->init.watch.active || process_find_alive(&a->hold, &c->init);
        if (c->init.watch.active && start_find_cgroup(c, c->init.pid, &c->failure) < 0)
                log_warn("container %s: %s", c->key, c->failure.message);
        if (c->init.ended)
                process_take_back_ended(&c->init);
        else
                process_take_back(&c->init);
        if (!alive && !c->init.ended) {
                struct exit_info info = c->init.exit;

                process_ended(&c->init, &info); /* remembered, until it has been created */
        }
        c->adopting++;
        op_begin(c, OP_STATE, NULL, made_known);
        return true;
}

static void decide_other_boot(struct container *c)
{
        /* the host was started anew: no process of it lives; only files are left */
        publish_simple(c, EVENT_CLEANED, "", "left by an earlier boot of the host");
        c->wanted = WANTED_GONE;
        container_adopt_state(c, CONTAINER_DELETING, true);
}

static void decided(struct adoption *a, struct found *f)
{
        f->container->earlier = NULL;
        found_free(a, f);
}

static void decide(struct adoption *a, struct found *f)
{
        struct container *c = f->container;
        struct process *p, *tmp;

        a->n_adopted++;
        if (strcmp(f->rec->boot_id, a->daemon->boot_id) != 0) {
                decide_other_boot(c);
                decided(a, f);
                return;
        }
        if (c->state == CONTAINER_CREATING && decide_made(a, f)) {
                decided(a, f);
                return;
        }
        switch (c->state) {
        case CONTAINER_NEW:
        case CONTAINER_PREPARING:
        case CONTAINER_CREATING:
        case CONTAINER_UNDOING:
                undo(c);
                break;
        case CONTAINER_STOPPED:
                DL_FOREACH(c->execs, p)
                        if (p->state == PROCESS_STOPPED)
                                process_take_back_ended(p);
                process_take_back_ended(&c->init);
                adopted(a, c, CONTAINER_STOPPED, !c->init.exit_published || c->init.auto_remove);
                break;
        case CONTAINER_DELETING:
        case CONTAINER_CLEANING:
                c->wanted = WANTED_GONE;
                container_adopt_state(c, CONTAINER_DELETING, true);
                break;
        case CONTAINER_GONE:
                container_adopt_state(c, CONTAINER_GONE, true);
                break;
        default:
                DL_FOREACH_SAFE(c->execs, p, tmp)
                        process_decide(&a->hold, f->rec, p);
                if (c->state == CONTAINER_STARTING && !c->init.pid)
                        process_find_made(&a->hold, f->rec, &c->init);
                if (c->init.watch.active || process_find_alive(&a->hold, &c->init))
                        decide_alive(a, f);
                else
                        decide_dead(a, f);
        }
        decided(a, f);
}

static void decide_some(struct adoption *a)
{
        struct found *f, *tmp;
        int n = 0;

        DL_FOREACH_SAFE(a->found, f, tmp) {
                if (f->container->adopting)
                        continue;
                if (n++ == IN_ONE_ROUND) {
                        watch_timer_arm(&a->more, 0);
                        return;
                }
                decide(a, f);
        }
        if (a->n_adopted)
                log_info("took over %zu containers in %llu us", a->n_adopted,
                         (unsigned long long)((clock_monotonic_ns() - a->began_ns) / 1000));
        a->served = true;
        a->done(a->daemon);
        finish_if_over(a);
}

static void on_more(struct watch_timer *w)
{
        struct adoption *a = container_of(w, struct adoption, more);

        if (!a->caught_up)
                a->caught_up = catch_up(a);
        if (a->caught_up)
                decide_some(a);
        else
                watch_timer_arm(&a->more, 0);
}

static void decide_all(struct deferred *d)
{
        struct adoption *a = container_of(d, struct adoption, start);

        if (!a->told || a->began_ns)
                return;
        a->began_ns = clock_monotonic_ns();
        a->since = oldest_record(a) + 1;
        on_more(&a->more);
}

void adoption_backlog_told(struct adoption *a)
{
        if (!a || a->told)
                return;
        a->told = true;
        loop_defer(&a->start);
}

int adoption_start(struct daemon *d, void (*done)(struct daemon *d), struct error *err)
{
        struct adoption *a = calloc(1, sizeof(*a));

        if (!a)
                return error_set(err, REASON_NO_RESOURCES, "no memory");
        a->daemon = d;
        a->done = done;
        deferred_init(&a->start, d->loop, decide_all);
        watch_timer_init(&a->more, d->loop, on_more);
        reaper_hold(d->reaper, &a->hold);
        a->hold.begin_ticks = 0; /* also what began long before us */
        d->adoption = a;
        if (record_tombstone_each(d->store, tombstone_found, a, err) < 0 ||
            record_each(d->store, record_found, a, err) < 0)
                return -1;
        loop_defer(&a->start);
        return 0;
}

struct adoption *adoption_free(struct adoption *a)
{
        struct found *f, *ftmp;
        struct inflight *i, *itmp;

        if (!a)
                return NULL;
        DL_FOREACH_SAFE(a->found, f, ftmp)
                found_free(a, f);
        DL_FOREACH_SAFE(a->inflight, i, itmp) {
                DL_DELETE(a->inflight, i);
                watch_timer_stop(&i->deadline);
                watch_pid_stop(&i->watch);
                free(i);
        }
        deferred_cancel(&a->start);
        watch_timer_stop(&a->more);
        reaper_unhold(&a->hold);
        free(a);
        return NULL;
}
