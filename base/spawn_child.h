/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Between base/spawn.c (the parent) and base/spawn_child.c (sandboxd-helper, which becomes the command): private to the
 * two.
 *
 * One socket pair (SOCK_SEQPACKET) is order, gate and status. The order is in it before the child begins. The child
 * then reads one byte before it does anything that others could see (end of file: we are gone), and sends
 *   STATUS_FAILED  a step failed, with its errno; the child then calls _exit(127), or
 *   STATUS_EXEC    everything but exec is done, with the kept ends of the FIFOs; then exec closes the socket.
 * So: end of file after STATUS_EXEC alone means that exec was done; after nothing, that the child was killed before.
 */

#include <limits.h>
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

/* struct spawn_params without pointers. Descriptors have the same numbers on both sides. */
struct spawn_order {
        int netns, cgroup; /* -1: none */
        int floor;         /* above all targets */
        struct spawn_inherit inherit[SPAWN_INHERIT_MAX];
        size_t n_inherit;
        struct spawn_order_stdio {
                enum spawn_stdio_kind kind;
                int fd; /* SPAWN_STDIO_FD, _RELAY: ours, then the child's; else what it opened, -1 before */
                bool chown;
                uid_t uid;
                gid_t gid;
                char path[PATH_MAX];
        } stdio[3];
        bool new_session;
        uint64_t fsize_max;
        char cwd[PATH_MAX], path[PATH_MAX];
};

/* The child, from its first moment: status is its end of the socket pair. Never returns. */
_Noreturn void spawn_child_main(int status, char *const *argv, char *const *envp);
