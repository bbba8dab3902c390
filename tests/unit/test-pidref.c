/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include "base/fd.h"
#include "base/pidref.h"
#include "tests/lib/nopidfd.h"

/* A child that waits for a signal, or exits with `code` when code >= 0. */
static pid_t fork_child(int code, const char *name)
{
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves nothing behind */
                if (name)
                        prctl(PR_SET_NAME, name);
                if (code >= 0)
                        _exit(code);
                for (;;)
                        pause();
        }
        return pid;
}

static void await_zombie(pid_t pid)
{
        siginfo_t si;

        assert_int_equal(waitid(P_PID, (id_t)pid, &si, WEXITED | WNOWAIT), 0);
}

static void test_open(void **state)
{
        struct pidref p = PIDREF_NULL, q = PIDREF_NULL;
        pid_t pid = fork_child(-1, NULL);

        assert_int_equal(pidref_open(&p, pid), 0);
        assert_int_equal(p.pid, pid);
        assert_true(p.start_time > 0);
        assert_int_equal(pidref_open_checked(&q, pid, p.start_time + 1), -ESRCH);
        assert_int_equal(q.fd, -1);
        assert_int_equal(pidref_open_checked(&q, pid, p.start_time), 0);
        assert_int_equal(pidref_kill(&p, 1000), -EINVAL);
        assert_int_equal(pidref_kill(&p, 0), 0);
        assert_int_equal(pidref_kill(&p, SIGKILL), 0);
        await_zombie(pid);
        pidref_close(&q);
        assert_int_equal(pidref_open(&q, pid), 0); /* a zombie is not gone */
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        assert_int_equal(pidref_kill(&p, SIGKILL), -ESRCH);
        pidref_close(&q);
        assert_int_equal(pidref_open(&q, pid), -ESRCH);
        pidref_close(&p);
        pidref_close(&p);
        assert_int_equal(pidref_kill(&p, 0), -EBADF);
        assert_int_equal(pidref_open(&p, 0), -ESRCH);
        assert_int_equal(pidref_open(&p, -1), -ESRCH);
}

static const char stat_tail[] =
        " S 11 2 3 -34816 -1 4194560 1 2 3 4 500 600 7 8 20 0 1 0 98765 1000 2 18446744073709551615 1 2 3 "
        "4 5 6 7 8 9 10 11 12 17 3 0 0 0 0 0 1 2 3 4 5 6 7 768\n";

static void test_parse(void **state)
{
        static const char *const comms[] = { "cat", "", "a b", ") R 1 (", "(((", ")))", "x\ny" };
        struct proc_stat st;
        char text[512];

        for (size_t i = 0; i < ARRAY_SIZE(comms); i++) {
                snprintf(text, sizeof(text), "123 (%s)%s", comms[i], stat_tail);
                assert_int_equal(proc_stat_parse(text, &st), 0);
                assert_string_equal(st.comm, comms[i]);
                assert_int_equal(st.pid, 123);
                assert_int_equal(st.state, 'S');
                assert_int_equal(st.ppid, 11);
                assert_int_equal(st.tty_nr, -34816);
                assert_int_equal(st.utime, 500);
                assert_int_equal(st.stime, 600);
                assert_int_equal(st.start_time, 98765);
                assert_int_equal(st.exit_code, 768);
        }
}

static void test_parse_bad(void **state)
{
        struct proc_stat st;
        char text[512];
        size_t len;

        assert_int_equal(proc_stat_parse("", &st), -EBADMSG);
        assert_int_equal(proc_stat_parse("12", &st), -EBADMSG);
        assert_int_equal(proc_stat_parse(")(", &st), -EBADMSG);
        assert_int_equal(proc_stat_parse("(x) S 1", &st), -EBADMSG);
        assert_int_equal(proc_stat_parse("12 (x)", &st), -EBADMSG);
        assert_int_equal(proc_stat_parse("12 (x) S", &st), -EBADMSG);
        snprintf(text, sizeof(text), "-5 (x)%s", stat_tail);
        assert_int_equal(proc_stat_parse(text, &st), -EBADMSG);
        /* cut anywhere before the last field: an error, never a number made up */
        snprintf(text, sizeof(text), "123 (x)%s", stat_tail);
        for (len = strlen(text) - 5; len > 0; len--) {
                text[len] = '\0';
                assert_int_equal(proc_stat_parse(text, &st), -EBADMSG);
        }
}

static void test_read(void **state)
{
        pid_t pid = fork_child(-1, ") Z 0 (a\n");
        struct proc_stat st;

        do
                assert_int_equal(proc_stat_read(pid, &st), 0);
        while (strcmp(st.comm, ") Z 0 (a\n") != 0);
        assert_int_equal(st.pid, pid);
        assert_int_equal(st.ppid, getpid());
        assert_true(st.state == 'S' || st.state == 'R');
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        assert_int_equal(proc_stat_read(pid, &st), -ESRCH);
}

static void test_exit_status(void **state)
{
        struct pidref p = PIDREF_NULL;
        int status, k;
        pid_t pid = fork_child(-1, NULL);

        assert_int_equal(pidref_open(&p, pid), 0);
        assert_int_equal(pidref_exit_status(&p, &status), -EAGAIN);
        kill(pid, SIGKILL);
        await_zombie(pid);
        assert_int_equal(pidref_exit_status(&p, &status), 0); /* from the zombie */
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        waitpid(pid, NULL, 0);
        k = pidref_exit_status(&p, &status); /* from the kernel's memory, where it has one */
        assert_true((k == 0 && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) || k == -ENODATA);
        pidref_close(&p);

        pid = fork_child(0, NULL);
        await_zombie(pid);
        assert_int_equal(pidref_open(&p, pid), 0);
        assert_int_equal(pidref_exit_status(&p, &status), 0);
        assert_int_equal(status, 0);
        /* of another start time: another process, of which nothing is known */
        p.fd = fd_close(p.fd);
        p.start_time++;
        assert_int_equal(pidref_exit_status(&p, &status), -ENODATA);
        waitpid(pid, NULL, 0);
}

/* Field 52 is 0 for those who may not look. That is not "exited with 0". */
static void test_exit_status_unprivileged(void **state)
{
        struct pidref p = PIDREF_NULL;
        int status;
        pid_t pid, looker;

        if (geteuid() != 0)
                unit_skip("needs root");
        pid = fork_child(3, NULL);
        await_zombie(pid);
        assert_int_equal(pidref_open(&p, pid), 0);
        looker = fork();
        if (looker == 0) {
                if (setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0)
                        _exit(99);
                _exit(pidref_exit_status(&p, &status) == -ENODATA ? 0 : 1);
        }
        assert_int_equal(waitpid(looker, &status, 0), looker);
        assert_int_equal(status, 0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        pidref_close(&p);
}

/* The last one. */
static void test_without_pidfds(void **state)
{
        struct pidref p = PIDREF_NULL, reused;
        pid_t pid = fork_child(-1, NULL);
        int status;

        assert_int_equal(forget_pidfds(), 0);
        assert_int_equal(pidref_open(&p, pid), 0);
        assert_int_equal(p.pid, pid);
        assert_int_equal(p.fd, -1);
        assert_true(p.start_time > 0);
        reused = p;
        reused.start_time++;
        assert_int_equal(pidref_kill(&reused, SIGKILL), -ESRCH); /* another has that number now */
        assert_int_equal(pidref_open_checked(&reused, pid, p.start_time + 1), -ESRCH);
        assert_int_equal(pidref_exit_status(&p, &status), -EAGAIN);
        assert_int_equal(pidref_kill(&p, 1000), -EINVAL);
        assert_int_equal(pidref_kill(&p, SIGKILL), 0);
        await_zombie(pid);
        if (geteuid() == 0) {
                assert_int_equal(pidref_exit_status(&p, &status), 0);
                assert_int_equal(status, SIGKILL);
        }
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        assert_int_equal(pidref_exit_status(&p, &status), -ENODATA);
        assert_int_equal(pidref_kill(&p, SIGKILL), -ESRCH);
        assert_int_equal(pidref_open(&p, pid), -ESRCH);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_open),
                cmocka_unit_test(test_parse),
                cmocka_unit_test(test_parse_bad),
                cmocka_unit_test(test_read),
                cmocka_unit_test(test_exit_status),
                cmocka_unit_test(test_exit_status_unprivileged),
                cmocka_unit_test(test_without_pidfds),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
