/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The RPC socket: SP's REQ/REP over IPC, as nng's REQ and our client library speak it, on nng's streams (why not on its
 * REP socket: see transport.c). nng has threads of its own; its aio callbacks only queue what they have and write one
 * eventfd, which the loop watches. Everything below is called on the loop's thread only. The only file that uses nng.
 *
 * Requests are answered out of order; no answer is ever dropped, also not to a client that does not read. When there
 * are max_requests of open requests and unsent answers, further requests wait in the clients' sockets. Requests of one
 * connection arrive in the order in which they were sent.
 *
 * One uid other than root can have at most half of that, and 64 MiB of answers that it does not read; what is over
 * costs its connection. A client that does not greet within 10 s is closed.
 */

#include <stdint.h>
#include <sys/types.h>
#include "base/error.h"
#include "base/loop.h"

struct transport;
struct transport_request; /* received, not yet answered */

struct transport_peer {
        uint32_t connection; /* unique while the daemon runs */
        uid_t uid;
        pid_t pid;
};

struct transport_handlers {
        /* One request. msg is valid until the request is answered or dropped. The callee owns *req. */
        void (*request)(void *data, struct transport_request *req, const struct transport_peer *peer, const void *msg,
                        size_t len);
        /* The connection has ended: its open requests can be dropped. */
        void (*disconnected)(void *data, const struct transport_peer *peer);
};

struct transport_options {
        const char *path;                 /* of the socket, <= 107 bytes; mode 0660; an old socket there is replaced */
        gid_t gid;                        /* owning group; (gid_t)-1: leave */
        unsigned max_requests;            /* open ones and unsent answers at once */
        unsigned max_connections_per_uid; /* further ones are closed at once (root too) */
        size_t max_message;               /* bytes; a larger one costs the connection */
};

int transport_new(struct transport **ret, struct loop *loop, const struct transport_options *options,
                  const struct transport_handlers *handlers, void *data, struct error *err);
/* Not from a handler. Requests that are still open stay valid, until they are dropped or "answered". */
struct transport *transport_free(struct transport *t);
DEFINE_CLEANUP(struct transport *, transport_free)

/* Stops taking requests (before the daemon stops); answers still go out. */
void transport_stop_receiving(struct transport *t);
/* True when the kernel has all answers. */
bool transport_drained(const struct transport *t);

/* Sends the answer and ends the request: *req becomes NULL. Copies data. */
void transport_reply(struct transport_request **req, const void *data, size_t len);
/* Ends the request without an answer. A connection that is still there is closed: its client cannot know, and repeats
 * on another one. */
void transport_drop(struct transport_request **req);

struct transport_stats {
        uint64_t requests;    /* received since the start */
        uint64_t open;        /* received and not answered */
        uint64_t connections; /* now */
        uint64_t refused;     /* connections over their quota */
        uint64_t unsent;      /* answers that were not, or not wholly, sent because the connection had gone */
};
void transport_stats(const struct transport *t, struct transport_stats *ret);
