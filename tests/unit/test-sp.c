/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include "daemon/sp.h"

static void test_greeting(void **state)
{
        uint8_t bad[SP_GREETING];

        assert_true(sp_greeting_is_req((const uint8_t *)"\0SP\0\0\x30\0\0"));
        for (size_t i = 0; i < SP_GREETING; i++) {
                memcpy(bad, "\0SP\0\0\x30\0\0", SP_GREETING);
                bad[i] ^= 1;
                assert_false(sp_greeting_is_req(bad));
        }
        assert_memory_equal(sp_greeting_rep, "\0SP\0\0\x31\0\0", SP_GREETING);
}

static void test_head(void **state)
{
        static const uint64_t lens[] = { 0, 1, 255, 256, 8388608, UINT64_C(0x0123456789abcdef), UINT64_MAX };
        uint8_t head[SP_HEAD];
        uint64_t len;

        for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
                sp_head_write(head, lens[i]);
                assert_int_equal(sp_head_read(head, &len), 0);
                assert_true(len == lens[i]);
        }
        sp_head_write(head, 0x0102);
        assert_memory_equal(head, "\1\0\0\0\0\0\0\1\2", SP_HEAD);
        head[0] = 0;
        assert_int_equal(sp_head_read(head, &len), -EPROTO);
}

static void test_trace(void **state)
{
        uint8_t msg[40] = { 0 };

        assert_int_equal(sp_trace_len((const uint8_t *)"\x80\0\0\1", 4), 4);
        assert_int_equal(sp_trace_len((const uint8_t *)"\x80\0\0\1rest", 8), 4);
        assert_int_equal(sp_trace_len((const uint8_t *)"\0\0\0\1\x80\0\0\1rest", 12), 8);
        assert_int_equal(sp_trace_len((const uint8_t *)"\0\0\0\1\x80\0\0", 7), -EPROTO);
        assert_int_equal(sp_trace_len((const uint8_t *)"\x80\0\0", 3), -EPROTO);
        assert_int_equal(sp_trace_len((const uint8_t *)"", 0), -EPROTO);
        msg[28] = 0x80;
        assert_int_equal(sp_trace_len(msg, sizeof(msg)), SP_TRACE_MAX);
        msg[28] = 0;
        msg[32] = 0x80; /* a hop too many */
        assert_int_equal(sp_trace_len(msg, sizeof(msg)), -EPROTO);
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(test_greeting), cmocka_unit_test(test_head),
                                            cmocka_unit_test(test_trace) };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
