/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/cgparse.h"

static void test_numbers(void **state)
{
        static const char *const bad[] = {
                "", " 1", "-1", "+1", "0x1", "1 2", "1a", "18446744073709551616", "99999999999999999999"
        };
        uint64_t v = 7;

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
                assert_int_equal(cg_u64(bad[i], &v), -EBADMSG);
        assert_int_equal(v, 7);
        assert_int_equal(cg_u64("18446744073709551615\n", &v), 0);
        assert_true(v == UINT64_MAX);
        assert_int_equal(cg_limit("max\n", &v), 0);
        assert_int_equal(v, 0);
        assert_int_equal(cg_limit("12\n", &v), 0);
        assert_int_equal(v, 12);
        assert_int_equal(cg_limit("-1", &v), 0);
        assert_int_equal(v, 0);
        assert_int_equal(cg_limit("9223372036854771712\n", &v), 0);
        assert_int_equal(v, 0);
        assert_int_equal(cg_limit("maximum", &v), -EBADMSG);
        assert_int_equal(cg_limit("max 1", &v), -EBADMSG);
        assert_int_equal(cg_limit("", &v), -EBADMSG);
}

static void test_find(void **state)
{
        static const char text[] = "oom_kill_disable 1\nunder_oom 0\noom_kill 42\nlast 5";
        uint64_t v = 0;

        assert_true(cg_find(text, "oom_kill", &v));
        assert_int_equal(v, 42);
        assert_true(cg_find(text, "oom_kill_disable", &v));
        assert_int_equal(v, 1);
        assert_true(cg_find(text, "last", &v));
        assert_int_equal(v, 5);
        assert_false(cg_find(text, "oom", &v));
        assert_false(cg_find("oom x\n", "oom", &v));
        assert_false(cg_find("", "oom", &v));
}

static void test_lists(void **state)
{
        _cleanup_(arena_freep) struct arena *a = arena_new();
        char kv[] = "a 1\nbroken\nb x\n\nc 18446744073709551615 more\nd 2";
        char blkio[] = "8:0 Read 1\n8:16 7\nTotal 8\n8:x Read 1\n8:0 Read\n";
        char io[] = "254:0 rbytes=10 wbytes=x rios=1\nloop0 rbytes=1\n";
        char psi[] = "some avg10=1.23 avg60=100.00 avg300=0.01 total=9 later=1\nfull avg10=1.2 avg60=0.00 avg300=0.00 "
                     "total=1\nelse\n";
        char current[] = "mlx4_0 hca_handle=2 hca_object=2000\nocrdma1 hca_handle=3\n",
             max[] = "mlx4_0 hca_handle=max hca_object=9\n";
        struct list_kv kvs = { 0 };
        struct list_blkio_entry ios = { 0 };
        struct list_psi_entry psis = { 0 };
        struct list_rdma_entry rdmas = { 0 };

        assert_int_equal(cg_parse_kv(kv, a, &kvs), 0);
        assert_int_equal(kvs.n, 3);
        assert_string_equal(kvs.items[1].key, "c");
        assert_string_equal(kvs.items[1].value, "18446744073709551615");
        assert_string_equal(kvs.items[2].value, "2");

        assert_int_equal(cg_parse_blkio(blkio, "f", a, &ios), 0);
        assert_int_equal(ios.n, 2);
        assert_string_equal(ios.items[0].op, "Read");
        assert_string_equal(ios.items[1].op, "");
        assert_int_equal(ios.items[1].minor, 16);
        assert_int_equal(ios.items[1].value, 7);
        assert_int_equal(cg_parse_io_stat(io, a, &ios), 0); /* appends */
        assert_int_equal(ios.n, 4);
        assert_string_equal(ios.items[0].op, "Read");
        assert_string_equal(ios.items[3].op, "rios");
        assert_int_equal(ios.items[3].major, 254);

        assert_int_equal(cg_parse_psi(psi, "io", a, &psis), 0);
        assert_int_equal(psis.n, 1);
        assert_int_equal(psis.items[0].avg10_centi, 123);
        assert_int_equal(psis.items[0].avg60_centi, 10000);
        assert_int_equal(psis.items[0].avg300_centi, 1);
        assert_int_equal(psis.items[0].total_us, 9);

        assert_int_equal(cg_parse_rdma(current, max, a, &rdmas), 0);
        assert_int_equal(rdmas.n, 2);
        assert_int_equal(rdmas.items[0].handles_limit, 0);
        assert_int_equal(rdmas.items[0].objects_limit, 9);
        assert_int_equal(rdmas.items[1].handles_current, 3);
}

/* The names in it are the container's own: no UTF-8 need be there, and a name may hold a colon. */
static void test_net_dev(void **state)
{
        _cleanup_(arena_freep) struct arena *a = arena_new();
        char text[] =
                "Inter-| x | y\n face |bytes |bytes\n    lo: 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1\n"
                "\xff\x01nic: 10 2 3 4 0 0 0 0 5 6 7 8 0 0 0 0\neth0:1: 11 2 3 4 0 0 0 0 5 6 7 8 0 0 0 0\nshort: 1 2\n";
        struct list_net_entry l = { 0 };

        assert_int_equal(cg_parse_net_dev(text, a, &l), 0);
        assert_int_equal(l.n, 2);
        assert_string_equal(l.items[0].name, "??nic");
        assert_int_equal(l.items[0].rx_bytes, 10);
        assert_string_equal(l.items[1].name, "eth0:1");
        assert_int_equal(l.items[1].tx_dropped, 8);
}

static void test_bounded(void **state)
{
        _cleanup_(arena_freep) struct arena *a = arena_new();
        struct list_kv l = { 0 };
        char *text = NULL;
        size_t len = 0;
        FILE *f = open_memstream(&text, &len);

        for (int i = 0; i < LIMIT_LIST + 100; i++)
                (void)fprintf(f, "key%d 1\n", i);
        (void)fclose(f);
        assert_int_equal(cg_parse_kv(text, a, &l), 0);
        assert_int_equal(l.n, LIMIT_LIST);
        assert_string_equal(l.items[LIMIT_LIST - 1].key, "key4095");
        free(text);
}

static void test_proc(void **state)
{
        char v1[] = "4:cpu,cpuacct:/a:b/c (deleted)", v2[] = "0::/x", named[] = "9:name=systemd:/", bad1[] = "4:memory",
             bad2[] = "4:memory:a";
        char mount[] =
                "31 23 0:28 / /sys/fs/my\\040cgroup rw,relatime shared:1 master:2 - cgroup cgroup rw,name=systemd";
        char nothing[] = "31 23 0:28 / /sys";
        char *list, *path, *type, *options;

        assert_int_equal(cg_parse_proc_line(v1, &list, &path), 0);
        assert_string_equal(list, "cpu,cpuacct");
        assert_string_equal(path, "/a:b/c");
        assert_int_equal(cg_parse_proc_line(v2, &list, &path), 0);
        assert_string_equal(list, "");
        assert_string_equal(path, "/x");
        assert_int_equal(cg_parse_proc_line(named, &list, &path), 0);
        assert_string_equal(list, "name=systemd");
        assert_int_equal(cg_parse_proc_line(bad1, &list, &path), -EBADMSG);
        assert_int_equal(cg_parse_proc_line(bad2, &list, &path), -EBADMSG);
        assert_true(cg_list_has("cpu,cpuacct", "cpuacct"));
        assert_true(cg_list_has("cpuset cpu io\n", "io"));
        assert_false(cg_list_has("cpuset", "cpu"));
        assert_false(cg_list_has("", "cpu"));
        assert_int_equal(cg_parse_mount_line(mount, &path, &type, &options), 0);
        assert_string_equal(path, "/sys/fs/my cgroup");
        assert_string_equal(type, "cgroup");
        assert_string_equal(options, "rw,name=systemd");
        assert_int_equal(cg_parse_mount_line(nothing, &path, &type, &options), -EBADMSG);
}

static void test_cpuset(void **state)
{
        static char heavy[70000];

        assert_int_equal(cg_cpuset_equal("0-3", "0,1,2-3\n"), 1);
        assert_int_equal(cg_cpuset_equal("3,1", "1,3"), 1);
        assert_int_equal(cg_cpuset_equal("0-3", "0-2"), 0);
        assert_int_equal(cg_cpuset_equal("0", ""), 0);
        assert_int_equal(cg_cpuset_equal("", "\n"), 1);
        assert_int_equal(cg_cpuset_equal("3-1", "1"), -EBADMSG);
        assert_int_equal(cg_cpuset_equal("0-99999999", "1"), -EBADMSG);
        assert_int_equal(cg_cpuset_equal("a", "1"), -EBADMSG);
        assert_int_equal(cg_cpuset_equal("1-", "1"), -EBADMSG);
        for (size_t i = 0; i + 8 < sizeof(heavy); i += 7)
                memcpy(heavy + i, "0-8191,", 7);
        assert_int_equal(cg_cpuset_equal(heavy, "0"), -EBADMSG); /* refused before it costs much */
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_numbers), cmocka_unit_test(test_find),    cmocka_unit_test(test_lists),
                cmocka_unit_test(test_net_dev), cmocka_unit_test(test_bounded), cmocka_unit_test(test_proc),
                cmocka_unit_test(test_cpuset),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
