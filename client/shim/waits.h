/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Who waits for the end of which process. containerd parks a Wait for every container and exec for as long as it lives;
 * here they cost some bytes each and nothing in sandboxd, where one long poll of the event log stands for all of them.
 */

#include "base/loop.h"
#include "client/shim/rpc.h"
#include "proto/proto.h"

struct wait;
struct waiter;

struct waits {
        struct rpc *rpc;
        const char *owner;
        struct wait *waits; /* by key */
        uint64_t cursor;    /* the next event to read; 0: not known yet */
        bool reading;
        struct watch_timer again; /* a read failed: once more in a while */
};

/* How it ended, or why that cannot be told. */
struct wait_end {
        uint32_t exit_status;
        uint64_t exited_at;
        struct error error; /* reason 0: it ended */
        int code;           /* of the error */
};
typedef void (*wait_fn)(void *data, const struct wait_end *end);

void waits_init(struct waits *w, struct loop *loop, struct rpc *rpc, const char *owner);
void waits_deinit(struct waits *w); /* forgets all waiters */

/* fn is called once, never from here. NULL: no memory. timeout_ns 0: none. */
struct waiter *waits_add(struct waits *w, const char *ns, const char *id, const char *exec_id, uint64_t timeout_ns,
                         wait_fn fn, void *data);
/* Forgets it; fn is not called. */
void waits_cancel(struct waiter *waiter);

/* Something happened to a container that no event need tell of: look at what is waited for there. */
void waits_look(struct waits *w, const char *ns, const char *id);
