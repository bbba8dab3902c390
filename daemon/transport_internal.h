/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What transport.c (nng: operations, the listener, life) and connection.c (what the bytes mean) know of each other. All
 * of it belongs to the loop's thread, but for the queue.
 */

#include <pthread.h>
#include <stdbool.h>
#include <sys/uio.h>
#include <uthash.h>
#include "base/buf.h"
#include "daemon/sp.h"
#include "daemon/transport.h"

struct nng_aio;
struct nng_stream;
struct nng_stream_listener;

#define ROUND_MAX 64 /* requests, operations: so that a flood cannot starve the loop */

/* An operation of nng, and its notice on the queue. */
struct op {
        struct transport *transport;
        struct nng_aio *aio;
        void (*done)(struct op *op); /* on the loop */
        struct op *next;
        bool busy;
};

struct user { /* of the peer; there while it has connections */
        uid_t uid;
        UT_hash_handle hh;
        unsigned refs;        /* struct connections */
        unsigned connections; /* open ones: what the quota is about */
        unsigned held;        /* requests not answered, and answers not sent */
        size_t unsent;        /* bytes of the latter */
};

struct answer {
        struct answer *next;
        size_t len;
        bool counted; /* not the greeting */
        uint8_t data[];
};

struct connection {
        struct transport *transport;
        struct connection *prev, *next;                 /* all, in the order of their coming */
        struct connection *pending_prev, *pending_next; /* in transport.pending */
        struct transport_peer peer;
        struct user *user;
        struct nng_stream *stream;
        struct op rx, tx;
        struct buf in;
        struct answer *answers, **answers_tail;
        size_t first_sent; /* bytes of the first answer */
        struct transport_request *requests;
        uint64_t accepted_ns;
        bool greeted, pending, closing, told;
};

struct transport_request {
        struct connection *connection; /* NULL: the transport has gone */
        struct transport_request *prev, *next;
        uint8_t trace[SP_TRACE_MAX];
        size_t trace_len;
        uint8_t data[];
};

struct transport {
        struct transport_handlers handlers;
        void *data;
        struct transport_options options;
        struct nng_stream_listener *listener;
        struct op accept;
        struct watch_timer accept_again, greeting;
        struct connection *connections;
        struct connection *pending; /* to be looked at in the next round: with input that is not handled, or closing */
        struct user *users;
        uint32_t last_connection;
        bool stopped;
        unsigned n_open, n_unsent, n_ungreeted;
        struct transport_stats stats;
        int wake_fd;
        struct watch_fd wake;
        struct op *ready; /* taken from the queue */

        pthread_mutex_t lock; /* both below */
        struct op *queue, **queue_tail;
};

/* --- transport.c --- */
void transport_wake(struct transport *t); /* the loop comes round once more */
int op_init(struct op *op, struct transport *t, void (*done)(struct op *op));
void op_deinit(struct op *op);
void op_stop(struct op *op); /* waits until nng has let go of it */
void op_read(struct op *op, struct nng_stream *stream, void *data, size_t len);
void op_write(struct op *op, struct nng_stream *stream, const struct iovec *iov, unsigned n); /* n <= OP_IOV_MAX */
#define OP_IOV_MAX 8
ssize_t op_result(struct op *op);             /* of a read or write: bytes, or -1 */
void stream_close(struct nng_stream *stream); /* its operations come back */
void stream_free(struct nng_stream *stream);

/* --- connection.c --- */
/* Takes the stream, always. 0, -EDQUOT or -ENOMEM. */
int connection_new(struct transport *t, struct nng_stream *stream, uid_t uid, pid_t pid);
void connections_look(struct transport *t);   /* once a round: the pending ones */
void connections_expire(struct transport *t); /* those that have not greeted in time */
/* Ends all; what the dispatcher still has becomes an orphan. */
void connections_end(struct transport *t);
