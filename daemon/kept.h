/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The descriptors of a process that outlive us with whoever is above (keeper_link.h): its pidfd (or the connection to
 * its sandbox), its terminal and our ends of its FIFOs, at most four at a time; and two pipes of an added process
 * (relay.h). A process that has one has a slot: a number that no other process of this state directory ever had. A
 * descriptor's name is the letter of its role and the slot, so no name is used twice.
 *
 * What is kept follows from what the process has: kept_update() after each change of it. What comes back at the next
 * start is taken only if it is what the record says that it is.
 */

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

struct daemon;
struct keeper_link;
struct process;

enum kept_role {
        KEPT_PID,
        KEPT_CONTROL,
        KEPT_MASTER,
        KEPT_LISTENER,
        KEPT_IN,
        KEPT_OUT,
        KEPT_ERR,
        KEPT_OUT_PIPE,
        KEPT_ERR_PIPE,
        KEPT_N,
};

/* Of one process. */
struct kept {
        uint32_t slot;        /* 0: none yet */
        int fds[KEPT_N];      /* ours, that are stored; -1 */
        uint64_t ids[KEPT_N]; /* what each is: an inode's number; a terminal's number + 1. 0: not known */
};
void kept_init(struct kept *k);

/* What came back, until it is taken. */
struct kept_store;
int kept_store_new(struct kept_store **ret, struct keeper_link *link, struct error *err);
struct kept_store *kept_store_free(struct kept_store *s);
/* A slot that a record has: it will not be given again. */
void kept_store_used(struct kept_store *s, uint32_t slot);
/* All is decided: what nobody took is closed, and dropped above. */
void kept_store_sweep(struct kept_store *s);
size_t kept_store_left(const struct kept_store *s); /* how many came back and were not taken */

void process_keep_begin(struct process *p); /* gives it a slot, if it has none: before its record is written */
void process_keep(struct process *p);       /* stores what it has now, and drops what it has no more */
void process_unkeep(struct process *p);     /* it is being removed: nothing is kept of it */
/* After a restart, before p's end is handled: its stdio is as it was, as far as it came back; and KEPT_PID, if it came
 * back, is in p->kept.fds[KEPT_PID] for process_kept_pidfd. */
void process_take_back(struct process *p);
/* The connection on which a sandbox will tell of it, given to the caller; -1: none. */
int process_kept_control(struct process *p);
/* The pidfd that came back, given to the caller, who attaches it or closes it: -1: none. */
int process_kept_pidfd(struct process *p);
/* There is a new store: everything again. */
void daemon_keep_again(struct daemon *d);
