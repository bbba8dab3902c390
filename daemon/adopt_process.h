/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Adoption: what became of one process, as far as the kernel, the keeper, its pid file or its sandbox can tell. */

#include "daemon/container.h"

/* hold: what the keeper has told of the dead. */

/* Finds the process that the record names, and watches it. False: it has ended, and p->exit says what is known. One
 * that has gone, and of which the keeper is about to tell, is as good as alive. */
bool process_find_alive(struct reaper_hold *hold, struct process *p);
/* The command that makes it was in flight when the earlier daemon died, and has ended since: its pid file tells how far
 * it came. True: there is a process, which is watched or whose end is in p->exit. */
bool process_find_made(struct reaper_hold *hold, const struct container_record *rec, struct process *p);
/* What it wrote, and nobody has read yet. */
void process_take_back_ended(struct process *p);
/* An added process: into the state that is true of it. */
void process_decide(struct reaper_hold *hold, const struct container_record *rec, struct process *p);
