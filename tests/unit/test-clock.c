/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"
#include <time.h>

static void test_format(void **state)
{
        char buf[CLOCK_TEXT_MAX];

        assert_string_equal(clock_format_realtime(0, buf), "1970-01-01T00:00:00.000000000Z");
        assert_string_equal(clock_format_realtime(UINT64_C(1709164800000000001), buf),
                            "2024-02-29T00:00:00.000000001Z");
        /* the largest there is fits */
        assert_string_equal(clock_format_realtime(UINT64_MAX, buf), "2554-07-21T23:34:33.709551615Z");
}

static void test_now(void **state)
{
        uint64_t a = clock_monotonic_ns(), b = clock_monotonic_ns(), real = clock_realtime_ns();

        assert_true(b >= a);
        assert_true(real / NSEC_PER_SEC - (uint64_t)time(NULL) + 1 <= 2);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_format),
                cmocka_unit_test(test_now),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
