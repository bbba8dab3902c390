/* SPDX-License-Identifier: Apache-2.0 */
/* The metrics' server: clients that behave, that stop halfway, that do not read, and that are many. */

#include "tests/unit/unit.h"
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "base/fd.h"
#include "daemon/metrics.h"
#include "daemon/metrics_http.h"

#define GET "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"

/* --- the request --- */

static unsigned status_of(const char *text)
{
        return http_request_status(text, strlen(text));
}

static void test_requests(void **state)
{
        static const struct {
                const char *text;
                unsigned status;
        } rows[] = {
                { "", 0 },
                { "GET /metrics HTTP/1.1", 0 },
                { "GET /metrics HTTP/1.1\r\n", 0 },
                { "GET /metrics HTTP/1.1\r\nHost: x\r\n", 0 },
                { GET, 200 },
                { GET "and more", 200 },
                { "GET /metrics HTTP/1.0\n\n", 200 },
                { "GET /metrics?name=x HTTP/1.1\r\n\r\n", 200 },
                { "GET /metrics/ HTTP/1.1\r\n\r\n", 404 },
                { "GET / HTTP/1.1\r\n\r\n", 404 },
                { "GET / HTTP/1.1\r\n", 0 },
                { "POST /metrics HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", 405 },
                { "HEAD /metrics HTTP/1.1\r\n\r\n", 405 },
                { "GET /metrics HTTP/2.0\r\n", 505 },
                { "GET /metrics\r\n", 400 },
                { "GET  /metrics HTTP/1.1\r\n", 400 },
                { "GET /metrics HTTP/1.1 \r\n", 400 },
                { "GET /metrics http/1.1\r\n", 400 },
                { "GET /metrics HTTP/1.10\r\n", 400 },
                { "G\x01T /metrics HTTP/1.1\r\n", 400 },
                { "\r\n", 400 },
                { " GET /metrics HTTP/1.1\r\n", 400 },
                { "GET /metrics HTTP/1.1\r\nno field\r\n", 400 },
                { "GET /metrics HTTP/1.1\r\n: x\r\n", 400 },
                { "GET /metrics HTTP/1.1\r\na : x\r\n", 400 },
                { "GET /metrics HTTP/1.1\r\n folded\r\n", 400 },
                { "GET /metrics HTTP/1.1\r\na: \x7f\r\n", 400 },
        };
        char big[HTTP_HEAD_MAX + 1];

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
                if (status_of(rows[i].text) != rows[i].status)
                        fail_msg("%u, not %u: %s", status_of(rows[i].text), rows[i].status, rows[i].text);
        memset(big, 'a', sizeof(big));
        assert_int_equal(http_request_status(big, HTTP_HEAD_MAX - 1), 0);
        assert_int_equal(http_request_status(big, HTTP_HEAD_MAX), 431);
        assert_int_equal(http_request_status("GET /metrics HTTP/1.1\n\0\n", 24), 400);
        assert_string_equal(http_status_text(404), "Not Found");
        assert_string_equal(http_status_text(1), "Error");
}

static void test_addresses(void **state)
{
        static const char *const good[] = { "/run/x", "127.0.0.1:0", "127.1.2.3:65535", "[::1]:9464" };
        static const char *const bad[] = {
                "",          "x",          "/run/",           "0.0.0.0:1",    "10.0.0.1:1",   "[::]:1", "localhost:1",
                "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:1x", "127.0.0.1:-1", ":1",     "[::1]"
        };
        struct error err = ERROR_NULL;

        for (size_t i = 0; i < ARRAY_SIZE(good); i++)
                if (metrics_check_listen(good[i], &err) < 0)
                        fail_msg("%s", err.message);
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
                if (metrics_check_listen(bad[i], &err) == 0)
                        fail_msg("accepted: %s", bad[i]);
}

/* --- the server --- */

struct fixture {
        char dir[32], path[64];
        struct loop *loop;
        struct metrics *m;
        struct metrics_options options;
        struct watch_timer later;
        size_t size;     /* of the text; 0: there is none */
        unsigned gathers;
};

static void on_later(struct watch_timer *w)
{
        struct fixture *f = container_of(w, struct fixture, later);
        struct buf text = BUF_NULL;

        if (f->size) {
                uint8_t *room = buf_reserve(&text, f->size);

                memset(room, 'm', f->size);
                buf_commit(&text, f->size);
        }
        metrics_answer(f->m, f->size ? &text : NULL);
        buf_deinit(&text);
}

static void gather(void *data, struct metrics *m)
{
        struct fixture *f = data;

        f->gathers++;
        watch_timer_arm(&f->later, 5 * NSEC_PER_MSEC);
}

static int setup(void **state)
{
        struct fixture *f = calloc(1, sizeof(*f));

        assert_non_null(f);
        unit_mkdir(f->dir);
        snprintf(f->path, sizeof(f->path), "%s/m", f->dir);
        assert_int_equal(loop_new(&f->loop), 0);
        watch_timer_init(&f->later, f->loop, on_later);
        f->size = 1000;
        f->options = (struct metrics_options){ .listen = f->path,
                                               .gid = (gid_t)-1,
                                               .max_connections = 4,
                                               .request_ns = UNIT_DEADLINE_NS,
                                               .answer_ns = UNIT_DEADLINE_NS,
                                               .gather = gather,
                                               .data = f };
        *state = f;
        return 0;
}

static void serve(struct fixture *f)
{
        struct error err = ERROR_NULL;

        if (metrics_new(&f->m, f->loop, &f->options, &err) < 0)
                fail_msg("%s", err.message);
}

static int teardown(void **state)
{
        struct fixture *f = *state;

        metrics_free(f->m);
        watch_timer_stop(&f->later);
        loop_free(f->loop);
        assert_int_equal(access(f->path, F_OK), -1);
        unit_rmdir(f->dir);
        free(f);
        return 0;
}

/* A client: what it has got so far, and whether that was all. */
struct client {
        int fd;
        struct watch_fd watch;
        struct buf got;
        bool over;
};

static void on_client(struct watch_fd *w, unsigned events)
{
        struct client *c = container_of(w, struct client, watch);
        uint8_t *room = buf_reserve(&c->got, 65536);
        ssize_t n = recv(c->fd, room, 65536, MSG_DONTWAIT);

        if (n > 0)
                buf_commit(&c->got, (size_t)n);
        c->over = n == 0 || (n < 0 && errno != EAGAIN);
        if (c->over)
                watch_fd_stop(w);
}

static void client_open(struct fixture *f, struct client *c)
{
        struct sockaddr_un un = { .sun_family = AF_UNIX };
        struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        bool local = f->options.listen[0] == '/';

        *c = (struct client){ .fd = socket(local ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) };
        strcpy(un.sun_path, f->path);
        in.sin_port = htons((in_port_t)metrics_port(f->m));
        assert_int_equal(local ? connect(c->fd, (struct sockaddr *)&un, sizeof(un))
                               : connect(c->fd, (struct sockaddr *)&in, sizeof(in)),
                         0);
        watch_fd_init(&c->watch, f->loop, on_client);
        watch_fd_set(&c->watch, c->fd, LOOP_READ);
}

static void client_say(struct client *c, const char *text)
{
        assert_int_equal(send(c->fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void client_close(struct client *c)
{
        watch_fd_stop(&c->watch);
        fd_close(c->fd);
        buf_deinit(&c->got);
}

/* The status of the answer, whose body must be of the length that its head says. */
static unsigned client_status(struct client *c, size_t *ret_length)
{
        const char *text, *end;
        unsigned status = 0;

        buf_append(&c->got, "", 1);
        text = (const char *)buf_head(&c->got);
        end = strstr(text, "\r\n\r\n");
        assert_non_null(end);
        assert_int_equal(sscanf(text, "HTTP/1.1 %u ", &status), 1);
        assert_int_equal(sscanf(strstr(text, "Content-Length: "), "Content-Length: %zu", ret_length), 1);
        assert_int_equal(buf_len(&c->got) - 1 - (size_t)(end + 4 - text), *ret_length);
        return status;
}

static void ask(struct fixture *f, const char *request, unsigned status, size_t length)
{
        struct client c;
        size_t found;

        client_open(f, &c);
        client_say(&c, request);
        unit_run_until(f->loop, c.over);
        assert_int_equal(client_status(&c, &found), status);
        assert_int_equal(found, length);
        client_close(&c);
}

static void test_answers(void **state)
{
        struct fixture *f = *state;

        serve(f);
        assert_int_equal(metrics_port(f->m), 0);
        ask(f, GET, 200, 1000);
        ask(f, "GET / HTTP/1.1\r\n\r\n", 404, 0);
        ask(f, "PUT /metrics HTTP/1.1\r\nContent-Length: 5\r\n\r\nabcde", 405, 0);
        ask(f, "nonsense\n and what comes behind it is not read", 400, 0);
        f->size = 0;
        ask(f, GET, 503, 0);
        assert_int_equal(f->gathers, 2);
        unit_run_until(f->loop, metrics_n_connections(f->m) == 0);
}

static void test_tcp(void **state)
{
        struct fixture *f = *state;
        struct error err = ERROR_NULL;
        struct metrics *second = NULL;
        char listen[32];

        f->options.listen = "127.0.0.1:0";
        serve(f);
        ask(f, GET, 200, 1000);
        snprintf(listen, sizeof(listen), "127.0.0.1:%u", metrics_port(f->m));
        f->options.listen = listen;
        assert_int_equal(metrics_new(&second, f->loop, &f->options, &err), -1);
        assert_non_null(strstr(err.message, "cannot serve metrics on 127.0.0.1:"));
        f->options.listen = "127.0.0.1:0";
}

/* A request that comes byte by byte is as good as any. */
static void test_slow(void **state)
{
        struct fixture *f = *state;
        struct client slow;
        size_t length;

        serve(f);
        client_open(f, &slow);
        for (const char *p = GET; *p; p++) {
                assert_int_equal(send(slow.fd, p, 1, MSG_NOSIGNAL), 1);
                loop_run_once(f->loop, false);
        }
        unit_run_until(f->loop, slow.over);
        assert_int_equal(client_status(&slow, &length), 200);
        client_close(&slow);
}

/* One that does not come to its end costs its connection. */
static void test_half(void **state)
{
        struct fixture *f = *state;
        struct client half;

        f->options.request_ns = 100 * NSEC_PER_MSEC;
        serve(f);
        client_open(f, &half);
        client_say(&half, "GET /metrics HTTP/1.1\r\nHost:");
        unit_run_until(f->loop, half.over);
        assert_int_equal(buf_len(&half.got), 0);
        client_close(&half);
        unit_run_until(f->loop, metrics_n_connections(f->m) == 0);
}

static void open_deaf(struct fixture *f, struct client *deaf)
{
        f->size = 8 << 20;
        client_open(f, deaf);
        watch_fd_stop(&deaf->watch);
        client_say(deaf, GET);
        unit_run_until(f->loop, f->gathers);
}

/* Who does not read keeps nobody else waiting, and the loop does not spin. */
static void test_does_not_read(void **state)
{
        struct fixture *f = *state;
        struct client deaf;
        uint64_t rounds;

        serve(f);
        rounds = loop_stats(f->loop)->rounds;
        open_deaf(f, &deaf);
        unit_run_for(f->loop, 50 * NSEC_PER_MSEC);
        f->size = 1000;
        ask(f, GET, 200, 1000);
        assert_true(loop_stats(f->loop)->rounds - rounds < 1000);
        assert_true(metrics_n_connections(f->m) >= 1);
        client_close(&deaf);
        unit_run_until(f->loop, metrics_n_connections(f->m) == 0);
}

/* And is closed when its time is over. */
static void test_late(void **state)
{
        struct fixture *f = *state;
        struct client deaf;

        f->options.answer_ns = 200 * NSEC_PER_MSEC;
        serve(f);
        open_deaf(f, &deaf);
        unit_run_until(f->loop, metrics_n_connections(f->m) == 0);
        client_close(&deaf);
}

/* More than there is room for: the oldest that say nothing have to go, and those who ask are answered. */
static void test_many(void **state)
{
        struct fixture *f = *state;
        struct client silent[12], asking[3];
        size_t length, over = 0;

        serve(f);
        for (size_t i = 0; i < ARRAY_SIZE(silent); i++)
                client_open(f, &silent[i]);
        for (size_t i = 0; i < ARRAY_SIZE(asking); i++) {
                client_open(f, &asking[i]);
                client_say(&asking[i], GET);
        }
        for (size_t i = 0; i < ARRAY_SIZE(asking); i++) {
                unit_run_until(f->loop, asking[i].over);
                assert_int_equal(client_status(&asking[i], &length), 200);
                assert_true(metrics_n_connections(f->m) <= 4);
        }
        for (size_t i = 0; i < ARRAY_SIZE(silent); i++) {
                over += silent[i].over;
                client_close(&silent[i]);
        }
        assert_true(over >= ARRAY_SIZE(silent) - 4);
        for (size_t i = 0; i < ARRAY_SIZE(asking); i++)
                client_close(&asking[i]);
        unit_run_until(f->loop, metrics_n_connections(f->m) == 0);
}

/* Those who ask at once share one text; and while all places are taken by such, others wait outside. */
static void test_share(void **state)
{
        struct fixture *f = *state;
        struct client c[10];
        size_t length;

        serve(f);
        for (size_t i = 0; i < ARRAY_SIZE(c); i++) {
                client_open(f, &c[i]);
                client_say(&c[i], GET);
        }
        for (size_t i = 0; i < ARRAY_SIZE(c); i++) {
                unit_run_until(f->loop, c[i].over);
                assert_int_equal(client_status(&c[i], &length), 200);
                client_close(&c[i]);
        }
        assert_in_range(f->gathers, 1, 9);
}

/* They go while they wait, or are waited for when the server ends. */
static void test_leave(void **state)
{
        struct fixture *f = *state;
        struct client a, b, c;

        serve(f);
        client_open(f, &a);
        client_say(&a, GET);
        client_open(f, &b);
        client_say(&b, GET);
        unit_run_until(f->loop, f->gathers);
        client_close(&a);
        unit_run_until(f->loop, b.over);
        client_close(&b);
        client_open(f, &c);
        client_say(&c, GET);
        unit_run_until(f->loop, f->gathers == 2);
        watch_timer_stop(&f->later);
        f->m = metrics_free(f->m);
        unit_run_until(f->loop, c.over);
        client_close(&c);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_requests),
                cmocka_unit_test(test_addresses),
                cmocka_unit_test_setup_teardown(test_answers, setup, teardown),
                cmocka_unit_test_setup_teardown(test_tcp, setup, teardown),
                cmocka_unit_test_setup_teardown(test_slow, setup, teardown),
                cmocka_unit_test_setup_teardown(test_half, setup, teardown),
                cmocka_unit_test_setup_teardown(test_does_not_read, setup, teardown),
                cmocka_unit_test_setup_teardown(test_late, setup, teardown),
                cmocka_unit_test_setup_teardown(test_many, setup, teardown),
                cmocka_unit_test_setup_teardown(test_share, setup, teardown),
                cmocka_unit_test_setup_teardown(test_leave, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
