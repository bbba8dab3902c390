/* SPDX-License-Identifier: Apache-2.0 */

/* What goes into a pipe comes out of a FIFO, all of it and in order, and the FIFO has an end when it should. */

#include "tests/lib/rig.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "base/clock.h"
#include "base/fd.h"
#include "daemon/relay.h"

struct test {
        struct rig rig;
        struct relay *relay;
        char path[64];
        int writer, reader; /* the process's and the client's */
        unsigned n_changed;
        int n_fds;
};

static void on_change(void *data)
{
        ((struct test *)data)->n_changed++;
}

static int open_sink(struct test *t)
{
        int fd = open(t->path, O_RDWR | O_NONBLOCK | O_CLOEXEC);

        assert_true(fd >= 0);
        return fd;
}

static int setup(void **state)
{
        struct test *t = calloc(1, sizeof(*t));
        struct error err = ERROR_NULL;

        rig_init(&t->rig);
        t->n_fds = fd_count();
        snprintf(t->path, sizeof(t->path), "%s/out", t->rig.dir);
        assert_int_equal(mkfifo(t->path, 0600), 0);
        t->reader = open(t->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        assert_int_equal(relay_new(&t->relay, t->rig.loop, 12, 34, on_change, t, &err), 0);
        t->writer = fcntl(relay_writer(t->relay), F_DUPFD_CLOEXEC, 0);
        assert_true(t->reader >= 0 && t->writer >= 0);
        *state = t;
        return 0;
}

static int teardown(void **state)
{
        struct test *t = *state;

        relay_free(t->relay);
        fd_close(t->writer);
        fd_close(t->reader);
        rig_wait(&t->rig, fd_count() == t->n_fds);
        rig_deinit(&t->rig);
        free(t);
        return 0;
}

static void begin(struct test *t)
{
        assert_false(relay_moves(t->relay));
        relay_begin(t->relay, open_sink(t));
        assert_true(relay_moves(t->relay));
        assert_int_equal(relay_writer(t->relay), -1);
}

/* What there is: 0 at the end, -EAGAIN for nothing yet. */
static ssize_t take(struct test *t, void *data, size_t size)
{
        ssize_t n = read(t->reader, data, size);

        return n < 0 ? -errno : n;
}

static void expect(struct test *t, const char *text)
{
        char got[64];
        ssize_t n = -1;

        rig_wait(&t->rig, (n = take(t, got, sizeof(got))) != -EAGAIN);
        assert_int_equal(n, strlen(text));
        assert_memory_equal(got, text, (size_t)n);
}

static void put(struct test *t, const char *text)
{
        assert_int_equal(write(t->writer, text, strlen(text)), strlen(text));
}

static void test_moves(void **state)
{
        struct test *t = *state;
        struct stat st;

        assert_int_equal(fstat(t->writer, &st), 0);
        assert_true(st.st_uid == 12 && st.st_gid == 34);
        put(t, "early ");
        begin(t);
        expect(t, "early ");
        put(t, "late");
        expect(t, "late");
        t->writer = fd_close(t->writer);
        expect(t, "");
        assert_int_equal(t->n_changed, 1);
        assert_false(relay_moves(t->relay));
        assert_int_equal(relay_source(t->relay), -1);
}

/* The client is not there when the process ends: what it has not read stays. */
static void test_client_comes_back(void **state)
{
        struct test *t = *state;

        begin(t);
        t->reader = fd_close(t->reader);
        put(t, "unread");
        t->writer = fd_close(t->writer);
        rig_wait(&t->rig, t->n_changed == 1);
        t->reader = open(t->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        expect(t, "unread");
        expect(t, "");
}

/* A megabyte from a process of its own, with numbers in it, and a client that reads now and then. */
static void test_much(void **state)
{
        struct test *t = *state;
        static uint32_t numbers[1 << 18], got[1 << 18];
        size_t have = 0;
        ssize_t n = -1;
        pid_t pid;

        for (uint32_t i = 0; i < ARRAY_SIZE(numbers); i++)
                numbers[i] = i * 2654435761U;
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
                _exit(fd_write_all(t->writer, numbers, sizeof(numbers)) < 0);
        t->writer = fd_close(t->writer);
        begin(t);
        while (n != 0) {
                rig_wait(&t->rig, (n = take(t, (uint8_t *)got + have, have == sizeof(got) ? 1 : 50000)) != -EAGAIN);
                assert_true(n >= 0 && have + (size_t)n <= sizeof(got));
                have += (size_t)n;
        }
        assert_int_equal(have, sizeof(got));
        assert_memory_equal(got, numbers, sizeof(got));
        waitpid(pid, NULL, 0); /* the reaper may have been first */
}

/* Nobody reads: the process is stopped by two full pipes, and we sleep. */
static void test_full(void **state)
{
        struct test *t = *state;
        size_t in = 0, out = 0;
        uint64_t rounds;
        uint8_t block[4096];
        ssize_t n = 0;

        memset(block, 'x', sizeof(block));
        begin(t);
        fd_set_nonblock(t->writer, true);
        for (int i = 0; i < 1000; i++) {
                if ((n = write(t->writer, block, sizeof(block))) > 0)
                        in += (size_t)n;
                loop_run_once(t->rig.loop, false);
        }
        assert_true(n < 0 && in >= 65536);
        rounds = loop_stats(t->rig.loop)->rounds;
        unit_run_for(t->rig.loop, 50 * NSEC_PER_MSEC);
        assert_true(loop_stats(t->rig.loop)->rounds < rounds + 10);
        assert_true(relay_moves(t->relay));
        t->writer = fd_close(t->writer);
        while (n != 0) {
                rig_wait(&t->rig, (n = take(t, block, sizeof(block))) != -EAGAIN);
                out += (size_t)n;
        }
        assert_int_equal(out, in);
}

/* Somebody else has the writer: the owner ends it, and the other cannot write any more. */
static void test_cut(void **state)
{
        struct test *t = *state;

        signal(SIGPIPE, SIG_IGN);
        begin(t);
        put(t, "x");
        expect(t, "x");
        t->relay = relay_free(t->relay);
        expect(t, "");
        assert_true(write(t->writer, "y", 1) < 0 && errno == EPIPE);
        signal(SIGPIPE, SIG_DFL);
}

/* The owner goes first. The end comes all the same, and then nothing is left (teardown). */
static void test_release(void **state)
{
        struct test *t = *state;

        begin(t);
        put(t, "last words");
        relay_release(TAKE(t->relay));
        t->writer = fd_close(t->writer);
        expect(t, "last words");
        expect(t, "");
        assert_int_equal(t->n_changed, 0);
}

static void test_release_before(void **state)
{
        struct test *t = *state;

        relay_release(TAKE(t->relay));
        relay_release(NULL);
        assert_int_equal(take(t, &(char){ 0 }, 1), 0);
}

/* The next daemon has copies of both ends. */
static void test_adopt(void **state)
{
        struct test *t = *state;
        int source = fcntl(relay_source(t->relay), F_DUPFD_CLOEXEC, 0);

        put(t, "in the pipe");
        relay_free(t->relay);
        assert_int_equal(relay_adopt(&t->relay, t->rig.loop, source, open_sink(t), on_change, t), 0);
        expect(t, "in the pipe");
        t->writer = fd_close(t->writer);
        expect(t, "");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                T(test_moves), T(test_client_comes_back), T(test_much), T(test_full),
                T(test_cut), T(test_release), T(test_release_before), T(test_adopt),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
