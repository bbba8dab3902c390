/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* For tests that have children: a loop, a reaper, and a wait that fails instead of hanging. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/loop.h"
#include "base/reaper.h"

#define RIG_PATIENCE_NS (30 * NSEC_PER_SEC)

struct rig {
        struct loop *loop;
        struct reaper *reaper;
        struct watch_signals signals;
        struct watch_timer patience;
        bool impatient;
        char dir[64]; /* a directory of its own */
};

static inline void rig_on_signal(struct watch_signals *w, int signal)
{
        reaper_drain(container_of(w, struct rig, signals)->reaper);
}

static inline void rig_on_patience(struct watch_timer *w)
{
        container_of(w, struct rig, patience)->impatient = true;
}

static inline void rig_init(struct rig *rig)
{
        sigset_t set;

        *rig = (struct rig){ .signals = WATCH_SIGNALS_NULL };
        assert_int_equal(loop_new(&rig->loop), 0);
        assert_int_equal(reaper_new(&rig->reaper, rig->loop), 0);
        sigemptyset(&set);
        sigaddset(&set, SIGCHLD);
        assert_int_equal(watch_signals_start(&rig->signals, rig->loop, &set, rig_on_signal), 0);
        watch_timer_init(&rig->patience, rig->loop, rig_on_patience);
        snprintf(rig->dir, sizeof(rig->dir), "/tmp/sandboxd-test-XXXXXX");
        assert_non_null(mkdtemp(rig->dir));
}

static inline void rig_deinit(struct rig *rig)
{
        watch_timer_stop(&rig->patience);
        watch_signals_stop(&rig->signals);
        rig->reaper = reaper_free(rig->reaper);
        rig->loop = loop_free(rig->loop);
        rmdir(rig->dir); /* the test has emptied it */
}

/* Runs the loop until the condition holds; the test fails if that takes too long. */
#define rig_wait(rig, condition)                                                                                       \
        do {                                                                                                           \
                (rig)->impatient = false;                                                                              \
                watch_timer_arm(&(rig)->patience, RIG_PATIENCE_NS);                                                    \
                while (!(condition)) {                                                                                 \
                        if ((rig)->impatient)                                                                          \
                                fail_msg("waited in vain for: %s", #condition);                                        \
                        loop_run_once((rig)->loop, true);                                                              \
                }                                                                                                      \
                watch_timer_stop(&(rig)->patience);                                                                    \
        } while (0)
