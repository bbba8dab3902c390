/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/client/server.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/clock.h"
#include "base/fd.h"

#define LIMIT_MS 10000

void server_init(struct server *s)
{
        *s = (struct server){ .listen_fd = -1, .fd = -1, .read_max = SIZE_MAX, .greet_max = FRAME_GREETING };
        strcpy(s->dir, "/tmp/sandboxd-test-XXXXXX");
        assert_non_null(mkdtemp(s->dir));
        snprintf(s->path, sizeof(s->path), "%s/sock", s->dir);
}

void server_listen(struct server *s)
{
        s->listen_fd = fd_listen_unix(s->path, 0600, 16);
        assert_true(s->listen_fd >= 0);
}

void server_unlisten(struct server *s)
{
        s->listen_fd = fd_close(s->listen_fd);
        unlink(s->path);
}

void server_hang_up(struct server *s)
{
        s->fd = fd_close(s->fd);
        buf_deinit(&s->in);
        s->n_read = 0;
        s->greeted = false;
}

void server_deinit(struct server *s)
{
        server_hang_up(s);
        server_unlisten(s);
        rmdir(s->dir);
}

void server_send(struct server *s, const void *data, size_t len)
{
        assert_int_equal(send(s->fd, data, len, MSG_NOSIGNAL), (ssize_t)len);
}

static void server_read(struct server *s)
{
        size_t room = s->read_max - s->n_read < 65536 ? s->read_max - s->n_read : 65536;
        uint8_t *p = buf_reserve(&s->in, room);
        ssize_t n = room > 0 ? recv(s->fd, p, room, MSG_DONTWAIT) : 0;

        if (n < 0 && errno == EAGAIN)
                return;
        if (n <= 0) {
                server_hang_up(s);
                return;
        }
        buf_commit(&s->in, (size_t)n);
        s->n_read += (size_t)n;
        if (s->n_read == s->read_max) {
                server_hang_up(s);
                return;
        }
        if (s->greeted)
                return;
        switch (frame_greeted(&s->in, FRAME_PROTOCOL_REQ)) {
        case 1:
                s->greeted = true;
                server_send(s, "\0SP\0\0\x31\0\0", s->greet_max);
                if (s->greet_max < FRAME_GREETING)
                        server_hang_up(s);
                break;
        case -1:
                fail_msg("the client greets in a wrong way");
        }
}

void server_turn(struct server *s, struct sandboxd_client *c)
{
        struct pollfd p[3] = {
                { .fd = c ? sandboxd_client_fd(c) : -1, .events = c ? sandboxd_client_events(c) : 0 },
                { .fd = s->fd, .events = POLLIN },
                { .fd = s->fd < 0 ? s->listen_fd : -1, .events = POLLIN },
        };
        int timeout = c ? sandboxd_client_timeout(c) : -1;

        assert_true(poll(p, 3, timeout < 0 || timeout > LIMIT_MS ? LIMIT_MS : timeout) > 0 || timeout >= 0);
        if (p[1].revents)
                server_read(s);
        if (p[2].revents) {
                s->fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC);
                assert_true(s->fd >= 0);
                s->n_accepted++;
                if (s->read_max == 0)
                        server_hang_up(s);
        }
        if (c)
                sandboxd_client_process(c, p[0].revents);
}

uint32_t server_await(struct server *s, struct sandboxd_client *c, struct buf *ret)
{
        uint64_t until = clock_monotonic_ns() + LIMIT_MS * NSEC_PER_MSEC;
        struct frame f;

        while (clock_monotonic_ns() < until) {
                if (s->greeted && frame_next(&s->in, LIMIT_MESSAGE, &f) == 1) {
                        if (ret)
                                buf_append(ret, f.payload, f.len);
                        buf_consume(&s->in, f.size);
                        return f.id;
                }
                server_turn(s, c);
        }
        fail_msg("no request came");
        return 0;
}

void server_reply(struct server *s, uint32_t id, const void *payload, size_t len)
{
        _cleanup_(buf_deinit) struct buf out = BUF_NULL;

        frame_append(&out, id, payload, len);
        assert_int_equal(fd_write_all(s->fd, buf_head(&out), buf_len(&out)), 0);
}
