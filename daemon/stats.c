/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Statistics of a container: for each controller the files of the hierarchy that has it, each opened and read once.
 * What the kernel does not have stays zero. A file that goes away in between (the container is being removed) counts as
 * not there: the cgroup was there when the request came.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "daemon/cgparse.h"
#include "daemon/cgroup_internal.h"
#include "daemon/stats_internal.h"

#define HUGETLB_SIZES_MAX 16

/* --- reading --- */

bool stats_cd(struct stats_reader *r, const char *dir)
{
        r->dirfd = fd_close(r->dirfd);
        if (dir)
                r->dirfd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
        return r->dirfd >= 0;
}

const char *stats_text(struct stats_reader *r, const char *file)
{
        return fd_read_small(r->dirfd, file, r->buf, STATS_FILE_MAX) >= 0 ? r->buf : NULL;
}

char *stats_copy(struct stats_reader *r, const char *file)
{
        ssize_t n = fd_read_small(r->dirfd, file, r->buf, STATS_FILE_MAX);
        char *copy;

        if (n < 0)
                return NULL;
        copy = arena_strndup(r->a, r->buf, (size_t)n);
        if (!copy)
                r->no_memory = true;
        return copy;
}

bool stats_number(struct stats_reader *r, const char *file, uint64_t *ret)
{
        char buf[64];

        return fd_read_small(r->dirfd, file, buf, sizeof(buf)) > 0 && cg_limit(buf, ret) == 0;
}

struct mem_entry *stats_entry(struct stats_reader *r, const struct mem_entry *e)
{
        struct mem_entry *ret = arena_alloc(r->a, sizeof(*ret));

        if (ret)
                *ret = *e;
        else
                r->no_memory = true;
        return ret;
}

void stats_note(struct stats_reader *r, int result)
{
        r->no_memory = r->no_memory || result == -ENOMEM;
}

static void dir_closep(DIR **d)
{
        if (*d)
                (void)closedir(*d);
}

void stats_hugetlb_sizes(struct stats_reader *r, const char *suffix, struct list_hugetlb_entry *ret)
{
        _cleanup_(dir_closep) DIR *dir = NULL;
        int fd = openat(r->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        struct dirent *e;

        dir = fd >= 0 ? fdopendir(fd) : NULL;
        if (!dir) {
                (void)fd_close(fd);
                return;
        }
        ret->items = arena_alloc(r->a, HUGETLB_SIZES_MAX * sizeof(*ret->items));
        if (!ret->items) {
                r->no_memory = true;
                return;
        }
        while (ret->n < HUGETLB_SIZES_MAX && (e = readdir(dir))) {
                const char *size = e->d_name + strlen("hugetlb.");
                size_t len;
                char *name;

                if (strncmp(e->d_name, "hugetlb.", strlen("hugetlb.")) != 0)
                        continue;
                len = strcspn(size, ".");
                if (len == 0 || strcmp(size + len, suffix) != 0)
                        continue;
                name = arena_strndup(r->a, size, len);
                if (!name) {
                        r->no_memory = true;
                        return;
                }
                ret->items[ret->n++].pagesize = name;
        }
}

/* --- the parts that v1 and v2 have alike --- */

static void read_pids_limit(struct stats_reader *r, struct stats_result *ret)
{
        (void)stats_number(r, "pids.max", &ret->pids_limit);
}

static void read_pids(struct stats_reader *r, struct stats_result *ret)
{
        (void)stats_number(r, "pids.current", &ret->pids_current);
        read_pids_limit(r, ret);
}

static void read_rdma(struct stats_reader *r, struct stats_result *ret)
{
        char *current = stats_copy(r, "rdma.current");

        stats_note(r, cg_parse_rdma(current, stats_copy(r, "rdma.max"), r->a, &ret->rdma));
}

static void read_network(struct stats_reader *r, const char *proc, pid_t pid, struct stats_result *ret)
{
        char dir[256], *text;

        (void)snprintf(dir, sizeof(dir), "%s/%d/net", proc, (int)pid);
        if (pid <= 0 || !stats_cd(r, dir))
                return;
        text = stats_copy(r, "dev");
        if (text)
                stats_note(r, cg_parse_net_dev(text, r->a, &ret->network));
}

typedef void (*read_fn)(struct stats_reader *r, struct stats_result *ret);

struct part {
        enum cgroup_controller controller;
        read_fn v1, v2;
};

static const struct part parts[] = {
        {CG_CPUACCT, stats_v1_cpuacct, NULL}, /* v2 has all of it in cpu.stat */
        {CG_CPU, stats_v1_cpu, NULL},
        {CG_MEMORY, stats_v1_memory, stats_v2_memory},
        {CG_PIDS, read_pids, read_pids},
        {CG_BLKIO, stats_v1_blkio, stats_v2_io},
        {CG_HUGETLB, stats_v1_hugetlb, stats_v2_hugetlb},
        {CG_RDMA, read_rdma, read_rdma},
};

static const struct part sandbox_parts[] = {
        {CG_CPUACCT, stats_v1_cpu_time, NULL},
        {CG_CPU, stats_v1_cpu, NULL},
        {CG_MEMORY, stats_v1_memory_limit, stats_v2_memory_limit},
        {CG_PIDS, read_pids_limit, read_pids_limit},
};

static void reader_deinit(struct stats_reader *r)
{
        r->dirfd = fd_close(r->dirfd);
        free(r->buf);
}

static int read_parts(struct stats_reader *r, const struct cgroup *cg, const struct part *list, size_t n,
                      struct stats_result *ret, struct error *err)
{
        if (!cgroup_exists(cg))
                return error_set(err, REASON_CGROUP_NOT_FOUND,
                                 "cgroup %s does not exist, or is not the container's own", cgroup_path(cg));
        ret->cgroup_version = cgroup_host_version(cg->host) == 2 ? 2 : 1;
        ret->read_at = clock_realtime_ns();
        for (size_t i = 0; i < n && r->buf; i++) {
                read_fn fn = cgroup_is_v2(cg, list[i].controller) ? list[i].v2 : list[i].v1;

                if (fn && stats_cd(r, cgroup_dir(cg, list[i].controller)))
                        fn(r, ret);
        }
        /* Where v1 does not count CPU time, v2 always does, without any controller. */
        if (r->buf && cgroup_is_v2(cg, CG_CPUACCT) && stats_cd(r, cgroup_unified_dir(cg)))
                stats_v2_cpu(r, ret);
        return 0;
}

static int enough_memory(const struct stats_reader *r, const struct cgroup *cg, struct error *err)
{
        if (r->buf && !r->no_memory)
                return 0;
        return error_set(err, REASON_NO_RESOURCES, "no memory for the statistics of cgroup %s", cgroup_path(cg));
}

int stats_read(const struct cgroup *cg, pid_t pid, struct arena *a, struct stats_result *ret, struct error *err)
{
        _cleanup_(reader_deinit) struct stats_reader r = {.a = a, .buf = malloc(STATS_FILE_MAX), .dirfd = -1};

        if (read_parts(&r, cg, parts, ARRAY_SIZE(parts), ret, err) < 0)
                return -1;
        if (r.buf && stats_cd(&r, cgroup_unified_dir(cg)))
                stats_v2_pressure(&r, ret);
        if (r.buf)
                read_network(&r, cg->host->proc, pid, ret);
        return enough_memory(&r, cg, err);
}

int stats_read_sandbox(const struct cgroup *cg, struct arena *a, struct stats_result *ret, struct error *err)
{
        _cleanup_(reader_deinit) struct stats_reader r = {.a = a, .buf = malloc(STATS_FILE_MAX), .dirfd = -1};

        if (read_parts(&r, cg, sandbox_parts, ARRAY_SIZE(sandbox_parts), ret, err) < 0)
                return -1;
        return enough_memory(&r, cg, err);
}
