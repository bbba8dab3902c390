/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The RPC socket, seen from its clients: raw SP frames written here, so that a client can misbehave in every way, and
 * nng's own REQ. Clients and loop share one thread: pump() runs the loop until something is true.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <nng/nng.h>
#include <nng/protocol/reqrep0/req.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "daemon/transport.h"
#include "tests/unit/unit.h"

#define MAX_MESSAGE (8U * 1024 * 1024)
#define PARKED_MAX  10000

enum mode { MODE_ECHO, MODE_PARK };

struct fixture {
        char dir[64], path[96];
        struct loop *loop;
        struct transport *t;
        struct watch_timer tick;
        enum mode mode;
        size_t padding; /* bytes after the echo */
        struct transport_request *parked[PARKED_MAX];
        struct transport_peer parked_peer[PARKED_MAX];
        char parked_text[PARKED_MAX][16];
        size_t n_parked;
        unsigned n_disconnected;
        struct transport_peer last_disconnected;
};

/* --- the server's side --- */

static void answer(struct fixture *f, struct transport_request **req, const char *text)
{
        size_t len = strlen(text) + f->padding;
        char *data = malloc(len + 1);

        assert_non_null(data);
        memset(data, 'x', len);
        memcpy(data, text, strlen(text));
        transport_reply(req, data, len);
        assert_null(*req);
        free(data);
}

static void on_request(void *data, struct transport_request *req, const struct transport_peer *peer, const void *msg,
                       size_t len)
{
        struct fixture *f = data;
        char text[16];

        snprintf(text, sizeof(text), "%.*s", (int)(len < 15 ? len : 15), (const char *)msg);
        if (f->mode == MODE_ECHO) {
                answer(f, &req, text);
                return;
        }
        assert_true(f->n_parked < PARKED_MAX);
        f->parked_peer[f->n_parked] = *peer;
        strcpy(f->parked_text[f->n_parked], text);
        f->parked[f->n_parked++] = req;
}

static void on_disconnected(void *data, const struct transport_peer *peer)
{
        struct fixture *f = data;

        f->n_disconnected++;
        f->last_disconnected = *peer;
}

static const struct transport_handlers handlers = { .request = on_request, .disconnected = on_disconnected };

static void on_tick(struct watch_timer *w)
{
}

#define pump(f, condition)                                                                                             \
        do {                                                                                                           \
                uint64_t end_ = clock_monotonic_ns() + 20 * NSEC_PER_SEC;                                              \
                while (!(condition)) {                                                                                 \
                        assert_true(clock_monotonic_ns() < end_);                                                      \
                        turn(f);                                                                                       \
                }                                                                                                      \
        } while (0)

static void turn(struct fixture *f)
{
        watch_timer_arm(&f->tick, 5 * NSEC_PER_MSEC);
        loop_run_once(f->loop, true);
}

static struct transport_options options(const struct fixture *f)
{
        return (struct transport_options){ .path = f->path,
                                           .gid = (gid_t)-1,
                                           .max_requests = 8192,
                                           .max_connections_per_uid = 2000,
                                           .max_message = MAX_MESSAGE };
}

static void start_with(struct fixture *f, const struct transport_options *o)
{
        struct error err = ERROR_NULL;

        if (transport_new(&f->t, f->loop, o, &handlers, f, &err) < 0)
                fail_msg("%s", err.message);
}

static int setup_stopped(void **state)
{
        struct fixture *f = calloc(1, sizeof(*f));

        assert_non_null(f);
        strcpy(f->dir, "/tmp/test-transport-XXXXXX");
        assert_non_null(mkdtemp(f->dir));
        assert_int_equal(chmod(f->dir, 0755), 0);
        snprintf(f->path, sizeof(f->path), "%s/socket", f->dir);
        assert_int_equal(loop_new(&f->loop), 0);
        watch_timer_init(&f->tick, f->loop, on_tick);
        *state = f;
        return 0;
}

static int setup(void **state)
{
        struct transport_options o;

        setup_stopped(state);
        o = options(*state);
        start_with(*state, &o);
        return 0;
}

/* What the transport left behind: answered or dropped, it makes no difference. */
static void orphans_end(struct fixture *f)
{
        for (size_t i = 0; i < f->n_parked; i++) {
                if (f->parked[i] && i % 2)
                        answer(f, &f->parked[i], "nobody");
                else if (f->parked[i])
                        transport_drop(&f->parked[i]);
        }
        f->n_parked = 0;
}

static int teardown(void **state)
{
        struct fixture *f = *state;

        f->t = transport_free(f->t); /* with whatever is open */
        orphans_end(f);
        watch_timer_stop(&f->tick);
        f->loop = loop_free(f->loop);
        unlink(f->path);
        assert_int_equal(rmdir(f->dir), 0);
        free(f);
        return 0;
}

static struct transport_stats stats(const struct fixture *f)
{
        struct transport_stats s;

        transport_stats(f->t, &s);
        return s;
}

/* --- the clients' side --- */

static int client_open(const char *path)
{
        struct sockaddr_un sa = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_true(fd >= 0);
        strcpy(sa.sun_path, path);
        assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
        return fd;
}

static void client_greet(int fd)
{
        static const char greeting[8] = { 0, 'S', 'P', 0, 0, 0x30, 0, 0 };

        assert_int_equal(send(fd, greeting, sizeof(greeting), MSG_NOSIGNAL), sizeof(greeting));
}

static int client_new(const char *path)
{
        int fd = client_open(path);

        client_greet(fd);
        return fd;
}

static size_t frame(uint8_t *to, uint32_t id, const void *data, size_t len)
{
        uint64_t n = len + 4;

        to[0] = 1;
        for (int i = 0; i < 8; i++)
                to[1 + i] = (uint8_t)(n >> (56 - 8 * i));
        id |= 0x80000000U;
        for (int i = 0; i < 4; i++)
                to[9 + i] = (uint8_t)(id >> (24 - 8 * i));
        memcpy(to + 13, data, len);
        return 13 + len;
}

static void client_send(int fd, uint32_t id, const char *text)
{
        uint8_t data[64];
        size_t len = frame(data, id, text, strlen(text));

        assert_int_equal(send(fd, data, len, MSG_NOSIGNAL), len);
}

struct client { /* reads without blocking, so that the loop can be pumped between */
        int fd;
        bool greeted, ended;
        uint8_t *data;
        size_t len;
};

static void client_fill(struct client *c)
{
        uint8_t chunk[65536];
        ssize_t n;

        while ((n = recv(c->fd, chunk, sizeof(chunk), MSG_DONTWAIT)) > 0) {
                c->data = realloc(c->data, c->len + (size_t)n);
                assert_non_null(c->data);
                memcpy(c->data + c->len, chunk, (size_t)n);
                c->len += (size_t)n;
        }
        if (n == 0 || (n < 0 && errno != EAGAIN))
                c->ended = true;
        if (!c->greeted && c->len >= 8) {
                assert_memory_equal(c->data, "\0SP\0\0\x31\0\0", 8);
                c->greeted = true;
                c->len -= 8;
                memmove(c->data, c->data + 8, c->len);
        }
}

/* True when there was a whole answer: its id and length, and text (cut). */
static bool client_take(struct client *c, uint32_t *id, size_t *len, char text[16])
{
        uint64_t n = 0;

        if (!c->greeted || c->len < 13)
                return false;
        assert_int_equal(c->data[0], 1);
        for (int i = 0; i < 8; i++)
                n = n << 8 | c->data[1 + i];
        if (c->len < 9 + n)
                return false;
        *id = (uint32_t)(c->data[9] & 0x7f) << 24 | (uint32_t)c->data[10] << 16 | (uint32_t)c->data[11] << 8 |
              c->data[12];
        *len = n - 4;
        snprintf(text, 16, "%.*s", (int)(*len < 15 ? *len : 15), (const char *)c->data + 13);
        c->len -= 9 + n;
        memmove(c->data, c->data + 9 + n, c->len);
        return true;
}

static bool client_get(struct client *c, uint32_t *id, size_t *len, char text[16])
{
        if (client_take(c, id, len, text))
                return true;
        client_fill(c);
        return client_take(c, id, len, text);
}

static void client_close(struct client *c)
{
        free(c->data);
        close(c->fd);
}

static bool client_ended(struct client *c)
{
        client_fill(c);
        return c->ended;
}

/* A new, well-behaved client is served. */
static void assert_serves(struct fixture *f)
{
        enum mode mode = f->mode;
        size_t padding = f->padding, len;
        struct client c = { .fd = client_new(f->path) };
        char text[16];
        uint32_t id;

        f->mode = MODE_ECHO;
        f->padding = 0;
        client_send(c.fd, 4711, "hello");
        pump(f, client_get(&c, &id, &len, text));
        assert_int_equal(id, 4711);
        assert_string_equal(text, "hello");
        client_close(&c);
        f->mode = mode;
        f->padding = padding;
}

/* --- tests --- */

static void test_mode_and_group(void **state)
{
        struct fixture *f = *state;
        struct transport_options o = options(f);
        struct stat st;
        mode_t old = umask(022);

        o.gid = 12345;
        start_with(f, &o);
        assert_int_equal(umask(old), 022);
        assert_int_equal(lstat(f->path, &st), 0);
        assert_true(S_ISSOCK(st.st_mode));
        assert_int_equal(st.st_mode & 07777, 0660);
        if (geteuid() == 0)
                assert_int_equal(st.st_gid, 12345);
        assert_serves(f);
}

static void test_old_socket_is_replaced(void **state)
{
        struct fixture *f = *state;
        struct transport_options o = options(f);
        int fd = fd_listen_unix(f->path, 0600, 1);

        assert_true(fd >= 0);
        start_with(f, &o); /* even while somebody listens there: the caller holds the lock */
        assert_serves(f);
        close(fd);
}

static void test_refuses_what_it_cannot_use(void **state)
{
        struct fixture *f = *state;
        struct transport_options o = options(f);
        struct error err = ERROR_NULL;
        char longer[200];
        int fd = open(f->path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

        close(fd);
        assert_int_equal(transport_new(&f->t, f->loop, &o, &handlers, f, &err), -1);
        assert_non_null(strstr(err.message, "not a socket"));
        assert_null(f->t);
        assert_int_equal(access(f->path, F_OK), 0);
        memset(longer, 'a', sizeof(longer));
        longer[0] = '/';
        longer[108] = '\0';
        o.path = longer;
        assert_int_equal(transport_new(&f->t, f->loop, &o, &handlers, f, &err), -1);
        assert_non_null(strstr(err.message, "107"));
        o.path = "/nonexistent/directory/socket";
        assert_int_equal(transport_new(&f->t, f->loop, &o, &handlers, f, &err), -1);
        assert_non_null(strstr(err.message, "/nonexistent/directory/socket"));
}

struct task { /* of /proc/self/task */
        long tid;
        uint64_t blocked, switches;
};

static size_t tasks_read(struct task *tasks, size_t max)
{
        DIR *d = opendir("/proc/self/task");
        struct dirent *e;
        size_t n = 0;

        assert_non_null(d);
        while ((e = readdir(d))) {
                char path[300], line[256];
                unsigned long long v;
                FILE *file;

                if (e->d_name[0] == '.')
                        continue;
                snprintf(path, sizeof(path), "/proc/self/task/%s/status", e->d_name);
                file = fopen(path, "re");
                assert_non_null(file);
                assert_true(n < max);
                tasks[n] = (struct task){ .tid = atol(e->d_name) };
                while (fgets(line, sizeof(line), file)) {
                        if (sscanf(line, "SigBlk: %llx", &v) == 1)
                                tasks[n].blocked = v;
                        if (sscanf(line, "voluntary_ctxt_switches: %llu", &v) == 1)
                                tasks[n].switches = v;
                }
                fclose(file);
                n++;
        }
        closedir(d);
        return n;
}

static void test_threads_block_signals(void **state)
{
        struct task tasks[600];
        size_t n = tasks_read(tasks, 600);

        assert_true(n > 2);
        for (size_t i = 0; i < n; i++) {
                if (tasks[i].tid == getpid())
                        continue;
                assert_true(tasks[i].blocked & 1ULL << (SIGHUP - 1));
                assert_true(tasks[i].blocked & 1ULL << (SIGCHLD - 1));
                assert_true(tasks[i].blocked & 1ULL << (SIGUSR1 - 1));
                assert_true(tasks[i].blocked & 1ULL << (SIGPIPE - 1));
        }
        print_message("# %zu threads\n", n - 1);
}

/* How often other threads than ours woke up in half a second in which our loop is told nothing. */
static size_t wakeups(struct fixture *f)
{
        struct task before[600], after[600];
        size_t n = tasks_read(before, 600), woken = 0;
        uint64_t end = clock_monotonic_ns() + NSEC_PER_SEC / 2, first = loop_stats(f->loop)->rounds;

        while (clock_monotonic_ns() < end) {
                watch_timer_arm(&f->tick, end - clock_monotonic_ns() + NSEC_PER_MSEC);
                loop_run_once(f->loop, true);
        }
        assert_true(loop_stats(f->loop)->rounds - first <= 2);
        assert_int_equal(tasks_read(after, 600), n);
        for (size_t i = 0; i < n; i++)
                if (before[i].tid != getpid())
                        woken += after[i].switches - before[i].switches;
        return woken;
}

static void test_idle_has_no_wakeups(void **state)
{
        struct fixture *f = *state;
        struct client c[20] = { 0 };
        size_t len, tries = 0;
        char text[16];
        uint32_t id;

        for (int i = 0; i < 20; i++) {
                c[i].fd = client_new(f->path);
                client_send(c[i].fd, 1, "x");
                pump(f, client_get(&c[i], &id, &len, text));
        }
        f->mode = MODE_PARK;
        client_send(c[0].fd, 2, "parked");
        pump(f, f->n_parked == 1);
        /* on a busy machine some are on their way to sleep for long; whoever wakes up regularly never gets there */
        while (wakeups(f) > 0)
                assert_true(++tries < 20);
        for (int i = 0; i < 20; i++)
                client_close(&c[i]);
}

static void test_out_of_order(void **state)
{
        struct fixture *f = *state;
        struct client c = { .fd = client_new(f->path) };
        char text[16];
        uint32_t id;
        size_t len;

        f->mode = MODE_PARK;
        for (uint32_t i = 0; i < 100; i++) {
                char t[16];

                snprintf(t, sizeof(t), "r%u", (unsigned)i);
                client_send(c.fd, i, t);
        }
        pump(f, f->n_parked == 100);
        assert_int_equal(stats(f).open, 100);
        assert_int_equal(f->parked_peer[0].uid, geteuid());
        assert_int_equal(f->parked_peer[0].pid, getpid());
        for (uint32_t i = 100; i-- > 0;) {
                uint32_t want = (uint32_t)atoi(f->parked_text[i] + 1);

                answer(f, &f->parked[i], f->parked_text[i]);
                pump(f, client_get(&c, &id, &len, text));
                assert_int_equal(id, want);
                assert_string_equal(text, f->parked_text[i]);
        }
        pump(f, transport_drained(f->t));
        assert_int_equal(stats(f).open, 0);
        client_close(&c);
}

/* One client with n requests, which reads nothing before all are answered. */
static void no_reply_is_lost(struct fixture *f, uint32_t n, bool park)
{
        struct client c = { .fd = client_new(f->path) };
        bool *seen = calloc(n, sizeof(*seen));
        uint8_t *all = malloc((size_t)n * 32);
        size_t len = 0, sent = 0;
        uint32_t id, got = 0;
        char text[16];

        assert_true(seen && all);
        for (uint32_t i = 0; i < n; i++) {
                snprintf(text, sizeof(text), "r%u", (unsigned)i);
                len += frame(all + len, i, text, strlen(text));
        }
        f->mode = park ? MODE_PARK : MODE_ECHO;
        f->padding = 1000; /* far more than the socket's buffer holds */
        while (sent < len) {
                ssize_t k = send(c.fd, all + sent, len - sent, MSG_NOSIGNAL | MSG_DONTWAIT);

                if (k > 0)
                        sent += (size_t)k;
                else
                        turn(f);
        }
        pump(f, stats(f).requests >= n);
        for (uint32_t i = 0; park && i < n; i++) /* a mixed order */
                answer(f, &f->parked[(i * 7919U) % n], f->parked_text[(i * 7919U) % n]);
        for (int i = 0; i < 20; i++)
                turn(f);
        assert_false(transport_drained(f->t)); /* it does not read */
        assert_serves(f);                      /* and nobody else notices */
        while (got < n) {
                size_t k;

                pump(f, client_get(&c, &id, &k, text));
                assert_true(id < n && !seen[id]);
                assert_int_equal(atoi(text + 1), id);
                seen[id] = true;
                got++;
        }
        pump(f, transport_drained(f->t));
        assert_int_equal(stats(f).unsent, 0);
        client_close(&c);
        free(seen);
        free(all);
}

static void test_3000_parked(void **state)
{
        no_reply_is_lost(*state, 3000, true);
}

static void test_3000_at_once(void **state)
{
        no_reply_is_lost(*state, 3000, false);
}

/* More requests than contexts: the rest waits, none is lost. */
static void test_more_requests_than_contexts(void **state)
{
        struct fixture *f = *state;
        struct transport_options o = options(f);
        struct client c;
        uint32_t id;
        size_t len;
        char text[16];

        o.max_requests = 20;
        start_with(f, &o);
        f->mode = MODE_PARK;
        c = (struct client){ .fd = client_new(f->path) };
        for (uint32_t i = 0; i < 50; i++)
                client_send(c.fd, i, "x");
        pump(f, f->n_parked == 20);
        for (int i = 0; i < 10; i++)
                turn(f);
        assert_int_equal(f->n_parked, 20);
        for (uint32_t i = 0; i < 50; i++) {
                pump(f, f->n_parked > i);
                answer(f, &f->parked[i], "y");
                pump(f, client_get(&c, &id, &len, text));
                assert_int_equal(id, i); /* the order is kept */
        }
        client_close(&c);
}

static void test_stopped_process_gets_all(void **state)
{
        struct fixture *f = *state;
        uint32_t n = 3000;
        int status;
        pid_t pid;

        f->mode = MODE_PARK;
        f->padding = 1000;
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                struct client c = { .fd = client_new(f->path) };
                uint32_t got = 0, id;
                char text[16];
                size_t len;

                for (uint32_t i = 0; i < n; i++)
                        client_send(c.fd, i, "s");
                while (got < n && !c.ended) {
                        struct client *p = &c;

                        if (client_get(p, &id, &len, text))
                                got++;
                }
                _exit(got == n ? 0 : 1);
        }
        pump(f, f->n_parked == n);
        assert_int_equal(kill(pid, SIGSTOP), 0);
        assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
        assert_true(WIFSTOPPED(status));
        for (uint32_t i = 0; i < n; i++)
                answer(f, &f->parked[i], "s");
        for (int i = 0; i < 20; i++)
                turn(f);
        assert_false(transport_drained(f->t));
        assert_serves(f);
        assert_int_equal(kill(pid, SIGCONT), 0);
        pump(f, waitpid(pid, &status, WNOHANG) == pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_disconnect_with_open_requests(void **state)
{
        struct fixture *f = *state;
        int fd = client_new(f->path);

        f->mode = MODE_PARK;
        for (uint32_t i = 0; i < 50; i++)
                client_send(fd, i, "x");
        pump(f, f->n_parked == 50);
        assert_int_equal(stats(f).connections, 1);
        close(fd);
        pump(f, f->n_disconnected == 1);
        assert_int_equal(f->last_disconnected.connection, f->parked_peer[0].connection);
        assert_int_equal(stats(f).connections, 0);
        assert_int_equal(stats(f).open, 50);
        for (int i = 0; i < 25; i++)
                transport_drop(&f->parked[i]);
        for (int i = 25; i < 50; i++)
                answer(f, &f->parked[i], "late");
        assert_int_equal(stats(f).open, 0);
        assert_int_equal(stats(f).unsent, 25);
        assert_true(transport_drained(f->t));
        assert_serves(f);
}

/* Answers wait for a client that does not read and then goes: their contexts come back. */
static void test_disconnect_with_unread_answers(void **state)
{
        struct fixture *f = *state;

        f->padding = 100000;
        for (int round = 0; round < 5; round++) {
                int fd = client_new(f->path);
                uint64_t before = stats(f).requests;

                for (uint32_t i = 0; i < 100; i++)
                        client_send(fd, i, "x");
                pump(f, stats(f).requests == before + 100);
                assert_false(transport_drained(f->t));
                close(fd);
                pump(f, transport_drained(f->t) && f->n_disconnected == (unsigned)round * 2 + 1);
                assert_serves(f);
                pump(f, f->n_disconnected == (unsigned)round * 2 + 2);
        }
}

static void test_large_answer_and_request(void **state)
{
        struct fixture *f = *state;
        struct client c = { .fd = client_new(f->path) };
        size_t len = 0, size = MAX_MESSAGE - 4, sent = 0, total;
        uint8_t *big = malloc(size + 13);
        char *text_big = malloc(size), text[16];
        uint32_t id;

        assert_true(big && text_big);
        f->padding = 4U * 1024 * 1024;
        client_send(c.fd, 1, "big");
        pump(f, client_get(&c, &id, &len, text));
        assert_int_equal(len, 3 + f->padding);
        f->padding = 0;
        memset(text_big, 'q', size);
        total = frame(big, 2, text_big, size);
        while (sent < total) {
                ssize_t k = send(c.fd, big + sent, total - sent, MSG_NOSIGNAL | MSG_DONTWAIT);

                if (k > 0)
                        sent += (size_t)k;
                else
                        turn(f);
        }
        pump(f, client_get(&c, &id, &len, text));
        assert_int_equal(id, 2);
        assert_string_equal(text, "qqqqqqqqqqqqqqq");
        free(big);
        free(text_big);
        client_close(&c);
}

static void test_oversize_costs_only_the_connection(void **state)
{
        struct fixture *f = *state;
        struct client good = { .fd = client_new(f->path) }, bad = { .fd = client_new(f->path) };
        uint8_t head[13];
        uint32_t id;
        size_t len;
        char text[16];

        frame(head, 1, "", 0);
        head[4] = 0x7f; /* claims terabytes */
        assert_int_equal(send(bad.fd, head, sizeof(head), MSG_NOSIGNAL), sizeof(head));
        pump(f, client_ended(&bad));
        client_close(&bad);
        bad = (struct client){ .fd = client_new(f->path) };
        frame(head, 1, "", 0);
        head[5] = 0;
        head[6] = 0x80; /* 8 MiB and 4 bytes */
        assert_int_equal(send(bad.fd, head, sizeof(head), MSG_NOSIGNAL), sizeof(head));
        pump(f, client_ended(&bad));
        client_close(&bad);
        client_send(good.fd, 2, "still");
        pump(f, client_get(&good, &id, &len, text));
        assert_string_equal(text, "still");
        client_close(&good);
}

/* With the REP socket of nng before 1.6 this ended the accepting for good: see transport.c. */
static void test_clients_that_leave_before_the_greeting(void **state)
{
        struct fixture *f = *state;

        for (int i = 0; i < 300; i++) {
                int fd = client_open(f->path);

                if (i % 3 == 1)
                        assert_int_equal(send(fd, "\0SP", 3, MSG_NOSIGNAL), 3);
                if (i % 3 == 2)
                        shutdown(fd, SHUT_RDWR);
                close(fd);
                if (i % 30 == 29)
                        assert_serves(f);
        }
}

static void test_garbage(void **state)
{
        static const char http[] = "GET / HTTP/1.0\r\n\r\n";
        struct fixture *f = *state;
        struct client c[8] = { 0 };
        uint8_t head[13];

        for (int i = 0; i < 8; i++)
                c[i].fd = client_open(f->path);
        assert_true(send(c[0].fd, http, sizeof(http), MSG_NOSIGNAL) > 0);
        assert_true(send(c[1].fd, "\0SP\0\0\x31\0\0", 8, MSG_NOSIGNAL) == 8); /* a REP to a REP */
        assert_true(send(c[2].fd, "\0SP\1\0\x30\0\0", 8, MSG_NOSIGNAL) == 8); /* another version */
        for (int i = 3; i < 8; i++)
                client_greet(c[i].fd);
        assert_true(send(c[3].fd, "\2\0\0\0\0\0\0\0\4abcd", 13, MSG_NOSIGNAL) == 13);     /* not a message */
        assert_true(send(c[4].fd, "\1\0\0\0\0\0\0\0\2ab", 11, MSG_NOSIGNAL) == 11);       /* no room for an id */
        assert_true(send(c[5].fd, "\1\0\0\0\0\0\0\0\4\0\0\0\1", 13, MSG_NOSIGNAL) == 13); /* hops without end */
        for (int i = 0; i < 6; i++)
                if (i != 2)
                        pump(f, client_ended(&c[i]));
        pump(f, client_ended(&c[2]));
        /* Half frames: they may wait for ever, on their own. */
        frame(head, 1, "", 0);
        assert_true(send(c[6].fd, head, 5, MSG_NOSIGNAL) == 5);
        head[8] = 100;
        assert_true(send(c[7].fd, head, 13, MSG_NOSIGNAL) == 13);
        assert_serves(f);
        for (int i = 0; i < 8; i++)
                client_close(&c[i]);
}

static void test_slow_clients_do_not_block(void **state)
{
        struct fixture *f = *state;
        struct client slow[50] = { 0 };
        uint8_t data[64];
        size_t len = frame(data, 9, "slow", 4), got;
        char text[16];
        uint32_t id;

        for (int i = 0; i < 50; i++)
                slow[i].fd = i % 2 ? client_open(f->path) : client_new(f->path);
        for (size_t at = 0; at < len; at++) {
                for (int i = 0; i < 50; i += 2)
                        assert_int_equal(send(slow[i].fd, data + at, 1, MSG_NOSIGNAL), 1);
                assert_serves(f);
        }
        for (int i = 0; i < 50; i++) {
                if (i % 2 == 0) {
                        pump(f, client_get(&slow[i], &id, &got, text));
                        assert_string_equal(text, "slow");
                }
                client_close(&slow[i]);
        }
}

static void test_connection_quota(void **state)
{
        struct fixture *f = *state;
        struct transport_options o = options(f);
        struct client c[5] = { 0 };
        int status;
        pid_t pid;
        uint32_t id;
        size_t len;
        char text[16];

        o.max_connections_per_uid = 3;
        start_with(f, &o);
        for (int i = 0; i < 3; i++) {
                c[i].fd = client_new(f->path);
                client_send(c[i].fd, 1, "in");
                pump(f, client_get(&c[i], &id, &len, text));
        }
        for (int i = 3; i < 5; i++) {
                c[i].fd = client_new(f->path);
                pump(f, client_ended(&c[i]));
        }
        assert_int_equal(stats(f).refused, 2);
        assert_int_equal(stats(f).connections, 3);
        if (geteuid() == 0) { /* another user has a quota of his own */
                assert_int_equal(chmod(f->path, 0666), 0);
                pid = fork();
                if (pid == 0) {
                        struct client mine = { 0 };

                        if (setresuid(54321, 54321, 54321) < 0)
                                _exit(2);
                        mine.fd = client_new(f->path);
                        client_send(mine.fd, 1, "me");
                        while (!client_get(&mine, &id, &len, text) && !mine.ended)
                                ;
                        _exit(mine.ended ? 1 : 0);
                }
                pump(f, waitpid(pid, &status, WNOHANG) == pid);
                assert_int_equal(status, 0);
        }
        client_close(&c[0]);
        pump(f, stats(f).connections == 2);
        assert_serves(f);
        for (int i = 1; i < 5; i++)
                client_close(&c[i]);
}

/* A user that is not root and does not read gets at most half of the contexts. */
static void test_one_user_cannot_take_all(void **state)
{
        struct fixture *f = *state;
        struct transport_options o = options(f);
        int status;
        pid_t pid;

        if (geteuid() != 0)
                unit_skip("needs root");
        o.max_requests = 64;
        start_with(f, &o);
        assert_int_equal(chmod(f->path, 0666), 0);
        f->mode = MODE_PARK;
        pid = fork();
        if (pid == 0) {
                struct client mine[4] = { 0 };

                if (setresuid(54321, 54321, 54321) < 0)
                        _exit(2);
                for (int i = 0; i < 4; i++)
                        mine[i].fd = client_new(f->path);
                for (uint32_t i = 0; i < 60; i++) {
                        uint8_t data[64];
                        size_t len = frame(data, i, "x", 1);

                        if (send(mine[i % 4].fd, data, len, MSG_NOSIGNAL) < 0)
                                break;
                }
                while (!client_ended(&mine[0]) && !client_ended(&mine[1]) && !client_ended(&mine[2]) &&
                       !client_ended(&mine[3]))
                        ;
                _exit(0);
        }
        pump(f, waitpid(pid, &status, WNOHANG) == pid);
        assert_int_equal(status, 0);
        assert_true(f->n_parked <= 32);
        assert_serves(f);
}

static void test_no_descriptors_left(void **state)
{
        struct fixture *f = *state;
        struct rlimit old, low;
        struct client waiting[5] = { 0 };
        int filler[64], n = 0, sockets[5];
        struct sockaddr_un sa = { .sun_family = AF_UNIX };
        uint64_t end, cpu;
        struct rusage before, after;
        uint32_t id;
        size_t len;
        char text[16];

        strcpy(sa.sun_path, f->path);
        for (int i = 0; i < 5; i++)
                sockets[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
        low = (struct rlimit){ .rlim_cur = (rlim_t)fd_count() + 16, .rlim_max = old.rlim_max };
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
        while (n < 64 && (filler[n] = dup(0)) >= 0)
                n++;
        assert_true(n < 64);
        for (int i = 0; i < 5; i++) {
                waiting[i].fd = sockets[i];
                assert_int_equal(connect(sockets[i], (struct sockaddr *)&sa, sizeof(sa)), 0);
                client_greet(sockets[i]);
                client_send(sockets[i], (uint32_t)i, "wait");
        }
        getrusage(RUSAGE_SELF, &before);
        end = clock_monotonic_ns() + NSEC_PER_SEC / 2;
        while (clock_monotonic_ns() < end)
                turn(f);
        getrusage(RUSAGE_SELF, &after);
        cpu = (uint64_t)(after.ru_utime.tv_sec - before.ru_utime.tv_sec + after.ru_stime.tv_sec -
                         before.ru_stime.tv_sec) *
              1000000;
        cpu += (uint64_t)(after.ru_utime.tv_usec - before.ru_utime.tv_usec + after.ru_stime.tv_usec -
                          before.ru_stime.tv_usec);
        assert_true(cpu < 250000); /* nng looks again every 10 ms and does not spin, which would be 500,000 */
        while (n > 0)
                close(filler[--n]);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
        for (int i = 0; i < 5; i++) {
                pump(f, client_get(&waiting[i], &id, &len, text));
                assert_string_equal(text, "wait");
                client_close(&waiting[i]);
        }
        assert_serves(f);
}

static void test_500_connections(void **state)
{
        struct fixture *f = *state;
        struct client *c = calloc(500, sizeof(*c));
        char text[16];
        uint32_t id;
        size_t len;

        assert_non_null(c);
        for (int i = 0; i < 500; i++) { /* the backlog is 128 */
                c[i].fd = client_new(f->path);
                pump(f, stats(f).connections > (uint64_t)i);
        }
        for (int round = 0; round < 3; round++) {
                for (int i = 0; i < 500; i++)
                        client_send(c[i].fd, (uint32_t)i, "many");
                for (int i = 0; i < 500; i++) {
                        pump(f, client_get(&c[i], &id, &len, text));
                        assert_int_equal(id, i);
                }
        }
        assert_int_equal(stats(f).connections, 500);
        assert_int_equal(stats(f).requests, 1500);
        for (int i = 0; i < 500; i++)
                client_close(&c[i]);
        free(c);
        pump(f, f->n_disconnected == 500);
        assert_int_equal(stats(f).connections, 0);
}

static void test_nng_req(void **state)
{
        struct fixture *f = *state;
        nng_socket s;
        nng_msg *msg;
        char url[128];

        snprintf(url, sizeof(url), "ipc://%s", f->path);
        assert_int_equal(nng_req0_open(&s), 0);
        assert_int_equal(nng_dial(s, url, NULL, NNG_FLAG_NONBLOCK), 0);
        for (int i = 0; i < 100; i++) {
                assert_int_equal(nng_msg_alloc(&msg, 0), 0);
                assert_int_equal(nng_msg_append(msg, "nng!", 4), 0);
                pump(f, nng_sendmsg(s, msg, NNG_FLAG_NONBLOCK) == 0);
                pump(f, nng_recvmsg(s, &msg, NNG_FLAG_NONBLOCK) == 0);
                assert_int_equal(nng_msg_len(msg), 4);
                assert_memory_equal(nng_msg_body(msg), "nng!", 4);
                nng_msg_free(msg);
        }
        nng_close(s);
}

static void test_stop_receiving(void **state)
{
        struct fixture *f = *state;
        struct client c = { .fd = client_new(f->path) };
        uint32_t id;
        size_t len;
        char text[16];

        f->mode = MODE_PARK;
        client_send(c.fd, 1, "first");
        pump(f, f->n_parked == 1);
        transport_stop_receiving(f->t);
        client_send(c.fd, 2, "second");
        for (int i = 0; i < 10; i++)
                turn(f);
        assert_int_equal(f->n_parked, 1);
        assert_true(transport_drained(f->t));
        answer(f, &f->parked[0], "bye");
        pump(f, client_get(&c, &id, &len, text));
        assert_int_equal(id, 1);
        pump(f, transport_drained(f->t));
        client_close(&c);
}

/* Frees with requests that are open, not yet seen, and answered but unread; many times, for races. */
static void test_free_in_the_middle(void **state)
{
        struct fixture *f = *state;

        for (int round = 0; round < 30; round++) {
                struct transport_options o = options(f);
                int fds[10];

                start_with(f, &o);
                for (int i = 0; i < 10; i++) {
                        fds[i] = client_new(f->path);
                        for (uint32_t k = 0; k < 20; k++)
                                client_send(fds[i], k, "x");
                }
                f->mode = MODE_PARK;
                f->padding = round % 3 ? 50000 : 0;
                pump(f, f->n_parked > (size_t)round * 5);
                for (size_t i = 0; i < f->n_parked; i += 2)
                        answer(f, &f->parked[i], "x");
                if (round % 2)
                        close(fds[0]);
                f->t = transport_free(f->t);
                orphans_end(f);
                assert_int_equal(access(f->path, F_OK), -1);
                for (int i = round % 2; i < 10; i++)
                        close(fds[i]);
        }
}

/*
 * Clients that are killed while both directions are busy, at every moment: each connection is told to have ended, and
 * nothing stays behind. (nng 1.5.2's REP socket hung for good, here or at the end of a test: see transport.c.)
 */
static void test_clients_killed_under_load(void **state)
{
        struct fixture *f = *state;
        unsigned n = 0;

        for (int round = 0; round < 21; round++) {
                pid_t pids[4];

                f->padding = round % 2 ? 0 : 60000;
                for (int i = 0; i < 4; i++, n++) {
                        pids[i] = fork();
                        assert_true(pids[i] >= 0);
                        if (pids[i] == 0) {
                                struct client c = { .fd = client_new(f->path) };

                                for (uint32_t id = 0;; id++) {
                                        uint8_t data[64];

                                        frame(data, id, "load", 4);
                                        if (send(c.fd, data, 17, MSG_NOSIGNAL) < 0)
                                                _exit(0);
                                        if (id % 8 == 0)
                                                client_fill(&c);
                                        c.len = 0;
                                }
                        }
                }
                pump(f, stats(f).connections == 4);
                for (int i = 0; i < round % 7; i++)
                        turn(f);
                for (int i = 0; i < 4; i++) {
                        kill(pids[i], SIGKILL);
                        turn(f);
                        assert_int_equal(waitpid(pids[i], NULL, 0), pids[i]);
                }
                pump(f, f->n_disconnected == n);
                pump(f, stats(f).connections == 0 && transport_drained(f->t));
        }
        assert_serves(f);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_mode_and_group, setup_stopped, teardown),
                cmocka_unit_test_setup_teardown(test_old_socket_is_replaced, setup_stopped, teardown),
                cmocka_unit_test_setup_teardown(test_refuses_what_it_cannot_use, setup_stopped, teardown),
                cmocka_unit_test_setup_teardown(test_threads_block_signals, setup, teardown),
                cmocka_unit_test_setup_teardown(test_idle_has_no_wakeups, setup, teardown),
                cmocka_unit_test_setup_teardown(test_out_of_order, setup, teardown),
                cmocka_unit_test_setup_teardown(test_3000_parked, setup, teardown),
                cmocka_unit_test_setup_teardown(test_3000_at_once, setup, teardown),
                cmocka_unit_test_setup_teardown(test_stopped_process_gets_all, setup, teardown),
                cmocka_unit_test_setup_teardown(test_more_requests_than_contexts, setup_stopped, teardown),
                cmocka_unit_test_setup_teardown(test_disconnect_with_open_requests, setup, teardown),
                cmocka_unit_test_setup_teardown(test_disconnect_with_unread_answers, setup, teardown),
                cmocka_unit_test_setup_teardown(test_large_answer_and_request, setup, teardown),
                cmocka_unit_test_setup_teardown(test_oversize_costs_only_the_connection, setup, teardown),
                cmocka_unit_test_setup_teardown(test_clients_that_leave_before_the_greeting, setup, teardown),
                cmocka_unit_test_setup_teardown(test_garbage, setup, teardown),
                cmocka_unit_test_setup_teardown(test_slow_clients_do_not_block, setup, teardown),
                cmocka_unit_test_setup_teardown(test_connection_quota, setup_stopped, teardown),
                cmocka_unit_test_setup_teardown(test_one_user_cannot_take_all, setup_stopped, teardown),
                cmocka_unit_test_setup_teardown(test_no_descriptors_left, setup, teardown),
                cmocka_unit_test_setup_teardown(test_500_connections, setup, teardown),
                cmocka_unit_test_setup_teardown(test_nng_req, setup, teardown),
                cmocka_unit_test_setup_teardown(test_stop_receiving, setup, teardown),
                cmocka_unit_test_setup_teardown(test_clients_killed_under_load, setup, teardown),
                cmocka_unit_test_setup_teardown(test_free_in_the_middle, setup_stopped, teardown),
        };
        struct rlimit files;
        sigset_t some;

        /* as the daemon does, before nng has threads */
        sigemptyset(&some);
        sigaddset(&some, SIGHUP);
        sigaddset(&some, SIGCHLD);
        sigaddset(&some, SIGUSR1);
        sigprocmask(SIG_BLOCK, &some, NULL);
        getrlimit(RLIMIT_NOFILE, &files);
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
        log_set_level(LOG_LEVEL_ERROR);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
