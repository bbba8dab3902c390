/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Serves a text by HTTP on a unix socket or a loopback address: GET /metrics, one request for a connection. A client
 * gets so many bytes and so much time and no more, and never keeps the loop: what it does not read waits in memory,
 * once for all who wait for the same text, until its time is over. When there are too many, the oldest that has not
 * asked for anything yet has to go.
 */

#include <sys/types.h>
#include "base/buf.h"
#include "base/error.h"
#include "base/loop.h"

struct metrics;

struct metrics_options {
        const char *listen;       /* absolute path of a socket, "127.0.0.1:9000" or "[::1]:9000"; port 0: any */
        gid_t gid;                /* of the unix socket, whose mode is 0660; (gid_t)-1: leave */
        unsigned max_connections;
        uint64_t request_ns;      /* from the connection to the end of the request */
        uint64_t answer_ns;       /* from there to the end of the answer */
        /* A text is wanted: metrics_answer() is called, later. Not called again before that. */
        void (*gather)(void *data, struct metrics *m);
        void *data;
};

/* 0, or -1: not such an address. */
int metrics_check_listen(const char *text, struct error *err);

int metrics_new(struct metrics **ret, struct loop *loop, const struct metrics_options *options, struct error *err);
struct metrics *metrics_free(struct metrics *m);
DEFINE_CLEANUP(struct metrics *, metrics_free)
/* The text for all who wait; takes what is in it. NULL, or one that has failed: they are told that there is none now.
 */
void metrics_answer(struct metrics *m, struct buf *text);
/* The port that it listens on; 0 for a unix socket. */
unsigned metrics_port(const struct metrics *m);
size_t metrics_n_connections(const struct metrics *m);
