/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/loop.h"
#include "base/fd.h"
#include "daemon/oom.h"
#include "tests/lib/tree.h"
#include "tests/unit/unit.h"

#define LIMIT    (8 << 20)
#define PATIENCE (20 * NSEC_PER_SEC)

struct seen {
        unsigned calls;
        struct oom_info info; /* of the last call */
        char cgroup[256], victim[64], level[16];
};

struct fixture {
        struct tree tree;
        struct loop *loop;
        struct cgroup_host *host;
        struct cgroup *cg;
        struct oom_hub *hub;
        struct oom_watch *watch;
        struct watch_timer tick;
        struct seen seen;
        struct error err;
};

static void on_oom(struct oom_watch *w, const struct oom_info *info)
{
        struct seen *s = oom_watch_data(w);

        s->calls++;
        s->info = *info;
        (void)snprintf(s->cgroup, sizeof(s->cgroup), "%s", info->cgroup);
        (void)snprintf(s->victim, sizeof(s->victim), "%s", info->victim_name);
        (void)snprintf(s->level, sizeof(s->level), "%s", info->level);
}

static void on_tick(struct watch_timer *t)
{
}

/* Runs the loop for some time, or until there were so many calls. */
static void run_for(struct fixture *f, const struct seen *seen, uint64_t ns, unsigned calls)
{
        uint64_t end = clock_monotonic_ns() + ns;

        while (seen->calls < calls && clock_monotonic_ns() < end) {
                watch_timer_arm(&f->tick, NSEC_PER_MSEC);
                loop_run_once(f->loop, true);
        }
}

static void run(struct fixture *f, uint64_t ns, unsigned calls)
{
        run_for(f, &f->seen, ns, calls);
}

static void begin(struct fixture *f)
{
        *f = (struct fixture){0};
        assert_int_equal(loop_new(&f->loop), 0);
        watch_timer_init(&f->tick, f->loop, on_tick);
}

static void end(struct fixture *f)
{
        f->watch = oom_watch_free(f->watch);
        f->hub = oom_hub_free(f->hub);
        f->cg = cgroup_free(f->cg);
        f->host = cgroup_host_free(f->host);
        watch_timer_stop(&f->tick);
        f->loop = loop_free(f->loop);
        if (f->tree.dir[0])
                tree_remove(&f->tree);
}

/* --- v2, in a tree of plain files --- */

#define EVENTS(oom, kill) "low 0\nhigh 0\nmax 3\noom " #oom "\noom_kill " #kill "\noom_group_kill 0\n"

static void begin_v2(struct fixture *f)
{
        begin(f);
        tree_make(&f->tree);
        f->host = tree_host_v2(&f->tree);
        tree_write(&f->tree, "proc/self/cgroup", "0::/daemon\n");
        tree_write(&f->tree, "v2/pod/memory.events.local", EVENTS(0, 0));
        tree_write(&f->tree, "v2/pod/memory.max", "104857600\n");
        tree_write(&f->tree, "v2/pod/memory.current", "104857000\n");
        tree_write(&f->tree, "v2/pod/c1/memory.events", EVENTS(0, 0));
        tree_write(&f->tree, "v2/pod/c1/memory.events.local", EVENTS(0, 0));
        tree_write(&f->tree, "v2/pod/c1/memory.max", "8388608\n");
        tree_write(&f->tree, "v2/pod/c1/memory.current", "4096\n");
        tree_write(&f->tree, "v2/pod/c1/memory.peak", "8388608\n");
        tree_write(&f->tree, "v2/pod/c1/memory.swap.current", "12288\n");
        assert_int_equal(cgroup_of_path(f->host, "/pod/c1", &f->cg, &f->err), 0);
        assert_int_equal(oom_hub_new(&f->hub, f->loop, f->host, &f->err), 0);
}

static void test_v2(void **state)
{
        struct oom_watch *second;
        struct seen other = {0};
        struct fixture f;

        begin_v2(&f);
        assert_int_equal(oom_watch_new(&f.watch, f.hub, f.cg, 0, on_oom, &f.seen, &f.err), 0);
        /* a second container in the same cgroup has the same inotify watch */
        assert_int_equal(oom_watch_new(&second, f.hub, f.cg, 0, on_oom, &other, &f.err), 0);
        assert_int_equal(oom_watch_fd(f.watch), -1);
        tree_write(&f.tree, "v2/pod/c1/memory.events.local", EVENTS(1, 2));
        tree_write(&f.tree, "v2/pod/c1/memory.events", EVENTS(1, 2));
        run(&f, PATIENCE, 1);
        run_for(&f, &other, PATIENCE, 1);
        assert_int_equal(f.seen.calls, 1);
        assert_int_equal(other.calls, 1);
        assert_string_equal(f.seen.cgroup, "/pod/c1");
        assert_int_equal(f.seen.info.limit, 8388608);
        assert_int_equal(f.seen.info.usage, 4096);
        assert_int_equal(f.seen.info.max_usage, 8388608);
        assert_int_equal(f.seen.info.swap_usage, 12288);
        assert_int_equal(f.seen.info.failcnt, 3);
        assert_int_equal(f.seen.info.oom_kill, 2);
        assert_int_equal(oom_watch_seen(f.watch), 2);

        /* the limit of the pod; the other watch is gone */
        assert_null(oom_watch_free(second));
        tree_write(&f.tree, "v2/pod/memory.events.local", EVENTS(1, 0));
        tree_write(&f.tree, "v2/pod/c1/memory.events", EVENTS(1, 3));
        run(&f, PATIENCE, 2);
        assert_int_equal(f.seen.calls, 2);
        assert_int_equal(other.calls, 1);
        assert_string_equal(f.seen.cgroup, "/pod");
        assert_int_equal(f.seen.info.limit, 104857600);

        /* no limit was hit: the host's memory */
        tree_write(&f.tree, "v2/pod/c1/memory.events", EVENTS(1, 4));
        oom_watch_check(f.watch, 0);
        assert_int_equal(f.seen.calls, 3);
        assert_string_equal(f.seen.cgroup, "");
        assert_true(f.seen.info.limit > 0);

        /* the same counters again, and other ones: nothing */
        tree_write(&f.tree, "v2/pod/c1/memory.events", EVENTS(9, 4));
        run(&f, 50 * NSEC_PER_MSEC, 4);
        oom_watch_check(f.watch, 0);
        assert_int_equal(f.seen.calls, 3);
        end(&f);
}

/* What was counted while no daemon ran is told, once, and not from within the constructor. */
static void test_v2_adopted(void **state)
{
        struct fixture f;

        begin_v2(&f);
        tree_write(&f.tree, "v2/pod/c1/memory.events.local", EVENTS(2, 5));
        tree_write(&f.tree, "v2/pod/c1/memory.events", EVENTS(2, 5));
        assert_int_equal(oom_watch_new(&f.watch, f.hub, f.cg, 4, on_oom, &f.seen, &f.err), 0);
        assert_int_equal(f.seen.calls, 0);
        run(&f, PATIENCE, 1);
        assert_int_equal(f.seen.calls, 1);
        assert_string_equal(f.seen.cgroup, "/pod/c1");
        f.watch = oom_watch_free(f.watch);
        assert_int_equal(oom_watch_new(&f.watch, f.hub, f.cg, 5, on_oom, &f.seen, &f.err), 0);
        run(&f, 50 * NSEC_PER_MSEC, 2);
        oom_watch_check(f.watch, 0);
        assert_int_equal(f.seen.calls, 1);
        end(&f);
}

static void test_gone_and_shared(void **state)
{
        struct fixture f;

        begin_v2(&f);
        f.cg = cgroup_free(f.cg);
        assert_int_equal(cgroup_of_path(f.host, "/nowhere", &f.cg, &f.err), 0);
        assert_int_equal(oom_watch_new(&f.watch, f.hub, f.cg, 0, on_oom, &f.seen, &f.err), -1);
        assert_int_equal(f.err.reason, REASON_CGROUP_NOT_FOUND);
        f.cg = cgroup_free(f.cg);
        assert_int_equal(cgroup_of_path(f.host, "/daemon", &f.cg, &f.err), 0);
        assert_int_equal(oom_watch_new(&f.watch, f.hub, f.cg, 0, on_oom, &f.seen, &f.err), 0);
        oom_watch_check(f.watch, 0);
        assert_int_equal(f.seen.calls, 0);
        end(&f);
}

/* --- with the kernel --- */

struct real_fixture {
        struct real real;
        struct fixture f;
        bool v2;
};

static int setup_real(void **state)
{
        static struct real_fixture rf;

        *state = NULL;
        rf = (struct real_fixture){0};
        if (!real_make(&rf.real, "oom"))
                return 0;
        if (rf.real.host->of[CG_MEMORY] < 0) {
                real_remove(&rf.real);
                return 0;
        }
        rf.v2 = rf.real.host->hier[rf.real.host->of[CG_MEMORY]].v2;
        *state = &rf;
        return 0;
}

static int teardown_real(void **state)
{
        if (*state)
                real_remove(&((struct real_fixture *)*state)->real);
        return 0;
}

static struct real_fixture *need_real(void **state)
{
        struct real_fixture *rf = *state;
        char path[80];

        if (!rf)
                unit_skip("not root, or there is no memory controller");
        begin(&rf->f);
        (void)snprintf(path, sizeof(path), "/%s", rf->real.name);
        assert_int_equal(cgroup_host_new(&rf->f.host, &rf->f.err), 0);
        assert_int_equal(cgroup_of_path(rf->f.host, path, &rf->f.cg, &rf->f.err), 0);
        assert_int_equal(oom_hub_new(&rf->f.hub, rf->f.loop, rf->f.host, &rf->f.err), 0);
        return rf;
}

static struct real_fixture *need_v1(void **state)
{
        struct real_fixture *rf = *state;

        if (rf && rf->v2)
                unit_skip("memory is not a v1 controller");
        return need_real(state);
}

static void limit(struct real_fixture *rf)
{
        char text[32];

        (void)snprintf(text, sizeof(text), "%d", LIMIT);
        real_write(&rf->real, CG_MEMORY, rf->v2 ? "memory.max" : "memory.limit_in_bytes", text);
        if (!rf->v2)
                real_write(&rf->real, CG_MEMORY, "memory.swappiness", "0");
}

static int child_eats(void *arg)
{
        char *p = mmap(NULL, LIMIT * 4, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (p == MAP_FAILED)
                return 1;
        for (size_t i = 0; i < LIMIT * 4; i += 4096)
                ((volatile char *)p)[i] = 1;
        return 2;
}

static int child_pause(void *arg)
{
        for (;;)
                (void)pause();
        return 0;
}

static void assert_killed(pid_t pid)
{
        int status;

        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* The check at the victim's exit must see each one, whatever the eventfd has done so far. */
static void test_real_none_missed(void **state)
{
        struct real_fixture *rf = need_real(state);
        struct fixture *f = &rf->f;
        unsigned kills = 200, named = 0;
        bool can_name = access("/dev/kmsg", R_OK) == 0;

        limit(rf);
        assert_int_equal(oom_watch_new(&f->watch, f->hub, f->cg, 0, on_oom, &f->seen, &f->err), 0);
        assert_true(rf->v2 == (oom_watch_fd(f->watch) < 0));
        if (getenv("OOM_KILLS"))
                kills = (unsigned)atoi(getenv("OOM_KILLS"));
        else if (rf->v2)
                kills = 50; /* in an emulated machine they take long */
        for (unsigned i = 1; i <= kills; i++) {
                pid_t pid = real_fork(&rf->real, "", child_eats, NULL);

                if (i % 2)
                        run(f, PATIENCE, i); /* told by the loop alone */
                assert_killed(pid);
                oom_watch_check(f->watch, pid);
                assert_int_equal(f->seen.calls, i);
                assert_int_equal(f->seen.info.oom_kill, i);
                assert_int_equal(f->seen.info.oom_kill_before, i - 1);
                assert_string_equal(f->seen.level, "container");
                /* the summary is rate-limited; without it the kernel's log tells who it was, but not where */
                assert_true(f->seen.info.victim_pid == (uint32_t)pid || (!f->seen.info.victim_pid && i > 5) ||
                            !can_name);
                named += f->seen.info.victim_pid != 0;
                if (f->seen.info.victim_pid)
                        assert_string_equal(f->seen.victim, "test-oom");
                assert_string_equal(f->seen.cgroup, cgroup_path(f->cg));
                assert_int_equal(f->seen.info.limit, LIMIT);
                assert_true(f->seen.info.usage <= LIMIT && f->seen.info.max_usage > LIMIT - LIMIT / 8);
                assert_true(f->seen.info.failcnt > 0);
        }
        run(f, 2500 * NSEC_PER_MSEC, kills + 1); /* longer than all repeated looks: once per kill */
        assert_int_equal(f->seen.calls, kills);
        assert_true(!can_name || named >= kills / 2); /* those whose end made us look are known by their pid */
        end(f);
}

/* Linux 6.18 counts no hit of the limit of memory and swap, which is what runtimes set. */
static void test_real_memory_and_swap(void **state)
{
        struct real_fixture *rf = need_v1(state);
        struct fixture *f = &rf->f;
        char text[32];
        pid_t pid;

        (void)snprintf(text, sizeof(text), "%d", LIMIT);
        limit(rf);
        real_write(&rf->real, CG_MEMORY, "memory.memsw.limit_in_bytes", text);
        assert_int_equal(oom_watch_new(&f->watch, f->hub, f->cg, 0, on_oom, &f->seen, &f->err), 0);
        pid = real_fork(&rf->real, "", child_eats, NULL);
        assert_killed(pid);
        oom_watch_check(f->watch, 0);
        assert_int_equal(f->seen.calls, 1);
        assert_string_equal(f->seen.cgroup, cgroup_path(f->cg));
        assert_int_equal(f->seen.info.limit, LIMIT);
        end(f);
}

static void test_real_none_invented(void **state)
{
        struct real_fixture *rf = need_real(state);
        struct fixture *f = &rf->f;

        real_delegate(&rf->real);
        for (unsigned i = 0; i < 200; i++) {
                struct cgroup *cg;
                char path[256];

                (void)snprintf(path, sizeof(path), "%s/sub", cgroup_dir(f->cg, CG_MEMORY));
                assert_int_equal(mkdir(path, 0755), 0);
                (void)snprintf(path, sizeof(path), "%s/sub", cgroup_path(f->cg));
                assert_int_equal(cgroup_of_path(f->host, path, &cg, &f->err), 0);
                assert_int_equal(oom_watch_new(&f->watch, f->hub, cg, 0, on_oom, &f->seen, &f->err), 0);
                assert_int_equal(rmdir(cgroup_dir(cg, CG_MEMORY)), 0);
                if (i % 2)
                        oom_watch_check(f->watch, 0);
                run(f, i % 10 ? NSEC_PER_MSEC : 30 * NSEC_PER_MSEC, 1);
                oom_watch_check(f->watch, 0);
                assert_int_equal(f->seen.calls, 0);
                f->watch = oom_watch_free(f->watch);
                cg = cgroup_free(cg);
        }
        end(f);
}

/* A container in a pod: the pod's limit kills another one. The eventfd fires in both. */
static void test_real_not_the_neighbour(void **state)
{
        struct real_fixture *rf = need_real(state);
        struct fixture *f = &rf->f;
        struct cgroup *cg;
        char path[256];
        pid_t quiet, pid;

        limit(rf);
        real_delegate(&rf->real);
        quiet = real_fork(&rf->real, "sub", child_pause, NULL);
        (void)snprintf(path, sizeof(path), "%s/sub", cgroup_path(f->cg));
        assert_int_equal(cgroup_of_path(f->host, path, &cg, &f->err), 0);
        assert_int_equal(oom_watch_new(&f->watch, f->hub, cg, 0, on_oom, &f->seen, &f->err), 0);
        pid = real_fork(&rf->real, "other", child_eats, NULL);
        assert_killed(pid);
        run(f, 2500 * NSEC_PER_MSEC, 1);
        oom_watch_check(f->watch, 0);
        assert_int_equal(f->seen.calls, 0);

        /* now it is the one; the limit is still the pod's */
        pid = real_fork(&rf->real, "sub", child_eats, NULL);
        assert_killed(pid);
        oom_watch_check(f->watch, 0);
        assert_int_equal(f->seen.calls, 1);
        assert_string_equal(f->seen.cgroup, cgroup_path(f->cg));
        assert_string_equal(f->seen.level, "above");
        assert_int_equal(f->seen.info.limit, LIMIT);
        assert_int_equal(kill(quiet, SIGKILL), 0);
        assert_killed(quiet);
        cg = cgroup_free(cg);
        end(f);
}

/* A victim in a cgroup that the container has made itself. */
static void test_real_below(void **state)
{
        struct real_fixture *rf = need_real(state);
        struct fixture *f = &rf->f;
        pid_t pid;

        limit(rf);
        real_delegate(&rf->real);
        assert_int_equal(oom_watch_new(&f->watch, f->hub, f->cg, 0, on_oom, &f->seen, &f->err), 0);
        pid = real_fork(&rf->real, "sub", child_eats, NULL);
        run(f, PATIENCE, 1);
        assert_int_equal(f->seen.calls, 1);
        assert_string_equal(f->seen.cgroup, cgroup_path(f->cg));
        assert_killed(pid);
        end(f);
}

/* With the OOM killer switched off processes hang: told once, and no kill is claimed. */
static void test_real_hung(void **state)
{
        struct real_fixture *rf = need_v1(state);
        struct fixture *f = &rf->f;
        pid_t pid;

        limit(rf);
        real_write(&rf->real, CG_MEMORY, "memory.oom_control", "1");
        assert_int_equal(oom_watch_new(&f->watch, f->hub, f->cg, 0, on_oom, &f->seen, &f->err), 0);
        pid = real_fork(&rf->real, "", child_eats, NULL);
        run(f, PATIENCE, 1);
        assert_int_equal(f->seen.calls, 1);
        assert_int_equal(f->seen.info.oom_kill, 0);
        assert_string_equal(f->seen.cgroup, cgroup_path(f->cg));
        oom_watch_check(f->watch, 0);
        run(f, 100 * NSEC_PER_MSEC, 2);
        assert_int_equal(f->seen.calls, 1);
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_killed(pid);
        oom_watch_check(f->watch, 0);
        assert_int_equal(f->seen.calls, 1);
        end(f);
}

/* The cgroup went with its counter before anybody looked. */
static void test_real_removed_unread(void **state)
{
        struct real_fixture *rf = need_real(state);
        struct fixture *f = &rf->f;
        uint64_t end_at = clock_monotonic_ns() + PATIENCE;
        pid_t pid;

        if (rf->v2 && access("/dev/kmsg", R_OK) < 0)
                unit_skip("v2 leaves no trace but in the kernel's log, which cannot be read");
        limit(rf);
        assert_int_equal(oom_watch_new(&f->watch, f->hub, f->cg, 0, on_oom, &f->seen, &f->err), 0);
        pid = real_fork(&rf->real, "", child_eats, NULL);
        assert_killed(pid);
        while (cgroup_remove(f->cg, &f->err) < 0)
                assert_true(clock_monotonic_ns() < end_at);
        /* the kernel signals the removal from a worker: wait until it has, without looking */
        run(f, 500 * NSEC_PER_MSEC, 1);
        assert_int_equal(f->seen.calls, 1);
        end(f);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_v2),
                cmocka_unit_test(test_v2_adopted),
                cmocka_unit_test(test_gone_and_shared),
                cmocka_unit_test_setup_teardown(test_real_none_missed, setup_real, teardown_real),
                cmocka_unit_test_setup_teardown(test_real_memory_and_swap, setup_real, teardown_real),
                cmocka_unit_test_setup_teardown(test_real_none_invented, setup_real, teardown_real),
                cmocka_unit_test_setup_teardown(test_real_not_the_neighbour, setup_real, teardown_real),
                cmocka_unit_test_setup_teardown(test_real_below, setup_real, teardown_real),
                cmocka_unit_test_setup_teardown(test_real_hung, setup_real, teardown_real),
                cmocka_unit_test_setup_teardown(test_real_removed_unread, setup_real, teardown_real),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
