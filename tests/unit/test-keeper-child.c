/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <cmocka.h>
#include "base/cleanup.h"
#include "base/clock.h"
#include "keeper/child.h"

static char *argv[] = { (char *)"/usr/sbin/sandboxd", NULL };

static uint64_t delay_ms(struct child *c, uint64_t life_ns, int wait_status)
{
        uint64_t now = 1000 * NSEC_PER_SEC;

        c->pid = 7;
        c->started_ns = now - life_ns;
        child_ended(c, wait_status, false, now);
        assert_int_equal(c->pid, 0);
        assert_false(c->final);
        return (c->restart_ns - now) / NSEC_PER_MSEC;
}

static void test_backoff(void **state)
{
        static const uint64_t want[] = { 0, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 5000, 5000, 5000 };
        struct child c;

        child_init(&c, argv);
        assert_string_equal(c.name, "sandboxd");
        for (size_t i = 0; i < ARRAY_SIZE(want); i++)
                assert_int_equal(delay_ms(&c, NSEC_PER_SEC, i % 2 ? SIGKILL : 1 << 8), want[i]);
        assert_int_equal(delay_ms(&c, 10 * NSEC_PER_SEC - 1, SIGKILL), 5000);
        assert_int_equal(delay_ms(&c, 10 * NSEC_PER_SEC, SIGKILL), 0);
        assert_int_equal(delay_ms(&c, 1, SIGKILL), 10);
        for (size_t i = 0; i < 10; i++) {
                c.ready = true;
                assert_in_range(delay_ms(&c, 1, SIGKILL), 20, 250);
        }
        c.ready = false;
        assert_int_equal(delay_ms(&c, 1, SIGKILL), 500);
}

static void test_final(void **state)
{
        static const struct {
                int wait_status;
                bool stopping, final;
                int exit_status;
        } rows[] = {
                { 0, false, true, 0 },
                { 2 << 8, false, true, 2 },
                { 1 << 8, false, false, 1 },
                { 127 << 8, false, false, 127 },
                { SIGTERM, false, false, 143 },
                { SIGSEGV | 0x80, false, false, 139 },
                { 1 << 8, true, true, 1 },
                { SIGKILL, true, true, 137 },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                struct child c;

                child_init(&c, argv);
                child_ended(&c, rows[i].wait_status, rows[i].stopping, NSEC_PER_SEC);
                assert_int_equal(c.final, rows[i].final);
                assert_int_equal(c.restart_ns != 0, !rows[i].final);
                assert_int_equal(child_exit_status(rows[i].wait_status), rows[i].exit_status);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_backoff),
                cmocka_unit_test(test_final),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
