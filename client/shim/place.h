/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Where a front runs, as containerd would have its shims: in the cgroup that the options name (ShimCgroup), and one
 * step more likely to be chosen by the OOM killer than containerd. The stub does it, for it is containerd's child and
 * may block.
 */

#include <sys/types.h>
#include "proto/shim/common.pb-c.h"

/* The cgroup that the runtime's options name, or NULL. The caller frees it. */
char *place_cgroup_of(const Shim__Any *options);

/* 0 or -errno: -ENOENT: no hierarchy has that cgroup. */
int place_in_cgroup(pid_t front, const char *cgroup);

/* That of our parent and one more, where the host allows it. */
void place_oom_score(pid_t front);
