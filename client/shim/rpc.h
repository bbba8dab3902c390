/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The client library on our loop: one connection to sandboxd for all that a front asks. It waits for a sandboxd that is
 * away as long as the calls themselves do. Calls are sent at the end of the round in which they were made, together.
 */

#include "base/loop.h"
#include "client/client.h"

struct rpc {
        struct sandboxd_client *client;
        struct watch_fd watch;
        struct watch_timer timer;
        struct deferred pump;
        int fd; /* that is watched, the client's; -1: none */
        short events;
};
#define RPC_NULL { .fd = -1 }

int rpc_init(struct rpc *r, struct loop *loop, const char *socket); /* 0 or -errno; socket "": the default one */
void rpc_deinit(struct rpc *r);

/* As sandboxd_submit() and sandboxd_cancel(). */
uint64_t rpc_submit(struct rpc *r, int method, const void *params, int timeout_ms, sandboxd_reply_fn fn, void *data);
void rpc_cancel(struct rpc *r, uint64_t call);
