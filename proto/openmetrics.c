/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A family is a row: its name without "_total", its type, its unit (also the end of its name) and what it says; where
 * its value is, and by what it is to be multiplied to have that unit. All samples of a family stand together, as the
 * format wants it. A value that the kernel does not tell has no sample.
 */

#include "proto/openmetrics.h"

#include <inttypes.h>
#include <string.h>

enum kind { GAUGE, COUNTER };

static void family(struct buf *b, const char *name, enum kind kind, const char *unit, const char *help)
{
        buf_printf(b, "# TYPE %s %s\n", name, kind == COUNTER ? "counter" : "gauge");
        if (*unit)
                buf_printf(b, "# UNIT %s %s\n", name, unit);
        buf_printf(b, "# HELP %s %s.\n", name, help);
}

/* Nanoseconds or microseconds are told exactly, without the rounding of a double. */
static void value(struct buf *b, uint64_t v, uint64_t per_unit)
{
        if (per_unit <= 1)
                buf_printf(b, " %" PRIu64 "\n", v);
        else if (per_unit == 1000000)
                buf_printf(b, " %" PRIu64 ".%06" PRIu64 "\n", v / per_unit, v % per_unit);
        else
                buf_printf(b, " %" PRIu64 ".%09" PRIu64 "\n", v / per_unit, v % per_unit);
}

static void label(struct buf *b, const char *name, const char *text, bool first)
{
        buf_printf(b, "%s%s=\"", first ? "{" : ",", name);
        while (*text) {
                size_t n = strcspn(text, "\n\\\"");

                buf_append(b, text, n);
                text += n;
                if (!*text)
                        break;
                buf_append(b, *text == '\n' ? "\\n" : *text == '"' ? "\\\"" : "\\\\", 2);
                text++;
        }
        buf_append(b, "\"", 1);
}

static void sample(struct buf *b, const char *name, enum kind kind, const struct stats_result *s)
{
        buf_printf(b, "%s%s", name, kind == COUNTER ? "_total" : "");
        label(b, "namespace", s->ns && *s->ns ? s->ns : "default", true);
        label(b, "container", s->id, false);
        if (s->owner && *s->owner)
                label(b, "owner", s->owner, false);
}

/* --- the daemon --- */

static const struct {
        const char *name;
        enum kind kind;
        const char *unit;
        uint64_t per_unit;
        size_t offset;
        const char *help;
} of_daemon[] = {
#define D(name, kind, unit, per, member, help) { name, kind, unit, per, offsetof(struct info_result, member), help }
        D("sandboxd_start_time_seconds", GAUGE, "seconds", 1000000000, started_at, "When the daemon started"),
        D("sandboxd_containers", GAUGE, "", 1, containers, "Known containers"),
        D("sandboxd_processes", GAUGE, "", 1, processes, "Running init and added processes"),
        D("sandboxd_connections", GAUGE, "", 1, connections, "Connections of clients"),
        D("sandboxd_open_requests", GAUGE, "", 1, open_requests, "Requests received and not answered"),
        D("sandboxd_requests", COUNTER, "", 1, requests, "Requests received"),
        D("sandboxd_commands_running", GAUGE, "", 1, commands_running, "Runtime commands that run"),
        D("sandboxd_commands_queued", GAUGE, "", 1, commands_queued, "Runtime commands that wait for their turn"),
        D("sandboxd_loop_rounds", COUNTER, "", 1, loop_rounds, "Wake-ups of the event loop"),
        D("sandboxd_loop_stalls", COUNTER, "", 1, loop_stalls, "Rounds of more than 10 ms"),
        D("sandboxd_loop_stall_max_seconds", GAUGE, "seconds", 1000000000, loop_stall_max_ns, "The longest round"),
        D("sandboxd_loop_busy_seconds", COUNTER, "seconds", 1000000000, loop_busy_ns, "Time spent in callbacks"),
        D("sandboxd_cpu_seconds", COUNTER, "seconds", 1000000000, cpu_ns, "CPU time of the daemon"),
        D("sandboxd_resident_memory_bytes", GAUGE, "bytes", 1, memory, "Resident memory of the daemon"),
        D("sandboxd_open_fds", GAUGE, "", 1, fds, "Open descriptors of the daemon"),
        D("sandboxd_events", COUNTER, "", 1, event_seq, "Entries ever written to the event log"),
#undef D
};

static void write_daemon(struct buf *b, const struct info_result *info)
{
        /* not of the type info, for which the textfile collector gives up the whole file: it reads an older format */
        family(b, "sandboxd_info", GAUGE, "", "The daemon");
        buf_printf(b, "sandboxd_info");
        label(b, "version", info->version, true);
        label(b, "kernel", info->kernel, false);
        label(b, "cgroup", info->cgroup_version == 12 ? "hybrid" : info->cgroup_version == 2 ? "v2" : "v1", false);
        buf_printf(b, "} 1\n");
        for (size_t i = 0; i < ARRAY_SIZE(of_daemon); i++) {
                family(b, of_daemon[i].name, of_daemon[i].kind, of_daemon[i].unit, of_daemon[i].help);
                buf_printf(b, "%s%s", of_daemon[i].name, of_daemon[i].kind == COUNTER ? "_total" : "");
                value(b, *(const uint64_t *)((const char *)info + of_daemon[i].offset), of_daemon[i].per_unit);
        }
}

/* --- containers: one value each --- */

enum where { TOP, MEMORY, SWAP };
enum absent { ALWAYS, IF_SET }; /* IF_SET: 0 means that there is none */

static const struct {
        const char *name;
        enum kind kind;
        const char *unit;
        uint64_t per_unit;
        enum where where;
        enum absent absent;
        size_t offset;
        const char *help;
} of_container[] = {
#define C(name, kind, unit, per, member, absent, help)                                                                 \
        { "sandboxd_container_" name, kind, unit, per, TOP, absent, offsetof(struct stats_result, member), help }
#define M(name, kind, unit, where, member, absent, help)                                                               \
        { "sandboxd_container_" name, kind, unit, 1, where, absent, offsetof(struct mem_entry, member), help }
        C("cpu_seconds", COUNTER, "seconds", 1000000000, cpu_total_ns, ALWAYS, "CPU time"),
        C("cpu_user_seconds", COUNTER, "seconds", 1000000000, cpu_user_ns, ALWAYS, "CPU time in user mode"),
        C("cpu_system_seconds", COUNTER, "seconds", 1000000000, cpu_system_ns, ALWAYS, "CPU time in the kernel"),
        C("cpu_periods", COUNTER, "", 1, cpu_periods, ALWAYS, "Periods in which its CPU quota was enforced"),
        C("cpu_throttled_periods", COUNTER, "", 1, cpu_throttled_periods, ALWAYS, "Those in which it was held back"),
        C("cpu_throttled_seconds", COUNTER, "seconds", 1000000000, cpu_throttled_ns, ALWAYS, "Time it was held back"),
        M("memory_usage_bytes", GAUGE, "bytes", MEMORY, usage, ALWAYS, "Memory in use"),
        M("memory_peak_bytes", GAUGE, "bytes", MEMORY, max, IF_SET, "The most memory that was in use"),
        C("memory_sandbox_programs_bytes", GAUGE, "bytes", 1, sandbox_memory, IF_SET,
          "gVisor: what the programs in the sandbox use of it"),
        M("memory_limit_bytes", GAUGE, "bytes", MEMORY, limit, IF_SET, "Limit of memory; none: no sample"),
        M("memory_limit_hits", COUNTER, "", MEMORY, failcnt, ALWAYS, "Times that the limit was reached"),
        M("swap_usage_bytes", GAUGE, "bytes", SWAP, usage, ALWAYS, "Swap in use; on cgroup v1 memory and swap"),
        M("swap_limit_bytes", GAUGE, "bytes", SWAP, limit, IF_SET, "Limit of swap; on cgroup v1 of memory and swap"),
        C("oom_kills", COUNTER, "", 1, oom_kill, ALWAYS, "Processes killed for lack of memory"),
        C("pids", GAUGE, "", 1, pids_current, ALWAYS, "Processes and threads"),
        C("pids_limit", GAUGE, "", 1, pids_limit, IF_SET, "Limit of processes and threads; none: no sample"),
        C("daemon_memory_bytes", GAUGE, "bytes", 1, own_bytes, ALWAYS, "Memory that the daemon keeps for it"),
        C("daemon_fds", GAUGE, "", 1, own_fds, ALWAYS, "Descriptors that the daemon keeps for it"),
        C("daemon_operations", GAUGE, "", 1, own_operations, ALWAYS, "Operations that are under way"),
        C("daemon_requests", GAUGE, "", 1, own_requests, ALWAYS, "Requests that wait for something to happen to it"),
#undef C
#undef M
};

static const void *part(const struct stats_result *s, enum where where)
{
        return where == MEMORY ? (const void *)s->memory : where == SWAP ? (const void *)s->swap : s;
}

static void write_values(struct buf *b, size_t f, const struct list_stats_result *list)
{
        family(b, of_container[f].name, of_container[f].kind, of_container[f].unit, of_container[f].help);
        for (size_t i = 0; i < list->n; i++) {
                const char *base = part(&list->items[i], of_container[f].where);
                uint64_t v;

                if (!base)
                        continue;
                v = *(const uint64_t *)(base + of_container[f].offset);
                if (!v && of_container[f].absent == IF_SET)
                        continue;
                sample(b, of_container[f].name, of_container[f].kind, &list->items[i]);
                buf_append(b, "}", 1);
                value(b, v, of_container[f].per_unit);
        }
}

/* --- containers: lists --- */

static const struct {
        const char *name, *unit, *v1_file, *v1_op, *v2_op, *help;
} of_block[] = {
        { "sandboxd_container_block_read_bytes", "bytes", "io_service_bytes_recursive", "Read", "rbytes",
          "Bytes read from block devices" },
        { "sandboxd_container_block_written_bytes", "bytes", "io_service_bytes_recursive", "Write", "wbytes",
          "Bytes written to block devices" },
        { "sandboxd_container_block_reads", "", "io_serviced_recursive", "Read", "rios", "Reads of block devices" },
        { "sandboxd_container_block_writes", "", "io_serviced_recursive", "Write", "wios", "Writes to block devices" },
};

static void write_block(struct buf *b, size_t f, const struct list_stats_result *list)
{
        family(b, of_block[f].name, COUNTER, of_block[f].unit, of_block[f].help);
        for (size_t i = 0; i < list->n; i++) {
                const struct stats_result *s = &list->items[i];

                for (size_t k = 0; k < s->blkio.n; k++) {
                        const struct blkio_entry *e = &s->blkio.items[k];
                        bool v2 = !e->file || !*e->file;

                        if (strcmp(e->op, v2 ? of_block[f].v2_op : of_block[f].v1_op) != 0 ||
                            (!v2 && strcmp(e->file, of_block[f].v1_file) != 0))
                                continue;
                        sample(b, of_block[f].name, COUNTER, s);
                        buf_printf(b, ",device=\"%" PRIu64 ":%" PRIu64 "\"}", e->major, e->minor);
                        value(b, e->value, 1);
                }
        }
}

static const struct {
        const char *name, *unit;
        size_t offset;
        const char *help;
} of_network[] = {
#define N(name, unit, member, help)                                                                                    \
        { "sandboxd_container_network_" name, unit, offsetof(struct net_entry, member), help }
        N("receive_bytes", "bytes", rx_bytes, "Bytes received"),
        N("receive_packets", "", rx_packets, "Packets received"),
        N("receive_errors", "", rx_errors, "Packets received with errors"),
        N("receive_dropped", "", rx_dropped, "Packets dropped that were received"),
        N("transmit_bytes", "bytes", tx_bytes, "Bytes sent"),
        N("transmit_packets", "", tx_packets, "Packets sent"),
        N("transmit_errors", "", tx_errors, "Packets that could not be sent"),
        N("transmit_dropped", "", tx_dropped, "Packets dropped that were to be sent"),
#undef N
};

static void write_network(struct buf *b, size_t f, const struct list_stats_result *list)
{
        family(b, of_network[f].name, COUNTER, of_network[f].unit, of_network[f].help);
        for (size_t i = 0; i < list->n; i++) {
                for (size_t k = 0; k < list->items[i].network.n; k++) {
                        const struct net_entry *e = &list->items[i].network.items[k];

                        sample(b, of_network[f].name, COUNTER, &list->items[i]);
                        label(b, "interface", e->name, false);
                        buf_append(b, "}", 1);
                        value(b, *(const uint64_t *)((const char *)e + of_network[f].offset), 1);
                }
        }
}

static void write_pressure(struct buf *b, const struct list_stats_result *list)
{
        static const char name[] = "sandboxd_container_pressure_seconds";

        family(b, name, COUNTER, "seconds", "Time in which some or all processes waited for a resource");
        for (size_t i = 0; i < list->n; i++) {
                for (size_t k = 0; k < list->items[i].psi.n; k++) {
                        const struct psi_entry *e = &list->items[i].psi.items[k];

                        sample(b, name, COUNTER, &list->items[i]);
                        label(b, "resource", e->resource, false);
                        label(b, "kind", e->kind, false);
                        buf_append(b, "}", 1);
                        value(b, e->total_us, 1000000);
                }
        }
}

/* --- all of it, family after family --- */

static void write_took(struct buf *b, const struct stats_all_result *stats)
{
        family(b, "sandboxd_stats_read_seconds", GAUGE, "seconds", "What it took to read all that follows");
        buf_printf(b, "sandboxd_stats_read_seconds");
        value(b, stats->took_ns, 1000000000);
}

bool openmetrics_step(struct buf *ret, unsigned step, const struct info_result *info,
                      const struct stats_all_result *stats)
{
        size_t n = step;

        if (n == 0) {
                write_daemon(ret, info);
                return true;
        }
        if (stats && n == 1)
                write_took(ret, stats);
        else if (stats && (n -= 2) < ARRAY_SIZE(of_container))
                write_values(ret, n, &stats->containers);
        else if (stats && (n -= ARRAY_SIZE(of_container)) < ARRAY_SIZE(of_block))
                write_block(ret, n, &stats->containers);
        else if (stats && (n -= ARRAY_SIZE(of_block)) < ARRAY_SIZE(of_network))
                write_network(ret, n, &stats->containers);
        else if (stats && (n -= ARRAY_SIZE(of_network)) == 0)
                write_pressure(ret, &stats->containers);
        else {
                buf_printf(ret, "# EOF\n");
                return false;
        }
        return true;
}

void openmetrics_write(struct buf *ret, const struct info_result *info, const struct stats_all_result *stats)
{
        for (unsigned step = 0; openmetrics_step(ret, step, info, stats); step++)
                ;
}
