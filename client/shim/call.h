/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One request of containerd's until it is answered. It keeps the message, so that a request that sandboxd did not take
 * (it was just stopping) is made once more; with the same request id, as all repeats.
 */

#include "client/shim/conn.h"
#include "client/shim/task.h"

struct call {
        struct call *prev, *next; /* of the connection */
        struct conn *conn;
        const struct task_method *method;
        uint32_t stream;
        ProtobufCMessage *message;
        char *ns;
        uint64_t deadline;     /* 0: none */
        uint64_t rpc;          /* the call of sandboxd; 0: none */
        struct waiter *waiter; /* a Wait */
        bool again;            /* to be made once more */
};

/* Takes a frame of type REQUEST: a new call, or its answer at once. While the front is being restored a new call is
 * marked to be made later. */
void call_begin(struct conn *conn, const struct ttrpc_frame *frame);
/* As call_begin(), of a frame whose stream was seen before. */
void call_begin_again(struct conn *conn, const struct ttrpc_frame *frame);
/* The call of this stream was answered; NULL: there is none, or it was answered at once. */
struct call *call_find(struct conn *conn, uint32_t stream);
/* Leaves the connection without an answer. */
void call_drop(struct call *call);
/* The request's frame, as it could have come. 0 or -errno. */
int call_pack(const struct call *call, struct buf *ret);
void call_repeat(struct call *call);
struct call *call_free(struct call *call);
DEFINE_CLEANUP(struct call *, call_free)
