/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What sandboxd-keeper and sandboxd say to each other, beside systemd's notify protocol: records of a fixed size over a
 * SOCK_SEQPACKET pair, whose end the daemon inherits as the descriptor that SANDBOXD_KEEPER_FD names.
 *
 * The keeper sends a STATUS for each process that it reaped and that was not forgotten, oldest first; then one
 * END_OF_BACKLOG; then a STATUS for each as it is reaped. The daemon sends FORGET for each, as soon as it has recorded
 * the status, or knows that it is of no interest: the keeper holds the newest KEEPER_STATUSES_MAX. After the daemon has
 * sent ASK, another END_OF_BACKLOG follows all that the keeper knew when it read that: it has reaped no process before
 * that it has not told of.
 *
 * What is stored under names that begin with KEEPER_FRONT belongs to fronts (proto/front.h). The daemon is not given
 * it; it has it handed over to the next front: with HAND_OVER comes a SOCK_SEQPACKET socket, into which the keeper puts
 * all descriptors whose names begin with the prefix, some in each message (SCM_RIGHTS), whose data are their names,
 * each in KEEPER_NAME_MAX + 1 bytes filled up with NUL. An empty name without a descriptor ends them: a socket that
 * ends without it was given up by a keeper that died.
 */

#include <stdint.h>

#define KEEPER_FD_ENV "SANDBOXD_KEEPER_FD"
#define KEEPER_MAGIC 0x5244424bU /* "KBDR": both ends are of one host, so there is no byte order to agree on */
#define KEEPER_VERSION 1
#define KEEPER_STATUSES_MAX 65536
#define KEEPER_FRONT 'F'
#define KEEPER_NAME_MAX 8 /* bytes of a stored descriptor's name, [A-Za-z0-9] */

enum keeper_kind {
        KEEPER_STATUS = 1,         /* keeper to daemon: all fields */
        KEEPER_END_OF_BACKLOG = 2, /* keeper to daemon: no field */
        KEEPER_FORGET = 3,         /* daemon to keeper: pid, start_time */
        KEEPER_HAND_OVER = 4,      /* daemon to keeper, with a socket: prefix */
        KEEPER_DROP = 5, /* daemon to keeper: prefix; what is stored under such names is not needed any more */
        KEEPER_ASK = 7, /* daemon to keeper: no field; not before the first END_OF_BACKLOG has come */
        KEEPER_REMEMBER = 6, /* daemon to keeper, all fields: about to be reaped, not yet known whose; as a STATUS */
};

struct keeper_record {
        uint32_t magic;
        uint16_t version;
        uint16_t kind;
        int32_t pid;
        int32_t wait_status;  /* as of wait(2) */
        union {
                uint64_t start_time; /* /proc/PID/stat field 22; 0: it could not be read */
                char prefix[KEEPER_NAME_MAX]; /* of names; filled up with NUL, not empty */
        };
        uint64_t realtime_ns; /* when it was reaped */
};
_Static_assert(sizeof(struct keeper_record) == 32, "the record has one size");
