/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "daemon/helper/mountinfo.h"

static void test_lines(void **state)
{
        struct mountinfo m = MOUNTINFO_NULL;

        assert_int_equal(
                mountinfo_parse(&m,
                                strdup("27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n"
                                       "36 27 98:0 /a /mnt/a\\040b\\134\\011 rw master:2 shared:7 - ext3 /dev/x rw\n"
                                       "37 27 98:0 / /mnt rw - tmpfs shared:9 rw\n"
                                       "38 27 98:0 / /mnt/bad\\04 rw - tmpfs - rw")),
                0);
        assert_int_equal(m.n, 4);
        assert_string_equal(m.entries[0].point, "/");
        assert_true(m.entries[0].shared);
        assert_string_equal(m.entries[1].point, "/mnt/a b\\\t");
        assert_true(m.entries[1].shared);
        assert_false(m.entries[2].shared); /* what comes after "-" is no optional field */
        assert_string_equal(m.entries[3].point, "/mnt/bad\\04");
        assert_string_equal(mountinfo_find(&m, "/mnt/x")->point, "/mnt");
        assert_string_equal(mountinfo_find(&m, "/mntx")->point, "/");
        mountinfo_deinit(&m);
}

static void test_garbage(void **state)
{
        static const char *const bad[] = { "x\n", "1 2 3 4\n", "1 2 3 4 5 6 7 8\n", " \n",
                                           "1 2 3:4 / /a rw shared:1\n" };
        struct mountinfo m = MOUNTINFO_NULL;

        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                assert_int_equal(mountinfo_parse(&m, strdup(bad[i])), -EBADMSG);
                assert_null(m.entries);
        }
        assert_int_equal(mountinfo_parse(&m, strdup("")), 0);
        assert_int_equal(m.n, 0);
        assert_null(mountinfo_find(&m, "/"));
        mountinfo_deinit(&m);
}

static void test_real(void **state)
{
        struct mountinfo m = MOUNTINFO_NULL;

        assert_int_equal(mountinfo_read(&m), 0);
        assert_string_equal(mountinfo_find(&m, "/proc")->point, "/proc");
        mountinfo_deinit(&m);
}

static void test_below(void **state)
{
        assert_true(mountinfo_is_below("/a/b", "/a/b"));
        assert_true(mountinfo_is_below("/a/b/c", "/a/b"));
        assert_false(mountinfo_is_below("/a/bc", "/a/b"));
        assert_false(mountinfo_is_below("/a", "/a/b"));
        assert_true(mountinfo_is_below("/a", "/"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_lines),
                cmocka_unit_test(test_garbage),
                cmocka_unit_test(test_real),
                cmocka_unit_test(test_below),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
