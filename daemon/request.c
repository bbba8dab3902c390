/* SPDX-License-Identifier: Apache-2.0 */

/*
 * From a message to its handler, and back. A message that fails on the way (malformed, not allowed, over quota) is
 * answered here and never becomes a request. A request is charged to its user from then until it is freed.
 *
 * Of several open requests with one key (user and request id) the first is the leader and runs; the others are its
 * followers: they are in its list instead of the list of open ones, and live until it is answered or their connection
 * ends.
 */

#include "daemon/request.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>
#include "base/clock.h"
#include "base/log.h"
#include "daemon/access.h"
#include "daemon/answers.h"
#include "daemon/quota.h"

struct call {
        struct request req;
        char key[ANSWER_KEY_MAX]; /* "": a repeat could not be told from a new request */
        UT_hash_handle hh;        /* by key: leaders only */
        struct call *leader;      /* of a follower */
        struct call *cancel_prev, *cancel_next;
        bool cancelling; /* in requests.cancelling */
};

struct requests {
        struct daemon *daemon;
        request_handler handlers[METHOD_N];
        struct access_list access;
        struct quota quota;
        struct answers *answers;
        void (*on_answer)(void *data, const struct answer *answer);
        void *on_answer_data;
        struct request *open;    /* all but followers */
        struct call *by_key;     /* leaders that have a key */
        struct call *cancelling; /* their connection has ended; on_cancel is to be called */
        size_t n_open;           /* with followers */
};

/* Why is the cast valid: every struct request is made by call_new(). */
static struct call *call_of(struct request *req)
{
        return container_of(req, struct call, req);
}

static const char *param_str(const struct method_desc *method, const void *params, const char *name)
{
        for (size_t i = 0; i < method->params->n_fields; i++) {
                const struct field_desc *f = &method->params->fields[i];
                const char *value;

                if (f->kind != FIELD_STR || strcmp(f->name, name) != 0)
                        continue;
                value = *(const char *const *)(const void *)((const char *)params + f->offset);
                return value ? value : "";
        }
        return "";
}

/* --- answers on their way out --- */

static void encode(struct buf *ret, uint32_t id, const struct method_desc *method, const void *result,
                   const struct error *err)
{
        struct error failed = ERROR_NULL;

        if (!err && rpc_response_encode(id, method->result, result, ret, &failed) < 0) {
                error_wrap(&failed, "the answer of %s could not be encoded", method->name);
                log_error("%s", failed.message);
                err = &failed;
        }
        if (err && rpc_response_encode_error(id, err, ret) < 0)
                log_error("no memory for an answer");
}

static void wire_send(struct transport_request **wire, const struct buf *response)
{
        if (buf_len(response) > 0)
                transport_reply(wire, buf_head(response), buf_len(response));
        else /* no memory, which was logged */
                transport_drop(wire);
}

static void refuse(struct transport_request *wire, uint32_t id, const struct error *err)
{
        _cleanup_(buf_deinit) struct buf b = BUF_NULL;

        encode(&b, id, NULL, NULL, err);
        wire_send(&wire, &b);
}

/* Sends a remembered answer to a repeat. */
static void wire_repeat(struct transport_request **wire, uint32_t id, const void *response, size_t len)
{
        _cleanup_(buf_deinit) struct buf b = BUF_NULL;

        if (answer_with_id(response, len, id, &b) < 0) {
                buf_deinit(&b);
                log_error("a remembered answer cannot be sent: it is not a response, or there is no memory");
        }
        wire_send(wire, &b);
}

/* --- calls --- */

static struct call *call_new(struct requests *r, const struct transport_peer *peer, struct arena **arena,
                             const struct rpc_request *decoded, size_t bytes)
{
        struct call *c = calloc(1, sizeof(*c));

        if (!c)
                return NULL;
        c->req = (struct request){ .owner = r,
                                   .peer = *peer,
                                   .id = decoded->id,
                                   .method = decoded->method,
                                   .params = decoded->params,
                                   .arena = TAKE(*arena),
                                   .request_id = param_str(decoded->method, decoded->params, "request_id"),
                                   .received_ns = clock_monotonic_ns(),
                                   .charged_bytes = bytes };
        if (c->req.method->access == ACCESS_WRITE && *c->req.request_id)
                answer_key(c->key, peer->uid, c->req.request_id);
        r->n_open++;
        return c;
}

static void call_free(struct call *c)
{
        struct requests *r = c->req.owner;

        if (c->cancelling)
                DL_DELETE2(r->cancelling, c, cancel_prev, cancel_next);
        quota_release(&r->quota, c->req.peer.uid, c->req.charged_bytes);
        arena_free(c->req.arena);
        r->n_open--;
        free(c);
}

static void follower_free(struct call *f)
{
        DL_DELETE(f->leader->req.followers, &f->req);
        call_free(f);
}

/* From here on the handler owns it. */
static void leader_run(struct requests *r, struct call *c)
{
        DL_APPEND(r->open, &c->req);
        if (*c->key)
                HASH_ADD_STR(r->by_key, key, c);
        r->handlers[c->req.method->id](r->daemon, &c->req);
}

struct request *request_free(struct request *req)
{
        struct requests *r;
        struct call *c;

        if (!req)
                return NULL;
        c = call_of(req);
        r = req->owner;
        assert(req->answered || !req->wire);
        assert(!req->followers);
        DL_DELETE(r->open, req);
        if (*c->key)
                HASH_DEL(r->by_key, c);
        call_free(c);
        return NULL;
}

/* --- a message arrives --- */

static int other_method(const char *request_id, const char *first, const struct method_desc *method, struct error *err)
{
        if (strcmp(first, method->name) == 0)
                return 0;
        return error_set(
                err, REASON_INVALID_ARGUMENT,
                "the request id \"%s\" was used for %s and cannot be used for %s: each request needs one of its own",
                request_id, first, method->name);
}

/* A repeat is answered, refused, or joins the leader; then *wire is NULL. Otherwise it is new. */
static void repeat(struct requests *r, struct call *c, struct transport_request **wire)
{
        struct error err = ERROR_NULL;
        const struct answer *answer;
        struct call *leader = NULL;

        if (!*c->key)
                return;
        answer = answers_find(r->answers, c->key);
        if (answer) {
                if (other_method(c->req.request_id, answer->method, c->req.method, &err) < 0)
                        refuse(TAKE(*wire), c->req.id, &err);
                else
                        wire_repeat(wire, c->req.id, answer->data, answer->len);
                call_free(c);
                return;
        }
        HASH_FIND_STR(r->by_key, c->key, leader);
        if (!leader)
                return;
        if (other_method(c->req.request_id, leader->req.method->name, c->req.method, &err) < 0) {
                refuse(TAKE(*wire), c->req.id, &err);
                call_free(c);
                return;
        }
        c->leader = leader;
        c->req.wire = TAKE(*wire);
        DL_APPEND(leader->req.followers, &c->req);
}

/* 0 and the decoded and charged request, or -1 with what to answer. */
static int admit(struct requests *r, const struct transport_peer *peer, const void *msg, size_t len,
                 struct arena *arena, struct rpc_request *ret, struct error *err)
{
        if (!arena)
                return error_set(err, REASON_NO_RESOURCES, "no memory for a request");
        if (rpc_request_decode(msg, len, arena, ret, err) < 0)
                return -1;
        if (access_check(&r->access, peer->uid, ret->method, err) < 0)
                return -1;
        if (!r->handlers[ret->method->id])
                return error_set(err, REASON_NOT_SUPPORTED, "%s is not supported by this daemon", ret->method->name);
        return quota_charge(&r->quota, peer->uid, len, err);
}

static void on_request(void *data, struct transport_request *wire, const struct transport_peer *peer, const void *msg,
                       size_t len)
{
        _cleanup_(arena_freep) struct arena *arena = arena_new();
        struct rpc_request decoded = { 0 };
        struct error err = ERROR_NULL;
        struct requests *r = data;
        struct call *c;

        if (admit(r, peer, msg, len, arena, &decoded, &err) < 0) {
                refuse(wire, decoded.id, &err);
                return;
        }
        c = call_new(r, peer, &arena, &decoded, len);
        if (!c) {
                quota_release(&r->quota, peer->uid, len);
                error_set(&err, REASON_NO_RESOURCES, "no memory for a request");
                refuse(wire, decoded.id, &err);
                return;
        }
        repeat(r, c, &wire);
        if (!wire)
                return;
        c->req.wire = wire;
        leader_run(r, c);
}

struct request *request_revive(struct requests *r, const struct method_desc *method, uid_t uid, const void *params)
{
        _cleanup_(arena_freep) struct arena *arena = arena_new();
        struct transport_peer peer = { .uid = uid };
        struct rpc_request decoded = { .method = method, .method_name = method->name };
        struct error err = ERROR_NULL;
        struct call *c;

        decoded.params = arena ? message_copy(method->params, params, arena) : NULL;
        if (!decoded.params || quota_charge(&r->quota, uid, 0, &err) < 0)
                return NULL;
        c = call_new(r, &peer, &arena, &decoded, 0);
        if (!c) {
                quota_release(&r->quota, uid, 0);
                return NULL;
        }
        DL_APPEND(r->open, &c->req);
        if (!*c->key) {
                request_free(&c->req);
                return NULL;
        }
        HASH_ADD_STR(r->by_key, key, c);
        return &c->req;
}

/* --- a connection ends --- */

static void wire_drop(struct request *req)
{
        if (req->wire)
                transport_drop(&req->wire);
}

static void followers_disconnect(struct request *leader, uint32_t connection)
{
        struct request *f, *next;

        DL_FOREACH_SAFE(leader->followers, f, next) {
                if (f->peer.connection != connection)
                        continue;
                wire_drop(f);
                follower_free(call_of(f));
        }
}

static void on_disconnected(void *data, const struct transport_peer *peer)
{
        struct requests *r = data;
        struct request *req;
        struct call *c;

        /* First mark, then call: on_cancel changes the list of open ones. */
        DL_FOREACH(r->open, req) {
                followers_disconnect(req, peer->connection);
                if (!req->wire || req->peer.connection != peer->connection)
                        continue;
                wire_drop(req);
                if (req->method->access != ACCESS_READ || !req->on_cancel)
                        continue;
                c = call_of(req);
                c->cancelling = true;
                DL_APPEND2(r->cancelling, c, cancel_prev, cancel_next);
        }
        while ((c = r->cancelling)) {
                DL_DELETE2(r->cancelling, c, cancel_prev, cancel_next);
                c->cancelling = false;
                c->req.on_cancel(&c->req);
        }
}

const struct transport_handlers requests_transport_handlers = {
        .request = on_request,
        .disconnected = on_disconnected,
};

/* --- a request is answered --- */

static void remember(struct call *c, const struct buf *response)
{
        const struct request *req = &c->req;
        struct requests *r = req->owner;
        const struct answer *kept;
        /* as container_key() has it */
        const char *owner = param_str(req->method, req->params, "owner"),
                   *ns = param_str(req->method, req->params, "ns");
        char container_key[3 * (LIMIT_ID + 1)];

        snprintf(container_key, sizeof(container_key), "%s/%s/%s", owner, *ns ? ns : "default",
                 param_str(req->method, req->params, "id"));
        kept = answers_put(r->answers, &(struct answer){ .request_id = c->key,
                                                         .method = req->method->name,
                                                         .answered_at = clock_realtime_ns(),
                                                         .data = buf_head(response),
                                                         .len = buf_len(response),
                                                         .container_key = container_key });
        if (kept && r->on_answer)
                r->on_answer(r->on_answer_data, kept);
}

static void finish(struct request **reqp, const void *result, const struct error *err)
{
        _cleanup_(buf_deinit) struct buf b = BUF_NULL;
        struct request *req = TAKE(*reqp), *f, *next;
        struct call *c = call_of(req);

        assert(!req->answered);
        req->answered = true;
        if (*c->key) {
                encode(&b, 0, req->method, result, err);
                if (buf_len(&b) > 0 && !(err && err->reason == REASON_UNAVAILABLE))
                        remember(c, &b);
                if (req->wire)
                        wire_repeat(&req->wire, req->id, buf_head(&b), buf_len(&b));
                DL_FOREACH_SAFE(req->followers, f, next) {
                        wire_repeat(&f->wire, f->id, buf_head(&b), buf_len(&b));
                        follower_free(call_of(f));
                }
        } else if (req->wire) {
                encode(&b, req->id, req->method, result, err);
                wire_send(&req->wire, &b);
        }
        request_free(req);
}

void request_reply(struct request **req, const void *result)
{
        finish(req, result, NULL);
}

void request_fail(struct request **req, const struct error *err)
{
        finish(req, NULL, err);
}

void request_fail_reason(struct request **req, enum reason reason, const char *fmt, ...)
{
        struct error err = { .reason = (int)reason };
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(err.message, sizeof(err.message), fmt, ap);
        va_end(ap);
        finish(req, NULL, &err);
}

/* --- life --- */

int requests_new(struct requests **ret, struct daemon *d, const request_handler handlers[METHOD_N],
                 const struct requests_options *options)
{
        _cleanup_(requests_freep) struct requests *r = calloc(1, sizeof(*r));

        if (!r)
                return -ENOMEM;
        r->daemon = d;
        memcpy(r->handlers, handlers, sizeof(r->handlers));
        r->quota = QUOTA_INIT(options->max_open_per_uid, options->max_open_bytes_per_uid);
        r->answers = answers_new(options->max_answers);
        if (!r->answers)
                return -ENOMEM;
        if (access_list_init(&r->access, options->write_uids, options->n_write_uids) < 0)
                return -ENOMEM;
        *ret = TAKE(r);
        return 0;
}

struct requests *requests_free(struct requests *r)
{
        struct request *req, *f, *next;

        if (!r)
                return NULL;
        while ((req = r->open)) {
                DL_FOREACH_SAFE(req->followers, f, next) {
                        wire_drop(f);
                        follower_free(call_of(f));
                }
                wire_drop(req);
                if (req->on_cancel)
                        req->on_cancel(req);
                else
                        request_free(req);
                assert(r->open != req);
        }
        answers_free(r->answers);
        access_list_deinit(&r->access);
        quota_deinit(&r->quota);
        free(r);
        return NULL;
}

size_t requests_n_open(const struct requests *r)
{
        return r->n_open;
}

int requests_restore_answer(struct requests *r, const struct answer *answer)
{
        return answers_put(r->answers, answer) || answers_max(r->answers) == 0 ? 0 : -ENOMEM;
}

void requests_each_answer(struct requests *r, const char *container_key, unsigned max,
                          void (*fn)(void *data, const struct answer *answer), void *data)
{
        answers_each(r->answers, container_key, max, fn, data);
}

void requests_on_answer(struct requests *r, void (*fn)(void *data, const struct answer *answer), void *data)
{
        r->on_answer = fn;
        r->on_answer_data = data;
}
