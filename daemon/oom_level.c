/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A limit was reached in the innermost cgroup whose count of hits has risen; v1 counts every hit, also those after
 * which memory could be reclaimed, so that one that was at its limit when the event came is preferred. v2 counts true
 * OOMs per cgroup (memory.events.local). Linux 6.18 does not count hits of v1's limit of memory and swap: then it is
 * the innermost cgroup whose highest usage is its limit.
 */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>

#include "base/fd.h"
#include "daemon/cgparse.h"
#include "daemon/cgroup_internal.h"
#include "daemon/oom_level.h"

struct level_values {
        uint64_t limit, usage, max_usage, failcnt, swap_usage, hits;
        bool at_limit;
};

void oom_levels_init(struct oom_levels *l, const struct cgroup *cg)
{
        size_t mount_len;

        *l = (struct oom_levels){.dir = cgroup_dir(cg, CG_MEMORY), .v2 = cgroup_is_v2(cg, CG_MEMORY), .pressed = -1};
        mount_len = strlen(cg->host->hier[cg->host->of[CG_MEMORY]].mount);
        for (size_t len = strlen(l->dir); len > mount_len && l->n < OOM_LEVELS_MAX;) {
                l->len[l->n++] = len;
                do
                        len--;
                while (len > mount_len && l->dir[len] != '/');
        }
        l->mount_len = mount_len;
}

static uint64_t read_number(int dirfd, const char *file)
{
        char buf[64];
        uint64_t v;

        return fd_read_small(dirfd, file, buf, sizeof(buf)) > 0 && cg_limit(buf, &v) == 0 ? v : 0;
}

static bool is_full(uint64_t usage, uint64_t limit)
{
        return limit && usage >= limit - limit / 16; /* charges come in batches */
}

static void read_v1(int dirfd, struct level_values *v)
{
        uint64_t both = read_number(dirfd, "memory.memsw.usage_in_bytes");
        uint64_t both_limit = read_number(dirfd, "memory.memsw.limit_in_bytes");

        v->limit = read_number(dirfd, "memory.limit_in_bytes");
        v->usage = read_number(dirfd, "memory.usage_in_bytes");
        v->max_usage = read_number(dirfd, "memory.max_usage_in_bytes");
        v->failcnt = read_number(dirfd, "memory.failcnt");
        v->swap_usage = both > v->usage ? both - v->usage : 0;
        v->hits = v->failcnt + read_number(dirfd, "memory.memsw.failcnt");
        v->at_limit = is_full(v->usage, v->limit) || is_full(both, both_limit);
        if (!v->limit)
                v->limit = both_limit;
}

static void read_v2(int dirfd, struct level_values *v)
{
        char buf[1024];

        v->limit = read_number(dirfd, "memory.max");
        v->usage = read_number(dirfd, "memory.current");
        v->max_usage = read_number(dirfd, "memory.peak");
        v->swap_usage = read_number(dirfd, "memory.swap.current");
        v->at_limit = is_full(v->usage, v->limit);
        if (fd_read_small(dirfd, "memory.events.local", buf, sizeof(buf)) <= 0 &&
            fd_read_small(dirfd, "memory.events", buf, sizeof(buf)) <= 0)
                return;
        (void)cg_find(buf, "oom", &v->hits);
        (void)cg_find(buf, "max", &v->failcnt);
}

static void read_level(const struct oom_levels *l, size_t i, struct level_values *v)
{
        _cleanup_(fd_closep) int dirfd = -1;
        char path[LIMIT_PATH + 1];

        *v = (struct level_values){0};
        if (l->len[i] >= sizeof(path))
                return;
        memcpy(path, l->dir, l->len[i]);
        path[l->len[i]] = '\0';
        dirfd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (dirfd < 0)
                return;
        if (l->v2)
                read_v2(dirfd, v);
        else
                read_v1(dirfd, v);
}

void oom_levels_read(struct oom_levels *l)
{
        struct level_values v;

        for (size_t i = 0; i < l->n; i++) {
                read_level(l, i, &v);
                l->hits[i] = v.hits;
                l->failcnt[i] = v.failcnt;
        }
        l->pressed = -1;
}

void oom_levels_press(struct oom_levels *l)
{
        struct level_values v;

        for (size_t i = 0; i < l->n && l->pressed < 0; i++) {
                read_level(l, i, &v);
                if (v.hits > l->hits[i] && v.at_limit) {
                        l->pressed = (int)i;
                        l->pressed_usage = v.usage;
                }
        }
}

bool oom_levels_above_hit(struct oom_levels *l)
{
        struct level_values v;

        for (size_t i = 1; i < l->n; i++) {
                read_level(l, i, &v);
                if (v.hits > l->hits[i])
                        return true;
        }
        return false;
}

/* No limit was hit: the host itself had no memory left. */
static void find_host(struct oom_info *info)
{
        struct sysinfo si;

        info->cgroup = "";
        if (sysinfo(&si) < 0)
                return;
        info->limit = (uint64_t)si.totalram * si.mem_unit;
        info->usage = (uint64_t)(si.totalram - si.freeram) * si.mem_unit;
        info->swap_usage = (uint64_t)(si.totalswap - si.freeswap) * si.mem_unit;
}

/* The index of the level whose limit it was, with what it holds now; -1: none. The kernel's word comes first. */
static int find_level(struct oom_levels *l, const struct oom_told *told, struct level_values *v)
{
        *v = (struct level_values){0};
        if (told->host)
                return -1;
        for (size_t i = 0; i < l->n && told->limit; i++) {
                size_t len = l->len[i] - l->mount_len;

                if (strlen(told->limit) == len && memcmp(told->limit, l->dir + l->mount_len, len) == 0) {
                        read_level(l, i, v);
                        return (int)i;
                }
        }
        if (l->pressed >= 0) {
                read_level(l, (size_t)l->pressed, v);
                return l->pressed;
        }
        for (size_t i = 0; i < l->n; i++) {
                read_level(l, i, v);
                if (v->hits > l->hits[i])
                        return (int)i;
        }
        for (size_t i = 0; i < l->n; i++) {
                read_level(l, i, v);
                if (!v->hits && is_full(v->max_usage, v->limit))
                        return (int)i;
        }
        return -1;
}

void oom_levels_find(struct oom_levels *l, const struct oom_told *told, struct oom_info *info,
                     char name[OOM_NAME_MAX])
{
        struct level_values v;
        int found = find_level(l, told, &v);

        info->level = found < 0 ? "host" : found == 0 ? "container" : "above";
        if (found < 0) {
                find_host(info);
                return;
        }
        (void)snprintf(name, OOM_NAME_MAX, "%.*s", (int)(l->len[found] - l->mount_len), l->dir + l->mount_len);
        info->cgroup = name;
        info->limit = v.limit;
        info->usage = found == l->pressed ? l->pressed_usage : v.usage;
        info->max_usage = v.max_usage;
        info->failcnt = v.failcnt;
        info->failcnt_before = l->failcnt[found];
        info->swap_usage = v.swap_usage;
}
