/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/info.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>
#include <utlist.h>
#include "base/clock.h"
#include "base/fd.h"
#include "daemon/container.h"
#include "daemon/daemon.h"
#include "daemon/keeper_link.h"
#include "daemon/runtime.h"

static void describe_runtimes(struct daemon *d, struct arena *a, struct list_runtime_info *ret)
{
        const struct runtime *rt;
        size_t n = 0;

        LL_FOREACH(d->runtimes, rt)
                n++;
        ret->items = arena_alloc(a, (n + 1) * sizeof(struct runtime_info));
        if (!ret->items)
                return;
        LL_FOREACH(d->runtimes, rt)
                ret->items[ret->n++] = (struct runtime_info){
                        .name = rt->name,
                        .type = rt->driver->type,
                        .path = rt->path,
                        .is_default = strcmp(rt->name, runtime_default_name(d)) == 0,
                        .available = rt->path[0] && access(rt->path, X_OK) == 0,
                };
}

static uint64_t count_processes(struct daemon *d)
{
        struct container *c, *tmp;
        const struct process *p;
        uint64_t n = 0;

        HASH_ITER(hh, d->containers, c, tmp) {
                n += c->init.pid && !c->init.ended;
                DL_FOREACH(c->execs, p)
                        n += p->pid && !p->ended;
        }
        return n;
}

static uint64_t cpu_time(void)
{
        struct timespec ts;

        return clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts) < 0
                       ? 0
                       : (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

static uint64_t resident_memory(void)
{
        char text[256];
        unsigned long total, resident;

        if (fd_read_small(-1, "/proc/self/statm", text, sizeof(text)) <= 0 ||
            sscanf(text, "%lu %lu", &total, &resident) != 2)
                return 0;
        return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

void daemon_describe(struct daemon *d, struct arena *a, struct info_result *ret)
{
        const struct loop_stats *ls = loop_stats(d->loop);
        struct transport_stats ts = { 0 };
        struct utsname un;
        int fds = fd_count();

        uname(&un);
        if (d->transport)
                transport_stats(d->transport, &ts);
        *ret = (struct info_result){
                .version = SANDBOXD_VERSION,
                .pid = (uint32_t)getpid(),
                .started_at = d->started_at,
                .instance = d->instance,
                .root = record_store_root(d->store),
                .bundles = arena_printf(a, "%s/bundles", record_store_root(d->store)),
                .cgroup_version = cgroup_host_version(d->cgroups),
                .kernel = arena_strdup(a, un.release),
                .keeper = keeper_link_connected(d->keeper),
                .containers = HASH_COUNT(d->containers),
                .processes = count_processes(d),
                .open_requests = ts.open,
                .connections = ts.connections,
                .requests = ts.requests,
                .commands_running = command_queue_running(d->commands),
                .commands_queued = command_queue_waiting(d->commands),
                .loop_rounds = ls->rounds,
                .loop_stalls = ls->stalls,
                .loop_stall_max_ns = ls->stall_max_ns,
                .loop_busy_ns = ls->busy_ns,
                .cpu_ns = cpu_time(),
                .memory = resident_memory(),
                .fds = fds > 0 ? (uint64_t)fds : 0,
                .event_seq = eventlog_newest(d->events),
        };
        describe_runtimes(d, a, &ret->runtimes);
}
