/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What must hold. Every event is checked when it is appended to the log (and the log is read back later); every record
 * when it is written. Once the disk is frozen nothing gets there any more: the daemon died before that write.
 */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>
#include "base/buf.h"
#include "base/fd.h"
#include "tests/sim/sim.h"

struct exec_seen {
        char id[8];
        bool added, started, exited;
        pid_t pid;
};

struct record_seen {
        bool there;
        char state[24], wanted[12];
        char exec_ids[2 * EXECS][8], exec_states[2 * EXECS][12];
        size_t n_execs;
};

struct container_seen { /* of one id, as the log tells */
        char id[8];
        unsigned incarnation;
        bool created, started, exited, gave_up;
        bool cleaned; /* undone after a crash: its create was not answered */
        pid_t pid;
        struct exec_seen execs[EXECS];
        struct record_seen record;
};

static struct container_seen seen[KEYS];
static struct exit_seen *exits;
static struct buf log_copy; /* what was appended: kind and key, a line each */
static uint64_t log_n, log_checked, log_checked_at;
static int scratch = -1;

int __real_record_save(int dirfd, const struct container_record *rec, struct error *err);
int __real_record_remove(struct record_store *s, const char *owner, const char *ns, const char *id, struct error *err);
int __real_record_dir_open(struct record_store *s, const char *owner, const char *ns, const char *id, bool create,
                           struct error *err);
int __real_record_tombstone_save(struct record_store *s, const char *key, const struct record_answer *answer,
                                 struct error *err);
int __real_eventlog_append(struct eventlog *l, struct event *ev, struct error *err);
int __real_unlinkat(int dirfd, const char *path, int flags);
int __wrap_unlinkat(int dirfd, const char *path, int flags);
int __wrap_record_save(int dirfd, const struct container_record *rec, struct error *err);
int __wrap_record_remove(struct record_store *s, const char *owner, const char *ns, const char *id, struct error *err);
int __wrap_record_dir_open(struct record_store *s, const char *owner, const char *ns, const char *id, bool create,
                           struct error *err);
int __wrap_record_tombstone_save(struct record_store *s, const char *key, const struct record_answer *answer,
                                 struct error *err);
int __wrap_eventlog_append(struct eventlog *l, struct event *ev, struct error *err);

static struct container_seen *seen_of(const char *id)
{
        size_t i = (size_t)(id[1] - '0');

        if (id[0] != 'c' || i >= KEYS)
                sim_fail("container \"%s\" comes from nowhere", id);
        if (!seen[i].id[0])
                snprintf(seen[i].id, sizeof(seen[i].id), "%s", id);
        return &seen[i];
}

static struct exec_seen *exec_of(struct container_seen *c, const char *exec_id)
{
        size_t i = (size_t)(exec_id[1] - '0');

        if (exec_id[0] != 'e' || i >= EXECS)
                sim_fail("process \"%s\" comes from nowhere", exec_id);
        return &c->execs[i];
}

/* --- what was tried of the table --- */

static unsigned tried[CONTAINER_STATE_N][CEV_N];

void __real_container_event(struct container *c, enum container_event ev, struct happening *h);
void __wrap_container_event(struct container *c, enum container_event ev, struct happening *h);

void __wrap_container_event(struct container *c, enum container_event ev, struct happening *h)
{
        tried[c->state][ev]++;
        __real_container_event(c, ev, h);
}

void oracle_coverage(void)
{
        unsigned possible = 0, n = 0;

        for (int s = 0; s < CONTAINER_STATE_N; s++)
                for (int e = 0; e < CEV_N; e++) {
                        if (container_cell_of(s, e)->verdict == VERDICT_BUG)
                                continue;
                        possible++;
                        n += tried[s][e] > 0;
                        if (getenv("SIM_COVERAGE"))
                                printf("# %-14s %-18s %u\n", container_state_name(s), container_event_name(e),
                                       tried[s][e]);
                }
        printf("# of %u cells of the table that can be met, %u were\n", possible, n);
}

/* --- the disk --- */

/* True: the daemon is dead, and this does not happen. */
static bool disk_dead(void)
{
        if (sim.freeze_after && --sim.freeze_after == 0) {
                sim.frozen = true;
                sim_trace("*** dies");
        }
        return sim.frozen;
}

static void save_seen(const struct container_record *rec)
{
        struct record_seen *s = &seen_of(rec->params->id)->record;

        s->there = true;
        snprintf(s->state, sizeof(s->state), "%s", rec->state);
        snprintf(s->wanted, sizeof(s->wanted), "%s", rec->wanted);
        s->n_execs = 0;
        for (size_t i = 0; i < rec->execs.n && i < ARRAY_SIZE(s->exec_ids); i++) {
                snprintf(s->exec_ids[i], sizeof(s->exec_ids[i]), "%s", rec->execs.items[i].exec_id);
                snprintf(s->exec_states[i], sizeof(s->exec_states[i]), "%s", rec->execs.items[i].state);
                s->n_execs = i + 1;
        }
}

/* A dead daemon removes no file: the next one reads the pid files of those whose record was not written. */
int __wrap_unlinkat(int dirfd, const char *path, int flags)
{
        return sim.frozen ? 0 : __real_unlinkat(dirfd, path, flags);
}

int __wrap_record_save(int dirfd, const struct container_record *rec, struct error *err)
{
        if (disk_dead())
                return 0;
        save_seen(rec);
        return __real_record_save(dirfd, rec, err);
}

int __wrap_record_remove(struct record_store *s, const char *owner, const char *ns, const char *id, struct error *err)
{
        if (disk_dead())
                return 0;
        seen_of(id)->record.there = false;
        return __real_record_remove(s, owner, ns, id, err);
}

int __wrap_record_dir_open(struct record_store *s, const char *owner, const char *ns, const char *id, bool create,
                           struct error *err)
{
        if (create && disk_dead())
                return fcntl(scratch, F_DUPFD_CLOEXEC, 3);
        return __real_record_dir_open(s, owner, ns, id, create, err);
}

int __wrap_record_tombstone_save(struct record_store *s, const char *key, const struct record_answer *answer,
                                 struct error *err)
{
        return disk_dead() ? 0 : __real_record_tombstone_save(s, key, answer, err);
}

/* --- the log --- */

static bool all_execs_over(const struct container_seen *c)
{
        for (size_t i = 0; i < EXECS; i++)
                if (c->execs[i].started && !c->execs[i].exited)
                        return false;
        return true;
}

static void check_status(const struct container_seen *c, const struct event *ev)
{
        const struct fake_process *p = host_find((pid_t)ev->pid);
        struct exit_seen *e;
        struct exit_info info;

        if (oracle_exit((pid_t)ev->pid))
                sim_fail("the end of %u is in the log twice", ev->pid);
        if (!p)
                sim_fail("%s %s \"%s\": there was no process %u", ev->kind, ev->id, ev->exec_id, ev->pid);
        if (p->alive && !c->gave_up)
                sim_fail("%s %s \"%s\": %u lives", ev->kind, ev->id, ev->exec_id, ev->pid);
        host_fill_exit(p, &info);
        if (ev->exit_known && (p->alive || !info.known))
                sim_fail("%s %s \"%s\": the status of %u cannot be known", ev->kind, ev->id, ev->exec_id, ev->pid);
        if (!ev->exit_known && info.known && !c->gave_up)
                sim_fail("%s %s \"%s\": the status of %u is known, and not in the log", ev->kind, ev->id, ev->exec_id,
                         ev->pid);
        if (ev->exit_known) {
                uint32_t want = info.wait_status & 0x7f ? 128 + (uint32_t)(info.wait_status & 0x7f)
                                                        : (uint32_t)info.wait_status >> 8;

                if (ev->exit_status != want || ev->exited_at != info.realtime_ns)
                        sim_fail("%s %s \"%s\": status %u at %llu, not %u at %llu", ev->kind, ev->id, ev->exec_id, want,
                                 (unsigned long long)info.realtime_ns, ev->exit_status,
                                 (unsigned long long)ev->exited_at);
        }
        if (!ev->exited_at)
                sim_fail("%s %s \"%s\" has no time", ev->kind, ev->id, ev->exec_id);
        e = calloc(1, sizeof(*e));
        *e = (struct exit_seen){
                .pid = (pid_t)ev->pid, .known = ev->exit_known, .status = ev->exit_status, .exited_at = ev->exited_at
        };
        LL_PREPEND(exits, e);
}

static void check_container_event(struct container_seen *c, enum event_kind kind, const struct event *ev)
{
        struct container_seen clean = { .incarnation = c->incarnation + 1, .created = true, .pid = (pid_t)ev->pid };

        switch (kind) {
        case EVENT_CREATE:
                if (c->created)
                        sim_fail("%s: create after create", c->id);
                memcpy(clean.id, c->id, sizeof(clean.id));
                clean.record = c->record;
                *c = clean;
                break;
        case EVENT_START:
                if (!c->created || c->started || c->exited)
                        sim_fail("%s: start: created %d started %d exited %d", c->id, c->created, c->started,
                                 c->exited);
                c->started = true;
                c->pid = (pid_t)ev->pid;
                break;
        case EVENT_EXIT:
                if (!c->created || c->exited || !all_execs_over(c))
                        sim_fail("%s: exit: created %d exited %d execs over %d", c->id, c->created, c->exited,
                                 all_execs_over(c));
                check_status(c, ev);
                c->exited = true;
                break;
        case EVENT_DELETE:
                if (!c->created || (c->pid && !c->exited && !c->cleaned))
                        sim_fail("%s: delete: created %d exited %d", c->id, c->created, c->exited);
                c->created = false;
                break;
        default: /* oom, paused, updated ... */
                if (!c->created || c->exited)
                        sim_fail("%s: %s: created %d exited %d", c->id, ev->kind, c->created, c->exited);
        }
}

static void check_exec_event(struct container_seen *c, enum event_kind kind, const struct event *ev)
{
        struct exec_seen *e = exec_of(c, ev->exec_id);

        if (!c->created || c->exited)
                sim_fail("%s \"%s\": %s: created %d exited %d", c->id, ev->exec_id, ev->kind, c->created, c->exited);
        if (kind == EVENT_EXEC_ADDED) {
                if (e->started && !e->exited)
                        sim_fail("%s \"%s\": added while it runs", c->id, ev->exec_id);
                *e = (struct exec_seen){ .added = true };
        } else if (kind == EVENT_EXEC_STARTED) {
                if (!e->added || e->started)
                        sim_fail("%s \"%s\": started: added %d started %d", c->id, ev->exec_id, e->added, e->started);
                e->started = true;
                e->pid = (pid_t)ev->pid;
        } else {
                if (!e->started || e->exited || e->pid != (pid_t)ev->pid)
                        sim_fail("%s \"%s\": exit: started %d exited %d", c->id, ev->exec_id, e->started, e->exited);
                check_status(c, ev);
                e->exited = true;
        }
}

static void check_event(const struct event *ev)
{
        int kind = event_kind_parse(ev->kind);
        struct container_seen *c = ev->id && ev->id[0] ? seen_of(ev->id) : NULL;

        if (kind == EVENT_WARNING && strncmp(ev->message, "bug:", 4) == 0)
                sim_fail("%s %s", ev->id ? ev->id : "", ev->message);
        if (kind == EVENT_WARNING && c && strstr(ev->message, "within the time given"))
                c->gave_up = true;
        if (kind == EVENT_CLEANED)
                c->cleaned = true;
        if (kind == EVENT_WARNING && !c && ev->message[0])
                sim_fail("warning: %s", ev->message);
        if (!c || kind == EVENT_WARNING || kind == EVENT_ADOPTED || kind == EVENT_CLEANED)
                return;
        if (kind == EVENT_EXEC_ADDED || kind == EVENT_EXEC_STARTED || kind == EVENT_EXEC_EXIT)
                check_exec_event(c, (enum event_kind)kind, ev);
        else
                check_container_event(c, (enum event_kind)kind, ev);
}

int __wrap_eventlog_append(struct eventlog *l, struct event *ev, struct error *err)
{
        int r;

        if (disk_dead())
                return 0;
        sim_trace("event %s %s %s %s", ev->kind, ev->id ? ev->id : "", ev->exec_id ? ev->exec_id : "",
                  ev->message ? ev->message : "");
        check_event(ev);
        r = __real_eventlog_append(l, ev, err);
        if (r < 0)
                sim_fail("the log cannot be written: %s", err->message);
        if (ev->seq != ++log_n)
                sim_fail("event %llu got the number %llu", (unsigned long long)log_n, (unsigned long long)ev->seq);
        buf_printf(&log_copy, "%s %s %s\n", ev->kind, ev->id ? ev->id : "", ev->exec_id ? ev->exec_id : "");
        return 0;
}

static void compare_event(const struct event *ev)
{
        char line[200];
        const char *want = (const char *)log_copy.data + log_checked_at;

        snprintf(line, sizeof(line), "%s %s %s\n", ev->kind, ev->id, ev->exec_id);
        if (ev->seq != log_checked + 1 || strncmp(want, line, strlen(line)) != 0)
                sim_fail("event %llu of the log is \"%s\", not event %llu \"%.60s\"", (unsigned long long)ev->seq, line,
                         (unsigned long long)log_checked + 1, want);
        log_checked++;
        log_checked_at += strlen(line);
}

void oracle_log(void)
{
        struct events_result res = { 0 };
        struct error err = ERROR_NULL;

        while (log_checked < log_n) {
                struct events_params params = { .since = log_checked + 1, .owner = "", .ns = "", .id = "" };
                struct arena *a = arena_new();

                if (eventlog_read(sim.daemon->events, &params, a, &res, &err) < 0 || !res.events.n)
                        sim_fail("the log cannot be read from %llu on: %s", (unsigned long long)params.since,
                                 err.message);
                for (size_t i = 0; i < res.events.n; i++)
                        compare_event(&res.events.items[i]);
                arena_free(a);
        }
        if (eventlog_newest(sim.daemon->events) != log_n)
                sim_fail("the log ends at %llu, not at %llu", (unsigned long long)eventlog_newest(sim.daemon->events),
                         (unsigned long long)log_n);
}

const struct exit_seen *oracle_exit(pid_t pid)
{
        const struct exit_seen *e;

        LL_FOREACH(exits, e)
                if (e->pid == pid)
                        return e;
        return NULL;
}

bool oracle_has_started(const char *id, const char *exec_id, pid_t pid)
{
        struct container_seen *c = seen_of(id);

        if (!exec_id[0])
                return c->started && c->pid == pid;
        return exec_of(c, exec_id)->started && exec_of(c, exec_id)->pid == pid;
}

bool oracle_exists(const char *id)
{
        return seen_of(id)->created;
}

unsigned oracle_incarnation(const char *id)
{
        return seen_of(id)->incarnation;
}

/* --- the records --- */

static void check_record(const struct container *c)
{
        const struct record_seen *s = &seen_of(c->params->id)->record;
        const struct process *p;
        size_t i;

        if (!s->there || strcmp(s->state, container_state_name(c->state)) != 0)
                sim_fail("%s is %s, its record %s", c->key, container_state_name(c->state),
                         s->there ? s->state : "not there");
        if (strcmp(s->wanted, wanted_name(c->wanted)) != 0)
                sim_fail("%s is wanted %s, its record says %s", c->key, wanted_name(c->wanted), s->wanted);
        DL_FOREACH(c->execs, p) {
                for (i = 0; i < s->n_execs && strcmp(s->exec_ids[i], p->exec_id) != 0; i++)
                        ;
                if (i == s->n_execs || strcmp(s->exec_states[i], process_state_name(p->state)) != 0)
                        sim_fail("%s \"%s\" is %s, its record %s", c->key, p->exec_id, process_state_name(p->state),
                                 i == s->n_execs ? "does not have it" : s->exec_states[i]);
        }
}

void oracle_step(void)
{
        struct container *c, *tmp;

        HASH_ITER(hh, sim.daemon->containers, c, tmp)
                if (!c->adopting && sim.serving)
                        check_record(c);
}

static void found_record(void *data, const char *owner, const char *ns, const char *id, struct container_record *rec,
                         struct arena **arena, const struct error *err)
{
        sim_fail("a record of %s/%s/%s is left", owner, ns, id);
}

void oracle_gone(void)
{
        struct error err = ERROR_NULL;

        if (record_each(sim.daemon->store, found_record, NULL, &err) < 0)
                sim_fail("%s", err.message);
        for (size_t i = 0; i < KEYS; i++)
                if (seen[i].created || seen[i].record.there)
                        sim_fail("%s was not deleted", seen[i].id);
}

void oracle_init(void)
{
        scratch = open(sim.root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

void oracle_reset(void)
{
        struct exit_seen *e, *tmp;

        LL_FOREACH_SAFE(exits, e, tmp)
                free(e);
        exits = NULL;
        memset(seen, 0, sizeof(seen));
        buf_deinit(&log_copy);
        log_n = log_checked = log_checked_at = 0;
        scratch = fd_close(scratch);
}
