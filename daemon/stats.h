/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Statistics from the cgroup files: everything that containerd's v1 and v2 metrics messages have and the kernel
 * offers. */

#include "daemon/cgroup.h"
#include "daemon/spec.h"

/* Fills ret (zeroed by the caller but for the target); each file is read once. pid: a process whose network namespace
 * is counted (0: none). CGROUP_NOT_FOUND if the cgroup is gone. */
int stats_read(const struct cgroup *cg, pid_t pid, struct arena *a, struct stats_result *ret, struct error *err);

/* What the host knows of a sandbox that counts the rest itself: CPU time, throttling, OOM kills, and limits of memory
 * and processes. A fifth of the files. */
int stats_read_sandbox(const struct cgroup *cg, struct arena *a, struct stats_result *ret, struct error *err);

/* cg may be NULL: it has none of its own. Reads back what was asked for: -1 with LIMIT_NOT_APPLIED and the
 * file, the wanted and the found value if one is not in force. */
int stats_verify_limits(const struct cgroup *cg, const struct spec_limits *limits, struct error *err);
/* The same for a container that lives in the sandbox of another one, with which it shares a cgroup: there its own
 * limits (of memory, CPU quota and pids) cannot be in force, but some limit of each kind has to be. */
int stats_verify_sandbox(const struct cgroup *sandbox, const struct spec_limits *limits, struct error *err);
