/* SPDX-License-Identifier: Apache-2.0 */

/* The control connection of a gVisor sandbox: where an object ends, and a server that is played in the test. */

#include "tests/lib/rig.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/fd.h"
#include "daemon/urpc.h"

/* --- where one object ends --- */

static int scan(const char *text)
{
        struct urpc_scan s = { 0 };

        return urpc_scan(&s, text, strlen(text));
}

static int scan_bytewise(const char *text)
{
        struct urpc_scan s = { 0 };
        int r = 0;

        for (const char *p = text; *p && r >= 0; p++)
                r = urpc_scan(&s, p, 1);
        return r;
}

static void ends(void **state)
{
        static const struct {
                const char *text;
                int expected;
        } rows[] = {
                { "", 0 },
                { " \n", 0 },
                { "{}", 1 },
                { " {}\n", 1 },
                { "{", 0 },
                { "{\"a\":[1,{\"b\":2}]}", 1 },
                { "{\"a\":[1,{\"b\":2}]", 0 },
                { "{\"a\":\"}\"", 0 },
                { "{\"a\":\"}\"}", 1 },
                { "{\"a\":\"\\\"}\"}", 1 },
                { "{\"a\":\"\\\\\"}", 1 },
                { "{\"a\":\"\\\\\\\"}", 0 },
                { "[]", -EBADMSG },
                { "x", -EBADMSG },
                { "}", -EBADMSG },
                { "{}{", -EBADMSG },
                { "{} x", -EBADMSG },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                assert_int_equal(scan(rows[i].text), rows[i].expected);
                assert_int_equal(scan_bytewise(rows[i].text), rows[i].expected);
        }
}

static void depth(void **state)
{
        char text[2 * URPC_DEPTH_MAX + 8] = "{";

        for (int i = 1; i < URPC_DEPTH_MAX; i++)
                strcat(text, "[");
        assert_int_equal(scan(text), 0);
        strcat(text, "[");
        assert_int_equal(scan(text), -EBADMSG);
}

/* --- a server --- */

struct test {
        struct rig rig;
        struct urpc u;
        int server;
        unsigned n;
        int errnum;
        char text[256];
        int fd; /* the first one of the reply */
        bool again;
};

static void replied(struct urpc *u, struct urpc_reply *reply)
{
        struct test *t = container_of(u, struct test, u);

        t->n++;
        t->errnum = reply->errnum;
        snprintf(t->text, sizeof(t->text), "%s", reply->text);
        if (reply->errnum == 0)
                assert_int_equal(strlen(reply->text), reply->len);
        if (reply->n_fds > 0)
                t->fd = TAKE_FD(reply->fds[0]);
        if (t->again) {
                t->again = false;
                urpc_call(u, "{2}", 3, NULL, 0, 0, replied);
        }
}

static int setup(void **state)
{
        struct test *t = calloc(1, sizeof(*t));
        int pair[2];

        rig_init(&t->rig);
        t->fd = -1;
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
        t->server = pair[1];
        urpc_init(&t->u, t->rig.loop);
        urpc_open(&t->u, pair[0]);
        *state = t;
        return 0;
}

static int teardown(void **state)
{
        struct test *t = *state;

        urpc_close(&t->u);
        urpc_close(&t->u);
        fd_close(t->server);
        fd_close(t->fd);
        rig_deinit(&t->rig);
        free(t);
        return 0;
}

static void expect(struct test *t, const char *request)
{
        char text[256] = "";
        ssize_t n = recv(t->server, text, sizeof(text) - 1, 0);

        assert_int_equal(n, strlen(request));
        assert_string_equal(text, request);
}

static void answer(struct test *t, const char *text)
{
        assert_int_equal(send(t->server, text, strlen(text), 0), strlen(text));
}

static void one_call(void **state)
{
        struct test *t = *state;

        urpc_call(&t->u, "{1}", 3, NULL, 0, 0, replied);
        expect(t, "{1}");
        assert_int_equal(t->n, 0);
        answer(t, "{\"success\":true,");
        loop_run_once(t->rig.loop, false);
        assert_int_equal(t->n, 0);
        answer(t, "\"result\":{}}\n");
        rig_wait(&t->rig, t->n == 1);
        assert_int_equal(t->errnum, 0);
        assert_string_equal(t->text, "{\"success\":true,\"result\":{}}\n");
}

static void next_call_from_the_reply(void **state)
{
        struct test *t = *state;

        t->again = true;
        urpc_call(&t->u, "{1}", 3, NULL, 0, 0, replied);
        expect(t, "{1}");
        answer(t, "{\"a\":1}");
        rig_wait(&t->rig, t->n == 1);
        expect(t, "{2}");
        answer(t, "{\"a\":2}");
        rig_wait(&t->rig, t->n == 2);
        assert_string_equal(t->text, "{\"a\":2}");
}

static void descriptors_go_and_come(void **state)
{
        struct test *t = *state;
        int pipe_fds[2], got[4];
        size_t n = 4;
        char text[64];

        assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
        urpc_call(&t->u, "{1}", 3, pipe_fds, 2, 0, replied);
        fd_close(pipe_fds[0]);
        fd_close(pipe_fds[1]);
        assert_int_equal(fd_recv(t->server, text, sizeof(text), got, &n, 0), 3);
        assert_int_equal(n, 2);
        assert_int_equal(write(got[1], "x", 1), 1);
        assert_int_equal(read(got[0], text, 1), 1);
        assert_int_equal(fd_send(t->server, "{}", 2, got, 2, 0), 2);
        rig_wait(&t->rig, t->n == 1);
        assert_true(t->fd >= 0); /* taken; the other one was closed, which the count of descriptors shows */
        fd_close(got[0]);
        fd_close(got[1]);
}

static void large_request(void **state)
{
        struct test *t = *state;
        size_t len = 1 << 20, got = 0;
        char *text = malloc(len);
        static char sink[65536];

        memset(text, 'x', len);
        urpc_call(&t->u, text, len, NULL, 0, 0, replied);
        free(text);
        while (got < len) {
                ssize_t n = recv(t->server, sink, sizeof(sink), MSG_DONTWAIT);

                if (n > 0)
                        got += (size_t)n;
                loop_run_once(t->rig.loop, false);
        }
        answer(t, "{}");
        rig_wait(&t->rig, t->n == 1);
        assert_int_equal(t->errnum, 0);
}

static void the_sandbox_ends(void **state)
{
        struct test *t = *state;

        urpc_call(&t->u, "{1}", 3, NULL, 0, 0, replied);
        t->server = fd_close(t->server);
        rig_wait(&t->rig, t->n == 1);
        assert_int_equal(t->errnum, -EPIPE);
        urpc_call(&t->u, "{1}", 3, NULL, 0, 0, replied);
        assert_int_equal(t->n, 1); /* never from inside */
        rig_wait(&t->rig, t->n == 2);
        assert_int_equal(t->errnum, -EPIPE);
}

static void last_words(void **state)
{
        struct test *t = *state;

        urpc_call(&t->u, "{1}", 3, NULL, 0, 0, replied);
        answer(t, "{\"last\":1}");
        t->server = fd_close(t->server);
        rig_wait(&t->rig, t->n == 1);
        assert_int_equal(t->errnum, 0);
        assert_string_equal(t->text, "{\"last\":1}");
}

static void nobody_answers(void **state)
{
        struct test *t = *state;

        urpc_call(&t->u, "{1}", 3, NULL, 0, 20000000, replied);
        rig_wait(&t->rig, t->n == 1);
        assert_int_equal(t->errnum, -ETIMEDOUT);
}

static void rubbish(void **state)
{
        struct test *t = *state;

        urpc_call(&t->u, "{1}", 3, NULL, 0, 0, replied);
        answer(t, "HTTP/1.0 400");
        rig_wait(&t->rig, t->n == 1);
        assert_int_equal(t->errnum, -EBADMSG);
        urpc_call(&t->u, "{1}", 3, NULL, 0, 0, replied);
        answer(t, "{}{}");
        rig_wait(&t->rig, t->n == 2);
        assert_int_equal(t->errnum, -EBADMSG);
}

static void endless(void **state)
{
        struct test *t = *state;
        static char chunk[65536];
        size_t sent = 0;

        memset(chunk, ' ', sizeof(chunk));
        urpc_call(&t->u, "{1}", 3, NULL, 0, 0, replied);
        while (t->n == 0) {
                ssize_t n = send(t->server, chunk, sizeof(chunk), MSG_DONTWAIT | MSG_NOSIGNAL);

                if (n > 0)
                        sent += (size_t)n;
                assert_true(sent < URPC_REPLY_MAX + (1 << 20));
                loop_run_once(t->rig.loop, false);
        }
        assert_int_equal(t->errnum, -EMSGSIZE);
}

static void given_up(void **state)
{
        struct test *t = *state;

        urpc_call(&t->u, "{1}", 3, NULL, 0, 20000000, replied);
        answer(t, "{}");
        urpc_close(&t->u);
        loop_run_once(t->rig.loop, false);
        assert_int_equal(t->n, 0);
        urpc_call(&t->u, "{1}", 3, NULL, 0, 0, replied); /* there is no connection */
        assert_int_equal(t->n, 0);
        rig_wait(&t->rig, t->n == 1);
        assert_int_equal(t->errnum, -EBADF);
}

static void taken_over(void **state)
{
        struct test *t = *state;

        answer(t, "{\"to\":\"an earlier daemon\"}");
        urpc_await(&t->u, 0, replied);
        rig_wait(&t->rig, t->n == 1);
        assert_string_equal(t->text, "{\"to\":\"an earlier daemon\"}");
}

/* --- addresses --- */

static int listen_abstract(const char *name, size_t len)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        memcpy(address.sun_path + 1, name, len);
        assert_int_equal(bind(fd, (struct sockaddr *)&address,
                              (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + len)),
                         0);
        assert_int_equal(listen(fd, 1), 0);
        return fd;
}

static int connects(enum urpc_scheme scheme, const char *name)
{
        _cleanup_(fd_closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        return urpc_connect(fd, scheme, name);
}

static void abstract_names(void **state)
{
        char name[64], id[32];
        int fd;

        snprintf(id, sizeof(id), "unit-%d", (int)getpid());
        snprintf(name, sizeof(name), "runsc-sandbox.%s", id);
        assert_int_equal(connects(URPC_ABSTRACT_NUL, id), -ECONNREFUSED);
        fd = listen_abstract(name, strlen(name) + 1);
        assert_int_equal(connects(URPC_ABSTRACT, id), -ECONNREFUSED);
        assert_int_equal(connects(URPC_ABSTRACT_NUL, id), 0);
        fd_close(fd);
        fd = listen_abstract(name, strlen(name));
        assert_int_equal(connects(URPC_ABSTRACT_NUL, id), -ECONNREFUSED);
        assert_int_equal(connects(URPC_ABSTRACT, id), 0);
        assert_int_equal(connects(URPC_ABSTRACT, id), 0);
        assert_int_equal(connects(URPC_ABSTRACT, id), -EAGAIN); /* its queue is full */
        fd_close(fd);
        assert_int_equal(connects(URPC_ABSTRACT, ""), -ENOENT);
        memset(name, 'x', sizeof(name));
}

static void files(void **state)
{
        struct test *t = *state;
        char dir[256], path[300], near[64];
        int fd;

        snprintf(near, sizeof(near), "%s/s", t->rig.dir);
        assert_int_equal(connects(URPC_FILE, near), -ENOENT);
        fd = fd_listen_unix(near, 0600, 4);
        assert_true(fd >= 0);
        assert_int_equal(connects(URPC_FILE, near), 0);
        /* a path that no socket address holds */
        snprintf(dir, sizeof(dir), "%s/%0100d", t->rig.dir, 7);
        snprintf(path, sizeof(path), "%s/socket-with-a-name", dir);
        assert_int_equal(mkdir(dir, 0700), 0);
        assert_int_equal(connects(URPC_FILE, path), -ENOENT);
        assert_int_equal(rename(near, path), 0);
        assert_int_equal(connects(URPC_FILE, path), 0);
        fd_close(fd);
        assert_int_equal(connects(URPC_FILE, path), -ECONNREFUSED);
        unlink(path);
        rmdir(dir);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(ends),
                cmocka_unit_test(depth),
                cmocka_unit_test_setup_teardown(one_call, setup, teardown),
                cmocka_unit_test_setup_teardown(next_call_from_the_reply, setup, teardown),
                cmocka_unit_test_setup_teardown(descriptors_go_and_come, setup, teardown),
                cmocka_unit_test_setup_teardown(large_request, setup, teardown),
                cmocka_unit_test_setup_teardown(the_sandbox_ends, setup, teardown),
                cmocka_unit_test_setup_teardown(last_words, setup, teardown),
                cmocka_unit_test_setup_teardown(nobody_answers, setup, teardown),
                cmocka_unit_test_setup_teardown(rubbish, setup, teardown),
                cmocka_unit_test_setup_teardown(endless, setup, teardown),
                cmocka_unit_test_setup_teardown(given_up, setup, teardown),
                cmocka_unit_test_setup_teardown(taken_over, setup, teardown),
                cmocka_unit_test(abstract_names),
                cmocka_unit_test_setup_teardown(files, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
