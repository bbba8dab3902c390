/* SPDX-License-Identifier: Apache-2.0 */
/* The records of owners and fronts: what is written comes back, what an earlier version wrote is understood. */

#include "tests/unit/unit.h"

#include <fcntl.h>
#include "base/fd.h"
#include "daemon/owner_record.h"

static char dir[32];
static struct owner_store *store;
static struct error err;
static int n_read, n_failed;

static int begin(void **state)
{
        unit_mkdir(dir);
        err = (struct error)ERROR_NULL;
        n_read = n_failed = 0;
        return owner_store_open(&store, dir, &err);
}

static int end(void **state)
{
        store = owner_store_free(store);
        unit_rmdir(dir);
        return 0;
}

static void write_file(const char *name, const char *text)
{
        char path[64];
        int fd;

        snprintf(path, sizeof(path), "%s/%s", dir, name);
        fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
        close(fd);
}

static void on_old(void *data, const struct owner_record *rec, const struct error *why)
{
        assert_non_null(rec);
        assert_string_equal(rec->owner, "c1");
        assert_int_equal(rec->cursor, 7);
        assert_int_equal(rec->fronts.n, 1);
        assert_string_equal(rec->fronts.items[0].ns, "k8s.io");
        assert_int_equal(rec->fronts.items[0].pid, 12);
        assert_int_equal(rec->fronts.items[0].slot, 3);
        assert_string_equal(rec->fronts.items[0].group, "");
        n_read++;
}

static void test_version_1(void **state)
{
        write_file("outbox/c1",
                   "{\"version\": 1, \"owner\": \"c1\", \"ttrpc_address\": \"/t\", \"cursor\": 7,"
                   " \"fronts\": [{\"ns\": \"k8s.io\", \"pid\": 12, \"start_time\": 5, \"slot\": 3}]}");
        assert_int_equal(owner_store_each(store, on_old, NULL, &err), 0);
        assert_int_equal(n_read, 1);
}

static void on_wrong(void *data, const struct owner_record *rec, const struct error *why)
{
        assert_null(rec);
        assert_int_equal(why->reason, REASON_CORRUPT);
        n_failed++;
}

static void on_wrong_front(void *data, const struct front_record *rec, const struct error *why)
{
        on_wrong(data, NULL, why);
        assert_null(rec);
}

static void test_not_ours(void **state)
{
        write_file("outbox/c1", "{\"version\": 3, \"owner\": \"c1\", \"ttrpc_address\": \"/t\"}");
        write_file("outbox/c2", "{\"version\": 2, \"owner\": \"c1\", \"ttrpc_address\": \"/t\"}");
        write_file("fronts/c1-0", "{\"version\": 3, \"owner\": \"c1\", \"ns\": \"x\"}");
        write_file("fronts/c1-1", "{\"ns\": ");
        assert_int_equal(owner_store_each(store, on_wrong, NULL, &err), 0);
        assert_int_equal(owner_store_each_front(store, on_wrong_front, NULL, &err), 0);
        assert_int_equal(n_failed, 4);
}

static void on_front(void *data, const struct front_record *rec, const struct error *why)
{
        assert_non_null(rec);
        assert_string_equal(rec->owner, "c1");
        assert_string_equal(rec->group, "pod/1");
        assert_int_equal(rec->members.n, 2);
        assert_string_equal(rec->members.items[1], "b");
        assert_string_equal(rec->cgroup, "/shims");
        assert_string_equal(rec->oom_score, "-998");
        assert_true(rec->sched_core);
        n_read++;
}

static void test_front(void **state)
{
        const char *members[] = { "a", "b" };
        const struct front_record rec = { .version = OWNER_RECORD_VERSION,
                                          .owner = "c1",
                                          .ns = "default",
                                          .group = "pod/1",
                                          .members = { members, 2 },
                                          .cgroup = "/shims",
                                          .oom_score = "-998",
                                          .sched_core = true };

        assert_int_equal(owner_store_save_front(store, "c1-0", &rec, &err), 0);
        assert_int_equal(owner_store_each_front(store, on_front, NULL, &err), 0);
        assert_int_equal(n_read, 1);
        owner_store_remove_front(store, "c1-0");
        assert_int_equal(owner_store_each_front(store, on_front, NULL, &err), 0);
        assert_int_equal(n_read, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
        const struct CMUnitTest tests[] = { TEST(test_version_1), TEST(test_not_ours), TEST(test_front) };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
