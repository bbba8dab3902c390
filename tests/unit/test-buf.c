/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"
#include "base/buf.h"

static void test_queue(void **state)
{
        struct buf b = BUF_NULL;

        buf_append(&b, "hello ", 6);
        buf_printf(&b, "%s-%d", "world", 7);
        assert_int_equal(buf_len(&b), 13);
        assert_memory_equal(buf_head(&b), "hello world-7", 13);
        buf_consume(&b, 6);
        assert_memory_equal(buf_head(&b), "world-7", 7);
        buf_consume(&b, 7);
        assert_int_equal(buf_len(&b), 0);
        assert_int_equal(b.start, 0);
        buf_append(&b, NULL, 0);
        buf_deinit(&b);
        assert_null(b.data);
        buf_deinit(&b);
}

/* A queue that is drained as fast as it fills does not grow, and no byte is lost or changed. */
static void test_circulation(void **state)
{
        struct buf b = BUF_NULL;
        uint8_t in = 0, out = 0;
        size_t largest = 0;

        for (int i = 0; i < 10000; i++) {
                uint8_t bytes[37];

                for (size_t k = 0; k < sizeof(bytes); k++)
                        bytes[k] = in++;
                buf_append(&b, bytes, sizeof(bytes));
                while (buf_len(&b) > 50) {
                        assert_int_equal(*buf_head(&b), out++);
                        buf_consume(&b, 1);
                }
                largest = b.size > largest ? b.size : largest;
        }
        assert_false(b.failed);
        assert_true(largest <= 256);
        buf_deinit(&b);
}

static void test_max(void **state)
{
        struct buf b = BUF_NULL;
        char kilobyte[1024] = { 0 };

        b.max = 1024;
        buf_append(&b, kilobyte, 1024);
        assert_false(b.failed);
        buf_consume(&b, 1);
        buf_append(&b, kilobyte, 1);
        assert_false(b.failed);
        buf_append(&b, kilobyte, 1);
        assert_true(b.failed);
        /* sticky: also what would fit is refused now */
        buf_consume(&b, 1000);
        buf_append(&b, kilobyte, 1);
        buf_printf(&b, "x");
        assert_null(buf_reserve(&b, 1));
        assert_int_equal(buf_len(&b), 24);
        buf_deinit(&b);
        assert_false(b.failed);
        assert_int_equal(b.max, 1024);
}

static void test_absurd(void **state)
{
        struct buf b = BUF_NULL;

        buf_append(&b, "x", 1);
        assert_null(buf_reserve(&b, SIZE_MAX));
        assert_true(b.failed);
        buf_deinit(&b);
        assert_null(buf_reserve(&b, SIZE_MAX / 2 + 2));
        assert_true(b.failed);
        buf_deinit(&b);
}

static void test_reserve(void **state)
{
        struct buf b = BUF_NULL;
        uint8_t *p = buf_reserve(&b, 5000);

        assert_non_null(p);
        memset(p, 'x', 5000);
        buf_commit(&b, 3);
        assert_int_equal(buf_len(&b), 3);
        assert_memory_equal(buf_head(&b), "xxx", 3);
        buf_deinit(&b);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_queue),
                cmocka_unit_test(test_circulation),
                cmocka_unit_test(test_max),
                cmocka_unit_test(test_absurd),
                cmocka_unit_test(test_reserve),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
