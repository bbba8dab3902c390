/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/pressure_level.h"

const char *pressure_level_name(enum pressure_level level)
{
        static const char *const names[PRESSURE_LEVEL_N] = { "none", "some", "full" };

        return names[level];
}

bool pressure_report(struct pressure_state *s, enum pressure_level level, uint64_t now)
{
        for (int l = PRESSURE_SOME; l <= (int)level; l++)
                s->reported[l] = now; /* what keeps all waiting keeps some waiting */
        if (level <= s->level)
                return false;
        s->level = level;
        s->since = now;
        return true;
}

bool pressure_look(struct pressure_state *s, uint64_t now, uint64_t calm_ns)
{
        enum pressure_level before = s->level;

        while (s->level > PRESSURE_NONE && now >= s->reported[s->level] + calm_ns)
                s->level--;
        if (s->level == before)
                return false;
        s->since = now;
        return true;
}

uint64_t pressure_next_look(const struct pressure_state *s, uint64_t calm_ns)
{
        return s->level == PRESSURE_NONE ? 0 : s->reported[s->level] + calm_ns;
}
