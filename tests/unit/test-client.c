/* SPDX-License-Identifier: Apache-2.0 */
/* client/client.c against a server that does what the test says, in the same thread. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/clock.h"
#include "tests/client/server.h"

struct fixture {
        struct server server;
        struct sandboxd_client *client;
};

/* What became of a call. */
struct outcome {
        unsigned n; /* times that the callback ran */
        int reason, code;
        char message[256];
        uint32_t pid;
        char status[32];
};

static int setup(void **state)
{
        struct fixture *f = calloc(1, sizeof(*f));

        server_init(&f->server);
        server_listen(&f->server);
        f->client = sandboxd_client_new(f->server.path);
        assert_non_null(f->client);
        *state = f;
        return 0;
}

static int teardown(void **state)
{
        struct fixture *f = *state;

        sandboxd_client_free(f->client);
        server_deinit(&f->server);
        free(f);
        return 0;
}

static void on_reply(void *data, struct sandboxd_reply *reply)
{
        struct outcome *o = data;

        o->n++;
        o->reason = reply->reason;
        o->code = reply->code;
        snprintf(o->message, sizeof(o->message), "%s", reply->message);
        if (reply->reason == 0) {
                const struct start_result *result = reply->result;

                o->pid = result->pid;
        }
}

static uint64_t submit_start(struct fixture *f, const char *id, int timeout_ms, struct outcome *o)
{
        struct start_params params = { .id = id };
        uint64_t number = sandboxd_submit(f->client, METHOD_START, &params, timeout_ms, on_reply, o);

        assert_int_not_equal(number, 0);
        assert_int_equal(o->n, 0); /* never from inside submit */
        return number;
}

static void encode_pid(uint32_t id, uint32_t pid, struct buf *ret)
{
        struct start_result result = { .pid = pid };
        struct error err = ERROR_NULL;

        assert_int_equal(rpc_response_encode(id, &desc_start_result, &result, ret, &err), 0);
}

static void answer_pid(struct fixture *f, uint32_t id, uint32_t pid)
{
        _cleanup_(buf_deinit) struct buf payload = BUF_NULL;

        encode_pid(id, pid, &payload);
        server_reply(&f->server, id, buf_head(&payload), buf_len(&payload));
}

static void turn_until_done(struct fixture *f, const struct outcome *o)
{
        uint64_t until = clock_monotonic_ns() + 10 * NSEC_PER_SEC;

        while (o->n == 0) {
                assert_true(clock_monotonic_ns() < until);
                server_turn(&f->server, f->client);
        }
        assert_int_equal(o->n, 1);
}

/* The request as the server sees it. */
static void decode_start(const struct buf *payload, char id[77], char request_id[129])
{
        _cleanup_(arena_freep) struct arena *a = arena_new();
        struct rpc_request request;
        struct error err = ERROR_NULL;
        const struct start_params *params;

        assert_int_equal(rpc_request_decode(buf_head(payload), buf_len(payload), a, &request, &err), 0);
        assert_int_equal(request.method->id, METHOD_START);
        params = request.params;
        strcpy(id, params->id);
        strcpy(request_id, params->request_id);
}

static void test_many_out_of_order(void **state)
{
        struct fixture *f = *state;
        struct outcome o[100] = { 0 };
        uint32_t ids[100];
        char seen[129] = "", request_id[129], id[77];

        for (size_t i = 0; i < 100; i++)
                submit_start(f, "web", -1, &o[i]);
        assert_int_equal(sandboxd_client_open_calls(f->client), 100);
        for (size_t i = 0; i < 100; i++) {
                _cleanup_(buf_deinit) struct buf payload = BUF_NULL;

                ids[i] = server_await(&f->server, f->client, &payload);
                decode_start(&payload, id, request_id);
                assert_string_equal(id, "web");
                assert_int_equal(strlen(request_id), 32);
                assert_string_not_equal(request_id, seen); /* each has one of its own */
                strcpy(seen, request_id);
        }
        for (size_t i = 100; i-- > 0;) {
                answer_pid(f, ids[i], 1000 + (uint32_t)i);
                turn_until_done(f, &o[i]);
                assert_int_equal(o[i].reason, 0);
                assert_int_equal(o[i].pid, 1000 + i);
        }
        assert_int_equal(sandboxd_client_open_calls(f->client), 0);
        assert_int_equal(sandboxd_client_timeout(f->client), -1); /* idle */
        assert_int_equal(f->server.n_accepted, 1);
}

static void test_error_of_the_daemon(void **state)
{
        struct fixture *f = *state;
        struct outcome o = { 0 };
        struct error err = { .reason = REASON_NOT_FOUND, .message = "no container web" };
        _cleanup_(buf_deinit) struct buf payload = BUF_NULL;
        uint32_t id;

        submit_start(f, "web", -1, &o);
        id = server_await(&f->server, f->client, NULL);
        assert_int_equal(rpc_response_encode_error(id, &err, &payload), 0);
        server_reply(&f->server, id, buf_head(&payload), buf_len(&payload));
        turn_until_done(f, &o);
        assert_int_equal(o.reason, REASON_NOT_FOUND);
        assert_int_equal(o.code, CODE_NOT_FOUND);
        assert_string_equal(o.message, "no container web");
}

/* One call whose first connection dies after the server has read n bytes, then a good one. */
static void die_after_reading(struct fixture *f, size_t n)
{
        _cleanup_(buf_deinit) struct buf again = BUF_NULL;
        struct outcome o = { 0 };
        uint32_t id;

        f->server.read_max = n;
        f->server.n_accepted = 0;
        submit_start(f, "web", 10000, &o);
        while (f->server.n_accepted == 0 || f->server.fd >= 0)
                server_turn(&f->server, f->client);
        f->server.read_max = SIZE_MAX;
        id = server_await(&f->server, f->client, &again);
        assert_int_equal(f->server.n_accepted, 2);
        assert_int_equal(o.n, 0);
        answer_pid(f, id, 5);
        turn_until_done(f, &o);
        assert_int_equal(o.reason, 0);
        assert_int_equal(o.pid, 5);
        server_hang_up(&f->server);
        while (sandboxd_client_fd(f->client) >= 0)
                server_turn(&f->server, f->client);
}

static void test_server_dies_at_each_byte_read(void **state)
{
        struct fixture *f = *state;
        _cleanup_(buf_deinit) struct buf payload = BUF_NULL;
        struct outcome o = { 0 };
        size_t total;
        uint64_t call = submit_start(f, "web", -1, &o);

        server_await(&f->server, f->client, &payload);
        total = FRAME_GREETING + FRAME_HEADER + FRAME_ID + buf_len(&payload);
        assert_int_equal(f->server.n_read, total);
        sandboxd_cancel(f->client, call);
        server_hang_up(&f->server);
        while (sandboxd_client_fd(f->client) >= 0)
                server_turn(&f->server, f->client);
        for (size_t n = 0; n <= total; n++)
                die_after_reading(f, n);
}

/* The first connection dies after it has sent n bytes of its reply; the second gets the same request, and answers. */
static void die_after_sending(struct fixture *f, size_t n)
{
        _cleanup_(buf_deinit) struct buf first = BUF_NULL, second = BUF_NULL, reply = BUF_NULL, frame = BUF_NULL;
        struct outcome o = { 0 };
        uint32_t id;

        f->server.n_accepted = 0;
        submit_start(f, "web", 10000, &o);
        id = server_await(&f->server, f->client, &first);
        encode_pid(id, 7, &reply);
        frame_append(&frame, id, buf_head(&reply), buf_len(&reply));
        assert_true(n <= buf_len(&frame));
        server_send(&f->server, buf_head(&frame), n);
        server_hang_up(&f->server);
        if (n < buf_len(&frame)) {
                assert_int_equal(server_await(&f->server, f->client, &second), id);
                assert_int_equal(buf_len(&second), buf_len(&first)); /* the same, request id included */
                assert_memory_equal(buf_head(&second), buf_head(&first), buf_len(&first));
                assert_int_equal(o.n, 0);
                answer_pid(f, id, 7);
        }
        turn_until_done(f, &o);
        assert_int_equal(o.reason, 0);
        assert_int_equal(o.pid, 7);
        assert_int_equal(f->server.n_accepted, n < buf_len(&frame) ? 2 : 1);
        server_hang_up(&f->server);
        while (sandboxd_client_fd(f->client) >= 0)
                server_turn(&f->server, f->client);
}

static void test_server_dies_in_its_greeting(void **state)
{
        struct fixture *f = *state;
        struct outcome o = { 0 };

        submit_start(f, "web", -1, &o);
        for (size_t n = 0; n < FRAME_GREETING; n++) {
                f->server.greet_max = n;
                while (f->server.n_accepted <= n || f->server.fd >= 0)
                        server_turn(&f->server, f->client);
        }
        f->server.greet_max = FRAME_GREETING;
        answer_pid(f, server_await(&f->server, f->client, NULL), 9);
        turn_until_done(f, &o);
        assert_int_equal(o.pid, 9);
        assert_int_equal(f->server.n_accepted, FRAME_GREETING + 1);
}

static void test_server_dies_at_each_byte_sent(void **state)
{
        struct fixture *f = *state;
        _cleanup_(buf_deinit) struct buf reply = BUF_NULL;

        encode_pid(FRAME_ID_BIT | 1, 7, &reply);
        for (size_t n = 0; n <= FRAME_HEADER + FRAME_ID + buf_len(&reply); n++)
                die_after_sending(f, n);
}

static void test_repeats_only_what_is_unanswered(void **state)
{
        struct fixture *f = *state;
        struct outcome o[3] = { 0 };
        uint32_t id[3];

        for (size_t i = 0; i < 3; i++)
                submit_start(f, "web", -1, &o[i]);
        for (size_t i = 0; i < 3; i++)
                id[i] = server_await(&f->server, f->client, NULL);
        answer_pid(f, id[1], 1);
        turn_until_done(f, &o[1]);
        server_hang_up(&f->server);
        assert_int_equal(server_await(&f->server, f->client, NULL), id[0]);
        assert_int_equal(server_await(&f->server, f->client, NULL), id[2]);
        answer_pid(f, id[2], 1);
        answer_pid(f, id[0], 1);
        turn_until_done(f, &o[0]);
        turn_until_done(f, &o[2]);
        assert_int_equal(f->server.in.end, f->server.in.start); /* nothing else was sent */
}

static void test_given_request_id_is_kept(void **state)
{
        struct fixture *f = *state;
        struct start_params params = { .id = "web", .request_id = "mine" };
        _cleanup_(buf_deinit) struct buf payload = BUF_NULL;
        struct outcome o = { 0 };
        char id[77], request_id[129];

        sandboxd_submit(f->client, METHOD_START, &params, -1, on_reply, &o);
        server_await(&f->server, f->client, &payload);
        decode_start(&payload, id, request_id);
        assert_string_equal(request_id, "mine");
        assert_ptr_equal(params.request_id, "mine");
}

static void test_daemon_comes_late(void **state)
{
        struct fixture *f = *state;
        struct outcome o = { 0 };
        uint32_t id;

        server_unlisten(&f->server);
        submit_start(f, "web", -1, &o);
        for (int i = 0; i < 6; i++) { /* some tries in vain: 0, 1, 2, 5, 10, 20 ms */
                assert_in_range(sandboxd_client_timeout(f->client), 0, 100);
                server_turn(&f->server, f->client);
        }
        assert_int_equal(o.n, 0);
        server_listen(&f->server);
        id = server_await(&f->server, f->client, NULL);
        answer_pid(f, id, 3);
        turn_until_done(f, &o);
        assert_int_equal(o.pid, 3);
}

static void test_patience(void **state)
{
        struct fixture *f = *state;
        struct outcome o = { 0 }, o2 = { 0 }, o3 = { 0 };

        server_unlisten(&f->server);
        sandboxd_client_set_patience(f->client, 0);
        submit_start(f, "web", -1, &o);
        sandboxd_client_process(f->client, 0); /* one try */
        assert_int_equal(o.n, 1);
        assert_int_equal(o.reason, REASON_UNAVAILABLE);
        assert_non_null(strstr(o.message, f->server.path));
        sandboxd_client_set_patience(f->client, 30);
        submit_start(f, "web", -1, &o2);
        turn_until_done(f, &o2);
        assert_int_equal(o2.reason, REASON_UNAVAILABLE);
        sandboxd_client_set_patience(f->client, -1);
        submit_start(f, "web", 20, &o3); /* never sent: not "deadline", which would leave it open what became of it */
        turn_until_done(f, &o3);
        assert_int_equal(o3.reason, REASON_UNAVAILABLE);
        assert_int_equal(sandboxd_client_timeout(f->client), -1);
}

static void test_server_that_only_hangs_up(void **state)
{
        struct fixture *f = *state;
        struct outcome o = { 0 };

        f->server.read_max = 0;
        sandboxd_client_set_patience(f->client, 60);
        submit_start(f, "web", -1, &o);
        turn_until_done(f, &o);
        assert_int_equal(o.reason, REASON_UNAVAILABLE);
        assert_in_range(f->server.n_accepted, 2, 12); /* pauses grow: no busy loop */
}

static void test_deadline(void **state)
{
        struct fixture *f = *state;
        struct outcome slow = { 0 }, good = { 0 };
        uint32_t late, id;

        submit_start(f, "web", 20, &slow);
        late = server_await(&f->server, f->client, NULL);
        turn_until_done(f, &slow);
        assert_int_equal(slow.reason, REASON_DEADLINE);
        assert_int_equal(slow.code, CODE_DEADLINE_EXCEEDED);
        answer_pid(f, late, 1); /* ignored */
        submit_start(f, "web", -1, &good);
        id = server_await(&f->server, f->client, NULL);
        assert_int_not_equal(id, late);
        answer_pid(f, id, 2);
        turn_until_done(f, &good);
        assert_int_equal(good.pid, 2);
        assert_int_equal(slow.n, 1);
        assert_int_equal(f->server.n_accepted, 1);
}

static void test_cancel(void **state)
{
        struct fixture *f = *state;
        struct outcome gone = { 0 }, unsent = { 0 }, good = { 0 };
        uint64_t call = submit_start(f, "web", -1, &gone);
        uint32_t id = server_await(&f->server, f->client, NULL);

        sandboxd_cancel(f->client, call);
        sandboxd_cancel(f->client, call);
        sandboxd_cancel(f->client, 12345);
        answer_pid(f, id, 1);
        sandboxd_cancel(f->client, submit_start(f, "never", -1, &unsent));
        submit_start(f, "web", -1, &good);
        answer_pid(f, server_await(&f->server, f->client, NULL), 2);
        turn_until_done(f, &good);
        assert_int_equal(gone.n, 0);
        assert_int_equal(unsent.n, 0);
}

static void test_too_large(void **state)
{
        struct fixture *f = *state;
        struct outcome o = { 0 };
        static char option[65536];
        const char *options[120];
        struct mount mounts[1] = { { .type = "overlay", .options = { options, 120 } } };
        struct create_params create = { .id = "web", .bundle = "/b", .rootfs = { mounts, 1 } };

        memset(option, 'x', sizeof(option) - 1);
        for (size_t i = 0; i < 120; i++)
                options[i] = option;
        sandboxd_submit(f->client, METHOD_CREATE, &create, -1, on_reply, &o); /* 7.9 MB: goes */
        server_await(&f->server, f->client, NULL);
        assert_int_equal(o.n, 0);
        {
                struct mount two[2] = { mounts[0], mounts[0] };

                create.rootfs = (struct list_mount){ two, 2 };
                o = (struct outcome){ 0 };
                sandboxd_submit(f->client, METHOD_CREATE, &create, -1, on_reply, &o);
        }
        assert_int_equal(sandboxd_client_timeout(f->client), 0);
        sandboxd_client_process(f->client, 0);
        assert_int_equal(o.n, 1);
        assert_int_equal(o.reason, REASON_TOO_LARGE);
        assert_int_equal(f->server.n_accepted, 1); /* it did not cost the connection */
}

static void test_unknown_method(void **state)
{
        struct fixture *f = *state;
        struct outcome o = { 0 };

        sandboxd_submit(f->client, METHOD_N, NULL, -1, on_reply, &o);
        sandboxd_submit(f->client, -1, NULL, -1, on_reply, &o);
        sandboxd_client_process(f->client, 0);
        assert_int_equal(o.n, 2);
        assert_int_equal(o.reason, REASON_INVALID_ARGUMENT);
        assert_int_equal(sandboxd_client_fd(f->client), -1);
}

/* What comes instead of a reply ends the calls with an error: neither a crash, nor a repeat for ever. */
static void garbage(struct fixture *f, const char *bytes, size_t n, bool before_greeting)
{
        struct outcome o = { 0 };

        submit_start(f, "web", -1, &o);
        while (f->server.fd < 0)
                server_turn(&f->server, f->client);
        if (!before_greeting)
                server_await(&f->server, f->client, NULL);
        server_send(&f->server, bytes, n);
        turn_until_done(f, &o);
        assert_int_equal(o.reason, REASON_INTERNAL);
        server_hang_up(&f->server);
        while (sandboxd_client_fd(f->client) >= 0)
                server_turn(&f->server, f->client);
}

static void test_garbage(void **state)
{
        struct fixture *f = *state;
        struct outcome o = { 0 };
        uint32_t id;

        garbage(f, "HTTP/1.1 400 Bad Request\r\n\r\n", 28, true);
        garbage(f, "\0SP\0\0\x30\0\0", 8, true); /* another REQ */
        garbage(f, "\2", 1, false);
        garbage(f, "\1\377\377\377\377\377\377\377\377", 9, false);
        garbage(f, "\1\0\0\0\0\0\0\0\4\0\0\0\1", 13, false);
        submit_start(f, "web", -1, &o); /* and it works again */
        id = server_await(&f->server, f->client, NULL);
        server_reply(&f->server, id, "\xc1", 1); /* a frame that holds no message: only this call fails */
        turn_until_done(f, &o);
        assert_int_equal(o.reason, REASON_INTERNAL);
        assert_true(sandboxd_client_fd(f->client) >= 0);
}

static void test_no_descriptor_between_two(void **state)
{
        struct fixture *f = *state;
        struct outcome o = { 0 };
        int last = -1;
        bool gap = false;

        submit_start(f, "web", -1, &o);
        server_await(&f->server, f->client, NULL);
        last = sandboxd_client_fd(f->client);
        server_hang_up(&f->server);
        while (f->server.n_accepted < 2) {
                server_turn(&f->server, f->client);
                if (sandboxd_client_fd(f->client) < 0)
                        gap = true;
        }
        assert_true(last >= 0);
        assert_true(gap);
}

struct chain {
        struct fixture *f;
        unsigned n;
        struct sandboxd_reply nested;
};

static void on_chain(void *data, struct sandboxd_reply *reply)
{
        struct chain *chain = data;
        struct start_params params = { .id = "web" };

        if (chain->n++ < 3)
                sandboxd_submit(chain->f->client, METHOD_START, &params, -1, on_chain, chain);
        else
                assert_int_equal(sandboxd_call(chain->f->client, METHOD_START, &params, -1, &chain->nested), -1);
}

static void test_callbacks_submit(void **state)
{
        struct fixture *f = *state;
        struct chain chain = { .f = f, .nested = SANDBOXD_REPLY_NULL };
        struct start_params params = { .id = "web" };

        sandboxd_client_set_patience(f->client, 0);
        server_unlisten(&f->server); /* each fails at once, and its callback starts the next */
        sandboxd_submit(f->client, METHOD_START, &params, -1, on_chain, &chain);
        for (int i = 0; i < 50 && chain.n < 4; i++)
                server_turn(&f->server, f->client);
        assert_int_equal(chain.n, 4);
        assert_int_equal(chain.nested.reason, REASON_INVALID_ARGUMENT);
        sandboxd_reply_clear(&chain.nested);
}

static void test_free_with_open_calls(void **state)
{
        struct fixture *f = *state;
        struct outcome o[3] = { 0 };

        for (size_t i = 0; i < 3; i++)
                submit_start(f, "web", -1, &o[i]);
        server_await(&f->server, f->client, NULL);
        f->client = sandboxd_client_free(f->client);
        assert_int_equal(o[0].n + o[1].n + o[2].n, 0);
}

static void test_new(void **state)
{
        char path[200];

        memset(path, 'p', sizeof(path));
        path[108] = '\0';
        assert_null(sandboxd_client_new(path));
        assert_int_equal(errno, ENAMETOOLONG);
        path[107] = '\0';
        sandboxd_client_free(sandboxd_client_new(path));
        assert_null(sandboxd_client_free(NULL));
        assert_string_equal(sandboxd_method_name(METHOD_EVENTS_READ), "events.read");
        assert_null(sandboxd_method_name(METHOD_N));
        assert_string_equal(sandboxd_reason_name(REASON_NOT_FOUND), "not-found");
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(many_out_of_order),
                TEST(error_of_the_daemon),
                TEST(server_dies_at_each_byte_read),
                TEST(server_dies_in_its_greeting),
                TEST(server_dies_at_each_byte_sent),
                TEST(repeats_only_what_is_unanswered),
                TEST(given_request_id_is_kept),
                TEST(daemon_comes_late),
                TEST(patience),
                TEST(server_that_only_hangs_up),
                TEST(deadline),
                TEST(cancel),
                TEST(too_large),
                TEST(unknown_method),
                TEST(garbage),
                TEST(no_descriptor_between_two),
                TEST(callbacks_submit),
                TEST(free_with_open_calls),
                cmocka_unit_test(test_new),
        };

        return cmocka_run_group_tests_name("client", tests, NULL, NULL);
}
