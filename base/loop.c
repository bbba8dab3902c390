/* SPDX-License-Identifier: Apache-2.0 */

/*
 * libev calls our invoke-pending function once at the start of ev_run() and once after each poll: that is the round. It
 * runs all callbacks, then the deferred items, and measures both; so nothing is deferred past a round, and a deferred
 * item that was queued outside of one runs before the loop blocks. No prepare, check, idle or async watcher is needed.
 *
 * An idle loop must not wake up. libev limits a poll to 59.7 s to notice jumps of the real-time clock, unless it has a
 * timerfd for that, which it makes with the first periodic watcher: so one is started and stopped (then 25 minutes).
 */

#include "base/loop.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include <utlist.h>
#include "base/clock.h"
#include "base/fd.h"

struct loop {
        struct ev_loop *ev;
        struct deferred *deferred; /* in order */
        struct deferred *last;     /* likewise, when there is none of those */
        struct loop_stats stats;
        unsigned iteration; /* libev's count of polls, as of the last round */
        int epoll;          /* libev's, not ours to close; see guess_epoll() */
        bool stopping;
        loop_stall_fn on_stall;
        void *stall_data;
};

static void run_deferred(struct loop *loop)
{
        while (loop->deferred || loop->last) {
                struct deferred *d = loop->deferred ? loop->deferred : loop->last;

                deferred_cancel(d);
                d->fn(d); /* may free d, and queue or cancel any */
        }
}

static uint64_t timeval_ns(struct timeval tv)
{
        return (uint64_t)tv.tv_sec * NSEC_PER_SEC + (uint64_t)tv.tv_usec * 1000;
}

static void tell_stall(struct loop *loop, const struct rusage *begin, uint64_t ns)
{
        struct loop_stall stall = { .ns = ns };
        struct rusage now;

        loop->stats.stalls++;
        if (!loop->on_stall)
                return;
        getrusage(RUSAGE_THREAD, &now);
        stall.cpu_ns = timeval_ns(now.ru_utime) + timeval_ns(now.ru_stime);
        stall.cpu_ns -= timeval_ns(begin->ru_utime) + timeval_ns(begin->ru_stime);
        stall.blocked = (uint64_t)(now.ru_nvcsw - begin->ru_nvcsw);
        stall.preempted = (uint64_t)(now.ru_nivcsw - begin->ru_nivcsw);
        loop->on_stall(loop->stall_data, &stall);
        run_deferred(loop);
}

static void round_run(struct ev_loop *ev)
{
        struct loop *loop = ev_userdata(ev);
        uint64_t begin = clock_monotonic_ns(), ns;
        unsigned iteration = ev_iteration(ev);
        struct rusage usage;

        getrusage(RUSAGE_THREAD, &usage);
        ev_invoke_pending(ev);
        run_deferred(loop);

        ns = clock_monotonic_ns() - begin;
        loop->stats.rounds += iteration - loop->iteration;
        loop->iteration = iteration;
        loop->stats.busy_ns += ns;
        if (ns > loop->stats.stall_max_ns)
                loop->stats.stall_max_ns = ns;
        if (ns > LOOP_STALL_NS)
                tell_stall(loop, &usage, ns);
}

static void never(struct ev_loop *ev, struct ev_periodic *w, int events)
{
}

static void make_timerfd(struct ev_loop *ev)
{
        struct ev_periodic p;

        ev_periodic_init(&p, never, 0., 0., NULL);
        ev_periodic_start(ev, &p);
        ev_periodic_stop(ev, &p);
}

/*
 * The number that libev's epoll descriptor is about to get: the lowest free one. libev does not tell, and needs help:
 * it leaves closed descriptors in the kernel's set, and when one is still open elsewhere and becomes ready, it makes
 * the whole set anew (measured: 960 epoll_ctl for each of 1,000 watches). Used for EPOLL_CTL_DEL alone, which a wrong
 * guess makes fail and nothing else.
 */
static int guess_epoll(void)
{
        int fd = eventfd(0, EFD_CLOEXEC);

        fd_close(fd);
        return fd;
}

int loop_new(struct loop **ret)
{
        _cleanup_(loop_freep) struct loop *loop = calloc(1, sizeof(*loop));

        if (!loop)
                return -ENOMEM;
        loop->epoll = guess_epoll();
        errno = 0;
        loop->ev = ev_loop_new(EVFLAG_NOENV | EVBACKEND_EPOLL);
        if (!loop->ev)
                return errno ? -errno : -ENOMEM;
        ev_set_userdata(loop->ev, loop);
        ev_set_invoke_pending_cb(loop->ev, round_run);
        make_timerfd(loop->ev);
        ev_ref(loop->ev); /* only loop_stop() ends it, not the lack of watchers */
        *ret = TAKE(loop);
        return 0;
}

struct loop *loop_free(struct loop *loop)
{
        if (!loop)
                return NULL;
        if (loop->ev)
                ev_loop_destroy(loop->ev);
        free(loop);
        return NULL;
}

void loop_on_stall(struct loop *loop, loop_stall_fn fn, void *data)
{
        loop->on_stall = fn;
        loop->stall_data = data;
}

void loop_run(struct loop *loop)
{
        while (!loop->stopping)
                ev_run(loop->ev, 0);
        loop->stopping = false;
}

void loop_stop(struct loop *loop)
{
        loop->stopping = true;
        ev_break(loop->ev, EVBREAK_ONE);
}

void loop_run_once(struct loop *loop, bool block)
{
        ev_run(loop->ev, block && !loop->deferred && !loop->last ? EVRUN_ONCE : EVRUN_NOWAIT);
}

const struct loop_stats *loop_stats(const struct loop *loop)
{
        return &loop->stats;
}

/* --- descriptors --- */

static void on_io(struct ev_loop *ev, struct ev_io *io, int events)
{
        struct watch_fd *w = container_of(io, struct watch_fd, io);

        w->fn(w, (events & EV_READ ? LOOP_READ : 0) | (events & EV_WRITE ? LOOP_WRITE : 0));
}

void watch_fd_init(struct watch_fd *w, struct loop *loop, watch_fd_fn fn)
{
        memset(w, 0, sizeof(*w));
        w->loop = loop;
        w->fn = fn;
        ev_io_init(&w->io, on_io, -1, 0);
}

void watch_fd_set(struct watch_fd *w, int fd, unsigned events)
{
        int want = (events & LOOP_READ ? EV_READ : 0) | (events & LOOP_WRITE ? EV_WRITE : 0);

        watch_fd_stop(w);
        if (!want)
                return;
        assert(fd >= 0);
        ev_io_set(&w->io, fd, want);
        ev_io_start(w->loop->ev, &w->io);
}

void watch_fd_stop(struct watch_fd *w)
{
        if (w->loop)
                ev_io_stop(w->loop->ev, &w->io);
}

void watch_fd_drop(struct watch_fd *w)
{
        if (!watch_fd_active(w))
                return;
        watch_fd_stop(w);
        epoll_ctl(w->loop->epoll, EPOLL_CTL_DEL, w->io.fd, NULL);
}

bool watch_fd_active(const struct watch_fd *w)
{
        return ev_is_active(&w->io);
}

/* A watch that owns its descriptor; -1: it has not begun. */
static void stop_and_close(struct watch_fd *watch, int *fd)
{
        if (*fd < 0)
                return;
        watch_fd_stop(watch);
        *fd = fd_close(*fd);
}

/* --- POLLPRI --- */

/*
 * To ask a pressure file whether it is ready takes the event out of it, and libev's epoll asks when it looks at ours:
 * so that ours was readable is the event, whether or not anything is left in it then. When the file itself has gone,
 * that stays there.
 */
static void on_priority(struct watch_fd *watch, unsigned events)
{
        struct watch_priority *w = container_of(watch, struct watch_priority, watch);
        struct epoll_event ev = { 0 };
        bool gone = epoll_wait(w->epoll, &ev, 1, 0) > 0 && (ev.events & (EPOLLERR | EPOLLHUP));
        watch_priority_fn fn = w->fn;

        if (gone)
                watch_priority_stop(w);
        fn(w, gone);
}

int watch_priority_start(struct watch_priority *w, struct loop *loop, int fd, watch_priority_fn fn)
{
        struct epoll_event ev = { .events = EPOLLPRI };
        _cleanup_(fd_closep) int epoll = epoll_create1(EPOLL_CLOEXEC);

        if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev) < 0)
                return -errno;
        watch_fd_init(&w->watch, loop, on_priority);
        w->epoll = TAKE_FD(epoll);
        w->fn = fn;
        watch_fd_set(&w->watch, w->epoll, LOOP_READ);
        return 0;
}

void watch_priority_stop(struct watch_priority *w)
{
        stop_and_close(&w->watch, &w->epoll);
}

/* --- turns --- */

static void on_turn(struct watch_fd *watch, unsigned events)
{
        struct watch_turn *w = container_of(watch, struct watch_turn, watch);

        w->fn(w);
}

int watch_turn_start(struct watch_turn *w, struct loop *loop, watch_turn_fn fn)
{
        watch_turn_stop(w);
        w->fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
        if (w->fd < 0)
                return -errno;
        w->fn = fn;
        watch_fd_init(&w->watch, loop, on_turn);
        watch_fd_set(&w->watch, w->fd, LOOP_READ);
        return 0;
}

void watch_turn_stop(struct watch_turn *w)
{
        stop_and_close(&w->watch, &w->fd);
}

/* --- timers --- */

static void on_timer(struct ev_loop *ev, struct ev_timer *timer, int events)
{
        struct watch_timer *w = container_of(timer, struct watch_timer, timer);

        w->fn(w);
}

void watch_timer_init(struct watch_timer *w, struct loop *loop, watch_timer_fn fn)
{
        memset(w, 0, sizeof(*w));
        w->loop = loop;
        w->fn = fn;
        ev_timer_init(&w->timer, on_timer, 0., 0.);
}

void watch_timer_arm(struct watch_timer *w, uint64_t after_ns)
{
        watch_timer_stop(w);
        ev_now_update(w->loop->ev); /* libev's "now" is that of the last poll: the timer would be early */
        ev_timer_set(&w->timer, (double)after_ns / (double)NSEC_PER_SEC, 0.);
        ev_timer_start(w->loop->ev, &w->timer);
}

void watch_timer_stop(struct watch_timer *w)
{
        if (w->loop)
                ev_timer_stop(w->loop->ev, &w->timer);
}

bool watch_timer_active(const struct watch_timer *w)
{
        return ev_is_active(&w->timer);
}

/* --- signals --- */

/* One signal per round (the descriptor is level-triggered), so that the callback may free the watch. */
static void on_signalfd(struct watch_fd *watch, unsigned events)
{
        struct watch_signals *w = container_of(watch, struct watch_signals, watch);
        struct signalfd_siginfo info;

        if (read(w->fd, &info, sizeof(info)) == sizeof(info))
                w->fn(w, (int)info.ssi_signo);
}

int watch_signals_start(struct watch_signals *w, struct loop *loop, const sigset_t *set, watch_signals_fn fn)
{
        int r;

        w->fd = signalfd(-1, set, SFD_NONBLOCK | SFD_CLOEXEC);
        if (w->fd < 0)
                return -errno;
        r = pthread_sigmask(SIG_BLOCK, set, NULL);
        if (r) {
                w->fd = fd_close(w->fd);
                return -r;
        }
        w->fn = fn;
        watch_fd_init(&w->watch, loop, on_signalfd);
        watch_fd_set(&w->watch, w->fd, LOOP_READ);
        return 0;
}

void watch_signals_stop(struct watch_signals *w)
{
        stop_and_close(&w->watch, &w->fd);
}

/* --- deferred work --- */

void deferred_init(struct deferred *d, struct loop *loop, deferred_fn fn)
{
        *d = (struct deferred){ .loop = loop, .fn = fn };
}

void loop_defer(struct deferred *d)
{
        if (d->queued)
                return;
        d->queued = true;
        d->last = false;
        DL_APPEND(d->loop->deferred, d);
}

void loop_defer_last(struct deferred *d)
{
        if (d->queued)
                return;
        d->queued = d->last = true;
        DL_APPEND(d->loop->last, d);
}

void deferred_cancel(struct deferred *d)
{
        if (!d->queued)
                return;
        d->queued = false;
        if (d->last)
                DL_DELETE(d->loop->last, d);
        else
                DL_DELETE(d->loop->deferred, d);
}
