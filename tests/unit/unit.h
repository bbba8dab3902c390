/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What unit tests share: cmocka with all that it wants before it, a directory of one's own, and turning the loop until
 * something is true. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/loop.h"

/* Ends the test as skipped; tests/unit/run.sh puts both lines into one of TAP. */
#define unit_skip(reason_)                                                                                             \
        do {                                                                                                           \
                print_message("# %s\n", (reason_));                                                                    \
                skip();                                                                                                \
        } while (0)

static inline _unused_ const char *unit_helper(void)
{
        static char path[4096];

        snprintf(path, sizeof(path), "%s/sandboxd-helper", getenv("top_builddir") ? getenv("top_builddir") : ".");
        return path;
}

#define UNIT_DEADLINE_NS (60 * NSEC_PER_SEC)

static inline _unused_ void unit_late(struct watch_timer *w)
{
        fprintf(stderr, "Bail out! what the test waits for did not come\n");
        abort();
}

/* Turns the loop until cond is true; aborts after a minute. */
#define unit_run_until(loop_, cond_)                                                                                   \
        do {                                                                                                           \
                struct watch_timer deadline_;                                                                          \
                watch_timer_init(&deadline_, (loop_), unit_late);                                                      \
                watch_timer_arm(&deadline_, UNIT_DEADLINE_NS);                                                         \
                while (!(cond_))                                                                                       \
                        loop_run_once((loop_), true);                                                                  \
                watch_timer_stop(&deadline_);                                                                          \
        } while (0)

static inline _unused_ void unit_set_flag(struct watch_timer *w)
{
        watch_timer_stop(w);
}

/* Turns the loop for a while: to see that something does not happen. */
static inline _unused_ void unit_run_for(struct loop *loop, uint64_t ns)
{
        struct watch_timer timer;

        watch_timer_init(&timer, loop, unit_set_flag);
        watch_timer_arm(&timer, ns);
        while (watch_timer_active(&timer))
                loop_run_once(loop, true);
}

/* A new directory below /tmp; unit_rmdir removes it with all that is in it. */
static inline _unused_ char *unit_mkdir(char path[32])
{
        strcpy(path, "/tmp/unit-XXXXXX");
        assert_non_null(mkdtemp(path));
        return path;
}

static inline _unused_ int unit_rm(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
        return remove(path);
}

static inline _unused_ void unit_rmdir(const char *path)
{
        nftw(path, unit_rm, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}
