/* SPDX-License-Identifier: Apache-2.0 */

/* A memory limit that there is not is sent as the number that the kernel has for it: clients compare with that. */

#include "client/shim/metrics.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include "proto/shim.h"
#include "proto/shim/metrics_v1.pb-c.h"

#define NO_LIMIT UINT64_C(0x7ffffffffffff000)

#define COUNTER(name, member) { name, offsetof(MetricsV1__MemoryStat, member) }
static const struct metrics_counter memory_counters[] = {
        COUNTER("cache", cache),
        COUNTER("rss", rss),
        COUNTER("rss_huge", rss_huge),
        COUNTER("mapped_file", mapped_file),
        COUNTER("dirty", dirty),
        COUNTER("writeback", writeback),
        COUNTER("pgpgin", pg_pg_in),
        COUNTER("pgpgout", pg_pg_out),
        COUNTER("pgfault", pg_fault),
        COUNTER("pgmajfault", pg_maj_fault),
        COUNTER("inactive_anon", inactive_anon),
        COUNTER("active_anon", active_anon),
        COUNTER("inactive_file", inactive_file),
        COUNTER("active_file", active_file),
        COUNTER("unevictable", unevictable),
        COUNTER("hierarchical_memory_limit", hierarchical_memory_limit),
        COUNTER("hierarchical_memsw_limit", hierarchical_swap_limit),
        COUNTER("total_cache", total_cache),
        COUNTER("total_rss", total_rss),
        COUNTER("total_rss_huge", total_rss_huge),
        COUNTER("total_mapped_file", total_mapped_file),
        COUNTER("total_dirty", total_dirty),
        COUNTER("total_writeback", total_writeback),
        COUNTER("total_pgpgin", total_pg_pg_in),
        COUNTER("total_pgpgout", total_pg_pg_out),
        COUNTER("total_pgfault", total_pg_fault),
        COUNTER("total_pgmajfault", total_pg_maj_fault),
        COUNTER("total_inactive_anon", total_inactive_anon),
        COUNTER("total_active_anon", total_active_anon),
        COUNTER("total_inactive_file", total_inactive_file),
        COUNTER("total_active_file", total_active_file),
        COUNTER("total_unevictable", total_unevictable),
};

static void fill_entry(MetricsV1__MemoryEntry *ret, const struct mem_entry *e)
{
        ret->limit = e->limit ? e->limit : NO_LIMIT;
        ret->usage = e->usage;
        ret->max = e->max;
        ret->failcnt = e->failcnt;
}

/* All that is not repeated, in one piece. */
struct parts {
        MetricsV1__Metrics metrics;
        MetricsV1__PidsStat pids;
        MetricsV1__CPUStat cpu;
        MetricsV1__CPUUsage cpu_usage;
        MetricsV1__Throttle throttling;
        MetricsV1__MemoryStat memory;
        MetricsV1__MemoryEntry usage, swap, kernel, kernel_tcp;
        MetricsV1__MemoryOomControl oom;
        MetricsV1__BlkIOStat blkio;
};

static const struct parts parts_null = {
        .metrics = METRICS_V1__METRICS__INIT,
        .pids = METRICS_V1__PIDS_STAT__INIT,
        .cpu = METRICS_V1__CPUSTAT__INIT,
        .cpu_usage = METRICS_V1__CPUUSAGE__INIT,
        .throttling = METRICS_V1__THROTTLE__INIT,
        .memory = METRICS_V1__MEMORY_STAT__INIT,
        .usage = METRICS_V1__MEMORY_ENTRY__INIT,
        .swap = METRICS_V1__MEMORY_ENTRY__INIT,
        .kernel = METRICS_V1__MEMORY_ENTRY__INIT,
        .kernel_tcp = METRICS_V1__MEMORY_ENTRY__INIT,
        .oom = METRICS_V1__MEMORY_OOM_CONTROL__INIT,
        .blkio = METRICS_V1__BLK_IOSTAT__INIT,
};

static int fill_cpu(struct parts *p, const struct stats_result *s, struct arena *a)
{
        p->cpu_usage.total = s->cpu_total_ns;
        p->cpu_usage.kernel = s->cpu_system_ns;
        p->cpu_usage.user = s->cpu_user_ns;
        p->cpu_usage.per_cpu = arena_alloc(a, (s->cpu_per_cpu_ns.n + 1) * sizeof(uint64_t));
        if (!p->cpu_usage.per_cpu)
                return -ENOMEM;
        for (size_t i = 0; i < s->cpu_per_cpu_ns.n; i++)
                p->cpu_usage.per_cpu[p->cpu_usage.n_per_cpu++] = strtoull(s->cpu_per_cpu_ns.items[i].value, NULL, 10);
        p->throttling.periods = s->cpu_periods;
        p->throttling.throttled_periods = s->cpu_throttled_periods;
        p->throttling.throttled_time = s->cpu_throttled_ns;
        p->cpu.usage = &p->cpu_usage;
        p->cpu.throttling = &p->throttling;
        p->metrics.cpu = &p->cpu;
        return 0;
}

static void fill_memory(struct parts *p, const struct stats_result *s)
{
        if (!s->memory)
                return;
        metrics_fill(&p->memory, memory_counters, ARRAY_SIZE(memory_counters), &s->memory_stat);
        fill_entry(&p->usage, s->memory);
        p->memory.usage = &p->usage;
        if (s->swap) {
                fill_entry(&p->swap, s->swap);
                p->memory.swap = &p->swap;
        }
        if (s->kernel) {
                fill_entry(&p->kernel, s->kernel);
                p->memory.kernel = &p->kernel;
        }
        if (s->kernel_tcp) {
                fill_entry(&p->kernel_tcp, s->kernel_tcp);
                p->memory.kernel_tcp = &p->kernel_tcp;
        }
        p->oom.oom_kill_disable = s->oom_kill_disable;
        p->oom.under_oom = s->under_oom;
        p->oom.oom_kill = s->oom_kill;
        p->metrics.memory = &p->memory;
        p->metrics.memory_oom_control = &p->oom;
}

/* The eight lists are eight pairs of (number, pointer): a row says where. */
#define BLKIO(file, member) { file, offsetof(MetricsV1__BlkIOStat, n_##member), offsetof(MetricsV1__BlkIOStat, member) }
static const struct {
        const char *file;
        size_t n, items;
} blkio_lists[] = {
        BLKIO("io_service_bytes_recursive", io_service_bytes_recursive),
        BLKIO("io_serviced_recursive", io_serviced_recursive),
        BLKIO("io_queued_recursive", io_queued_recursive),
        BLKIO("io_service_time_recursive", io_service_time_recursive),
        BLKIO("io_wait_time_recursive", io_wait_time_recursive),
        BLKIO("io_merged_recursive", io_merged_recursive),
        BLKIO("time_recursive", io_time_recursive),
        BLKIO("sectors_recursive", sectors_recursive),
};

static int fill_blkio(struct parts *p, const struct stats_result *s, struct arena *a)
{
        for (size_t k = 0; k < ARRAY_SIZE(blkio_lists); k++) {
                MetricsV1__BlkIOEntry **list = arena_alloc(a, (s->blkio.n + 1) * sizeof(*list));
                size_t n = 0;

                if (!list)
                        return -ENOMEM;
                for (size_t i = 0; i < s->blkio.n; i++) {
                        const struct blkio_entry *e = &s->blkio.items[i];

                        if (strcmp(e->file, blkio_lists[k].file) != 0)
                                continue;
                        list[n] = arena_alloc(a, sizeof(**list));
                        if (!list[n])
                                return -ENOMEM;
                        metrics_v1__blk_ioentry__init(list[n]);
                        list[n]->op = (char *)e->op;
                        list[n]->major = e->major;
                        list[n]->minor = e->minor;
                        list[n++]->value = e->value;
                }
                *(size_t *)(void *)((char *)&p->blkio + blkio_lists[k].n) = n;
                *(MetricsV1__BlkIOEntry ***)(void *)((char *)&p->blkio + blkio_lists[k].items) = list;
        }
        p->metrics.blkio = &p->blkio;
        return 0;
}

static int fill_hugetlb(struct parts *p, const struct stats_result *s, struct arena *a)
{
        p->metrics.hugetlb = arena_alloc(a, (s->hugetlb.n + 1) * sizeof(*p->metrics.hugetlb));
        for (size_t i = 0; p->metrics.hugetlb && i < s->hugetlb.n; i++) {
                MetricsV1__HugetlbStat *m = arena_alloc(a, sizeof(*m));

                if (!m)
                        return -ENOMEM;
                metrics_v1__hugetlb_stat__init(m);
                m->usage = s->hugetlb.items[i].usage;
                m->max = s->hugetlb.items[i].max;
                m->failcnt = s->hugetlb.items[i].failcnt;
                m->pagesize = (char *)s->hugetlb.items[i].pagesize;
                p->metrics.hugetlb[p->metrics.n_hugetlb++] = m;
        }
        return p->metrics.hugetlb ? 0 : -ENOMEM;
}

int metrics_v1(Shim__Any *any, const struct stats_result *stats, struct arena *a)
{
        struct parts p = parts_null;

        p.pids.current = stats->pids_current;
        p.pids.limit = stats->pids_limit;
        p.metrics.pids = &p.pids;
        fill_memory(&p, stats);
        if (fill_cpu(&p, stats, a) < 0 || fill_blkio(&p, stats, a) < 0 || fill_hugetlb(&p, stats, a) < 0 ||
            metrics_rdma(&p.metrics.rdma, stats, a) < 0 ||
            metrics_network(&p.metrics.network, &p.metrics.n_network, stats, a) < 0)
                return -ENOMEM;
        return shim_any_pack(any, TYPE_METRICS_V1, &p.metrics.base);
}
