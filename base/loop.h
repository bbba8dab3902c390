/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The event loop: the only file that calls libev. Always a loop of its own (ev_loop_new), never libev's default loop,
 * whose SIGCHLD handler reaps with waitpid(-1).
 *
 * Watchers are embedded in their owners by value; callbacks get the watcher and go up with container_of. A callback
 * only translates what happened into an event for its owner. A watcher must be stopped before its memory goes; stopping
 * twice, or one that was never started, is fine. Callbacks may start and stop any watcher. Work that frees objects is
 * put off to the end of the round with loop_defer().
 *
 * The loop measures itself: a round whose callbacks take longer than LOOP_STALL_NS is counted as a stall.
 */

#include <ev.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/cleanup.h"

#define LOOP_STALL_NS UINT64_C(10000000) /* 10 ms */

#define LOOP_READ 1U
#define LOOP_WRITE 2U

struct loop;

struct loop_stats {
        uint64_t rounds;       /* wake-ups of the loop since its start */
        uint64_t stalls;       /* rounds of more than LOOP_STALL_NS */
        uint64_t stall_max_ns; /* the longest round */
        uint64_t busy_ns;      /* time spent in callbacks */
};

/* A round that stalled, and why: it computed, it slept in a call, or others had the processor. */
struct loop_stall {
        uint64_t ns, cpu_ns;
        uint64_t blocked;   /* times that it slept: a callback made a call that blocks */
        uint64_t preempted; /* times that it was made to wait while it could run */
};
typedef void (*loop_stall_fn)(void *data, const struct loop_stall *stall);

int loop_new(struct loop **ret); /* 0 or -errno */
struct loop *loop_free(struct loop *loop); /* NULL is fine; returns NULL */
DEFINE_CLEANUP(struct loop *, loop_free)
void loop_on_stall(struct loop *loop, loop_stall_fn fn, void *data);

/* Runs until loop_stop(). */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);
/* One round: waits for at least one event if block is true. For tests and the simulator. */
void loop_run_once(struct loop *loop, bool block);

const struct loop_stats *loop_stats(const struct loop *loop);

/* --- descriptors: level-triggered --- */
struct watch_fd;
typedef void (*watch_fd_fn)(struct watch_fd *w, unsigned events); /* events: LOOP_READ | LOOP_WRITE */
struct watch_fd {
        struct ev_io io;
        struct loop *loop;
        watch_fd_fn fn;
};
void watch_fd_init(struct watch_fd *w, struct loop *loop, watch_fd_fn fn);
/* Starts to watch fd for `events`, or changes what is watched for; events == 0 stops. */
void watch_fd_set(struct watch_fd *w, int fd, unsigned events);
void watch_fd_stop(struct watch_fd *w);
/* watch_fd_stop for a descriptor whose open file others have too (the keeper's store, a copy by SCM_RIGHTS): takes it
 * out of the kernel's set at once, which closing our copy does not do. Before the close; no other watch may be of that
 * descriptor. */
void watch_fd_drop(struct watch_fd *w);
bool watch_fd_active(const struct watch_fd *w);

/* --- POLLPRI, for which libev cannot wait: how the kernel's pressure files say that something has happened --- */
struct watch_priority;
typedef void (*watch_priority_fn)(struct watch_priority *w, bool gone); /* gone: POLLERR, and it is watched no more */
struct watch_priority {
        struct watch_fd watch;
        int epoll; /* of our own, with nothing but the descriptor in it: libev waits for it to be readable */
        watch_priority_fn fn;
};
#define WATCH_PRIORITY_NULL ((struct watch_priority){ .epoll = -1 })
int watch_priority_start(struct watch_priority *w, struct loop *loop, int fd, watch_priority_fn fn); /* 0 or -errno */
void watch_priority_stop(struct watch_priority *w); /* before the descriptor is closed */

/* --- turns: called once in each round, which then does not wait: for work that is done in slices. (A timer of 0 ns
 * makes the loop sleep for a millisecond.) --- */
struct watch_turn;
typedef void (*watch_turn_fn)(struct watch_turn *w);
struct watch_turn {
        struct watch_fd watch;
        int fd; /* always ready */
        watch_turn_fn fn;
};
#define WATCH_TURN_NULL ((struct watch_turn){ .fd = -1 })
int watch_turn_start(struct watch_turn *w, struct loop *loop, watch_turn_fn fn); /* 0 or -errno */
void watch_turn_stop(struct watch_turn *w);

/* --- timers: monotonic, one shot --- */
struct watch_timer;
typedef void (*watch_timer_fn)(struct watch_timer *w);
struct watch_timer {
        struct ev_timer timer;
        struct loop *loop;
        watch_timer_fn fn;
};
void watch_timer_init(struct watch_timer *w, struct loop *loop, watch_timer_fn fn);
void watch_timer_arm(struct watch_timer *w, uint64_t after_ns); /* (re)starts it */
void watch_timer_stop(struct watch_timer *w);
bool watch_timer_active(const struct watch_timer *w);

/* --- signals: one signalfd. The set is blocked for the calling thread (call before any other thread is made). --- */
struct watch_signals;
typedef void (*watch_signals_fn)(struct watch_signals *w, int signal);
struct watch_signals {
        struct watch_fd watch;
        int fd;
        watch_signals_fn fn;
};
#define WATCH_SIGNALS_NULL { .fd = -1 }
int watch_signals_start(struct watch_signals *w, struct loop *loop, const sigset_t *set, watch_signals_fn fn);
void watch_signals_stop(struct watch_signals *w);

/* --- deferred work: runs at the end of the present round, after all callbacks, in order; may defer again (then it runs
 *     in the same pass). A deferred item that is already queued is not queued twice. loop_defer also wakes the loop
 *     when called outside of a round. --- */
struct deferred;
typedef void (*deferred_fn)(struct deferred *d);
struct deferred {
        struct deferred *prev, *next; /* utlist */
        struct loop *loop;
        deferred_fn fn;
        bool queued, last;
};
void deferred_init(struct deferred *d, struct loop *loop, deferred_fn fn);
void loop_defer(struct deferred *d);
void loop_defer_last(struct deferred *d); /* after all that are not last, those that are deferred later too */
void deferred_cancel(struct deferred *d);
