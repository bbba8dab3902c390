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

/* Takes a frame of type REQUEST: a new call, or its answer at once. */
void call_begin(struct conn *conn, const struct ttrpc_frame *frame);
void call_repeat(struct call *call);
struct call *call_free(struct call *call);
DEFINE_CLEANUP(struct call *, call_free)
