/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "keeper/notify.h"

static struct notify parse(const char *text)
{
        struct notify n;

        notify_parse(&n, text, strlen(text));
        return n;
}

static void test_lines(void **state)
{
        struct notify n = parse("READY=1\nMAINPID=7\nFDSTORE=1\nFDNAME=ab12\nFDPOLL=0\nSTATUS=go\tod\x7f");

        assert_true(n.ready);
        assert_true(n.store);
        assert_false(n.remove);
        assert_false(n.poll);
        assert_true(n.name_ok);
        assert_string_equal(n.name, "ab12");
        assert_string_equal(n.status, "go od ");
        n = parse("FDSTOREREMOVE=1\nFDNAME=x");
        assert_true(n.remove);
        assert_false(n.store);
        n = parse("FDSTORE=1");
        assert_true(n.poll);
        assert_true(n.name_ok);
        assert_string_equal(n.name, "stored");
        n = parse("STOPPING=1\n\n");
        assert_true(n.stopping);
}

static void test_not_quite(void **state)
{
        static const char *const names[] = { "FDNAME=", "FDNAME=123456789", "FDNAME=a b", "FDNAME=a:b",
                                             "FDNAME=\xc3\xa4" };
        struct notify n = parse("READY=2\nREADY=10\nXREADY=1\nREADY=1 \nFDSTORE\nFDPOLL=1\nFDSTOREREMOVE=");

        assert_false(n.ready || n.store || n.remove || n.stopping);
        assert_true(n.poll);
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
                n = parse(names[i]);
                assert_false(n.name_ok);
        }
        n = parse("");
        assert_false(n.ready);
        notify_parse(&n, "READY=1\0", 8); /* a NUL is a byte of the line */
        assert_false(n.ready);
}

static void test_long_status(void **state)
{
        char text[NOTIFY_MAX];
        struct notify n;

        memset(text, 'x', sizeof(text));
        memcpy(text, "STATUS=", 7);
        notify_parse(&n, text, sizeof(text));
        assert_int_equal(strlen(n.status), NOTIFY_STATUS_MAX - 1);
}

/* Whatever it is: it ends, and the strings end. The text is at the end of its allocation for AddressSanitizer. */
static void test_random(void **state)
{
        srandom(1);
        for (int i = 0; i < 20000; i++) {
                size_t len = (size_t)random() % 64;
                char *text = malloc(len ? len : 1);
                struct notify n;

                for (size_t k = 0; k < len; k++)
                        text[k] = "FDNAMESTOR=1\n\0x"[random() % 15];
                notify_parse(&n, text, len);
                assert_true(strnlen(n.name, sizeof(n.name)) < sizeof(n.name));
                assert_true(strnlen(n.status, sizeof(n.status)) < sizeof(n.status));
                free(text);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_lines),
                cmocka_unit_test(test_not_quite),
                cmocka_unit_test(test_long_status),
                cmocka_unit_test(test_random),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
