/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Between base/spawn.c (the parent) and base/spawn_child.c (what the child does until exec): private to the two.
 *
 * One socket pair (SOCK_SEQPACKET) is both the gate and the status: the child reads one byte before it does anything
 * (end of file: we are gone), and sends
 *   STATUS_FAILED  a step failed, with its errno; the child then calls _exit(127), or
 *   STATUS_EXEC    everything but exec is done, with the kept ends of the FIFOs; then exec closes the socket.
 * So: end of file after STATUS_EXEC alone means that exec was done; after nothing, that the child was killed before.
 */

#include <stdint.h>
#include "base/spawn.h"

#define SPAWN_INHERIT_MAX 8

enum { STATUS_FAILED = 1, STATUS_EXEC };

enum spawn_step {
        STEP_FDS,
        STEP_LIMIT,
        STEP_SESSION,
        STEP_NETNS,
        STEP_CGROUP,
        STEP_STDIN, /* in the order of the descriptors */
        STEP_STDOUT,
        STEP_STDERR,
        STEP_CWD,
        STEP_EXEC,
        STEP_KILLED,
        STEP_N
};

struct spawn_status {
        uint8_t kind;
        uint8_t step;
        uint8_t kept; /* bit i: the ends of stdio[i] come with this message, in order */
        int32_t errnum;
};

/* What the child works with. */
struct spawn_child {
        const struct spawn_params *params;
        int status;
        int parents; /* the parent's end of it: with it open, the gate would have no end of file */
        int netns, cgroup;
        int stdio[3]; /* SPAWN_STDIO_FD: ours, then the child's; else what it opened */
        int inherit[SPAWN_INHERIT_MAX];
        int kept[3];
        char *file[3]; /* SPAWN_STDIO_FILE: a copy of the path, to be cut at each slash */
        int floor;     /* above all targets */
};

/* Never returns. Async-signal-safe: everything that it needs is in *c. */
_Noreturn void spawn_child_main(struct spawn_child *c);
