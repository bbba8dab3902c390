/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/fd.h"
#include "daemon/keeper_link.h"
#include "proto/keeper.h"

/* The keeper's side of it. */
struct rig {
        struct loop *loop;
        struct reaper *reaper;
        struct keeper_link *link;
        int peer;   /* of the pair */
        int notify; /* who listens at NOTIFY_SOCKET */
        char dir[64], path[96];
        unsigned n_backlog_ends, n_lost, n_statuses;
        pid_t last_pid;
        struct exit_info last;
        /* a watched process */
        unsigned n_exits;
        struct exit_info exit;
        struct watch_pid watch;
};

static void on_backlog_end(void *data)
{
        ((struct rig *)data)->n_backlog_ends++;
}

static void on_status(void *data, pid_t pid, uint64_t start_time, const struct exit_info *info)
{
        struct rig *r = data;

        r->n_statuses++;
        r->last_pid = pid;
        r->last = *info;
}

static void on_lost(void *data)
{
        ((struct rig *)data)->n_lost++;
}

static const struct keeper_link_ops ops = { .on_backlog_end = on_backlog_end,
                                            .on_status = on_status,
                                            .on_lost = on_lost };

static void set_number(const char *name, long n)
{
        char text[32];

        snprintf(text, sizeof(text), "%ld", n);
        setenv(name, text, 1);
}

static int setup(void **state)
{
        struct rig *r = calloc(1, sizeof(*r));
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int pair[2];

        strcpy(r->dir, "/tmp/keeper-link-XXXXXX");
        assert_non_null(mkdtemp(r->dir));
        snprintf(r->path, sizeof(r->path), "%s/notify", r->dir);
        strcpy(address.sun_path, r->path);
        r->notify = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(r->notify, (struct sockaddr *)&address, sizeof(address)), 0);
        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
        r->peer = pair[0];
        set_number(KEEPER_FD_ENV, pair[1]);
        setenv("NOTIFY_SOCKET", r->path, 1);
        assert_int_equal(loop_new(&r->loop), 0);
        assert_int_equal(reaper_new(&r->reaper, r->loop, NULL), 0);
        assert_int_equal(keeper_link_new(&r->link, r->loop, r->reaper, &ops, r, NULL), 0);
        *state = r;
        return 0;
}

static int teardown(void **state)
{
        struct rig *r = *state;

        keeper_link_free(r->link);
        reaper_free(r->reaper);
        loop_free(r->loop);
        fd_close(r->peer);
        fd_close(r->notify);
        unlink(r->path);
        rmdir(r->dir);
        free(r);
        return 0;
}

static void tell(struct rig *r, enum keeper_kind kind, pid_t pid, uint64_t start_time, int wait_status)
{
        const struct keeper_record record = { .magic = KEEPER_MAGIC, .version = KEEPER_VERSION, .kind = (uint16_t)kind,
                                              .pid = pid, .start_time = start_time, .wait_status = wait_status,
                                              .realtime_ns = 5 };

        assert_int_equal(send(r->peer, &record, sizeof(record), 0), sizeof(record));
}

static void test_environment(void **state)
{
        struct rig *r = *state;

        assert_null(getenv(KEEPER_FD_ENV));
        assert_null(getenv("NOTIFY_SOCKET"));
        assert_true(keeper_link_connected(r->link));
        assert_true(keeper_link_can_notify(r->link));
}

static void on_exit_of_watched(struct watch_pid *w, const struct exit_info *info)
{
        struct rig *r = container_of(w, struct rig, watch);

        r->n_exits++;
        r->exit = *info;
}

/* A process of which nobody but the keeper can know the status: it ended, and was reaped, before it was watched. */
static void test_statuses(void **state)
{
        struct rig *r = *state;
        struct pidref p = PIDREF_NULL;
        pid_t pid = fork();
        uint64_t start_time;

        if (pid == 0) {
                pause();
                _exit(0);
        }
        assert_int_equal(pidref_open(&p, pid), 0);
        start_time = p.start_time;
        watch_pid_init(&r->watch);
        assert_int_equal(watch_pid_start(&r->watch, r->reaper, &p, on_exit_of_watched), 0);
        tell(r, KEEPER_STATUS, pid, start_time + 1, 1 << 8); /* another one of this pid */
        tell(r, KEEPER_STATUS, pid, start_time, 42 << 8);
        while (r->n_exits == 0)
                loop_run_once(r->loop, true);
        assert_true(r->exit.known);
        assert_int_equal(r->exit.wait_status, 42 << 8);
        assert_int_equal(r->n_statuses, 2);
        assert_int_equal(r->last_pid, pid);
        assert_int_equal(r->last.realtime_ns, 5);
        assert_int_equal(r->n_backlog_ends, 0);
        tell(r, KEEPER_END_OF_BACKLOG, 0, 0, 0);
        tell(r, KEEPER_END_OF_BACKLOG, 0, 0, 0);
        for (int i = 0; i < 3; i++)
                loop_run_once(r->loop, false);
        assert_int_equal(r->n_backlog_ends, 1);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
}

static void take_ask(struct rig *r)
{
        struct keeper_record record;

        assert_int_equal(recv(r->peer, &record, sizeof(record), MSG_DONTWAIT), sizeof(record));
        assert_int_equal(record.kind, KEEPER_ASK);
}

/* Asked after the first answer, which nobody has asked for; and once for all who ask meanwhile. */
static void test_ask(void **state)
{
        struct rig *r = *state;
        struct keeper_record record;

        keeper_link_ask(r->link);
        assert_int_equal(recv(r->peer, &record, sizeof(record), MSG_DONTWAIT), -1);
        tell(r, KEEPER_END_OF_BACKLOG, 0, 0, 0);
        loop_run_once(r->loop, true);
        take_ask(r);
        watch_pid_init(&r->watch);
        assert_int_equal(watch_pid_expect(&r->watch, r->reaper, 4194304 + 1, 100, on_exit_of_watched), 0);
        keeper_link_ask(r->link);
        keeper_link_ask(r->link);
        assert_int_equal(recv(r->peer, &record, sizeof(record), MSG_DONTWAIT), -1);
        tell(r, KEEPER_END_OF_BACKLOG, 0, 0, 0); /* of the first question */
        loop_run_once(r->loop, true);
        take_ask(r);
        loop_run_once(r->loop, false);
        assert_int_equal(r->n_exits, 0);
        tell(r, KEEPER_END_OF_BACKLOG, 0, 0, 0);
        while (r->n_exits == 0)
                loop_run_once(r->loop, true);
        assert_false(r->exit.known);
        assert_int_equal(r->n_backlog_ends, 1);
        assert_int_equal(recv(r->peer, &record, sizeof(record), MSG_DONTWAIT), -1);
        keeper_link_ask(NULL);
}

static void test_bad_records(void **state)
{
        struct rig *r = *state;
        struct keeper_record record = {
                .magic = KEEPER_MAGIC, .version = KEEPER_VERSION + 1, .kind = KEEPER_STATUS, .pid = 1
        };

        send(r->peer, &record, sizeof(record), 0);
        send(r->peer, &record, 5, 0);
        record.version = KEEPER_VERSION;
        record.magic++;
        send(r->peer, &record, sizeof(record), 0);
        record.magic--;
        record.kind = 77;
        send(r->peer, &record, sizeof(record), 0);
        for (int i = 0; i < 3; i++)
                loop_run_once(r->loop, false);
        assert_int_equal(r->n_statuses + r->n_backlog_ends + r->n_lost, 0);
        assert_true(keeper_link_connected(r->link));
}

static void test_lost(void **state)
{
        struct rig *r = *state;

        r->peer = fd_close(r->peer);
        loop_run_once(r->loop, true);
        assert_int_equal(r->n_lost, 1);
        assert_int_equal(r->n_backlog_ends, 1); /* nobody waits for it for ever */
        assert_false(keeper_link_connected(r->link));
        keeper_link_forget(r->link, 1, 1);
}

/* More than the socket takes: nothing blocks, nothing is lost, and the order stays. */
static void test_forget(void **state)
{
        struct rig *r = *state;
        struct keeper_record record;

        for (uint64_t i = 1; i <= 5000; i++)
                keeper_link_forget(r->link, (pid_t)i, i * 3);
        for (uint64_t i = 1; i <= 5000; i++) {
                while (recv(r->peer, &record, sizeof(record), MSG_DONTWAIT) != sizeof(record))
                        loop_run_once(r->loop, true);
                assert_int_equal(record.magic, KEEPER_MAGIC);
                assert_int_equal(record.kind, KEEPER_FORGET);
                assert_int_equal(record.pid, i);
                assert_int_equal(record.start_time, i * 3);
        }
        keeper_link_forget(NULL, 1, 1);
}

static int n_sent;

static void on_sent(struct keeper_link_wait *w)
{
        n_sent++;
}

static void test_notify(void **state)
{
        struct keeper_link_wait wait = { .fn = on_sent }, cancelled = { .fn = on_sent };
        struct rig *r = *state;
        char text[256], want[64];
        int fds[FD_MSG_MAX];

        for (int i = 0; i < 100; i++) {
                snprintf(text, sizeof(text), "STATUS=%d", i);
                assert_int_equal(keeper_link_notify(r->link, text), 0);
        }
        assert_int_equal(keeper_link_store(r->link, "a1", r->peer), 0);
        assert_true(keeper_link_queued(r->link) > 0); /* the kernel queues about ten */
        keeper_link_when_sent(r->link, &wait);
        keeper_link_when_sent(r->link, &cancelled);
        keeper_link_wait_cancel(&cancelled);
        for (int i = 0; i < 101; i++) {
                size_t n_fds = FD_MSG_MAX;
                ssize_t n;

                while ((n = fd_recv(r->notify, text, sizeof(text) - 1, fds, &n_fds, MSG_DONTWAIT)) == -EAGAIN) {
                        loop_run_once(r->loop, true);
                        n_fds = FD_MSG_MAX;
                }
                assert_true(n > 0);
                assert_int_equal(n_sent, keeper_link_queued(r->link) == 0);
                text[n] = '\0';
                snprintf(want, sizeof(want), "STATUS=%d", i);
                assert_string_equal(text, i < 100 ? want : "FDSTORE=1\nFDPOLL=0\nFDNAME=a1");
                assert_int_equal(n_fds, i == 100);
                if (n_fds)
                        fd_close(fds[0]);
        }
        loop_run_once(r->loop, false);
        assert_int_equal(keeper_link_queued(r->link), 0);
        assert_int_equal(n_sent, 1);
        assert_int_equal(keeper_link_store(r->link, "toolongname", r->peer), -EINVAL);
        assert_int_equal(keeper_link_store(r->link, "", r->peer), -EINVAL);
        assert_int_equal(keeper_link_unstore(r->link, "a\nb"), -EINVAL);
        assert_int_equal(keeper_link_notify(NULL, "READY=1"), 0);
}

/* Without a keeper all of it is quiet, and the backlog ends at once, but not from inside the constructor. */
static void test_alone(void **state)
{
        struct rig r = { 0 };

        assert_int_equal(loop_new(&r.loop), 0);
        assert_int_equal(reaper_new(&r.reaper, r.loop, NULL), 0);
        assert_int_equal(keeper_link_new(&r.link, r.loop, r.reaper, &ops, &r, NULL), 0);
        assert_int_equal(r.n_backlog_ends, 0);
        loop_run_once(r.loop, false);
        assert_int_equal(r.n_backlog_ends, 1);
        assert_false(keeper_link_connected(r.link) || keeper_link_can_notify(r.link));
        assert_int_equal(keeper_link_notify(r.link, "READY=1"), 0);
        assert_int_equal(keeper_link_store(r.link, "x", 0), 0);
        keeper_link_forget(r.link, 1, 1);
        keeper_link_free(r.link);
        reaper_free(r.reaper);
        loop_free(r.loop);
}

static void test_bad_environment(void **state)
{
        static const char *const bad[] = { "", "x", "-1", "0", "99999", "3x", "99999999999999999999" };
        struct error err = ERROR_NULL;
        struct keeper_link *l = NULL;
        struct loop *loop;

        assert_int_equal(loop_new(&loop), 0);
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                setenv(KEEPER_FD_ENV, bad[i], 1);
                assert_int_equal(keeper_link_new(&l, loop, NULL, &ops, NULL, &err), -1);
                assert_null(l);
                assert_null(getenv(KEEPER_FD_ENV));
        }
        setenv("NOTIFY_SOCKET", "relative", 1);
        assert_int_equal(keeper_link_new(&l, loop, NULL, &ops, NULL, &err), -1);
        loop_free(loop);
}

/* In a child, where descriptors 3 and 4 are ours to give. */
static void inherited(void)
{
        struct keeper_link *l = NULL;
        struct keeper_link_fd *fds;
        struct loop *loop;
        struct stat a, b;
        size_t n;
        int keep = open("/dev/null", O_RDONLY | O_CLOEXEC);

        assert_int_equal(dup2(keep, 3), 3);
        assert_int_equal(dup2(open("/dev/zero", O_RDONLY | O_CLOEXEC), 4), 4);
        setenv("LISTEN_FDS", "2", 1);
        set_number("LISTEN_PID", getpid());
        setenv("LISTEN_FDNAMES", "one:2", 1);
        assert_int_equal(loop_new(&loop), 0);
        assert_int_equal(keeper_link_new(&l, loop, NULL, &ops, NULL, NULL), 0);
        fds = keeper_link_fds(l, &n);
        assert_int_equal(n, 2);
        assert_string_equal(fds[0].name, "one");
        assert_string_equal(fds[1].name, "2");
        assert_int_equal(fds[1].fd, 4);
        assert_int_equal(fcntl(3, F_GETFD), FD_CLOEXEC);
        assert_null(getenv("LISTEN_FDS"));
        assert_int_equal(fstat(fds[1].fd, &a), 0);
        assert_int_equal(stat("/dev/zero", &b), 0);
        assert_int_equal(a.st_rdev, b.st_rdev);
        fds[1].fd = -1; /* taken */
        keeper_link_free(l);
        assert_int_equal(fcntl(3, F_GETFD), -1);
        assert_int_equal(fcntl(4, F_GETFD), FD_CLOEXEC);
        /* for somebody else */
        setenv("LISTEN_FDS", "2", 1);
        set_number("LISTEN_PID", getpid() + 1);
        assert_int_equal(keeper_link_new(&l, loop, NULL, &ops, NULL, NULL), 0);
        assert_null(keeper_link_fds(l, &n));
        assert_int_equal(n, 0);
        keeper_link_free(l);
        loop_free(loop);
}

static void test_inherited(void **state)
{
        pid_t pid = fork();
        int status;

        if (pid == 0) {
                inherited();
                _exit(0); /* a failed assertion leaves by longjmp and another status */
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_environment, setup, teardown),
                cmocka_unit_test_setup_teardown(test_ask, setup, teardown),
                cmocka_unit_test_setup_teardown(test_statuses, setup, teardown),
                cmocka_unit_test_setup_teardown(test_bad_records, setup, teardown),
                cmocka_unit_test_setup_teardown(test_lost, setup, teardown),
                cmocka_unit_test_setup_teardown(test_forget, setup, teardown),
                cmocka_unit_test_setup_teardown(test_notify, setup, teardown),
                cmocka_unit_test(test_alone),
                cmocka_unit_test(test_bad_environment),
                cmocka_unit_test(test_inherited),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
