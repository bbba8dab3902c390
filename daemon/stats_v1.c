/* SPDX-License-Identifier: Apache-2.0 */

/* The files of the v1 controllers. Times are in nanoseconds, but cpuacct.stat counts in clock ticks (USER_HZ). */

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "daemon/cgparse.h"
#include "daemon/stats_internal.h"

void stats_v1_cpu(struct stats_reader *r, struct stats_result *ret)
{
        const char *text = stats_text(r, "cpu.stat");

        if (!text)
                return;
        (void)cg_find(text, "nr_periods", &ret->cpu_periods);
        (void)cg_find(text, "nr_throttled", &ret->cpu_throttled_periods);
        (void)cg_find(text, "throttled_time", &ret->cpu_throttled_ns);
        (void)cg_find(text, "nr_bursts", &ret->cpu_bursts);
        (void)cg_find(text, "burst_time", &ret->cpu_burst_ns);
}

void stats_v1_cpu_time(struct stats_reader *r, struct stats_result *ret)
{
        long hz = sysconf(_SC_CLK_TCK);
        uint64_t tick = NSEC_PER_SEC / (hz > 0 ? (uint64_t)hz : 100), user = 0, system = 0;
        const char *text;

        (void)stats_number(r, "cpuacct.usage", &ret->cpu_total_ns);
        text = stats_text(r, "cpuacct.stat");
        if (text && cg_find(text, "user", &user) && cg_find(text, "system", &system)) {
                ret->cpu_user_ns = user * tick;
                ret->cpu_system_ns = system * tick;
        }
}

void stats_v1_cpuacct(struct stats_reader *r, struct stats_result *ret)
{
        char *per_cpu;

        stats_v1_cpu_time(r, ret);
        per_cpu = stats_copy(r, "cpuacct.usage_percpu");
        if (per_cpu)
                stats_note(r, cg_parse_percpu(per_cpu, r->a, &ret->cpu_per_cpu_ns));
}

/* memory.PREFIXusage_in_bytes and its kin; NULL where the kernel has them not. */
static struct mem_entry *read_entry(struct stats_reader *r, const char *prefix)
{
        struct mem_entry e = {0};
        char name[64];

        (void)snprintf(name, sizeof(name), "memory.%susage_in_bytes", prefix);
        if (!stats_number(r, name, &e.usage))
                return NULL;
        (void)snprintf(name, sizeof(name), "memory.%smax_usage_in_bytes", prefix);
        (void)stats_number(r, name, &e.max);
        (void)snprintf(name, sizeof(name), "memory.%slimit_in_bytes", prefix);
        (void)stats_number(r, name, &e.limit);
        (void)snprintf(name, sizeof(name), "memory.%sfailcnt", prefix);
        (void)stats_number(r, name, &e.failcnt);
        return stats_entry(r, &e);
}

static void read_oom(struct stats_reader *r, struct stats_result *ret)
{
        const char *oom = stats_text(r, "memory.oom_control");
        uint64_t disabled = 0, under = 0;

        if (!oom)
                return;
        (void)cg_find(oom, "oom_kill_disable", &disabled);
        (void)cg_find(oom, "under_oom", &under);
        (void)cg_find(oom, "oom_kill", &ret->oom_kill);
        ret->oom_kill_disable = disabled != 0;
        ret->under_oom = under != 0;
}

void stats_v1_memory_limit(struct stats_reader *r, struct stats_result *ret)
{
        struct mem_entry e = {0};

        if (stats_number(r, "memory.limit_in_bytes", &e.limit) && stats_number(r, "memory.failcnt", &e.failcnt))
                ret->memory = stats_entry(r, &e);
        read_oom(r, ret);
}

void stats_v1_memory(struct stats_reader *r, struct stats_result *ret)
{
        char *stat;

        ret->memory = read_entry(r, "");
        read_oom(r, ret);
        ret->swap = read_entry(r, "memsw.");
        ret->kernel = read_entry(r, "kmem.");
        ret->kernel_tcp = read_entry(r, "kmem.tcp.");
        stat = stats_copy(r, "memory.stat");
        if (stat)
                stats_note(r, cg_parse_kv(stat, r->a, &ret->memory_stat));
}

/*
 * The same counter exists once for each I/O scheduler that keeps it: BFQ's, that of old kernels' CFQ without a prefix,
 * and the throttling layer's. The first that has a value for a device is taken, as containerd does.
 */
void stats_v1_blkio(struct stats_reader *r, struct stats_result *ret)
{
        static const char *const counters[] = {
                "io_service_bytes_recursive",
                "io_serviced_recursive",
                "io_queued_recursive",
                "io_service_time_recursive",
                "io_wait_time_recursive",
                "io_merged_recursive",
                "time_recursive",
                "sectors_recursive",
        };
        static const char *const prefixes[] = {"blkio.bfq.", "blkio.", "blkio.throttle."};

        for (size_t i = 0; i < ARRAY_SIZE(counters); i++) {
                size_t before = ret->blkio.n;

                /* The throttling layer, the last one, has only the first two. */
                for (size_t k = 0; k < ARRAY_SIZE(prefixes) - (i >= 2) && ret->blkio.n == before; k++) {
                        char name[80], *text;

                        (void)snprintf(name, sizeof(name), "%s%s", prefixes[k], counters[i]);
                        text = stats_copy(r, name);
                        if (text)
                                stats_note(r, cg_parse_blkio(text, counters[i], r->a, &ret->blkio));
                }
        }
}

void stats_v1_hugetlb(struct stats_reader *r, struct stats_result *ret)
{
        char name[128];

        stats_hugetlb_sizes(r, ".usage_in_bytes", &ret->hugetlb);
        for (size_t i = 0; i < ret->hugetlb.n; i++) {
                struct hugetlb_entry *e = &ret->hugetlb.items[i];

                (void)snprintf(name, sizeof(name), "hugetlb.%.64s.usage_in_bytes", e->pagesize);
                (void)stats_number(r, name, &e->usage);
                (void)snprintf(name, sizeof(name), "hugetlb.%.64s.max_usage_in_bytes", e->pagesize);
                (void)stats_number(r, name, &e->max);
                (void)snprintf(name, sizeof(name), "hugetlb.%.64s.failcnt", e->pagesize);
                (void)stats_number(r, name, &e->failcnt);
        }
}
