/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A connection: greeting, messages in, answers out, and what its user has charged to him.
 *
 * It has one operation of each direction at most. It is closed at once by connection_close(), and freed when both
 * operations have come back, the dispatcher was told, and it has let go of all requests.
 */

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <utlist.h>
#include "base/clock.h"
#include "base/log.h"
#include "daemon/transport_internal.h"

#define READ_MIN    512                 /* what an idle connection has as its buffer */
#define READ_MAX    (256U * 1024)       /* a large message's memory grows with what has come of it */
#define UNSENT_MAX  (64U * 1024 * 1024) /* bytes of answers that one uid (not root) does not read */
#define GREETING_NS (10 * NSEC_PER_SEC) /* how long a client may take to greet */

/* --- users --- */

static struct user *user_get(struct transport *t, uid_t uid)
{
        struct user *u = NULL;

        HASH_FIND(hh, t->users, &uid, sizeof(uid), u);
        if (!u) {
                u = calloc(1, sizeof(*u));
                if (!u)
                        return NULL;
                u->uid = uid;
                HASH_ADD(hh, t->users, uid, sizeof(u->uid), u);
        }
        u->refs++;
        return u;
}

static void user_put(struct transport *t, struct user *u)
{
        if (--u->refs > 0)
                return;
        HASH_DEL(t->users, u);
        free(u);
}

/* One user may not take everything from the others by not reading his answers. */
static bool user_over_limit(const struct transport *t, const struct user *u)
{
        return u->uid != 0 && u->held >= (t->options.max_requests + 1) / 2;
}

/* --- connections --- */

/* To be looked at when there is room again. */
static void connection_wait(struct connection *c)
{
        if (c->pending)
                return;
        c->pending = true;
        DL_APPEND2(c->transport->pending, c, pending_prev, pending_next);
}

/* To be looked at in the next round. */
static void connection_pend(struct connection *c)
{
        connection_wait(c);
        transport_wake(c->transport);
}

static void connection_greeted(struct connection *c)
{
        c->greeted = true;
        if (--c->transport->n_ungreeted == 0)
                watch_timer_stop(&c->transport->greeting);
}

static void connection_close(struct connection *c)
{
        if (c->closing)
                return;
        c->closing = true;
        if (!c->greeted)
                connection_greeted(c); /* or never will */
        c->user->connections--;
        c->transport->stats.connections--;
        stream_close(c->stream);
        connection_pend(c);
}

static void answer_done(struct connection *c, bool sent)
{
        struct answer *a = c->answers;

        c->answers = a->next;
        if (!c->answers)
                c->answers_tail = &c->answers;
        c->first_sent = 0;
        if (a->counted) {
                c->user->held--;
                c->user->unsent -= a->len;
                c->transport->n_unsent--;
                c->transport->stats.unsent += !sent;
        }
        free(a);
}

/* Its operations have come back, or never will. */
static void connection_free(struct connection *c)
{
        struct transport *t = c->transport;

        assert(!c->requests);
        if (c->pending)
                DL_DELETE2(t->pending, c, pending_prev, pending_next);
        DL_DELETE(t->connections, c);
        while (c->answers)
                answer_done(c, false);
        op_deinit(&c->rx);
        op_deinit(&c->tx);
        if (c->stream)
                stream_free(c->stream);
        user_put(t, c->user);
        buf_deinit(&c->in);
        free(c);
}

/* A closing one: tells the dispatcher, and frees it when nothing holds it any more. */
static void connection_bury(struct connection *c)
{
        struct transport_peer peer = c->peer;

        if (c->rx.busy || c->tx.busy)
                return;
        while (c->answers)
                answer_done(c, false);
        if (!c->told) {
                c->told = true;
                if (c->transport->handlers.disconnected)
                        c->transport->handlers.disconnected(c->transport->data, &peer);
        }
        if (!c->requests)
                connection_free(c);
}

/* --- answers --- */

static void connection_write(struct connection *c)
{
        size_t skip = c->first_sent;
        struct iovec iov[OP_IOV_MAX];
        unsigned n = 0;

        if (c->tx.busy || c->closing || !c->answers)
                return;
        for (struct answer *a = c->answers; a && n < OP_IOV_MAX; a = a->next, skip = 0)
                iov[n++] = (struct iovec){ .iov_base = a->data + skip, .iov_len = a->len - skip };
        op_write(&c->tx, c->stream, iov, n);
}

static void on_written(struct op *op)
{
        struct connection *c = container_of(op, struct connection, tx);
        ssize_t written = op_result(op);
        size_t n = written < 0 ? 0 : (size_t)written;

        while (c->answers && c->first_sent + n >= c->answers->len) {
                n -= c->answers->len - c->first_sent;
                answer_done(c, true);
        }
        c->first_sent += n;
        if (c->transport->pending)
                transport_wake(c->transport); /* there is room */
        if (written < 0)
                connection_close(c);
        if (c->closing)
                connection_pend(c);
        else
                connection_write(c);
}

static struct answer *answer_new(size_t len)
{
        struct answer *a = malloc(sizeof(*a) + len);

        if (a)
                *a = (struct answer){ .len = len };
        return a;
}

static void answer_add(struct connection *c, struct answer *a)
{
        *c->answers_tail = a;
        c->answers_tail = &a->next;
        connection_write(c);
}

/* --- requests --- */

static void request_release(struct transport_request *req)
{
        struct connection *c = req->connection;

        if (c) {
                DL_DELETE(c->requests, req);
                c->user->held--;
                c->transport->n_open--;
                if (c->closing)
                        connection_pend(c);
                else if (c->transport->pending)
                        transport_wake(c->transport);
        }
        free(req);
}

void transport_drop(struct transport_request **reqp)
{
        struct transport_request *req = TAKE(*reqp);

        if (req->connection)
                connection_close(req->connection);
        request_release(req);
}

void transport_reply(struct transport_request **reqp, const void *data, size_t len)
{
        struct transport_request *req = TAKE(*reqp);
        struct connection *c = req->connection;
        size_t total = SP_HEAD + req->trace_len + len;
        struct answer *a = NULL;

        if (!c || c->closing) {
                if (c)
                        c->transport->stats.unsent++;
                request_release(req);
                return;
        }
        if (c->user->uid == 0 || c->user->unsent + total <= UNSENT_MAX)
                a = answer_new(total);
        if (!a) { /* an answer is never left out on a live connection: the client repeats on a new one */
                log_warn("no memory for the answers that pid %d of uid %u does not read: closing its connection",
                         (int)c->peer.pid, (unsigned)c->peer.uid);
                c->transport->stats.unsent++;
                connection_close(c);
                request_release(req);
                return;
        }
        sp_head_write(a->data, req->trace_len + len);
        memcpy(a->data + SP_HEAD, req->trace, req->trace_len);
        if (len > 0)
                memcpy(a->data + SP_HEAD + req->trace_len, data, len);
        a->counted = true;
        c->user->held++;
        c->user->unsent += total;
        c->transport->n_unsent++;
        request_release(req);
        answer_add(c, a);
}

/* One whole message. */
static int request_arrived(struct connection *c, const uint8_t *msg, size_t len)
{
        struct transport *t = c->transport;
        struct transport_request *req;
        int trace = sp_trace_len(msg, len);

        if (trace < 0)
                return trace;
        if (user_over_limit(t, c->user)) {
                log_warn("uid %u has %u requests open or does not read their answers: closing a connection of pid %d",
                         (unsigned)c->peer.uid, c->user->held, (int)c->peer.pid);
                return -EDQUOT;
        }
        req = malloc(sizeof(*req) + len);
        if (!req)
                return -ENOMEM;
        *req = (struct transport_request){ .connection = c, .trace_len = (size_t)trace };
        memcpy(req->trace, msg, req->trace_len);
        memcpy(req->data, msg + trace, len - req->trace_len);
        DL_APPEND(c->requests, req);
        c->user->held++;
        t->n_open++;
        t->stats.requests++;
        t->handlers.request(t->data, req, &c->peer, req->data, len - req->trace_len);
        return 0;
}

/* Takes one greeting or message from the input. 1: done, 0: more bytes are needed, or negative errno. */
static int input_take(struct connection *c, size_t *ret_missing)
{
        size_t have = buf_len(&c->in);
        uint64_t len = 0;
        int r;

        *ret_missing = 0;
        if (!c->greeted) {
                if (have < SP_GREETING)
                        return 0;
                if (!sp_greeting_is_req(buf_head(&c->in)))
                        return -EPROTO;
                connection_greeted(c);
                buf_consume(&c->in, SP_GREETING);
                return 1;
        }
        if (have < SP_HEAD)
                return 0;
        if (sp_head_read(buf_head(&c->in), &len) < 0)
                return -EPROTO;
        if (len > c->transport->options.max_message)
                return -EMSGSIZE;
        if (have < SP_HEAD + len) {
                *ret_missing = SP_HEAD + (size_t)len - have;
                return 0;
        }
        r = request_arrived(c, buf_head(&c->in) + SP_HEAD, (size_t)len);
        buf_consume(&c->in, SP_HEAD + (size_t)len);
        return r < 0 ? r : 1;
}

static void connection_read(struct connection *c, size_t missing)
{
        size_t want = missing < READ_MIN ? READ_MIN : missing > READ_MAX ? READ_MAX : missing;
        uint8_t *room;

        if (buf_len(&c->in) == 0)
                buf_deinit(&c->in); /* the memory of a large message */
        room = buf_reserve(&c->in, want);
        if (room)
                op_read(&c->rx, c->stream, room, want);
        else
                connection_close(c);
}

/* Handles what has come, as far as there is room; then reads on. What there is no room for waits in the client's
 * socket. */
static void connection_input(struct connection *c)
{
        struct transport *t = c->transport;
        size_t missing = 0;
        int r = 1;

        for (int i = 0; r > 0; i++) {
                if (c->closing || c->rx.busy || t->stopped)
                        return;
                if (i == ROUND_MAX) {
                        connection_pend(c);
                        return;
                }
                if (t->n_open + t->n_unsent >= t->options.max_requests) {
                        connection_wait(c);
                        return;
                }
                r = input_take(c, &missing);
        }
        if (r < 0)
                connection_close(c);
        else
                connection_read(c, missing);
}

static void on_read(struct op *op)
{
        struct connection *c = container_of(op, struct connection, rx);
        ssize_t n = op_result(op);

        if (n < 0 || c->closing) {
                connection_close(c);
                connection_pend(c);
                return;
        }
        buf_commit(&c->in, (size_t)n);
        connection_input(c);
}

/* --- life --- */

int connection_new(struct transport *t, struct nng_stream *stream, uid_t uid, pid_t pid)
{
        struct connection *c = calloc(1, sizeof(*c));
        struct answer *greeting = answer_new(SP_GREETING);
        struct user *u = user_get(t, uid);
        bool over = u && u->connections >= t->options.max_connections_per_uid;

        if (!c || !greeting || !u || over || op_init(&c->rx, t, on_read) < 0 || op_init(&c->tx, t, on_written) < 0) {
                if (u)
                        user_put(t, u);
                if (c) {
                        op_deinit(&c->rx);
                        op_deinit(&c->tx);
                }
                free(c);
                free(greeting);
                stream_close(stream);
                stream_free(stream);
                return over ? -EDQUOT : -ENOMEM;
        }
        c->transport = t;
        c->peer = (struct transport_peer){ .connection = ++t->last_connection, .uid = uid, .pid = pid };
        c->user = u;
        c->stream = stream;
        c->answers_tail = &c->answers;
        c->accepted_ns = clock_monotonic_ns();
        u->connections++;
        t->stats.connections++;
        DL_APPEND(t->connections, c);
        if (t->n_ungreeted++ == 0)
                watch_timer_arm(&t->greeting, GREETING_NS);
        memcpy(greeting->data, sp_greeting_rep, SP_GREETING);
        answer_add(c, greeting);
        connection_input(c);
        return 0;
}

void connections_expire(struct transport *t)
{
        uint64_t now = clock_monotonic_ns();
        struct connection *c, *next;

        DL_FOREACH_SAFE(t->connections, c, next) {
                if (c->greeted)
                        continue;
                if (now < c->accepted_ns + GREETING_NS) { /* the oldest of the rest */
                        watch_timer_arm(&t->greeting, c->accepted_ns + GREETING_NS - now);
                        return;
                }
                connection_close(c);
        }
}

void connections_look(struct transport *t)
{
        struct connection *c;
        size_t n;

        DL_COUNT2(t->pending, c, n, pending_next);
        while (n-- > 0 && (c = t->pending)) {
                DL_DELETE2(t->pending, c, pending_prev, pending_next);
                c->pending = false;
                if (c->closing)
                        connection_bury(c);
                else
                        connection_input(c);
        }
}

void connections_end(struct transport *t)
{
        struct transport_request *req, *next;
        struct connection *c;

        DL_FOREACH(t->connections, c)
                connection_close(c);
        DL_FOREACH(t->connections, c) {
                op_stop(&c->rx);
                op_stop(&c->tx);
                DL_FOREACH_SAFE(c->requests, req, next) {
                        DL_DELETE(c->requests, req);
                        req->connection = NULL;
                }
        }
        while (t->connections)
                connection_free(t->connections);
}
