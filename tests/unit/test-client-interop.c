/* SPDX-License-Identifier: Apache-2.0 */
/* Our framing and nng's, both ways: our client with nng's REP (as the daemon has it), and nng's REQ with our frames. */
#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "tests/client/server.h"

#define N_WORKERS 8

/* A server in nng's threads: contexts of one socket, each receives, answers, and receives again. */
struct worker {
        nng_ctx ctx;
        nng_aio *aio;
        bool sending;
};
struct nng_server {
        char dir[32], path[64], url[80];
        nng_socket socket;
        struct worker workers[N_WORKERS];
};

/* list: as many containers as its id_prefix says; create: the number of its mounts as the pid; else an error. */
static void answer(const void *data, size_t len, struct buf *ret)
{
        _cleanup_(arena_freep) struct arena *a = arena_new();
        struct rpc_request request;
        struct error err = ERROR_NULL;

        if (rpc_request_decode(data, len, a, &request, &err) < 0) {
                rpc_response_encode_error(request.id, &err, ret);
        } else if (request.method->id == METHOD_LIST) {
                const struct list_params *params = request.params;
                size_t n = strtoul(params->id_prefix, NULL, 10);
                struct list_result result = { { arena_alloc(a, n * sizeof(struct state_result) + 1), n } };

                for (size_t i = 0; i < n; i++)
                        result.containers.items[i].id = arena_printf(a, "c%zu", i);
                rpc_response_encode(request.id, &desc_list_result, &result, ret, &err);
        } else if (request.method->id == METHOD_CREATE) {
                const struct create_params *params = request.params;
                struct create_result result = { .pid = (uint32_t)params->rootfs.n };

                rpc_response_encode(request.id, &desc_create_result, &result, ret, &err);
        } else {
                error_set(&err, REASON_NOT_FOUND, "no such container");
                rpc_response_encode_error(request.id, &err, ret);
        }
}

static void on_worker(void *data)
{
        struct worker *w = data;
        _cleanup_(buf_deinit) struct buf reply = BUF_NULL;
        nng_msg *msg;

        if (nng_aio_result(w->aio) != 0)
                return; /* closed */
        w->sending = !w->sending;
        if (!w->sending) {
                nng_ctx_recv(w->ctx, w->aio);
                return;
        }
        msg = nng_aio_get_msg(w->aio);
        answer(nng_msg_body(msg), nng_msg_len(msg), &reply);
        nng_msg_clear(msg);
        nng_msg_append(msg, buf_head(&reply), buf_len(&reply));
        nng_aio_set_msg(w->aio, msg);
        nng_ctx_send(w->ctx, w->aio);
}

static void nng_server_listen(struct nng_server *s)
{
        assert_int_equal(nng_rep0_open(&s->socket), 0);
        assert_int_equal(nng_socket_set_size(s->socket, NNG_OPT_RECVMAXSZ, LIMIT_MESSAGE), 0);
        assert_int_equal(nng_listen(s->socket, s->url, NULL, 0), 0);
        for (size_t i = 0; i < N_WORKERS; i++) {
                struct worker *w = &s->workers[i];

                w->sending = false;
                assert_int_equal(nng_ctx_open(&w->ctx, s->socket), 0);
                assert_int_equal(nng_aio_alloc(&w->aio, on_worker, w), 0);
                nng_ctx_recv(w->ctx, w->aio);
        }
}

static void nng_server_close(struct nng_server *s)
{
        nng_close(s->socket);
        for (size_t i = 0; i < N_WORKERS; i++) {
                nng_aio_stop(s->workers[i].aio);
                nng_aio_free(s->workers[i].aio);
        }
}

static int setup(void **state)
{
        struct nng_server *s = calloc(1, sizeof(*s));

        strcpy(s->dir, "/tmp/sandboxd-test-XXXXXX");
        assert_non_null(mkdtemp(s->dir));
        snprintf(s->path, sizeof(s->path), "%s/sock", s->dir);
        snprintf(s->url, sizeof(s->url), "ipc://%s", s->path);
        nng_server_listen(s);
        *state = s;
        return 0;
}

static int teardown(void **state)
{
        struct nng_server *s = *state;

        nng_server_close(s);
        unlink(s->path);
        rmdir(s->dir);
        free(s);
        return 0;
}

static void list(struct sandboxd_client *c, const char *n)
{
        struct list_params params = { .id_prefix = n };
        struct sandboxd_reply reply = SANDBOXD_REPLY_NULL;
        const struct list_result *result;
        char last[32];

        if (sandboxd_call(c, METHOD_LIST, &params, 20000, &reply) < 0)
                fail_msg("%s", reply.message);
        result = reply.result;
        assert_int_equal(result->containers.n, strtoul(n, NULL, 10));
        if (result->containers.n > 0) {
                snprintf(last, sizeof(last), "c%zu", result->containers.n - 1);
                assert_string_equal(result->containers.items[result->containers.n - 1].id, last);
        }
        sandboxd_reply_clear(&reply);
}

static void test_our_client_nng_server(void **state)
{
        struct nng_server *s = *state;
        struct sandboxd_client *c = sandboxd_client_new(s->path);
        struct sandboxd_reply reply = SANDBOXD_REPLY_NULL;
        struct target target = { .id = "web" };

        for (int i = 0; i < 200; i++)
                list(c, i % 2 ? "3" : "0");
        list(c, "100000"); /* a reply of more than a socket's buffer */
        list(c, "1");
        assert_int_equal(sandboxd_call(c, METHOD_STATE, &target, 20000, &reply), -1);
        assert_int_equal(reply.reason, REASON_NOT_FOUND);
        sandboxd_reply_clear(&reply);
        sandboxd_client_free(c);
}

static void test_large_request(void **state)
{
        struct nng_server *s = *state;
        struct sandboxd_client *c = sandboxd_client_new(s->path);
        struct sandboxd_reply reply = SANDBOXD_REPLY_NULL;
        static char option[65000];
        const char *options[] = { option };
        struct mount mounts[125];
        struct create_params params = { .id = "web", .bundle = "/b", .rootfs = { mounts, 125 } };

        memset(option, 'o', sizeof(option) - 1);
        for (size_t i = 0; i < 125; i++)
                mounts[i] = (struct mount){ .type = "overlay", .options = { options, 1 } };
        if (sandboxd_call(c, METHOD_CREATE, &params, 20000, &reply) < 0) /* 8.1 of 8.4 MB */
                fail_msg("%s", reply.message);
        assert_int_equal(((const struct create_result *)reply.result)->pid, 125);
        sandboxd_reply_clear(&reply);
        sandboxd_client_free(c);
}

static void on_any(void *data, struct sandboxd_reply *reply)
{
        unsigned *n = data;

        assert_int_equal(reply->reason, 0);
        ++*n;
}

static void test_many_open(void **state)
{
        struct nng_server *s = *state;
        struct sandboxd_client *c = sandboxd_client_new(s->path);
        struct list_params params = { .id_prefix = "5" };
        unsigned n = 0;

        for (int i = 0; i < 1000; i++)
                sandboxd_submit(c, METHOD_LIST, &params, 20000, on_any, &n);
        while (n < 1000)
                list(c, "2"); /* the others are told meanwhile */
        assert_int_equal(sandboxd_client_open_calls(c), 0);
        sandboxd_client_free(c);
}

static void test_restart(void **state)
{
        struct nng_server *s = *state;
        struct sandboxd_client *c = sandboxd_client_new(s->path);

        for (int i = 0; i < 20; i++) {
                list(c, "4");
                nng_server_close(s);
                nng_server_listen(s);
        }
        sandboxd_client_free(c);
}

static void test_nng_client_our_frames(void **state)
{
        struct server s;
        nng_socket req;
        nng_aio *aio;
        char url[80];

        server_init(&s);
        server_listen(&s);
        snprintf(url, sizeof(url), "ipc://%s", s.path);
        assert_int_equal(nng_req0_open(&req), 0);
        assert_int_equal(nng_dial(req, url, NULL, NNG_FLAG_NONBLOCK), 0);
        assert_int_equal(nng_aio_alloc(&aio, NULL, NULL), 0);
        for (size_t size = 0; size < 200000; size = size * 3 + 1) {
                _cleanup_(buf_deinit) struct buf payload = BUF_NULL;
                uint8_t *bytes = malloc(size + 1);
                nng_msg *msg;
                uint32_t id;

                for (size_t i = 0; i < size; i++)
                        bytes[i] = (uint8_t)(i * 7);
                assert_int_equal(nng_msg_alloc(&msg, 0), 0);
                assert_int_equal(nng_msg_append(msg, bytes, size), 0);
                nng_aio_set_msg(aio, msg);
                nng_send_aio(req, aio);
                id = server_await(&s, NULL, &payload);
                assert_int_equal(buf_len(&payload), size);
                if (size > 0)
                        assert_memory_equal(buf_head(&payload), bytes, size);
                nng_aio_wait(aio);
                assert_int_equal(nng_aio_result(aio), 0);
                server_reply(&s, id, bytes, size);
                nng_recv_aio(req, aio);
                nng_aio_wait(aio);
                assert_int_equal(nng_aio_result(aio), 0);
                msg = nng_aio_get_msg(aio);
                assert_int_equal(nng_msg_len(msg), size);
                if (size > 0)
                        assert_memory_equal(nng_msg_body(msg), bytes, size);
                nng_msg_free(msg);
                free(bytes);
        }
        nng_aio_free(aio);
        nng_close(req);
        server_deinit(&s);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_our_client_nng_server, setup, teardown),
                cmocka_unit_test_setup_teardown(test_large_request, setup, teardown),
                cmocka_unit_test_setup_teardown(test_many_open, setup, teardown),
                cmocka_unit_test_setup_teardown(test_restart, setup, teardown),
                cmocka_unit_test(test_nng_client_our_frames),
        };

        return cmocka_run_group_tests_name("client-interop", tests, NULL, NULL);
}
