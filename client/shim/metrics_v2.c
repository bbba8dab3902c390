/* SPDX-License-Identifier: Apache-2.0 */

/* A limit that there is not ("max") is sent as the largest number, as containerd's own reader of cgroups has it. */

#include "client/shim/metrics.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include "proto/shim.h"
#include "proto/shim/metrics_v2.pb-c.h"

#define COUNTER(name) { #name, offsetof(MetricsV2__MemoryStat, name) }
static const struct metrics_counter memory_counters[] = {
        COUNTER(anon),
        COUNTER(file),
        COUNTER(kernel_stack),
        COUNTER(slab),
        COUNTER(sock),
        COUNTER(shmem),
        COUNTER(file_mapped),
        COUNTER(file_dirty),
        COUNTER(file_writeback),
        COUNTER(anon_thp),
        COUNTER(inactive_anon),
        COUNTER(active_anon),
        COUNTER(inactive_file),
        COUNTER(active_file),
        COUNTER(unevictable),
        COUNTER(slab_reclaimable),
        COUNTER(slab_unreclaimable),
        COUNTER(pgfault),
        COUNTER(pgmajfault),
        COUNTER(workingset_refault),
        COUNTER(workingset_activate),
        COUNTER(workingset_nodereclaim),
        COUNTER(pgrefill),
        COUNTER(pgscan),
        COUNTER(pgsteal),
        COUNTER(pgactivate),
        COUNTER(pgdeactivate),
        COUNTER(pglazyfree),
        COUNTER(pglazyfreed),
        COUNTER(thp_fault_alloc),
        COUNTER(thp_collapse_alloc),
};

/* Since Linux 5.9 some counters are two; containerd's message has their sum. */
struct halves {
        uint64_t refault_anon, refault_file, activate_anon, activate_file;
};
static const struct metrics_counter halves_counters[] = {
        { "workingset_refault_anon", offsetof(struct halves, refault_anon) },
        { "workingset_refault_file", offsetof(struct halves, refault_file) },
        { "workingset_activate_anon", offsetof(struct halves, activate_anon) },
        { "workingset_activate_file", offsetof(struct halves, activate_file) },
};

#define EVENT(name) { #name, offsetof(MetricsV2__MemoryEvents, name) }
static const struct metrics_counter event_counters[] = { EVENT(low), EVENT(high), EVENT(max), EVENT(oom),
                                                         EVENT(oom_kill) };

enum { PSI_CPU, PSI_MEMORY, PSI_IO, PSI_N };

struct parts {
        MetricsV2__Metrics metrics;
        MetricsV2__PidsStat pids;
        MetricsV2__CPUStat cpu;
        MetricsV2__MemoryStat memory;
        MetricsV2__MemoryEvents events;
        MetricsV2__IOStat io;
        MetricsV2__PSIStats psi[PSI_N];
        MetricsV2__PSIData some[PSI_N], full[PSI_N];
};

static const struct parts parts_null = {
        .metrics = METRICS_V2__METRICS__INIT,
        .pids = METRICS_V2__PIDS_STAT__INIT,
        .cpu = METRICS_V2__CPUSTAT__INIT,
        .memory = METRICS_V2__MEMORY_STAT__INIT,
        .events = METRICS_V2__MEMORY_EVENTS__INIT,
        .io = METRICS_V2__IOSTAT__INIT,
};

static uint64_t limit(uint64_t value)
{
        return value ? value : UINT64_MAX;
}

static MetricsV2__PSIStats *fill_psi(struct parts *p, int which, const char *resource, const struct stats_result *s)
{
        MetricsV2__PSIStats *ret = &p->psi[which];

        metrics_v2__psistats__init(ret);
        for (size_t i = 0; i < s->psi.n; i++) {
                const struct psi_entry *e = &s->psi.items[i];
                bool some = strcmp(e->kind, "some") == 0;
                MetricsV2__PSIData *data = some ? &p->some[which] : &p->full[which];

                if (strcmp(e->resource, resource) != 0)
                        continue;
                metrics_v2__psidata__init(data);
                data->avg10 = (double)e->avg10_centi / 100;
                data->avg60 = (double)e->avg60_centi / 100;
                data->avg300 = (double)e->avg300_centi / 100;
                data->total = e->total_us;
                *(some ? &ret->some : &ret->full) = data;
        }
        return ret->some || ret->full ? ret : NULL;
}

static void fill_cpu(struct parts *p, const struct stats_result *s)
{
        p->cpu.usage_usec = s->cpu_total_ns / 1000;
        p->cpu.user_usec = s->cpu_user_ns / 1000;
        p->cpu.system_usec = s->cpu_system_ns / 1000;
        p->cpu.nr_periods = s->cpu_periods;
        p->cpu.nr_throttled = s->cpu_throttled_periods;
        p->cpu.throttled_usec = s->cpu_throttled_ns / 1000;
        p->cpu.nr_bursts = s->cpu_bursts;
        p->cpu.burst_usec = s->cpu_burst_ns / 1000;
        p->cpu.psi = fill_psi(p, PSI_CPU, "cpu", s);
        p->metrics.cpu = &p->cpu;
}

static void fill_memory(struct parts *p, const struct stats_result *s)
{
        struct halves halves = { 0 };

        if (!s->memory)
                return;
        metrics_fill(&p->memory, memory_counters, ARRAY_SIZE(memory_counters), &s->memory_stat);
        metrics_fill(&halves, halves_counters, ARRAY_SIZE(halves_counters), &s->memory_stat);
        p->memory.workingset_refault += halves.refault_anon + halves.refault_file;
        p->memory.workingset_activate += halves.activate_anon + halves.activate_file;
        p->memory.usage = s->memory->usage;
        p->memory.usage_limit = limit(s->memory->limit);
        p->memory.max_usage = s->memory->max;
        if (s->swap) {
                p->memory.swap_usage = s->swap->usage;
                p->memory.swap_limit = limit(s->swap->limit);
                p->memory.swap_max_usage = s->swap->max;
        }
        p->memory.psi = fill_psi(p, PSI_MEMORY, "memory", s);
        p->metrics.memory = &p->memory;
        metrics_fill(&p->events, event_counters, ARRAY_SIZE(event_counters), &s->memory_events);
        p->metrics.memory_events = &p->events;
}

/* A row of io.stat has come apart into one entry for each of its counters. */
static MetricsV2__IOEntry *io_entry(struct parts *p, const struct blkio_entry *e, struct arena *a)
{
        MetricsV2__IOEntry *m;

        for (size_t i = 0; i < p->io.n_usage; i++)
                if (p->io.usage[i]->major == e->major && p->io.usage[i]->minor == e->minor)
                        return p->io.usage[i];
        m = arena_alloc(a, sizeof(*m));
        if (!m)
                return NULL;
        metrics_v2__ioentry__init(m);
        m->major = e->major;
        m->minor = e->minor;
        p->io.usage[p->io.n_usage++] = m;
        return m;
}

static int fill_io(struct parts *p, const struct stats_result *s, struct arena *a)
{
        p->io.usage = arena_alloc(a, (s->blkio.n + 1) * sizeof(*p->io.usage));
        if (!p->io.usage)
                return -ENOMEM;
        for (size_t i = 0; i < s->blkio.n; i++) {
                const struct blkio_entry *e = &s->blkio.items[i];
                MetricsV2__IOEntry *m = io_entry(p, e, a);

                if (!m)
                        return -ENOMEM;
                if (strcmp(e->op, "rbytes") == 0)
                        m->rbytes = e->value;
                else if (strcmp(e->op, "wbytes") == 0)
                        m->wbytes = e->value;
                else if (strcmp(e->op, "rios") == 0)
                        m->rios = e->value;
                else if (strcmp(e->op, "wios") == 0)
                        m->wios = e->value;
        }
        p->io.psi = fill_psi(p, PSI_IO, "io", s);
        p->metrics.io = &p->io;
        return 0;
}

static int fill_hugetlb(struct parts *p, const struct stats_result *s, struct arena *a)
{
        p->metrics.hugetlb = arena_alloc(a, (s->hugetlb.n + 1) * sizeof(*p->metrics.hugetlb));
        for (size_t i = 0; p->metrics.hugetlb && i < s->hugetlb.n; i++) {
                MetricsV2__HugeTlbStat *m = arena_alloc(a, sizeof(*m));

                if (!m)
                        return -ENOMEM;
                metrics_v2__huge_tlb_stat__init(m);
                m->current = s->hugetlb.items[i].usage;
                m->max = limit(s->hugetlb.items[i].max);
                m->failcnt = s->hugetlb.items[i].failcnt;
                m->pagesize = (char *)s->hugetlb.items[i].pagesize;
                p->metrics.hugetlb[p->metrics.n_hugetlb++] = m;
        }
        return p->metrics.hugetlb ? 0 : -ENOMEM;
}

int metrics_v2(Shim__Any *any, const struct stats_result *stats, struct arena *a)
{
        struct parts p = parts_null;

        p.pids.current = stats->pids_current;
        p.pids.limit = limit(stats->pids_limit);
        p.metrics.pids = &p.pids;
        fill_cpu(&p, stats);
        fill_memory(&p, stats);
        if (fill_io(&p, stats, a) < 0 || fill_hugetlb(&p, stats, a) < 0 ||
            metrics_rdma(&p.metrics.rdma, stats, a) < 0 ||
            metrics_network(&p.metrics.network, &p.metrics.n_network, stats, a) < 0)
                return -ENOMEM;
        return shim_any_pack(any, TYPE_METRICS_V2, &p.metrics.base);
}
