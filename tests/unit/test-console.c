/* SPDX-License-Identifier: Apache-2.0 */

/* A terminal, with a real pty: a child plays the runtime and the process; the client is in the test, by its FIFOs. */

#include "tests/lib/rig.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include "base/fd.h"
#include "daemon/console.h"

#define PATH_SIZE 64
#define BULK (20U << 20)

struct test {
        struct rig rig;
        struct console *console;
        char socket[PATH_SIZE], in[PATH_SIZE], out[PATH_SIZE];
        int client_in, client_out; /* the client's ends */
        struct watch_pid process;
        bool exited, drain_at_exit;
        int wait_status;
        unsigned n_drained, n_fired;
        struct watch_timer tick;
};

/* --- the frame --- */

static int setup(void **state)
{
        struct test *t = calloc(1, sizeof(*t));
        struct error err = ERROR_NULL;

        rig_init(&t->rig);
        watch_pid_init(&t->process);
        snprintf(t->socket, sizeof(t->socket), "%s/socket", t->rig.dir);
        snprintf(t->in, sizeof(t->in), "%s/in", t->rig.dir);
        snprintf(t->out, sizeof(t->out), "%s/out", t->rig.dir);
        assert_int_equal(mkfifo(t->in, 0600) | mkfifo(t->out, 0600), 0);
        t->client_in = t->client_out = -1;
        if (console_new(&t->console, t->rig.loop, t->socket, 0, 0, &err) < 0)
                fail_msg("%s", err.message);
        *state = t;
        return 0;
}

static int teardown(void **state)
{
        struct test *t = *state;

        if (t->process.active) {
                pidref_kill(&t->process.pidref, SIGKILL);
                rig_wait(&t->rig, t->exited);
        }
        t->console = console_free(t->console);
        assert_int_equal(access(t->socket, F_OK), -1);
        fd_close(t->client_in);
        fd_close(t->client_out);
        rig_deinit(&t->rig);
        free(t);
        return 0;
}

static int open_fd(const char *path, int flags)
{
        int fd = open(path, flags | O_NONBLOCK | O_CLOEXEC);

        assert_true(fd >= 0);
        return fd;
}

/* What stdio_take does with what the command has handed back, and the client beside it. */
static void attach(struct test *t)
{
        console_set_client(t->console, open_fd(t->in, O_RDWR), open_fd(t->out, O_RDWR));
        t->client_out = open_fd(t->out, O_RDONLY);
        t->client_in = open_fd(t->in, O_WRONLY);
}

static void on_drained(void *data)
{
        ((struct test *)data)->n_drained++;
}

static void on_exit_(struct watch_pid *w, const struct exit_info *info)
{
        struct test *t = container_of(w, struct test, process);

        t->exited = true;
        t->wait_status = info->wait_status;
        if (t->drain_at_exit)
                console_drain(t->console, on_drained, t);
}

/* --- in the child --- */

static int connect_to(const char *path)
{
        struct sockaddr_un addr = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);

        memcpy(addr.sun_path, path, strlen(path) + 1);
        if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
                _exit(100);
        return fd;
}

/* Opens a terminal, sends its master as a runtime does, and returns the slave; its path goes to `path`. */
static int open_terminal(const struct test *t, bool raw, char path[PATH_SIZE])
{
        int master = posix_openpt(O_RDWR | O_NOCTTY), slave, fd;
        struct termios mode;

        if (master < 0 || unlockpt(master) < 0 || ptsname_r(master, path, PATH_SIZE) != 0)
                _exit(101);
        slave = open(path, O_RDWR | O_NOCTTY);
        if (slave < 0 || tcgetattr(slave, &mode) < 0)
                _exit(102);
        mode.c_lflag &= ~(tcflag_t)ECHO;
        if (raw)
                cfmakeraw(&mode);
        if (tcsetattr(slave, TCSANOW, &mode) < 0)
                _exit(103);
        fd = connect_to(t->socket);
        if (fd_send(fd, "/dev/ptmx", 9, &master, 1, 0) < 0)
                _exit(104);
        close(fd);
        close(master);
        return slave;
}

static uint8_t bulk_byte(size_t i)
{
        return (uint8_t)(i * 2654435761U >> 13);
}

static void write_bulk(int fd, size_t len)
{
        uint8_t chunk[8192];

        for (size_t at = 0; at < len; at += sizeof(chunk)) {
                for (size_t i = 0; i < sizeof(chunk); i++)
                        chunk[i] = bulk_byte(at + i);
                if (fd_write_all(fd, chunk, sizeof(chunk)) < 0)
                        _exit(105);
        }
}

/* Reads len bytes and compares. */
static void read_bulk(int fd, size_t len)
{
        uint8_t chunk[8192];

        for (size_t at = 0; at < len;) {
                ssize_t n = read(fd, chunk, sizeof(chunk));

                if (n <= 0)
                        _exit(106);
                for (ssize_t i = 0; i < n; i++) {
                        if (chunk[i] != bulk_byte(at++))
                                _exit(107);
                }
        }
}

typedef void (*child_fn)(const struct test *t); /* leaves with _exit */

static void start(struct test *t, child_fn fn)
{
        struct pidref p;
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0) {
                close_range(3, ~0U, 0); /* the FIFOs above all */
                fn(t);
                _exit(0);
        }
        assert_int_equal(pidref_open(&p, pid), 0);
        t->exited = false;
        assert_int_equal(watch_pid_start(&t->process, t->rig.reaper, &p, on_exit_), 0);
}

static void expect_exit(struct test *t, int status)
{
        rig_wait(&t->rig, t->exited);
        assert_true(WIFEXITED(t->wait_status));
        assert_int_equal(WEXITSTATUS(t->wait_status), status);
}

/* --- in the client --- */

static size_t client_read(struct test *t, void *buf, size_t max)
{
        uint64_t deadline = clock_monotonic_ns() + UNIT_DEADLINE_NS;

        for (;;) {
                ssize_t n = read(t->client_out, buf, max);

                if (n >= 0)
                        return (size_t)n;
                assert_int_equal(errno, EAGAIN);
                assert_true(clock_monotonic_ns() < deadline);
                loop_run_once(t->rig.loop, false);
                poll(&(struct pollfd){ .fd = t->client_out, .events = POLLIN }, 1, 5);
        }
}

static void expect_read(struct test *t, const char *text)
{
        char got[256];
        size_t len = 0;

        while (len < strlen(text)) {
                size_t n = client_read(t, got + len, strlen(text) - len);

                assert_true(n > 0);
                len += n;
        }
        assert_memory_equal(got, text, len);
}

static void expect_end(struct test *t)
{
        char byte;

        assert_int_equal(client_read(t, &byte, 1), 0);
}

static void client_write(struct test *t, const char *text)
{
        assert_int_equal(write(t->client_in, text, strlen(text)), strlen(text));
}

/* The loop has nothing to do: not a round in a while. */
static void expect_idle(struct test *t)
{
        uint64_t rounds = loop_stats(t->rig.loop)->rounds;

        unit_run_for(t->rig.loop, 150 * NSEC_PER_MSEC);
        assert_in_range(loop_stats(t->rig.loop)->rounds - rounds, 0, 2); /* our own timer's */
}

/* --- tests --- */

static void child_echo(const struct test *t)
{
        char path[PATH_SIZE], line[256];
        int tty = open_terminal(t, false, path);
        ssize_t n;

        while ((n = read(tty, line, sizeof(line))) > 0 && line[0] != 'q') {
                if (write(tty, "<", 1) != 1 || write(tty, line, (size_t)n - 1) != n - 1 || write(tty, ">\n", 2) != 2)
                        _exit(1);
        }
        _exit(7);
}

static void test_echo(void **state)
{
        struct test *t = *state;

        attach(t);
        start(t, child_echo);
        client_write(t, "hello\n"); /* before the terminal is there */
        expect_read(t, "<hello>\r\n");
        assert_true(console_has_master(t->console));
        assert_int_equal(access(t->socket, F_OK), -1);
        expect_idle(t);

        fd_close(t->client_in); /* the client goes and comes */
        fd_close(t->client_out);
        unit_run_for(t->rig.loop, 10 * NSEC_PER_MSEC);
        t->client_out = open_fd(t->out, O_RDONLY);
        t->client_in = open_fd(t->in, O_WRONLY);
        client_write(t, "again\n");
        expect_read(t, "<again>\r\n");
        client_write(t, "q\n");
        expect_exit(t, 7);
        console_drain(t->console, on_drained, t);
        assert_int_equal(t->n_drained, 0); /* never from inside */
        rig_wait(&t->rig, t->n_drained == 1);
        assert_true(console_drained(t->console));
        expect_end(t);
        expect_idle(t);
}

static void child_bulk_out(const struct test *t)
{
        char path[PATH_SIZE];

        write_bulk(open_terminal(t, true, path), BULK);
        _exit(0);
}

/* 20 MiB to a client that reads slowly and in odd pieces, with the drain while most of the last is still on its way. */
static void test_bulk_out(void **state)
{
        struct test *t = *state;
        uint8_t chunk[70001];
        size_t at = 0, n;

        t->drain_at_exit = true;
        attach(t);
        start(t, child_bulk_out);
        do {
                if (at % 7 == 0) /* the client sleeps, the loop does not */
                        unit_run_for(t->rig.loop, NSEC_PER_MSEC);
                n = client_read(t, chunk, sizeof(chunk));
                for (size_t i = 0; i < n; i++) {
                        if (chunk[i] != bulk_byte(at++))
                                fail_msg("byte %zu differs", at - 1);
                }
        } while (n > 0);
        assert_int_equal(at, BULK);
        assert_true(WIFEXITED(t->wait_status) && WEXITSTATUS(t->wait_status) == 0);
        assert_true(console_drained(t->console));
}

static void child_bulk_in(const struct test *t)
{
        char path[PATH_SIZE];
        int tty = open_terminal(t, true, path);

        read_bulk(tty, 4U << 20);
        _exit(write(tty, "done", 4) == 4 ? 0 : 1);
}

static void test_bulk_in(void **state)
{
        struct test *t = *state;
        uint8_t chunk[4096];

        attach(t);
        start(t, child_bulk_in);
        for (size_t at = 0; at < 4U << 20;) {
                ssize_t n;

                for (size_t i = 0; i < sizeof(chunk); i++)
                        chunk[i] = bulk_byte(at + i);
                n = write(t->client_in, chunk, sizeof(chunk)); /* at most PIPE_BUF: all or nothing */
                at += n > 0 ? (size_t)n : 0;
                loop_run_once(t->rig.loop, n < 0 && !t->exited);
                assert_false(t->exited);
        }
        expect_read(t, "done");
        expect_exit(t, 0);
}

static void child_endless(const struct test *t)
{
        char path[PATH_SIZE];

        write_bulk(open_terminal(t, true, path), SIZE_MAX / 2);
}

/* A client that does not read stops everything, and costs nothing. */
static void test_back_pressure(void **state)
{
        struct test *t = *state;
        int before, queued = 0;

        attach(t);
        start(t, child_endless);
        rig_wait(&t->rig, console_has_master(t->console));
        do { /* until it gets no more: a FIFO is full before it holds 64 KiB if its pages are not */
                before = queued;
                unit_run_for(t->rig.loop, 50 * NSEC_PER_MSEC);
                assert_int_equal(ioctl(t->client_out, FIONREAD, &queued), 0);
        } while (queued == 0 || queued != before);
        assert_in_range(queued, 32768, 65536);
        expect_idle(t);
}

static void on_tick(struct watch_timer *w)
{
        struct test *t = container_of(w, struct test, tick);

        t->n_fired++;
        watch_timer_arm(w, NSEC_PER_MSEC);
}

/* A noisy terminal and a client that reads all: one turn of the loop copies no more than its budget, and a timer that
 * is due has its turn between. */
static void test_fairness(void **state)
{
        struct test *t = *state;
        size_t total = 0, most = 0;
        uint8_t *buf = malloc(1 << 20);

        attach(t);
        assert_true(fcntl(t->client_out, F_SETPIPE_SZ, 1 << 20) >= 1 << 20); /* the FIFO is not what stops it */
        start(t, child_endless);
        rig_wait(&t->rig, console_has_master(t->console));
        watch_timer_init(&t->tick, t->rig.loop, on_tick);
        watch_timer_arm(&t->tick, NSEC_PER_MSEC);
        while (total < BULK) {
                ssize_t n;

                loop_run_once(t->rig.loop, true);
                n = read(t->client_out, buf, 1 << 20);
                if (n < 0)
                        continue;
                total += (size_t)n;
                if ((size_t)n > most)
                        most = (size_t)n;
        }
        assert_in_range(most, 1, CONSOLE_BUDGET);
        assert_true(t->n_fired >= 10);
        watch_timer_stop(&t->tick);
        free(buf);
}

static void child_burst(const struct test *t)
{
        char path[PATH_SIZE];

        write_bulk(open_terminal(t, true, path), 8192);
        _exit(3);
}

/* The process is gone before anybody looks, the client too: what it wrote waits for the client. */
static void test_drain_without_client(void **state)
{
        struct test *t = *state;
        uint8_t got[10000];
        size_t len = 0, n;

        console_set_client(t->console, -1, open_fd(t->out, O_RDWR));
        start(t, child_burst);
        poll(&(struct pollfd){ .fd = t->process.pidref.fd, .events = POLLIN }, 1, 30000);
        console_drain(t->console, on_drained, t); /* the master is still in the socket */
        rig_wait(&t->rig, t->n_drained == 1);
        t->client_out = open_fd(t->out, O_RDONLY);
        while ((n = client_read(t, got + len, sizeof(got) - len)) > 0)
                len += n;
        assert_int_equal(len, 8192);
        for (size_t i = 0; i < len; i++)
                assert_int_equal(got[i], bulk_byte(i));
        expect_exit(t, 3);
}

static void test_drain_without_master(void **state)
{
        struct test *t = *state;

        attach(t);
        console_drain(t->console, on_drained, t);
        rig_wait(&t->rig, t->n_drained == 1);
        console_drain(t->console, on_drained, t);
        unit_run_for(t->rig.loop, 10 * NSEC_PER_MSEC);
        assert_int_equal(t->n_drained, 1);
        expect_end(t);
}

/* Without stdout the output is thrown away; the process is not held up. */
static void test_no_output(void **state)
{
        struct test *t = *state;

        console_set_client(t->console, -1, -1);
        start(t, child_bulk_out);
        expect_exit(t, 0);
        console_drain(t->console, on_drained, t);
        rig_wait(&t->rig, t->n_drained == 1);
}

static void child_reopen(const struct test *t)
{
        char path[PATH_SIZE];
        int tty = open_terminal(t, true, path);

        if (write(tty, "one", 3) != 3)
                _exit(1);
        close(tty);
        poll(NULL, 0, 150);
        tty = open(path, O_RDWR | O_NOCTTY);
        if (write(tty, "two", 3) != 3)
                _exit(2);
        pause();
}

/* A process may close its terminal and open it again; meanwhile the loop does not spin. */
static void test_hang_up(void **state)
{
        struct test *t = *state;
        uint64_t rounds;

        attach(t);
        start(t, child_reopen);
        expect_read(t, "one");
        rounds = loop_stats(t->rig.loop)->rounds;
        expect_read(t, "two");
        assert_true(loop_stats(t->rig.loop)->rounds - rounds < 200);
        unit_run_for(t->rig.loop, 20 * NSEC_PER_MSEC);
        expect_idle(t);
}

static void test_resize(void **state)
{
        struct test *t = *state;
        struct winsize size;

        assert_int_equal(console_resize(t->console, 132, 43), 0); /* remembered */
        attach(t);
        start(t, child_echo);
        rig_wait(&t->rig, console_has_master(t->console));
        assert_int_equal(ioctl(console_master(t->console), TIOCGWINSZ, &size), 0);
        assert_int_equal(size.ws_col, 132);
        assert_int_equal(size.ws_row, 43);
        assert_int_equal(console_resize(t->console, 1000000, 25), 0);
        assert_int_equal(ioctl(console_master(t->console), TIOCGWINSZ, &size), 0);
        assert_int_equal(size.ws_col, 65535);
        assert_int_equal(size.ws_row, 25);
}

static int signalled_slave;

/* Plays a sandbox: the process in the foreground gets the signal, and its shell tells so at once. */
static bool signalled(void *data, int signal)
{
        assert_ptr_equal(data, &signalled_slave);
        assert_int_equal(signal, SIGTSTP);
        assert_int_equal(write(signalled_slave, "Stopped\n", 8), 8);
        return true;
}

/* A key that is a signal in a sandbox: what is typed before it is thrown away, what is written after it is not. */
static void test_signal_key(void **state)
{
        struct test *t = *state;
        char line[16] = "";

        attach(t);
        signalled_slave = console_make_terminal(t->console);
        assert_true(signalled_slave >= 0);
        console_on_signal(t->console, signalled, &signalled_slave);
        for (int i = 0; i < 20; i++) {
                client_write(t, "gone\032stays\n");
                expect_read(t, "^ZStopped\r\nstays\r\n");
                assert_int_equal(read(signalled_slave, line, sizeof(line)), 6);
                assert_memory_equal(line, "stays\n", 6);
        }
        signalled_slave = fd_close(signalled_slave);
        console_drain(t->console, on_drained, t);
        rig_wait(&t->rig, t->n_drained);
}

/* CloseIO: what is in the FIFO goes to the process, then nobody can open it for writing any more. */
static void test_close_stdin(void **state)
{
        struct test *t = *state;

        attach(t);
        client_write(t, "last\n");
        t->client_in = fd_close(t->client_in);
        console_close_stdin(t->console); /* before there is a terminal */
        start(t, child_echo);
        expect_read(t, "<last>\r\n");
        assert_int_equal(open(t->in, O_WRONLY | O_NONBLOCK | O_CLOEXEC), -1);
        assert_int_equal(errno, ENXIO);
        expect_idle(t);
}

static void child_nonsense_first(const struct test *t)
{
        int fd = connect_to(t->socket), null = open("/dev/null", O_RDWR);

        fd_send(fd, "x", 1, &null, 1, 0);
        close(fd);
        fd = connect_to(t->socket); /* nothing at all */
        close(fd);
        fd = connect_to(t->socket);
        fd_send(fd, "no descriptor", 13, NULL, 0, 0);
        close(fd);
        child_echo(t);
}

/* What is no terminal is refused, and the right one is still taken. */
static void test_nonsense(void **state)
{
        struct test *t = *state;

        attach(t);
        start(t, child_nonsense_first);
        client_write(t, "x\n");
        expect_read(t, "<x>\r\n");
}

static void test_no_leak(void **state)
{
        struct test *t = *state;
        struct error err = ERROR_NULL;
        int before;

        t->console = console_free(t->console);
        before = fd_count();
        assert_int_equal(console_new(&t->console, t->rig.loop, t->socket, 80, 25, &err), 0);
        attach(t);
        start(t, child_echo);
        client_write(t, "q\n");
        expect_exit(t, 7);
        console_drain(t->console, NULL, NULL);
        rig_wait(&t->rig, console_drained(t->console));
        t->console = console_free(t->console);
        t->client_in = fd_close(t->client_in);
        t->client_out = fd_close(t->client_out);
        assert_int_equal(fd_count(), before);
        assert_int_equal(console_new(&t->console, t->rig.loop, "/nonexistent/socket", 80, 25, &err), -1);
        assert_true(error_is_set(&err));
        assert_int_equal(fd_count(), before);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        const struct CMUnitTest tests[] = {
                CASE(test_echo),
                CASE(test_bulk_out),
                CASE(test_bulk_in),
                CASE(test_back_pressure),
                CASE(test_fairness),
                CASE(test_drain_without_client),
                CASE(test_drain_without_master),
                CASE(test_no_output),
                CASE(test_hang_up),
                CASE(test_resize),
                CASE(test_signal_key),
                CASE(test_close_stdin),
                CASE(test_nonsense),
                CASE(test_no_leak),
        };

        return cmocka_run_group_tests_name("console", tests, NULL, NULL);
}
