/* SPDX-License-Identifier: Apache-2.0 */

/* The dispatcher with handlers that park everything, over a transport that only remembers. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include "daemon/answers.h"
#include "tests/lib/fake-transport.h"

#define PARKED_MAX 64

struct daemon { /* what the handlers get */
        struct request *parked[PARKED_MAX];
        size_t n_parked;
        unsigned n_cancelled;
        char log[256]; /* on_answer */
};

struct fixture {
        struct transport_request w[16]; /* outlive the test: teardown drops what is open */
        struct daemon d;
        struct requests *r;
};

static void on_cancel(struct request *req)
{
        struct daemon *d = req->parker;

        assert_null(req->wire);
        for (size_t i = 0; i < d->n_parked; i++)
                if (d->parked[i] == req)
                        d->parked[i] = NULL;
        d->n_cancelled++;
        request_free(req);
}

static void park(struct daemon *d, struct request *req)
{
        assert_true(d->n_parked < PARKED_MAX);
        req->parker = d;
        req->on_cancel = on_cancel;
        d->parked[d->n_parked++] = req;
}

static void on_answer(void *data, const struct answer *answer)
{
        struct daemon *d = data;

        strcat(d->log, answer->request_id);
        strcat(d->log, "@");
        strcat(d->log, answer->container_key);
        strcat(d->log, " ");
}

static const uid_t writers[] = { 1000, 1001 };

static struct requests *requests_make(struct daemon *d, unsigned max_open, size_t max_bytes, unsigned max_answers)
{
        request_handler handlers[METHOD_N];
        struct requests_options o = { .write_uids = writers,
                                      .n_write_uids = ARRAY_SIZE(writers),
                                      .max_open_per_uid = max_open,
                                      .max_open_bytes_per_uid = max_bytes,
                                      .max_answers = max_answers };
        struct requests *r;

        for (size_t i = 0; i < METHOD_N; i++)
                handlers[i] = park;
        handlers[METHOD_CHECKPOINT] = NULL;
        assert_int_equal(requests_new(&r, d, handlers, &o), 0);
        requests_on_answer(r, on_answer, d);
        return r;
}

static int setup(void **state)
{
        struct fixture *f = calloc(1, sizeof(*f));

        assert_non_null(f);
        f->r = requests_make(&f->d, 10, 100000, 100);
        *state = f;
        return 0;
}

static int teardown(void **state)
{
        struct fixture *f = *state;

        requests_free(f->r);
        for (size_t i = 0; i < ARRAY_SIZE(f->w); i++)
                fake_request_deinit(&f->w[i]);
        free(f);
        return 0;
}

/* --- the client's side --- */

static const struct transport_peer root = { .connection = 1, .uid = 0, .pid = 10 };
static const struct transport_peer root2 = { .connection = 2, .uid = 0, .pid = 11 };
static const struct transport_peer writer = { .connection = 3, .uid = 1000, .pid = 12 };
static const struct transport_peer guest = { .connection = 4, .uid = 2000, .pid = 13 };

static void send_raw(struct fixture *f, struct transport_request *w, const struct transport_peer *peer,
                     const void *data, size_t len)
{
        fake_request_deinit(w);
        requests_transport_handlers.request(f->r, w, peer, data, len);
}

static void send_call(struct fixture *f, struct transport_request *w, const struct transport_peer *peer, uint32_t id,
                      enum method_id method, const void *params)
{
        struct error err = ERROR_NULL;
        struct buf b = BUF_NULL;

        if (rpc_request_encode(id, &method_table[method], params, &b, &err) < 0)
                fail_msg("%s", err.message);
        send_raw(f, w, peer, buf_head(&b), buf_len(&b));
        buf_deinit(&b);
}

static void send_kill(struct fixture *f, struct transport_request *w, const struct transport_peer *peer, uint32_t id,
                      const char *request_id)
{
        struct kill_params p = {
                .owner = "o", .ns = "n", .id = "c1", .exec_id = "", .request_id = request_id, .signal = 9
        };

        send_call(f, w, peer, id, METHOD_KILL, &p);
}

static void send_start(struct fixture *f, struct transport_request *w, const struct transport_peer *peer, uint32_t id,
                       const char *request_id)
{
        struct start_params p = { .owner = "o", .ns = "", .id = "c1", .exec_id = "", .request_id = request_id };

        send_call(f, w, peer, id, METHOD_START, &p);
}

static void send_wait(struct fixture *f, struct transport_request *w, const struct transport_peer *peer, uint32_t id)
{
        struct target p = { .owner = "o", .ns = "n", .id = "c1", .exec_id = "" };

        send_call(f, w, peer, id, METHOD_WAIT, &p);
}

static void disconnect(struct fixture *f, const struct transport_peer *peer)
{
        requests_transport_handlers.disconnected(f->r, peer);
}

/* The answer's id and reason; frees it. */
static void assert_answer(struct transport_request *w, enum method_id method, uint32_t id, enum reason reason)
{
        struct arena *a = arena_new();
        struct error err = ERROR_NULL;
        struct rpc_response got;

        assert_true(w->answered);
        if (rpc_response_decode(buf_head(&w->response), buf_len(&w->response), &method_table[method], a, &got, &err) <
            0)
                fail_msg("%s", err.message);
        assert_int_equal(got.id, id);
        assert_string_equal(reason_name((enum reason)got.error.reason), reason_name(reason));
        assert_int_equal(got.error.reason, reason);
        arena_free(a);
        fake_request_deinit(w);
}

static void answer_start(struct request **req, uint32_t pid)
{
        request_reply(req, &(struct start_result){ .pid = pid });
        assert_null(*req);
}

static uint32_t started_pid(const struct transport_request *w)
{
        struct arena *a = arena_new();
        struct error err = ERROR_NULL;
        struct rpc_response got;
        uint32_t pid;

        assert_int_equal(rpc_response_decode(buf_head(&w->response), buf_len(&w->response), &method_table[METHOD_START],
                                             a, &got, &err),
                         0);
        assert_int_equal(got.error.reason, 0);
        pid = ((struct start_result *)got.result)->pid;
        arena_free(a);
        return pid;
}

/* --- tests --- */

static void test_reaches_its_handler(void **state)
{
        struct fixture *f = *state;
        struct transport_request *w = f->w;
        struct request *req;

        send_start(f, w, &root, 77, "rid");
        assert_int_equal(f->d.n_parked, 1);
        req = f->d.parked[0];
        assert_int_equal(req->method->id, METHOD_START);
        assert_string_equal(((struct start_params *)req->params)->id, "c1");
        assert_string_equal(req->request_id, "rid");
        assert_int_equal(req->peer.pid, 10);
        assert_int_equal(req->id, 77);
        assert_true(req->received_ns > 0);
        assert_int_equal(requests_n_open(f->r), 1);
        assert_false(w->answered);
        answer_start(&f->d.parked[0], 4242);
        assert_int_equal(started_pid(w), 4242);
        assert_answer(w, METHOD_START, 77, REASON_NONE);
        assert_int_equal(requests_n_open(f->r), 0);
        assert_string_equal(f->d.log, "0/rid@o/default/c1 ");
}

static void test_failures_of_the_handler(void **state)
{
        struct fixture *f = *state;
        struct transport_request *w = f->w;
        struct error err = ERROR_NULL;

        send_kill(f, w, &root, 1, "");
        request_fail_reason(&f->d.parked[0], REASON_NOT_FOUND, "no container %s", "c1");
        assert_answer(w, METHOD_KILL, 1, REASON_NOT_FOUND);
        send_kill(f, w, &root, 2, "");
        error_set(&err, REASON_PAUSED, "it is paused");
        request_fail(&f->d.parked[1], &err);
        assert_answer(w, METHOD_KILL, 2, REASON_PAUSED);
        send_kill(f, w, &root, 3, "");
        request_reply(&f->d.parked[2], NULL); /* empty */
        assert_answer(w, METHOD_KILL, 3, REASON_NONE);
        assert_string_equal(f->d.log, "");
}

static void test_malformed(void **state)
{
        static const struct {
                const char *data;
                size_t len;
                uint32_t id;
                enum reason reason;
        } rows[] = {
                { "", 0, 0, REASON_MALFORMED },
                { "\xc1", 1, 0, REASON_MALFORMED },
                { "\x94\x01\x05\xc0\x80", 5, 5, REASON_MALFORMED },          /* a response */
                { "\x94\x00\x07\xa4info\x80\x00", 10, 7, REASON_MALFORMED }, /* trailing */
                { "\x94\x00\xcd\x01\x00\xa4none\x80", 11, 256, REASON_UNKNOWN_METHOD },
                { "\x94\x00\x08\xa4info\x81\xa1x\x01", 12, 8, REASON_INVALID_ARGUMENT },
        };
        struct fixture *f = *state;
        struct transport_request *w = f->w;

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                send_raw(f, w, &root, rows[i].data, rows[i].len);
                assert_answer(w, METHOD_INFO, rows[i].id, rows[i].reason);
        }
        assert_int_equal(f->d.n_parked, 0);
        assert_int_equal(requests_n_open(f->r), 0);
}

static void test_access(void **state)
{
        struct fixture *f = *state;
        struct transport_request *w = f->w;

        send_kill(f, &w[0], &guest, 1, "");
        assert_answer(&w[0], METHOD_KILL, 1, REASON_PERMISSION);
        send_wait(f, &w[1], &guest, 2);
        assert_int_equal(f->d.n_parked, 1);
        send_kill(f, &w[2], &writer, 3, "");
        assert_int_equal(f->d.n_parked, 2);
        send_kill(f, &w[3], &root, 4, "");
        assert_int_equal(f->d.n_parked, 3);
}

static void test_method_without_handler(void **state)
{
        struct checkpoint_params p = { .owner = "", .ns = "", .id = "c", .path = "/x" };
        struct fixture *f = *state;
        struct transport_request *w = f->w;

        send_call(f, w, &root, 9, METHOD_CHECKPOINT, &p);
        assert_answer(w, METHOD_CHECKPOINT, 9, REASON_NOT_SUPPORTED);
}

static void test_quota_of_requests(void **state)
{
        struct fixture *f = *state;
        struct transport_request *w = f->w;

        for (uint32_t i = 0; i < 10; i++)
                send_wait(f, &w[i], &guest, i);
        send_wait(f, &w[10], &guest, 10);
        assert_answer(&w[10], METHOD_WAIT, 10, REASON_QUOTA);
        send_wait(f, &w[11], &writer, 11); /* another user */
        assert_int_equal(f->d.n_parked, 11);
        request_reply(&f->d.parked[0], &(struct exit_result){ .cause = "" });
        assert_answer(&w[0], METHOD_WAIT, 0, REASON_NONE);
        send_wait(f, &w[10], &guest, 12);
        assert_int_equal(f->d.n_parked, 12);
}

static void test_quota_of_bytes(void **state)
{
        struct fixture *f = *state;
        struct transport_request *w = f->w;
        char *spec = calloc(1, 60001);
        struct exec_params p = { .owner = "",
                                 .ns = "",
                                 .id = "c",
                                 .exec_id = "e",
                                 .request_id = "",
                                 .spec = { .data = (uint8_t *)spec, .len = 60000 },
                                 .stdin_path = "",
                                 .stdout_path = "",
                                 .stderr_path = "" };

        assert_non_null(spec);
        memset(spec, ' ', 60000);
        send_call(f, &w[0], &root, 1, METHOD_EXEC, &p);
        assert_int_equal(f->d.n_parked, 1);
        send_call(f, &w[1], &root, 2, METHOD_EXEC, &p);
        assert_answer(&w[1], METHOD_EXEC, 2, REASON_QUOTA);
        send_call(f, &w[1], &writer, 2, METHOD_EXEC, &p);
        assert_int_equal(f->d.n_parked, 2);
        request_reply(&f->d.parked[0], NULL);
        assert_answer(&w[0], METHOD_EXEC, 1, REASON_NONE);
        send_call(f, &w[2], &root, 3, METHOD_EXEC, &p);
        assert_int_equal(f->d.n_parked, 3);
        free(spec);
}

static void test_repeat_of_an_answered_one(void **state)
{
        struct fixture *f = *state;
        struct transport_request *w = f->w;

        send_start(f, w, &root, 1, "rid");
        answer_start(&f->d.parked[0], 55);
        fake_request_deinit(w);
        send_start(f, w, &root2, 70000, "rid"); /* another connection, another message id */
        assert_int_equal(f->d.n_parked, 1);
        assert_int_equal(started_pid(w), 55);
        assert_answer(w, METHOD_START, 70000, REASON_NONE);
        assert_string_equal(f->d.log, "0/rid@o/default/c1 "); /* once */
        assert_int_equal(requests_n_open(f->r), 0);
        /* errors are answers too */
        send_start(f, w, &root, 2, "bad");
        request_fail_reason(&f->d.parked[1], REASON_WRONG_STATE, "no");
        assert_answer(w, METHOD_START, 2, REASON_WRONG_STATE);
        send_start(f, w, &root, 3, "bad");
        assert_answer(w, METHOD_START, 3, REASON_WRONG_STATE);
        assert_int_equal(f->d.n_parked, 2);
        /* but for the one that asks for a repeat */
        send_start(f, w, &root, 4, "later");
        request_fail_reason(&f->d.parked[2], REASON_UNAVAILABLE, "stopping");
        assert_answer(w, METHOD_START, 4, REASON_UNAVAILABLE);
        send_start(f, w, &root, 5, "later");
        assert_int_equal(f->d.n_parked, 4);
}

static void test_repeat_of_an_open_one(void **state)
{
        struct fixture *f = *state;
        struct transport_request *w = f->w;

        send_start(f, &w[0], &root, 1, "rid");
        send_start(f, &w[1], &root, 2, "rid");
        send_start(f, &w[2], &root2, 3, "rid");
        send_start(f, &w[3], &root2, 4, "rid");
        assert_int_equal(f->d.n_parked, 1);
        assert_int_equal(requests_n_open(f->r), 4);
        answer_start(&f->d.parked[0], 66);
        for (uint32_t i = 0; i < 4; i++) {
                assert_int_equal(started_pid(&w[i]), 66);
                assert_answer(&w[i], METHOD_START, i + 1, REASON_NONE);
        }
        assert_int_equal(requests_n_open(f->r), 0);
}

static void test_other_method_of_the_same_id(void **state)
{
        struct fixture *f = *state;
        struct transport_request *w = f->w;

        send_start(f, &w[0], &root, 1, "rid");
        send_kill(f, &w[1], &root, 2, "rid");
        assert_answer(&w[1], METHOD_KILL, 2, REASON_INVALID_ARGUMENT);
        answer_start(&f->d.parked[0], 1);
        fake_request_deinit(&w[0]);
        send_kill(f, &w[1], &root, 3, "rid");
        assert_answer(&w[1], METHOD_KILL, 3, REASON_INVALID_ARGUMENT);
        assert_int_equal(f->d.n_parked, 1);
}

static void test_request_ids_are_per_user(void **state)
{
        struct fixture *f = *state;
        struct transport_request *w = f->w;

        send_start(f, &w[0], &root, 1, "rid");
        send_start(f, &w[1], &writer, 1, "rid");
        assert_int_equal(f->d.n_parked, 2);
        answer_start(&f->d.parked[0], 1);
        assert_false(w[1].answered);
        answer_start(&f->d.parked[1], 2);
        assert_int_equal(started_pid(&w[0]), 1);
        assert_int_equal(started_pid(&w[1]), 2);
        fake_request_deinit(&w[0]);
        fake_request_deinit(&w[1]);
}

static void test_disconnect_cancels_reads_only(void **state)
{
        struct fixture *f = *state;
        struct transport_request *w = f->w;

        send_wait(f, &w[0], &root, 1);
        send_start(f, &w[1], &root, 2, "rid");
        send_wait(f, &w[2], &root2, 3);
        send_wait(f, &w[3], &root, 4);
        disconnect(f, &root);
        assert_true(w[0].dropped && w[1].dropped && w[3].dropped);
        assert_false(w[2].dropped);
        assert_int_equal(f->d.n_cancelled, 2);
        assert_int_equal(requests_n_open(f->r), 2);
        disconnect(f, &root); /* nothing more */
        assert_int_equal(f->d.n_cancelled, 2);
        /* The repeat on a new connection gets the answer of the one that went on. */
        send_start(f, &w[0], &root2, 9, "rid");
        assert_int_equal(f->d.n_parked, 4);
        answer_start(&f->d.parked[1], 77);
        assert_int_equal(started_pid(&w[0]), 77);
        assert_answer(&w[0], METHOD_START, 9, REASON_NONE);
}

static void test_disconnect_without_on_cancel(void **state)
{
        struct fixture *f = *state;
        struct transport_request *w = f->w;

        send_wait(f, w, &root, 1);
        f->d.parked[0]->on_cancel = NULL;
        disconnect(f, &root);
        assert_true(w->dropped);
        assert_int_equal(requests_n_open(f->r), 1);
        request_reply(&f->d.parked[0], &(struct exit_result){ .cause = "" }); /* to nobody */
        assert_int_equal(requests_n_open(f->r), 0);
}

static void test_disconnect_of_followers(void **state)
{
        struct fixture *f = *state;
        struct transport_request *w = f->w;

        send_start(f, &w[0], &root, 1, "rid");
        send_start(f, &w[1], &root2, 2, "rid");
        send_start(f, &w[2], &root2, 3, "rid");
        disconnect(f, &root2);
        assert_true(w[1].dropped && w[2].dropped);
        assert_int_equal(requests_n_open(f->r), 1);
        send_start(f, &w[1], &root2, 4, "rid");
        disconnect(f, &root);
        answer_start(&f->d.parked[0], 5);
        assert_true(w[0].dropped);
        assert_int_equal(started_pid(&w[1]), 5);
        fake_request_deinit(&w[1]);
}

static void test_free_with_open_ones(void **state)
{
        struct fixture *f = *state;
        struct transport_request *w = f->w;

        send_wait(f, &w[0], &root, 1);
        send_start(f, &w[1], &root, 2, "rid");
        send_start(f, &w[2], &root2, 3, "rid");
        send_kill(f, &w[3], &root2, 4, "");
        f->d.parked[2]->on_cancel = NULL;
        f->r = requests_free(f->r);
        for (int i = 0; i < 4; i++)
                assert_true(w[i].dropped && !w[i].answered);
        assert_int_equal(f->d.n_cancelled, 2);
        assert_string_equal(f->d.log, "");
}

static void keep(void *data, const struct answer *answer)
{
        assert_int_equal(requests_restore_answer(data, answer), 0);
}

/* A daemon that starts anew, with what the records kept. */
static void test_restored_answers(void **state)
{
        struct daemon next = { 0 };
        struct fixture *f = *state, later = { 0 };
        struct transport_request *w = f->w;

        send_start(f, w, &writer, 1, "rid");
        answer_start(&f->d.parked[0], 99);
        fake_request_deinit(w);
        later.r = requests_make(&next, 10, 100000, 100);
        requests_each_answer(f->r, "o/default/c1", 8, keep, later.r);
        requests_transport_handlers.disconnected(later.r, &writer);
        send_start(&later, w, &root, 5, "rid"); /* not his */
        assert_int_equal(next.n_parked, 1);
        send_start(&later, w, &writer, 6, "rid");
        assert_int_equal(started_pid(w), 99);
        assert_answer(w, METHOD_START, 6, REASON_NONE);
        assert_string_equal(next.log, "");
        requests_free(later.r);
}

/* Its own list of answers does not grow without bound: the oldest is forgotten, and runs again. */
static void test_forgotten_answer(void **state)
{
        struct fixture f = { 0 };
        struct transport_request w = { 0 };

        f.r = requests_make(&f.d, 10, 100000, 2);
        for (int i = 0; i < 3; i++) {
                char rid[8];

                snprintf(rid, sizeof(rid), "r%d", i);
                send_start(&f, &w, &root, 1, rid);
                answer_start(&f.d.parked[i], 1);
                fake_request_deinit(&w);
        }
        send_start(&f, &w, &root, 1, "r2");
        assert_true(w.answered);
        send_start(&f, &w, &root, 1, "r0");
        assert_false(w.answered);
        assert_int_equal(f.d.n_parked, 4);
        requests_free(f.r);
        fake_request_deinit(&w);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_reaches_its_handler, setup, teardown),
                cmocka_unit_test_setup_teardown(test_failures_of_the_handler, setup, teardown),
                cmocka_unit_test_setup_teardown(test_malformed, setup, teardown),
                cmocka_unit_test_setup_teardown(test_access, setup, teardown),
                cmocka_unit_test_setup_teardown(test_method_without_handler, setup, teardown),
                cmocka_unit_test_setup_teardown(test_quota_of_requests, setup, teardown),
                cmocka_unit_test_setup_teardown(test_quota_of_bytes, setup, teardown),
                cmocka_unit_test_setup_teardown(test_repeat_of_an_answered_one, setup, teardown),
                cmocka_unit_test_setup_teardown(test_repeat_of_an_open_one, setup, teardown),
                cmocka_unit_test_setup_teardown(test_other_method_of_the_same_id, setup, teardown),
                cmocka_unit_test_setup_teardown(test_request_ids_are_per_user, setup, teardown),
                cmocka_unit_test_setup_teardown(test_disconnect_cancels_reads_only, setup, teardown),
                cmocka_unit_test_setup_teardown(test_disconnect_without_on_cancel, setup, teardown),
                cmocka_unit_test_setup_teardown(test_disconnect_of_followers, setup, teardown),
                cmocka_unit_test_setup_teardown(test_free_with_open_ones, setup, teardown),
                cmocka_unit_test_setup_teardown(test_restored_answers, setup, teardown),
                cmocka_unit_test(test_forgotten_answer),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
