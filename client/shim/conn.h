/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A connection of containerd's: it has one for each container, and more for a while. When one ends, the calls on it are
 * forgotten and nothing happens to any container.
 *
 * A connection outlives the front. What was received is in the journal before it leaves the socket, and what was sent
 * left in pieces that the kernel takes whole or not at all, so that after a kill at any instant the next front knows
 * which requests are to be answered, and sends an answer once more rather than not at all, and never a part of one.
 */

#include <sys/types.h>
#include "base/loop.h"
#include "proto/ttrpc.h"

struct call;
struct front;

#define CONN_NAME_MAX 17

/* Records of the journal; those marked * stand for what came before when it is written anew. */
enum conn_record {
        CONN_OPEN = 1, /* * struct conn_opened */
        CONN_BYTES,    /* were received, and leave the socket now */
        CONN_DONE,     /* they have left it */
        CONN_ANSWERED, /* u32: this stream */
        CONN_CLOSED,
        CONN_CALL, /* * the frame of a request that is not answered */
        CONN_PART, /* * the beginning of a frame */
        CONN_OUT,  /* * whole frames to be sent */
};

struct conn_opened {
        char name[CONN_NAME_MAX];
        uint32_t last_stream, discard;
};

struct conn {
        struct conn *prev, *next;
        struct front *front;
        char name[CONN_NAME_MAX]; /* random: what the request ids of its calls begin with */
        uint32_t index;           /* in the journal, and of what is with the keeper */
        int fd;
        struct watch_fd watch;
        struct deferred flush, retire;
        struct buf in, out;
        struct ttrpc_decoder decoder;
        uint32_t last_stream;
        struct call *calls;
        size_t piece;   /* the largest that the kernel takes whole */
        bool unsettled; /* nothing is read or sent until the keeper has what this needs */
        bool full;      /* nothing is read: there was no room in the journal */
        bool taken;     /* only while it is restored: CONN_BYTES without CONN_DONE */
        /* an answer larger than a piece, on its way: how much of it was sent is its file's position */
        int answer_fd;
        off_t answer_len;
        uint32_t answer_stream;
};

int conn_new(struct conn **ret, struct front *front, int fd); /* consumes fd, always. 0 or -errno */
/* Forgets it here: the keeper still has it. */
struct conn *conn_free(struct conn *conn);
DEFINE_CLEANUP(struct conn *, conn_free)

/* Something was appended to conn->out. */
void conn_answered(struct conn *conn);
/* There may be room in the journal again; or the keeper has what it was sent. */
void conn_resume(struct conn *conn);
void conn_settled(struct conn *conn);
int conn_note(struct conn *conn, enum conn_record kind, const void *data, size_t len); /* 0 or -errno */

/* --- sending (conn_send.c): 1 all is sent, 0 the socket is full, -1 the connection is over --- */
int conn_send(struct conn *conn);
bool conn_has_to_send(const struct conn *conn);

/* --- restoring (restore.c) --- */
/* Not in the journal yet, and not watched. fd: consumed, always; -1 for one whose socket is found later. */
int conn_alloc(struct conn **ret, struct front *front, int fd);
void conn_set_fd(struct conn *conn, int fd); /* of one that has none */
int conn_enter(struct conn *conn);          /* one that has its number: names it, and begins its part of the journal */
int conn_set_peek_offset(const struct conn *conn, int offset);
int conn_take_out(struct conn *conn, size_t n); /* of the socket: n bytes that were seen before */
void conn_take_frames(struct conn *conn);
