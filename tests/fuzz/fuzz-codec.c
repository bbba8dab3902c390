/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first byte says what the rest is read as: a request, a response of a method, or a bare message. What is accepted
 * must come back the same from an encoding of it; what is refused must say why; memory stays in proportion.
 */

#include "tests/fuzz/fuzz.h"

#include <string.h>
#include "tests/lib/fill.h"

/* Enough for the decoder's budget, and for arenas that round up to chunks. */
static void check_memory(const struct arena *a, size_t size)
{
        FUZZ_CHECK(arena_size(a) <= 3 * (4096 + 64 * size) + 131072);
}

static void check_refusal(const struct error *err)
{
        FUZZ_CHECK(err->reason > REASON_NONE && err->reason < REASON_N);
        FUZZ_CHECK(err->message[0]);
}

static void try_request(const uint8_t *data, size_t size, struct arena *a)
{
        _cleanup_(buf_deinit) struct buf b = BUF_NULL;
        struct error err = ERROR_NULL;
        struct rpc_request req, again;

        if (rpc_request_decode(data, size, a, &req, &err) < 0) {
                check_refusal(&err);
                FUZZ_CHECK(req.method_name);
                return;
        }
        check_memory(a, size);
        FUZZ_CHECK(rpc_request_encode(req.id, req.method, req.params, &b, &err) == 0);
        FUZZ_CHECK(rpc_request_decode(buf_head(&b), buf_len(&b), a, &again, &err) == 0);
        FUZZ_CHECK(again.id == req.id && again.method == req.method);
        FUZZ_CHECK(!message_difference(req.method->params, req.params, again.params));
}

static void try_response(const uint8_t *data, size_t size, const struct method_desc *method, struct arena *a)
{
        _cleanup_(buf_deinit) struct buf b = BUF_NULL;
        struct error err = ERROR_NULL;
        struct rpc_response res, again;
        uint32_t id = 0;
        int peeked = rpc_response_peek_id(data, size, &id);

        if (rpc_response_decode(data, size, method, a, &res, &err) < 0) {
                check_refusal(&err);
                return;
        }
        check_memory(a, size);
        FUZZ_CHECK(peeked == 0 && id == res.id);
        if (error_is_set(&res.error)) {
                FUZZ_CHECK(rpc_response_encode_error(res.id, &res.error, &b) == 0);
                FUZZ_CHECK(rpc_response_decode(buf_head(&b), buf_len(&b), method, a, &again, &err) == 0);
                FUZZ_CHECK(again.error.reason == res.error.reason);
                return;
        }
        FUZZ_CHECK(rpc_response_encode(res.id, method->result, res.result, &b, &err) == 0);
        FUZZ_CHECK(rpc_response_decode(buf_head(&b), buf_len(&b), method, a, &again, &err) == 0);
        FUZZ_CHECK(!message_difference(method->result, res.result, again.result));
}

static void try_message(const uint8_t *data, size_t size, const struct message_desc *desc, struct arena *a)
{
        _cleanup_(buf_deinit) struct buf b = BUF_NULL;
        struct error err = ERROR_NULL;
        void *msg, *copy, *again;

        if (message_decode(desc, data, size, a, &msg, &err) < 0) {
                check_refusal(&err);
                return;
        }
        check_memory(a, size);
        copy = message_copy(desc, msg, a);
        FUZZ_CHECK(copy && !message_difference(desc, msg, copy));
        FUZZ_CHECK(message_encode(desc, copy, &b, &err) == 0);
        FUZZ_CHECK(message_decode(desc, buf_head(&b), buf_len(&b), a, &again, &err) == 0);
        FUZZ_CHECK(!message_difference(desc, msg, again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_(arena_freep) struct arena *a = arena_new();
        unsigned what, n_messages = 0;

        FUZZ_CHECK(a);
        if (size == 0)
                return 0;
        while (message_table[n_messages])
                n_messages++;
        what = *data++;
        size--;
        if (what == 0)
                try_request(data, size, a);
        else if (what <= METHOD_N)
                try_response(data, size, &method_table[what - 1], a);
        else
                try_message(data, size, message_table[(what - METHOD_N - 1) % n_messages], a);
        return 0;
}
