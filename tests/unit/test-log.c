/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include "base/fd.h"
#include "base/log.h"

struct fixture {
        char dir[32];
        char path[64];
};

static int setup(void **state)
{
        static struct fixture f;

        unit_mkdir(f.dir);
        snprintf(f.path, sizeof(f.path), "%s/log", f.dir);
        log_set_level(LOG_LEVEL_INFO);
        *state = &f;
        return log_open(f.path);
}

static int teardown(void **state)
{
        struct fixture *f = *state;

        log_close();
        unit_rmdir(f->dir);
        return 0;
}

static char *slurp(const char *path)
{
        char *text = NULL;

        assert_int_equal(fd_read_file(AT_FDCWD, path, 1 << 20, &text, NULL), 0);
        return text;
}

static void test_line(void **state)
{
        struct fixture *f = *state;
        _cleanup_(freep) char *text = NULL;
        struct stat st;

        errno = EXDEV;
        log_info("container %d", 7);
        assert_int_equal(errno, EXDEV);
        text = slurp(f->path);
        /* 2026-08-21T10:11:12.123456789Z info container 7 */
        assert_int_equal(strlen(text), 30 + strlen(" info container 7\n"));
        assert_int_equal(text[4], '-');
        assert_int_equal(text[29], 'Z');
        assert_string_equal(text + 30, " info container 7\n");
        assert_int_equal(stat(f->path, &st), 0);
        assert_int_equal(st.st_mode & 0777 & ~0640, 0);
}

static void test_level(void **state)
{
        struct fixture *f = *state;
        _cleanup_(freep) char *text = NULL;
        enum log_level level;

        log_debug("one");
        log_set_level(LOG_LEVEL_DEBUG);
        log_debug("two");
        log_set_level(LOG_LEVEL_ERROR);
        log_warn("three");
        log_error("four");
        text = slurp(f->path);
        assert_null(strstr(text, "one"));
        assert_non_null(strstr(text, " debug two\n"));
        assert_null(strstr(text, "three"));
        assert_non_null(strstr(text, " error four\n"));

        assert_int_equal(log_level_parse("warn", &level), 0);
        assert_int_equal(level, LOG_LEVEL_WARN);
        assert_int_equal(log_level_parse("warning", &level), -EINVAL);
        assert_int_equal(log_level_parse("", &level), -EINVAL);
}

/* Nobody can forge a line, or talk to the terminal of who reads the log. */
static void test_escape(void **state)
{
        struct fixture *f = *state;
        _cleanup_(freep) char *text = NULL;

        log_info("%s", "a\nb\tc\x1b[2Jd\x7f" "e\xc2\x9b" "f\xc3\xa4g");
        text = slurp(f->path);
        assert_string_equal(text + 30, " info a\\x0ab\\x09c\\x1b[2Jd\\x7fe\\xc2\\x9bf\xc3\xa4g\n");
}

static void test_long(void **state)
{
        struct fixture *f = *state;
        _cleanup_(freep) char *text = NULL, *big = NULL;

        big = calloc(1, 20000);
        memset(big, 'x', 19999);
        log_info("%s", big);
        memset(big, '\n', 19999);
        log_info("%s", big);
        log_info("end");
        text = slurp(f->path);
        assert_true(strcspn(text, "\n") < PIPE_BUF);
        assert_true(strcspn(text, "\n") > PIPE_BUF - 8);
        assert_non_null(strstr(text, "\\x0a\n"));
        assert_non_null(strstr(text, " info end\n"));
}

static void test_reopen(void **state)
{
        struct fixture *f = *state;
        _cleanup_(freep) char *before = NULL, *after = NULL;
        char old[80];

        log_info("before");
        snprintf(old, sizeof(old), "%s.1", f->path);
        assert_int_equal(rename(f->path, old), 0);
        log_info("still there");
        assert_int_equal(log_reopen(), 0);
        log_info("after");
        before = slurp(old);
        after = slurp(f->path);
        assert_non_null(strstr(before, "still there"));
        assert_null(strstr(before, "after"));
        assert_string_equal(after + 30, " info after\n");

        /* a sink that cannot be opened leaves the old one */
        assert_int_equal(log_open("/nonexistent/log"), -ENOENT);
        log_info("goes on");
        free(after);
        after = slurp(f->path);
        assert_non_null(strstr(after, "goes on"));
}

/* A reader that hangs does not stop us, and is told later what it missed. */
static void test_full(void **state)
{
        struct fixture *f = *state;
        char fifo[80], buf[70000];
        _cleanup_(fd_closep) int reader = -1;
        uint64_t begin;
        ssize_t n;

        snprintf(fifo, sizeof(fifo), "%s/fifo", f->dir);
        assert_int_equal(mkfifo(fifo, 0600), 0);
        assert_int_equal(log_open(fifo), -ENXIO); /* no reader: does not hang */
        reader = open(fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        assert_true(reader >= 0);
        assert_int_equal(log_open(fifo), 0);
        begin = clock_monotonic_ns();
        for (int i = 0; i < 5000; i++)
                log_info("line %d: some text that fills the pipe after a thousand times", i);
        assert_true(clock_monotonic_ns() - begin < 20 * NSEC_PER_SEC);
        n = read(reader, buf, sizeof(buf) - 1);
        assert_true(n > 10000);
        assert_int_equal(buf[n - 1], '\n'); /* whole lines only */
        log_info("after");
        n = read(reader, buf, sizeof(buf) - 1);
        assert_true(n > 0);
        buf[n] = '\0';
        assert_non_null(strstr(buf, " lines lost"));
        assert_non_null(strstr(buf, " info after\n"));
        log_info("again");
        n = read(reader, buf, sizeof(buf) - 1);
        buf[n > 0 ? n : 0] = '\0';
        assert_null(strstr(buf, " lines lost"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_line, setup, teardown),
                cmocka_unit_test_setup_teardown(test_level, setup, teardown),
                cmocka_unit_test_setup_teardown(test_escape, setup, teardown),
                cmocka_unit_test_setup_teardown(test_long, setup, teardown),
                cmocka_unit_test_setup_teardown(test_reopen, setup, teardown),
                cmocka_unit_test_setup_teardown(test_full, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
