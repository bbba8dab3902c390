/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "daemon/oom_log.h"
#include "tests/lib/tree.h"
#include "tests/unit/unit.h"

static void feed(struct oom_log *l, const char *record)
{
        char text[2048];

        assert_true(strlen(record) < sizeof(text));
        (void)strcpy(text, record);
        oom_log_feed(l, text);
}

#define SUMMARY(path, name, pid)                                                                                       \
        "6,55569,16777501060,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=c1,mems_allowed=0,"         \
        "oom_memcg=/pod,task_memcg=" path ",task=" name ",pid=" pid ",uid=0\n SUBSYSTEM=x\n"
#define KILLED(name, pid)                                                                                              \
        "3,55570,16777501073,-;Memory cgroup out of memory: Killed process " pid " (" name ") total-vm:104668kB, "     \
        "anon-rss:16128kB, file-rss:1200kB, shmem-rss:0kB, UID:0 pgtables:72kB oom_score_adj:0\n"

static void expect(struct oom_log *l, const char *cgroup, pid_t ended, pid_t pid, const char *name, const char *limit,
                   uint64_t rss)
{
        struct oom_log_entry e = {0};

        assert_true(oom_log_take(l, cgroup, ended, &e));
        assert_int_equal(e.pid, pid);
        assert_string_equal(e.name, name);
        assert_int_equal(e.rss, rss);
        if (limit)
                assert_string_equal(e.limit, limit);
        else
                assert_null(e.limit);
        oom_log_entry_deinit(&e);
}

static void expect_none(struct oom_log *l, const char *cgroup, pid_t ended)
{
        struct oom_log_entry e = {0};

        assert_false(oom_log_take(l, cgroup, ended, &e));
}

static void test_kill(void **state)
{
        struct oom_log l = OOM_LOG_NULL;

        feed(&l, SUMMARY("/pod/c1", "dd", "9419"));
        feed(&l, KILLED("dd", "9419"));
        feed(&l, SUMMARY("/pod/c10", "sh", "7"));
        expect_none(&l, "/pod/c", 0); /* no directory above it: only the beginning of a name */
        expect(&l, "/pod/c1", 0, 9419, "dd", "/pod", UINT64_C(16128) * 1024);
        expect_none(&l, "/pod/c1", 9419);
        expect(&l, "/pod", 0, 7, "sh", "/pod", 0);
        oom_log_deinit(&l);
}

/* The names are a container's: they cannot make believe that it was another one. */
static void test_names(void **state)
{
        struct oom_log l = OOM_LOG_NULL;

        feed(&l, SUMMARY("/pod/c1", "a,pid=1,uid=0", "50"));
        expect(&l, "/pod/c1", 0, 50, "a,pid=1,uid=0", "/pod", 0);
        feed(&l, SUMMARY("/pod/c1/x,task=y,pid=1", "z", "51"));
        expect(&l, "/pod/c1", 0, 51, "z", "/pod", 0);
        feed(&l, KILLED("a) total-vm:1k", "52"));
        expect(&l, "/pod", 52, 52, "a) total-vm:1k", NULL, UINT64_C(16128) * 1024);
        oom_log_deinit(&l);
}

/* Without the summary, which is rate-limited, it is known by its pid. */
static void test_no_summary(void **state)
{
        struct oom_log l = OOM_LOG_NULL;

        feed(&l, KILLED("dd", "60"));
        feed(&l, KILLED("dd", "61"));
        expect_none(&l, "/pod", 0);
        expect_none(&l, "/pod", 62);
        expect(&l, "/pod", 61, 61, "dd", NULL, UINT64_C(16128) * 1024);
        expect(&l, "/pod", 60, 60, "dd", NULL, UINT64_C(16128) * 1024);
        oom_log_deinit(&l);
}

static void test_host(void **state)
{
        struct oom_log_entry e = {0};
        struct oom_log l = OOM_LOG_NULL;

        feed(&l, "6,1,1,-;oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,"
                 "task_memcg=/pod/c1,task=dd,pid=70,uid=0\n");
        feed(&l, "3,2,1,-;Out of memory: Killed process 70 (dd) total-vm:1kB, anon-rss:2kB, file-rss:3kB\n");
        assert_true(oom_log_take(&l, "/pod/c1", 0, &e));
        assert_true(e.host);
        assert_null(e.limit);
        assert_int_equal(e.rss, 2048);
        oom_log_entry_deinit(&e);
        oom_log_deinit(&l);
}

/* What is too long for one record comes in several. */
static void test_split(void **state)
{
        struct oom_log l = OOM_LOG_NULL;

        feed(&l,
             "6,1,1,c;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=x,mems_allowed=0,oom_memcg=/pod\n");
        feed(&l, "6,2,1,-;,task_memcg=/pod/c1\n");
        feed(&l, "6,3,1,-;,task=dd,pid=80,uid=0\n");
        expect(&l, "/pod/c1", 0, 80, "dd", "/pod", 0);
        oom_log_deinit(&l);
}

static void test_not_ours(void **state)
{
        struct oom_log l = OOM_LOG_NULL;
        char long_name[512];

        feed(&l, "");
        feed(&l, "no record");
        feed(&l, "6,1,1,-;usb 1-1: new device\n");
        feed(&l, "6,1,1,-;oom-kill:nonsense\n");
        feed(&l, "6,1,1,-;oom-kill:,task_memcg=/pod,task=dd,pid=-4,uid=0\n");
        feed(&l, "6,1,1,-;oom-kill:,task_memcg=/pod,task=dd,pid=99999999,uid=0\n");
        feed(&l, "3,1,1,-;Memory cgroup out of memory: Killed process 5\n");
        feed(&l, "3,1,1,-;Memory cgroup out of memory: Killed process x (y) total-vm:1kB\n");
        /* written by a process, not by the kernel */
        feed(&l, "14,1,1,-;oom-kill:,oom_memcg=/pod,task_memcg=/pod/c1,task=dd,pid=90,uid=0\n");
        assert_int_equal(l.n, 0);
        memset(long_name, 'n', sizeof(long_name) - 1);
        long_name[sizeof(long_name) - 1] = '\0';
        {
                char record[1024];

                (void)snprintf(record, sizeof(record), "6,1,1,-;oom-kill:,task_memcg=/pod,task=%s,pid=4,uid=0\n",
                               long_name);
                feed(&l, record);
        }
        assert_int_equal(l.n, 1);
        oom_log_deinit(&l);
}

/* Of many, the newest are remembered. */
static void test_many(void **state)
{
        struct oom_log l = OOM_LOG_NULL;
        char record[512];

        for (int i = 1; i <= 3 * OOM_VICTIMS_MAX; i++) {
                (void)snprintf(record, sizeof(record),
                               "6,1,1,-;oom-kill:,oom_memcg=/p,task_memcg=/p,task=dd,pid=%d,uid=0\n", i);
                feed(&l, record);
        }
        assert_int_equal(l.n, OOM_VICTIMS_MAX);
        expect(&l, "/p", 0, 2 * OOM_VICTIMS_MAX + 1, "dd", "/p", 0);
        oom_log_deinit(&l);
}

static void test_unreadable(void **state)
{
        struct oom_log l;

        oom_log_init(&l, NULL, "/nonexistent");
        oom_log_read(&l);
        expect_none(&l, "/", 1);
        oom_log_deinit(&l);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_kill),       cmocka_unit_test(test_names), cmocka_unit_test(test_no_summary),
                cmocka_unit_test(test_host),       cmocka_unit_test(test_split), cmocka_unit_test(test_not_ours),
                cmocka_unit_test(test_many),       cmocka_unit_test(test_unreadable),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
