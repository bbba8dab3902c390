/* SPDX-License-Identifier: Apache-2.0 */
/* client/ctl/terminal.c: the keys that detach, wherever a read cuts them; and a terminal that is left as it was. */
#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/cleanup.h"
#include "client/ctl/terminal.h"

static void test_parse(void **state)
{
        struct detach d;

        assert_int_equal(detach_parse(&d, "ctrl-p,ctrl-q"), 0);
        assert_int_equal(d.n, 2);
        assert_int_equal(d.keys[0], 16);
        assert_int_equal(d.keys[1], 17);
        assert_int_equal(detach_parse(&d, "a,CTRL-],ctrl-@"), 0);
        assert_int_equal(d.n, 3);
        assert_int_equal(d.keys[1], 29);
        assert_int_equal(d.keys[2], 0);
        assert_int_equal(detach_parse(&d, ""), 0);
        assert_int_equal(d.n, 0);
        assert_int_equal(detach_parse(&d, "ctrl-"), -EINVAL);
        assert_int_equal(detach_parse(&d, "ctrl-!"), -EINVAL);
        assert_int_equal(detach_parse(&d, "ab"), -EINVAL);
        assert_int_equal(detach_parse(&d, "a,"), -EINVAL);
        assert_int_equal(detach_parse(&d, "a,,b"), -EINVAL);
        assert_int_equal(detach_parse(&d, "a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a"), -EINVAL);
}

/* What goes through, in every way to cut the input in two reads. expected NULL: it detaches. */
static void through(const char *keys, const char *input, const char *passed, bool detaches)
{
        size_t n = strlen(input);

        for (size_t cut = 0; cut <= n; cut++) {
                struct detach d;
                uint8_t out[256];
                size_t a, b = 0;
                bool done;

                assert_int_equal(detach_parse(&d, keys), 0);
                done = detach_filter(&d, (const uint8_t *)input, cut, out, &a);
                if (!done)
                        done = detach_filter(&d, (const uint8_t *)input + cut, n - cut, out + a, &b);
                assert_int_equal(done, detaches);
                assert_int_equal(a + b, strlen(passed));
                assert_memory_equal(out, passed, a + b);
        }
}

static void test_filter(void **state)
{
        through("p,q", "hello", "hello", false);
        through("p,q", "pq", "", true);
        through("p,q", "hello pq", "hello ", true);
        through("p,q", "px", "px", false);
        through("p,q", "ppq", "p", true);   /* the second p begins it again */
        through("p,q", "pppx", "pppx", false);
        through("p,p,q", "pppq", "p", true);
        through("a,b,a,c", "ababac", "ab", true);
        through("q", "xqy", "x", true);
        through("", "anything\x10\x11", "anything\x10\x11", false);
}

static void test_raw_and_back(void **state)
{
        struct terminal t = TERMINAL_NULL;
        struct termios before, raw, after;
        uint32_t columns, rows;
        struct winsize size = { .ws_col = 91, .ws_row = 33 };
        int master, slave;

        assert_int_equal(openpty(&master, &slave, NULL, NULL, &size), 0);
        tcgetattr(slave, &before);
        assert_int_equal(terminal_size(slave, &columns, &rows), 0);
        assert_int_equal(columns, 91);
        assert_int_equal(rows, 33);
        assert_int_equal(terminal_raw(&t, slave), 0);
        tcgetattr(slave, &raw);
        assert_int_equal(raw.c_lflag & (ECHO | ICANON | ISIG), 0);
        terminal_restore(&t);
        tcgetattr(slave, &after);
        assert_int_equal(after.c_lflag, before.c_lflag);
        assert_int_equal(after.c_iflag, before.c_iflag);
        assert_int_equal(after.c_oflag, before.c_oflag);
        terminal_restore(&t);
        close(master);
        close(slave);
        master = open("/dev/null", O_RDWR | O_CLOEXEC);
        assert_true(terminal_raw(&t, master) < 0);
        assert_true(terminal_size(master, &columns, &rows) < 0);
        close(master);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_parse),
                cmocka_unit_test(test_filter),
                cmocka_unit_test(test_raw_and_back),
        };

        return cmocka_run_group_tests_name("ctl-terminal", tests, NULL, NULL);
}
