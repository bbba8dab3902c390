/* SPDX-License-Identifier: Apache-2.0 */

#include "keeper/watchdog.h"

#include <stdlib.h>
#include <unistd.h>
#include "base/clock.h"

void watchdog_init(struct watchdog *w, const char *usec, const char *pid, uint64_t option_ns)
{
        bool ours = usec && (!pid || strtol(pid, NULL, 10) == getpid());
        uint64_t n = ours ? strtoull(usec, NULL, 10) : 0;

        *w = (struct watchdog){ .period_ns = option_ns };
        if (n == 0 || n > UINT64_MAX / 1000 / 2)
                return;
        w->period_ns = n * 1000;
        w->ping_ns = 1; /* long due */
}

void watchdog_fed(struct watchdog *w, uint64_t now_ns)
{
        w->starved_ns = w->period_ns ? now_ns + w->period_ns : 0;
}

bool watchdog_ping_due(struct watchdog *w, uint64_t now_ns)
{
        if (!w->ping_ns || now_ns < w->ping_ns)
                return false;
        w->ping_ns = now_ns + w->period_ns / 2;
        return true;
}

bool watchdog_starved(struct watchdog *w, uint64_t now_ns)
{
        if (!w->starved_ns || now_ns < w->starved_ns)
                return false;
        w->starved_ns = 0;
        return true;
}

uint64_t watchdog_next(const struct watchdog *w, bool runs)
{
        uint64_t best = w->ping_ns ? w->ping_ns : UINT64_MAX;

        return runs && w->starved_ns && w->starved_ns < best ? w->starved_ns : best;
}
