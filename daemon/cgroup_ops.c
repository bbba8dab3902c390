/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What is done to a cgroup and to the processes in it. Everything here asks anew whether a directory is private before
 * it kills, freezes or removes: we may have been moved since the path was learned.
 *
 * Processes are signalled through pidfds that were open before the list of the cgroup's processes was read a second
 * time: a pid that is in the second list belonged to the cgroup while the pidfd was open, so that a reused pid is never
 * hit.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "daemon/cgparse.h"
#include "daemon/cgroup_internal.h"

#define PIDS_MAX    (4 * 1024 * 1024) /* the kernel's largest pid_max */
#define DIRS_MAX    65536             /* cgroups below one container */
#define PIDFD_BATCH 128
#define KILL_ROUNDS 8

static void dir_closep(DIR **d)
{
        if (*d)
                (void)closedir(*d);
}

/* --- walking --- */

typedef int (*visit_fn)(int dirfd, void *data); /* 0 or -errno */
enum walk_order { WALK_PRE, WALK_REMOVE };

struct walk {
        visit_fn visit; /* WALK_PRE: for each directory */
        void *data;
        enum walk_order order;
        size_t dirs;
};

static int walk_children(struct walk *w, int dirfd, unsigned depth);

static int walk_dir(struct walk *w, int parent, const char *name, unsigned depth)
{
        _cleanup_(fd_closep) int dirfd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        int r;

        if (dirfd < 0)
                return errno == ENOENT ? 0 : -errno;
        if (depth > CG_DEPTH_MAX || ++w->dirs > DIRS_MAX)
                return -ELOOP;
        if (w->order == WALK_PRE) {
                r = w->visit(dirfd, w->data);
                return r < 0 ? r : walk_children(w, dirfd, depth);
        }
        r = walk_children(w, dirfd, depth);
        if (r < 0)
                return r;
        return unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

static int walk_children(struct walk *w, int dirfd, unsigned depth)
{
        _cleanup_(dir_closep) DIR *dir = NULL;
        _cleanup_(fd_closep) int fd = -1;
        struct dirent *e;
        struct stat st;
        int r;

        /* cgroupfs counts subdirectories in the number of links: most containers have none. */
        if (fstat(dirfd, &st) < 0)
                return -errno;
        if (st.st_nlink == 2)
                return 0;
        fd = fcntl(dirfd, F_DUPFD_CLOEXEC, 3);
        dir = fd >= 0 ? fdopendir(fd) : NULL;
        if (!dir)
                return -errno;
        fd = -1; /* dir has it */
        while ((e = readdir(dir))) {
                if (e->d_type != DT_DIR || strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
                        continue;
                r = walk_dir(w, dirfd, e->d_name, depth + 1);
                if (r < 0)
                        return r;
        }
        return 0;
}

int cgroup_walk(const char *dir, int (*visit)(int dirfd, void *data), void *data)
{
        struct walk w = {.visit = visit, .data = data, .order = WALK_PRE};
        _cleanup_(fd_closep) int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        int r;

        if (dirfd < 0)
                return -errno;
        r = visit(dirfd, data);
        return r < 0 ? r : walk_children(&w, dirfd, 0);
}

/* --- processes --- */

struct pid_vec {
        pid_t *items;
        size_t n, size;
};

static void pid_vec_deinit(struct pid_vec *v)
{
        free(v->items);
}

static int pid_vec_add(void *data, pid_t pid)
{
        struct pid_vec *v = data;

        if (v->n == v->size) {
                size_t size = v->size ? v->size * 2 : 64;
                pid_t *items = v->n < PIDS_MAX ? reallocarray(v->items, size, sizeof(*items)) : NULL;

                if (!items)
                        return -ENOMEM;
                v->items = items;
                v->size = size;
        }
        v->items[v->n++] = pid;
        return 0;
}

static int pid_compare(const void *a, const void *b)
{
        pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;

        return (x > y) - (x < y);
}

static int visit_procs(int dirfd, void *data)
{
        _cleanup_(fd_closep) int fd = openat(dirfd, "cgroup.procs", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        char buf[8192];
        ssize_t n;
        pid_t carry = 0;

        if (fd < 0)
                return errno == ENOENT || errno == ENODEV ? 0 : -errno;
        while ((n = read(fd, buf, sizeof(buf))) > 0) {
                int r = cg_parse_pids(buf, (size_t)n, &carry, pid_vec_add, data);

                if (r < 0)
                        return r;
        }
        /* EOPNOTSUPP: a threaded v2 cgroup; its processes are in the list of the one above. ENODEV: just removed. */
        return n < 0 && errno != EOPNOTSUPP && errno != ENODEV ? -errno : 0;
}

static int collect_pids(const struct cgroup *cg, struct pid_vec *v)
{
        size_t n = 0;
        int r = -ENOENT;

        /* On a hybrid host runtimes need not make a cgroup in the v2 tree: it comes last. */
        for (size_t k = 0; k < CG_CONTROLLER_N && r == -ENOENT; k++) {
                const char *dir = cgroup_dir(cg, cgroup_order[k]);

                if (dir)
                        r = cgroup_walk(dir, visit_procs, v);
        }
        for (size_t i = 0; i < cg->host->n && r == -ENOENT; i++)
                if (cg->at[i].own)
                        r = cgroup_walk(cg->at[i].dir, visit_procs, v);
        if (r < 0)
                return r == -ENODEV ? -ENOENT : r;
        if (v->n)
                qsort(v->items, v->n, sizeof(*v->items), pid_compare);
        for (size_t i = 0; i < v->n; i++)
                if (n == 0 || v->items[n - 1] != v->items[i])
                        v->items[n++] = v->items[i];
        v->n = n;
        return 0;
}

static int pids_error(const struct cgroup *cg, int r, struct error *err)
{
        if (r == -ENOENT)
                return error_set(err, REASON_CGROUP_NOT_FOUND, "cgroup %s does not exist", cg->text);
        return error_set_errno(err, reason_of_errno(r), r, "cannot read the processes of cgroup %s", cg->text);
}

int cgroup_pids(const struct cgroup *cg, struct arena *a, pid_t **ret, size_t *ret_n, struct error *err)
{
        _cleanup_(pid_vec_deinit) struct pid_vec v = {0};
        pid_t *items;
        int r = collect_pids(cg, &v);

        if (r < 0)
                return pids_error(cg, r, err);
        items = arena_alloc(a, (v.n ? v.n : 1) * sizeof(*items));
        if (!items)
                return pids_error(cg, -ENOMEM, err);
        if (v.n)
                memcpy(items, v.items, v.n * sizeof(*items));
        *ret = items;
        *ret_n = v.n;
        return 0;
}

/* --- what may be touched --- */

/* Fills mask with the hierarchies that are the container's own, now. */
static int own_now(const struct cgroup *cg, uint32_t *ret_mask, struct error *err)
{
        struct cgroup_self self;

        *ret_mask = 0;
        if (cgroup_self_read(cg->host, "self", &self, err) < 0)
                return -1;
        for (size_t i = 0; i < cg->host->n; i++)
                if (cg->at[i].own && cgroup_path_is_private(cgroup_path_at(cg, i), self.path[i]))
                        *ret_mask |= 1U << i;
        return 0;
}

bool cgroup_is_private(const struct cgroup *cg)
{
        uint32_t mask;

        return own_now(cg, &mask, NULL) == 0 && mask != 0;
}

bool cgroup_exists(const struct cgroup *cg)
{
        for (size_t i = 0; i < cg->host->n; i++)
                if (cg->at[i].own && access(cg->at[i].dir, F_OK) == 0)
                        return true;
        return false;
}

static int not_private(const struct cgroup *cg, const char *what, struct error *err)
{
        return error_set(
                err, REASON_NOT_SUPPORTED,
                "cannot %s the container by its cgroup: %s is not its own (it is a root, or the daemon is in it)", what,
                cg->text);
}

static int write_file(const char *dir, const char *name, const char *value)
{
        _cleanup_(fd_closep) int dirfd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        _cleanup_(fd_closep) int fd = -1;

        if (dirfd < 0)
                return -errno;
        fd = openat(dirfd, name, O_WRONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
        if (fd < 0)
                return -errno;
        return fd_write_all(fd, value, strlen(value));
}

static int read_file(const char *dir, const char *name, char *buf, size_t size)
{
        _cleanup_(fd_closep) int dirfd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        ssize_t n;

        if (dirfd < 0)
                return -errno;
        n = fd_read_small(dirfd, name, buf, size);
        return n < 0 ? (int)n : 0;
}

/* --- freezer --- */

int cgroup_freeze(const struct cgroup *cg, bool freeze, struct error *err)
{
        const char *dir = cgroup_dir(cg, CG_FREEZER), *what = freeze ? "freeze" : "thaw";
        uint32_t mask;
        int r;

        if (own_now(cg, &mask, err) < 0)
                return -1;
        if (!dir || !(mask & 1U << cg->host->of[CG_FREEZER]))
                return not_private(cg, what, err);
        if (cgroup_is_v2(cg, CG_FREEZER))
                r = write_file(dir, "cgroup.freeze", freeze ? "1" : "0");
        else
                r = write_file(dir, "freezer.state", freeze ? "FROZEN" : "THAWED");
        if (r == -ENOENT || r == -ENODEV)
                return error_set(err, REASON_CGROUP_NOT_FOUND, "cannot %s: cgroup %s does not exist", what, cg->text);
        if (r < 0)
                return error_set_errno(err, REASON_INTERNAL, r, "cannot %s cgroup %s", what, cg->text);
        return 0;
}

int cgroup_frozen(const struct cgroup *cg)
{
        const char *dir = cgroup_dir(cg, CG_FREEZER);
        char buf[256];
        uint64_t frozen;
        int r;

        if (!dir)
                return -EOPNOTSUPP;
        if (cgroup_is_v2(cg, CG_FREEZER)) {
                r = read_file(dir, "cgroup.events", buf, sizeof(buf));
                if (r < 0)
                        return r;
                return cg_find(buf, "frozen", &frozen) ? frozen != 0 : -EOPNOTSUPP;
        }
        r = read_file(dir, "freezer.state", buf, sizeof(buf));
        if (r < 0)
                return r;
        if (strncmp(buf, "FROZEN", 6) == 0)
                return 1;
        /* A task that was being created or moved can keep it at FREEZING for ever; writing again makes the kernel try
         * again. Only where FROZEN was asked for here, not for a parent. */
        if (strncmp(buf, "FREEZING", 8) == 0 && read_file(dir, "freezer.self_freezing", buf, sizeof(buf)) == 0 &&
            buf[0] == '1')
                (void)write_file(dir, "freezer.state", "FROZEN");
        return 0;
}

void cgroup_freeze_anew(const struct cgroup *cg)
{
        const char *dir = cgroup_dir(cg, CG_FREEZER);

        if (!dir || cgroup_is_v2(cg, CG_FREEZER))
                return;
        (void)write_file(dir, "freezer.state", "THAWED");
        (void)write_file(dir, "freezer.state", "FROZEN");
}

/* --- signals --- */

struct pidfd_batch {
        int fds[PIDFD_BATCH];
        size_t n;
};

static void pidfd_batch_deinit(struct pidfd_batch *b)
{
        for (size_t i = 0; i < b->n; i++)
                b->fds[i] = fd_close(b->fds[i]);
}

/* By number where pid is not 0. One that has gone is no error. */
static int signal_one(int fd, pid_t pid, int signal)
{
        long r = 0;

        if (pid)
                r = kill(pid, signal);
        else if (fd >= 0)
                r = syscall(SYS_pidfd_send_signal, fd, signal, NULL, 0);
        return r < 0 && errno != ESRCH ? -errno : 0;
}

static int signal_batch(const struct cgroup *cg, const pid_t *pids, size_t n, int signal)
{
        _cleanup_(pid_vec_deinit) struct pid_vec now = {0};
        _cleanup_(pidfd_batch_deinit) struct pidfd_batch batch = {.n = 0};
        bool by_number = false; /* the kernel knows no pidfds */
        int r;

        for (; batch.n < n; batch.n++) {
                batch.fds[batch.n] = (int)syscall(SYS_pidfd_open, pids[batch.n], 0);
                if (batch.fds[batch.n] < 0 && errno == ENOSYS)
                        by_number = true;
                else if (batch.fds[batch.n] < 0 && errno != ESRCH)
                        return -errno;
        }
        r = collect_pids(cg, &now);
        if (r < 0)
                return r;
        for (size_t i = 0; i < n; i++) {
                if (!now.n || !bsearch(&pids[i], now.items, now.n, sizeof(pid_t), pid_compare))
                        continue;
                r = signal_one(batch.fds[i], by_number ? pids[i] : 0, signal);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int signal_pids(const struct cgroup *cg, const struct pid_vec *v, int signal)
{
        int r = 0;

        for (size_t i = 0; i < v->n && r == 0; i += PIDFD_BATCH)
                r = signal_batch(cg, v->items + i, v->n - i < PIDFD_BATCH ? v->n - i : PIDFD_BATCH, signal);
        return r;
}

/* Are all of a in b? Both are ascending. */
static bool is_subset(const struct pid_vec *a, const struct pid_vec *b)
{
        for (size_t i = 0; i < a->n; i++)
                if (!b->n || !bsearch(&a->items[i], b->items, b->n, sizeof(pid_t), pid_compare))
                        return false;
        return true;
}

/*
 * Freeze, signal, thaw. What is being frozen cannot fork: a fork is begun anew after the thaw, which SIGKILL
 * forestalls. Nobody waits until all are frozen: a process that was half made when the freezing began is frozen too,
 * and is found by looking again. v1 keeps the killed ones in a frozen cgroup, also one that was frozen before, until
 * it is thawed.
 */
static int kill_frozen(const struct cgroup *cg, bool may_freeze)
{
        _cleanup_(pid_vec_deinit) struct pid_vec known = {0};
        bool v2 = cgroup_is_v2(cg, CG_FREEZER);
        const char *dir = may_freeze ? cgroup_dir(cg, CG_FREEZER) : NULL;
        const char *file = v2 ? "cgroup.freeze" : "freezer.state";
        int r = 0;

        if (dir)
                (void)write_file(dir, file, v2 ? "1" : "FROZEN");
        for (unsigned round = 0; round < KILL_ROUNDS && r == 0; round++) {
                _cleanup_(pid_vec_deinit) struct pid_vec now = {0};

                r = collect_pids(cg, &now);
                if (r == 0 && is_subset(&now, &known))
                        break;
                if (r == 0)
                        r = signal_pids(cg, &now, SIGKILL);
                pid_vec_deinit(&known);
                known = now;
                now = (struct pid_vec){0};
        }
        if (dir)
                (void)write_file(dir, file, v2 ? "0" : "THAWED");
        return r;
}

static int signal_each(const struct cgroup *cg, int signal)
{
        _cleanup_(pid_vec_deinit) struct pid_vec v = {0};
        int r = collect_pids(cg, &v);

        return r < 0 ? r : signal_pids(cg, &v, signal);
}

int cgroup_signal_all(const struct cgroup *cg, int signal, struct error *err)
{
        const char *unified = cgroup_unified_dir(cg);
        int freezer = cg->host->of[CG_FREEZER], r;
        uint32_t mask, v1 = 0;

        if (own_now(cg, &mask, err) < 0)
                return -1;
        for (size_t i = 0; i < cg->host->n; i++) {
                if (!(mask & 1U << i) && cg->at[i].own)
                        return not_private(cg, "signal", err);
                if ((mask & 1U << i) && !cg->host->hier[i].v2)
                        v1 |= 1U << i;
        }
        if (!mask)
                return not_private(cg, "signal", err);
        /* Not there before Linux 5.14; on a hybrid host the processes need not be in the v2 tree. */
        if (signal == SIGKILL && unified && write_file(unified, "cgroup.kill", "1") == 0 && !v1)
                return 0;
        if (signal == SIGKILL)
                r = kill_frozen(cg, freezer >= 0 && (mask & 1U << freezer));
        else
                r = signal_each(cg, signal);
        if (r == -ENOENT)
                return pids_error(cg, r, err);
        if (r < 0)
                return error_set_errno(err, reason_of_errno(r), r,
                                       "cannot send signal %d to the processes of cgroup %s", signal, cg->text);
        return 0;
}

/* --- removal --- */

static int remove_tree(const char *dir)
{
        struct walk w = {.order = WALK_REMOVE};

        return walk_dir(&w, AT_FDCWD, dir, 0);
}

int cgroup_remove(const struct cgroup *cg, struct error *err)
{
        uint32_t mask;
        int r, failed = 0;

        if (own_now(cg, &mask, err) < 0)
                return -1;
        for (size_t i = 0; i < cg->host->n; i++) {
                if (!(mask & 1U << i))
                        continue;
                r = remove_tree(cg->at[i].dir);
                if (r == 0 || failed)
                        continue;
                failed = 1;
                if (r == -EBUSY)
                        (void)error_set(err, REASON_STILL_RUNNING,
                                        "cannot remove cgroup %s: there are still processes in it", cg->at[i].dir);
                else
                        (void)error_set_errno(err, REASON_INTERNAL, r, "cannot remove cgroup %s", cg->at[i].dir);
        }
        return failed ? -1 : 0;
}
