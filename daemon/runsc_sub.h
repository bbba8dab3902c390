/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A container in the sandbox of another one: in a pod on gVisor, all but the first. It has no process on the host: its
 * pid is told as the sandbox's, its end is asked of runsc, signals are always runsc's to send, and it ends, at the
 * latest, with its sandbox. Its stdio is given to `start`, a terminal to `create`. Its cgroup has nobody in it: the
 * limits in force, and OOM kills, are those of the sandbox.
 */

#include <string.h>
#include "daemon/runtime.h"

static inline _unused_ bool runsc_is_sub(const struct container *c)
{
        return c->runtime && c->runtime->driver->shares_sandboxes && strcmp(c->sandbox_id, c->params->id) != 0;
}

/* That of its sandbox; NULL: none, or not known. */
struct cgroup *runsc_cgroup(const struct container *c);

/* As far as it was seen. */
bool runsc_sandbox_lives(const struct container *c);
/* create has left this pid: takes it for init's. */
int runsc_sub_made(struct container *c, pid_t pid, struct error *err);
/* It runs: waits for its end, if that is not done already. For other containers nothing. */
void runsc_sub_await(struct container *c);
/* Begins OP_WAIT: a request to the sandbox that is answered at the end; else a run of `runsc wait`. */
void runsc_sub_wait(struct op *op);
/* The connection on which that is awaited, to be kept; -1. */
int runsc_sub_wait_fd(const struct process *p);
/* After a restart, when the sandbox has ended: what was told on the connection that was kept. That nothing was told
 * says that it was there until the end of the sandbox. Else it is not known. */
void runsc_sub_last_words(struct process *p, struct exit_info *ret);
/* OP_KILL of an init that was not started, which runsc refuses to signal. False: it was. */
bool runsc_sub_kill_unstarted(struct op *op);

/* Of the sandbox's own container: it has ended, and all in it with it. */
void runsc_sandbox_ended(struct container *c);
/* The kernel killed for lack of memory in its cgroup: that concerns all in it. */
void runsc_sandbox_oom(struct container *c, const struct oom_info *info);
