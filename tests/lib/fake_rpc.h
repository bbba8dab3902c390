/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A sandboxd on the test's own loop, which answers nothing by itself: the test takes requests and answers them, and may
 * hang up and come back in between. */

#include "base/loop.h"
#include "client/frame.h"
#include "proto/codec.h"

struct fake_request {
        struct fake_request *prev, *next;
        uint32_t frame; /* number of the frame */
        struct rpc_request rpc;
        struct arena *arena;
};

struct fake_rpc {
        char path[64];
        struct loop *loop;
        int listen_fd, fd;
        struct watch_fd listening, watch;
        struct buf in;
        bool greeted;
        struct fake_request *requests; /* not yet taken */
};

void fake_rpc_init(struct fake_rpc *f, struct loop *loop, const char *dir);
void fake_rpc_deinit(struct fake_rpc *f);
void fake_rpc_hang_up(struct fake_rpc *f); /* and forgets the requests; goes on listening */

/* Turns the loop until there is a request for `method`, and takes it. */
struct fake_request *fake_rpc_take(struct fake_rpc *f, enum method_id method);
void fake_rpc_answer(struct fake_rpc *f, struct fake_request *r, const void *result); /* frees r */
void fake_rpc_refuse(struct fake_rpc *f, struct fake_request *r, enum reason reason, const char *message);
void fake_rpc_drop(struct fake_request *r);
