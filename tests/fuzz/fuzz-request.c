/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The dispatcher, driven by any script of messages, answers and lost connections: each request ends exactly once, an
 * answer is a response of the protocol with the request's id, and nothing stays behind.
 *
 * A step is a byte: the peer (its lowest two bits) and what is done (the rest, modulo 4): a message (two bytes of
 * length, then its bytes), the connection ends, the oldest parked request is answered, the newest one fails.
 */

#include "tests/fuzz/fuzz.h"

#include <string.h>
#include "daemon/answers.h"
#include "tests/lib/fake-transport.h"

#define STEPS_MAX 64

struct daemon {
        struct request *parked[STEPS_MAX];
        size_t n_parked;
};

static void unpark(struct daemon *d, struct request *req)
{
        for (size_t i = 0; i < d->n_parked; i++) {
                if (d->parked[i] != req)
                        continue;
                memmove(d->parked + i, d->parked + i + 1, (d->n_parked - i - 1) * sizeof(d->parked[0]));
                d->n_parked--;
                return;
        }
        FUZZ_CHECK(false);
}

static void on_cancel(struct request *req)
{
        unpark(req->parker, req);
        request_free(req);
}

static void park(struct daemon *d, struct request *req)
{
        FUZZ_CHECK(d->n_parked < STEPS_MAX);
        FUZZ_CHECK(req->method && req->params && req->request_id);
        req->parker = d;
        req->on_cancel = on_cancel;
        d->parked[d->n_parked++] = req;
}

static void on_answer(void *data, const struct answer *answer)
{
        FUZZ_CHECK(strlen(answer->request_id) < ANSWER_KEY_MAX && answer->len > 3);
}

static void answer_one(struct daemon *d, bool oldest)
{
        struct request *req;
        void *result;

        if (d->n_parked == 0)
                return;
        req = d->parked[oldest ? 0 : d->n_parked - 1];
        unpark(d, req);
        if (!oldest) {
                request_fail_reason(&req, REASON_STOPPED, "the container has stopped");
                return;
        }
        result = arena_alloc(req->arena, req->method->result->size ? req->method->result->size : 1);
        FUZZ_CHECK(result);
        request_reply(&req, result);
        FUZZ_CHECK(!req);
}

static void check_wire(struct transport_request *w)
{
        uint32_t id;

        FUZZ_CHECK(w->answered != w->dropped);
        if (w->answered)
                FUZZ_CHECK(rpc_response_peek_id(buf_head(&w->response), buf_len(&w->response), &id) == 0);
        fake_request_deinit(w);
}

static struct requests *dispatcher(struct daemon *d)
{
        static const uid_t writers[] = { 1000 };
        struct requests_options o = { .write_uids = writers,
                                      .n_write_uids = 1,
                                      .max_open_per_uid = 6,
                                      .max_open_bytes_per_uid = 4096,
                                      .max_answers = 4 };
        request_handler handlers[METHOD_N];
        struct requests *r;

        for (size_t i = 0; i < METHOD_N; i++)
                handlers[i] = park;
        FUZZ_CHECK(requests_new(&r, d, handlers, &o) == 0);
        requests_on_answer(r, on_answer, d);
        return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const struct transport_peer peers[4] = { { .connection = 1, .uid = 0 },
                                                        { .connection = 2, .uid = 0 },
                                                        { .connection = 3, .uid = 1000 },
                                                        { .connection = 4, .uid = 5 } };
        struct transport_request wires[STEPS_MAX] = { 0 };
        struct daemon d = { 0 };
        struct requests *r = dispatcher(&d);
        size_t n = 0, len;

        while (size > 0 && n < STEPS_MAX) {
                const struct transport_peer *peer = &peers[data[0] & 3];
                unsigned what = data[0] >> 2 & 3;

                data++;
                size--;
                if (what == 1)
                        requests_transport_handlers.disconnected(r, peer);
                if (what > 1)
                        answer_one(&d, what == 2);
                if (what != 0 || size < 2)
                        continue;
                len = data[0] | (size_t)data[1] << 8;
                data += 2;
                size -= 2;
                len = len < size ? len : size;
                requests_transport_handlers.request(r, &wires[n++], peer, data, len);
                data += len;
                size -= len;
        }
        requests_free(r);
        FUZZ_CHECK(d.n_parked == 0);
        for (size_t i = 0; i < n; i++)
                check_wire(&wires[i]);
        return 0;
}
