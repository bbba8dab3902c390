/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "tests/lib/tree.h"
#include "tests/unit/unit.h"

#define PID_42_V1                                                                                                      \
        "9:name=systemd:/pod/c1\n8:pids:/pod/c1\n7:net_cls,net_prio:/\n6:blkio:/pod/c1\n5:freezer:/pod/c1\n"           \
        "4:memory:/pod/c1\n3:cpuset:/pod/c1\n2:cpu,cpuacct:/pod/c1\n1:hugetlb:/pod/c1\n0::/session\n"
#define SELF_V1                                                                                                        \
        "9:name=systemd:/daemon\n8:pids:/\n6:blkio:/\n5:freezer:/\n4:memory:/daemon/run\n3:cpuset:/\n2:cpu,cpuacct:/"  \
        "\n"                                                                                                           \
        "1:hugetlb:/\n0::/session2\n"

struct fixture {
        struct tree tree;
        struct cgroup_host *host;
        struct arena *arena;
        struct error err;
};

static void start(struct fixture *f, int version)
{
        *f = (struct fixture){.arena = arena_new()};
        assert_non_null(f->arena);
        tree_make(&f->tree);
        f->host = version == 2 ? tree_host_v2(&f->tree) : tree_host_v1(&f->tree, version == 12);
}

static void finish(struct fixture *f)
{
        f->host = cgroup_host_free(f->host);
        f->arena = arena_free(f->arena);
        tree_remove(&f->tree);
}

static void assert_dir(struct fixture *f, const struct cgroup *cg, enum cgroup_controller c, const char *want)
{
        if (want)
                assert_string_equal(cgroup_dir(cg, c), tree_path(&f->tree, want));
        else
                assert_null(cgroup_dir(cg, c));
}

/* --- paths --- */

static void test_hybrid_paths(void **state)
{
        _cleanup_(cgroup_freep) struct cgroup *cg = NULL;
        struct fixture f;

        start(&f, 12);
        tree_write(&f.tree, "proc/42/cgroup", PID_42_V1);
        tree_write(&f.tree, "proc/self/cgroup", SELF_V1);
        assert_int_equal(cgroup_host_version(f.host), 12);
        assert_int_equal(cgroup_of_pid(f.host, 42, &cg, &f.err), 0);
        assert_string_equal(cgroup_path(cg), "/pod/c1");
        assert_dir(&f, cg, CG_MEMORY, "v1/memory/pod/c1");
        assert_dir(&f, cg, CG_CPU, "v1/cpu/pod/c1");
        assert_dir(&f, cg, CG_CPUACCT, "v1/cpu/pod/c1");
        assert_dir(&f, cg, CG_RDMA, NULL);    /* no line */
        assert_dir(&f, cg, CG_DEVICES, NULL); /* no hierarchy */
        assert_true(cgroup_is_private(cg));
        /* The v2 path is that of a login session from which an earlier daemon was started: never the container's. */
        assert_null(cgroup_unified_dir(cg));
        assert_false(cgroup_is_v2(cg, CG_MEMORY));
        finish(&f);
}

static void test_differing_paths(void **state)
{
        _cleanup_(cgroup_freep) struct cgroup *cg = NULL, *again = NULL;
        struct fixture f;

        start(&f, 1);
        tree_write(&f.tree, "proc/42/cgroup",
                   "4:memory:/a,b/c1\n8:pids:/x=/c1\n9:name=systemd:/z/c1\n2:cpu,cpuacct:/\n");
        tree_write(&f.tree, "proc/self/cgroup", SELF_V1);
        assert_int_equal(cgroup_of_pid(f.host, 42, &cg, &f.err), 0);
        assert_non_null(strstr(cgroup_path(cg), "memory=/a,b/c1"));
        assert_non_null(strstr(cgroup_path(cg), "name=systemd=/z/c1"));
        assert_dir(&f, cg, CG_CPU, NULL);

        tree_write(&f.tree, "proc/42/cgroup",
                   "4:memory:/a,b/c1\n8:pids:/x/c1\n9:name=systemd:/z/c1\n2:cpu,cpuacct:/\n");
        cg = cgroup_free(cg);
        assert_int_equal(cgroup_of_pid(f.host, 42, &cg, &f.err), 0);
        assert_int_equal(cgroup_of_path(f.host, cgroup_path(cg), &again, &f.err), 0);
        assert_string_equal(cgroup_path(cg), cgroup_path(again));
        assert_dir(&f, again, CG_MEMORY, "v1/memory/a,b/c1");
        assert_dir(&f, again, CG_PIDS, "v1/pids/x/c1");
        assert_dir(&f, again, CG_CPU, NULL);
        finish(&f);
}

static void test_v2_paths(void **state)
{
        _cleanup_(cgroup_freep) struct cgroup *cg = NULL, *again = NULL;
        struct fixture f;

        start(&f, 2);
        tree_write(&f.tree, "proc/42/cgroup", "0::/kube.slice/cri-1.scope\n");
        tree_write(&f.tree, "proc/self/cgroup", "0::/system.slice/sandboxd.service\n");
        assert_int_equal(cgroup_host_version(f.host), 2);
        assert_int_equal(cgroup_of_pid(f.host, 42, &cg, &f.err), 0);
        assert_string_equal(cgroup_path(cg), "/kube.slice/cri-1.scope");
        for (int c = CG_MEMORY; c < CG_DEVICES; c++) {
                assert_dir(&f, cg, (enum cgroup_controller)c, "v2/kube.slice/cri-1.scope");
                assert_true(cgroup_is_v2(cg, (enum cgroup_controller)c));
        }
        assert_string_equal(cgroup_unified_dir(cg), cgroup_dir(cg, CG_CPU));
        assert_int_equal(cgroup_of_path(f.host, cgroup_path(cg), &again, &f.err), 0);
        assert_string_equal(cgroup_dir(again, CG_CPU), cgroup_dir(cg, CG_CPU));
        finish(&f);
}

static void check_private(struct fixture *f, const char *path, bool want)
{
        _cleanup_(cgroup_freep) struct cgroup *cg = NULL;

        assert_int_equal(cgroup_of_path(f->host, path, &cg, &f->err), 0);
        assert_int_equal(cgroup_is_private(cg), want);
        assert_string_equal(cgroup_path(cg), path);
        if (want)
                return;
        assert_null(cgroup_dir(cg, CG_MEMORY));
        assert_int_equal(cgroup_signal_all(cg, SIGKILL, &f->err), -1);
        assert_int_equal(f->err.reason, REASON_NOT_SUPPORTED);
        assert_int_equal(cgroup_freeze(cg, true, &f->err), -1);
        assert_int_equal(cgroup_remove(cg, &f->err), 0);
}

static void test_private(void **state)
{
        struct fixture f;

        start(&f, 2);
        tree_write(&f.tree, "proc/self/cgroup", "0::/system.slice/sandboxd.service\n");
        tree_write(&f.tree, "v2/system.slice/cgroup.kill", "");
        tree_write(&f.tree, "v2/system.slice/cgroup.freeze", "0");
        check_private(&f, "/", false);
        check_private(&f, "/system.slice", false);
        check_private(&f, "/system.slice/sandboxd.service", false);
        check_private(&f, "/system.slice/sandboxd.service/c1", true);
        check_private(&f, "/system.slice/sandbox", true);
        check_private(&f, "/other", true);
        assert_int_equal(access(tree_path(&f.tree, "v2/system.slice"), F_OK), 0);
        finish(&f);
}

/* We may be moved into a cgroup after its path was learned. */
static void test_private_is_asked_anew(void **state)
{
        _cleanup_(cgroup_freep) struct cgroup *cg = NULL;
        struct fixture f;

        start(&f, 2);
        tree_write(&f.tree, "proc/self/cgroup", "0::/daemon\n");
        tree_write(&f.tree, "v2/c1/cgroup.procs", "");
        assert_int_equal(cgroup_of_path(f.host, "/c1", &cg, &f.err), 0);
        assert_true(cgroup_is_private(cg));
        tree_write(&f.tree, "proc/self/cgroup", "0::/c1/below\n");
        assert_false(cgroup_is_private(cg));
        assert_int_equal(cgroup_signal_all(cg, SIGKILL, &f.err), -1);
        assert_int_equal(f.err.reason, REASON_NOT_SUPPORTED);
        assert_int_equal(cgroup_remove(cg, &f.err), 0);
        assert_true(cgroup_exists(cg));
        finish(&f);
}

static void test_bad_paths(void **state)
{
        static const char *const bad[] = {"",      "a",      "/a/../b", "/..",      "//",           "/a/",
                                          "/a//b", "/a/./b", "memory=", "memory=a", "memory=/a=/b", "memory=/../a",
                                          "=",     ","};
        struct cgroup *cg = NULL;
        struct fixture f;

        start(&f, 1);
        tree_write(&f.tree, "proc/self/cgroup", SELF_V1);
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                f.err.reason = 0;
                if (cgroup_of_path(f.host, bad[i], &cg, &f.err) == 0)
                        fail_msg("accepted: \"%s\"", bad[i]);
                assert_true(error_is_set(&f.err));
        }
        assert_int_equal(cgroup_of_pid(f.host, 4711, &cg, &f.err), -1);
        assert_int_equal(f.err.reason, REASON_NOT_FOUND);
        tree_write(&f.tree, "proc/43/cgroup", "rubbish\n");
        assert_int_equal(cgroup_of_pid(f.host, 43, &cg, &f.err), -1);
        finish(&f);
}

/* --- what a spec asks for --- */

static void assert_spec(struct fixture *f, const char *text, const char *want)
{
        _cleanup_(freep) char *path = NULL;

        if (cgroup_path_of_spec(f->host, text, true, &path, &f->err) < 0)
                fail_msg("%s", f->err.message);
        assert_string_equal(path, want);
}

static void test_systemd_paths(void **state)
{
        static const char *const bad[] = {
                "",           "/a/b",       "a.slice",       "a.slice:b",    "a.slice:b:c:d",  "a.slice:b:",
                "a:b:c",      ".slice:b:c", "-a.slice:b:c",  "a-.slice:b:c", "a--b.slice:b:c", "a.slice/b.slice:c:d",
                "a.slice:/b:c", "a.slice:b:/c", "a.slice:b:../c",
        };
        _cleanup_(cgroup_freep) struct cgroup *cg = NULL, *unit = NULL;
        _cleanup_(freep) char *path = NULL;
        struct fixture f;

        start(&f, 2);
        tree_write(&f.tree, "proc/self/cgroup", "0::/system.slice/sandboxd.service\n");
        assert_spec(&f, "kubepods.slice:cri-containerd:c1", "/kubepods.slice/cri-containerd-c1.scope");
        assert_spec(&f, "kubepods-burstable-pod1_2.slice:crio:c1",
                    "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1_2.slice/crio-c1.scope");
        assert_spec(&f, ":runc:c1", "/system.slice/runc-c1.scope");
        assert_spec(&f, "-.slice:runc:c1", "/runc-c1.scope");
        assert_spec(&f, "a.slice::c1", "/a.slice/-c1.scope");
        assert_spec(&f, "a.slice:x:a-b.slice", "/a.slice/a-b.slice");
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                f.err.reason = 0;
                if (cgroup_path_of_spec(f.host, bad[i], true, &path, &f.err) == 0)
                        fail_msg("accepted: \"%s\"", bad[i]);
                assert_int_equal(f.err.reason, REASON_INVALID_ARGUMENT);
        }
        assert_int_equal(cgroup_path_of_spec(f.host, "relative", false, &path, &f.err), -1);
        assert_int_equal(cgroup_of_spec(f.host, "/a:b:c", false, &cg, &f.err), 0);
        assert_string_equal(cgroup_path(cg), "/a:b:c");
        cg = cgroup_free(cg);

        /* crun's processes are below the scope; what is elsewhere stays where it is */
        tree_write(&f.tree, "proc/42/cgroup", "0::/a.slice/crio-c1.scope/container\n");
        assert_int_equal(cgroup_of_pid(f.host, 42, &cg, &f.err), 0);
        assert_int_equal(cgroup_climb(f.host, "a.slice:crio:c2", &cg, &f.err), 0);
        assert_string_equal(cgroup_path(cg), "/a.slice/crio-c1.scope/container");
        assert_int_equal(cgroup_climb(f.host, "a.slice:crio:c1", &cg, &f.err), 0);
        assert_string_equal(cgroup_path(cg), "/a.slice/crio-c1.scope");
        assert_dir(&f, cg, CG_MEMORY, "v2/a.slice/crio-c1.scope");
        assert_int_equal(cgroup_climb(f.host, "a.slice:crio:c1", &cg, &f.err), 0);
        assert_string_equal(cgroup_path(cg), "/a.slice/crio-c1.scope");
        assert_int_equal(cgroup_climb(f.host, "rubbish", &cg, &f.err), -1);

        /* systemd of a container: its tree begins further down */
        tree_write(&f.tree, "proc/1/cgroup", "0::/machine.slice/m1/init.scope\n");
        assert_int_equal(cgroup_of_spec(f.host, "a.slice:crio:c1", true, &unit, &f.err), 0);
        assert_string_equal(cgroup_path(unit), "/machine.slice/m1/a.slice/crio-c1.scope");
        finish(&f);
}

/* --- processes --- */

static void test_pids(void **state)
{
        _cleanup_(cgroup_freep) struct cgroup *cg = NULL;
        struct fixture f;
        char path[1024] = "v1/memory/c1";
        pid_t *pids;
        size_t n;

        start(&f, 1);
        tree_write(&f.tree, "proc/self/cgroup", SELF_V1);
        tree_write(&f.tree, "v1/memory/c1/cgroup.procs", "30\n7\n0\n");
        tree_write(&f.tree, "v1/memory/c1/a/cgroup.procs", "2000000\n7\n");
        tree_write(&f.tree, "v1/memory/c1/a/b/cgroup.procs", "1\n");
        tree_write(&f.tree, "v1/memory/c1/e/cgroup.procs", "");
        assert_int_equal(cgroup_of_path(f.host, "/c1", &cg, &f.err), 0);
        assert_int_equal(cgroup_pids(cg, f.arena, &pids, &n, &f.err), 0);
        assert_int_equal(n, 4);
        assert_int_equal(pids[0], 1);
        assert_int_equal(pids[1], 7);
        assert_int_equal(pids[2], 30);
        assert_int_equal(pids[3], 2000000);

        for (int i = 0; i < CG_DEPTH_MAX + 2; i++)
                (void)strcat(path, "/d");
        (void)strcat(path, "/cgroup.procs");
        tree_write(&f.tree, path, "5\n");
        assert_int_equal(cgroup_pids(cg, f.arena, &pids, &n, &f.err), -1); /* bounded */

        cg = cgroup_free(cg);
        assert_int_equal(cgroup_of_path(f.host, "/gone", &cg, &f.err), 0);
        assert_false(cgroup_exists(cg));
        assert_int_equal(cgroup_pids(cg, f.arena, &pids, &n, &f.err), -1);
        assert_int_equal(f.err.reason, REASON_CGROUP_NOT_FOUND);
        assert_int_equal(cgroup_signal_all(cg, SIGTERM, &f.err), -1);
        assert_int_equal(f.err.reason, REASON_CGROUP_NOT_FOUND);
        assert_int_equal(cgroup_freeze(cg, true, &f.err), -1);
        assert_int_equal(f.err.reason, REASON_CGROUP_NOT_FOUND);
        assert_true(cgroup_frozen(cg) < 0);
        assert_int_equal(cgroup_remove(cg, &f.err), 0);
        finish(&f);
}

static void read_back(struct fixture *f, const char *path, char *buf, size_t size)
{
        assert_true(fd_read_small(-1, tree_path(&f->tree, path), buf, size) >= 0);
}

static void test_freezer_files(void **state)
{
        _cleanup_(cgroup_freep) struct cgroup *one = NULL, *two = NULL;
        struct fixture f;
        char buf[64];

        start(&f, 1);
        tree_write(&f.tree, "proc/self/cgroup", SELF_V1);
        tree_write(&f.tree, "v1/freezer/c1/freezer.state", "THAWED");
        assert_int_equal(cgroup_of_path(f.host, "/c1", &one, &f.err), 0);
        assert_int_equal(cgroup_frozen(one), 0);
        assert_int_equal(cgroup_freeze(one, true, &f.err), 0);
        assert_int_equal(cgroup_frozen(one), 1);
        /* stuck on the way: asked for again, but not when only a parent is being frozen */
        tree_write(&f.tree, "v1/freezer/c1/freezer.self_freezing", "0\n");
        tree_write(&f.tree, "v1/freezer/c1/freezer.state", "FREEZING\n");
        assert_int_equal(cgroup_frozen(one), 0);
        read_back(&f, "v1/freezer/c1/freezer.state", buf, sizeof(buf));
        assert_string_equal(buf, "FREEZING\n");
        tree_write(&f.tree, "v1/freezer/c1/freezer.self_freezing", "1\n");
        assert_int_equal(cgroup_frozen(one), 0);
        read_back(&f, "v1/freezer/c1/freezer.state", buf, sizeof(buf));
        assert_int_equal(strncmp(buf, "FROZEN", 6), 0);
        f.host = cgroup_host_free(f.host);

        f.host = tree_host_v2(&f.tree);
        tree_write(&f.tree, "proc/self/cgroup", "0::/daemon\n");
        tree_write(&f.tree, "v2/c2/cgroup.freeze", "0");
        tree_write(&f.tree, "v2/c2/cgroup.events", "populated 1\nfrozen 0\n");
        assert_int_equal(cgroup_of_path(f.host, "/c2", &two, &f.err), 0);
        assert_int_equal(cgroup_frozen(two), 0);
        assert_int_equal(cgroup_freeze(two, true, &f.err), 0);
        read_back(&f, "v2/c2/cgroup.freeze", buf, sizeof(buf));
        assert_string_equal(buf, "1");
        tree_write(&f.tree, "v2/c2/cgroup.events", "populated 1\nfrozen 1\n");
        assert_int_equal(cgroup_frozen(two), 1);
        finish(&f);
}

static void test_kill_file(void **state)
{
        _cleanup_(cgroup_freep) struct cgroup *cg = NULL;
        struct fixture f;
        char buf[8];

        start(&f, 2);
        tree_write(&f.tree, "proc/self/cgroup", "0::/daemon\n");
        tree_write(&f.tree, "v2/c1/cgroup.procs", "");
        tree_write(&f.tree, "v2/c1/cgroup.kill", "");
        assert_int_equal(cgroup_of_path(f.host, "/c1", &cg, &f.err), 0);
        assert_int_equal(cgroup_signal_all(cg, SIGTERM, &f.err), 0);
        read_back(&f, "v2/c1/cgroup.kill", buf, sizeof(buf));
        assert_string_equal(buf, "");
        assert_int_equal(cgroup_signal_all(cg, SIGKILL, &f.err), 0);
        read_back(&f, "v2/c1/cgroup.kill", buf, sizeof(buf));
        assert_string_equal(buf, "1");

        /* a kernel without that file: frozen, signalled, thawed */
        tree_write(&f.tree, "v2/c2/cgroup.procs", "");
        tree_write(&f.tree, "v2/c2/cgroup.freeze", "?");
        cg = cgroup_free(cg);
        assert_int_equal(cgroup_of_path(f.host, "/c2", &cg, &f.err), 0);
        assert_int_equal(cgroup_signal_all(cg, SIGTERM, &f.err), 0);
        read_back(&f, "v2/c2/cgroup.freeze", buf, sizeof(buf));
        assert_string_equal(buf, "?");
        assert_int_equal(cgroup_signal_all(cg, SIGKILL, &f.err), 0);
        read_back(&f, "v2/c2/cgroup.freeze", buf, sizeof(buf));
        assert_string_equal(buf, "0");
        finish(&f);
}

/* --- with the kernel --- */

static int setup_real(void **state)
{
        static struct real r;

        *state = real_make(&r, "ops") ? &r : NULL;
        return 0;
}

static int teardown_real(void **state)
{
        if (*state)
                real_remove(*state);
        return 0;
}

static struct real *need_real(void **state)
{
        if (!*state)
                unit_skip("not root, or no writable cgroup hierarchy");
        return *state;
}

static int child_pause(void *arg)
{
        for (;;)
                (void)pause();
        return 0;
}

static void await_exit(pid_t pid, int want_signal)
{
        int status;

        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), want_signal);
}

static bool still_runs(pid_t pid)
{
        return waitpid(pid, NULL, WNOHANG) == 0;
}

/* Polls with a bound: for what the kernel does behind our back. */
static bool eventually(bool (*fn)(const struct cgroup *cg), const struct cgroup *cg)
{
        uint64_t end = clock_monotonic_ns() + 10 * NSEC_PER_SEC;

        while (!fn(cg))
                if (clock_monotonic_ns() > end)
                        return false;
                else
                        (void)poll(NULL, 0, 1);
        return true;
}

static bool is_frozen(const struct cgroup *cg)
{
        return cgroup_frozen(cg) == 1;
}

static bool is_thawed(const struct cgroup *cg)
{
        return cgroup_frozen(cg) == 0;
}

static bool can_remove(const struct cgroup *cg)
{
        return cgroup_remove(cg, NULL) == 0;
}

static void test_real(void **state)
{
        _cleanup_(cgroup_freep) struct cgroup *cg = NULL, *again = NULL;
        _cleanup_(arena_freep) struct arena *a = arena_new();
        struct error err = ERROR_NULL;
        struct real *r = need_real(state);
        pid_t one, two, *pids;
        size_t n;
        char want[80];

        one = real_fork(r, "", child_pause, NULL);
        two = real_fork(r, "sub", child_pause, NULL);
        assert_int_equal(cgroup_of_pid(r->host, one, &cg, &err), 0);
        (void)snprintf(want, sizeof(want), "/%s", r->name);
        assert_string_equal(cgroup_path(cg), want);
        assert_true(cgroup_is_private(cg));
        assert_true(cgroup_exists(cg));
        assert_int_equal(cgroup_of_path(r->host, want, &again, &err), 0);
        assert_string_equal(cgroup_dir(again, CG_FREEZER), cgroup_dir(cg, CG_FREEZER));

        assert_int_equal(cgroup_pids(cg, a, &pids, &n, &err), 0);
        assert_int_equal(n, 2);
        assert_int_equal(pids[0], one < two ? one : two);
        assert_int_equal(pids[1], one < two ? two : one);

        /* busy: nothing is removed from under a process, and none is moved up */
        assert_int_equal(cgroup_remove(cg, &err), -1);
        assert_int_equal(err.reason, REASON_STILL_RUNNING);
        assert_int_equal(cgroup_pids(cg, a, &pids, &n, &err), 0);
        assert_int_equal(n, 2);

        assert_int_equal(cgroup_freeze(cg, true, &err), 0);
        assert_true(eventually(is_frozen, cg));
        assert_int_equal(cgroup_signal_all(cg, SIGTERM, &err), 0);
        /* in v2 a signal that nobody handles ends a frozen one, too */
        if (!cgroup_is_v2(cg, CG_FREEZER))
                assert_true(still_runs(one));
        assert_int_equal(cgroup_freeze(cg, false, &err), 0);
        assert_true(eventually(is_thawed, cg));
        await_exit(one, SIGTERM);
        await_exit(two, SIGTERM);

        /* SIGKILL ends a frozen one too */
        one = real_fork(r, "", child_pause, NULL);
        two = real_fork(r, "sub", child_pause, NULL);
        assert_int_equal(cgroup_freeze(cg, true, &err), 0);
        assert_true(eventually(is_frozen, cg));
        assert_int_equal(cgroup_signal_all(cg, SIGKILL, &err), 0);
        await_exit(one, SIGKILL);
        await_exit(two, SIGKILL);
        assert_int_equal(cgroup_pids(cg, a, &pids, &n, &err), 0);
        assert_int_equal(n, 0);
        assert_true(eventually(can_remove, cg));
        assert_false(cgroup_exists(cg));
        for (size_t i = 0; i < r->host->n; i++)
                assert_int_equal(access(cg->at[i].dir, F_OK), -1);
        assert_int_equal(cgroup_remove(cg, &err), 0);
}

/* More than one batch of pidfds, some of which exit meanwhile. */
static void test_real_many(void **state)
{
        enum { N = 300 };
        _cleanup_(cgroup_freep) struct cgroup *cg = NULL;
        struct error err = ERROR_NULL;
        struct real *r = need_real(state);
        pid_t pids[N];
        int before = fd_count();

        for (size_t i = 0; i < N; i++)
                pids[i] = real_fork(r, "", child_pause, NULL);
        for (size_t i = 0; i < N; i += 3)
                assert_int_equal(kill(pids[i], SIGKILL), 0);
        assert_int_equal(cgroup_of_pid(r->host, pids[1], &cg, &err), 0);
        assert_int_equal(cgroup_signal_all(cg, SIGKILL, &err), 0);
        for (size_t i = 0; i < N; i++)
                await_exit(pids[i], SIGKILL);
        assert_true(eventually(can_remove, cg));
        assert_int_equal(fd_count(), before);
}

/* --- processes that are never the same twice --- */

enum { CHAINS = 4, GENERATIONS = 200 };
struct chains {
        uint64_t until;
        _Atomic unsigned born;
};

/* Each process forks and ends: whoever is in the list has gone when it is signalled. */
static int child_chain(void *arg)
{
        struct chains *c = arg;

        while (clock_monotonic_ns() < c->until) {
                pid_t pid = fork();

                if (pid > 0)
                        _exit(0);
                if (pid == 0)
                        c->born++;
        }
        return 0;
}

static bool is_empty(const struct cgroup *cg)
{
        _cleanup_(arena_freep) struct arena *a = arena_new();
        pid_t *pids;
        size_t n;

        return a && cgroup_pids(cg, a, &pids, &n, NULL) == 0 && n == 0;
}

/* One call is enough: by cgroup.kill, or frozen. */
static void test_real_fork_chain(void **state)
{
        _cleanup_(cgroup_freep) struct cgroup *cg = NULL;
        struct error err = ERROR_NULL;
        struct real *r = need_real(state);
        struct chains *c = mmap(NULL, sizeof(*c), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        char path[80];

        assert_true(c != MAP_FAILED);
        c->until = clock_monotonic_ns() + 60 * NSEC_PER_SEC;
        assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
        for (unsigned i = 0; i < CHAINS; i++)
                (void)real_fork(r, "", child_chain, c);
        (void)snprintf(path, sizeof(path), "/%s", r->name);
        assert_int_equal(cgroup_of_path(r->host, path, &cg, &err), 0);
        while (c->born < GENERATIONS && clock_monotonic_ns() < c->until)
                (void)poll(NULL, 0, 1);
        assert_true(c->born >= GENERATIONS);
        assert_int_equal(cgroup_signal_all(cg, SIGKILL, &err), 0);
        assert_true(eventually(is_empty, cg));
        assert_true(clock_monotonic_ns() < c->until); /* and not because they were done */
        while (waitpid(-1, NULL, 0) > 0)
                ;
        assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
        assert_true(eventually(can_remove, cg));
        (void)munmap(c, sizeof(*c));
}

static void test_real_zombie(void **state)
{
        struct cgroup *cg = NULL;
        struct error err = ERROR_NULL;
        siginfo_t info;
        struct real *r = need_real(state);
        pid_t pid;

        pid = real_fork(r, "", child_pause, NULL);
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
        assert_int_equal(cgroup_of_pid(r->host, pid, &cg, &err), -1);
        assert_int_equal(err.reason, REASON_NOT_FOUND);
        await_exit(pid, SIGKILL);
}

/* --- hierarchies that are not below /sys/fs/cgroup --- */

static int child_elsewhere(void *arg)
{
        char dir[] = "/tmp/sandboxd-mounts-XXXXXX", want[200];
        struct real *r = arg, moved = {0};
        _cleanup_(cgroup_freep) struct cgroup *cg = NULL;
        int failed = 1;

        if (!mkdtemp(dir) || unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
            mount("/sys/fs/cgroup", dir, NULL, MS_BIND | MS_REC, NULL) < 0 || umount2("/sys/fs/cgroup", MNT_DETACH) < 0)
                return 2;
        if (cgroup_host_new(&moved.host, NULL) == 0 && moved.host->n == r->host->n &&
            moved.host->version == r->host->version &&
            cgroup_of_pid(moved.host, getpid(), &cg, NULL) == 0) {
                (void)snprintf(want, sizeof(want), "%s%s", dir,
                               r->host->hier[r->host->of[CG_FREEZER]].mount + strlen("/sys/fs/cgroup"));
                failed = strcmp(moved.host->hier[moved.host->of[CG_FREEZER]].mount, want) != 0;
        }
        moved.host = cgroup_host_free(moved.host);
        (void)umount2(dir, MNT_DETACH);
        (void)rmdir(dir);
        return failed;
}

static void test_real_elsewhere(void **state)
{
        struct real *r = need_real(state);
        int status;

        if (strncmp(r->host->hier[r->host->of[CG_FREEZER]].mount, "/sys/fs/cgroup", strlen("/sys/fs/cgroup")) != 0)
                unit_skip("the cgroups of this host are elsewhere already");
        assert_int_equal(waitpid(real_fork(r, "", child_elsewhere, r), &status, 0) > 0, 1);
        assert_int_equal(status, 0);
}

/* Where this process itself is, nothing may be done. */
static void test_real_own(void **state)
{
        _cleanup_(cgroup_freep) struct cgroup *cg = NULL;
        _cleanup_(cgroup_host_freep) struct cgroup_host *h = NULL;
        struct error err = ERROR_NULL;

        if (cgroup_host_new(&h, &err) < 0)
                unit_skip(err.message);
        assert_int_equal(cgroup_of_pid(h, getpid(), &cg, &err), 0);
        assert_false(cgroup_is_private(cg));
        assert_int_equal(cgroup_signal_all(cg, SIGKILL, &err), -1);
        assert_int_equal(cgroup_remove(cg, &err), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_hybrid_paths),
                cmocka_unit_test(test_differing_paths),
                cmocka_unit_test(test_v2_paths),
                cmocka_unit_test(test_private),
                cmocka_unit_test(test_private_is_asked_anew),
                cmocka_unit_test(test_bad_paths),
                cmocka_unit_test(test_systemd_paths),
                cmocka_unit_test(test_pids),
                cmocka_unit_test(test_freezer_files),
                cmocka_unit_test(test_kill_file),
                cmocka_unit_test_setup_teardown(test_real, setup_real, teardown_real),
                cmocka_unit_test_setup_teardown(test_real_many, setup_real, teardown_real),
                cmocka_unit_test_setup_teardown(test_real_fork_chain, setup_real, teardown_real),
                cmocka_unit_test_setup_teardown(test_real_zombie, setup_real, teardown_real),
                cmocka_unit_test_setup_teardown(test_real_elsewhere, setup_real, teardown_real),
                cmocka_unit_test(test_real_own),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
