/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Where a front runs, as containerd would have its shims: in the cgroup that the options name (ShimCgroup), one step
 * more likely to be chosen by the OOM killer than containerd, and on a core with no other process (SCHED_CORE). The
 * stub tells sandboxd, and moves a front that runs already; a new one moves itself.
 */

#include <sys/types.h>
#include "proto/shim/common.pb-c.h"

/* The cgroup that the runtime's options name, or NULL. The caller frees it. */
char *place_cgroup_of(const Shim__Any *options);

/* 0 or -errno: -ENOENT: no hierarchy has that cgroup. */
int place_in_cgroup(pid_t front, const char *cgroup);

/* That of our parent, which is containerd, and one more; "" if it cannot be told. */
#define PLACE_SCORE_MAX 24
void place_oom_score_of_shims(char ret[PLACE_SCORE_MAX]);
/* Where the host allows it; score "": leaves it. */
void place_oom_score(pid_t front, const char *score);

/* This process shares a core with no other one (core scheduling). 0 or -errno: -EINVAL, -ENODEV: the kernel, or the
 * CPU, has no such thing. */
int place_sched_core(void);
