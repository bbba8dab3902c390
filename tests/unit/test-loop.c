/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include "base/fd.h"

static char trace[256];

static void note(const char *what)
{
        strcat(trace, what);
}

static int setup(void **state)
{
        struct loop *loop = NULL;

        trace[0] = '\0';
        if (loop_new(&loop) < 0)
                return -1;
        *state = loop;
        return 0;
}

static int teardown(void **state)
{
        loop_free(*state);
        return 0;
}

static void make_pipe(int fds[2])
{
        assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
}

/* --- descriptors --- */

static unsigned seen;
static void on_events(struct watch_fd *w, unsigned events)
{
        seen |= events;
        note("e");
}

static void test_fd(void **state)
{
        struct loop *loop = *state;
        struct watch_fd r, w;
        int fds[2];

        make_pipe(fds);
        watch_fd_init(&r, loop, on_events);
        watch_fd_init(&w, loop, on_events);
        watch_fd_stop(&r); /* never started: fine */
        watch_fd_set(&r, fds[0], LOOP_READ);
        assert_true(watch_fd_active(&r));
        loop_run_once(loop, false);
        assert_string_equal(trace, "");
        assert_int_equal(write(fds[1], "x", 1), 1);
        loop_run_once(loop, true);
        loop_run_once(loop, true); /* level-triggered */
        assert_string_equal(trace, "ee");
        assert_int_equal(seen, LOOP_READ);
        watch_fd_set(&w, fds[1], LOOP_WRITE);
        watch_fd_set(&r, fds[0], 0);
        assert_false(watch_fd_active(&r));
        seen = 0;
        loop_run_once(loop, true);
        assert_int_equal(seen, LOOP_WRITE);
        watch_fd_stop(&w);
        watch_fd_stop(&w);
        trace[0] = '\0';
        loop_run_once(loop, false);
        assert_string_equal(trace, "");
        fd_close(fds[0]);
        fd_close(fds[1]);
}

static struct watch_fd *pair_of_watches[2];
static void on_event_stop_both(struct watch_fd *w, unsigned events)
{
        note("s");
        for (size_t i = 0; i < 2; i++) {
                watch_fd_stop(pair_of_watches[i]);
                free(pair_of_watches[i]);
        }
}

/* Both are pending; the first to run stops and frees both, and the second does not run. */
static void test_fd_free_in_callback(void **state)
{
        struct loop *loop = *state;
        int fds[2][2];

        for (size_t i = 0; i < 2; i++) {
                make_pipe(fds[i]);
                assert_int_equal(write(fds[i][1], "x", 1), 1);
                pair_of_watches[i] = calloc(1, sizeof(struct watch_fd));
                watch_fd_init(pair_of_watches[i], loop, on_event_stop_both);
                watch_fd_set(pair_of_watches[i], fds[i][0], LOOP_READ);
        }
        loop_run_once(loop, true);
        loop_run_once(loop, false);
        assert_string_equal(trace, "s");
        for (size_t i = 0; i < 2; i++) {
                fd_close(fds[i][0]);
                fd_close(fds[i][1]);
        }
}

/* How many descriptors the kernel has in the set of our epoll descriptor (the only one of this process). */
static int epoll_set_size(void)
{
        char path[64], text[4096];
        int n = 0;

        for (int fd = 0; fd < 64; fd++) {
                snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
                if (fd_read_small(AT_FDCWD, path, text, sizeof(text)) < 0)
                        continue;
                for (const char *p = strstr(text, "tfd:"); p; p = strstr(p + 1, "tfd:"))
                        n++;
        }
        return n;
}

static struct watch_fd dropped;
static void on_event_drop(struct watch_fd *w, unsigned events)
{
        note("d");
        watch_fd_drop(w);
}

/* A copy elsewhere keeps the open file ready: that must wake us no more, and the number must be usable again. */
static void test_fd_drop(void **state)
{
        struct loop *loop = *state;
        int fds[2], copy, again, size;

        make_pipe(fds);
        copy = fcntl(fds[0], F_DUPFD_CLOEXEC, 3);
        watch_fd_init(&dropped, loop, on_event_drop);
        watch_fd_drop(&dropped);
        loop_run_once(loop, false);
        size = epoll_set_size();
        assert_true(size > 0);
        watch_fd_set(&dropped, fds[0], LOOP_READ);
        loop_run_once(loop, false);
        assert_int_equal(epoll_set_size(), size + 1);
        assert_int_equal(write(fds[1], "x", 1), 1);
        loop_run_once(loop, true);
        assert_string_equal(trace, "d");
        close(fds[0]);
        assert_int_equal(epoll_set_size(), size);
        again = dup2(copy, fds[0]);
        watch_fd_set(&dropped, again, LOOP_READ);
        watch_fd_drop(&dropped);
        watch_fd_set(&dropped, again, LOOP_READ); /* before libev has looked at either */
        loop_run_once(loop, true);
        assert_string_equal(trace, "dd");
        watch_fd_set(&dropped, again, LOOP_READ);
        loop_run_once(loop, true);
        assert_string_equal(trace, "ddd");
        fd_close(again);
        fd_close(copy);
        fd_close(fds[1]);
}

/* --- timers --- */

static void on_timer_a(struct watch_timer *w)
{
        note("a");
}

static void on_timer_b(struct watch_timer *w)
{
        note("b");
}

static void spin(uint64_t ns)
{
        uint64_t end = clock_monotonic_ns() + ns;

        while (clock_monotonic_ns() < end)
                ;
}

/* --- what is urgent --- */

static unsigned urgent, went;
static int oob;
static void on_priority(struct watch_priority *w, bool gone)
{
        char c;

        urgent += !gone;
        went += gone;
        if (!gone)
                (void)!recv(oob, &c, 1, MSG_OOB);
}

/* Bytes of TCP that are urgent are POLLPRI, others are not; an end of a pipe that nobody reads is POLLERR. */
static void test_priority(void **state)
{
        struct loop *loop = *state;
        struct watch_priority w = WATCH_PRIORITY_NULL;
        struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t len = sizeof(to);
        int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), client, fds[2];

        urgent = went = 0;
        assert_int_equal(listen(listener, 1), 0);
        assert_int_equal(getsockname(listener, (struct sockaddr *)&to, &len), 0);
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(client, (struct sockaddr *)&to, sizeof(to)), 0);
        oob = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        assert_true(oob >= 0);

        watch_priority_stop(&w); /* never started: fine */
        assert_int_equal(watch_priority_start(&w, loop, oob, on_priority), 0);
        assert_int_equal(send(client, "x", 1, 0), 1);
        unit_run_for(loop, 20 * NSEC_PER_MSEC);
        assert_int_equal(urgent, 0);
        for (unsigned i = 1; i <= 3; i++) {
                assert_int_equal(send(client, "!", 1, MSG_OOB), 1);
                unit_run_until(loop, urgent == i);
        }
        watch_priority_stop(&w);
        assert_int_equal(send(client, "!", 1, MSG_OOB), 1);
        unit_run_for(loop, 20 * NSEC_PER_MSEC);
        assert_int_equal(urgent, 3);
        fd_close(client);
        fd_close(oob);
        fd_close(listener);

        make_pipe(fds);
        assert_int_equal(watch_priority_start(&w, loop, fds[1], on_priority), 0);
        fd_close(fds[0]);
        unit_run_until(loop, went);
        unit_run_for(loop, 20 * NSEC_PER_MSEC);
        assert_int_equal(went, 1);
        fd_close(fds[1]);
        assert_int_equal(watch_priority_start(&w, loop, -1, on_priority), -EBADF);
        assert_int_equal(w.epoll, -1);
}

/* --- turns --- */

static unsigned turns;
static void on_turn(struct watch_turn *w)
{
        if (++turns == 100)
                watch_turn_stop(w);
}

/* Once in a round, others in between, and the loop does not sleep. */
static void test_turn(void **state)
{
        struct loop *loop = *state;
        struct watch_turn turn = WATCH_TURN_NULL;
        struct watch_fd w;
        uint64_t rounds;
        int fds[2];

        turns = 0;
        make_pipe(fds);
        watch_fd_init(&w, loop, on_events);
        watch_fd_set(&w, fds[0], LOOP_READ);
        watch_turn_stop(&turn); /* never started: fine */
        assert_int_equal(watch_turn_start(&turn, loop, on_turn), 0);
        rounds = loop_stats(loop)->rounds;
        loop_run_once(loop, true);
        assert_int_equal(turns, 1);
        assert_int_equal(write(fds[1], "x", 1), 1);
        loop_run_once(loop, true);
        assert_int_equal(turns, 2);
        assert_string_equal(trace, "e");
        watch_fd_stop(&w);
        while (turn.fd >= 0)
                loop_run_once(loop, true);
        assert_int_equal(turns, 100);
        assert_in_range(loop_stats(loop)->rounds - rounds, 99, 101);
        fd_close(fds[0]);
        fd_close(fds[1]);
}

static void test_timer(void **state)
{
        struct loop *loop = *state;
        struct watch_timer a, b;
        uint64_t begin;

        watch_timer_init(&a, loop, on_timer_a);
        watch_timer_init(&b, loop, on_timer_b);
        watch_timer_stop(&a);
        watch_timer_arm(&a, 300 * NSEC_PER_MSEC);
        watch_timer_arm(&b, 10 * NSEC_PER_MSEC);
        unit_run_until(loop, strlen(trace) == 2);
        assert_string_equal(trace, "ba");
        assert_false(watch_timer_active(&a));

        /* counted from now, not from when the loop last looked at the clock */
        spin(20 * NSEC_PER_MSEC);
        begin = clock_monotonic_ns();
        watch_timer_arm(&a, 15 * NSEC_PER_MSEC);
        unit_run_until(loop, strlen(trace) == 3);
        assert_true(clock_monotonic_ns() - begin >= 14 * NSEC_PER_MSEC);

        watch_timer_arm(&a, NSEC_PER_SEC * 1000);
        watch_timer_arm(&a, 0); /* arms it anew */
        unit_run_until(loop, strlen(trace) == 4);
        watch_timer_arm(&b, 0);
        watch_timer_stop(&b);
        unit_run_for(loop, 5 * NSEC_PER_MSEC);
        assert_string_equal(trace, "baaa");
}

/* --- signals --- */

static int last_signal;
static void on_signal(struct watch_signals *w, int signal)
{
        last_signal = signal;
        note("!");
}

static void test_signals(void **state)
{
        struct loop *loop = *state;
        struct watch_signals w = WATCH_SIGNALS_NULL;
        sigset_t set;

        sigemptyset(&set);
        sigaddset(&set, SIGUSR1);
        sigaddset(&set, SIGUSR2);
        watch_signals_stop(&w);
        assert_int_equal(watch_signals_start(&w, loop, &set, on_signal), 0);
        raise(SIGUSR1);
        unit_run_until(loop, strlen(trace) == 1);
        assert_int_equal(last_signal, SIGUSR1);
        raise(SIGUSR2);
        raise(SIGUSR1);
        unit_run_until(loop, strlen(trace) == 3);
        watch_signals_stop(&w);
        watch_signals_stop(&w);
}

/* --- deferred --- */

struct item {
        struct deferred d;
        const char *name;
        struct item *defers, *cancels;
        struct loop *stops;
};

static void on_deferred(struct deferred *d)
{
        struct item *i = container_of(d, struct item, d);

        note(i->name);
        if (i->defers)
                loop_defer(&i->defers->d);
        if (i->cancels)
                deferred_cancel(&i->cancels->d);
        if (i->stops)
                loop_stop(i->stops);
}

static void item_init(struct item *i, struct loop *loop, const char *name)
{
        *i = (struct item){ .name = name };
        deferred_init(&i->d, loop, on_deferred);
}

static struct item items[4];
static void on_event_defer(struct watch_fd *w, unsigned events)
{
        note("(");
        loop_defer(&items[0].d);
        loop_defer(&items[1].d);
        loop_defer(&items[0].d); /* is queued already */
        loop_defer(&items[3].d);
        watch_fd_stop(w);
        note(")");
}

static void test_deferred(void **state)
{
        struct loop *loop = *state;
        struct watch_fd w[2];
        int fds[2];

        item_init(&items[0], loop, "0");
        item_init(&items[1], loop, "1");
        item_init(&items[2], loop, "2");
        item_init(&items[3], loop, "3");
        items[0].defers = &items[2];
        items[1].cancels = &items[3];
        items[2].defers = NULL;
        make_pipe(fds);
        assert_int_equal(write(fds[1], "x", 1), 1);
        for (size_t i = 0; i < 2; i++) {
                watch_fd_init(&w[i], loop, on_event_defer);
                watch_fd_set(&w[i], fds[0], LOOP_READ);
        }
        loop_run_once(loop, true);
        /* after all callbacks, each once, in order; what was deferred meanwhile in the same pass */
        assert_string_equal(trace, "()()012");
        loop_run_once(loop, false);
        assert_string_equal(trace, "()()012");
        fd_close(fds[0]);
        fd_close(fds[1]);
}

/* Its turn comes when nothing else is left, whatever the order in which they were deferred. */
static void test_deferred_last(void **state)
{
        struct loop *loop = *state;

        for (size_t i = 0; i < 4; i++)
                item_init(&items[i], loop, (const char *[]){ "0", "1", "2", "3" }[i]);
        loop_defer_last(&items[3].d);
        loop_defer_last(&items[3].d); /* is queued already */
        loop_defer(&items[0].d);
        items[0].defers = &items[1];
        items[3].defers = &items[2];
        loop_run_once(loop, true);
        assert_string_equal(trace, "0132");

        items[3].defers = NULL;
        items[0].cancels = &items[3];
        loop_defer_last(&items[3].d);
        loop_defer(&items[0].d);
        loop_run_once(loop, false);
        assert_string_equal(trace, "013201");
}

static void test_deferred_outside(void **state)
{
        struct loop *loop = *state;

        item_init(&items[0], loop, "0");
        loop_defer(&items[0].d);
        loop_run_once(loop, true); /* nothing else would ever wake it */
        assert_string_equal(trace, "0");
        items[0].stops = loop;
        loop_defer(&items[0].d);
        loop_run(loop);
        assert_string_equal(trace, "00");
        loop_stop(loop); /* before it runs: not lost */
        loop_run(loop);
}

struct heap_item {
        struct deferred d;
};

static void on_deferred_free(struct deferred *d)
{
        note("f");
        free(container_of(d, struct heap_item, d));
}

static void test_deferred_free(void **state)
{
        struct loop *loop = *state;

        for (int i = 0; i < 3; i++) {
                struct heap_item *h = calloc(1, sizeof(*h));

                deferred_init(&h->d, loop, on_deferred_free);
                loop_defer(&h->d);
        }
        loop_run_once(loop, false);
        assert_string_equal(trace, "fff");
}

/* --- accounting --- */

static uint64_t spin_ns;
static bool sleeps;
static void on_timer_spin(struct watch_timer *w)
{
        struct timespec ts = { .tv_nsec = (long)spin_ns };

        if (sleeps)
                nanosleep(&ts, NULL);
        else
                spin(spin_ns);
}

static void on_deferred_spin(struct deferred *d)
{
        spin(spin_ns);
}

static struct loop_stall stalled;
static void on_stall(void *data, const struct loop_stall *stall)
{
        stalled = *stall;
        loop_defer(data);
}

static void test_stall(void **state)
{
        struct loop *loop = *state;
        const struct loop_stats *stats = loop_stats(loop);
        struct watch_timer timer;
        struct deferred d;

        item_init(&items[0], loop, "0");
        loop_on_stall(loop, on_stall, &items[0].d);
        watch_timer_init(&timer, loop, on_timer_spin);
        /* a machine that takes the processor away from us can make any round long: then it is measured as long */
        spin_ns = 0;
        watch_timer_arm(&timer, 0);
        unit_run_until(loop, !watch_timer_active(&timer));
        assert_int_equal(stats->stalls, stats->stall_max_ns > LOOP_STALL_NS);

        spin_ns = LOOP_STALL_NS + 2 * NSEC_PER_MSEC;
        trace[0] = '\0';
        watch_timer_arm(&timer, 0);
        unit_run_until(loop, !watch_timer_active(&timer));
        assert_true(stats->stalls >= 1);
        assert_true(stalled.ns >= spin_ns);
        assert_true(stalled.cpu_ns > 0 && stalled.cpu_ns <= stalled.ns + NSEC_PER_MSEC);
        assert_true(stats->stall_max_ns >= spin_ns);
        assert_true(stats->busy_ns >= stats->stall_max_ns);
        assert_non_null(strstr(trace, "0")); /* what on_stall defers is not lost */

        sleeps = true;
        watch_timer_arm(&timer, 0);
        unit_run_until(loop, !watch_timer_active(&timer));
        sleeps = false;
        assert_true(stalled.blocked >= 1);
        assert_true(stalled.cpu_ns < stalled.ns);

        /* deferred work is part of the round */
        uint64_t stalls = stats->stalls;
        deferred_init(&d, loop, on_deferred_spin);
        loop_defer(&d);
        loop_run_once(loop, false);
        assert_true(stats->stalls > stalls);
}

/* Waiting is not work: it is counted neither as a stall nor as a wake-up. */
static void test_idle(void **state)
{
        struct loop *loop = *state;
        const struct loop_stats *stats = loop_stats(loop);
        uint64_t rounds;
        struct watch_timer timer;
        struct watch_fd w;
        int fds[2];

        make_pipe(fds);
        watch_fd_init(&w, loop, on_events);
        watch_fd_set(&w, fds[0], LOOP_READ);
        loop_run_once(loop, false);
        rounds = stats->rounds;
        watch_timer_init(&timer, loop, on_timer_a);
        watch_timer_arm(&timer, 200 * NSEC_PER_MSEC);
        unit_run_until(loop, !watch_timer_active(&timer));
        assert_in_range(stats->rounds - rounds, 1, 2); /* 2: a timer may need a second look for the last microsecond */
        assert_true(stats->busy_ns < 200 * NSEC_PER_MSEC);
        watch_fd_stop(&w);
        fd_close(fds[0]);
        fd_close(fds[1]);
}

/* libev wakes up each minute to look for jumps of the clock, unless it has a timerfd that tells. */
static void test_no_minute_tick(void **state)
{
        char path[64], target[64];
        int timerfds = 0;

        for (int fd = 0; fd < 64; fd++) {
                ssize_t n;

                snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
                n = readlink(path, target, sizeof(target) - 1);
                target[n > 0 ? n : 0] = '\0';
                timerfds += strcmp(target, "anon_inode:[timerfd]") == 0;
        }
        assert_int_equal(timerfds, 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_fd, setup, teardown),
                cmocka_unit_test_setup_teardown(test_fd_free_in_callback, setup, teardown),
                cmocka_unit_test_setup_teardown(test_fd_drop, setup, teardown),
                cmocka_unit_test_setup_teardown(test_priority, setup, teardown),
                cmocka_unit_test_setup_teardown(test_turn, setup, teardown),
                cmocka_unit_test_setup_teardown(test_timer, setup, teardown),
                cmocka_unit_test_setup_teardown(test_signals, setup, teardown),
                cmocka_unit_test_setup_teardown(test_deferred, setup, teardown),
                cmocka_unit_test_setup_teardown(test_deferred_last, setup, teardown),
                cmocka_unit_test_setup_teardown(test_deferred_outside, setup, teardown),
                cmocka_unit_test_setup_teardown(test_deferred_free, setup, teardown),
                cmocka_unit_test_setup_teardown(test_stall, setup, teardown),
                cmocka_unit_test_setup_teardown(test_idle, setup, teardown),
                cmocka_unit_test_setup_teardown(test_no_minute_tick, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
