/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A directory tree in /tmp that looks like cgroupfs and /proc, and real cgroups of this test: all removed at the
 * end. */

#include <stdarg.h>
#include <stddef.h>
#include <stdbool.h>
#include <sys/types.h>

#include "daemon/cgroup_internal.h"

struct tree {
        char dir[64];
};

void tree_make(struct tree *t);
void tree_remove(struct tree *t);
/* Writes a file below the tree, with the directories above it. */
void tree_write(struct tree *t, const char *path, const char *text);
/* The absolute path of something in it; at most 8 results live at a time. */
const char *tree_path(struct tree *t, const char *path);

/* Hosts whose mounts are T/v1/<controller> (and T/unified if hybrid) or T/v2, and whose /proc is T/proc. */
struct cgroup_host *tree_host_v1(struct tree *t, bool hybrid);
struct cgroup_host *tree_host_v2(struct tree *t);

/* A process in real cgroups: "sandboxd-test-PID-N" in every hierarchy of the host. */
struct real {
        struct cgroup_host *host;
        char name[64];
};
bool real_make(struct real *r, const char *suffix); /* false: not root, or no hierarchy can be written */
void real_remove(struct real *r);
void real_write(struct real *r, enum cgroup_controller c, const char *file, const char *text);
/* v2: what is below it has controllers too (and the cgroup itself no processes). */
void real_delegate(struct real *r);
/* A child in the cgroup (in `sub` below it, or ""), which runs fn(arg) and exits with its result. */
pid_t real_fork(struct real *r, const char *sub, int (*fn)(void *arg), void *arg);
