/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "daemon/stats.h"
#include "tests/lib/tree.h"
#include "tests/unit/unit.h"

struct fixture {
        struct tree tree;
        struct cgroup_host *host;
        struct cgroup *cg;
        struct arena *arena;
        struct stats_result stats;
        struct error err;
};

static void begin(struct fixture *f, int version)
{
        *f = (struct fixture){ .arena = arena_new() };
        assert_non_null(f->arena);
        tree_make(&f->tree);
        f->host = version == 2 ? tree_host_v2(&f->tree) : tree_host_v1(&f->tree, version == 12);
        tree_write(&f->tree, "proc/self/cgroup", "4:memory:/daemon\n0::/daemon\n");
        assert_int_equal(cgroup_of_path(f->host, "/c1", &f->cg, &f->err), 0);
}

static void end(struct fixture *f)
{
        f->cg = cgroup_free(f->cg);
        f->host = cgroup_host_free(f->host);
        f->arena = arena_free(f->arena);
        if (f->tree.dir[0])
                tree_remove(&f->tree);
}

static void put(struct fixture *f, const char *dir, const char *file, const char *text)
{
        char path[256];

        (void)snprintf(path, sizeof(path), "%s/c1/%s", dir, file);
        tree_write(&f->tree, path, text);
}

static const char *value_of(const struct list_kv *l, const char *key)
{
        for (size_t i = 0; i < l->n; i++)
                if (strcmp(l->items[i].key, key) == 0)
                        return l->items[i].value;
        return "(none)";
}

static uint64_t blkio_of(const struct stats_result *s, const char *file, const char *op)
{
        uint64_t sum = 0;

        for (size_t i = 0; i < s->blkio.n; i++)
                if (strcmp(s->blkio.items[i].file, file) == 0 && strcmp(s->blkio.items[i].op, op) == 0)
                        sum += s->blkio.items[i].value;
        return sum;
}

#define NET                                                                                                            \
        "Inter-|   Receive                                                |  Transmit\n"                               \
        " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls "     \
        "carrier compressed\n"                                                                                         \
        "    lo:    3319      30    0    0    0     0          0         0     3319      30    0    0    0     0     " \
        "  0          0\n"                                                                                             \
        "  eth0: 1 2 3 4 0 0 0 0 5 6 7 8 0 0 0 0\n"

static void test_v1(void **state)
{
        struct fixture f;
        struct stats_result *s = &f.stats;

        begin(&f, 12);
        put(&f, "v1/cpu", "cpuacct.usage", "123456789\n");
        put(&f, "v1/cpu", "cpuacct.stat", "user 7\nsystem 5\n");
        put(&f, "v1/cpu", "cpuacct.usage_percpu", "100 23456789 \n");
        put(&f, "v1/cpu", "cpu.stat",
            "nr_periods 10\nnr_throttled 3\nthrottled_time 4000\nnr_bursts 2\nburst_time 77\n");
        put(&f, "v1/memory", "memory.usage_in_bytes", "4096\n");
        put(&f, "v1/memory", "memory.max_usage_in_bytes", "8192\n");
        put(&f, "v1/memory", "memory.limit_in_bytes", "9223372036854771712\n");
        put(&f, "v1/memory", "memory.failcnt", "9\n");
        put(&f, "v1/memory", "memory.memsw.usage_in_bytes", "5000\n");
        put(&f, "v1/memory", "memory.memsw.limit_in_bytes", "16384\n");
        put(&f, "v1/memory", "memory.kmem.tcp.usage_in_bytes", "1\n");
        put(&f, "v1/memory", "memory.stat", "cache 11\nrss 12\ntotal_rss 13\nhierarchical_memory_limit 16384\n");
        put(&f, "v1/memory", "memory.oom_control", "oom_kill_disable 1\nunder_oom 1\noom_kill 6\n");
        put(&f, "v1/pids", "pids.current", "3\n");
        put(&f, "v1/pids", "pids.max", "max\n");
        put(&f, "v1/blkio", "blkio.bfq.io_serviced_recursive", "8:0 Read 1\n8:0 Write 2\n8:16 Read 4\nTotal 7\n");
        put(&f, "v1/blkio", "blkio.throttle.io_serviced_recursive", "8:0 Read 100\n");
        put(&f, "v1/blkio", "blkio.bfq.io_service_bytes_recursive", "Total 0\n");
        put(&f, "v1/blkio", "blkio.throttle.io_service_bytes_recursive", "8:0 Read 512\nTotal 512\n");
        put(&f, "v1/hugetlb", "hugetlb.2MB.usage_in_bytes", "2097152\n");
        put(&f, "v1/hugetlb", "hugetlb.2MB.max_usage_in_bytes", "4194304\n");
        put(&f, "v1/hugetlb", "hugetlb.2MB.failcnt", "5\n");
        put(&f, "v1/rdma", "rdma.current", "mlx4_0 hca_handle=2 hca_object=2000\n");
        put(&f, "v1/rdma", "rdma.max", "mlx4_0 hca_handle=3 hca_object=max\n");
        put(&f, "unified", "memory.pressure",
            "some avg10=1.50 avg60=0.00 avg300=12.34 total=77\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=6\n");
        tree_write(&f.tree, "proc/42/net/dev", NET);

        assert_int_equal(stats_read(f.cg, 42, f.arena, s, &f.err), 0);
        assert_int_equal(s->cgroup_version, 1);
        assert_true(s->read_at > 0);
        assert_int_equal(s->cpu_total_ns, 123456789);
        assert_int_equal(s->cpu_user_ns, 7 * NSEC_PER_SEC / (uint64_t)sysconf(_SC_CLK_TCK));
        assert_int_equal(s->cpu_system_ns, 5 * NSEC_PER_SEC / (uint64_t)sysconf(_SC_CLK_TCK));
        assert_int_equal(s->cpu_per_cpu_ns.n, 2);
        assert_string_equal(s->cpu_per_cpu_ns.items[1].key, "1");
        assert_string_equal(s->cpu_per_cpu_ns.items[1].value, "23456789");
        assert_int_equal(s->cpu_periods, 10);
        assert_int_equal(s->cpu_throttled_periods, 3);
        assert_int_equal(s->cpu_throttled_ns, 4000);
        assert_int_equal(s->cpu_bursts, 2);
        assert_int_equal(s->cpu_burst_ns, 77);
        assert_int_equal(s->memory->usage, 4096);
        assert_int_equal(s->memory->max, 8192);
        assert_int_equal(s->memory->limit, 0);
        assert_int_equal(s->memory->failcnt, 9);
        assert_int_equal(s->swap->usage, 5000);
        assert_int_equal(s->swap->limit, 16384);
        assert_null(s->kernel);
        assert_int_equal(s->kernel_tcp->usage, 1);
        assert_int_equal(s->memory_stat.n, 4);
        assert_string_equal(value_of(&s->memory_stat, "total_rss"), "13");
        assert_true(s->oom_kill_disable);
        assert_true(s->under_oom);
        assert_int_equal(s->oom_kill, 6);
        assert_int_equal(s->pids_current, 3);
        assert_int_equal(s->pids_limit, 0);
        assert_int_equal(blkio_of(s, "io_serviced_recursive", "Read"), 5); /* BFQ's, not the throttling layer's */
        assert_int_equal(blkio_of(s, "io_serviced_recursive", "Write"), 2);
        assert_int_equal(blkio_of(s, "io_service_bytes_recursive", "Read"), 512);
        assert_int_equal(s->hugetlb.n, 1);
        assert_string_equal(s->hugetlb.items[0].pagesize, "2MB");
        assert_int_equal(s->hugetlb.items[0].usage, 2097152);
        assert_int_equal(s->hugetlb.items[0].max, 4194304);
        assert_int_equal(s->hugetlb.items[0].failcnt, 5);
        assert_int_equal(s->rdma.n, 1);
        assert_int_equal(s->rdma.items[0].objects_current, 2000);
        assert_int_equal(s->rdma.items[0].handles_limit, 3);
        assert_int_equal(s->rdma.items[0].objects_limit, 0);
        assert_int_equal(s->psi.n, 2);
        assert_string_equal(s->psi.items[0].resource, "memory");
        assert_int_equal(s->psi.items[0].avg10_centi, 150);
        assert_int_equal(s->psi.items[0].avg300_centi, 1234);
        assert_int_equal(s->psi.items[1].total_us, 6);
        assert_int_equal(s->network.n, 1);
        assert_string_equal(s->network.items[0].name, "eth0");
        assert_int_equal(s->network.items[0].rx_dropped, 4);
        assert_int_equal(s->network.items[0].tx_bytes, 5);
        assert_int_equal(s->network.items[0].tx_dropped, 8);
        end(&f);
}

static void test_v2(void **state)
{
        struct fixture f;
        struct stats_result *s = &f.stats;

        begin(&f, 2);
        put(&f, "v2", "cpu.stat",
            "usage_usec 100\nuser_usec 60\nsystem_usec 40\nnr_periods 5\nnr_throttled 2\nthrottled_usec 9\nnr_bursts "
            "1\nburst_usec 3\n");
        put(&f, "v2", "memory.current", "4096\n");
        put(&f, "v2", "memory.max", "max\n");
        put(&f, "v2", "memory.peak", "8192\n");
        put(&f, "v2", "memory.swap.current", "1\n");
        put(&f, "v2", "memory.swap.max", "2\n");
        put(&f, "v2", "memory.swap.events", "high 0\nmax 8\nfail 0\n");
        put(&f, "v2", "memory.stat", "anon 1\nfile 2\n");
        put(&f, "v2", "memory.events", "low 0\nhigh 0\nmax 7\noom 2\noom_kill 1\n");
        put(&f, "v2", "io.stat", "254:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=0 dios=0\n254:16 rbytes=5\n");
        put(&f, "v2", "pids.current", "3\n");
        put(&f, "v2", "pids.max", "100\n");
        put(&f, "v2", "hugetlb.1GB.current", "0\n");
        put(&f, "v2", "hugetlb.1GB.max", "1073741824\n");
        put(&f, "v2", "hugetlb.1GB.events", "max 4\n");
        put(&f, "v2", "hugetlb.1GB.rsvd.current", "0\n");
        put(&f, "v2", "cpu.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=1\n");
        put(&f, "v2", "io.pressure", "full avg10=99.99 avg60=0.00 avg300=0.00 total=2\n");

        assert_int_equal(stats_read(f.cg, 0, f.arena, s, &f.err), 0);
        assert_int_equal(s->cgroup_version, 2);
        assert_int_equal(s->cpu_total_ns, 100000);
        assert_int_equal(s->cpu_user_ns, 60000);
        assert_int_equal(s->cpu_system_ns, 40000);
        assert_int_equal(s->cpu_throttled_ns, 9000);
        assert_int_equal(s->cpu_burst_ns, 3000);
        assert_int_equal(s->memory->usage, 4096);
        assert_int_equal(s->memory->limit, 0);
        assert_int_equal(s->memory->max, 8192);
        assert_int_equal(s->memory->failcnt, 7);
        assert_int_equal(s->swap->limit, 2);
        assert_int_equal(s->swap->failcnt, 8);
        assert_string_equal(value_of(&s->memory_stat, "file"), "2");
        assert_string_equal(value_of(&s->memory_events, "oom"), "2");
        assert_string_equal(value_of(&s->memory_events, "oom_kill"), "1");
        assert_int_equal(s->oom_kill, 1);
        assert_int_equal(blkio_of(s, "", "rbytes"), 15);
        assert_int_equal(blkio_of(s, "", "wios"), 2);
        assert_int_equal(s->pids_limit, 100);
        assert_int_equal(s->hugetlb.n, 1);
        assert_string_equal(s->hugetlb.items[0].pagesize, "1GB");
        assert_int_equal(s->hugetlb.items[0].max, 1073741824);
        assert_int_equal(s->hugetlb.items[0].failcnt, 4);
        assert_int_equal(s->psi.n, 2);
        assert_int_equal(s->psi.items[1].avg10_centi, 9999);
        assert_int_equal(s->network.n, 0);
        end(&f);
}

static void test_gone(void **state)
{
        struct fixture f;

        begin(&f, 2);
        assert_int_equal(stats_read(f.cg, 0, f.arena, &f.stats, &f.err), -1);
        assert_int_equal(f.err.reason, REASON_CGROUP_NOT_FOUND);
        end(&f);
}

/* --- limits --- */

static void applied(struct fixture *f, const struct spec_limits *l, bool want, const char *in_message)
{
        f->err.reason = 0;
        f->err.message[0] = '\0';
        if (want) {
                if (stats_verify_limits(f->cg, l, &f->err) < 0)
                        fail_msg("%s", f->err.message);
                return;
        }
        assert_int_equal(stats_verify_limits(f->cg, l, &f->err), -1);
        assert_int_equal(f->err.reason, REASON_LIMIT_NOT_APPLIED);
        if (!strstr(f->err.message, in_message))
                fail_msg("\"%s\" is not in: %s", in_message, f->err.message);
}

#define LIMITS_MEM(...) (&(struct spec_limits){ .has_memory = true, __VA_ARGS__ })
#define LIMITS(...) (&(struct spec_limits){ __VA_ARGS__ }) /* absent strings are NULL or "" */

static void test_limits_v1(void **state)
{
        struct fixture f;

        begin(&f, 1);
        put(&f, "v1/memory", "memory.limit_in_bytes", "1048576\n");
        put(&f, "v1/memory", "memory.soft_limit_in_bytes", "9223372036854771712\n");
        put(&f, "v1/memory", "memory.memsw.limit_in_bytes", "2097152\n");
        put(&f, "v1/cpu", "cpu.shares", "512\n");
        put(&f, "v1/cpu", "cpu.cfs_quota_us", "50000\n");
        put(&f, "v1/cpu", "cpu.cfs_period_us", "100000\n");
        put(&f, "v1/cpuset", "cpuset.cpus", "0-2,5\n");
        put(&f, "v1/pids", "pids.max", "64\n");
        applied(&f, LIMITS(.cpuset_cpus = "", .cpuset_mems = ""), true, "");
        applied(&f, LIMITS_MEM( .memory = 1048576), true, "");
        applied(&f, LIMITS_MEM( .memory = 1048576 + 4095), true, ""); /* rounded down to pages */
        applied(&f, LIMITS_MEM( .memory = 0), true, "");
        applied(&f, LIMITS_MEM(.memory = 1048576 + 4096), false,
                "memory.limit_in_bytes: wanted 1052672, found 1048576");
        applied(&f, LIMITS_MEM( .memory = -1), false, "wanted no limit, found 1048576");
        applied(&f, LIMITS(.has_memory_reservation = true, .memory_reservation = -1), true, "");
        applied(&f, LIMITS(.has_memory_reservation = true, .memory_reservation = 4096), false,
                "memory.soft_limit_in_bytes");
        applied(&f, LIMITS(.has_swap = true, .swap = 2097152), true, "");
        applied(&f, LIMITS(.has_swap = true, .swap = -1), false, "memory.memsw.limit_in_bytes");
        applied(&f, LIMITS(.has_cpu_shares = true, .cpu_shares = 512), true, "");
        applied(&f, LIMITS(.has_cpu_shares = true, .cpu_shares = 1024), false, "cpu.shares: wanted 1024, found 512");
        applied(&f, LIMITS(.has_cpu_quota = true, .cpu_quota = 50000, .cpu_period = 100000), true, "");
        applied(&f, LIMITS(.has_cpu_quota = true, .cpu_quota = 50000), true, "");
        applied(&f, LIMITS(.has_cpu_quota = true, .cpu_quota = 40000), false, "cpu.cfs_quota_us");
        applied(&f, LIMITS(.has_cpu_quota = true, .cpu_quota = 49500), true, ""); /* as systemd rounds */
        applied(&f, LIMITS(.has_cpu_quota = true, .cpu_quota = -1), false, "cpu.cfs_quota_us");
        applied(&f, LIMITS(.cpu_period = 100000), true, "");
        applied(&f, LIMITS(.cpu_period = 50000), false, "cpu.cfs_period_us");
        applied(&f, LIMITS(.cpuset_cpus = "5,0,1-2"), true, "");
        applied(&f, LIMITS(.cpuset_cpus = "0-3"), false, "cpuset.cpus: wanted 0-3, found 0-2,5");
        applied(&f, LIMITS(.cpuset_mems = "0"), false, "cpuset.mems");
        applied(&f, LIMITS(.has_pids = true, .pids = 64), true, "");
        applied(&f, LIMITS(.has_pids = true, .pids = -1), false, "pids.max");
        applied(&f, LIMITS(.has_pids = true, .pids = 65), false, "pids.max: wanted 65, found 64");
        put(&f, "v1/pids", "pids.max", "max\n");
        applied(&f, LIMITS(.has_pids = true, .pids = -1), true, "");
        applied(&f, LIMITS(.has_pids = true, .pids = 64), false, "wanted 64, found max");
        put(&f, "v1/pids", "pids.max", "0\n");
        applied(&f, LIMITS(.has_pids = true, .pids = -1), false, "found 0");
        end(&f);
}

#define IO(kind_, value_)                                                                                              \
        LIMITS(.io = &(struct spec_io_limit){ .kind = kind_, .major = 8, .minor = 16, .value = value_ }, .n_io = 1)

static void test_limits_io(void **state)
{
        struct fixture f;

        begin(&f, 1);
        put(&f, "v1/blkio", "blkio.throttle.read_bps_device", "8:0 5\n8:16 1048576\n");
        put(&f, "v1/blkio", "blkio.throttle.write_iops_device", "");
        applied(&f, IO(IO_READ_BPS, 1048576), true, "");
        applied(&f, IO(IO_READ_BPS, 5), false,
                "blkio.throttle.read_bps_device: wanted 8:16 5, found 8:0 5;8:16 1048576");
        applied(&f, IO(IO_WRITE_IOPS, 5), false, "wanted 8:16 5, found ");
        applied(&f, IO(IO_WRITE_BPS, 5), false, "blkio.throttle.write_bps_device: wanted 8:16 5, cannot read it");
        applied(&f, LIMITS(.io_weight = 500), false, "blkio.weight: wanted weight 500, cannot read it");
        put(&f, "v1/blkio", "blkio.bfq.weight", "500\n");
        applied(&f, LIMITS(.io_weight = 500), true, "");
        applied(&f, LIMITS(.io_weight = 100), false, "blkio.bfq.weight: wanted weight 100, found 500");
        put(&f, "v1/blkio", "blkio.weight", "100\n");
        applied(&f, LIMITS(.io_weight = 100), true, "");
        put(&f, "v1/blkio", "blkio.bfq.weight_device", "8:16 300\n");
        applied(&f, IO(IO_WEIGHT, 300), true, "");
        applied(&f, IO(IO_WEIGHT, 301), false, "blkio.bfq.weight_device: wanted 8:16 weight 301, found 8:16 300");
        end(&f);

        begin(&f, 2);
        put(&f, "v2", "io.max", "8:0 rbps=5 wbps=max riops=max wiops=max\n8:16 rbps=max wbps=7 riops=9 wiops=max\n");
        applied(&f, IO(IO_WRITE_BPS, 7), true, "");
        applied(&f, IO(IO_READ_IOPS, 9), true, "");
        applied(&f, IO(IO_READ_BPS, 5), false, "io.max: wanted 8:16 rbps=5, found 8:0 rbps=5");
        applied(&f, LIMITS(.io_weight = 500), false, "io.weight: wanted weight 500, cannot read it");
        put(&f, "v2", "io.weight", "default 4950\n8:16 100\n");
        applied(&f, LIMITS(.io_weight = 500), true, "");
        applied(&f, LIMITS(.io_weight = 501), false, "io.weight: wanted weight 501, found default 4950;8:16 100");
        put(&f, "v2", "io.bfq.weight", "default 300\n8:16 20\n");
        applied(&f, LIMITS(.io_weight = 300), true, "");
        applied(&f, LIMITS(.io_weight = 500), true, "");
        applied(&f, IO(IO_WEIGHT, 20), true, "");
        applied(&f, IO(IO_WEIGHT, 21), false, "io.weight: wanted 8:16 weight 21");
        end(&f);
}

/* In the sandbox of another one: some limit has to be there, of the sandbox or above. */
static void test_limits_sandbox(void **state)
{
        struct spec_limits l = { .has_memory = true, .memory = 4096 }, none = { 0 };
        struct fixture f;

        begin(&f, 2);
        put(&f, "v2", "memory.max", "max\n");
        assert_int_equal(stats_verify_sandbox(f.cg, &none, &f.err), 0);
        assert_int_equal(stats_verify_sandbox(f.cg, &l, &f.err), -1);
        assert_non_null(strstr(f.err.message, "wanted 4096, but neither the cgroup of its sandbox nor one above it"));
        put(&f, "v2", "memory.max", "1048576\n");
        assert_int_equal(stats_verify_sandbox(f.cg, &l, &f.err), 0);
        assert_int_equal(stats_verify_sandbox(NULL, &l, &f.err), -1);

        l = (struct spec_limits){ .has_cpu_quota = true, .cpu_quota = 50000 };
        put(&f, "v2", "cpu.max", "max 100000\n");
        assert_int_equal(stats_verify_sandbox(f.cg, &l, &f.err), -1);
        assert_non_null(strstr(f.err.message, "CPU quota: wanted 50000, but neither"));
        put(&f, "v2", "cpu.max", "200000 100000\n");
        assert_int_equal(stats_verify_sandbox(f.cg, &l, &f.err), 0);
        l = (struct spec_limits){ .has_pids = true, .pids = 10 };
        put(&f, "v2", "pids.max", "max\n");
        assert_int_equal(stats_verify_sandbox(f.cg, &l, &f.err), -1);
        put(&f, "v2", "pids.max", "100\n");
        assert_int_equal(stats_verify_sandbox(f.cg, &l, &f.err), 0);
        end(&f);
}

/* A container without a cgroup of its own has none of the limits. */
static void test_no_cgroup(void **state)
{
        struct spec_limits l = {.cpuset_cpus = "", .cpuset_mems = ""};
        struct error err = ERROR_NULL;

        assert_int_equal(stats_verify_limits(NULL, &l, &err), 0);
        l.has_memory = true;
        l.memory = 4096;
        assert_int_equal(stats_verify_limits(NULL, &l, &err), -1);
        assert_int_equal(err.reason, REASON_LIMIT_NOT_APPLIED);
        assert_non_null(strstr(err.message, "wanted 4096, but the container has no cgroup of its own"));
        l = (struct spec_limits){.cpuset_cpus = "0", .cpuset_mems = "", .has_swap = true, .swap = -1};
        assert_int_equal(stats_verify_limits(NULL, &l, &err), -1);
        l = (struct spec_limits){.cpuset_cpus = "", .cpuset_mems = "", .has_cpu_quota = true, .cpu_quota = 5};
        assert_int_equal(stats_verify_limits(NULL, &l, &err), -1);
}

static void test_limits_v2(void **state)
{
        struct fixture f;

        begin(&f, 2);
        put(&f, "v2", "memory.max", "1048576\n");
        put(&f, "v2", "memory.swap.max", "1048576\n");
        put(&f, "v2", "cpu.weight", "39\n");
        put(&f, "v2", "cpu.max", "50000 100000\n");
        put(&f, "v2", "cpuset.cpus", "0-1\n");
        put(&f, "v2", "pids.max", "max\n");
        applied(&f, LIMITS_MEM( .memory = 1048576, .has_swap = true, .swap = 2097152), true, "");
        applied(&f, LIMITS_MEM(.memory = 1048576, .has_swap = true, .swap = 1048576), false,
                "memory.swap.max: wanted 0, found 1048576");
        applied(&f, LIMITS_MEM( .memory = 1048576, .has_swap = true, .swap = -1), false, "memory.swap.max");
        put(&f, "v2", "memory.swap.max", "max\n");
        applied(&f, LIMITS_MEM(.memory = 1048576, .has_swap = true, .swap = 1048576), false,
                "memory.swap.max: wanted 0, found max");
        applied(&f, LIMITS_MEM( .memory = 1048576, .has_swap = true, .swap = -1), true, "");
        applied(&f, LIMITS(.has_cpu_shares = true, .cpu_shares = 1024), true, "");
        applied(&f, LIMITS(.has_cpu_shares = true, .cpu_shares = 2048), false, "cpu.weight");
        put(&f, "v2", "cpu.weight", "100\n");
        applied(&f, LIMITS(.has_cpu_shares = true, .cpu_shares = 1024), true, ""); /* the newer conversion */
        put(&f, "v2", "cpu.weight", "1\n");
        applied(&f, LIMITS(.has_cpu_shares = true, .cpu_shares = 2), true, "");
        put(&f, "v2", "cpu.weight", "10000\n");
        applied(&f, LIMITS(.has_cpu_shares = true, .cpu_shares = 262144), true, "");
        applied(&f, LIMITS(.has_cpu_quota = true, .cpu_quota = 50000, .cpu_period = 100000), true, "");
        applied(&f, LIMITS(.has_cpu_quota = true, .cpu_quota = 100000), false,
                "cpu.max: wanted 100000 100000, found 50000 100000");
        applied(&f, LIMITS(.has_cpu_quota = true, .cpu_quota = -1), false, "cpu.max");
        put(&f, "v2", "cpu.max", "max 100000\n");
        applied(&f, LIMITS(.has_cpu_quota = true, .cpu_quota = -1), true, "");
        applied(&f, LIMITS(.has_cpu_quota = true, .cpu_quota = 100000), false, "cpu.max");
        applied(&f, LIMITS(.cpuset_cpus = "0,1"), true, "");
        applied(&f, LIMITS(.has_pids = true, .pids = -1), true, "");
        end(&f);
}

/* A controller in which the container has no cgroup cannot have a limit of it. */
static void test_limits_nowhere(void **state)
{
        struct fixture f;

        begin(&f, 1);
        f.cg = cgroup_free(f.cg);
        tree_write(&f.tree, "proc/42/cgroup", "4:memory:/c1\n8:pids:/\n");
        assert_int_equal(cgroup_of_pid(f.host, 42, &f.cg, &f.err), 0);
        applied(&f, LIMITS(.has_pids = true, .pids = 10), false, "pids.max");
        end(&f);
}

/* --- with the kernel --- */

static int setup_real(void **state)
{
        static struct real r;

        *state = real_make(&r, "stats") ? &r : NULL;
        return 0;
}

static int teardown_real(void **state)
{
        if (*state)
                real_remove(*state);
        return 0;
}

static int child_works(void *arg)
{
        volatile unsigned n = 0;
        volatile char *p = malloc(1 << 20);

        for (size_t i = 0; p && i < 1 << 20; i += 4096)
                p[i] = 1; /* memory that was touched before is still the parent's */
        while (n < 200000000)
                n++;
        for (;;)
                (void)pause();
        return 0;
}

static int child_pauses(void *arg)
{
        for (;;)
                (void)pause();
        return 0;
}

static void test_real(void **state)
{
        struct real *r = *state;
        struct fixture f = { 0 };
        struct stats_result *s = &f.stats;
        uint64_t end_at = clock_monotonic_ns() + 20 * NSEC_PER_SEC;
        pid_t pid;

        if (!r)
                unit_skip("not root, or no writable cgroup hierarchy");
        if (r->host->of[CG_MEMORY] < 0 || r->host->hier[r->host->of[CG_MEMORY]].v2)
                unit_skip("memory is not a v1 controller");
        real_write(r, CG_MEMORY, "memory.limit_in_bytes", "67108864");
        real_write(r, CG_PIDS, "pids.max", "77");
        real_write(r, CG_CPU, "cpu.shares", "300");
        real_write(r, CG_CPU, "cpu.cfs_quota_us", "90000");
        pid = real_fork(r, "", child_works, NULL);
        assert_int_equal(cgroup_of_pid(r->host, pid, &f.cg, &f.err), 0);
        do {
                f.arena = arena_free(f.arena);
                f.arena = arena_new();
                *s = (struct stats_result){ 0 };
                assert_int_equal(stats_read(f.cg, pid, f.arena, s, &f.err), 0);
                assert_true(clock_monotonic_ns() < end_at);
        } while (s->cpu_total_ns < 20 * NSEC_PER_MSEC || s->cpu_periods == 0);
        assert_int_equal(s->cgroup_version, 1);
        assert_int_equal(s->pids_current, 1);
        assert_int_equal(s->pids_limit, 77);
        assert_int_equal(s->memory->limit, 67108864);
        assert_true(s->memory->usage > 0 && s->memory->usage <= s->memory->max);
        assert_true(s->memory_stat.n > 20);
        assert_true(s->cpu_per_cpu_ns.n > 0);
        applied(&f, LIMITS_MEM( .memory = 67108864 + 1, .has_pids = true, .pids = 77, .has_cpu_shares = true,
                           .cpu_shares = 300, .has_cpu_quota = true, .cpu_quota = 90000), true, "");
        applied(&f, LIMITS(.has_pids = true, .pids = 78), false, "pids.max");
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        end(&f);
}

/* Not a test of time: the numbers are for whoever reads the log. Run with BENCH=1. */
static void test_cost(void **state)
{
        enum { N = 1000 };
        struct real *r = *state;
        struct fixture f = { 0 };
        uint64_t t0, t1, t2;
        pid_t pid, *pids;
        size_t n;

        if (!r || !getenv("BENCH"))
                unit_skip("a measurement: only with BENCH=1 and as root");
        pid = real_fork(r, "", child_pauses, NULL);
        assert_int_equal(cgroup_of_pid(r->host, pid, &f.cg, &f.err), 0);
        t0 = clock_monotonic_ns();
        for (int i = 0; i < N; i++) {
                struct stats_result s = { 0 };
                _cleanup_(arena_freep) struct arena *a = arena_new();

                assert_int_equal(stats_read(f.cg, pid, a, &s, &f.err), 0);
        }
        t1 = clock_monotonic_ns();
        for (int i = 0; i < N; i++) {
                _cleanup_(arena_freep) struct arena *a = arena_new();

                assert_int_equal(cgroup_pids(f.cg, a, &pids, &n, &f.err), 0);
        }
        t2 = clock_monotonic_ns();
        print_message("# stats_read %.1f us, cgroup_pids %.1f us\n", (double)(t1 - t0) / N / 1000,
                      (double)(t2 - t1) / N / 1000);
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        end(&f);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_v1),
                cmocka_unit_test(test_v2),
                cmocka_unit_test(test_gone),
                cmocka_unit_test(test_limits_v1),
                cmocka_unit_test(test_limits_v2),
                cmocka_unit_test(test_limits_io),
                cmocka_unit_test(test_limits_sandbox),
                cmocka_unit_test(test_no_cgroup),
                cmocka_unit_test(test_limits_nowhere),
                cmocka_unit_test_setup_teardown(test_real, setup_real, teardown_real),
                cmocka_unit_test_setup_teardown(test_cost, setup_real, teardown_real),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
