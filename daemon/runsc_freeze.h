/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The processes of a gVisor sandbox run, or stand still, all of them: whichever container is named. So a sandbox is
 * paused with the first of its containers, and goes on with the last of them. It counts: what was paused twice stands
 * still until it was resumed twice, and one that is resumed once too often panics. So one op at a time is about that,
 * nothing is sent that is not needed, and where it is in doubt (a request without an answer, a restart) the sandbox is
 * looked at first.
 *
 * What stands still takes no signal. To kill one container of such a sandbox, the sandbox goes on for as long as that
 * takes; nothing but the end of the container is done by it, as the signal is there before.
 */

#include "daemon/runtime.h"

/* PAUSE, RESUME, a KILL that needs it, and STATE of what may be paused. False: this is for the caller. When the sandbox
 * cannot be asked, `other` begins KILL and STATE. */
bool runsc_freeze_begin(struct op *op, void (*other)(struct op *op));
/* The op is given up. */
void runsc_freeze_cancel(struct op *op);
/* The connection on which it is told that a sandbox was paused or resumed, to be kept; -1. */
int runsc_freeze_fd(const struct process *init);
/* Without the control socket: the id by which to resume it; and does any other of its containers want it paused? */
const char *runsc_freeze_paused_by(struct container *c);
bool runsc_freeze_others_hold(struct container *c);
/* Do the stacks of a sandbox's goroutines tell that it stands still? */
bool runsc_freeze_in_stacks(const char *text);
/* runsc's state file of the container says "paused": now it says what it is. */
void runsc_freeze_forget(const struct container *c, const char *now);
