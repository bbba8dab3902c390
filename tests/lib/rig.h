/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* For tests that have children: a loop, a reaper, and a directory of one's own. */

#include "tests/unit/unit.h"

#include "base/reaper.h"

struct rig {
        struct loop *loop;
        struct reaper *reaper;
        struct watch_signals signals;
        char dir[32];
};

static inline _unused_ void rig_on_signal(struct watch_signals *w, int signal)
{
        reaper_drain(container_of(w, struct rig, signals)->reaper);
}

static inline _unused_ void rig_init(struct rig *rig)
{
        sigset_t set;

        *rig = (struct rig){ .signals = WATCH_SIGNALS_NULL };
        assert_int_equal(loop_new(&rig->loop), 0);
        assert_int_equal(reaper_new(&rig->reaper, rig->loop, unit_helper()), 0);
        sigemptyset(&set);
        sigaddset(&set, SIGCHLD);
        assert_int_equal(watch_signals_start(&rig->signals, rig->loop, &set, rig_on_signal), 0);
        unit_mkdir(rig->dir);
}

static inline _unused_ void rig_deinit(struct rig *rig)
{
        watch_signals_stop(&rig->signals);
        rig->reaper = reaper_free(rig->reaper);
        rig->loop = loop_free(rig->loop);
        unit_rmdir(rig->dir);
}

#define rig_wait(rig, condition) unit_run_until((rig)->loop, condition)
