/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "keeper/statuses.h"

static void add(struct statuses *t, int pid)
{
        const struct status s = { .pid = pid, .start_time = (uint64_t)pid * 2, .wait_status = pid & 0xff };

        statuses_add(t, &s);
}

static void expect(struct statuses *t, int pid)
{
        const struct status *s = statuses_next(t);

        if (pid == 0) {
                assert_null(s);
                return;
        }
        assert_non_null(s);
        assert_int_equal(s->pid, pid);
        assert_int_equal(s->start_time, pid * 2);
        statuses_told(t);
}

static void test_order(void **state)
{
        struct statuses t;

        statuses_init(&t, 1000);
        assert_true(statuses_backlog_told(&t));
        expect(&t, 0);
        add(&t, 1);
        add(&t, 2);
        add(&t, 3);
        statuses_rewind(&t);
        assert_false(statuses_backlog_told(&t));
        expect(&t, 1);
        add(&t, 4);
        assert_true(statuses_forget(&t, 2, 4));
        assert_false(statuses_forget(&t, 2, 4));
        assert_false(statuses_forget(&t, 3, 7));
        assert_false(statuses_forget(&t, 0, 0));
        expect(&t, 3);
        assert_true(statuses_backlog_told(&t));
        expect(&t, 4);
        expect(&t, 0);
        assert_int_equal(statuses_count(&t), 3);
        statuses_rewind(&t);
        expect(&t, 1);
        expect(&t, 3);
        statuses_deinit(&t);
}

static void test_bounded(void **state)
{
        struct statuses t;

        statuses_init(&t, 1000);
        for (int pid = 1; pid <= 5000; pid++)
                add(&t, pid);
        assert_true(t.size <= 1000);
        assert_true(statuses_count(&t) <= 1000 && statuses_count(&t) > 900);
        assert_int_equal(t.dropped + statuses_count(&t), 5000);
        statuses_rewind(&t);
        expect(&t, (int)(5001 - statuses_count(&t))); /* the newest stay */
        statuses_deinit(&t);
}

/* One that is never forgotten is not pushed out by many that are. */
static void test_old_one_stays(void **state)
{
        struct statuses t;

        statuses_init(&t, 1000);
        add(&t, 1);
        for (int pid = 2; pid <= 50000; pid++) {
                add(&t, pid);
                assert_true(statuses_forget(&t, pid, (uint64_t)pid * 2));
        }
        assert_int_equal(t.dropped, 0);
        statuses_rewind(&t);
        expect(&t, 1);
        expect(&t, 0);
        statuses_deinit(&t);
}

/* Against a plain list: any order of adding, forgetting, telling and rewinding tells each one that is there, in order,
 * once for each reader. */
static void test_random(void **state)
{
        static int model[200000]; /* pid, or 0: forgotten */
        struct statuses t;
        int n = 0, cursor = 0;

        statuses_init(&t, 100000);
        srandom(7);
        for (int step = 0; step < 100000; step++) {
                long what = random() % 100;

                if (what < 50) {
                        model[n] = n + 1;
                        n++;
                        add(&t, n);
                } else if (what < 80 && n > 0) {
                        int i = (int)(random() % n);

                        assert_int_equal(statuses_forget(&t, i + 1, (uint64_t)(i + 1) * 2), model[i] != 0);
                        model[i] = 0;
                } else if (what < 99) {
                        while (cursor < n && !model[cursor])
                                cursor++;
                        expect(&t, cursor < n ? model[cursor] : 0);
                        cursor += cursor < n;
                } else {
                        statuses_rewind(&t);
                        cursor = 0;
                }
        }
        statuses_deinit(&t);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_order),
                cmocka_unit_test(test_bounded),
                cmocka_unit_test(test_old_one_stays),
                cmocka_unit_test(test_random),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
