/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A watch is in the table from start to stop; whatever tells first (SIGCHLD, the pidfd, the keeper) takes it out and
 * calls its function, so it is called once. Nothing of a watch is touched after its function was called: it may be
 * freed there.
 *
 * Only one zombie at a time is looked at, and it is reaped before the next look: WNOWAIT would return the same one
 * again.
 *
 * The pidfd of another's child may say "ended" before its status can be known: until its parent has reaped it (for
 * PIDFD_INFO_EXIT), or because the kernel never tells and the keeper will. So its status is asked for again with
 * growing delays, for 2 seconds in total, and only then reported as unknown. The pidfd is not watched meanwhile: it
 * stays readable. Of a process that had gone before it was watched the keeper is asked, and its answer ends the
 * waiting.
 */

#define HASH_NONFATAL_OOM 1
#include "base/reaper.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <utlist.h>
#include "base/clock.h"
#include "base/crash.h"
#include "base/fd.h"

/* Without pidfds in the kernel, SIGCHLD and the keeper tell; of a process that is neither's child nobody does. */
#define NO_PIDFD_LOOK_NS NSEC_PER_SEC
#define DRAIN_AGAIN_NS (20 * NSEC_PER_MSEC)

static const uint16_t retry_ms[] = { 1, 2, 5, 10, 20, 50, 100, 200, 400, 600, 600 };

struct orphan {
        pid_t pid;
        uint64_t start_time;
        uint64_t seq; /* of the last hold that began before it ended */
        struct exit_info info;
        UT_hash_handle hh; /* by pid: of two with one pid, the later one counts */
};

struct reaper {
        struct loop *loop;
        int helper;
        struct watch_pid *watches;
        struct orphan *orphans;
        struct reaper_hold *holds;
        uint64_t seq;
        uint64_t asks; /* how often the keeper was asked */
        const struct reaper_orphan_ops *orphan_ops;
        void *data;
        struct watch_timer drain_again;
};

static void on_drain_again(struct watch_timer *w)
{
        reaper_drain(container_of(w, struct reaper, drain_again));
}

int reaper_new(struct reaper **ret, struct loop *loop, const char *helper)
{
        _cleanup_(fd_closep) int fd = -1;
        struct reaper *r;

        if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
                return -errno;
        if (helper && (fd = open(helper, O_PATH | O_CLOEXEC)) < 0)
                return -errno;
        r = calloc(1, sizeof(*r));
        if (!r)
                return -ENOMEM;
        r->loop = loop;
        r->helper = TAKE_FD(fd);
        watch_timer_init(&r->drain_again, loop, on_drain_again);
        *ret = r;
        return 0;
}

int reaper_helper(const struct reaper *r)
{
        return r->helper;
}

/* --- orphans --- */

static void orphan_forget(struct reaper *r, struct orphan *o)
{
        HASH_DEL(r->orphans, o);
        free(o);
}

/* Nobody has claimed it. */
static void orphan_drop(struct reaper *r, struct orphan *o)
{
        if (r->orphan_ops)
                r->orphan_ops->forget(r->data, o->pid, o->start_time);
        orphan_forget(r, o);
}

void reaper_on_orphan(struct reaper *r, const struct reaper_orphan_ops *ops, void *data)
{
        r->orphan_ops = ops;
        r->data = data;
}

static struct orphan *orphan_find(struct reaper *r, pid_t pid)
{
        struct orphan *o;

        HASH_FIND(hh, r->orphans, &pid, sizeof(pid), o);
        return o;
}

/* When there is no memory it is forgotten: its command then reports an unknown status. */
static bool orphan_remember(struct reaper *r, pid_t pid, uint64_t start_time, const struct exit_info *info)
{
        struct orphan *o;

        if (!r->holds)
                return false;
        o = orphan_find(r, pid);
        if (o)
                orphan_forget(r, o);
        o = calloc(1, sizeof(*o));
        if (!o)
                return false;
        o->pid = pid;
        o->start_time = start_time;
        o->seq = r->seq;
        o->info = *info;
        HASH_ADD(hh, r->orphans, pid, sizeof(o->pid), o);
        if (!o->hh.tbl) {
                free(o);
                return false;
        }
        return true;
}

static uint64_t ticks_since_boot(void)
{
        uint64_t hz = (uint64_t)sysconf(_SC_CLK_TCK);
        struct timespec ts;

        clock_gettime(CLOCK_BOOTTIME, &ts);
        return (uint64_t)ts.tv_sec * hz + (uint64_t)ts.tv_nsec * hz / NSEC_PER_SEC;
}

void reaper_hold(struct reaper *r, struct reaper_hold *hold)
{
        *hold = (struct reaper_hold){ .reaper = r, .seq = ++r->seq, .begin_ticks = ticks_since_boot() };
        DL_APPEND(r->holds, hold);
}

void reaper_unhold(struct reaper_hold *hold)
{
        struct reaper *r = hold->reaper;
        struct orphan *o, *tmp;

        if (!r)
                return;
        DL_DELETE(r->holds, hold);
        hold->reaper = NULL;
        /* the list is in the order of seq: its head is the oldest command in flight */
        HASH_ITER(hh, r->orphans, o, tmp) {
                if (!r->holds || o->seq < r->holds->seq)
                        orphan_drop(r, o);
        }
}

bool reaper_claim(const struct reaper_hold *hold, pid_t pid, uint64_t *ret_start_time, struct exit_info *ret)
{
        struct orphan *o;

        if (!hold->reaper)
                return false;
        o = orphan_find(hold->reaper, pid);
        if (!o || o->seq < hold->seq || o->start_time < hold->begin_ticks)
                return false;
        *ret_start_time = o->start_time;
        *ret = o->info;
        orphan_forget(hold->reaper, o);
        return true;
}

size_t reaper_n_orphans(const struct reaper *r)
{
        return HASH_COUNT(r->orphans);
}

/* --- watches --- */

/* Takes the watch out; its pidref is left to the caller. */
static void watch_detach(struct watch_pid *w)
{
        HASH_DELETE(hh, w->reaper->watches, w);
        watch_fd_drop(&w->watch); /* the store has a copy of the pidfd, which stays readable */
        watch_timer_stop(&w->retry);
        w->active = false;
}

static void watch_finish(struct watch_pid *w, const struct exit_info *info)
{
        struct exit_info copy = *info;
        struct pidref p = w->pidref;

        watch_detach(w);
        w->fn(w, &copy);
        pidref_close(&p);
}

static void watch_finish_status(struct watch_pid *w, int status)
{
        struct exit_info info = { .known = true, .wait_status = status, .realtime_ns = clock_realtime_ns() };

        watch_finish(w, &info);
}

static bool watch_is_of(const struct watch_pid *w, pid_t pid, uint64_t start_time)
{
        return w->pidref.pid == pid && (w->since ? start_time >= w->since : start_time == w->pidref.start_time);
}

/* There may be two watches of one pid: of a process whose status is still being asked for, and of its successor. */
static struct watch_pid *watch_find(struct reaper *r, pid_t pid, uint64_t start_time)
{
        struct watch_pid *w;

        HASH_FIND(hh, r->watches, &pid, sizeof(pid), w);
        if (!w || watch_is_of(w, pid, start_time))
                return w;
        for (w = r->watches; w; w = w->hh.next) {
                if (watch_is_of(w, pid, start_time))
                        return w;
        }
        return NULL;
}

/* True: it is of nobody yet, and remembered. */
static bool dispatch(struct reaper *r, pid_t pid, uint64_t start_time, const struct exit_info *info)
{
        struct watch_pid *w = watch_find(r, pid, start_time);

        if (!w)
                return orphan_remember(r, pid, start_time, info);
        w->pidref.start_time = start_time; /* it may not have been known */
        watch_finish(w, info);
        return false;
}

bool reaper_told(struct reaper *r, pid_t pid, uint64_t start_time, const struct exit_info *info)
{
        return dispatch(r, pid, start_time, info);
}

static int status_of(const siginfo_t *si)
{
        switch (si->si_code) {
        case CLD_EXITED:
                return (si->si_status & 0xff) << 8;
        case CLD_DUMPED:
                return si->si_status | 0x80;
        default:
                return si->si_status;
        }
}

void reaper_drain(struct reaper *r)
{
        for (;;) {
                siginfo_t si = { .si_pid = 0 };
                struct exit_info info = { .known = true };
                struct proc_stat st;
                pid_t pid;
                int k;

                if (waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT) < 0) {
                        if (errno == EINTR)
                                continue;
                        return;
                }
                pid = si.si_pid;
                if (pid == 0)
                        return;
                k = proc_stat_read(pid, &st);
                if (k == -EMFILE || k == -ENFILE || k == -ENOMEM) { /* it stays a zombie, whose status is not lost */
                        watch_timer_arm(&r->drain_again, DRAIN_AGAIN_NS);
                        return;
                }
                /* not readable: then it can be matched with nothing, and has start time 0 */
                if (k < 0)
                        st.start_time = 0;
                info.wait_status = status_of(&si);
                info.realtime_ns = clock_realtime_ns();
                /* Told before it is reaped: if we are killed in between, whoever inherits the zombie still finds its
                 * status. */
                if (dispatch(r, pid, st.start_time, &info) && r->orphan_ops)
                        r->orphan_ops->remember(r->data, pid, st.start_time, &info);
                crash_point("reap.told");
                if (waitid(P_PID, (id_t)pid, &si, WEXITED | WNOHANG) < 0 || si.si_pid != pid)
                        return;
                crash_point("reap.reaped");
        }
}

static void watch_retry(struct watch_pid *w)
{
        struct exit_info info = { .known = false, .realtime_ns = clock_realtime_ns() };

        if (w->polls >= ARRAY_SIZE(retry_ms)) {
                watch_finish(w, &info);
                return;
        }
        watch_fd_drop(&w->watch);
        watch_timer_arm(&w->retry, retry_ms[w->polls++] * NSEC_PER_MSEC);
}

/* The pidfd is readable, or it is time to ask again. */
static void watch_look(struct watch_pid *w)
{
        siginfo_t si = { .si_pid = 0 };
        int status, r;

        if (w->has_told) {
                struct exit_info info = w->told;

                watch_finish(w, &info);
                return;
        }
        if (w->pidref.fd >= 0 && waitid(P_PIDFD, (id_t)w->pidref.fd, &si, WEXITED | WNOHANG | WNOWAIT) == 0 &&
            si.si_pid) {
                pid_t pid = si.si_pid;

                watch_finish_status(w, status_of(&si)); /* w may be gone after this; reaped last, see reaper_drain */
                waitid(P_PID, (id_t)pid, &si, WEXITED | WNOHANG);
                return;
        }
        r = pidref_exit_status(&w->pidref, &status);
        if (r == 0)
                watch_finish_status(w, status);
        else if (r == -EAGAIN && w->pidref.fd < 0)
                watch_timer_arm(&w->retry, NO_PIDFD_LOOK_NS);
        else
                watch_retry(w);
}

static void on_pidfd(struct watch_fd *watch, unsigned events)
{
        watch_look(container_of(watch, struct watch_pid, watch));
}

static void on_retry(struct watch_timer *timer)
{
        watch_look(container_of(timer, struct watch_pid, retry));
}

void watch_pid_init(struct watch_pid *w)
{
        *w = (struct watch_pid){ .pidref = PIDREF_NULL };
}

/* Takes ref. */
static int watch_add(struct watch_pid *w, struct reaper *r, struct pidref ref, watch_pid_fn fn)
{
        watch_pid_init(w);
        w->pidref = ref;
        w->reaper = r;
        w->fn = fn;
        watch_fd_init(&w->watch, r->loop, on_pidfd);
        watch_timer_init(&w->retry, r->loop, on_retry);
        HASH_ADD(hh, r->watches, pidref.pid, sizeof(w->pidref.pid), w);
        if (!w->hh.tbl) {
                pidref_close(&w->pidref);
                return -ENOMEM;
        }
        w->active = true;
        return 0;
}

/* Whoever was its parent has reaped it. */
static void has_gone(struct watch_pid *w)
{
        struct reaper *r = w->reaper;

        watch_timer_arm(&w->retry, 0);
        w->ask = r->asks + 1;
        if (r->orphan_ops && r->orphan_ops->ask)
                r->orphan_ops->ask(r->data);
}

void reaper_asked(struct reaper *r)
{
        r->asks++;
}

void reaper_answered(struct reaper *r)
{
        for (struct watch_pid *w = r->watches; w; w = w->hh.next) {
                if (!w->ask || w->ask > r->asks)
                        continue;
                w->polls = ARRAY_SIZE(retry_ms); /* one last look, in a later turn */
                watch_timer_arm(&w->retry, 0);
        }
}

int watch_pid_expect(struct watch_pid *w, struct reaper *r, pid_t pid, uint64_t since, watch_pid_fn fn)
{
        int k = watch_add(w, r, (struct pidref){ .pid = pid, .fd = -1 }, fn);

        if (k < 0)
                return k;
        w->since = since ? since : 1;
        has_gone(w);
        return 0;
}

int watch_pid_start(struct watch_pid *w, struct reaper *r, struct pidref *p, watch_pid_fn fn)
{
        struct pidref ref = *p;
        struct orphan *o;
        bool gone = false;
        int k;

        assert(!w->active);
        *p = PIDREF_NULL;
        if (ref.pid <= 0) {
                pidref_close(&ref);
                return -EINVAL;
        }
        if (ref.fd < 0) {
                k = pidref_open_checked(&ref, ref.pid, ref.start_time);
                if (k < 0 && k != -ESRCH)
                        return k;
                gone = k < 0;
        }
        k = watch_add(w, r, ref, fn);
        if (k < 0)
                return k;
        o = orphan_find(r, ref.pid);
        if (o && o->start_time == ref.start_time) {
                w->told = o->info;
                w->has_told = true;
                orphan_forget(r, o);
        }
        if (gone && !w->has_told)
                has_gone(w);
        else if (w->has_told || ref.fd < 0)
                watch_timer_arm(&w->retry, 0);
        else
                watch_fd_set(&w->watch, ref.fd, LOOP_READ);
        return 0;
}

void watch_pid_stop(struct watch_pid *w)
{
        if (!w->active)
                return;
        watch_detach(w);
        pidref_close(&w->pidref);
}

struct reaper *reaper_free(struct reaper *r)
{
        struct orphan *o, *tmp;

        if (!r)
                return NULL;
        while (r->watches)
                watch_pid_stop(r->watches);
        while (r->holds)
                reaper_unhold(r->holds);
        HASH_ITER(hh, r->orphans, o, tmp)
                orphan_forget(r, o);
        watch_timer_stop(&r->drain_again);
        fd_close(r->helper);
        free(r);
        return NULL;
}
