/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A request is read in two steps, the envelope and the message in it; then the method's row says what to ask of whom.
 * Every path ends in one frame on the call's stream: the answer of the row, an error, or an answer that would be too
 * large.
 */

#include "client/shim/call.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>
#include "base/clock.h"
#include "client/shim/front.h"

#define EVEN_STREAM "StreamID must be odd for client initiated streams"
#define OLD_STREAM "StreamID cannot be re-used and must increment"

struct call *call_free(struct call *call)
{
        if (!call)
                return NULL;
        if (call->rpc)
                rpc_cancel(&call->conn->front->rpc, call->rpc);
        if (call->waiter)
                waits_cancel(call->waiter);
        if (call->message)
                protobuf_c_message_free_unpacked(call->message, NULL);
        free(call->ns);
        free(call);
        return NULL;
}

/* r < 0: the answer is not in the buffer. A call that cannot be answered at all costs the connection. */
static void end(struct call *call, int r)
{
        struct conn *conn = call->conn;

        if (r == -EMSGSIZE)
                r = ttrpc_append_error(&conn->out, call->stream, CODE_RESOURCE_EXHAUSTED,
                                       "the answer is larger than a message may be");
        if (r < 0)
                conn->out.failed = true;
        call_drop(call);
        conn_answered(conn);
}

static void end_error(struct call *call, int reason, int code, const char *message)
{
        struct task_answered to = { &call->conn->out, call->stream };

        end(call, call->method->forgive && call->method->forgive(&to, reason)
                          ? 0
                          : task_answer_error(&to, call->method, reason, code, message));
}

/* --- sandboxd's answers --- */

static const char *id_of(const struct call *call)
{
        const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field(call->method->message, 1);

        return *(const char *const *)(const void *)((const char *)call->message + field->offset);
}

static bool in_time(const struct call *call)
{
        return call->deadline == 0 || clock_monotonic_ns() < call->deadline;
}

static void on_reply(void *data, struct sandboxd_reply *reply)
{
        struct call *call = data;
        struct task_answered to = { &call->conn->out, call->stream };

        call->rpc = 0;
        if (reply->reason == REASON_UNAVAILABLE && in_time(call)) {
                call->again = true;
                front_again(call->conn->front);
                return;
        }
        if (call->method->ends_waits)
                waits_look(&call->conn->front->waits, call->ns, id_of(call));
        if (reply->result)
                end(call, call->method->answer(&to, reply->result));
        else
                end_error(call, reply->reason, reply->code, reply->message);
}

static void on_end(void *data, const struct wait_end *e)
{
        struct call *call = data;
        struct task_answered to = { &call->conn->out, call->stream };
        struct exit_result result = { .exit_status = e->exit_status, .exited_at = e->exited_at };

        call->waiter = NULL;
        if (error_is_set(&e->error))
                end_error(call, e->error.reason, e->code, e->error.message);
        else
                end(call, call->method->answer(&to, &result));
}

/* --- asking --- */

static int timeout_ms(const struct call *call)
{
        uint64_t now = clock_monotonic_ns(), ms;

        if (call->deadline == 0)
                return -1;
        if (call->deadline <= now)
                return 0;
        ms = (call->deadline - now + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC;
        return ms < INT32_MAX ? (int)ms : -1;
}

static void ask_wait(struct call *call, const struct target *target)
{
        struct error err = ERROR_NULL;
        uint64_t now = clock_monotonic_ns();

        if (id_check(target->ns, "namespace", &err) < 0 || id_check(target->id, "container id", &err) < 0 ||
            (target->exec_id[0] && id_check(target->exec_id, "exec id", &err) < 0)) {
                end_error(call, err.reason, CODE_INVALID_ARGUMENT, err.message);
                return;
        }
        call->waiter = waits_add(&call->conn->front->waits, target->ns, target->id, target->exec_id,
                                 call->deadline == 0    ? 0
                                 : call->deadline > now ? call->deadline - now
                                                        : 1,
                                 on_end, call);
        if (!call->waiter)
                end_error(call, REASON_NO_RESOURCES, CODE_RESOURCE_EXHAUSTED, "no memory for another Wait");
}

static void ask(struct call *call)
{
        _cleanup_(arena_freep) struct arena *a = arena_new();
        char request_id[LIMIT_REQUEST_ID];
        struct task_asked asked = { call->conn->front->owner, call->ns, request_id, a };
        struct task_answered to = { &call->conn->out, call->stream };
        union task_params params;
        struct error err = ERROR_NULL;
        int r = 1;

        snprintf(request_id, sizeof(request_id), "%s-%u", call->conn->name, call->stream);
        if (!a) {
                end_error(call, REASON_NO_RESOURCES, CODE_RESOURCE_EXHAUSTED, "no memory for the request");
                return;
        }
        if (call->method->kind != TASK_ACK)
                r = call->method->ask(&asked, call->message, &params, &err);
        if (r < 0) {
                end_error(call, err.reason, (int)reason_code((enum reason)err.reason), err.message);
        } else if (r > 0) {
                end(call, task_answer_empty(&to));
        } else if (call->method->kind == TASK_WAIT) {
                ask_wait(call, &params.target);
        } else {
                call->rpc = rpc_submit(&call->conn->front->rpc, call->method->method, &params, timeout_ms(call),
                                       on_reply, call);
                if (!call->rpc)
                        end_error(call, REASON_NO_RESOURCES, CODE_RESOURCE_EXHAUSTED, "no memory for the request");
        }
}

void call_repeat(struct call *call)
{
        call->again = false;
        ask(call);
}

/* --- requests --- */

static const struct task_method *find_method(const Ttrpc__Request *request, char *why, size_t size)
{
        const struct task_method *method = task_find(request->method);

        if (strcmp(request->service, TASK_SERVICE_V2) != 0 && strcmp(request->service, TASK_SERVICE_V3) != 0) {
                snprintf(why, size, "service %s", request->service);
                return NULL;
        }
        if (!method)
                snprintf(why, size, "method %s", request->method);
        return method;
}

static void refuse(struct conn *conn, uint32_t stream, int code, const char *message)
{
        ttrpc_append_error(&conn->out, stream, code, message);
        conn_answered(conn);
}

static void begin(struct conn *conn, uint32_t stream, const Ttrpc__Request *request)
{
        _cleanup_(call_freep) struct call *call = calloc(1, sizeof(*call));
        const char *ns = ttrpc_metadata(request, TASK_NAMESPACE_KEY);
        char why[256];

        if (!call) {
                refuse(conn, stream, CODE_RESOURCE_EXHAUSTED, "no memory for the request");
                return;
        }
        call->conn = conn;
        call->stream = stream;
        call->method = find_method(request, why, sizeof(why));
        if (!call->method) {
                refuse(conn, stream, CODE_UNIMPLEMENTED, why);
                return;
        }
        call->message =
                protobuf_c_message_unpack(call->method->message, NULL, request->payload.len, request->payload.data);
        if (!call->message) {
                refuse(conn, stream, CODE_INVALID_ARGUMENT, "the request's message cannot be read: invalid argument");
                return;
        }
        call->ns = strdup(ns && *ns ? ns : call->conn->front->ns);
        if (!call->ns) {
                refuse(conn, stream, CODE_RESOURCE_EXHAUSTED, "no memory for the request");
                return;
        }
        if (request->timeout_nano > 0)
                call->deadline = clock_monotonic_ns() + (uint64_t)request->timeout_nano;
        DL_APPEND(conn->calls, call);
        if (conn->front->restoring)
                TAKE(call)->again = true;
        else
                ask(TAKE(call));
}

void call_begin_again(struct conn *conn, const struct ttrpc_frame *frame)
{
        Ttrpc__Request *request = ttrpc__request__unpack(NULL, frame->len, frame->data);

        if (!request) {
                refuse(conn, frame->stream, CODE_INVALID_ARGUMENT, "the request cannot be read: invalid argument");
                return;
        }
        begin(conn, frame->stream, request);
        ttrpc__request__free_unpacked(request, NULL);
}

void call_begin(struct conn *conn, const struct ttrpc_frame *frame)
{
        if (frame->stream % 2 == 0) {
                refuse(conn, frame->stream, CODE_INVALID_ARGUMENT, EVEN_STREAM);
                return;
        }
        if (frame->stream <= conn->last_stream) {
                refuse(conn, frame->stream, CODE_INVALID_ARGUMENT, OLD_STREAM);
                return;
        }
        conn->last_stream = frame->stream;
        call_begin_again(conn, frame);
}

/* --- over the front's own restart --- */

struct call *call_find(struct conn *conn, uint32_t stream)
{
        struct call *call;

        DL_FOREACH(conn->calls, call)
                if (call->stream == stream)
                        return call;
        return NULL;
}

void call_drop(struct call *call)
{
        DL_DELETE(call->conn->calls, call);
        call_free(call);
}

int call_pack(const struct call *call, struct buf *ret)
{
        uint64_t now = clock_monotonic_ns();
        struct ttrpc_call c = {
                .service = TASK_SERVICE_V2,
                .method = call->method->name,
                .payload = call->message,
                .metadata_key = TASK_NAMESPACE_KEY,
                .metadata_value = call->ns,
        };

        if (call->deadline > 0)
                c.timeout_ns = call->deadline > now ? call->deadline - now : 1;
        return ttrpc_append_request(ret, call->stream, &c);
}
