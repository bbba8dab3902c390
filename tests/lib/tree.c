/* SPDX-License-Identifier: Apache-2.0 */

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "tests/lib/tree.h"

#undef NDEBUG
#define MUST(x)                                                                                                        \
        do {                                                                                                           \
                if (!(x)) {                                                                                            \
                        fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #x, strerror(errno));                   \
                        abort();                                                                                       \
                }                                                                                                      \
        } while (0)

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
        return remove(path);
}

void tree_make(struct tree *t)
{
        (void)snprintf(t->dir, sizeof(t->dir), "/tmp/sandboxd-tree-XXXXXX");
        MUST(mkdtemp(t->dir));
}

void tree_remove(struct tree *t)
{
        (void)nftw(t->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *tree_path(struct tree *t, const char *path)
{
        static char ring[8][512];
        static unsigned next;
        char *buf = ring[next++ % 8];

        (void)snprintf(buf, sizeof(ring[0]), "%s/%s", t->dir, path);
        return buf;
}

static void make_parents(const char *path)
{
        char buf[512];

        (void)snprintf(buf, sizeof(buf), "%s", path);
        for (char *p = strchr(buf + 1, '/'); p; p = strchr(p + 1, '/')) {
                *p = '\0';
                MUST(mkdir(buf, 0755) == 0 || errno == EEXIST);
                *p = '/';
        }
}

void tree_write(struct tree *t, const char *path, const char *text)
{
        const char *file = tree_path(t, path);
        int fd;

        make_parents(file);
        fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        MUST(fd >= 0 && fd_write_all(fd, text, strlen(text)) == 0);
        (void)close(fd);
}

struct cgroup_host *tree_host_v1(struct tree *t, bool hybrid)
{
        static const char *const names[] = {"cpu",   "cpuacct", "memory",  "pids", "freezer",
                                            "blkio", "cpuset",  "hugetlb", "rdma"};
        static const enum cgroup_controller ids[] = {CG_CPU,   CG_CPUACCT, CG_MEMORY,  CG_PIDS, CG_FREEZER,
                                                     CG_BLKIO, CG_CPUSET,  CG_HUGETLB, CG_RDMA};
        struct cgroup_hier hier[16] = {0};
        struct cgroup_host *h;
        char buf[64];
        size_t n = 0;

        /* cpu and cpuacct share one hierarchy, as on most hosts */
        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
                if (i == 1) {
                        hier[0].controllers |= 1U << CG_CPUACCT;
                        continue;
                }
                (void)snprintf(buf, sizeof(buf), "v1/%s", names[i]);
                hier[n].mount = strdup(tree_path(t, buf));
                hier[n].label = strdup(names[i]);
                hier[n].controllers = 1U << ids[i];
                (void)snprintf(buf, sizeof(buf), "v1/%s/cgroup.procs", names[i]);
                tree_write(t, buf, "");
                n++;
        }
        hier[n].mount = strdup(tree_path(t, "v1/systemd"));
        hier[n++].label = strdup("name=systemd");
        tree_write(t, "v1/systemd/cgroup.procs", "");
        if (hybrid) {
                hier[n].mount = strdup(tree_path(t, "unified"));
                hier[n].label = strdup("");
                hier[n++].v2 = true;
                tree_write(t, "unified/cgroup.controllers", "\n");
        }
        MUST(cgroup_host_new_fake(&h, hier, n, tree_path(t, "proc"), NULL) == 0);
        while (n--) {
                free(hier[n].mount);
                free(hier[n].label);
        }
        return h;
}

struct cgroup_host *tree_host_v2(struct tree *t)
{
        struct cgroup_hier hier = {.mount = strdup(tree_path(t, "v2")), .label = strdup(""), .v2 = true};
        struct cgroup_host *h;

        tree_write(t, "v2/cgroup.controllers", "cpuset cpu io memory hugetlb pids rdma misc\n");
        MUST(cgroup_host_new_fake(&h, &hier, 1, tree_path(t, "proc"), NULL) == 0);
        free(hier.mount);
        free(hier.label);
        return h;
}

/* --- real cgroups --- */

static void real_dir(struct real *r, size_t i, const char *sub, char *buf, size_t size)
{
        (void)snprintf(buf, size, "%s/%s%s%s", r->host->hier[i].mount, r->name, *sub ? "/" : "", sub);
}

static void put(const char *dir, const char *file, const char *text)
{
        char path[600];
        int fd, r;

        (void)snprintf(path, sizeof(path), "%s/%s", dir, file);
        fd = open(path, O_WRONLY | O_CLOEXEC);
        r = fd < 0 ? -errno : fd_write_all(fd, text, strlen(text));
        if (r < 0) {
                fprintf(stderr, "cannot write \"%s\" to %s: %s\n", text, path, strerror(-r));
                abort();
        }
        (void)close(fd);
}

/* Best effort: which controllers there are differs. */
static void enable_below(const char *dir)
{
        static const char *const names[] = {"+memory", "+pids", "+cpu", "+io", "+cpuset"};
        char path[600];
        int fd;

        (void)snprintf(path, sizeof(path), "%s/cgroup.subtree_control", dir);
        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
                fd = open(path, O_WRONLY | O_CLOEXEC);
                if (fd < 0)
                        return;
                (void)fd_write_all(fd, names[i], strlen(names[i]));
                (void)close(fd);
        }
}

void real_delegate(struct real *r)
{
        char dir[512];

        for (size_t i = 0; i < r->host->n; i++) {
                real_dir(r, i, "", dir, sizeof(dir));
                if (r->host->hier[i].v2)
                        enable_below(dir);
        }
}

bool real_make(struct real *r, const char *suffix)
{
        char dir[512];

        *r = (struct real){0};
        if (geteuid() != 0 || cgroup_host_new(&r->host, NULL) < 0)
                return false;
        (void)snprintf(r->name, sizeof(r->name), "sandboxd-test-%d-%s", (int)getpid(), suffix);
        for (size_t i = 0; i < r->host->n; i++) {
                if (r->host->hier[i].v2)
                        enable_below(r->host->hier[i].mount);
                real_dir(r, i, "", dir, sizeof(dir));
                if (mkdir(dir, 0755) < 0 && errno != EEXIST) {
                        real_remove(r);
                        return false;
                }
        }
        return true;
}

/* Also kills what is left in it; waits for the end of children of this process. */
void real_remove(struct real *r)
{
        static const char *const subs[] = {"sub/deep", "sub", "other", ""};
        char path[600], pid[32];
        FILE *f;

        if (r->host && r->host->of[CG_FREEZER] >= 0 && !r->host->hier[r->host->of[CG_FREEZER]].v2) {
                real_dir(r, (size_t)r->host->of[CG_FREEZER], "freezer.state", path, sizeof(path));
                f = fopen(path, "we");
                if (f) {
                        (void)fputs("THAWED", f);
                        (void)fclose(f);
                }
        }
        for (size_t i = 0; r->host && i < r->host->n; i++) {
                for (size_t k = 0; k < ARRAY_SIZE(subs); k++) {
                        real_dir(r, i, subs[k], path, sizeof(path) - 20);
                        (void)strcat(path, "/cgroup.procs");
                        f = fopen(path, "re");
                        while (f && fgets(pid, sizeof(pid), f)) {
                                (void)kill(atoi(pid), SIGKILL);
                                (void)waitpid(atoi(pid), NULL, 0);
                        }
                        if (f)
                                (void)fclose(f);
                        real_dir(r, i, subs[k], path, sizeof(path));
                        (void)rmdir(path);
                }
        }
        r->host = cgroup_host_free(r->host);
}

void real_write(struct real *r, enum cgroup_controller c, const char *file, const char *text)
{
        char dir[512];

        real_dir(r, (size_t)r->host->of[c], "", dir, sizeof(dir));
        put(dir, file, text);
}

pid_t real_fork(struct real *r, const char *sub, int (*fn)(void *arg), void *arg)
{
        int gate[2];
        char dir[512], pid[16], byte;
        pid_t child;

        MUST(pipe2(gate, O_CLOEXEC) == 0);
        child = fork();
        MUST(child >= 0);
        if (child == 0) {
                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                (void)close(gate[1]);
                if (read(gate[0], &byte, 1) != 1)
                        _exit(99);
                _exit(fn(arg));
        }
        (void)close(gate[0]);
        (void)snprintf(pid, sizeof(pid), "%d", (int)child);
        for (size_t i = 0; i < r->host->n; i++) {
                real_dir(r, i, sub, dir, sizeof(dir));
                MUST(mkdir(dir, 0755) == 0 || errno == EEXIST);
                if (r->host->of[CG_CPUSET] == (int)i && !r->host->hier[i].v2) {
                        FILE *f;
                        char cpus[256] = "", from[600];

                        (void)snprintf(from, sizeof(from), "%s/cpuset.cpus", r->host->hier[i].mount);
                        f = fopen(from, "re");
                        if (f && fgets(cpus, sizeof(cpus), f)) {
                                char top[512];

                                real_dir(r, i, "", top, sizeof(top));
                                put(top, "cpuset.cpus", cpus);
                                put(top, "cpuset.mems", "0");
                                put(dir, "cpuset.cpus", cpus);
                                put(dir, "cpuset.mems", "0");
                        }
                        if (f)
                                (void)fclose(f);
                }
                put(dir, "cgroup.procs", pid);
        }
        MUST(write(gate[1], "x", 1) == 1);
        (void)close(gate[1]);
        return child;
}
