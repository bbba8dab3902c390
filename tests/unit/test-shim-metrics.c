/* SPDX-License-Identifier: Apache-2.0 */
/* Statistics as containerd's metrics: each list and counter arrives where containerd looks for it. */

#include "tests/unit/unit.h"

#include "client/shim/metrics.h"
#include "proto/shim/metrics_v1.pb-c.h"
#include "proto/shim/metrics_v2.pb-c.h"

static struct kv memory_stat[] = {
        { "cache", "1" },
        { "rss", "2" },
        { "pgpgin", "3" },
        { "total_inactive_file", "4" },
        { "total_pgmajfault", "5" },
        { "hierarchical_memsw_limit", "6" },
        { "anon", "7" },
        { "inactive_file", "8" },
        { "not_known", "9" },
        { "workingset_refault_anon", "10" },
        { "workingset_refault_file", "11" },
};
static struct kv per_cpu[] = { { "0", "100" }, { "1", "200" } };
static struct kv memory_events[] = { { "low", "1" }, { "max", "2" }, { "oom_kill", "3" } };
static struct hugetlb_entry hugetlb[] = { { .pagesize = "2MB", .usage = 4096, .max = 8192, .failcnt = 1 } };
static struct rdma_entry rdma[] = {
        { .device = "mlx", .handles_current = 1, .objects_current = 2, .handles_limit = UINT64_MAX }
};
static struct net_entry network[] = { { .name = "eth0", .rx_bytes = 1, .tx_dropped = 8 } };

static void of_v1(void **state)
{
        static struct mem_entry memory = { .limit = 1000, .usage = 900, .max = 950, .failcnt = 3 },
                                swap = { .usage = 901 };
        static struct blkio_entry blkio[] = {
                { .file = "io_service_bytes_recursive", .op = "Read", .major = 8, .minor = 1, .value = 512 },
                { .file = "sectors_recursive", .op = "", .major = 8, .value = 7 },
                { .file = "io_service_bytes_recursive", .op = "Write", .major = 8, .minor = 1, .value = 1024 },
        };
        struct stats_result s = {
                .cgroup_version = 1,
                .pids_current = 3,
                .cpu_total_ns = 300,
                .cpu_user_ns = 10,
                .cpu_system_ns = 20,
                .cpu_throttled_ns = 5,
                .cpu_per_cpu_ns = { per_cpu, 2 },
                .memory = &memory,
                .swap = &swap,
                .memory_stat = { memory_stat, ARRAY_SIZE(memory_stat) },
                .under_oom = true,
                .oom_kill = 2,
                .blkio = { blkio, 3 },
                .hugetlb = { hugetlb, 1 },
                .rdma = { rdma, 1 },
                .network = { network, 1 },
        };
        _cleanup_(arena_freep) struct arena *a = arena_new();
        Shim__Any any = SHIM__ANY__INIT;
        MetricsV1__Metrics *m;

        assert_int_equal(metrics_v1(&any, &s, a), 0);
        assert_string_equal(any.type_url, "io.containerd.cgroups.v1.Metrics");
        m = metrics_v1__metrics__unpack(NULL, any.value.len, any.value.data);
        assert_int_equal(m->pids->current, 3);
        assert_int_equal(m->pids->limit, 0);
        assert_int_equal(m->cpu->usage->total, 300);
        assert_int_equal(m->cpu->usage->kernel, 20);
        assert_int_equal(m->cpu->usage->user, 10);
        assert_int_equal(m->cpu->usage->n_per_cpu, 2);
        assert_int_equal(m->cpu->usage->per_cpu[1], 200);
        assert_int_equal(m->cpu->throttling->throttled_time, 5);
        assert_int_equal(m->memory->cache, 1);
        assert_int_equal(m->memory->rss, 2);
        assert_int_equal(m->memory->pg_pg_in, 3);
        assert_int_equal(m->memory->total_inactive_file, 4);
        assert_int_equal(m->memory->total_pg_maj_fault, 5);
        assert_int_equal(m->memory->hierarchical_swap_limit, 6);
        assert_int_equal(m->memory->usage->limit, 1000);
        assert_int_equal(m->memory->usage->failcnt, 3);
        assert_int_equal(m->memory->swap->usage, 901);
        assert_int_equal(m->memory->swap->limit, UINT64_C(9223372036854771712)); /* none */
        assert_null(m->memory->kernel);
        assert_int_equal(m->memory_oom_control->under_oom, 1);
        assert_int_equal(m->memory_oom_control->oom_kill, 2);
        assert_int_equal(m->blkio->n_io_service_bytes_recursive, 2);
        assert_string_equal(m->blkio->io_service_bytes_recursive[1]->op, "Write");
        assert_int_equal(m->blkio->io_service_bytes_recursive[1]->value, 1024);
        assert_int_equal(m->blkio->n_io_time_recursive, 0);
        assert_int_equal(m->blkio->n_sectors_recursive, 1);
        assert_string_equal(m->hugetlb[0]->pagesize, "2MB");
        assert_int_equal(m->rdma->limit[0]->hca_handles, UINT32_MAX);
        assert_int_equal(m->rdma->current[0]->hca_objects, 2);
        assert_string_equal(m->network[0]->name, "eth0");
        assert_int_equal(m->network[0]->tx_dropped, 8);
        metrics_v1__metrics__free_unpacked(m, NULL);
        free(any.value.data);
}

static void of_v2(void **state)
{
        static struct mem_entry memory = { .usage = 900, .max = 950 }, swap = { .usage = 5, .limit = 6 };
        static struct blkio_entry io[] = { { .op = "rbytes", .major = 8, .value = 1 },
                                           { .op = "wios", .major = 8, .value = 2 },
                                           { .op = "rbytes", .major = 9, .value = 3 } };
        static struct psi_entry psi[] = {
                { .resource = "cpu", .kind = "some", .avg10_centi = 150, .total_us = 9 },
                { .resource = "io", .kind = "full", .avg300_centi = 25 },
        };
        struct stats_result s = {
                .cgroup_version = 2,
                .cpu_total_ns = 5000,
                .cpu_bursts = 4,
                .memory = &memory,
                .swap = &swap,
                .memory_stat = { memory_stat, ARRAY_SIZE(memory_stat) },
                .memory_events = { memory_events, 3 },
                .blkio = { io, 3 },
                .hugetlb = { hugetlb, 1 },
                .psi = { psi, 2 },
        };
        _cleanup_(arena_freep) struct arena *a = arena_new();
        Shim__Any any = SHIM__ANY__INIT;
        MetricsV2__Metrics *m;

        assert_int_equal(metrics_v2(&any, &s, a), 0);
        assert_string_equal(any.type_url, "io.containerd.cgroups.v2.Metrics");
        m = metrics_v2__metrics__unpack(NULL, any.value.len, any.value.data);
        assert_int_equal(m->pids->limit, UINT64_MAX); /* none */
        assert_int_equal(m->cpu->usage_usec, 5);
        assert_int_equal(m->cpu->nr_bursts, 4);
        assert_true(m->cpu->psi->some->avg10 > 1.49 && m->cpu->psi->some->avg10 < 1.51);
        assert_null(m->cpu->psi->full);
        assert_int_equal(m->memory->anon, 7);
        assert_int_equal(m->memory->inactive_file, 8);
        assert_int_equal(m->memory->workingset_refault, 21);
        assert_int_equal(m->memory->usage, 900);
        assert_int_equal(m->memory->usage_limit, UINT64_MAX);
        assert_int_equal(m->memory->swap_limit, 6);
        assert_null(m->memory->psi);
        assert_int_equal(m->memory_events->max, 2);
        assert_int_equal(m->memory_events->oom_kill, 3);
        assert_int_equal(m->io->n_usage, 2);
        assert_int_equal(m->io->usage[0]->rbytes, 1);
        assert_int_equal(m->io->usage[0]->wios, 2);
        assert_int_equal(m->io->usage[1]->major, 9);
        assert_non_null(m->io->psi->full);
        assert_int_equal(m->hugetlb[0]->current, 4096);
        metrics_v2__metrics__free_unpacked(m, NULL);
        free(any.value.data);
}

/* Without a memory controller and the like there is no message for it, rather than one with zeros. */
static void what_is_not_there(void **state)
{
        struct stats_result s = { .cgroup_version = 1 };
        _cleanup_(arena_freep) struct arena *a = arena_new();
        Shim__Any any = SHIM__ANY__INIT;
        MetricsV1__Metrics *m;

        assert_int_equal(metrics_v1(&any, &s, a), 0);
        m = metrics_v1__metrics__unpack(NULL, any.value.len, any.value.data);
        assert_null(m->memory);
        assert_null(m->rdma);
        assert_int_equal(m->n_network, 0);
        metrics_v1__metrics__free_unpacked(m, NULL);
        free(any.value.data);
}

int main(void)
{
        static const struct CMUnitTest tests[] = { cmocka_unit_test(of_v1), cmocka_unit_test(of_v2),
                                                   cmocka_unit_test(what_is_not_there) };

        return cmocka_run_group_tests_name("shim-metrics", tests, NULL, NULL);
}
