/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * How much memory pressure there is, from what the kernel reports. It reports a level once for each window in which the
 * threshold is reached, and never that it is over. So a level holds from its first report until it was not reported for
 * a while, and what comes and goes within that while is one stretch of pressure.
 */

#include <stdbool.h>
#include <stdint.h>

enum pressure_level {
        PRESSURE_NONE,
        PRESSURE_SOME, /* some process waited for memory */
        PRESSURE_FULL, /* no process could do anything else */
        PRESSURE_LEVEL_N,
};
const char *pressure_level_name(enum pressure_level level);

struct pressure_state { /* zeroed: none */
        enum pressure_level level;
        uint64_t since;                      /* when it was reached; monotonic */
        uint64_t reported[PRESSURE_LEVEL_N]; /* when last, for the present level and those below */
};

/* The kernel has reported a level. True if it has risen. */
bool pressure_report(struct pressure_state *s, enum pressure_level level, uint64_t now);
/* True if the level has fallen: it was not reported for calm_ns. */
bool pressure_look(struct pressure_state *s, uint64_t now, uint64_t calm_ns);
/* When the level will fall if nothing is reported before; 0: there is none. */
uint64_t pressure_next_look(const struct pressure_state *s, uint64_t calm_ns);
