/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A connection of containerd's: it has one for each container, and more for a while. When one ends, the calls on it are
 * forgotten and nothing happens to any container.
 */

#include "base/loop.h"
#include "proto/ttrpc.h"

struct call;
struct front;

#define CONN_NAME_MAX 17

struct conn {
        struct conn *prev, *next;
        struct front *front;
        char name[CONN_NAME_MAX]; /* random: what the request ids of its calls begin with */
        int fd;
        struct watch_fd watch;
        struct deferred flush, retire;
        struct buf in, out;
        struct ttrpc_decoder decoder;
        uint32_t last_stream;
        struct call *calls;
};

int conn_new(struct conn **ret, struct front *front, int fd); /* consumes fd, always. 0 or -errno */
struct conn *conn_free(struct conn *conn);
DEFINE_CLEANUP(struct conn *, conn_free)

/* Something was appended to conn->out. */
void conn_answered(struct conn *conn);
