/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The front: containerd's Task service for all containers of one containerd. It holds connections and unanswered calls,
 * and nothing about any container, so it can be as good as never wrong and as good as never changed. While sandboxd
 * restarts it keeps the connections, and the calls wait.
 */

#include "base/error.h"
#include "base/loop.h"
#include "client/shim/conn.h"
#include "client/shim/rpc.h"
#include "client/shim/waits.h"

struct front {
        struct loop *loop; /* not ours */
        const char *owner; /* not ours */
        const char *ns;    /* not ours: of the requests that do not say theirs, as those of containerd 1.6 */
        int fd;
        struct watch_fd listening;
        struct watch_timer resume; /* no descriptors: accept again in a while */
        struct watch_timer again;  /* calls that are to be made once more */
        struct rpc rpc;
        struct waits waits;
        struct conn *conns;
};
#define FRONT_NULL { .ns = "default", .fd = -1, .rpc = RPC_NULL }

/* fd: the listening socket, non-blocking; consumed, always. socket: of sandboxd, "" for the default. */
int front_init(struct front *f, struct loop *loop, const char *owner, int fd, const char *socket, struct error *err);
void front_deinit(struct front *f);

/* Makes the calls that are marked so once more, in a while. */
void front_again(struct front *f);
