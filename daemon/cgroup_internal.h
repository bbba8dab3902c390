/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the cgroup_*.c files share. Others use cgroup.h. */

#include "daemon/cgroup.h"

#define CG_HIERARCHIES_MAX 24 /* the kernel has 14 controllers and allows named hierarchies beside */
#define CG_DEPTH_MAX 32       /* of what is walked below a cgroup */
#define CG_PROC_MAX 16384     /* bytes of /proc/PID/cgroup */

struct cgroup_hier {
        char *mount;          /* absolute path without a slash at its end */
        char *label;          /* what its line of /proc/PID/cgroup has: a controller, "name=x", or "" for v2 */
        bool v2;
        uint32_t controllers; /* 1 << enum cgroup_controller */
};

struct cgroup_host {
        struct cgroup_hier hier[CG_HIERARCHIES_MAX];
        size_t n;
        int of[CG_CONTROLLER_N]; /* index in hier, or -1 */
        unsigned version;
        char *proc;              /* "/proc" */
        bool fake;               /* made of plain directories, for tests */
};

/* A host made of the given directories, with `proc` instead of /proc: for tests. */
int cgroup_host_new_fake(struct cgroup_host **ret, const struct cgroup_hier *hier, size_t n, const char *proc,
                         struct error *err);

struct cgroup {
        const struct cgroup_host *host;
        char *text; /* cgroup_path() */
        struct {
                char *dir; /* mount + path; NULL: not in this hierarchy */
                bool own;  /* of this container, see cgroup.c */
        } at[CG_HIERARCHIES_MAX];
};

/* The hierarchy whose path names the container, and whose cgroup.procs are read, is the first of these that is own. */
extern const enum cgroup_controller cgroup_order[CG_CONTROLLER_N];

/* The path below the mount of hierarchy i: "/" or "/a/b". at[i].dir must be set. */
const char *cgroup_path_at(const struct cgroup *cg, size_t i);

/* The paths of this process, read now; -1 with err. */
struct cgroup_self {
        char text[CG_PROC_MAX];
        const char *path[CG_HIERARCHIES_MAX]; /* NULL: none */
};
int cgroup_self_read(const struct cgroup_host *h, const char *pid, struct cgroup_self *ret, struct error *err);
/* True unless path is the root, or self is in it or below it. */
bool cgroup_path_is_private(const char *path, const char *self);

/* Calls visit with a descriptor of dir and of each directory below it, as deep as CG_DEPTH_MAX. 0, -ENOENT if dir is
 * not there, or -errno. */
int cgroup_walk(const char *dir, int (*visit)(int dirfd, void *data), void *data);
