/* SPDX-License-Identifier: Apache-2.0 */
/* <sandboxd/methods.h> is what we say it is: the layout of our structs and the numbers of our enums. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "client/client.h"
#include "client/methods.h"
#include "proto/proto.h"

struct sandboxd_empty {
};

#define CHECK_FIELD(kind, name, limit, flags, text)                                                                    \
        assert_int_equal(offsetof(ours, name), offsetof(theirs, name));                                                \
        assert_int_equal(sizeof(((ours *)NULL)->name), sizeof(((theirs *)NULL)->name));
#define CHECK_MESSAGE(T, text)                                                                                         \
        static void test_##T(void **state)                                                                             \
        {                                                                                                              \
                typedef struct T ours;                                                                                 \
                typedef struct sandboxd_##T theirs;                                                                    \
                assert_int_equal(sizeof(ours), sizeof(theirs));                                                        \
                FIELDS_##T(CHECK_FIELD)                                                                                \
        }
MESSAGES(CHECK_MESSAGE)

static void test_enums(void **state)
{
#define X(name, wire, access, params, result, text, reasons) assert_int_equal(METHOD_##name, SANDBOXD_METHOD_##name);
#include "proto/methods.def"
#undef X
#define X(name, code, wire, text)                                                                                      \
        assert_int_equal(REASON_##name, SANDBOXD_REASON_##name);                                                       \
        assert_int_equal(reason_code(REASON_##name), SANDBOXD_CODE_##code);
#include "proto/errors.def"
#undef X
#define X(name, wire, text) assert_string_equal(wire, SANDBOXD_EVENT_##name);
#include "proto/events.def"
#undef X
}

int main(void)
{
#define TEST_MESSAGE(T, text) cmocka_unit_test(test_##T),
        const struct CMUnitTest tests[] = { MESSAGES(TEST_MESSAGE) cmocka_unit_test(test_enums) };

        return cmocka_run_group_tests_name("methods-header", tests, NULL, NULL);
}
