/* SPDX-License-Identifier: Apache-2.0 */

/* The tables as data: every cell was decided by somebody, facts are never refused, every state can be reached and
 * left. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "daemon/lifecycle.h"

static void test_every_container_cell_is_decided(void **state)
{
        for (int s = 0; s < CONTAINER_STATE_N; s++)
                for (int e = 0; e < CEV_N; e++)
                        if (container_cell_of(s, e)->verdict == VERDICT_UNSET)
                                fail_msg("%s x %s is not decided", container_state_name(s), container_event_name(e));
}

static void test_every_process_cell_is_decided(void **state)
{
        for (int s = 0; s < PROCESS_STATE_N; s++)
                for (int e = 0; e < PEV_N; e++)
                        if (process_cell_of(s, e)->verdict == VERDICT_UNSET)
                                fail_msg("%s x %s is not decided", process_state_name(s), process_event_name(e));
}

/* What the kernel says is so, whatever we think; only requests may be refused or put off. */
static bool allowed(enum event_class class, enum verdict v)
{
        if (class == CLASS_FACT)
                return v == VERDICT_GO || v == VERDICT_STAY || v == VERDICT_IGNORE;
        if (class == CLASS_RESULT)
                return v != VERDICT_REFUSE && v != VERDICT_DEFER;
        return v != VERDICT_IGNORE;
}

static void test_classes(void **state)
{
        for (int s = 0; s < CONTAINER_STATE_N; s++)
                for (int e = 0; e < CEV_N; e++)
                        if (!allowed(container_event_class(e), container_cell_of(s, e)->verdict))
                                fail_msg("%s x %s", container_state_name(s), container_event_name(e));
        for (int s = 0; s < PROCESS_STATE_N; s++)
                for (int e = 0; e < PEV_N; e++)
                        if (!allowed(process_event_class(e), process_cell_of(s, e)->verdict))
                                fail_msg("%s x %s", process_state_name(s), process_event_name(e));
}

static void test_refusals_have_words(void **state)
{
        for (int s = 0; s < CONTAINER_STATE_N; s++)
                for (int e = 0; e < CEV_N; e++) {
                        const struct container_cell *cell = container_cell_of(s, e);

                        if (cell->verdict != VERDICT_REFUSE)
                                continue;
                        assert_true(cell->reason > REASON_NONE && cell->reason < REASON_N);
                        assert_non_null(cell->text);
                }
}

static void test_every_state_is_reachable(void **state)
{
        bool reached[CONTAINER_STATE_N] = { [CONTAINER_NEW] = true };

        for (int round = 0; round < CONTAINER_STATE_N; round++)
                for (int s = 0; s < CONTAINER_STATE_N; s++)
                        for (int e = 0; reached[s] && e < CEV_N; e++)
                                if (container_cell_of(s, e)->verdict == VERDICT_GO)
                                        reached[container_cell_of(s, e)->next] = true;
        for (int s = 0; s < CONTAINER_STATE_N; s++)
                if (!reached[s])
                        fail_msg("%s cannot be reached", container_state_name(s));
}

static void test_every_state_leads_to_gone(void **state)
{
        bool ends[CONTAINER_STATE_N] = { [CONTAINER_GONE] = true };

        for (int round = 0; round < CONTAINER_STATE_N; round++)
                for (int s = 0; s < CONTAINER_STATE_N; s++)
                        for (int e = 0; e < CEV_N; e++)
                                if (container_cell_of(s, e)->verdict == VERDICT_GO &&
                                    ends[container_cell_of(s, e)->next])
                                        ends[s] = true;
        for (int s = 0; s < CONTAINER_STATE_N; s++)
                if (!ends[s])
                        fail_msg("%s never ends", container_state_name(s));
}

/* A request that is put off is looked at again in the next state: a state that puts off must be one that something ends
 * which is not a request. */
static void test_states_that_defer_end_by_themselves(void **state)
{
        for (int s = 0; s < CONTAINER_STATE_N; s++) {
                bool defers = false,
                     ends = s == CONTAINER_NEW; /* create is dispatched in the same call that makes it */

                for (int e = 0; e < CEV_N; e++) {
                        const struct container_cell *cell = container_cell_of(s, e);

                        defers |= cell->verdict == VERDICT_DEFER;
                        ends |= cell->verdict == VERDICT_GO && container_event_class(e) != CLASS_REQUEST;
                }
                if (defers && !ends)
                        fail_msg("%s puts requests off and ends only by a request", container_state_name(s));
        }
}

static void test_init_exit_is_never_lost(void **state)
{
        /* where init may live, its end goes somewhere now, or is looked at by the kick of the state that follows */
        static const enum container_state remembered[] = { CONTAINER_STARTING, CONTAINER_CHECKPOINTING,
                                                           CONTAINER_CHECKPOINTING_PAUSED, CONTAINER_CREATING };
        static const enum container_state now[] = { CONTAINER_CREATED, CONTAINER_RUNNING, CONTAINER_PAUSING,
                                                    CONTAINER_PAUSED, CONTAINER_RESUMING };

        for (size_t i = 0; i < ARRAY_SIZE(now); i++)
                assert_int_equal(container_cell_of(now[i], CEV_INIT_EXITED)->next, CONTAINER_STOPPING);
        for (size_t i = 0; i < ARRAY_SIZE(remembered); i++)
                assert_int_equal(container_cell_of(remembered[i], CEV_INIT_EXITED)->verdict, VERDICT_IGNORE);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_container_cell_is_decided),
                cmocka_unit_test(test_every_process_cell_is_decided),
                cmocka_unit_test(test_classes),
                cmocka_unit_test(test_refusals_have_words),
                cmocka_unit_test(test_every_state_is_reachable),
                cmocka_unit_test(test_every_state_leads_to_gone),
                cmocka_unit_test(test_states_that_defer_end_by_themselves),
                cmocka_unit_test(test_init_exit_is_never_lost),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
