/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* How a process ended, in words and as an exit status. */

#include "client/ctl/ctl.h"

/* From the answer to wait. If the container was removed before it could be given, the event log has it, from event
 * `since` on. Prints what is worth a word: an OOM kill, an unknown status. Returns the exit status. */
int ending_status(struct ctl *ctl, const struct target *target, const struct sandboxd_reply *end, uint64_t since);

/* The exit status by convention for a process that could not be started: 127 not found, 126 not executable, else 125.
 */
int ending_of_failure(const struct sandboxd_reply *reply);
