/* SPDX-License-Identifier: Apache-2.0 */
/* client/ctl/units.c: numbers as people write and read them. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/cleanup.h"
#include "client/ctl/units.h"

static void test_size(void **state)
{
        static const struct {
                const char *text;
                int r;
                int64_t value;
        } rows[] = {
                {"0", 0, 0},
                {"1", 0, 1},
                {"16M", 0, 16 << 20},
                {"16m", 0, 16 << 20},
                {"16MiB", 0, 16 << 20},
                {"16 MB", 0, 16 << 20},
                {"1.5k", 0, 1536},
                {"2g", 0, INT64_C(2) << 30},
                {"1T", 0, INT64_C(1) << 40},
                {"", -EINVAL, 0},
                {"M", -EINVAL, 0},
                {"-1", -EINVAL, 0},
                {"1x", -EINVAL, 0},
                {"1.2.3", -EINVAL, 0},
                {".", -EINVAL, 0},
                {"1e3", -EINVAL, 0},
                {"9999999T", -ERANGE, 0},
                {"0x10", -EINVAL, 0},
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                int64_t value = 0;

                assert_int_equal(parse_size(rows[i].text, &value), rows[i].r);
                if (rows[i].r == 0)
                        assert_int_equal(value, rows[i].value);
        }
}

static void test_cpus_and_durations(void **state)
{
        int64_t milli;
        int ms;

        assert_int_equal(parse_cpus("0.5", &milli), 0);
        assert_int_equal(milli, 500);
        assert_int_equal(parse_cpus("2", &milli), 0);
        assert_int_equal(milli, 2000);
        assert_int_equal(parse_cpus("250m", &milli), 0);
        assert_int_equal(milli, 250);
        assert_int_equal(parse_cpus("0", &milli), -ERANGE);
        assert_int_equal(parse_cpus("0.001", &milli), -ERANGE);
        assert_int_equal(parse_cpus("x", &milli), -EINVAL);
        assert_int_equal(parse_duration("2", &ms), 0);
        assert_int_equal(ms, 2000);
        assert_int_equal(parse_duration("200ms", &ms), 0);
        assert_int_equal(ms, 200);
        assert_int_equal(parse_duration("1.5s", &ms), 0);
        assert_int_equal(ms, 1500);
        assert_int_equal(parse_duration("1h", &ms), 0);
        assert_int_equal(ms, 3600000);
        assert_int_equal(parse_duration("99999h", &ms), -ERANGE);
        assert_int_equal(parse_duration("soon", &ms), -EINVAL);
}

static void test_signals(void **state)
{
        char text[UNITS_TEXT_MAX];

        for (int i = 1; i < 32; i++) /* every name leads back */
                assert_int_equal(parse_signal(format_signal(i, text)), i);
        assert_int_equal(parse_signal("KILL"), SIGKILL);
        assert_int_equal(parse_signal("kill"), SIGKILL);
        assert_int_equal(parse_signal("SIGTERM"), SIGTERM);
        assert_int_equal(parse_signal("sigusr1"), SIGUSR1);
        assert_int_equal(parse_signal("9"), 9);
        assert_int_equal(parse_signal("64"), 64);
        assert_int_equal(parse_signal("RTMIN"), SIGRTMIN);
        assert_int_equal(parse_signal("RTMIN+3"), SIGRTMIN + 3);
        assert_true(parse_signal("0") < 0);
        assert_true(parse_signal("65") < 0);
        assert_true(parse_signal("-9") < 0);
        assert_true(parse_signal("SIG") < 0);
        assert_true(parse_signal("") < 0);
        assert_true(parse_signal("NOPE") < 0);
}

static void test_format(void **state)
{
        char text[UNITS_TEXT_MAX];

        assert_string_equal(format_size(0, text), "0 B");
        assert_string_equal(format_size(1023, text), "1023 B");
        assert_string_equal(format_size(1536, text), "1.5 KiB");
        assert_string_equal(format_size(UINT64_MAX, text), "16.0 EiB");
        assert_string_equal(format_size_exact(16 << 20, text), "16 MiB");
        assert_string_equal(format_size_exact(0, text), "0 B");
        assert_string_equal(format_size_exact(1536, text), "1536 B");
        assert_string_equal(format_size_exact(123456789, text), "117.7 MiB");
        assert_string_equal(format_age(5, text), "5 s");
        assert_string_equal(format_age(300, text), "5 min");
        assert_string_equal(format_age(86400, text), "24 h");
        assert_string_equal(format_age(864000, text), "10 d");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_size),
                cmocka_unit_test(test_cpus_and_durations),
                cmocka_unit_test(test_signals),
                cmocka_unit_test(test_format),
        };

        return cmocka_run_group_tests_name("ctl-units", tests, NULL, NULL);
}
