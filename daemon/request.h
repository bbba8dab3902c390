/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One call in flight. It is answered exactly once, by request_reply() or request_fail(), which take it out of the
 * caller's hands (*req becomes NULL); request_free asserts that. Between, it may be parked with an object; on_cancel
 * tells the parker that nobody waits for the answer any more (only for methods with access READ: a mutating request
 * goes on, and its answer is remembered for the repeat).
 *
 * A mutating request that carries a request id is looked up first (answers.h): a repeat of an answered one gets the
 * first answer, a repeat of one that is still open waits for the same answer; neither runs twice.
 */

#include "daemon/transport.h"
#include "proto/codec.h"

struct daemon;
struct request;
struct container;

/* must unlink it from where it is parked, then request_free(&req) */
typedef void (*request_cancel_fn)(struct request *req);

struct request {
        struct request *prev, *next;           /* in requests: all open ones */
        struct request *park_prev, *park_next; /* for the parker's own list (utlist DL_*2 macros) */
        struct requests *owner;
        struct transport_request *wire; /* NULL: nobody waits any more, or a follower */
        struct transport_peer peer;
        uint32_t id; /* of the message */
        const struct method_desc *method;
        void *params; /* struct of method->params, in arena */
        struct arena *arena;
        const char *request_id; /* in params; "" if none */
        struct request *followers; /* repeats that wait for the same answer */
        request_cancel_fn on_cancel;
        void *parker; /* for the parker's use */
        uint64_t received_ns; /* monotonic */
        size_t charged_bytes;
        bool answered;
};

/* The handlers, one for each method. They own the request. */
typedef void (*request_handler)(struct daemon *d, struct request *req);

struct requests; /* the open requests, their quotas and the remembered answers */

struct requests_options {
        const uid_t *write_uids; /* beside root */
        size_t n_write_uids;
        unsigned max_open_per_uid;     /* requests */
        size_t max_open_bytes_per_uid; /* bytes of open requests */
        unsigned max_answers;          /* remembered ones */
};

int requests_new(struct requests **ret, struct daemon *d, const request_handler handlers[METHOD_N],
                 const struct requests_options *options);
/* Drops what is open, without an answer; calls on_cancel of those that have it, so that the parker forgets them. */
struct requests *requests_free(struct requests *r);
DEFINE_CLEANUP(struct requests *, requests_free)
/* To be given to transport_new with data = the struct requests. */
extern const struct transport_handlers requests_transport_handlers;

/* Sends the result (struct of method->result; may be NULL where that is empty) or the error, remembers the answer if
 * the method is mutating and has a request id (not UNAVAILABLE, which asks for a repeat), answers the followers, and
 * frees. */
void request_reply(struct request **req, const void *result);
void request_fail(struct request **req, const struct error *err);
void request_fail_reason(struct request **req, enum reason reason, const char *fmt, ...) _printf_(3, 4);
/* A request of an earlier daemon that had not answered it: nobody waits on a wire, but a repeat joins it, and its
 * answer is remembered. params is copied. NULL: no memory, or the request has no id. */
struct request *request_revive(struct requests *r, const struct method_desc *method, uid_t uid, const void *params);
/* Frees one that was cancelled or answered. */
struct request *request_free(struct request *req);
size_t requests_n_open(const struct requests *r);

/* --- remembered answers: kept across a restart with the container's record (see record.h) --- */
struct answer {
        const char *request_id;   /* with the user's id before it, "UID/ID": answers of others cannot be asked for */
        const char *method;       /* wire name */
        uint64_t answered_at;     /* real time, ns */
        const void *data;         /* encoded response with message id 0; the id of a repeat is put in when it is sent */
        size_t len;
        const char *container_key; /* "owner/ns/id": whose record keeps it */
};
/* Puts an answer of an earlier daemon into the memory. Copies. */
int requests_restore_answer(struct requests *r, const struct answer *answer);
/* Calls fn for the answers of a container (most recent first, at most max). */
void requests_each_answer(struct requests *r, const char *container_key, unsigned max,
                          void (*fn)(void *data, const struct answer *answer), void *data);
/* Called after an answer was remembered, before it is sent: the record must have it first (set by the daemon). */
void requests_on_answer(struct requests *r, void (*fn)(void *data, const struct answer *answer), void *data);
