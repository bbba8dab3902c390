/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A process that is added to a gVisor sandbox by its control socket: it has no process on the host, and its end is told
 * by a request that stays open (WaitPID). That the sandbox has ended is its end too.
 *
 * The sandbox forgets a status as soon as it has told it to anybody. So the connection on which it will be told is
 * kept above us (kept.h), and the next daemon finds the answer there, be it that of the start or that of the wait.
 */

#include "daemon/runtime.h"

struct runsc_exec; /* of a process; while it is starting or running */

/* After the stdio was made ready. False: the sandbox cannot be asked, runsc's command line is to be used. */
bool runsc_exec_begin(struct op *op);
/* Gives up its connections; whatever runs goes on. */
void runsc_exec_free(struct process *p);
/* The descriptor to be kept; -1. */
int runsc_exec_fd(const struct process *p);
/* After a restart: waits for its end again, or for its start. False: there is nothing to wait for. */
bool runsc_exec_adopt(struct process *p);
