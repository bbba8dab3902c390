/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client: a list of open calls in the order of their submission, and one connection over which those that were not
 * yet sent on it are sent. `unsent` splits the list: what is before it is on the wire of the present connection. A
 * lost connection only moves the split to the front: everything is sent again. A call ends in one place, finish().
 */
#include "config.h"
#include "client/client.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#define HASH_NONFATAL_OOM 1 /* a library does not exit */
#include <uthash.h>
#include <utlist.h>
#include "base/clock.h"
#include "client/frame.h"
#include "client/link.h"
#include "proto/codec.h"

#define NEVER UINT64_MAX
#define SEND_AHEAD 65536U                /* bytes that are framed before the socket takes them */
#define REPLY_MAX (64U * 1024 * 1024)    /* bytes of an answer: a list may be longer than any request */
#define IN_KEEP (4U * 65536U)            /* a larger input buffer is freed once it is empty */

struct call {
        uint64_t number;
        uint32_t wire_id;
        const struct method_desc *method; /* NULL: unknown, and `error` is set */
        struct buf payload;
        uint64_t deadline;
        bool was_sent;
        const struct error *error; /* set: over, to be told in the next process */
        sandboxd_reply_fn fn;
        void *data;
        struct call *prev, *next;
        UT_hash_handle hh; /* by wire_id */
};

struct sandboxd_client {
        struct link link;
        struct call *calls;   /* in order of submission */
        struct call *by_id;
        struct call *unsent;  /* the first one that is not yet sent on this connection */
        uint64_t last_number;
        uint64_t next_deadline; /* not after the earliest one */
        unsigned n_over;        /* calls with an error */
        uint64_t down_since;    /* 0: not down, or not needed */
        int patience_ms;
        struct error why_down; /* of the last try in vain */
        bool in_callback;
};

static const struct error no_memory = { .reason = REASON_NO_RESOURCES, .message = "out of memory" };

static struct call *call_free(struct call *call)
{
        if (!call)
                return NULL;
        if (call->error != &no_memory)
                free((void *)call->error);
        buf_deinit(&call->payload);
        free(call);
        return NULL;
}
DEFINE_CLEANUP(struct call *, call_free)

static void call_remove(struct sandboxd_client *c, struct call *call)
{
        if (c->unsent == call)
                c->unsent = call->next;
        if (call->error)
                c->n_over--;
        HASH_DEL(c->by_id, call);
        DL_DELETE(c->calls, call);
}

/* The call is over; its callback hears of it in the same or the next process. */
static void call_fail(struct sandboxd_client *c, struct call *call, const struct error *why)
{
        struct error *copy;

        if (call->error)
                return;
        copy = malloc(sizeof(*copy));
        if (copy)
                *copy = *why;
        call->error = copy ? copy : &no_memory;
        c->n_over++;
}

struct sandboxd_client *sandboxd_client_new(const char *path)
{
        struct sandboxd_client *c = calloc(1, sizeof(*c));

        if (!c)
                return NULL;
        if (link_init(&c->link, path ? path : SANDBOXD_SOCKET_DEFAULT) < 0) {
                free(c);
                errno = ENAMETOOLONG;
                return NULL;
        }
        c->patience_ms = 2000;
        c->next_deadline = NEVER;
        return c;
}

struct sandboxd_client *sandboxd_client_free(struct sandboxd_client *c)
{
        struct call *call, *next;

        if (!c)
                return NULL;
        HASH_CLEAR(hh, c->by_id);
        DL_FOREACH_SAFE(c->calls, call, next)
                call_free(call);
        link_deinit(&c->link);
        free(c);
        return NULL;
}

void sandboxd_client_set_patience(struct sandboxd_client *c, int ms)
{
        c->patience_ms = ms;
}

/* --- replies --- */

void sandboxd_reply_clear(struct sandboxd_reply *reply)
{
        arena_free(reply->memory);
        *reply = (struct sandboxd_reply)SANDBOXD_REPLY_NULL;
}

static void reply_error(struct sandboxd_reply *reply, const struct error *why, int code)
{
        struct arena *a = arena_new();
        char *message = a ? arena_strdup(a, why->message) : NULL;

        *reply = (struct sandboxd_reply){.reason = why->reason,
                                         .code = code,
                                         .message = message && *message ? message : reason_text(why->reason),
                                         .memory = a};
}

static void reply_read(struct sandboxd_reply *reply, const struct call *call, const struct frame *frame)
{
        struct arena *a = arena_new();
        struct rpc_response response = { 0 };
        struct error err = ERROR_NULL;

        if (!a) {
                reply_error(reply, &no_memory, CODE_RESOURCE_EXHAUSTED);
                return;
        }
        if (rpc_response_decode(frame->payload, frame->len, call->method, a, &response, &err) < 0) {
                error_wrap(&err, "cannot read the daemon's answer to %s", call->method->name);
                if (err.reason != REASON_NO_RESOURCES)
                        err.reason = REASON_INTERNAL;
                reply_error(reply, &err, (int)reason_code((enum reason)err.reason));
                arena_free(a);
        } else if (error_is_set(&response.error)) {
                reply_error(reply, &response.error, response.code);
                arena_free(a);
        } else {
                *reply = (struct sandboxd_reply){ .message = "", .result = response.result, .memory = a };
        }
}

static void finish(struct sandboxd_client *c, struct call *call_in, struct sandboxd_reply *reply)
{
        _cleanup_(call_freep) struct call *call = call_in;

        call_remove(c, call);
        c->in_callback = true;
        call->fn(call->data, reply);
        c->in_callback = false;
        sandboxd_reply_clear(reply);
}

/* --- submission --- */

/* A request that changes something has a request id, so that it may be repeated. */
static void set_request_id(const struct message_desc *desc, void *params, char text[33])
{
        for (size_t i = 0; i < desc->n_fields; i++) {
                const char **value = (const char **)(void *)((char *)params + desc->fields[i].offset);
                uint8_t random[16];

                if (strcmp(desc->fields[i].name, "request_id") != 0)
                        continue;
                if (*value && **value)
                        return;
                if (getrandom(random, sizeof(random), 0) != sizeof(random))
                        return; /* cannot happen (getrandom(2)); without an id the request is just not safe to repeat */
                for (size_t k = 0; k < sizeof(random); k++)
                        snprintf(text + 2 * k, 3, "%02x", random[k]);
                *value = text;
                return;
        }
}

static int encode(struct call *call, const void *params, struct error *err)
{
        const struct message_desc *desc = call->method->params;
        _cleanup_(freep) void *copy = calloc(1, desc->size > 0 ? desc->size : 1);
        char request_id[33];

        if (!copy)
                return error_copy(err, &no_memory);
        if (params)
                memcpy(copy, params, desc->size);
        set_request_id(desc, copy, request_id);
        if (rpc_request_encode(call->wire_id, call->method, copy, &call->payload, err) < 0)
                return -1;
        if (FRAME_ID + buf_len(&call->payload) > LIMIT_MESSAGE)
                return error_set(err, REASON_TOO_LARGE, "the request %s has %zu bytes, and a message may have %u",
                                 call->method->name, buf_len(&call->payload), (unsigned)LIMIT_MESSAGE - FRAME_ID);
        return 0;
}

static void take_number(struct sandboxd_client *c, struct call *call)
{
        struct call *other;

        do { /* a call may stay open while 2^31 others come and go */
                call->number = ++c->last_number;
                call->wire_id = FRAME_ID_BIT | (uint32_t)call->number;
                HASH_FIND(hh, c->by_id, &call->wire_id, sizeof(call->wire_id), other);
        } while (other);
}

uint64_t sandboxd_submit(struct sandboxd_client *c, int method, const void *params, int timeout_ms,
                         sandboxd_reply_fn fn, void *data)
{
        struct call *call = calloc(1, sizeof(*call));
        struct error err = ERROR_NULL;

        if (!call) {
                errno = ENOMEM;
                return 0;
        }
        call->fn = fn;
        call->data = data;
        call->deadline = timeout_ms < 0 ? NEVER : clock_monotonic_ns() + (uint64_t)timeout_ms * NSEC_PER_MSEC;
        take_number(c, call);
        HASH_ADD(hh, c->by_id, wire_id, sizeof(call->wire_id), call);
        if (!call->hh.tbl) {
                call_free(call);
                errno = ENOMEM;
                return 0;
        }
        DL_APPEND(c->calls, call);
        if (!c->unsent)
                c->unsent = call;
        if (call->deadline < c->next_deadline)
                c->next_deadline = call->deadline;

        if (method < 0 || method >= METHOD_N) {
                error_set(&err, REASON_INVALID_ARGUMENT, "there is no method %d", method);
                call_fail(c, call, &err);
                return call->number;
        }
        call->method = &method_table[method];
        if (encode(call, params, &err) < 0)
                call_fail(c, call, &err);
        return call->number;
}

void sandboxd_cancel(struct sandboxd_client *c, uint64_t number)
{
        uint32_t wire_id = FRAME_ID_BIT | (uint32_t)number;
        struct call *call;

        HASH_FIND(hh, c->by_id, &wire_id, sizeof(wire_id), call);
        if (!call || call->number != number)
                return;
        call_remove(c, call);
        call_free(call);
}

unsigned sandboxd_client_open_calls(const struct sandboxd_client *c)
{
        return HASH_COUNT(c->by_id);
}

/* --- the connection --- */

static bool connection_needed(const struct sandboxd_client *c)
{
        return HASH_COUNT(c->by_id) > c->n_over;
}

static void lost(struct sandboxd_client *c, uint64_t now)
{
        link_down(&c->link, now);
        c->unsent = c->calls;
        if (c->down_since == 0 && connection_needed(c))
                c->down_since = now;
}

static bool patience_over(const struct sandboxd_client *c, uint64_t now)
{
        return c->patience_ms >= 0 && now - c->down_since >= (uint64_t)c->patience_ms * NSEC_PER_MSEC;
}

static void give_up(struct sandboxd_client *c, const struct error *why)
{
        struct call *call;

        DL_FOREACH(c->calls, call)
                call_fail(c, call, why);
        c->down_since = 0;
}

static void try_connect(struct sandboxd_client *c, uint64_t now)
{
        if (c->down_since == 0)
                c->down_since = now;
        if (link_up(&c->link, now, &c->why_down) < 0 && patience_over(c, now))
                give_up(c, &c->why_down);
}

static void hung_up(struct sandboxd_client *c, uint64_t now)
{
        struct error err = ERROR_NULL;

        lost(c, now);
        if (c->link.failures == 0 || !connection_needed(c) || !patience_over(c, now))
                return;
        error_set(&err, REASON_UNAVAILABLE, "what listens at %s hangs up without an answer", c->link.address.sun_path);
        give_up(c, &err);
}

/* The peer does not speak our protocol. To send everything again would have the same end. */
static void refuse_peer(struct sandboxd_client *c, uint64_t now, const char *what)
{
        struct error err = ERROR_NULL;

        error_set(&err, REASON_INTERNAL, "what listens at %s %s: it is not a sandboxd of this protocol",
                  c->link.address.sun_path, what);
        lost(c, now);
        give_up(c, &err);
}

static void take_frame(struct sandboxd_client *c, const struct frame *frame)
{
        struct sandboxd_reply reply = SANDBOXD_REPLY_NULL;
        struct call *call;

        c->link.good = true;
        c->down_since = 0;
        c->why_down.reason = REASON_NONE;
        HASH_FIND(hh, c->by_id, &frame->id, sizeof(frame->id), call);
        if (call && !call->error)
                reply_read(&reply, call, frame);
        else
                call = NULL; /* cancelled, or over its deadline */
        buf_consume(&c->link.in, frame->size);
        if (call)
                finish(c, call, &reply);
}

static void receive(struct sandboxd_client *c, uint64_t now)
{
        int r = link_read(&c->link);
        struct frame frame;

        if (!c->link.greeted) {
                int greeted = frame_greeted(&c->link.in, FRAME_PROTOCOL_REP);

                if (greeted < 0) {
                        refuse_peer(c, now, "does not greet as one");
                        return;
                }
                c->link.greeted = greeted > 0;
        }
        while (c->link.greeted) {
                int whole = frame_next(&c->link.in, REPLY_MAX, &frame);

                if (whole < 0) {
                        refuse_peer(c, now, "sent what is not a reply");
                        return;
                }
                if (whole == 0)
                        break;
                take_frame(c, &frame);
        }
        if (buf_len(&c->link.in) == 0 && c->link.in.size > IN_KEEP)
                buf_deinit(&c->link.in);
        if (r < 0)
                hung_up(c, now);
}

static void transmit(struct sandboxd_client *c, uint64_t now)
{
        do {
                for (; c->unsent && buf_len(&c->link.out) < SEND_AHEAD; c->unsent = c->unsent->next) {
                        if (c->unsent->error)
                                continue;
                        c->unsent->was_sent = true;
                        frame_append(&c->link.out, c->unsent->wire_id, buf_head(&c->unsent->payload),
                                     buf_len(&c->unsent->payload));
                }
                if (link_write(&c->link) < 0) { /* answers that are not yet read come again */
                        hung_up(c, now);
                        return;
                }
        } while (c->unsent && buf_len(&c->link.out) == 0);
}

static void expire(struct sandboxd_client *c, uint64_t now)
{
        struct error err = ERROR_NULL;
        struct call *call;

        if (now < c->next_deadline)
                return;
        c->next_deadline = NEVER;
        DL_FOREACH(c->calls, call) {
                if (call->error)
                        continue;
                if (call->deadline > now) {
                        if (call->deadline < c->next_deadline)
                                c->next_deadline = call->deadline;
                        continue;
                }
                error_set(&err, REASON_DEADLINE, "sandboxd did not answer %s in time", call->method->name);
                call_fail(c, call,
                          !call->was_sent && c->link.fd < 0 && error_is_set(&c->why_down) ? &c->why_down : &err);
        }
}

static void tell_failed(struct sandboxd_client *c)
{
        struct sandboxd_reply reply;
        struct call *call;

        while (c->n_over > 0) {
                for (call = c->calls; !call->error; call = call->next)
                        ;
                reply_error(&reply, call->error, (int)reason_code((enum reason)call->error->reason));
                finish(c, call, &reply);
        }
}

int sandboxd_client_fd(const struct sandboxd_client *c)
{
        return c->link.fd;
}

short sandboxd_client_events(const struct sandboxd_client *c)
{
        if (c->link.fd < 0)
                return 0;
        return (short)(POLLIN | (buf_len(&c->link.out) > 0 || c->unsent ? POLLOUT : 0));
}

int sandboxd_client_timeout(const struct sandboxd_client *c)
{
        uint64_t now = clock_monotonic_ns(), until = c->next_deadline, ms;

        if (c->n_over > 0)
                return 0;
        if (c->link.fd < 0 && connection_needed(c) && c->link.retry_at < until)
                until = c->link.retry_at;
        if (until == NEVER)
                return -1;
        if (until <= now)
                return 0;
        ms = (until - now + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC;
        return ms < INT_MAX ? (int)ms : INT_MAX;
}

void sandboxd_client_process(struct sandboxd_client *c, short revents)
{
        uint64_t now = clock_monotonic_ns();

        if (c->link.fd >= 0 && revents & (POLLIN | POLLHUP | POLLERR))
                receive(c, now);
        else if (c->link.fd < 0 && connection_needed(c) && now >= c->link.retry_at)
                try_connect(c, now);
        if (c->link.fd >= 0)
                transmit(c, now);
        expire(c, now);
        tell_failed(c);
}

/* --- the blocking form --- */

struct waiting {
        struct sandboxd_reply *reply;
        bool done;
};

static void keep_reply(void *data, struct sandboxd_reply *reply)
{
        struct waiting *w = data;

        *w->reply = *reply;
        *reply = (struct sandboxd_reply)SANDBOXD_REPLY_NULL;
        w->done = true;
}

int sandboxd_call(struct sandboxd_client *c, int method, const void *params, int timeout_ms,
                  struct sandboxd_reply *reply)
{
        struct waiting w = { .reply = reply };
        struct error nested = { .reason = REASON_INVALID_ARGUMENT, .message = "a blocking call from a callback" };

        sandboxd_reply_clear(reply);
        if (c->in_callback) {
                reply_error(reply, &nested, CODE_INVALID_ARGUMENT);
                return -1;
        }
        if (sandboxd_submit(c, method, params, timeout_ms, keep_reply, &w) == 0) {
                reply_error(reply, &no_memory, CODE_RESOURCE_EXHAUSTED);
                return -1;
        }
        sandboxd_client_process(c, 0);
        while (!w.done) {
                struct pollfd p = { .fd = sandboxd_client_fd(c), .events = sandboxd_client_events(c) };
                int r = poll(&p, 1, sandboxd_client_timeout(c));

                sandboxd_client_process(c, r > 0 ? p.revents : 0);
        }
        return reply->reason == 0 ? 0 : -1;
}

/* --- names --- */

const char *sandboxd_reason_name(int reason)
{
        return reason_name((enum reason)reason);
}

const char *sandboxd_method_name(int method)
{
        return method >= 0 && method < METHOD_N ? method_table[method].name : NULL;
}

const char *sandboxd_version(void)
{
        return PACKAGE_VERSION;
}
