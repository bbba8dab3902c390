/* SPDX-License-Identifier: Apache-2.0 */

/* One request on one connection; see urpc.h. Writing comes before reading: the server reads a request whole before it
 * answers. What was there when the other side closed is still read. */

#include "daemon/urpc.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/fd.h"

#define CHUNK 16384
#define ABSTRACT_PREFIX "runsc-sandbox."

/* --- where one object ends --- */

static bool is_blank(uint8_t c)
{
        return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void scan_in_string(struct urpc_scan *s, uint8_t c)
{
        if (s->escaped)
                s->escaped = false;
        else if (c == '\\')
                s->escaped = true;
        else if (c == '"')
                s->in_string = false;
}

static int scan_byte(struct urpc_scan *s, uint8_t c)
{
        if (!s->begun || s->ended) {
                if (is_blank(c))
                        return 0;
                if (s->ended || c != '{')
                        return -EBADMSG;
                s->begun = true;
                s->depth = 1;
        } else if (s->in_string) {
                scan_in_string(s, c);
        } else if (c == '"') {
                s->in_string = true;
        } else if (c == '{' || c == '[') {
                if (++s->depth > URPC_DEPTH_MAX)
                        return -EBADMSG;
        } else if (c == '}' || c == ']') {
                s->ended = --s->depth == 0;
        }
        return 0;
}

int urpc_scan(struct urpc_scan *s, const void *data, size_t n)
{
        const uint8_t *p = data;

        for (size_t i = 0; i < n; i++)
                if (scan_byte(s, p[i]) < 0)
                        return -EBADMSG;
        return s->ended;
}

/* --- connecting --- */

static int connect_abstract(int sock, const char *id, bool nul)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        size_t len = sizeof(ABSTRACT_PREFIX) - 1 + strlen(id);

        if (1 + len + nul > sizeof(address.sun_path))
                return -ENAMETOOLONG;
        memcpy(address.sun_path + 1, ABSTRACT_PREFIX, sizeof(ABSTRACT_PREFIX) - 1);
        memcpy(address.sun_path + sizeof(ABSTRACT_PREFIX), id, strlen(id));
        if (connect(sock, (struct sockaddr *)&address,
                    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + len + nul)) < 0)
                return -errno;
        return 0;
}

static int connect_file(int sock, const char *path)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        _cleanup_(fd_closep) int fd = -1;

        if (strlen(path) < sizeof(address.sun_path)) {
                memcpy(address.sun_path, path, strlen(path) + 1);
        } else {
                fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
                if (fd < 0)
                        return -errno;
                snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d", fd);
        }
        if (connect(sock, (struct sockaddr *)&address, sizeof(address)) < 0)
                return -errno;
        return 0;
}

int urpc_connect(int sock, enum urpc_scheme scheme, const char *name)
{
        if (!*name)
                return -ENOENT;
        if (scheme == URPC_FILE)
                return connect_file(sock, name);
        return connect_abstract(sock, name, scheme == URPC_ABSTRACT_NUL);
}

/* --- a connection --- */

static void close_fds(int *fds, size_t *n)
{
        while (*n > 0)
                fd_close(fds[--*n]);
}

/* The request is over: nothing of u is touched after the callback. */
static void finish(struct urpc *u, int errnum)
{
        struct urpc_reply reply = { .errnum = errnum, .text = "" };
        _cleanup_(buf_deinit) struct buf in = u->in;
        urpc_done_fn done = u->done;

        if (errnum == 0) {
                reply.text = (const char *)buf_head(&in);
                reply.len = buf_len(&in) - 1;
        }
        memcpy(reply.fds, u->in_fds, sizeof(reply.fds));
        reply.n_fds = u->n_in_fds;
        u->in = BUF_NULL;
        u->n_in_fds = 0;
        u->done = NULL;
        buf_deinit(&u->out);
        close_fds(u->out_fds, &u->n_out_fds);
        watch_timer_stop(&u->deadline);
        deferred_cancel(&u->failed);
        watch_fd_drop(&u->watch); /* the keeper may have a copy of the descriptor */
        done(u, &reply);
        close_fds(reply.fds, &reply.n_fds);
}

static void on_failed(struct deferred *d)
{
        struct urpc *u = container_of(d, struct urpc, failed);

        finish(u, u->errnum);
}

static void on_deadline(struct watch_timer *w)
{
        finish(container_of(w, struct urpc, deadline), -ETIMEDOUT);
}

/* 0, or -errno. */
static int send_some(struct urpc *u)
{
        while (buf_len(&u->out) > 0) {
                ssize_t n = fd_send(u->fd, buf_head(&u->out), buf_len(&u->out), u->out_fds, u->n_out_fds,
                                    MSG_DONTWAIT | MSG_NOSIGNAL);

                if (n == -EINTR)
                        continue;
                if (n == -EAGAIN)
                        return 0;
                if (n == -EPIPE || n == -ECONNRESET) { /* it may have said why */
                        buf_deinit(&u->out);
                        return 0;
                }
                if (n < 0)
                        return (int)n;
                close_fds(u->out_fds, &u->n_out_fds);
                buf_consume(&u->out, (size_t)n);
        }
        return 0;
}

/* 1: the reply is whole; 0: more is to come; or -errno. */
static int receive_some(struct urpc *u)
{
        uint8_t *room = buf_reserve(&u->in, CHUNK);
        size_t n_fds = URPC_FDS_MAX - u->n_in_fds;
        ssize_t n;
        int r;

        if (!room)
                return u->in.failed && buf_len(&u->in) + CHUNK > URPC_REPLY_MAX ? -EMSGSIZE : -ENOMEM;
        n = fd_recv(u->fd, room, CHUNK, u->in_fds + u->n_in_fds, &n_fds, MSG_DONTWAIT | (u->peek ? MSG_PEEK : 0));
        if (n == -EAGAIN || n == -EINTR)
                return 0;
        if (n < 0)
                return n == -ECONNRESET ? -EPIPE : (int)n;
        u->n_in_fds += n_fds;
        if (n == 0)
                return -EPIPE;
        r = urpc_scan(&u->scan, room, (size_t)n);
        buf_commit(&u->in, (size_t)n);
        if (u->peek && r == 0)
                return -EBADMSG; /* the rest would not wake us: this part is still there */
        u->peeked = (size_t)n;
        if (r == 1)
                buf_append(&u->in, "", 1);
        return r == 1 && u->in.failed ? -ENOMEM : r;
}

static void on_event(struct watch_fd *w, unsigned events)
{
        struct urpc *u = container_of(w, struct urpc, watch);
        int r = 0;

        if (events & LOOP_WRITE)
                r = send_some(u);
        if (r == 0 && (events & LOOP_READ))
                r = receive_some(u);
        if (r)
                finish(u, r < 0 ? r : 0);
        else
                watch_fd_set(&u->watch, u->fd, LOOP_READ | (buf_len(&u->out) > 0 ? LOOP_WRITE : 0));
}

void urpc_init(struct urpc *u, struct loop *loop)
{
        *u = URPC_NULL;
        watch_fd_init(&u->watch, loop, on_event);
        watch_timer_init(&u->deadline, loop, on_deadline);
        deferred_init(&u->failed, loop, on_failed);
}

void urpc_open(struct urpc *u, int sock)
{
        urpc_close(u);
        u->fd = sock;
}

void urpc_close(struct urpc *u)
{
        if (u->fd < 0)
                return;
        watch_fd_drop(&u->watch);
        watch_timer_stop(&u->deadline);
        deferred_cancel(&u->failed);
        buf_deinit(&u->out);
        buf_deinit(&u->in);
        close_fds(u->out_fds, &u->n_out_fds);
        close_fds(u->in_fds, &u->n_in_fds);
        u->done = NULL;
        u->fd = fd_close(u->fd);
}

static void begin(struct urpc *u, uint64_t timeout_ns, urpc_done_fn done)
{
        u->in = (struct buf){ .max = URPC_REPLY_MAX };
        u->scan = (struct urpc_scan){ 0 };
        u->done = done;
        u->errnum = 0;
        u->peek = false;
        if (timeout_ns)
                watch_timer_arm(&u->deadline, timeout_ns);
}

void urpc_call(struct urpc *u, const char *text, size_t len, const int *fds, size_t n_fds, uint64_t timeout_ns,
               urpc_done_fn done)
{
        begin(u, timeout_ns, done);
        if (u->fd < 0 || n_fds > URPC_FDS_MAX)
                u->errnum = -EBADF;
        for (size_t i = 0; i < n_fds && !u->errnum; i++) {
                int copy = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);

                if (copy < 0)
                        u->errnum = -errno;
                else
                        u->out_fds[u->n_out_fds++] = copy;
        }
        buf_append(&u->out, text, len);
        if (u->out.failed)
                u->errnum = -ENOMEM;
        if (!u->errnum)
                u->errnum = send_some(u);
        if (u->errnum)
                loop_defer(&u->failed);
        else
                watch_fd_set(&u->watch, u->fd, LOOP_READ | (buf_len(&u->out) > 0 ? LOOP_WRITE : 0));
}

void urpc_await(struct urpc *u, uint64_t timeout_ns, urpc_done_fn done)
{
        begin(u, timeout_ns, done);
        watch_fd_set(&u->watch, u->fd, LOOP_READ);
}

void urpc_call_peek(struct urpc *u, const char *text, size_t len, const int *fds, size_t n_fds, uint64_t timeout_ns,
                    urpc_done_fn done)
{
        urpc_call(u, text, len, fds, n_fds, timeout_ns, done);
        u->peek = true;
}

void urpc_await_peek(struct urpc *u, urpc_done_fn done)
{
        urpc_await(u, 0, done);
        u->peek = true;
}

void urpc_consume(struct urpc *u)
{
        uint8_t sink[256];

        while (u->peeked > 0) {
                ssize_t n = recv(u->fd, sink, u->peeked < sizeof(sink) ? u->peeked : sizeof(sink), MSG_DONTWAIT);

                if (n <= 0)
                        break; /* cannot be: it was seen there */
                u->peeked -= (size_t)n;
        }
        u->peeked = 0;
}
