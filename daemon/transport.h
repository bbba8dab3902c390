/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The RPC socket: nng's cooked REP protocol over IPC, with a bounded pool of contexts. nng has threads of its own; its aio
 * callbacks only queue what they have and write one eventfd, which the loop watches. Everything below is called on the
 * loop's thread only. The only file that uses nng.
 *
 * Each open request holds one context, so requests are answered out of order; no reply is ever dropped, also to a client
 * that does not read (a context's reply waits in the context). When all contexts are taken further requests wait in the
 * clients' sockets. Requests of one connection that are open at the same time may arrive in another order than they were
 * sent in: several of nng's threads hand them over.
 *
 * One uid other than root can hold at most half of the contexts, and 64 MiB of answers that it does not read; what is over
 * costs its connection.
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
        const char *path; /* of the socket, <= 107 bytes; mode 0660; an old socket there is replaced */
        gid_t gid;        /* owning group; (gid_t)-1: leave */
        unsigned max_requests;            /* contexts: open requests at once */
        unsigned max_connections_per_uid; /* further ones are closed at once (root too) */
        size_t max_message;               /* bytes; a larger one costs the connection */
};

int transport_new(struct transport **ret, struct loop *loop, const struct transport_options *options,
                  const struct transport_handlers *handlers, void *data, struct error *err);
/* Not from a handler. Open requests are gone after it: requests_free() first. */
struct transport *transport_free(struct transport *t);
DEFINE_CLEANUP(struct transport *, transport_free)

/* Stops taking requests (before the daemon stops); answers still go out. */
void transport_stop_receiving(struct transport *t);
/* True when no answer waits to be sent: each has been given to its connection, of which the last one may still be on its way
 * into a full socket. */
bool transport_drained(const struct transport *t);

/* Sends the answer and ends the request: *req becomes NULL. Copies data. */
void transport_reply(struct transport_request **req, const void *data, size_t len);
/* Ends the request without an answer (its connection is gone). */
void transport_drop(struct transport_request **req);

struct transport_stats {
        uint64_t requests;    /* received since the start */
        uint64_t open;        /* received and not answered */
        uint64_t connections; /* now */
        uint64_t refused;     /* connections over their quota */
        uint64_t unsent;      /* answers that could not be sent because the connection was known to have gone */
};
void transport_stats(const struct transport *t, struct transport_stats *ret);
