/* SPDX-License-Identifier: Apache-2.0 */
/* The levels of memory pressure, with times that are played; and real groups that come, suffer and go. */

#include "tests/unit/unit.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "base/fd.h"
#include "daemon/pressure.h"
#include "tests/lib/tree.h"

#define CALM 10U

/* --- the levels --- */

static void test_rise_and_fall(void **state)
{
        struct pressure_state s = { 0 };

        assert_int_equal(pressure_next_look(&s, CALM), 0);
        assert_false(pressure_look(&s, 1000, CALM));
        assert_true(pressure_report(&s, PRESSURE_SOME, 1000));
        assert_int_equal(s.level, PRESSURE_SOME);
        assert_int_equal(s.since, 1000);
        assert_int_equal(pressure_next_look(&s, CALM), 1010);
        assert_false(pressure_look(&s, 1009, CALM));
        assert_true(pressure_look(&s, 1010, CALM));
        assert_int_equal(s.level, PRESSURE_NONE);
        assert_int_equal(pressure_next_look(&s, CALM), 0);
}

/* What comes again before the time is over is the same stretch. */
static void test_one_stretch(void **state)
{
        struct pressure_state s = { 0 };

        assert_true(pressure_report(&s, PRESSURE_SOME, 1000));
        for (uint64_t now = 1002; now < 1100; now += 8) {
                assert_false(pressure_report(&s, PRESSURE_SOME, now));
                assert_false(pressure_look(&s, now + 7, CALM));
        }
        assert_int_equal(s.since, 1000);
        assert_int_equal(pressure_next_look(&s, CALM), 1098 + CALM);
        assert_true(pressure_look(&s, 1098 + CALM, CALM));
}

/* Full falls to some while some is still reported, and to none at once when both are old. */
static void test_two_levels(void **state)
{
        struct pressure_state s = { 0 };

        assert_true(pressure_report(&s, PRESSURE_FULL, 1000)); /* also where some was never reported by itself */
        assert_int_equal(s.level, PRESSURE_FULL);
        assert_false(pressure_report(&s, PRESSURE_SOME, 1005));
        assert_int_equal(s.level, PRESSURE_FULL);
        assert_int_equal(pressure_next_look(&s, CALM), 1010);
        assert_true(pressure_look(&s, 1010, CALM));
        assert_int_equal(s.level, PRESSURE_SOME);
        assert_int_equal(s.since, 1010);
        assert_int_equal(pressure_next_look(&s, CALM), 1015);
        assert_true(pressure_report(&s, PRESSURE_FULL, 1012));
        assert_true(pressure_look(&s, 2000, CALM));
        assert_int_equal(s.level, PRESSURE_NONE);
}

static void test_names(void **state)
{
        assert_string_equal(pressure_level_name(PRESSURE_NONE), "none");
        assert_string_equal(pressure_level_name(PRESSURE_SOME), "some");
        assert_string_equal(pressure_level_name(PRESSURE_FULL), "full");
}

/* --- watching --- */

struct seen {
        unsigned calls;
        struct pressure_change last;
        size_t psi;
        char cgroup[128];
};

static void on_change(void *data, const struct pressure_change *change)
{
        struct seen *s = data;

        s->calls++;
        s->last = *change;
        s->psi = change->psi.n;
        snprintf(s->cgroup, sizeof(s->cgroup), "%s", change->cgroup);
}

/* Files that are no pressure files, or not there, are no reason to fail. */
static void test_cannot(void **state)
{
        struct tree t;
        struct loop *loop;
        const char *groups[] = { "/a", "/b" };
        struct pressure_options x = { .host = true, .cgroups = { groups, 2 }, .some_us = 1000, .window_us = 2000000 };
        struct cgroup_host *h;
        struct pressure *p;

        tree_make(&t);
        tree_write(&t, "v2/a/memory.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n");
        h = tree_host_v2(&t);
        assert_int_equal(loop_new(&loop), 0);
        p = pressure_new(loop, h, &x, on_change, NULL);
        assert_non_null(p);
        assert_int_equal(pressure_n_watched(p), 0);
        pressure_find_groups(p);
        assert_int_equal(pressure_n_watched(p), 0);
        pressure_find_groups(NULL);
        pressure_free(p);
        loop_free(loop);
        cgroup_host_free(h);
        tree_remove(&t);
}

static const char *unified_of(const struct cgroup_host *h)
{
        for (size_t i = 0; i < h->n; i++)
                if (h->hier[i].v2)
                        return h->hier[i].mount;
        return NULL;
}

struct real_group {
        struct loop *loop;
        struct real real;
        struct pressure *pressure;
        struct seen seen;
        char path[96];        /* below the tree */
        const char *paths[1];
        int begin[2];         /* the child waits for its end */
};

/* Touches twice the memory that is allowed, again and again: on v2 of its own, on v1 that of a file. */
static int suffer(void *arg)
{
        struct real_group *g = arg;
        const size_t size = 16 << 20;
        bool v2 = g->real.host->version == 2;
        int fd = v2 ? -1 : open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        char c, *map, *block = malloc(1 << 20);

        close(g->begin[1]);
        (void)!read(g->begin[0], &c, 1);
        if (!block || (!v2 && (fd < 0 || ftruncate(fd, (off_t)size) < 0)))
                return 1;
        map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        for (;;) {
                for (size_t at = 0; v2 && at < size; at += 4096)
                        map[at] = 1;
                for (off_t at = 0; !v2 && at < (off_t)size; at += 1 << 20)
                        if (pread(fd, block, 1 << 20, at) < 0)
                                return 1;
                if (v2)
                        madvise(map, size, MADV_DONTNEED);
        }
}

static bool real_group_make(struct real_group *g, uint64_t calm_ns)
{
        struct pressure_options x = { .some_us = 1000, .window_us = 2000000, .calm_ns = calm_ns };
        char path[256];

        *g = (struct real_group){ 0 };
        if (!real_make(&g->real, "pressure"))
                return false;
        snprintf(path, sizeof(path), "%s/%s/memory.pressure",
                 unified_of(g->real.host) ? unified_of(g->real.host) : "/nowhere", g->real.name);
        if (access(path, F_OK) < 0) {
                real_remove(&g->real);
                return false;
        }
        snprintf(g->path, sizeof(g->path), "/%s/below", g->real.name);
        g->paths[0] = g->path;
        x.cgroups = (struct strs){ g->paths, 1 };
        assert_int_equal(loop_new(&g->loop), 0);
        g->pressure = pressure_new(g->loop, g->real.host, &x, on_change, &g->seen);
        assert_non_null(g->pressure);
        return true;
}

static void real_group_remove(struct real_group *g)
{
        pressure_free(g->pressure);
        loop_free(g->loop);
        real_remove(&g->real);
}

/* A group that comes, has its pressure, calms down, and goes. */
static void test_real(void **state)
{
        struct real_group g;
        char dir[256];
        int status;
        pid_t pid;

        if (!real_group_make(&g, 3 * NSEC_PER_SEC))
                unit_skip("no cgroups of v2 that tell their pressure, or not root");
        assert_int_equal(pressure_n_watched(g.pressure), 0);
        assert_int_equal(pipe2(g.begin, O_CLOEXEC), 0);
        if (g.real.host->version == 2) {
                real_delegate(&g.real);
                pid = real_fork(&g.real, "below", suffer, &g);
                snprintf(dir, sizeof(dir), "%s%s", unified_of(g.real.host), g.path);
                int fd = open(dir, O_PATH | O_CLOEXEC), high = openat(fd, "memory.high", O_WRONLY | O_CLOEXEC);
                assert_int_equal(write(high, "4194304", 7), 7);
                close(high);
                close(fd);
        } else {
                real_write(&g.real, CG_MEMORY, "memory.limit_in_bytes", "4194304");
                pid = real_fork(&g.real, "below", suffer, &g);
        }
        pressure_find_groups(g.pressure);
        assert_int_equal(pressure_n_watched(g.pressure), 1);
        unit_run_for(g.loop, 50 * NSEC_PER_MSEC);
        assert_int_equal(g.seen.calls, 0);

        close(g.begin[0]);
        close(g.begin[1]);
        unit_run_until(g.loop, g.seen.calls);
        assert_string_equal(g.seen.cgroup, g.path);
        assert_int_equal(g.seen.last.from, PRESSURE_NONE);
        assert_int_equal(g.seen.last.to, PRESSURE_SOME);
        assert_int_equal(g.seen.psi, 2);
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(WTERMSIG(status), SIGKILL);
        unit_run_until(g.loop, g.seen.last.to == PRESSURE_NONE);
        assert_int_equal(g.seen.calls, 2);
        assert_true(g.seen.last.lasted_ns >= 3 * NSEC_PER_SEC);
        assert_false(g.seen.last.gone);
        real_group_remove(&g);
}

static int nothing(void *arg)
{
        return 0;
}

/* One that is removed is watched no more, which costs nothing then; and is found when it is there again. */
static void test_real_gone(void **state)
{
        struct real_group g;
        char dir[256];
        uint64_t rounds;

        if (!real_group_make(&g, NSEC_PER_SEC))
                unit_skip("no cgroups of v2 that tell their pressure, or not root");
        if (g.real.host->version == 2)
                real_delegate(&g.real);
        snprintf(dir, sizeof(dir), "%s%s", unified_of(g.real.host), g.path);
        for (int i = 0; i < 2; i++) {
                assert_int_equal(waitpid(real_fork(&g.real, "below", nothing, NULL), NULL, 0) > 0, 1);
                pressure_find_groups(g.pressure);
                assert_int_equal(pressure_n_watched(g.pressure), 1);
                assert_int_equal(rmdir(dir), 0);
                unit_run_until(g.loop, pressure_n_watched(g.pressure) == 0);
        }
        rounds = loop_stats(g.loop)->rounds;
        unit_run_for(g.loop, 50 * NSEC_PER_MSEC);
        assert_in_range(loop_stats(g.loop)->rounds - rounds, 1, 3);
        assert_int_equal(g.seen.calls, 0);
        real_group_remove(&g);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_rise_and_fall), cmocka_unit_test(test_one_stretch),
                cmocka_unit_test(test_two_levels),    cmocka_unit_test(test_names),
                cmocka_unit_test(test_cannot),        cmocka_unit_test(test_real),
                cmocka_unit_test(test_real_gone),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
