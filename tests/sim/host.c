/* SPDX-License-Identifier: Apache-2.0 */

/* Processes, time and timers. The functions named __wrap_x stand for x of base/ (ld's --wrap). */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>
#include "tests/sim/sim.h"

#define EPOCH (UINT64_C(1790000000) * NSEC_PER_SEC)

struct fake_timer {
        struct fake_timer *prev, *next; /* by time */
        struct watch_timer *watch;
        uint64_t at;
};

static struct fake_process *processes;
static struct fake_timer *timers;
static pid_t last_pid = 1000;
static uint64_t now = NSEC_PER_SEC;

uint64_t __wrap_clock_monotonic_ns(void);
uint64_t __wrap_clock_realtime_ns(void);
void __wrap_watch_timer_arm(struct watch_timer *w, uint64_t after_ns);
void __wrap_watch_timer_stop(struct watch_timer *w);
bool __wrap_watch_timer_active(const struct watch_timer *w);
int __wrap_watch_pid_start(struct watch_pid *w, struct reaper *r, struct pidref *p, watch_pid_fn fn);
void __wrap_watch_pid_stop(struct watch_pid *w);
bool __wrap_reaper_claim(const struct reaper_hold *hold, pid_t pid, uint64_t *ret_start_time, struct exit_info *ret);
int __wrap_pidref_open(struct pidref *ret, pid_t pid);
int __wrap_pidref_open_checked(struct pidref *ret, pid_t pid, uint64_t start_time);
int __wrap_pidref_kill(const struct pidref *p, int signal);
int __wrap_access(const char *path, int mode);
int __real_reaper_new(struct reaper **ret, struct loop *loop, const char *helper);
int __wrap_reaper_new(struct reaper **ret, struct loop *loop, const char *helper);

/* --- time --- */

uint64_t __wrap_clock_monotonic_ns(void)
{
        return now;
}

uint64_t __wrap_clock_realtime_ns(void)
{
        return EPOCH + now;
}

void host_later(uint64_t ns)
{
        now += ns;
}

static struct fake_timer *timer_find(const struct watch_timer *w)
{
        struct fake_timer *t;

        DL_FOREACH(timers, t)
                if (t->watch == w)
                        return t;
        return NULL;
}

void __wrap_watch_timer_arm(struct watch_timer *w, uint64_t after_ns)
{
        struct fake_timer *t = calloc(1, sizeof(*t)), *after;

        __wrap_watch_timer_stop(w);
        t->watch = w;
        t->at = now + after_ns;
        DL_FOREACH(timers, after)
                if (after->at > t->at)
                        break;
        if (after)
                DL_PREPEND_ELEM(timers, after, t);
        else
                DL_APPEND(timers, t);
}

void __wrap_watch_timer_stop(struct watch_timer *w)
{
        struct fake_timer *t = timer_find(w);

        if (!t)
                return;
        DL_DELETE(timers, t);
        free(t);
}

bool __wrap_watch_timer_active(const struct watch_timer *w)
{
        return timer_find(w) != NULL;
}

size_t host_timers(void)
{
        struct fake_timer *t;
        size_t n;

        DL_COUNT(timers, t, n);
        return n;
}

bool host_step_timer(void)
{
        struct fake_timer *t = timers;
        struct watch_timer *w;

        if (!t)
                return false;
        w = t->watch;
        if (t->at > now)
                now = t->at;
        DL_DELETE(timers, t);
        free(t);
        sim_trace("timer");
        w->fn(w);
        sim_settle();
        return true;
}

/* --- processes --- */

struct fake_process *host_processes(void)
{
        return processes;
}

struct fake_process *host_spawn(const char *key, const char *exec_id)
{
        struct fake_process *p = calloc(1, sizeof(*p));

        p->pid = ++last_pid;
        p->start_time = (uint64_t)p->pid * 10;
        p->alive = true;
        snprintf(p->key, sizeof(p->key), "%s", key);
        snprintf(p->exec_id, sizeof(p->exec_id), "%s", exec_id);
        DL_APPEND(processes, p);
        return p;
}

struct fake_process *host_find(pid_t pid)
{
        struct fake_process *p;

        DL_FOREACH(processes, p)
                if (p->pid == pid)
                        return p;
        return NULL;
}

void host_die(struct fake_process *p)
{
        if (!p->alive)
                return;
        p->alive = false;
        p->died_at = EPOCH + now;
        p->status = p->dying ? SIGKILL : (int)dice(256) << 8;
        sim_trace("%d of %s \"%s\" dies", (int)p->pid, p->key, p->exec_id);
}

static bool of_container(const struct fake_process *p, const char *key)
{
        return p->exec_id[0] != '!' && strcmp(p->key, key) == 0;
}

void host_kill_all(const char *key, bool at_once)
{
        struct fake_process *p;

        DL_FOREACH(processes, p) {
                if (!p->alive || !of_container(p, key))
                        continue;
                p->dying = true;
                if (at_once)
                        host_die(p);
        }
}

unsigned host_count(const char *key)
{
        struct fake_process *p;
        unsigned n = 0;

        DL_FOREACH(processes, p)
                n += p->alive && of_container(p, key);
        return n;
}

void host_fill_exit(const struct fake_process *p, struct exit_info *info)
{
        *info = (struct exit_info){ .known = !p->lost,
                                    .wait_status = p->lost ? 0 : p->status,
                                    .realtime_ns = p->died_at };
}

bool host_step_dying(bool any)
{
        struct fake_process *p, *found = NULL;
        uint32_t n = 0;

        DL_FOREACH(processes, p)
                if (p->alive && p->exec_id[0] != '!' && (any || p->dying) && dice(++n) == 0)
                        found = p;
        if (!found)
                return false;
        host_die(found);
        return true;
}

bool host_step_seen(void)
{
        struct fake_process *p, *found = NULL;
        struct exit_info info;
        struct watch_pid *w;
        uint32_t n = 0;

        DL_FOREACH(processes, p)
                if (!p->alive && p->watch && dice(++n) == 0)
                        found = p;
        if (!found)
                return false;
        sim_trace("the end of %d is seen", (int)found->pid);
        w = found->watch;
        found->watch = NULL;
        found->seen = true;
        w->active = false;
        host_fill_exit(found, &info);
        w->fn(w, &info);
        sim_settle();
        return true;
}

void host_daemon_died(void)
{
        struct fake_process *p;

        DL_FOREACH(processes, p) {
                if (p->watch)
                        sim_fail("the daemon was freed and still watches %d", (int)p->pid);
                p->seen = p->forgotten; /* the keeper remembers what it was not told to forget */
        }
        if (timers)
                sim_fail("the daemon was freed and has timers");
}

void host_forget_dead(void)
{
        struct fake_process *p, *tmp;

        DL_FOREACH_SAFE(processes, p, tmp) {
                if (p->alive || p->watch)
                        continue;
                DL_DELETE(processes, p);
                free(p);
        }
}

int __wrap_watch_pid_start(struct watch_pid *w, struct reaper *r, struct pidref *p, watch_pid_fn fn)
{
        struct fake_process *f = host_find(p->pid);

        if (!f || f->start_time != p->start_time || f->watch || w->active)
                sim_fail("%d is watched, which cannot be", (int)p->pid);
        f->watch = w;
        w->pidref = *p;
        w->reaper = r;
        w->fn = fn;
        w->active = true;
        *p = PIDREF_NULL;
        return 0;
}

void __wrap_watch_pid_stop(struct watch_pid *w)
{
        struct fake_process *f;

        if (!w->active)
                return;
        w->active = false;
        DL_FOREACH(processes, f)
                if (f->watch == w)
                        f->watch = NULL;
}

/* What the keeper, or the reaper, remembers of the dead: told once. */
bool __wrap_reaper_claim(const struct reaper_hold *hold, pid_t pid, uint64_t *ret_start_time, struct exit_info *ret)
{
        struct fake_process *f = host_find(pid);

        if (!f || f->alive || f->lost || f->seen || f->watch)
                return false;
        f->seen = true;
        *ret_start_time = f->start_time;
        host_fill_exit(f, ret);
        return true;
}

int __wrap_pidref_open(struct pidref *ret, pid_t pid)
{
        struct fake_process *f = host_find(pid);

        if (!f || !f->alive)
                return -ESRCH;
        *ret = (struct pidref){ .pid = pid, .start_time = f->start_time, .fd = -1 };
        return 0;
}

int __wrap_pidref_open_checked(struct pidref *ret, pid_t pid, uint64_t start_time)
{
        struct fake_process *f = host_find(pid);

        if (!f || f->start_time != start_time)
                return -ESRCH;
        return __wrap_pidref_open(ret, pid);
}

int __wrap_pidref_kill(const struct pidref *p, int signal)
{
        struct fake_process *f = host_find(p->pid);

        if (!f || !f->alive)
                return -ESRCH;
        f->dying |= signal == SIGKILL;
        return 0;
}

/* Every runtime is installed. */
int __wrap_access(const char *path, int mode)
{
        return 0;
}

/* No process is ever made. */
int __wrap_reaper_new(struct reaper **ret, struct loop *loop, const char *helper)
{
        return __real_reaper_new(ret, loop, NULL);
}
