/* SPDX-License-Identifier: Apache-2.0 */
/* client/frame.c: what is read is what was written, however it is cut up; and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "client/frame.h"

static void test_greeting(void **state)
{
        static const uint8_t req[] = { 0, 'S', 'P', 0, 0, 0x30, 0, 0 };
        _cleanup_(buf_deinit) struct buf b = BUF_NULL;

        frame_greet(&b, FRAME_PROTOCOL_REQ);
        assert_int_equal(buf_len(&b), sizeof(req));
        assert_memory_equal(buf_head(&b), req, sizeof(req));
        assert_int_equal(frame_greeted(&b, FRAME_PROTOCOL_REP), -1);
        assert_int_equal(frame_greeted(&b, FRAME_PROTOCOL_REQ), 1);
        assert_int_equal(buf_len(&b), 0);
        for (size_t i = 0; i < sizeof(req); i++) {
                uint8_t wrong = (uint8_t)(req[i] ^ 0x10);

                assert_int_equal(frame_greeted(&b, FRAME_PROTOCOL_REQ), 0);
                buf_append(&b, &wrong, 1);
                assert_int_equal(frame_greeted(&b, FRAME_PROTOCOL_REQ), -1); /* at once */
                b.end--;
                buf_append(&b, &req[i], 1);
        }
        assert_int_equal(frame_greeted(&b, FRAME_PROTOCOL_REQ), 1);
}

static void test_whole_at_last_byte(void **state)
{
        _cleanup_(buf_deinit) struct buf whole = BUF_NULL, b = BUF_NULL;
        struct frame f;

        frame_append(&whole, FRAME_ID_BIT | 7, "hello", 5);
        frame_append(&whole, FRAME_ID_BIT | 8, "", 0);
        assert_int_equal(buf_len(&whole), 9 + 4 + 5 + 9 + 4);
        for (size_t i = 0; i < buf_len(&whole); i++) {
                assert_int_equal(frame_next(&b, 100, &f), 0);
                buf_append(&b, buf_head(&whole) + i, 1);
                if (i + 1 != 18 && i + 1 != 31)
                        continue;
                assert_int_equal(frame_next(&b, 100, &f), 1);
                assert_int_equal(f.id, FRAME_ID_BIT | (i + 1 == 18 ? 7U : 8U));
                assert_int_equal(f.len, i + 1 == 18 ? 5 : 0);
                if (f.len > 0)
                        assert_memory_equal(f.payload, "hello", 5);
                buf_consume(&b, f.size);
        }
        assert_int_equal(buf_len(&b), 0);
}

static void refuse(const char *bytes, size_t n, size_t max, int expected)
{
        _cleanup_(buf_deinit) struct buf b = BUF_NULL;
        struct frame f;

        buf_append(&b, bytes, n);
        assert_int_equal(frame_next(&b, max, &f), expected);
}

static void test_refused(void **state)
{
        refuse("\2", 1, 100, -1);                                     /* not a message */
        refuse("\1\0\0\0\0\0\0\0\3", 9, 100, -1);                     /* no room for a number */
        refuse("\1\0\0\0\0\0\0\0\145", 9, 100, -1);                   /* 101 > 100, before it comes */
        refuse("\1\0\0\0\0\0\0\0\144", 9, 100, 0);                    /* 100 */
        refuse("\1\377\377\377\377\377\377\377\377", 9, SIZE_MAX, 0); /* never whole, and nothing overflows */
        refuse("\1\0\0\0\0\0\0\0\5\177\0\0\1", 13, 100, -1);          /* a number without the top bit */
        refuse("\1\0\0\0\0\0\0\0\4\200\0\0\1", 13, 100, 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_greeting),
                cmocka_unit_test(test_whole_at_last_byte),
                cmocka_unit_test(test_refused),
        };

        return cmocka_run_group_tests_name("frame", tests, NULL, NULL);
}
