/* SPDX-License-Identifier: Apache-2.0 */

/* No child is waited for with a sleep: pipes and pidfds tell when something has happened. */

#include "tests/unit/unit.h"
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include "base/fd.h"
#include "base/reaper.h"
#include "tests/lib/nopidfd.h"

struct fixture {
        struct loop *loop;
        struct reaper *reaper;
        struct watch_signals signals;
};

static void on_sigchld(struct watch_signals *w, int signal)
{
        reaper_drain(container_of(w, struct fixture, signals)->reaper);
}

static void listen_to_sigchld(struct fixture *f)
{
        sigset_t set;

        sigemptyset(&set);
        sigaddset(&set, SIGCHLD);
        assert_int_equal(watch_signals_start(&f->signals, f->loop, &set, on_sigchld), 0);
}

static int setup(void **state)
{
        struct fixture *f = calloc(1, sizeof(*f));

        f->signals = (struct watch_signals)WATCH_SIGNALS_NULL;
        if (loop_new(&f->loop) < 0 || reaper_new(&f->reaper, f->loop, NULL) < 0)
                return -1;
        *state = f;
        return 0;
}

static int teardown(void **state)
{
        struct fixture *f = *state;

        watch_signals_stop(&f->signals);
        f->reaper = reaper_free(f->reaper);
        f->loop = loop_free(f->loop);
        free(f);
        while (waitpid(-1, NULL, WNOHANG) > 0)
                ;
        return 0;
}

/* --- processes to watch --- */

/* A child that exits with `code` when the other end of *gate is closed. */
static pid_t fork_gated(int *gate, int code)
{
        int fds[2];
        char byte;
        pid_t pid;

        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                close(fds[1]);
                if (read(fds[0], &byte, 1) < 0)
                        _exit(99);
                _exit(code);
        }
        close(fds[0]);
        *gate = fds[1];
        return pid;
}

struct watched {
        struct watch_pid w;
        struct exit_info info;
        int calls;
        struct watched *stops; /* in its callback: this one is stopped and freed */
        bool frees_itself;
};

static int total_calls;

static void on_exit_of(struct watch_pid *w, const struct exit_info *info)
{
        struct watched *x = container_of(w, struct watched, w);

        total_calls++;
        x->calls++;
        x->info = *info;
        assert_false(w->active);
        assert_true(w->pidref.fd < 0 || fcntl(w->pidref.fd, F_GETFD) >= 0); /* still open */
        if (x->stops) {
                watch_pid_stop(&x->stops->w);
                free(x->stops);
        }
        if (x->frees_itself)
                free(x);
}

static void watch(struct fixture *f, struct watched *x, pid_t pid)
{
        struct pidref p = PIDREF_NULL;

        memset(x, 0, sizeof(*x));
        watch_pid_init(&x->w);
        assert_int_equal(pidref_open(&p, pid), 0);
        assert_int_equal(watch_pid_start(&x->w, f->reaper, &p, on_exit_of), 0);
        assert_int_equal(p.fd, -1); /* taken */
        assert_int_equal(x->calls, 0);
}

/* --- our children --- */

static void test_child_by_pidfd(void **state)
{
        struct fixture *f = *state;
        static struct watched x;
        int gate, before = fd_count();

        watch(f, &x, fork_gated(&gate, 42));
        fd_close(gate);
        unit_run_until(f->loop, x.calls);
        assert_true(x.info.known);
        assert_true(WIFEXITED(x.info.wait_status) && WEXITSTATUS(x.info.wait_status) == 42);
        assert_true(x.info.realtime_ns > 0);
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* reaped */
        assert_int_equal(fd_count(), before);
}

static void test_child_by_sigchld(void **state)
{
        struct fixture *f = *state;
        static struct watched x;
        siginfo_t si;
        int gate;
        pid_t pid = fork_gated(&gate, 0);

        watch(f, &x, pid);
        kill(pid, SIGTERM);
        assert_int_equal(waitid(P_PID, (id_t)pid, &si, WEXITED | WNOWAIT), 0);
        reaper_drain(f->reaper); /* the loop has not turned: only this can have told */
        assert_int_equal(x.calls, 1);
        assert_true(x.info.known && WIFSIGNALED(x.info.wait_status) && WTERMSIG(x.info.wait_status) == SIGTERM);
        reaper_drain(f->reaper);
        loop_run_once(f->loop, false);
        assert_int_equal(x.calls, 1);
        fd_close(gate);
}

/* Many at once, with both sources: each exactly once, with its own status. */
static void test_many(void **state)
{
        struct fixture *f = *state;
        static struct watched x[50];
        int gates[50];

        listen_to_sigchld(f);
        total_calls = 0;
        for (int i = 0; i < 50; i++)
                watch(f, &x[i], fork_gated(&gates[i], i));
        for (int i = 0; i < 50; i++) /* each child holds the gates of those before it */
                fd_close(gates[49 - i]);
        unit_run_until(f->loop, total_calls == 50);
        unit_run_for(f->loop, 10 * NSEC_PER_MSEC);
        assert_int_equal(total_calls, 50);
        for (int i = 0; i < 50; i++) {
                assert_int_equal(x[i].calls, 1);
                assert_int_equal(x[i].info.wait_status, i << 8);
        }
}

static void test_stop(void **state)
{
        struct fixture *f = *state;
        static struct watched x;
        siginfo_t si;
        int gate;
        pid_t pid = fork_gated(&gate, 1);

        watch(f, &x, pid);
        watch_pid_stop(&x.w);
        watch_pid_stop(&x.w);
        assert_int_equal(x.w.pidref.fd, -1);
        fd_close(gate);
        assert_int_equal(waitid(P_PID, (id_t)pid, &si, WEXITED | WNOWAIT), 0);
        reaper_drain(f->reaper);
        assert_int_equal(x.calls, 0);
        assert_int_equal(waitpid(pid, NULL, WNOHANG), -1); /* reaped all the same */
        assert_int_equal(reaper_n_orphans(f->reaper), 0);  /* nobody could want it */
}

/* Two exits in one turn; the first callback stops and frees the other watch, and itself. */
static void test_free_in_callback(void **state)
{
        struct fixture *f = *state;
        struct watched *x[2] = { malloc(sizeof(**x)), malloc(sizeof(**x)) };
        siginfo_t si;
        pid_t pids[2];
        int gates[2];

        total_calls = 0;
        for (int i = 0; i < 2; i++) {
                pids[i] = fork_gated(&gates[i], 0);
                watch(f, x[i], pids[i]);
        }
        for (int i = 0; i < 2; i++) {
                x[i]->stops = x[1 - i];
                x[i]->frees_itself = true;
                fd_close(gates[1 - i]);
        }
        for (int i = 0; i < 2; i++)
                assert_int_equal(waitid(P_PID, (id_t)pids[i], &si, WEXITED | WNOWAIT), 0);
        loop_run_once(f->loop, true);
        loop_run_once(f->loop, false);
        reaper_drain(f->reaper);
        assert_int_equal(total_calls, 1);
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void test_free_with_watches(void **state)
{
        struct fixture *f = *state;
        struct reaper_hold hold;
        static struct watched x;
        int gate;

        reaper_hold(f->reaper, &hold);
        watch(f, &x, fork_gated(&gate, 0));
        f->reaper = reaper_free(f->reaper);
        assert_false(x.w.active);
        watch_pid_stop(&x.w);
        reaper_unhold(&hold);
        fd_close(gate);
        assert_true(waitpid(-1, NULL, 0) > 0);
}

/* --- orphans --- */

/* An orphan of ours: its parent has exited and was reaped. It exits with `code` when *gate is closed. */
static pid_t make_orphan(struct fixture *f, int *gate, int code)
{
        int fds[2], status, out[2];
        pid_t parent, pid = 0;

        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        assert_int_equal(pipe2(out, O_CLOEXEC), 0);
        parent = fork();
        assert_true(parent >= 0);
        if (parent == 0) {
                pid = fork();
                if (pid == 0) {
                        char byte;

                        close(fds[1]);
                        close(out[0]);
                        close(out[1]);
                        _exit(read(fds[0], &byte, 1) < 0 ? 99 : code);
                }
                _exit(write(out[1], &pid, sizeof(pid)) != sizeof(pid));
        }
        close(fds[0]);
        close(out[1]);
        assert_int_equal(read(out[0], &pid, sizeof(pid)), sizeof(pid));
        close(out[0]);
        assert_int_equal(waitpid(parent, &status, 0), parent);
        *gate = fds[1];
        return pid;
}

static void end_orphan(struct fixture *f, pid_t pid, int gate)
{
        siginfo_t si;

        fd_close(gate);
        assert_int_equal(waitid(P_PID, (id_t)pid, &si, WEXITED | WNOWAIT), 0);
        reaper_drain(f->reaper);
        assert_int_equal(waitpid(pid, NULL, WNOHANG), -1);
}

static void test_orphan(void **state)
{
        struct fixture *f = *state;
        struct reaper_hold hold;
        struct exit_info info;
        uint64_t start_time;
        pid_t pid;
        int gate;

        pid = make_orphan(f, &gate, 3);
        end_orphan(f, pid, gate);
        assert_int_equal(reaper_n_orphans(f->reaper), 0); /* no command is in flight */

        reaper_hold(f->reaper, &hold);
        pid = make_orphan(f, &gate, 3);
        assert_false(reaper_claim(&hold, pid, &start_time, &info)); /* lives */
        end_orphan(f, pid, gate);
        assert_int_equal(reaper_n_orphans(f->reaper), 1);
        assert_false(reaper_claim(&hold, pid + 1, &start_time, &info));
        assert_true(reaper_claim(&hold, pid, &start_time, &info));
        assert_true(info.known && info.wait_status == 3 << 8);
        assert_true(start_time >= hold.begin_ticks);
        assert_int_equal(reaper_n_orphans(f->reaper), 0);
        assert_false(reaper_claim(&hold, pid, &start_time, &info)); /* once */
        reaper_unhold(&hold);
        reaper_unhold(&hold);
}

/* Each status is kept for as long as a command is in flight that began before it, and not for others. */
static void test_holds_overlap(void **state)
{
        struct fixture *f = *state;
        struct reaper_hold a, b;
        struct exit_info info = { .known = true, .wait_status = 1 << 8 };
        uint64_t start_time;

        reaper_told(f->reaper, 100, UINT64_MAX, &info); /* nobody holds */
        assert_int_equal(reaper_n_orphans(f->reaper), 0);
        reaper_hold(f->reaper, &a);
        reaper_told(f->reaper, 101, UINT64_MAX, &info);
        reaper_hold(f->reaper, &b);
        reaper_told(f->reaper, 102, UINT64_MAX, &info);
        assert_int_equal(reaper_n_orphans(f->reaper), 2);
        assert_false(reaper_claim(&b, 101, &start_time, &info)); /* ended before b began */
        reaper_unhold(&a);
        assert_int_equal(reaper_n_orphans(f->reaper), 1);
        assert_true(reaper_claim(&b, 102, &start_time, &info));
        reaper_told(f->reaper, 103, UINT64_MAX, &info);
        reaper_told(f->reaper, 103, b.begin_ticks - 1, &info); /* older than the command: not of its pid file */
        assert_int_equal(reaper_n_orphans(f->reaper), 1);
        assert_false(reaper_claim(&b, 103, &start_time, &info));
        reaper_unhold(&b);
        assert_int_equal(reaper_n_orphans(f->reaper), 0);
}

/* The zombie was reaped as an orphan before its watch began: the pidfd alone would tell nothing. */
static void test_watch_after_orphan(void **state)
{
        struct fixture *f = *state;
        struct pidref p = PIDREF_NULL;
        struct reaper_hold hold;
        static struct watched x;
        pid_t pid;
        int gate;

        reaper_hold(f->reaper, &hold);
        pid = make_orphan(f, &gate, 7);
        assert_int_equal(pidref_open(&p, pid), 0);
        end_orphan(f, pid, gate);
        assert_int_equal(reaper_n_orphans(f->reaper), 1);
        assert_int_equal(watch_pid_start(&x.w, f->reaper, &p, on_exit_of), 0);
        assert_int_equal(x.calls, 0);
        reaper_unhold(&hold); /* it has its status already */
        unit_run_until(f->loop, x.calls);
        assert_true(x.info.known && x.info.wait_status == 7 << 8);
        assert_int_equal(reaper_n_orphans(f->reaper), 0);
}

/* --- another's children --- */

/* The other: makes one child that exits with 42 as soon as *gate is closed, tells its pid, reaps it if asked to, and
 * exits when *leave is closed. A subreaper itself, as the keeper is. */
struct other {
        pid_t self, child;
        int gate, leave;
        int reaped; /* end of file when it has reaped */
};

static _Noreturn void other_main(int gate[2], int leave[2], int out[2], bool reaps)
{
        char byte;
        pid_t pid;

        prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
        close(leave[1]);
        close(out[0]);
        pid = fork();
        if (pid == 0) {
                close(gate[1]);
                close(out[1]);
                _exit(read(gate[0], &byte, 1) < 0 ? 99 : 42);
        }
        close(gate[1]);
        if (write(out[1], &pid, sizeof(pid)) != sizeof(pid))
                _exit(98);
        if (reaps)
                waitpid(pid, NULL, 0);
        close(out[1]);
        if (read(leave[0], &byte, 1) < 0)
                _exit(97);
        _exit(0);
}

static void make_other(struct other *o, bool reaps)
{
        int gate[2], leave[2], out[2];

        assert_int_equal(pipe2(gate, O_CLOEXEC), 0);
        assert_int_equal(pipe2(leave, O_CLOEXEC), 0);
        assert_int_equal(pipe2(out, O_CLOEXEC), 0);
        o->self = fork();
        assert_true(o->self >= 0);
        if (o->self == 0)
                other_main(gate, leave, out, reaps);
        close(gate[0]);
        close(leave[0]);
        close(out[1]);
        assert_int_equal(read(out[0], &o->child, sizeof(o->child)), sizeof(o->child));
        o->gate = gate[1];
        o->leave = leave[1];
        o->reaped = out[0];
}

/* The child's exit has happened, and its reaping if that is wanted. */
static void end_others_child(struct other *o, const struct pidref *p)
{
        struct pollfd poll_fd = { .fd = p->fd, .events = POLLIN };
        char byte;

        o->gate = fd_close(o->gate);
        assert_int_equal(poll(&poll_fd, 1, 60000), 1);
        assert_int_equal(read(o->reaped, &byte, 1), 0);
}

static void end_other(struct other *o)
{
        fd_close(o->leave);
        fd_close(o->gate);
        fd_close(o->reaped);
        waitpid(o->self, NULL, 0);
}

static void test_not_our_child_zombie(void **state)
{
        struct fixture *f = *state;
        struct other o;
        static struct watched x;

        make_other(&o, false);
        watch(f, &x, o.child);
        end_others_child(&o, &x.w.pidref);
        unit_run_until(f->loop, x.calls);
        assert_true(x.info.known && x.info.wait_status == 42 << 8);
        end_other(&o);
}

static bool kernel_remembers_exits(void)
{
        struct pidref p = PIDREF_NULL;
        int gate, status, k;
        pid_t pid = fork_gated(&gate, 1);

        assert_int_equal(pidref_open(&p, pid), 0);
        fd_close(gate);
        waitpid(pid, NULL, 0);
        k = pidref_exit_status(&p, &status);
        pidref_close(&p);
        return k == 0;
}

static void test_not_our_child_reaped(void **state)
{
        struct fixture *f = *state;
        struct other o;
        static struct watched x;

        if (!kernel_remembers_exits())
                unit_skip("the kernel keeps no exit status with a pidfd (before Linux 6.15)");
        make_other(&o, true);
        watch(f, &x, o.child);
        end_others_child(&o, &x.w.pidref);
        unit_run_until(f->loop, x.calls);
        assert_true(x.info.known && x.info.wait_status == 42 << 8);
        end_other(&o);
}

/* Its parent dies, and it becomes our child while it is watched. */
static void test_becomes_our_child(void **state)
{
        struct fixture *f = *state;
        struct other o;
        static struct watched x;

        listen_to_sigchld(f);
        make_other(&o, false);
        watch(f, &x, o.child);
        kill(o.self, SIGKILL);
        waitpid(o.self, NULL, 0);
        fd_close(o.gate);
        unit_run_until(f->loop, x.calls);
        assert_true(x.info.known && x.info.wait_status == 42 << 8);
        fd_close(o.leave);
        fd_close(o.reaped);
}

/* --- the keeper tells --- */

/* A process that is gone, as a record on disk names it: nothing but the keeper can know. */
static struct pidref gone(void)
{
        struct pidref p = PIDREF_NULL;
        int gate;
        pid_t pid = fork_gated(&gate, 1);

        assert_int_equal(pidref_open(&p, pid), 0);
        fd_close(gate);
        waitpid(pid, NULL, 0);
        p.fd = fd_close(p.fd);
        return p;
}

static void test_told(void **state)
{
        struct fixture *f = *state;
        struct exit_info info = { .known = true, .wait_status = 9, .realtime_ns = 12345 };
        struct pidref p = gone();
        static struct watched x;

        assert_int_equal(watch_pid_start(&x.w, f->reaper, &p, on_exit_of), 0);
        unit_run_for(f->loop, 20 * NSEC_PER_MSEC); /* it asks, and asks again */
        assert_int_equal(x.calls, 0);
        assert_true(x.w.polls > 0);
        reaper_told(f->reaper, x.w.pidref.pid, x.w.pidref.start_time + 1, &info); /* another process of this pid */
        assert_int_equal(x.calls, 0);
        reaper_told(f->reaper, x.w.pidref.pid, x.w.pidref.start_time, &info);
        assert_int_equal(x.calls, 1);
        assert_true(x.info.known);
        assert_int_equal(x.info.wait_status, 9);
        assert_int_equal(x.info.realtime_ns, 12345);
}

static void test_told_before(void **state)
{
        struct fixture *f = *state;
        struct exit_info info = { .known = true, .wait_status = 9, .realtime_ns = 12345 };
        struct pidref p = gone();
        struct reaper_hold hold;
        static struct watched x;

        reaper_hold(f->reaper, &hold);
        reaper_told(f->reaper, p.pid, p.start_time, &info);
        assert_int_equal(watch_pid_start(&x.w, f->reaper, &p, on_exit_of), 0);
        assert_int_equal(x.calls, 0);
        unit_run_until(f->loop, x.calls);
        assert_int_equal(x.info.wait_status, 9);
        reaper_unhold(&hold);
}

/* Nobody ever tells: reported as unknown, and not before the keeper had time to tell. */
static void test_unknown(void **state)
{
        struct fixture *f = *state;
        uint64_t begin = clock_monotonic_ns();
        struct pidref p = gone();
        static struct watched x;

        assert_int_equal(watch_pid_start(&x.w, f->reaper, &p, on_exit_of), 0);
        unit_run_until(f->loop, x.calls);
        assert_false(x.info.known);
        assert_true(x.info.realtime_ns > 0);
        assert_true(clock_monotonic_ns() - begin > NSEC_PER_SEC);
}

static void test_refused(void **state)
{
        struct fixture *f = *state;
        struct pidref p = PIDREF_NULL;
        static struct watched x;

        watch_pid_init(&x.w);
        watch_pid_stop(&x.w);
        assert_int_equal(watch_pid_start(&x.w, f->reaper, &p, on_exit_of), -EINVAL);
        assert_false(x.w.active);
}

/* A watch of a process whose status is still sought, and one of its pid's next owner, live side by side. */
static void test_same_pid_twice(void **state)
{
        struct fixture *f = *state;
        struct exit_info info = { .known = true, .wait_status = 9 };
        struct pidref old;
        static struct watched x, y;
        int gate;
        pid_t pid = fork_gated(&gate, 5);

        watch(f, &y, pid);
        old = (struct pidref){ .pid = pid, .start_time = y.w.pidref.start_time - 1, .fd = -1 };
        assert_int_equal(watch_pid_start(&x.w, f->reaper, &old, on_exit_of), 0);
        reaper_told(f->reaper, pid, x.w.pidref.start_time, &info);
        assert_int_equal(x.calls, 1);
        assert_int_equal(y.calls, 0);
        fd_close(gate);
        unit_run_until(f->loop, y.calls);
        assert_int_equal(y.info.wait_status, 5 << 8);
        assert_int_equal(x.calls, 1);
}

/* The keeper has reaped it and not told yet: nothing is left of it to look at. */
static void test_gone_and_not_yet_told(void **state)
{
        struct fixture *f = *state;
        struct exit_info info = { .known = true, .wait_status = 3 << 8, .realtime_ns = 7 };
        const pid_t pid = 4194304 + 1; /* nobody's */
        struct watched x = { .calls = 0 };

        watch_pid_init(&x.w);
        assert_int_equal(watch_pid_expect(&x.w, f->reaper, pid, 100, on_exit_of), 0);
        loop_run_once(f->loop, false);
        assert_int_equal(x.calls, 0);
        reaper_told(f->reaper, pid, 99, &info); /* of one that had this number before */
        assert_int_equal(x.calls, 0);
        reaper_told(f->reaper, pid, 100, &info);
        assert_int_equal(x.calls, 1);
        assert_true(x.info.known);
        assert_int_equal(x.info.wait_status, 3 << 8);
        assert_int_equal(x.w.pidref.start_time, 100);
}

static int n_asked;

static void on_ask(void *data)
{
        n_asked++;
}

/* The keeper says that it has told all: of whom it was asked about and has not told, nobody knows. */
static void test_gone_and_unknown(void **state)
{
        static const struct reaper_orphan_ops ops = { .ask = on_ask };
        struct fixture *f = *state;
        struct exit_info info = { .known = true, .wait_status = 3 << 8, .realtime_ns = 7 };
        const pid_t pid = 4194304 + 1; /* nobody's */
        struct pidref old = { .pid = pid + 1, .start_time = 100, .fd = -1 };
        struct watched x = { .calls = 0 }, y = { .calls = 0 };
        uint64_t begin = clock_monotonic_ns();

        reaper_on_orphan(f->reaper, &ops, NULL);
        n_asked = 0;
        watch_pid_init(&x.w);
        watch_pid_init(&y.w);
        assert_int_equal(watch_pid_expect(&x.w, f->reaper, pid, 100, on_exit_of), 0);
        assert_int_equal(n_asked, 1);
        reaper_asked(f->reaper);
        assert_int_equal(watch_pid_start(&y.w, f->reaper, &old, on_exit_of), 0);
        assert_int_equal(n_asked, 2);
        reaper_answered(f->reaper); /* which is about x alone */
        unit_run_until(f->loop, x.calls);
        assert_false(x.info.known);
        assert_int_equal(y.calls, 0);
        reaper_asked(f->reaper);
        reaper_told(f->reaper, pid + 1, 100, &info);
        reaper_answered(f->reaper);
        assert_int_equal(y.calls, 1);
        assert_true(y.info.known);
        assert_true(clock_monotonic_ns() - begin < NSEC_PER_SEC); /* nobody waited until it is too late */
        loop_run_once(f->loop, false);
        assert_int_equal(x.calls + y.calls, 2);
        reaper_on_orphan(f->reaper, NULL, NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* --- a kernel without pidfds: the last ones --- */

static void test_without_pidfds_child(void **state)
{
        struct fixture *f = *state;
        static struct watched x;
        int gate;

        assert_int_equal(forget_pidfds(), 0);
        listen_to_sigchld(f);
        watch(f, &x, fork_gated(&gate, 42));
        assert_int_equal(x.w.pidref.fd, -1);
        unit_run_for(f->loop, 100 * NSEC_PER_MSEC);
        assert_int_equal(x.calls, 0); /* it was looked at, and lives */
        fd_close(gate);
        unit_run_until(f->loop, x.calls);
        assert_true(x.info.known && x.info.wait_status == 42 << 8);
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

/* Of another's child nobody tells: longer than an exit may stay unknown, it is looked at. */
static void test_without_pidfds_not_our_child(void **state)
{
        struct fixture *f = *state;
        static struct watched x;
        struct other o;

        make_other(&o, false);
        watch(f, &x, o.child);
        unit_run_for(f->loop, 3 * NSEC_PER_SEC);
        assert_int_equal(x.calls, 0);
        o.gate = fd_close(o.gate);
        unit_run_until(f->loop, x.calls);
        if (geteuid() == 0)
                assert_true(x.info.known && x.info.wait_status == 42 << 8);
        end_other(&o);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_child_by_pidfd),
                TEST(test_child_by_sigchld),
                TEST(test_many),
                TEST(test_stop),
                TEST(test_free_in_callback),
                TEST(test_free_with_watches),
                TEST(test_orphan),
                TEST(test_holds_overlap),
                TEST(test_watch_after_orphan),
                TEST(test_not_our_child_zombie),
                TEST(test_not_our_child_reaped),
                TEST(test_becomes_our_child),
                TEST(test_told),
                TEST(test_told_before),
                TEST(test_unknown),
                TEST(test_refused),
                TEST(test_same_pid_twice),
                TEST(test_without_pidfds_child),
                TEST(test_without_pidfds_not_our_child),
                TEST(test_gone_and_not_yet_told),
                TEST(test_gone_and_unknown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
