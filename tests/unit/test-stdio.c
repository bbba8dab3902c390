/* SPDX-License-Identifier: Apache-2.0 */

/* The stdio of a process without a terminal: FIFOs, files, loggers; what clients may do to it, and what must not be
 * lost. */

#include "tests/lib/rig.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "base/fd.h"
#include "daemon/logger.h"
#include "daemon/stdio.h"
#include "daemon/stdio_uri.h"

#define PATH_SIZE 256

struct test {
        struct rig rig;
        struct stdio stdio;
        struct spawn spawn;
        struct stdio_paths paths;
        char in[PATH_SIZE], out[PATH_SIZE], err[PATH_SIZE];
        unsigned n_ready, n_drained;
        struct error error; /* of on_ready */
        bool executed, exited;
        int exec_errno;
        struct exit_info exit;
        bool deinit_at_exit;
        int n_fds; /* at the beginning */
        int handed[3]; /* flags of what was handed back */
};

/* --- the frame --- */

static int setup(void **state)
{
        struct test *t = calloc(1, sizeof(*t));

        rig_init(&t->rig);
        t->n_fds = fd_count();
        stdio_init(&t->stdio, t->rig.loop, t->rig.reaper);
        spawn_init(&t->spawn, t->rig.loop);
        t->paths = (struct stdio_paths){ .in = "", .out = "", .err = "", .ns = "ns1", .id = "c1" };
        *state = t;
        return 0;
}

static int teardown(void **state)
{
        struct test *t = *state;

        if (spawn_active(&t->spawn)) {
                spawn_kill(&t->spawn, SIGKILL);
                rig_wait(&t->rig, t->exited);
        }
        stdio_deinit(&t->stdio);
        stdio_deinit(&t->stdio); /* twice is fine */
        rig_wait(&t->rig, fd_count() == t->n_fds); /* loggers end later; nothing is left open */
        rig_deinit(&t->rig);
        free(t);
        return 0;
}

static void path_in(const struct test *t, char path[PATH_SIZE], const char *prefix, const char *name)
{
        snprintf(path, PATH_SIZE, "%s%s/%s", prefix, t->rig.dir, name);
}

static void make_fifos(struct test *t)
{
        path_in(t, t->in, "", "in");
        path_in(t, t->out, "", "out");
        path_in(t, t->err, "", "err");
        assert_int_equal(mkfifo(t->in, 0600) | mkfifo(t->out, 0600) | mkfifo(t->err, 0600), 0);
        t->paths.in = t->in;
        t->paths.out = t->out;
        t->paths.err = t->err;
}

static void on_ready(struct stdio *s, const struct error *err)
{
        struct test *t = container_of(s, struct test, stdio);

        t->n_ready++;
        if (err)
                t->error = *err;
}

static void on_drained(struct stdio *s)
{
        container_of(s, struct test, stdio)->n_drained++;
}

static void on_spawn_ready(struct spawn *spawn, struct spawn_ready *ready)
{
        struct test *t = container_of(spawn, struct test, spawn);

        t->executed = ready->ok;
        t->exec_errno = ready->errnum;
        if (ready->ok)
                stdio_take(&t->stdio, ready);
}

static void on_spawn_exit(struct spawn *spawn, const struct exit_info *info)
{
        struct test *t = container_of(spawn, struct test, spawn);

        t->exited = true;
        t->exit = *info;
        stdio_process_ended(&t->stdio);
        if (t->deinit_at_exit)
                stdio_deinit(&t->stdio);
}

static void prepare(struct test *t)
{
        struct error err = ERROR_NULL;

        t->stdio.on_drained = on_drained;
        if (stdio_prepare(&t->stdio, &t->paths, NULL, on_ready, &err) < 0)
                fail_msg("%s", err.message);
        assert_int_equal(t->n_ready, 0); /* never from inside */
        rig_wait(&t->rig, t->n_ready == 1);
}

/* Runs a shell script as the process. */
static void start(struct test *t, const char *script)
{
        char *const argv[] = { (char *)"sh", (char *)"-c", (char *)script, NULL };
        char *const envp[] = { (char *)"PATH=/usr/bin:/bin", NULL };
        struct spawn_params params = SPAWN_PARAMS_NULL;

        prepare(t);
        assert_false(error_is_set(&t->error));
        params.path = "/bin/sh";
        params.argv = argv;
        params.envp = envp;
        memcpy(params.stdio, t->stdio.child, sizeof(params.stdio));
        assert_int_equal(spawn_start(&t->spawn, t->rig.reaper, &params, on_spawn_ready, on_spawn_exit), 0);
        spawn_release(&t->spawn);
        rig_wait(&t->rig, t->executed || t->exec_errno);
}

static void finish(struct test *t, int status)
{
        rig_wait(&t->rig, t->exited);
        assert_true(WIFEXITED(t->exit.wait_status));
        assert_int_equal(WEXITSTATUS(t->exit.wait_status), status);
}

static int client_open(const char *path, int flags)
{
        int fd = open(path, flags | O_NONBLOCK | O_CLOEXEC);

        assert_true(fd >= 0);
        return fd;
}

/* Reads what comes until end of file (or `max` bytes), with the loop running; returns the number of bytes. */
static size_t client_read(struct test *t, int fd, char *buf, size_t max)
{
        uint64_t deadline = clock_monotonic_ns() + UNIT_DEADLINE_NS;
        size_t len = 0;

        while (len < max) {
                ssize_t n = read(fd, buf + len, max - len);

                if (n == 0)
                        break;
                if (n > 0) {
                        len += (size_t)n;
                        continue;
                }
                assert_int_equal(errno, EAGAIN);
                assert_true(clock_monotonic_ns() < deadline);
                poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, 20);
                loop_run_once(t->rig.loop, false);
        }
        return len;
}

static void expect_read(struct test *t, int fd, const char *text)
{
        char buf[4096];
        size_t len = client_read(t, fd, buf, strlen(text));

        assert_int_equal(len, strlen(text));
        assert_memory_equal(buf, text, len);
}

static void expect_end(struct test *t, int fd)
{
        char byte;

        assert_int_equal(client_read(t, fd, &byte, 1), 0);
}

static void write_text(int fd, const char *text)
{
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void expect_file(const struct test *t, const char *name, const char *text)
{
        _cleanup_(freep) char *data = NULL;
        char path[PATH_SIZE];
        size_t len;

        path_in(t, path, "", name);
        assert_int_equal(fd_read_file(AT_FDCWD, path, 1 << 20, &data, &len), 0);
        assert_string_equal(data, text);
}

/* --- URIs --- */

static void test_uri(void **state)
{
        static const struct {
                const char *text;
                enum reason reason; /* of the error */
                enum stdio_scheme scheme;
                const char *path;
        } cases[] = {
                { "", REASON_NONE, STDIO_NONE, "" },
                { "/run/a b%20c", REASON_NONE, STDIO_FIFO, "/run/a b%20c" },
                { "/run/odd://x", REASON_NONE, STDIO_FIFO, "/run/odd://x" },
                { "fifo:///run/a%20b", REASON_NONE, STDIO_FIFO, "/run/a b" },
                { "FILE:///var/log/x?a=b#c", REASON_NONE, STDIO_FILE, "/var/log/x" },
                { "file:///a%2Fb%41", REASON_NONE, STDIO_FILE, "/a/bA" },
                { "binary:///bin/logger", REASON_NONE, STDIO_BINARY, "/bin/logger" },
                { "relative", REASON_INVALID_ARGUMENT, 0, NULL },
                { "fifo://relative", REASON_INVALID_ARGUMENT, 0, NULL },
                { "file://", REASON_INVALID_ARGUMENT, 0, NULL },
                { "file:///a%2", REASON_INVALID_ARGUMENT, 0, NULL },
                { "file:///a%", REASON_INVALID_ARGUMENT, 0, NULL },
                { "file:///a%zz", REASON_INVALID_ARGUMENT, 0, NULL },
                { "file:///a%00b", REASON_INVALID_ARGUMENT, 0, NULL },
                { "http://host/x", REASON_UNKNOWN_STDIO, 0, NULL },
                { "streaming+http:///x", REASON_UNKNOWN_STDIO, 0, NULL },
                { "://x", REASON_UNKNOWN_STDIO, 0, NULL },
                { "fif:///x", REASON_UNKNOWN_STDIO, 0, NULL },
        };
        struct arena *a = arena_new();

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct error err = ERROR_NULL;
                struct stdio_uri uri;
                int r = stdio_uri_parse(cases[i].text, "stdout", a, &uri, &err);

                if (err.reason != (int)cases[i].reason || (r < 0) != (cases[i].reason != REASON_NONE))
                        fail_msg("%s: %d %s", cases[i].text, r, err.message);
                if (r < 0)
                        continue;
                assert_int_equal(uri.scheme, cases[i].scheme);
                assert_string_equal(uri.path, cases[i].path);
        }
        arena_free(a);
}

static void test_uri_args(void **state)
{
        static const char *const want[] = { "k", "v 1", "b", "", "c", "", "d", "=&" };
        struct arena *a = arena_new();
        struct error err = ERROR_NULL;
        struct stdio_uri uri;

        assert_int_equal(stdio_uri_parse("binary:///x?k=v+1&b=&c&k=again&&d=%3D%26#f", "stdout", a, &uri, &err), 0);
        assert_int_equal(uri.args.n, ARRAY_SIZE(want));
        for (size_t i = 0; i < uri.args.n; i++)
                assert_string_equal(uri.args.items[i], want[i]);
        assert_int_equal(stdio_uri_parse("binary:///x?", "stdout", a, &uri, &err), 0);
        assert_int_equal(uri.args.n, 0);
        assert_int_equal(stdio_uri_parse("binary:///x?k=%", "stdout", a, &uri, &err), -1);
        arena_free(a);
}

static void test_check(void **state)
{
        static const struct {
                struct stdio_paths paths;
                enum reason reason;
        } cases[] = {
                { { .in = "", .out = "", .err = "" }, REASON_NONE },
                { { .in = "/a", .out = "/b", .err = "/c" }, REASON_NONE },
                { { .in = "file:///a", .out = "", .err = "" }, REASON_INVALID_ARGUMENT },
                { { .in = "nope:///a", .out = "", .err = "" }, REASON_UNKNOWN_STDIO },
                { { .in = "", .out = "file:///b", .err = "/c" }, REASON_NONE },
                { { .in = "", .out = "/b", .err = "file:///c" }, REASON_NONE },
                { { .in = "", .out = "binary:///b?x=y", .err = "binary:///b?x=y" }, REASON_NONE },
                { { .in = "", .out = "binary:///b", .err = "" }, REASON_NONE },
                { { .in = "", .out = "binary:///b", .err = "binary:///c" }, REASON_INVALID_ARGUMENT },
                { { .in = "", .out = "binary:///b?x=y", .err = "binary:///b" }, REASON_INVALID_ARGUMENT },
                { { .in = "", .out = "", .err = "binary:///c" }, REASON_INVALID_ARGUMENT },
                { { .in = "", .out = "binary:///b", .err = "/c" }, REASON_INVALID_ARGUMENT },
                { { .in = "", .out = "x://b", .err = "" }, REASON_UNKNOWN_STDIO },
                { { .terminal = true, .in = "/a", .out = "/b", .err = "" }, REASON_NONE },
                { { .terminal = true, .in = "/a", .out = "/b", .err = "/c" }, REASON_NONE },
                { { .terminal = true, .in = "", .out = "binary:///b", .err = "" }, REASON_NONE },
                { { .terminal = true, .in = "", .out = "file:///b", .err = "" }, REASON_INVALID_ARGUMENT },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct error err = ERROR_NULL;
                int r = stdio_check(&cases[i].paths, &err);

                if (err.reason != (int)cases[i].reason || (r < 0) != (cases[i].reason != REASON_NONE))
                        fail_msg("case %zu: %d %s", i, r, err.message);
        }
}

/* --- null, files --- */

static void test_null(void **state)
{
        struct test *t = *state;

        start(t, "cat; echo lost; echo lost >&2; readlink /proc/self/fd/2 >/dev/null; exit 4");
        finish(t, 4);
        assert_true(stdio_drained(&t->stdio));
        rig_wait(&t->rig, t->n_drained == 1);
        assert_int_equal(stdio_resize(&t->stdio, 80, 25), 0);
}

static void test_file(void **state)
{
        struct test *t = *state;
        struct stat st;

        path_in(t, t->out, "file://", "d/e/log%20file");
        t->paths.out = t->out;
        start(t, "echo one; echo two >&2; echo three");
        finish(t, 0);
        expect_file(t, "d/e/log file", "one\ntwo\nthree\n");
        path_in(t, t->err, "", "d/e/log file");
        assert_int_equal(stat(t->err, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0644);
        path_in(t, t->err, "", "d/e");
        assert_int_equal(stat(t->err, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0755);

        t->executed = t->exited = false; /* another process appends */
        t->n_ready = 0;
        stdio_deinit(&t->stdio);
        stdio_init(&t->stdio, t->rig.loop, t->rig.reaper);
        start(t, "echo four");
        finish(t, 0);
        expect_file(t, "d/e/log file", "one\ntwo\nthree\nfour\n");
}

static void put_file(const struct test *t, const char *name, const char *text, mode_t mode)
{
        char path[PATH_SIZE];
        int fd;

        path_in(t, path, "", name);
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
        assert_true(fd >= 0);
        write_text(fd, text);
        fd_close(fd);
}

static void test_plain_files(void **state)
{
        struct test *t = *state;

        put_file(t, "in", "from a file\n", 0600);
        put_file(t, "out", "begin\n", 0600);
        path_in(t, t->in, "", "in");
        path_in(t, t->out, "", "out");
        t->paths.in = t->in;
        t->paths.out = t->out;
        start(t, "cat");
        finish(t, 0);
        expect_file(t, "out", "begin\nfrom a file\n");
}

/* --- FIFOs --- */

static void test_fifo_missing(void **state)
{
        struct test *t = *state;

        t->paths.out = "/nonexistent/out";
        start(t, "true");
        assert_false(t->executed);
        assert_int_equal(t->exec_errno, ENOENT);
        rig_wait(&t->rig, t->exited);
}

/* 8 MiB, written just before the exit, with the daemon's side gone at once: all of it arrives, then the end. */
static void test_nothing_lost(void **state)
{
        struct test *t = *state;
        size_t size = 12 << 20, want = 0, len, at = 0;
        char *got = malloc(size), line[32];
        int out, err;

        make_fifos(t);
        t->deinit_at_exit = true;
        out = client_open(t->out, O_RDONLY);
        err = client_open(t->err, O_RDONLY);
        start(t, "seq 1 1200000; echo end >&2; exit 42");
        len = client_read(t, out, got, size);
        assert_true(len > 8 << 20);
        for (unsigned i = 1; i <= 1200000; i++) {
                int n = snprintf(line, sizeof(line), "%u\n", i);

                want += (size_t)n;
                assert_true(want <= len && memcmp(got + at, line, (size_t)n) == 0);
                at += (size_t)n;
        }
        assert_int_equal(len, want);
        expect_read(t, err, "end\n");
        expect_end(t, err);
        finish(t, 42);
        free(got);
        fd_close(out);
        fd_close(err);
}

/* Nobody was there to read it: it is kept until we are told that it is not wanted. */
static void test_reader_comes_late(void **state)
{
        struct test *t = *state;
        int out;

        make_fifos(t);
        start(t, "echo early");
        finish(t, 0);
        out = client_open(t->out, O_RDONLY);
        expect_read(t, out, "early\n");
        expect_end(t, out);
        fd_close(out);
}

static void test_reader_restarts(void **state)
{
        struct test *t = *state;
        int in, out;

        make_fifos(t);
        out = client_open(t->out, O_RDONLY);
        in = -1;
        start(t, "while read x; do echo \"<$x>\" || exit 9; done; echo bye");
        in = client_open(t->in, O_WRONLY);
        write_text(in, "a\n");
        expect_read(t, out, "<a>\n");
        fd_close(out);
        write_text(in, "b\nc\n"); /* nobody reads: no EPIPE */
        out = client_open(t->out, O_RDONLY);
        expect_read(t, out, "<b>\n<c>\n");
        stdio_close_stdin(&t->stdio);
        fd_close(in);
        expect_read(t, out, "bye\n");
        finish(t, 0);
        expect_end(t, out);
        fd_close(out);
}

/* A client that closes stdin has only detached. The end comes with CloseIO, after all that was written. */
static void test_stdin(void **state)
{
        struct test *t = *state;
        int in, out;

        make_fifos(t);
        out = client_open(t->out, O_RDONLY);
        start(t, "cat; echo '[end]'");
        in = client_open(t->in, O_WRONLY);
        write_text(in, "one ");
        expect_read(t, out, "one ");
        fd_close(in);
        in = client_open(t->in, O_WRONLY); /* attached again: the reader is still there */
        write_text(in, "two ");
        expect_read(t, out, "two ");
        write_text(in, "three ");
        stdio_close_stdin(&t->stdio);
        stdio_close_stdin(&t->stdio);
        assert_int_equal(t->stdio.stdin_writer, -1);
        write_text(in, "four "); /* the client that is attached may end its sentence */
        fd_close(in);
        expect_read(t, out, "three four [end]\n");
        expect_end(t, out);
        finish(t, 0);
        fd_close(out);
}

static void test_stdin_data_before_end(void **state)
{
        struct test *t = *state;
        char chunk[60000];
        int in, out;

        make_fifos(t);
        out = client_open(t->out, O_RDONLY);
        start(t, "kill -STOP $$; wc -c");
        in = client_open(t->in, O_WRONLY);
        memset(chunk, 'x', sizeof(chunk));
        assert_int_equal(write(in, chunk, sizeof(chunk)), sizeof(chunk));
        fd_close(in);
        stdio_close_stdin(&t->stdio); /* with all of it in the FIFO, and nobody attached */
        for (struct proc_stat st = { 0 }; st.state != 'T'; poll(NULL, 0, 5))
                assert_int_equal(proc_stat_read(t->spawn.pid.pidref.pid, &st), 0);
        spawn_kill(&t->spawn, SIGCONT);
        expect_read(t, out, "60000\n");
        finish(t, 0);
        fd_close(out);
}

/* CloseIO may come before the process is there. */
static void test_close_before_start(void **state)
{
        struct test *t = *state;

        make_fifos(t);
        stdio_close_stdin(&t->stdio);
        start(t, "cat; exit 5");
        finish(t, 5);
        assert_int_equal(t->stdio.stdin_writer, -1);
}

static void test_same_path(void **state)
{
        struct test *t = *state;
        int out;

        make_fifos(t);
        t->paths.err = t->out;
        out = client_open(t->out, O_RDONLY);
        start(t, "echo a; echo b >&2; echo c");
        assert_int_equal(t->stdio.child[2].kind, SPAWN_STDIO_SAME);
        expect_read(t, out, "a\nb\nc\n");
        expect_end(t, out);
        finish(t, 0);
        assert_true(t->stdio.keep_out >= 0);
        assert_int_equal(t->stdio.keep_err, -1);
        fd_close(out);
}

static void test_owner(void **state)
{
        struct test *t = *state;
        struct stat st;

        make_fifos(t);
        t->paths.uid = 12345;
        t->paths.gid = 23456;
        start(t, "true");
        finish(t, 0);
        assert_int_equal(stat(t->out, &st), 0);
        assert_int_equal(st.st_uid, 12345);
        assert_int_equal(st.st_gid, 23456);
        assert_int_equal(stat(t->in, &st), 0);
        assert_int_equal(st.st_uid, 12345);
}

/* With a terminal, the command gets /dev/null and the FIFOs come to us: open both ways, not blocking. */
static void on_hand_back(struct spawn *spawn, struct spawn_ready *ready)
{
        struct test *t = container_of(spawn, struct test, spawn);

        t->executed = ready->ok;
        for (int i = 0; i < 3; i++)
                t->handed[i] = ready->kept[i] < 0 ? -1 : fcntl(ready->kept[i], F_GETFL);
}

static void test_hand_back(void **state)
{
        struct test *t = *state;
        char *const argv[] = { (char *)"sh", (char *)"-c", (char *)"[ -c /dev/stdin ] && [ -c /dev/stdout ] && exit 3",
                               NULL };
        struct spawn_params params = { .path = "/bin/sh", .argv = argv, .netns_fd = -1, .cgroup_procs_fd = -1 };
        char socket[PATH_SIZE];
        struct error err = ERROR_NULL;

        make_fifos(t);
        t->paths.terminal = true;
        path_in(t, socket, "", "console");
        assert_int_equal(stdio_prepare(&t->stdio, &t->paths, socket, on_ready, &err), 0);
        rig_wait(&t->rig, t->n_ready == 1);
        assert_string_equal(stdio_console_path(&t->stdio), socket);
        memcpy(params.stdio, t->stdio.child, sizeof(params.stdio));
        assert_int_equal(spawn_start(&t->spawn, t->rig.reaper, &params, on_hand_back, on_spawn_exit), 0);
        spawn_release(&t->spawn);
        finish(t, 3);
        for (int i = 0; i < 2; i++) {
                assert_int_equal(t->handed[i] & O_ACCMODE, O_RDWR);
                assert_true(t->handed[i] & O_NONBLOCK);
        }
        assert_int_equal(t->handed[2], -1);
}

/* --- after a restart of the daemon --- */

static void test_reopen(void **state)
{
        struct test *t = *state;
        struct stdio after;
        int in, out;

        make_fifos(t);
        out = client_open(t->out, O_RDONLY);
        start(t, "cat; echo '[end]'");
        in = client_open(t->in, O_WRONLY);
        stdio_deinit(&t->stdio); /* the client's end still holds stdin open */
        stdio_init(&after, t->rig.loop, t->rig.reaper);
        stdio_reopen(&after, &t->paths, &STDIO_KEPT_NULL, false);
        assert_true(after.stdin_writer >= 0 && after.keep_out >= 0 && after.keep_err >= 0);
        fd_close(in);
        in = client_open(t->in, O_WRONLY);
        write_text(in, "again ");
        expect_read(t, out, "again ");
        fd_close(in);
        fd_close(out);
        stdio_close_stdin(&after);
        finish(t, 0);
        out = client_open(t->out, O_RDONLY);
        expect_read(t, out, "[end]\n");
        expect_end(t, out);
        fd_close(out);
        stdio_deinit(&after);
}

static void test_reopen_closed(void **state)
{
        struct test *t = *state;

        make_fifos(t);
        stdio_reopen(&t->stdio, &t->paths, &STDIO_KEPT_NULL, true);
        assert_int_equal(t->stdio.stdin_writer, -1);
        assert_true(t->stdio.closed_stdin);
        stdio_deinit(&t->stdio);
        stdio_reopen(&t->stdio, &t->paths, &STDIO_KEPT_NULL, false); /* no process has it open */
        assert_int_equal(t->stdio.stdin_writer, -1);
}

/* Only FIFOs: no file, no link to one, no device. */
static void test_reopen_others(void **state)
{
        struct test *t = *state;

        make_fifos(t);
        unlink(t->out);
        assert_int_equal(symlink(t->err, t->out), 0);
        unlink(t->in);
        put_file(t, "in", "", 0600);
        t->paths.err = "/dev/null";
        stdio_reopen(&t->stdio, &t->paths, &STDIO_KEPT_NULL, false);
        assert_int_equal(t->stdio.stdin_writer, -1);
        assert_int_equal(t->stdio.keep_out, -1);
        assert_int_equal(t->stdio.keep_err, -1);
}

/* --- loggers --- */

static void put_logger(struct test *t, const char *name, const char *script, const char *query)
{
        char text[2048];

        snprintf(text, sizeof(text), "#!/bin/sh\ncd %s\nPATH=/usr/bin:/bin\n%s\n", t->rig.dir, script);
        put_file(t, name, text, 0700);
        path_in(t, t->out, "binary://", name);
        strcat(t->out, query);
        t->paths.out = t->paths.err = t->out;
}

static bool file_there(const struct test *t, const char *name)
{
        char path[PATH_SIZE];

        path_in(t, path, "", name);
        return access(path, F_OK) == 0;
}

/* Also with the loop idle: files wake nobody. */
static void wait_for_file(struct test *t, const char *name)
{
        for (int i = 0; i < 3000 && !file_there(t, name); i++) {
                loop_run_once(t->rig.loop, false);
                poll(NULL, 0, 10);
        }
        assert_true(file_there(t, name));
}

static void test_logger(void **state)
{
        struct test *t = *state;

        put_logger(t, "logger",
                   "echo \"$*\" >args; tr '\\0' '\\n' </proc/$$/environ | sort >environ\n"
                   "cat <&3 >out 3<&- 4<&- 5>&- & cat <&4 >err 3<&- 4<&- 5>&- & exec 3<&- 4<&- 5>&-; wait; touch ended",
                   "?id=a+b&level=%33");
        start(t, "echo to-out; echo to-err >&2; seq 1 100000");
        finish(t, 0);
        stdio_deinit(&t->stdio); /* at once: the logger reads its pipes to the end all the same */
        wait_for_file(t, "ended");
        expect_file(t, "args", "id a b level 3\n");
        expect_file(t, "environ", "CONTAINER_ID=c1\nCONTAINER_NAMESPACE=ns1\n");
        expect_file(t, "err", "to-err\n");
        {
                _cleanup_(freep) char *data = NULL;
                char path[PATH_SIZE];
                size_t len;

                path_in(t, path, "", "out");
                assert_int_equal(fd_read_file(AT_FDCWD, path, 1 << 20, &data, &len), 0);
                assert_int_equal(len, 7 + 588895);
        }
}

static void test_logger_slow(void **state)
{
        struct test *t = *state;
        uint64_t begin = clock_monotonic_ns();

        put_logger(t, "logger", "sleep 0.5; echo >&5; exec cat <&3 >out 5>&-", "");
        prepare(t);
        assert_false(error_is_set(&t->error));
        assert_true(clock_monotonic_ns() - begin >= 500 * NSEC_PER_MSEC);
}

static void expect_logger_error(struct test *t, const char *words)
{
        prepare(t);
        assert_int_equal(t->error.reason, REASON_INVALID_ARGUMENT);
        if (!strstr(t->error.message, words) || !strstr(t->error.message, "/logger"))
                fail_msg("%s", t->error.message);
}

static void test_logger_dead(void **state)
{
        struct test *t = *state;

        put_logger(t, "logger", "exit 3", "");
        expect_logger_error(t, "exited with status 3 before it was ready");
}

static void test_logger_missing(void **state)
{
        struct test *t = *state;

        path_in(t, t->out, "binary://", "logger");
        t->paths.out = t->out;
        expect_logger_error(t, "No such file");
}

/* One that is never ready, and beside it one that ends neither with its pipes nor by SIGTERM. */
static void test_logger_stubborn(void **state)
{
        struct test *t = *state;
        uint64_t begin = clock_monotonic_ns();
        struct stdio other;
        struct pidref p;
        char pid[32] = "", path[PATH_SIZE];
        int fd;

        put_logger(t, "stubborn", "trap 'touch asked' TERM; echo $$ >pid.new; mv pid.new pid; exec 3<&- 4<&- 5>&-\n"
                                  "while :; do sleep 0.05; done", "");
        prepare(t);
        wait_for_file(t, "pid");
        path_in(t, path, "", "pid");
        fd = client_open(path, O_RDONLY);
        assert_true(read(fd, pid, sizeof(pid) - 1) > 0);
        fd_close(fd);
        assert_int_equal(pidref_open(&p, (pid_t)atoi(pid)), 0);
        other = t->stdio;
        stdio_deinit(&other);
        memset(&t->stdio, 0, sizeof(t->stdio));
        stdio_init(&t->stdio, t->rig.loop, t->rig.reaper);

        t->n_ready = 0;
        put_logger(t, "logger", "exec sleep 60", "");
        prepare(t);
        assert_int_equal(t->error.reason, REASON_RUNTIME_TIMEOUT);
        assert_non_null(strstr(t->error.message, "/logger was not ready"));
        assert_true(clock_monotonic_ns() - begin >= LOGGER_READY_NS);
        assert_true(file_there(t, "asked"));
        rig_wait(&t->rig, pidref_kill(&p, 0) == -ESRCH);
        assert_true(clock_monotonic_ns() - begin >= LOGGER_KILL_NS);
        pidref_close(&p);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_uri),
                cmocka_unit_test(test_uri_args),
                cmocka_unit_test(test_check),
                CASE(test_null),
                CASE(test_file),
                CASE(test_plain_files),
                CASE(test_fifo_missing),
                CASE(test_nothing_lost),
                CASE(test_reader_comes_late),
                CASE(test_reader_restarts),
                CASE(test_stdin),
                CASE(test_stdin_data_before_end),
                CASE(test_close_before_start),
                CASE(test_same_path),
                CASE(test_owner),
                CASE(test_hand_back),
                CASE(test_reopen),
                CASE(test_reopen_closed),
                CASE(test_reopen_others),
                CASE(test_logger),
                CASE(test_logger_slow),
                CASE(test_logger_dead),
                CASE(test_logger_missing),
                CASE(test_logger_stubborn),
        };

        return cmocka_run_group_tests_name("stdio", tests, NULL, NULL);
}
