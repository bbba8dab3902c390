/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Which limit was reached: a container's own, or one of those above it. */

#include "daemon/cgroup.h"

#define OOM_LEVELS_MAX 16

struct oom_levels { /* zeroed until init */
        const char *dir;     /* of the container; lives as long as its cgroup */
        size_t mount_len;    /* of the hierarchy's mount point */
        bool v2;
        size_t n;
        size_t len[OOM_LEVELS_MAX];    /* of dir, for each level, the container's own first; the root has no limit */
        uint64_t hits[OOM_LEVELS_MAX]; /* how often its limit was hit at the last read */
        uint64_t failcnt[OOM_LEVELS_MAX];
        int pressed;                   /* a level that was at its limit when the event came, or -1 */
        uint64_t pressed_usage;
};
#define OOM_NAME_MAX (LIMIT_PATH + 1)

void oom_levels_init(struct oom_levels *l, const struct cgroup *cg);
/* Remembers how often each limit has been hit. */
void oom_levels_read(struct oom_levels *l);
/* The event has just come: which level is at its limit? */
void oom_levels_press(struct oom_levels *l);
/* What the kernel's log says; NULL and false where it says nothing. */
struct oom_told {
        const char *limit; /* the cgroup whose limit was reached */
        bool host;
};
/* Fills in what is known; info->cgroup is name, or "" if no level was hit since the last read. */
void oom_levels_find(struct oom_levels *l, const struct oom_told *told, struct oom_info *info,
                     char name[OOM_NAME_MAX]);
/* A level above the container's own was hit since the last read. */
bool oom_levels_above_hit(struct oom_levels *l);
