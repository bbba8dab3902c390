/* SPDX-License-Identifier: Apache-2.0 */
/* The codec: every message survives the way there and back, and everything that is not a message is refused. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "tests/lib/fill.h"

#define ROUNDS 200

static void round_trip_messages(void **state)
{
        struct fill fill = { .seed = 0x5a6d };

        for (const struct message_desc *const *desc = message_table; *desc; desc++) {
                for (unsigned i = 0; i < ROUNDS; i++) {
                        _cleanup_(arena_freep) struct arena *a = arena_new();
                        _cleanup_(buf_deinit) struct buf b = BUF_NULL;
                        struct error err = ERROR_NULL;
                        void *msg, *copy, *decoded;

                        fill.full = i == 0;
                        msg = fill_message(&fill, *desc, a);
                        assert_non_null(msg);
                        if (message_encode(*desc, msg, &b, &err) < 0 ||
                            message_decode(*desc, buf_head(&b), buf_len(&b), a, &decoded, &err) < 0)
                                fail_msg("%s: %s", (*desc)->name, err.message);
                        assert_null(message_difference(*desc, msg, decoded));
                        copy = message_copy(*desc, msg, a);
                        assert_non_null(copy);
                        assert_null(message_difference(*desc, decoded, copy));
                }
        }
}

static void round_trip_requests(void **state)
{
        struct fill fill = { .seed = 77 };

        for (unsigned m = 0; m < METHOD_N; m++) {
                const struct method_desc *method = &method_table[m];

                for (unsigned i = 0; i < ROUNDS; i++) {
                        _cleanup_(arena_freep) struct arena *a = arena_new();
                        _cleanup_(buf_deinit) struct buf request = BUF_NULL, response = BUF_NULL;
                        void *params = fill_message(&fill, method->params, a);
                        void *result = fill_message(&fill, method->result, a);
                        uint32_t id = (uint32_t)fill_random(&fill), peeked;
                        struct error err = ERROR_NULL;
                        struct rpc_request req;
                        struct rpc_response res;

                        assert_int_equal(rpc_request_encode(id, method, params, &request, &err), 0);
                        assert_int_equal(rpc_request_decode(buf_head(&request), buf_len(&request), a, &req, &err), 0);
                        assert_int_equal(req.id, id);
                        assert_ptr_equal(req.method, method);
                        assert_string_equal(req.method_name, method->name);
                        assert_null(message_difference(method->params, params, req.params));

                        assert_int_equal(rpc_response_encode(id, method->result, result, &response, &err), 0);
                        assert_int_equal(rpc_response_peek_id(buf_head(&response), buf_len(&response), &peeked), 0);
                        assert_int_equal(peeked, id);
                        assert_int_equal(rpc_response_peek_id(buf_head(&request), buf_len(&request), &peeked), -1);
                        assert_int_equal(
                                rpc_response_decode(buf_head(&response), buf_len(&response), method, a, &res, &err), 0);
                        assert_int_equal(res.id, id);
                        assert_int_equal(res.error.reason, REASON_NONE);
                        assert_null(message_difference(method->result, result, res.result));
                }
        }
}

static void round_trip_errors(void **state)
{
        for (unsigned r = REASON_NONE + 1; r < REASON_N; r++) {
                _cleanup_(arena_freep) struct arena *a = arena_new();
                _cleanup_(buf_deinit) struct buf b = BUF_NULL;
                struct error error = ERROR_NULL, err = ERROR_NULL;
                struct rpc_response res;

                error_set(&error, (int)r, "it went wrong: \xff\xc3\xa9");
                assert_int_equal(rpc_response_encode_error(r, &error, &b), 0);
                assert_int_equal(
                        rpc_response_decode(buf_head(&b), buf_len(&b), &method_table[METHOD_INFO], a, &res, &err), 0);
                assert_int_equal(res.id, r);
                assert_int_equal(res.error.reason, r);
                assert_int_equal(res.code, reason_code((enum reason)r));
                assert_string_equal(res.error.message, "it went wrong: ?\xc3\xa9");
                assert_null(res.result);
        }
}

/* Many times: a cut message is never read as a whole one, nor beyond its end (which the sanitizers see). */
static void cut_anywhere(void **state)
{
        struct fill fill = { .seed = 4711, .full = true };
        _cleanup_(arena_freep) struct arena *a = arena_new();
        _cleanup_(buf_deinit) struct buf b = BUF_NULL;
        const struct method_desc *method = &method_table[METHOD_CREATE];
        struct error err = ERROR_NULL;
        struct rpc_request req;

        assert_int_equal(rpc_request_encode(9, method, fill_message(&fill, method->params, a), &b, &err), 0);
        for (size_t n = 0; n < buf_len(&b); n++) {
                _cleanup_(freep) void *copy = malloc(n ? n : 1);

                memcpy(copy, buf_head(&b), n);
                assert_int_equal(rpc_request_decode(copy, n, a, &req, &err), -1);
                assert_int_equal(err.reason, REASON_MALFORMED);
                assert_int_equal(req.id, n < 3 ? 0 : 9);
        }
}

struct refusal {
        const char *what;
        const char *bytes;
        size_t len;
        enum reason reason;
        uint32_t id;
        const char *message; /* part of it */
};
#define BYTES(s) s, sizeof(s) - 1
#define HEAD "\x94\x00\x07"      /* [0, 7, */
#define STATE HEAD "\xa5state"   /* "state", */
#define KILL HEAD "\xa4kill"
#define EXEC HEAD "\xa4" "exec"
#define CREATE HEAD "\xa6" "create"

static const struct refusal refusals[] = {
        { "nothing", BYTES(""), REASON_MALFORMED, 0, "array of type, id" },
        { "no array", BYTES("\x80"), REASON_MALFORMED, 0, "array of type, id" },
        { "array of 3", BYTES("\x93\x00\x07\xa4info"), REASON_MALFORMED, 0, "array of type, id" },
        { "array of 5", BYTES("\x95\x00\x07\xa4info\x80\x80"), REASON_MALFORMED, 0, "array of type, id" },
        { "id too large", BYTES("\x94\x00\xcf\0\0\0\1\0\0\0\0\xa4info\x80"), REASON_MALFORMED, 0, "array of type, id" },
        { "id negative", BYTES("\x94\x00\xff\xa4info\x80"), REASON_MALFORMED, 0, "array of type, id" },
        { "type response", BYTES("\x94\x01\x07\xc0\x80"), REASON_MALFORMED, 7, "is of type 1, not 0" },
        { "type notification", BYTES("\x94\x02\x07\xa4info\x80"), REASON_MALFORMED, 7, "is of type 2, not 0" },
        { "method no text", BYTES(HEAD "\x01\x80"), REASON_MALFORMED, 7, "method's name" },
        { "method not UTF-8", BYTES(HEAD "\xa1\xff\x80"), REASON_MALFORMED, 7, "method's name" },
        { "method as bin", BYTES(HEAD "\xc4\x04info\x80"), REASON_MALFORMED, 7, "method's name" },
        { "unknown method", BYTES(HEAD "\xa4nope\x80"), REASON_UNKNOWN_METHOD, 7, "\"nope\"" },
        { "empty method", BYTES(HEAD "\xa0\x80"), REASON_UNKNOWN_METHOD, 7, "\"\"" },
        { "params no map", BYTES(HEAD "\xa4info\x90"), REASON_INVALID_ARGUMENT, 7, "info: must be a map" },
        { "params nil", BYTES(HEAD "\xa4info\xc0"), REASON_INVALID_ARGUMENT, 7, "info: must be a map" },
        { "trailing byte", BYTES(HEAD "\xa4info\x80\xc0"), REASON_MALFORMED, 7, "1 bytes follow" },
        { "unused type", BYTES(HEAD "\xa4info\xc1"), REASON_MALFORMED, 7, "byte 0xc1" },
        { "extension type", BYTES(HEAD "\xa4info\xd4\x01\x01"), REASON_MALFORMED, 7, "byte 0xd4" },
        { "ext 32", BYTES(HEAD "\xa4info\xc9\xff\xff\xff\xff\x01"), REASON_MALFORMED, 7, "byte 0xc9" },
        { "array of 2^32", BYTES(HEAD "\xa4info\xdd\xff\xff\xff\xff"), REASON_MALFORMED, 7, "claims 4294967295" },
        { "map of 2^32", BYTES(HEAD "\xa4info\xdf\xff\xff\xff\xff"), REASON_MALFORMED, 7, "claims 8589934590" },
        { "str of 2^32",
          BYTES(HEAD "\xdb\xff\xff\xff\xff"
                     "a"),
          REASON_MALFORMED, 7, "ends at byte" },
        { "bin of 2^32", BYTES(EXEC "\x81\xa4spec\xc6\xff\xff\xff\xff{}"), REASON_MALFORMED, 7, "ends at byte" },
        { "half a number", BYTES(HEAD "\xa4info\xcf\x00\x00"), REASON_MALFORMED, 7, "ends at byte" },
        { "depth 9", BYTES(HEAD "\xa4info\x91\x91\x91\x91\x91\x91\x91\x91\x90"), REASON_MALFORMED, 7, "deeper than 8" },
        { "unknown field", BYTES(STATE "\x82\xa2id\xa1x\xa3xyz\x01"), REASON_INVALID_ARGUMENT, 7,
          "no field \"xyz\" in target" },
        { "field of empty", BYTES(HEAD "\xa4info\x81\xa1x\x01"), REASON_INVALID_ARGUMENT, 7,
          "no field \"x\" in empty" },
        { "prefix of a field", BYTES(STATE "\x82\xa2id\xa1x\xa1i\xa1x"), REASON_INVALID_ARGUMENT, 7, "no field \"i\"" },
        { "field twice", BYTES(STATE "\x82\xa2id\xa1x\xa2id\xa1x"), REASON_INVALID_ARGUMENT, 7, "id: is there twice" },
        { "field name no text", BYTES(STATE "\x82\xa2id\xa1x\x01\x01"), REASON_INVALID_ARGUMENT, 7,
          "name in target is not a str" },
        { "required absent", BYTES(STATE "\x80"), REASON_INVALID_ARGUMENT, 7, "id: is required" },
        { "required empty", BYTES(STATE "\x81\xa2id\xa0"), REASON_INVALID_ARGUMENT, 7, "id: is required" },
        { "required 0", BYTES(KILL "\x82\xa2id\xa1x\xa6signal\x00"), REASON_INVALID_ARGUMENT, 7,
          "signal: is required" },
        { "required bin empty",
          BYTES(EXEC "\x83\xa2id\xa1x\xa7"
                     "exec_id\xa1y\xa4spec\xc4\x00"),
          REASON_INVALID_ARGUMENT, 7, "spec: is required" },
        { "str as number", BYTES(STATE "\x81\xa2id\x01"), REASON_INVALID_ARGUMENT, 7, "id: the value is not a str" },
        { "str as bin", BYTES(STATE "\x81\xa2id\xc4\x01x"), REASON_INVALID_ARGUMENT, 7, "id: the value is not a str" },
        { "str nil", BYTES(STATE "\x81\xa2id\xc0"), REASON_INVALID_ARGUMENT, 7, "id: the value is not a str" },
        { "bin as str", BYTES(EXEC "\x81\xa4spec\xa2{}"), REASON_INVALID_ARGUMENT, 7, "spec: the value is not a bin" },
        { "number as str",
          BYTES(KILL "\x81\xa6signal\xa1"
                     "9"),
          REASON_INVALID_ARGUMENT, 7, "signal: the value is not an integer" },
        { "number as float", BYTES(KILL "\x81\xa6signal\xca\x41\x10\x00\x00"), REASON_INVALID_ARGUMENT, 7,
          "signal: the value is not an integer" },
        { "number negative", BYTES(KILL "\x81\xa6signal\xff"), REASON_INVALID_ARGUMENT, 7,
          "signal: the value is not an integer" },
        { "number over 32 bits", BYTES(KILL "\x81\xa6signal\xcf\0\0\0\1\0\0\0\0"), REASON_INVALID_ARGUMENT, 7,
          "signal: the value is not an integer" },
        { "number over its limit", BYTES(KILL "\x81\xa6signal\x41"), REASON_INVALID_ARGUMENT, 7,
          "signal: 65 is over the limit of 64" },
        { "boolean as number",
          BYTES(KILL "\x81\xa3"
                     "all\x01"),
          REASON_INVALID_ARGUMENT, 7, "all: the value is not a boolean" },
        { "text with NUL",
          BYTES(STATE "\x81\xa2id\xa3"
                      "a\0b"),
          REASON_INVALID_ARGUMENT, 7, "id: the text is not UTF-8" },
        { "overlong UTF-8", BYTES(STATE "\x81\xa2id\xa2\xc0\x80"), REASON_INVALID_ARGUMENT, 7,
          "id: the text is not UTF-8" },
        { "surrogate", BYTES(STATE "\x81\xa2id\xa3\xed\xa0\x80"), REASON_INVALID_ARGUMENT, 7,
          "id: the text is not UTF-8" },
        { "cut UTF-8",
          BYTES(STATE "\x81\xa2id\xa2"
                      "a\xc3"),
          REASON_INVALID_ARGUMENT, 7, "id: the text is not UTF-8" },
        { "above U+10FFFF", BYTES(STATE "\x81\xa2id\xa4\xf4\x90\x80\x80"), REASON_INVALID_ARGUMENT, 7,
          "id: the text is not UTF-8" },
        { "list as map", BYTES(CREATE "\x81\xa6rootfs\x80"), REASON_INVALID_ARGUMENT, 7,
          "rootfs: the value is not an array" },
        { "entry no map", BYTES(CREATE "\x81\xa6rootfs\x91\x01"), REASON_INVALID_ARGUMENT, 7,
          "rootfs[0]: must be a map" },
        { "entry's field", BYTES(CREATE "\x81\xa6rootfs\x92\x81\xa4type\xa1x\x80"), REASON_INVALID_ARGUMENT, 7,
          "rootfs[1]: type: is required" },
        { "text of a list", BYTES(CREATE "\x81\xacruntime_args\x92\xa1x\x01"), REASON_INVALID_ARGUMENT, 7,
          "entry 1: runtime_args: the value" },
};

static void refuses(void **state)
{
        for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
                const struct refusal *r = &refusals[i];
                _cleanup_(arena_freep) struct arena *a = arena_new();
                _cleanup_(freep) char *copy = malloc(r->len ? r->len : 1); /* so that sanitizers see a read beyond it */
                struct error err = ERROR_NULL;
                struct rpc_request req;

                memcpy(copy, r->bytes, r->len);
                if (rpc_request_decode(copy, r->len, a, &req, &err) == 0)
                        fail_msg("%s: was accepted", r->what);
                if (err.reason != (int)r->reason || !strstr(err.message, r->message) || req.id != r->id)
                        fail_msg("%s: id %u, %s: %s", r->what, req.id, reason_name((enum reason)err.reason),
                                 err.message);
                if (arena_size(a) > 16384)
                        fail_msg("%s: took %zu bytes", r->what, arena_size(a));
        }
}

static void accepts_any_width(void **state)
{
        static const char bytes[] =
                "\xdd\0\0\0\4\xcc\0\xcf\0\0\0\0\0\0\0\7\xdb\0\0\0\4kill\xdf\0\0\0\3\xd9\2id\xda\0\1x"
                "\xa6signal\xcd\0\x09\xa3"
                "all\xc2";
        _cleanup_(arena_freep) struct arena *a = arena_new();
        struct error err = ERROR_NULL;
        struct rpc_request req;
        struct kill_params *p;

        assert_int_equal(rpc_request_decode(bytes, sizeof(bytes) - 1, a, &req, &err), 0);
        p = req.params;
        assert_int_equal(req.id, 7);
        assert_string_equal(p->id, "x");
        assert_int_equal(p->signal, 9);
        assert_false(p->all);
        assert_string_equal(p->request_id, "");
}

static void limits_in_both_directions(void **state)
{
        _cleanup_(arena_freep) struct arena *a = arena_new();
        _cleanup_(buf_deinit) struct buf b = BUF_NULL;
        char id[LIMIT_ID + 2], *big = arena_alloc(a, LIMIT_JSON + 1);
        struct exec_params exec = { .id = id, .exec_id = "e", .spec = { (uint8_t *)big, LIMIT_JSON } };
        struct error err = ERROR_NULL;
        struct rpc_request req;
        const struct method_desc *method = &method_table[METHOD_EXEC];

        memset(id, 'a', sizeof(id));
        id[LIMIT_ID] = '\0';
        assert_int_equal(rpc_request_encode(1, method, &exec, &b, &err), 0);
        assert_int_equal(rpc_request_decode(buf_head(&b), buf_len(&b), a, &req, &err), 0);
        buf_consume(&b, buf_len(&b));

        exec.spec.len++;
        assert_int_equal(rpc_request_encode(1, method, &exec, &b, &err), -1);
        assert_int_equal(err.reason, REASON_TOO_LARGE);
        assert_non_null(strstr(err.message, "spec: 4194305 bytes are over the limit of 4194304"));
        assert_int_equal(buf_len(&b), 0);
        exec.spec.len = 2;
        id[LIMIT_ID] = 'a';
        id[LIMIT_ID + 1] = '\0';
        assert_int_equal(rpc_request_encode(1, method, &exec, &b, &err), -1);
        assert_int_equal(err.reason, REASON_TOO_LARGE);
        exec.id = "";
        assert_int_equal(rpc_request_encode(1, method, &exec, &b, &err), -1);
        assert_int_equal(err.reason, REASON_INVALID_ARGUMENT);
        exec.id = "a\xff";
        assert_int_equal(rpc_request_encode(1, method, &exec, &b, &err), -1);
        assert_int_equal(err.reason, REASON_INVALID_ARGUMENT);
        assert_int_equal(buf_len(&b), 0);
}

static void put(struct buf *b, const char *bytes, size_t n)
{
        buf_append(b, bytes, n);
}

/* A list longer than its limit, as a foreign client might send it. */
static void long_lists(void **state)
{
        _cleanup_(arena_freep) struct arena *a = arena_new();
        _cleanup_(buf_deinit) struct buf b = BUF_NULL;
        struct error err = ERROR_NULL;
        struct rpc_request req;

        put(&b, BYTES(CREATE "\x81\xa6rootfs\xdc\x10\x01"));
        for (unsigned i = 0; i < LIMIT_LIST + 1; i++)
                put(&b, BYTES("\x80"));
        assert_int_equal(rpc_request_decode(buf_head(&b), buf_len(&b), a, &req, &err), -1);
        assert_int_equal(err.reason, REASON_TOO_LARGE);
        assert_non_null(strstr(err.message, "rootfs: 4097 entries are over the limit of 4096"));
        buf_consume(&b, buf_len(&b));

        put(&b, BYTES(CREATE "\x81\xacruntime_args\xdc\x10\x01"));
        for (unsigned i = 0; i < LIMIT_LIST + 1; i++)
                put(&b, BYTES("\xa0"));
        assert_int_equal(rpc_request_decode(buf_head(&b), buf_len(&b), a, &req, &err), -1);
        assert_int_equal(err.reason, REASON_TOO_LARGE);
        buf_consume(&b, buf_len(&b));

        put(&b, BYTES(HEAD "\xa4info\xdd\x00\x10\x00\x00"));
        for (unsigned i = 0; i < 0x100000; i++)
                put(&b, BYTES("\xc0"));
        assert_int_equal(rpc_request_decode(buf_head(&b), buf_len(&b), a, &req, &err), -1);
        assert_int_equal(err.reason, REASON_TOO_LARGE);
        assert_non_null(strstr(err.message, "more than 262144 values"));
}

/* A million empty maps ask for a million structs of 100 bytes and more. */
static void memory_is_bounded(void **state)
{
        _cleanup_(arena_freep) struct arena *a = arena_new();
        _cleanup_(buf_deinit) struct buf b = BUF_NULL;
        struct error err = ERROR_NULL;
        void *msg;

        put(&b, BYTES("\x81\xa9processes\xdd\x00\x0f\x42\x40"));
        for (unsigned i = 0; i < 1000000; i++)
                put(&b, BYTES("\x80"));
        assert_int_equal(message_decode(&desc_pids_result, buf_head(&b), buf_len(&b), a, &msg, &err), 0);
        assert_int_equal(((struct pids_result *)msg)->processes.n, 1000000);
        buf_consume(&b, buf_len(&b));

        put(&b, BYTES("\x81\xa4rows\xdd\x00\x0f\x42\x40"));
        for (unsigned i = 0; i < 1000000; i++)
                put(&b, BYTES("\x80"));
        assert_int_equal(message_decode(&desc_ps_result, buf_head(&b), buf_len(&b), a, &msg, &err),
                         sizeof(struct ps_row) > 64 ? -1 : 0);

        buf_consume(&b, buf_len(&b));
        put(&b, BYTES("\x82\xa2id\xa1x\xa5" "execs\xdc\x10\x00"));
        for (unsigned i = 0; i < 4096; i++)
                put(&b, BYTES("\x80"));
        assert_int_equal(message_decode(&desc_state_result, buf_head(&b), buf_len(&b), a, &msg, &err), -1);
        assert_int_equal(err.reason, REASON_TOO_LARGE);
}

static void refuses_responses(void **state)
{
        static const struct refusal rows[] = {
                { "request", BYTES("\x94\x00\x07\xa4info\x80"), REASON_MALFORMED, 7, "is of type 0, not 1" },
                { "error and result",
                  BYTES("\x94\x01\x07\x82\xa4"
                        "code\x02\xa6reason\xa8internal\x80"),
                  REASON_MALFORMED, 7, "both an error and a result" },
                { "error no map",
                  BYTES("\x94\x01\x07\xa3"
                        "bad\xc0"),
                  REASON_INVALID_ARGUMENT, 7, "error: must be a map" },
                { "error without code", BYTES("\x94\x01\x07\x81\xa6reason\xa8internal\xc0"), REASON_INVALID_ARGUMENT, 7,
                  "code: is required" },
                { "code 17",
                  BYTES("\x94\x01\x07\x82\xa4"
                        "code\x11\xa6reason\xa8internal\xc0"),
                  REASON_INVALID_ARGUMENT, 7, "code: 17 is over" },
                { "no result", BYTES("\x94\x01\x07\xc0\xc0"), REASON_INVALID_ARGUMENT, 7, "must be a map" },
                { "known field twice", BYTES("\x94\x01\x07\xc0\x82\xa3pid\x01\xa3pid\x01"), REASON_INVALID_ARGUMENT, 7,
                  "pid: is there twice" },
        };
        struct rpc_response res;
        struct error err = ERROR_NULL;
        _cleanup_(arena_freep) struct arena *a = arena_new();

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                if (rpc_response_decode(rows[i].bytes, rows[i].len, &method_table[METHOD_INFO], a, &res, &err) == 0)
                        fail_msg("%s: was accepted", rows[i].what);
                if (err.reason != (int)rows[i].reason || !strstr(err.message, rows[i].message) || res.id != rows[i].id)
                        fail_msg("%s: %s", rows[i].what, err.message);
        }
        /* fields of a newer daemon are passed over, whatever is in them */
        assert_int_equal(rpc_response_decode(BYTES("\x94\x01\x07\xc0\x83\xa1x\x91\x81\xa1y\x02\xa3pid\x05\xa8runtimes"
                                                   "\x91\x82\xa1z\xc0\xa4name\xa1r"),
                                             &method_table[METHOD_INFO], a, &res, &err),
                         0);
        assert_int_equal(((struct info_result *)res.result)->pid, 5);
        assert_string_equal(((struct info_result *)res.result)->runtimes.items[0].name, "r");
        /* an error of a newer daemon keeps its code and its name */
        assert_int_equal(rpc_response_decode(BYTES("\x94\x01\x07\x82\xa4" "code\x05\xa6reason\xa3new\xc0"),
                                             &method_table[METHOD_INFO], a, &res, &err), 0);
        assert_int_equal(res.code, CODE_NOT_FOUND);
        assert_int_equal(res.error.reason, REASON_INTERNAL);
        assert_string_equal(res.error.message, "new: ");
}

/* No message of the tables has an i64 at present; the kind is kept honest here. */
static void signed_numbers(void **state)
{
        struct sample {
                int64_t n;
        };
        static const struct field_desc fields[] = { { "n", FIELD_I64, offsetof(struct sample, n), 0, 0, NULL, "" } };
        static const struct message_desc desc = { "sample", "", sizeof(struct sample), fields, 1 };
        static const int64_t values[] = { 0, 1, -1, 127, -128, INT32_MIN, INT64_MAX, INT64_MIN };
        _cleanup_(arena_freep) struct arena *a = arena_new();
        struct error err = ERROR_NULL;
        void *msg;

        for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
                _cleanup_(buf_deinit) struct buf b = BUF_NULL;

                assert_int_equal(message_encode(&desc, &(struct sample){ values[i] }, &b, &err), 0);
                assert_int_equal(message_decode(&desc, buf_head(&b), buf_len(&b), a, &msg, &err), 0);
                assert_true(((struct sample *)msg)->n == values[i]);
        }
        assert_int_equal(message_decode(&desc, BYTES("\x81\xa1n\xcf\x80\0\0\0\0\0\0\0"), a, &msg, &err), -1);
}

static void arena_blocks(void **state)
{
        _cleanup_(arena_freep) struct arena *a = arena_new();
        unsigned char *blocks[300];

        for (unsigned i = 0; i < 300; i++) {
                blocks[i] = arena_alloc(a, i * 7);
                assert_non_null(blocks[i]);
                assert_int_equal((uintptr_t)blocks[i] % _Alignof(max_align_t), 0);
                for (unsigned k = 0; k < i * 7; k++)
                        assert_int_equal(blocks[i][k], 0);
                memset(blocks[i], (int)i, i * 7);
        }
        for (unsigned i = 0; i < 300; i++)
                for (unsigned k = 0; k < i * 7; k++)
                        assert_int_equal(blocks[i][k], i & 0xff);
        assert_null(arena_alloc(a, SIZE_MAX));
        assert_string_equal(arena_strndup(a, "abcdef", 3), "abc");
        assert_string_equal(arena_strndup(a, "ab", 3), "ab");
        assert_string_equal(arena_printf(a, "%s-%d", "x", 5), "x-5");
        assert_null(arena_free(NULL));
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(round_trip_messages), cmocka_unit_test(round_trip_requests),
                cmocka_unit_test(round_trip_errors),   cmocka_unit_test(cut_anywhere),
                cmocka_unit_test(refuses),             cmocka_unit_test(accepts_any_width),
                cmocka_unit_test(limits_in_both_directions), cmocka_unit_test(long_lists),
                cmocka_unit_test(memory_is_bounded),   cmocka_unit_test(refuses_responses),
                cmocka_unit_test(signed_numbers),      cmocka_unit_test(arena_blocks),
        };

        return cmocka_run_group_tests_name("codec", tests, NULL, NULL);
}
