/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* create, restore and exec: the commands that leave a process behind; and the start of what joins a sandbox. */

#include "daemon/runtime.h"

void start_begin(struct op *op);
/* For commands: what the child opened for the stdio is taken. */
void start_ready(struct command *cmd, struct spawn_ready *ready);
/* The container's init lives at pid: finds its cgroup, watches it for OOM kills and checks its limits. */
int start_find_cgroup(struct container *c, pid_t pid, struct error *err);
/* Reads back the limits that were asked for. -1: one is not in force, and that is an error here. */
int start_verify_limits(struct container *c, const struct spec_limits *limits, struct error *err);
void start_watch_oom(struct container *c);
/* The record has been written, with the pids: their files, each a page of memory, are not needed any more. Until then
 * only they would have told the next daemon of a process that was just made. */
void start_drop_pid_files(struct container *c);
