/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* create, restore and exec: the commands that leave a process behind; and the start of what joins a sandbox. */

#include "daemon/runtime.h"

void start_begin(struct op *op);
/* The container's init lives at pid: finds its cgroup, watches it for OOM kills and checks its limits. */
int start_find_cgroup(struct container *c, pid_t pid, struct error *err);
void start_watch_oom(struct container *c);
