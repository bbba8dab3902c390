/* SPDX-License-Identifier: Apache-2.0 */

/* The files of a v2 cgroup. Times are in microseconds. */

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/cgparse.h"
#include "daemon/stats_internal.h"

static void find_us(const char *text, const char *key, uint64_t *ret_ns)
{
        uint64_t us;

        if (cg_find(text, key, &us))
                *ret_ns = us * NSEC_PER_USEC;
}

void stats_v2_cpu(struct stats_reader *r, struct stats_result *ret)
{
        const char *text = stats_text(r, "cpu.stat");

        if (!text)
                return;
        find_us(text, "usage_usec", &ret->cpu_total_ns);
        find_us(text, "user_usec", &ret->cpu_user_ns);
        find_us(text, "system_usec", &ret->cpu_system_ns);
        (void)cg_find(text, "nr_periods", &ret->cpu_periods);
        (void)cg_find(text, "nr_throttled", &ret->cpu_throttled_periods);
        find_us(text, "throttled_usec", &ret->cpu_throttled_ns);
        (void)cg_find(text, "nr_bursts", &ret->cpu_bursts);
        find_us(text, "burst_usec", &ret->cpu_burst_ns);
}

static struct mem_entry *read_entry(struct stats_reader *r, const char *current, const char *max, const char *peak)
{
        struct mem_entry e = {0};

        if (!stats_number(r, current, &e.usage))
                return NULL;
        (void)stats_number(r, max, &e.limit);
        (void)stats_number(r, peak, &e.max);
        return stats_entry(r, &e);
}

static void read_events(struct stats_reader *r, struct stats_result *ret)
{
        char *events = stats_copy(r, "memory.events");

        if (!events)
                return;
        (void)cg_find(events, "oom_kill", &ret->oom_kill);
        if (ret->memory)
                (void)cg_find(events, "max", &ret->memory->failcnt);
        stats_note(r, cg_parse_kv(events, r->a, &ret->memory_events));
}

void stats_v2_memory_limit(struct stats_reader *r, struct stats_result *ret)
{
        struct mem_entry e = {0};

        if (stats_number(r, "memory.max", &e.limit))
                ret->memory = stats_entry(r, &e);
        read_events(r, ret);
}

void stats_v2_memory(struct stats_reader *r, struct stats_result *ret)
{
        const char *swap_events;
        char *stat;

        ret->memory = read_entry(r, "memory.current", "memory.max", "memory.peak");
        read_events(r, ret);
        ret->swap = read_entry(r, "memory.swap.current", "memory.swap.max", "memory.swap.peak");
        stat = stats_copy(r, "memory.stat");
        if (stat)
                stats_note(r, cg_parse_kv(stat, r->a, &ret->memory_stat));
        swap_events = ret->swap ? stats_text(r, "memory.swap.events") : NULL;
        if (swap_events)
                (void)cg_find(swap_events, "max", &ret->swap->failcnt);
}

void stats_v2_io(struct stats_reader *r, struct stats_result *ret)
{
        char *text = stats_copy(r, "io.stat");

        if (text)
                stats_note(r, cg_parse_io_stat(text, r->a, &ret->blkio));
}

void stats_v2_hugetlb(struct stats_reader *r, struct stats_result *ret)
{
        char name[128];

        stats_hugetlb_sizes(r, ".current", &ret->hugetlb);
        for (size_t i = 0; i < ret->hugetlb.n; i++) {
                struct hugetlb_entry *e = &ret->hugetlb.items[i];
                const char *text;

                (void)snprintf(name, sizeof(name), "hugetlb.%.64s.current", e->pagesize);
                (void)stats_number(r, name, &e->usage);
                (void)snprintf(name, sizeof(name), "hugetlb.%.64s.max", e->pagesize);
                (void)stats_number(r, name, &e->max);
                (void)snprintf(name, sizeof(name), "hugetlb.%.64s.events", e->pagesize);
                text = stats_text(r, name);
                if (text)
                        (void)cg_find(text, "max", &e->failcnt);
        }
}

void stats_v2_pressure(struct stats_reader *r, struct stats_result *ret)
{
        static const char *const files[][2] = {
                {"cpu", "cpu.pressure"}, {"memory", "memory.pressure"}, {"io", "io.pressure"}};

        for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
                char *text = stats_copy(r, files[i][1]);

                if (text)
                        stats_note(r, cg_parse_psi(text, files[i][0], r->a, &ret->psi));
        }
}
