/* SPDX-License-Identifier: Apache-2.0 */

/* Real children: /bin/sh and busybox do what the process of a container would. */

#include "tests/unit/unit.h"
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "base/fd.h"
#include "base/spawn.h"

struct fixture {
        struct loop *loop;
        struct reaper *reaper;
        char dir[32];
        int fds;
};

static int setup(void **state)
{
        struct fixture *f = calloc(1, sizeof(*f));

        f->fds = fd_count();
        unit_mkdir(f->dir);
        if (loop_new(&f->loop) < 0 || reaper_new(&f->reaper, f->loop, unit_helper()) < 0)
                return -1;
        *state = f;
        return 0;
}

static int teardown(void **state)
{
        struct fixture *f = *state;
        int fds;

        f->reaper = reaper_free(f->reaper);
        f->loop = loop_free(f->loop);
        unit_rmdir(f->dir);
        fds = f->fds;
        free(f);
        assert_int_equal(fd_count(), fds); /* no test leaks one */
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
        return 0;
}

struct run {
        struct spawn s;
        struct spawn_params p;
        int readies, exits;
        bool ok, ready_first, abandons;
        char step[40];
        int errnum;
        int kept[3];
        struct exit_info info;
};

static void on_ready(struct spawn *s, struct spawn_ready *ready)
{
        struct run *r = container_of(s, struct run, s);

        r->readies++;
        r->ok = ready->ok;
        r->errnum = ready->errnum;
        snprintf(r->step, sizeof(r->step), "%s", ready->step ? ready->step : "");
        for (size_t i = 0; i < 3; i++)
                r->kept[i] = TAKE_FD(ready->kept[i]);
        if (r->abandons)
                spawn_abandon(s);
}

static void on_exit_of(struct spawn *s, const struct exit_info *info)
{
        struct run *r = container_of(s, struct run, s);

        r->ready_first = r->readies == 1;
        r->exits++;
        r->info = *info;
        assert_false(spawn_active(s));
}

static char *const empty_env[] = { NULL };
static const char *argv_sh[] = { "sh", "-c", NULL, NULL };

/* Prepares `sh -c script`. */
static void run_init(struct fixture *f, struct run *r, const char *script)
{
        memset(r, 0, sizeof(*r));
        spawn_init(&r->s, f->loop);
        r->p = SPAWN_PARAMS_NULL;
        r->p.path = "/bin/sh";
        argv_sh[2] = script;
        r->p.argv = (char *const *)argv_sh;
        for (size_t i = 0; i < 3; i++)
                r->kept[i] = -1;
}

static void run_start(struct fixture *f, struct run *r)
{
        assert_int_equal(spawn_start(&r->s, f->reaper, &r->p, on_ready, on_exit_of), 0);
        assert_int_equal(r->readies, 0);
        assert_true(spawn_active(&r->s));
}

static void run_finish(struct fixture *f, struct run *r)
{
        unit_run_until(f->loop, r->exits);
        assert_int_equal(r->readies, 1);
        assert_int_equal(r->exits, 1);
        assert_true(r->ready_first);
        assert_true(r->info.known);
        for (size_t i = 0; i < 3; i++)
                r->kept[i] = fd_close(r->kept[i]);
}

static void run_all(struct fixture *f, struct run *r)
{
        run_start(f, r);
        spawn_release(&r->s);
        run_finish(f, r);
}

/* A regular file that takes what the child writes. */
static int capture_file(struct fixture *f)
{
        char path[64];
        int fd;

        snprintf(path, sizeof(path), "%s/capture", f->dir);
        fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        return fd;
}

static const char *captured(int fd)
{
        static char text[8192];

        assert_true(fd_read_small(fd, NULL, text, sizeof(text)) >= 0);
        return text;
}

static const char *in_dir(struct fixture *f, const char *name)
{
        static char paths[4][64];
        static size_t next;
        char *path = paths[next++ % 4];

        snprintf(path, 64, "%s/%s", f->dir, name);
        return path;
}

/* --- the ordinary case --- */

static void test_run(void **state)
{
        struct fixture *f = *state;
        _cleanup_(fd_closep) int out = capture_file(f);
        const char *env[] = { "A=b c", NULL };
        static struct run r;

        run_init(f, &r, "pwd; echo $A; echo err >&2; cat; exit 3");
        r.p.envp = (char *const *)env;
        r.p.cwd = "/usr/bin";
        r.p.stdio[1] = (struct spawn_stdio){ .kind = SPAWN_STDIO_FD, .fd = out };
        r.p.stdio[2] = (struct spawn_stdio){ .kind = SPAWN_STDIO_SAME };
        run_all(f, &r);
        assert_true(r.ok);
        assert_int_equal(r.info.wait_status, 3 << 8);
        assert_string_equal(captured(out), "/usr/bin\nb c\nerr\n");

        /* the struct may be used again */
        r.readies = r.exits = 0;
        argv_sh[2] = "kill -9 $$";
        run_all(f, &r);
        assert_true(WIFSIGNALED(r.info.wait_status) && WTERMSIG(r.info.wait_status) == SIGKILL);
}

static void test_kill(void **state)
{
        struct fixture *f = *state;
        static struct run r;

        run_init(f, &r, "exec sleep 1000");
        assert_int_equal(spawn_kill(&r.s, SIGTERM), -ESRCH);
        run_start(f, &r);
        assert_true(r.s.pid.pidref.pid > 0 && r.s.pid.pidref.start_time > 0);
        spawn_release(&r.s);
        unit_run_until(f->loop, r.readies);
        assert_true(r.ok);
        assert_int_equal(spawn_kill(&r.s, SIGTERM), 0);
        run_finish(f, &r);
        assert_true(WIFSIGNALED(r.info.wait_status) && WTERMSIG(r.info.wait_status) == SIGTERM);
        assert_int_equal(spawn_kill(&r.s, SIGTERM), -ESRCH);
}

/* What the child inherits: nothing but what is listed. */
static void test_clean(void **state)
{
        struct fixture *f = *state;
        _cleanup_(fd_closep) int out = capture_file(f), leak = -1;
        struct sigaction ignore = { .sa_handler = SIG_IGN }, old_pipe, old_hup;
        sigset_t set, old;
        static struct run r;

        leak = open("/dev/null", O_RDONLY); /* not close-on-exec: a library's mistake */
        sigaction(SIGPIPE, &ignore, &old_pipe);
        sigaction(SIGHUP, &ignore, &old_hup);
        /* as below make: glibc's posix_spawn leaves its internal signals ignored, and sigaction() refuses them */
        syscall(SYS_rt_sigaction, 32, (unsigned long[8]){ (unsigned long)SIG_IGN }, NULL, NSIG / 8);
        setenv("CMOCKA_MESSAGE_OUTPUT", "TAP", 0);
        sigfillset(&set);
        sigprocmask(SIG_BLOCK, &set, &old);

        run_init(f, &r, NULL);
        argv_sh[2] = "ls /proc/self/fd | wc -l; grep -E 'Sig(Blk|Ign)' /proc/self/status; /usr/bin/env";
        r.p.stdio[1] = (struct spawn_stdio){ .kind = SPAWN_STDIO_FD, .fd = out };
        r.p.envp = empty_env;
        run_all(f, &r);
        sigprocmask(SIG_SETMASK, &old, NULL);
        sigaction(SIGPIPE, &old_pipe, NULL);
        sigaction(SIGHUP, &old_hup, NULL);
        assert_int_equal(r.info.wait_status, 0);
        assert_non_null(strstr(captured(out), "SigBlk:\t0000000000000000\n"));
        assert_non_null(strstr(captured(out), "SigIgn:\t0000000000000000\n"));
        assert_memory_equal(captured(out), "4\n", 2); /* 0, 1, 2, and the one that ls has of the directory */
        assert_null(strstr(captured(out), "CMOCKA_MESSAGE_OUTPUT")); /* nothing of our environment */
}

/* Targets that are the sources of others, and the numbers that the machinery itself uses. */
static void test_inherit(void **state)
{
        struct fixture *f = *state;
        _cleanup_(fd_closep) int out = capture_file(f);
        struct spawn_inherit inherit[4];
        int fds[3], extra[12], n_extra = 0;

        for (size_t i = 0; i < 3; i++) {
                const char *path = in_dir(f, (const char *[]){ "A", "B", "C" }[i]);

                fds[i] = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
                assert_int_equal(pwrite(fds[i], &"ABC"[i], 1, 0), 1);
        }
        inherit[0] = (struct spawn_inherit){ fds[0], fds[1] };
        inherit[1] = (struct spawn_inherit){ fds[1], fds[0] };
        inherit[2] = (struct spawn_inherit){ fds[2], 200 };
        inherit[3] = (struct spawn_inherit){ out, fds[2] + 4 };
        for (size_t round = 0; round <= ARRAY_SIZE(extra); round++) { /* the status socket is each number around */
                char script[256];
                static struct run r;

                run_init(f, &r, script);
                snprintf(script, sizeof(script),
                         "cat /dev/fd/%d /dev/fd/%d /dev/fd/200 >&%d; ls /proc/self/fd | wc -l >&%d", inherit[0].target,
                         inherit[1].target, inherit[3].target, inherit[3].target);
                r.p.inherit = inherit;
                r.p.n_inherit = 4;
                r.p.path = "/bin/bash"; /* sh takes no descriptor above 9 in a redirection */
                assert_int_equal(ftruncate(out, 0), 0);
                run_all(f, &r);
                assert_true(r.ok);
                assert_string_equal(captured(out), "ABC8\n");
                if (round < ARRAY_SIZE(extra))
                        extra[n_extra++] = fcntl(out, F_DUPFD_CLOEXEC, 3);
        }
        while (n_extra > 0)
                fd_close(extra[--n_extra]);
        for (size_t i = 0; i < 3; i++)
                fd_close(fds[i]);
}

static void test_session_and_limit(void **state)
{
        struct fixture *f = *state;
        _cleanup_(fd_closep) int out = capture_file(f);
        static struct run r;

        run_init(f, &r, "read -r a b c d e sid rest < /proc/self/stat; [ $sid = $$ ] && echo leader; ulimit -f");
        r.p.new_session = true;
        r.p.fsize_max = 4096;
        r.p.stdio[1] = (struct spawn_stdio){ .kind = SPAWN_STDIO_FD, .fd = out };
        run_all(f, &r);
        assert_string_equal(captured(out), "leader\n8\n");
}

/* --- the gate --- */

static void test_gate(void **state)
{
        struct fixture *f = *state;
        const char *proof = in_dir(f, "proof");
        char script[128];
        static struct run r;

        run_init(f, &r, script);
        snprintf(script, sizeof(script), "echo > %s", proof);
        run_start(f, &r);
        unit_run_for(f->loop, 50 * NSEC_PER_MSEC);
        assert_int_equal(r.readies, 0); /* it waits */
        assert_int_equal(access(proof, F_OK), -1);
        spawn_release(&r.s);
        run_finish(f, &r);
        assert_int_equal(access(proof, F_OK), 0);
}

/* We die before the release: it never executes, also when a younger child holds copies of our descriptors. */
static void test_gate_closed(void **state)
{
        struct fixture *f = *state;
        const char *proof = in_dir(f, "proof");
        char script[128];
        static struct run r[2];
        pid_t we = fork();

        assert_true(we >= 0);
        if (we == 0) {
                /* a daemon of its own, with its own reaper */
                for (int i = 0; i < 2; i++) {
                        run_init(f, &r[i], script);
                        snprintf(script, sizeof(script), "echo > %s", proof);
                        if (spawn_start(&r[i].s, f->reaper, &r[i].p, on_ready, on_exit_of) < 0)
                                _exit(1);
                }
                _exit(0);
        }
        assert_int_equal(waitpid(we, NULL, 0), we);
        for (int i = 0; i < 2; i++) { /* they are ours now: we are a subreaper */
                int status;

                assert_true(waitpid(-1, &status, 0) > 0);
                assert_int_equal(status, 127 << 8);
        }
        assert_int_equal(access(proof, F_OK), -1);
}

static void test_abandon_unreleased(void **state)
{
        struct fixture *f = *state;
        static struct run r;
        int status;

        run_init(f, &r, "exit 0");
        run_start(f, &r);
        spawn_abandon(&r.s);
        assert_false(spawn_active(&r.s));
        spawn_abandon(&r.s);
        assert_true(waitpid(-1, &status, 0) > 0);
        assert_int_equal(status, 127 << 8);
        unit_run_for(f->loop, NSEC_PER_MSEC);
        assert_int_equal(r.readies + r.exits, 0);
}

static void test_abandon_in_ready(void **state)
{
        struct fixture *f = *state;
        static struct run r;
        int status, gate[2];

        for (int early = 0; early < 2; early++) {
                assert_int_equal(pipe2(gate, O_CLOEXEC), 0);
                run_init(f, &r, "read x; exit 5");
                r.p.stdio[0] = (struct spawn_stdio){ .kind = SPAWN_STDIO_FD, .fd = gate[0] };
                r.abandons = true;
                run_start(f, &r);
                spawn_release(&r.s);
                if (early) { /* the exit is there before ready was read: it must not come after the abandon */
                        siginfo_t si;

                        gate[1] = fd_close(gate[1]);
                        assert_int_equal(waitid(P_ALL, 0, &si, WEXITED | WNOWAIT), 0);
                        reaper_drain(f->reaper);
                        assert_int_equal(r.readies, 1);
                } else {
                        unit_run_until(f->loop, r.readies);
                        gate[1] = fd_close(gate[1]);
                        assert_true(waitpid(-1, &status, 0) > 0);
                        assert_int_equal(status, 5 << 8);
                }
                unit_run_for(f->loop, NSEC_PER_MSEC);
                assert_int_equal(r.readies, 1);
                assert_int_equal(r.exits, 0);
                assert_false(spawn_active(&r.s));
                fd_close(gate[0]);
        }
}

/* --- failures --- */

static void assert_fails(struct fixture *f, struct run *r, const char *step, int errnum)
{
        run_all(f, r);
        assert_false(r->ok);
        assert_string_equal(r->step, step);
        assert_int_equal(r->errnum, errnum);
        assert_int_equal(r->info.wait_status, 127 << 8);
        for (size_t i = 0; i < 3; i++)
                assert_int_equal(r->kept[i], -1);
}

static void test_failures(void **state)
{
        struct fixture *f = *state;
        _cleanup_(fd_closep) int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
        const char *fifo = in_dir(f, "fifo");
        static struct run r;

        run_init(f, &r, "exit 0");
        r.p.path = "/nonexistent";
        assert_fails(f, &r, "exec", ENOENT);
        /* with ends that were sent already: they are not handed over */
        assert_int_equal(mkfifo(fifo, 0600), 0);
        run_init(f, &r, "exit 0");
        r.p.path = "/etc/passwd";
        r.p.stdio[1] = (struct spawn_stdio){ .kind = SPAWN_STDIO_PATH, .path = fifo };
        assert_fails(f, &r, "exec", EACCES);

        for (size_t i = 0; i < 3; i++) {
                static const char *const steps[] = { "open stdin", "open stdout", "open stderr" };

                run_init(f, &r, "exit 0");
                r.p.stdio[i] = (struct spawn_stdio){ .kind = SPAWN_STDIO_PATH, .path = "/nonexistent/fifo" };
                assert_fails(f, &r, steps[i], ENOENT);
        }
        run_init(f, &r, "exit 0");
        r.p.cwd = "/nonexistent";
        assert_fails(f, &r, "change directory", ENOENT);
        run_init(f, &r, "exit 0");
        r.p.netns_fd = null;
        assert_fails(f, &r, "enter network namespace", EINVAL);
        run_init(f, &r, "exit 0");
        r.p.cgroup_procs_fd = null;
        assert_fails(f, &r, "enter cgroup", EBADF);
        run_init(f, &r, "exit 0");
        r.p.stdio[1] = (struct spawn_stdio){ .kind = SPAWN_STDIO_FD, .fd = 999 };
        assert_int_equal(spawn_start(&r.s, f->reaper, &r.p, on_ready, on_exit_of), -EBADF);
}

/* The failure is reported before the exit even if the exit is seen first, and the exit in any case. */
static void test_exit_seen_first(void **state)
{
        struct fixture *f = *state;
        siginfo_t si;
        static struct run r;

        for (int i = 0; i < 2; i++) {
                run_init(f, &r, "exit 4");
                if (i == 1)
                        r.p.path = "/nonexistent";
                run_start(f, &r);
                spawn_release(&r.s);
                assert_int_equal(waitid(P_ALL, 0, &si, WEXITED | WNOWAIT), 0);
                reaper_drain(f->reaper);
                run_finish(f, &r);
                assert_int_equal(r.ok, i == 0);
                assert_int_equal(r.errnum, i == 0 ? 0 : ENOENT);
                assert_int_equal(r.info.wait_status, i == 0 ? 4 << 8 : 127 << 8);
        }
}

static void test_killed_before_exec(void **state)
{
        struct fixture *f = *state;
        static struct run r;

        for (int released = 0; released < 2; released++) {
                run_init(f, &r, "exit 0");
                run_start(f, &r);
                kill(r.s.pid.pidref.pid, SIGSTOP);
                if (released)
                        spawn_release(&r.s); /* our byte stays unread: its end is a reset, not an end of file */
                assert_int_equal(spawn_kill(&r.s, SIGKILL), 0);
                run_finish(f, &r);
                assert_true(WIFSIGNALED(r.info.wait_status));
                if (!released) {
                        assert_false(r.ok);
                        assert_string_equal(r.step, "reach exec");
                        assert_int_equal(r.errnum, ECANCELED);
                }
        }
}

static void test_bad_params(void **state)
{
        struct fixture *f = *state;
        struct spawn_inherit bad = { 0, 2 };
        static struct run r;

        run_init(f, &r, "exit 0");
        r.p.path = "sh";
        assert_int_equal(spawn_start(&r.s, f->reaper, &r.p, on_ready, on_exit_of), -EINVAL);
        run_init(f, &r, "exit 0");
        r.p.inherit = &bad;
        r.p.n_inherit = 1;
        assert_int_equal(spawn_start(&r.s, f->reaper, &r.p, on_ready, on_exit_of), -EINVAL);
        run_init(f, &r, "exit 0");
        r.p.stdio[0] = (struct spawn_stdio){ .kind = SPAWN_STDIO_PATH, .path = "relative" };
        assert_int_equal(spawn_start(&r.s, f->reaper, &r.p, on_ready, on_exit_of), -EINVAL);
        r.p.stdio[0] = (struct spawn_stdio){ .kind = SPAWN_STDIO_SAME };
        assert_int_equal(spawn_start(&r.s, f->reaper, &r.p, on_ready, on_exit_of), -EINVAL);
        assert_false(spawn_active(&r.s));
}

/* At the limit of descriptors: an error, no child left, no descriptor lost. */
static void test_no_descriptors(void **state)
{
        struct fixture *f = *state;
        struct rlimit old, limit;
        static struct run r;
        int k = -1;

        assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
        for (int room = 0; room < 4; room++) {
                run_init(f, &r, "exit 0");
                limit = old;
                limit.rlim_cur = (rlim_t)f->fds + 4 + (rlim_t)room; /* about: the loop has some too */
                assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
                k = spawn_start(&r.s, f->reaper, &r.p, on_ready, on_exit_of);
                assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
                if (k == 0) {
                        spawn_release(&r.s);
                        run_finish(f, &r);
                } else {
                        assert_int_equal(k, -EMFILE);
                        assert_false(spawn_active(&r.s));
                        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
                }
        }
}

/* --- stdio --- */

static int make_fifo(const char *path)
{
        assert_int_equal(mkfifo(path, 0600), 0);
        return open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
}

/* The client's reader goes away and comes back: no EPIPE, nothing lost, and end of file when the process has ended and
 * our end is closed: not before, not never. */
static void test_output_fifo(void **state)
{
        struct fixture *f = *state;
        const char *path = in_dir(f, "out"), *go = in_dir(f, "go");
        _cleanup_(fd_closep) int client = -1;
        char script[256], buf[64];
        struct stat st;
        static struct run r;

        assert_int_equal(mkfifo(go, 0600), 0);
        client = make_fifo(path);
        run_init(f, &r, script);
        snprintf(script, sizeof(script), "trap 'exit 77' PIPE; echo one; cat %s; echo two || exit 78; exit 3", go);
        r.p.stdio[1] =
                (struct spawn_stdio){ .kind = SPAWN_STDIO_PATH, .path = path, .chown = true, .uid = 1234, .gid = 4321 };
        run_start(f, &r);
        spawn_release(&r.s);
        unit_run_until(f->loop, r.readies);
        assert_true(r.ok);
        assert_true(r.kept[1] >= 0);
        assert_int_equal(r.kept[0], -1);
        assert_int_equal(r.kept[2], -1);
        assert_int_equal(fcntl(r.kept[1], F_GETFL) & O_ACCMODE, O_RDONLY);
        assert_true(fcntl(r.kept[1], F_GETFD) & FD_CLOEXEC);
        assert_int_equal(fstat(r.kept[1], &st), 0);
        assert_int_equal(st.st_uid, 1234);
        assert_int_equal(st.st_gid, 4321);

        client = fd_close(client); /* containerd restarts */
        fd_close(open(go, O_WRONLY | O_CLOEXEC));
        unit_run_until(f->loop, r.exits);
        assert_int_equal(r.info.wait_status, 3 << 8);
        client = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        assert_int_equal(read(client, buf, sizeof(buf)), 8);
        assert_memory_equal(buf, "one\ntwo\n", 8);
        assert_int_equal(read(client, buf, sizeof(buf)), 0); /* no writer is left: ours is a reader */
        r.kept[1] = fd_close(r.kept[1]);
}

/* The daemon dies after the gate and before the FIFOs are open: the child goes on, and no client sees an end of file.
 */
static void test_abandon_after_release(void **state)
{
        struct fixture *f = *state;
        static struct run r;
        const char *in = in_dir(f, "in"), *out = in_dir(f, "out");
        _cleanup_(fd_closep) int client = -1;
        char buf[8];
        int status;
        pid_t pid;

        assert_int_equal(mkfifo(in, 0600), 0);
        client = make_fifo(out);
        run_init(f, &r, "echo x");
        r.p.stdio[0] = (struct spawn_stdio){ .kind = SPAWN_STDIO_PATH, .path = in };
        r.p.stdio[1] = (struct spawn_stdio){ .kind = SPAWN_STDIO_PATH, .path = out };
        run_start(f, &r);
        pid = r.s.pid.pidref.pid;
        assert_int_equal(kill(pid, SIGSTOP), 0);
        spawn_release(&r.s);
        spawn_abandon(&r.s);
        assert_int_equal(kill(pid, SIGCONT), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        assert_int_equal(read(client, buf, sizeof(buf)), 2);
        assert_memory_equal(buf, "x\n", 2);
}

/* The process must not see O_NONBLOCK on its stdout or stdin, in neither direction. */
static void test_fifo_flags(void **state)
{
        struct fixture *f = *state;
        _cleanup_(fd_closep) int capture = capture_file(f), client = -1, client_err = -1;
        const char *in = in_dir(f, "in"), *out = in_dir(f, "out");
        unsigned flags[3];
        static struct run r;

        client = make_fifo(in);
        client_err = make_fifo(out);
        run_init(f, &r, "for i in 0 1 2; do grep flags /proc/self/fdinfo/$i | cut -f2 >&3; done");
        r.p.stdio[0] = (struct spawn_stdio){ .kind = SPAWN_STDIO_PATH, .path = in };
        r.p.stdio[1] = (struct spawn_stdio){ .kind = SPAWN_STDIO_PATH, .path = out };
        r.p.stdio[2] = (struct spawn_stdio){ .kind = SPAWN_STDIO_PATH, .path = out };
        r.p.inherit = &(struct spawn_inherit){ capture, 3 };
        r.p.n_inherit = 1;
        r.p.path = "/bin/bash";
        run_start(f, &r);
        spawn_release(&r.s);
        unit_run_until(f->loop, r.readies);
        assert_true(r.kept[0] >= 0 && r.kept[1] >= 0 && r.kept[2] >= 0);
        assert_int_equal(fcntl(r.kept[0], F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_WRONLY | O_NONBLOCK);
        run_finish(f, &r);
        /* fd 1 of grep is cut's pipe; 0 and 2 are what the process has */
        assert_int_equal(sscanf(captured(capture), "%o %o %o", &flags[0], &flags[1], &flags[2]), 3);
        assert_int_equal(flags[0] & (O_ACCMODE | O_NONBLOCK), O_RDONLY);
        assert_int_equal(flags[2] & (O_ACCMODE | O_NONBLOCK), O_WRONLY);
}

/* A client that closes stdin has only detached; end of file comes when our end is closed too. */
static void test_input_fifo(void **state)
{
        struct fixture *f = *state;
        _cleanup_(fd_closep) int out = capture_file(f);
        const char *path = in_dir(f, "in");
        int client;
        static struct run r;

        assert_int_equal(mkfifo(path, 0600), 0);
        run_init(f, &r, "cat; echo end");
        r.p.stdio[0] = (struct spawn_stdio){ .kind = SPAWN_STDIO_PATH, .path = path };
        r.p.stdio[1] = (struct spawn_stdio){ .kind = SPAWN_STDIO_FD, .fd = out };
        run_start(f, &r);
        spawn_release(&r.s); /* nobody has opened the other side yet: it does not hang */
        unit_run_until(f->loop, r.readies);
        assert_true(r.ok);
        for (int i = 0; i < 2; i++) {
                client = open(path, O_WRONLY | O_CLOEXEC);
                assert_int_equal(write(client, "data\n", 5), 5);
                fd_close(client);
                unit_run_for(f->loop, 20 * NSEC_PER_MSEC);
                assert_int_equal(r.exits, 0);
        }
        r.kept[0] = fd_close(r.kept[0]);
        run_finish(f, &r);
        assert_string_equal(captured(out), "data\ndata\nend\n");
}

/* Big output through a FIFO whose reader comes late: all of it, in order. */
static void test_output_complete(void **state)
{
        struct fixture *f = *state;
        const char *path = in_dir(f, "out");
        _cleanup_(fd_closep) int client = make_fifo(path);
        static char buf[65536];
        size_t total = 0;
        static struct run r;
        ssize_t n;

        run_init(f, &r, "exec head -c 3000000 /dev/zero");
        r.p.stdio[1] = (struct spawn_stdio){ .kind = SPAWN_STDIO_PATH, .path = path };
        run_start(f, &r);
        spawn_release(&r.s);
        unit_run_until(f->loop, r.readies);
        r.kept[1] = fd_close(r.kept[1]);
        assert_int_equal(fd_set_nonblock(client, false), 0);
        while ((n = read(client, buf, sizeof(buf))) > 0)
                total += (size_t)n;
        assert_int_equal(total, 3000000);
        run_finish(f, &r);
        assert_int_equal(r.info.wait_status, 0);
}

/* Ends that nobody takes are closed by the spawner. */
static void test_kept_not_taken(void **state)
{
        struct fixture *f = *state;
        const char *path = in_dir(f, "in");
        static struct run r;

        assert_int_equal(mkfifo(path, 0600), 0);
        run_init(f, &r, "cat");
        r.p.stdio[0] = (struct spawn_stdio){ .kind = SPAWN_STDIO_PATH, .path = path };
        run_start(f, &r);
        spawn_release(&r.s);
        unit_run_until(f->loop, r.readies);
        spawn_abandon(&r.s);
        r.kept[0] = fd_close(r.kept[0]);
        assert_true(waitpid(-1, NULL, 0) > 0); /* cat has seen the end of file */
}

static void test_plain_file(void **state)
{
        struct fixture *f = *state;
        const char *path = in_dir(f, "plain");
        char text[64];
        static struct run r;
        int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

        assert_int_equal(fd_write_all(fd, "old\n", 4), 0);
        fd_close(fd);
        run_init(f, &r, "cat; echo new; echo err >&2");
        r.p.stdio[0] = (struct spawn_stdio){ .kind = SPAWN_STDIO_PATH, .path = "/dev/null" };
        r.p.stdio[1] = (struct spawn_stdio){ .kind = SPAWN_STDIO_PATH, .path = path };
        r.p.stdio[2] = (struct spawn_stdio){ .kind = SPAWN_STDIO_SAME };
        run_start(f, &r);
        spawn_release(&r.s);
        unit_run_until(f->loop, r.readies);
        for (size_t i = 0; i < 3; i++)
                assert_int_equal(r.kept[i], -1);
        run_finish(f, &r);
        assert_true(fd_read_small(AT_FDCWD, path, text, sizeof(text)) > 0);
        assert_string_equal(text, "old\nnew\nerr\n");
}

static void test_file_uri(void **state)
{
        struct fixture *f = *state;
        char path[96], text[64];
        mode_t mask = umask(0077);
        _cleanup_(fd_closep) int out = capture_file(f);
        struct stat st;
        static struct run r;

        snprintf(path, sizeof(path), "%s/a/b//c.log", f->dir);
        for (int i = 0; i < 2; i++) {
                run_init(f, &r, "echo line; umask >&2");
                r.p.stdio[1] = (struct spawn_stdio){ .kind = SPAWN_STDIO_FILE, .path = path };
                r.p.stdio[2] = (struct spawn_stdio){ .kind = SPAWN_STDIO_FD, .fd = out };
                run_all(f, &r);
                assert_true(r.ok);
        }
        umask(mask);
        assert_string_equal(captured(out), "0077\n0077\n"); /* ours goes on */
        assert_true(fd_read_small(AT_FDCWD, path, text, sizeof(text)) > 0);
        assert_string_equal(text, "line\nline\n");
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0644);
        assert_int_equal(stat(in_dir(f, "a/b"), &st), 0);
        assert_int_equal(st.st_mode & 07777, 0755);

        /* what is no regular file is refused, and never waited for */
        assert_int_equal(mkfifo(in_dir(f, "fifo"), 0600), 0);
        run_init(f, &r, "exit 0");
        r.p.stdio[1] = (struct spawn_stdio){ .kind = SPAWN_STDIO_FILE, .path = in_dir(f, "fifo") };
        assert_fails(f, &r, "open stdout", ENXIO);
        run_init(f, &r, "exit 0");
        r.p.stdio[1] = (struct spawn_stdio){ .kind = SPAWN_STDIO_FILE, .path = "/dev/null" };
        assert_fails(f, &r, "open stdout", EINVAL);
}

static void test_namespace(void **state)
{
        struct fixture *f = *state;
        _cleanup_(fd_closep) int out = capture_file(f), ours = -1, other = -1;
        char link[64];
        ssize_t n;
        static struct run r;

        if (geteuid() != 0)
                unit_skip("needs root");
        ours = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
        if (unshare(CLONE_NEWNET) < 0)
                unit_skip("needs a network namespace of its own");
        other = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
        n = readlink("/proc/self/ns/net", link, sizeof(link) - 2);
        assert_int_equal(setns(ours, CLONE_NEWNET), 0);
        link[n] = '\n';
        link[n + 1] = '\0';
        run_init(f, &r, "readlink /proc/self/ns/net");
        r.p.netns_fd = other;
        r.p.stdio[1] = (struct spawn_stdio){ .kind = SPAWN_STDIO_FD, .fd = out };
        run_all(f, &r);
        assert_true(r.ok);
        assert_string_equal(captured(out), link);
}

/* The child that blocks in open() holds nothing of the others: a pipe of ours reaches its end without it. */
static void test_waiting_child_holds_nothing(void **state)
{
        struct fixture *f = *state;
        int fds[2];
        char byte;
        static struct run r;

        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        run_init(f, &r, "exit 0");
        run_start(f, &r); /* at the gate, and stays there */
        fds[1] = fd_close(fds[1]);
        assert_int_equal(read(fds[0], &byte, 1), 0); /* would hang */
        fds[0] = fd_close(fds[0]);
        spawn_release(&r.s);
        run_finish(f, &r);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_run),
                TEST(test_kill),
                TEST(test_clean),
                TEST(test_inherit),
                TEST(test_session_and_limit),
                TEST(test_gate),
                TEST(test_gate_closed),
                TEST(test_abandon_unreleased),
                TEST(test_abandon_after_release),
                TEST(test_abandon_in_ready),
                TEST(test_failures),
                TEST(test_exit_seen_first),
                TEST(test_killed_before_exec),
                TEST(test_bad_params),
                TEST(test_no_descriptors),
                TEST(test_output_fifo),
                TEST(test_fifo_flags),
                TEST(test_input_fifo),
                TEST(test_output_complete),
                TEST(test_kept_not_taken),
                TEST(test_plain_file),
                TEST(test_file_uri),
                TEST(test_namespace),
                TEST(test_waiting_child_holds_nothing),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
