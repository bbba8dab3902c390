/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"
#include "base/error.h"

static void test_set(void **state)
{
        struct error err = ERROR_NULL;

        assert_false(error_is_set(&err));
        assert_int_equal(error_set(&err, 7, "container %s: wanted %d", "a", 3), -1);
        assert_true(error_is_set(&err));
        assert_int_equal(err.reason, 7);
        assert_string_equal(err.message, "container a: wanted 3");
        assert_int_equal(error_set(NULL, 7, "nobody reads this"), -1);
}

static void test_errno(void **state)
{
        struct error err = ERROR_NULL;

        assert_int_equal(error_set_errno(&err, 2, ENOENT, "open %s", "/x"), -1);
        assert_string_equal(err.message, "open /x: No such file or directory");
        error_set_errno(&err, 2, -ENOENT, "open");
        assert_string_equal(err.message, "open: No such file or directory");
}

static void test_wrap(void **state)
{
        struct error err = ERROR_NULL, copy = ERROR_NULL;

        error_set(&err, 5, "no such file");
        assert_int_equal(error_wrap(&err, "record %d", 4), -1);
        assert_string_equal(err.message, "record 4: no such file");
        assert_int_equal(err.reason, 5);
        error_set(&err, 6, "again: %s", err.message); /* its own message as an argument */
        assert_string_equal(err.message, "again: record 4: no such file");
        assert_int_equal(error_copy(&copy, &err), -1);
        assert_string_equal(copy.message, err.message);
        assert_int_equal(copy.reason, 6);
        error_copy(NULL, &err);
        error_copy(&copy, NULL);
        assert_int_equal(copy.reason, 6);
}

static void test_cut(void **state)
{
        static char longer[3 * ERROR_MESSAGE_MAX];
        struct error err = ERROR_NULL;
        size_t len;

        memset(longer, 'a', sizeof(longer) - 1);
        error_set(&err, 1, "%s", longer);
        assert_int_equal(strlen(err.message), ERROR_MESSAGE_MAX - 1);
        assert_string_equal(err.message + ERROR_MESSAGE_MAX - 5, "a...");
        error_set(&err, 1, "%.*s", ERROR_MESSAGE_MAX - 1, longer);
        assert_string_equal(err.message + ERROR_MESSAGE_MAX - 5, "aaaa"); /* just fits */
        error_wrap(&err, "prefix");
        assert_memory_equal(err.message, "prefix: a", 9);
        assert_string_equal(err.message + ERROR_MESSAGE_MAX - 5, "a...");

        /* never through the middle of a character, wherever the cut falls */
        for (size_t shift = 0; shift < 4; shift++) {
                memset(longer, 'a', shift);
                for (size_t i = shift; i + 4 < sizeof(longer); i += 4)
                        memcpy(longer + i, "\xf0\x9f\x90\x9b", 4);
                error_set(&err, 1, "%.*s", 2000, longer);
                len = strlen(err.message);
                assert_string_equal(err.message + len - 3, "...");
                assert_int_equal((len - 3 - shift) % 4, 0);
                assert_true(len > ERROR_MESSAGE_MAX - 8);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_set),
                cmocka_unit_test(test_errno),
                cmocka_unit_test(test_wrap),
                cmocka_unit_test(test_cut),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
