/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A connection is read until its request is whole (READING), waits for the text (WAITING, not watched: so it cannot
 * spin the loop), is sent the answer (WRITING), and then read to its end (DRAINING): closing it while bytes are unread
 * would take the answer from the client.
 */

#include "daemon/metrics.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utlist.h>
#include "base/clock.h"
#include "base/fd.h"
#include "daemon/metrics_http.h"
#include "proto/proto.h"

#define BACKLOG    64
#define DRAIN_NS   NSEC_PER_SEC
#define PAUSE_NS   NSEC_PER_SEC /* of accept, when there are no descriptors */
#define SOCKET_MAX 107
#define SEND_MAX   (256 * 1024) /* bytes for one connection in one round */

/* A text and those who are being sent it. */
struct page {
        unsigned refs;
        struct buf text;
};

enum conn_state { READING, WAITING, WRITING, DRAINING };

struct conn {
        struct conn *prev, *next; /* the oldest first */
        struct metrics *metrics;
        enum conn_state state;
        int fd;
        struct watch_fd watch;
        struct watch_timer deadline;
        char request[HTTP_HEAD_MAX];
        size_t received;
        char head[256];
        size_t head_len;
        struct page *page; /* NULL: the head is all */
        size_t sent;       /* of head and page */
};

struct metrics {
        struct loop *loop;
        struct metrics_options options;
        char *path; /* of a unix socket, to be removed */
        int fd;
        struct watch_fd watch;
        struct watch_timer pause;
        struct conn *conns;
        size_t n;
        bool gathering;
};

/* --- pages --- */

static struct page *page_unref(struct page *p)
{
        if (p && --p->refs == 0) {
                buf_deinit(&p->text);
                free(p);
        }
        return NULL;
}

/* --- connections --- */

static void conn_free(struct conn *c)
{
        struct metrics *m = c->metrics;

        watch_fd_stop(&c->watch);
        watch_timer_stop(&c->deadline);
        c->fd = fd_close(c->fd);
        page_unref(c->page);
        DL_DELETE(m->conns, c);
        m->n--;
        free(c);
        if (!watch_timer_active(&m->pause))
                watch_fd_set(&m->watch, m->fd, LOOP_READ); /* there is room again */
}

static void on_deadline(struct watch_timer *w)
{
        conn_free(container_of(w, struct conn, deadline));
}

static void conn_drain(struct conn *c)
{
        c->state = DRAINING;
        c->page = page_unref(c->page);
        (void)shutdown(c->fd, SHUT_WR);
        watch_fd_set(&c->watch, c->fd, LOOP_READ);
        watch_timer_arm(&c->deadline, DRAIN_NS);
}

/* What is left of head and page; 0: nothing. */
static size_t conn_rest(const struct conn *c, const void **ret)
{
        size_t at = c->sent - c->head_len;

        if (c->sent < c->head_len) {
                *ret = c->head + c->sent;
                return c->head_len - c->sent;
        }
        if (!c->page || at >= buf_len(&c->page->text))
                return 0;
        *ret = buf_head(&c->page->text) + at;
        return buf_len(&c->page->text) - at;
}

/* May free c. */
static void conn_write(struct conn *c)
{
        size_t budget = SEND_MAX, len;
        const void *data;

        while ((len = conn_rest(c, &data)) && budget) {
                ssize_t n = send(c->fd, data, len < budget ? len : budget, MSG_NOSIGNAL | MSG_DONTWAIT);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0 && errno == EAGAIN)
                        break;
                if (n < 0) {
                        conn_free(c);
                        return;
                }
                c->sent += (size_t)n;
                budget -= (size_t)n;
        }
        if (!len)
                conn_drain(c);
        else
                watch_fd_set(&c->watch, c->fd, LOOP_WRITE);
}

/* May free c. */
static void conn_answer(struct conn *c, unsigned status, struct page *page)
{
        size_t length = page ? buf_len(&page->text) : 0;
        int n;

        n = snprintf(c->head, sizeof(c->head), "HTTP/1.1 %u %s\r\n%s%sContent-Length: %zu\r\nConnection: close\r\n\r\n",
                     status, http_status_text(status), status == 405 ? "Allow: GET\r\n" : "",
                     page ? "Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n" : "",
                     length);
        c->head_len = (size_t)n;
        c->sent = 0;
        c->page = page;
        if (page)
                page->refs++;
        c->state = WRITING;
        watch_timer_arm(&c->deadline, c->metrics->options.answer_ns);
        conn_write(c);
}

/* May free c. */
static void conn_request(struct conn *c)
{
        struct metrics *m = c->metrics;
        unsigned status = http_request_status(c->request, c->received);

        if (!status)
                return;
        if (status != 200) {
                conn_answer(c, status, NULL);
                return;
        }
        c->state = WAITING;
        watch_fd_stop(&c->watch);
        watch_timer_arm(&c->deadline, m->options.answer_ns);
        if (m->gathering)
                return;
        m->gathering = true;
        m->options.gather(m->options.data, m);
}

/* May free c. */
static void conn_read(struct conn *c)
{
        char waste[4096];
        bool reading = c->state == READING;
        ssize_t n = reading ? recv(c->fd, c->request + c->received, sizeof(c->request) - c->received, MSG_DONTWAIT)
                            : recv(c->fd, waste, sizeof(waste), MSG_DONTWAIT);

        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
                conn_free(c);
        } else if (n > 0 && reading) {
                c->received += (size_t)n;
                conn_request(c);
        }
}

static void on_conn(struct watch_fd *w, unsigned events)
{
        struct conn *c = container_of(w, struct conn, watch);

        if (c->state == WRITING)
                conn_write(c);
        else
                conn_read(c);
}

static void conn_new(struct metrics *m, int fd)
{
        struct conn *c = calloc(1, sizeof(*c));

        if (!c) {
                fd_close(fd);
                return;
        }
        c->metrics = m;
        c->fd = fd;
        watch_fd_init(&c->watch, m->loop, on_conn);
        watch_timer_init(&c->deadline, m->loop, on_deadline);
        DL_APPEND(m->conns, c);
        m->n++;
        watch_fd_set(&c->watch, fd, LOOP_READ);
        watch_timer_arm(&c->deadline, m->options.request_ns);
}

/* --- listening --- */

/* Room for one more, at the cost of the oldest that has not asked, or is done. */
static bool make_room(struct metrics *m)
{
        struct conn *c;

        if (m->n < m->options.max_connections)
                return true;
        DL_FOREACH(m->conns, c) {
                if (c->state != READING && c->state != DRAINING)
                        continue;
                conn_free(c);
                return true;
        }
        return false;
}

/* One in a round: a crowd does not keep the loop. */
static void on_listen(struct watch_fd *w, unsigned events)
{
        struct metrics *m = container_of(w, struct metrics, watch);
        int fd;

        if (!make_room(m)) {
                watch_fd_stop(&m->watch);
                return;
        }
        fd = accept4(m->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
                conn_new(m, fd);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
                watch_fd_stop(&m->watch);
                watch_timer_arm(&m->pause, PAUSE_NS);
        }
}

static void on_pause(struct watch_timer *w)
{
        struct metrics *m = container_of(w, struct metrics, pause);

        watch_fd_set(&m->watch, m->fd, LOOP_READ);
}

union address {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
};

static bool parse_port(const char *text, in_port_t *ret)
{
        unsigned long port = 0;
        size_t n = strspn(text, "0123456789");

        if (!n || n > 5 || text[n])
                return false;
        port = strtoul(text, NULL, 10);
        *ret = htons((in_port_t)port);
        return port <= 65535;
}

/* Loopback addresses only: who may read what runs on the host is not asked here. */
static bool parse_address(const char *text, union address *ret, socklen_t *ret_len)
{
        const char *colon = strrchr(text, ':');
        char host[64];
        size_t n = colon ? (size_t)(colon - text) : sizeof(host);

        memset(ret, 0, sizeof(*ret));
        if (n >= sizeof(host))
                return false;
        memcpy(host, text, n);
        host[n] = '\0';
        if (strcmp(host, "[::1]") == 0) {
                ret->in6.sin6_family = AF_INET6;
                ret->in6.sin6_addr = in6addr_loopback;
                *ret_len = sizeof(ret->in6);
                return parse_port(colon + 1, &ret->in6.sin6_port);
        }
        ret->in.sin_family = AF_INET;
        *ret_len = sizeof(ret->in);
        return inet_pton(AF_INET, host, &ret->in.sin_addr) == 1 && (ntohl(ret->in.sin_addr.s_addr) >> 24) == 127 &&
               parse_port(colon + 1, &ret->in.sin_port);
}

int metrics_check_listen(const char *text, struct error *err)
{
        union address address;
        socklen_t len;

        if (text[0] == '/' && strlen(text) <= SOCKET_MAX && text[strlen(text) - 1] != '/')
                return 0;
        if (text[0] != '/' && parse_address(text, &address, &len))
                return 0;
        return error_set(err, REASON_INVALID_ARGUMENT,
                         "metrics are served on a unix socket, an absolute path of at most %d bytes, or on a loopback "
                         "address such as 127.0.0.1:9464 or [::1]:9464, not on \"%s\"",
                         SOCKET_MAX, text);
}

/* A listening descriptor, or -errno. */
static int listen_at(struct metrics *m)
{
        const struct metrics_options *x = &m->options;
        union address address;
        socklen_t len;
        int one = 1;

        if (x->listen[0] == '/') {
                int fd = fd_listen_unix(x->listen, 0660, BACKLOG);

                if (fd >= 0 && x->gid != (gid_t)-1 && chown(x->listen, (uid_t)-1, x->gid) < 0) {
                        fd_close(fd);
                        return -errno;
                }
                return fd;
        }
        if (!parse_address(x->listen, &address, &len))
                return -EINVAL;
        _cleanup_(fd_closep) int fd =
                socket(address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
            bind(fd, &address.any, len) < 0 || listen(fd, BACKLOG) < 0)
                return -errno;
        return TAKE_FD(fd);
}

int metrics_new(struct metrics **ret, struct loop *loop, const struct metrics_options *options, struct error *err)
{
        _cleanup_(metrics_freep) struct metrics *m = calloc(1, sizeof(*m));

        if (!m)
                return error_set(err, REASON_NO_RESOURCES, "no memory to serve metrics");
        m->loop = loop;
        m->options = *options;
        m->fd = -1;
        watch_fd_init(&m->watch, loop, on_listen);
        watch_timer_init(&m->pause, loop, on_pause);
        m->fd = listen_at(m);
        if (m->fd < 0)
                return error_set_errno(err, reason_of_errno(m->fd), m->fd, "cannot serve metrics on %s",
                                       options->listen);
        if (options->listen[0] == '/' && !(m->path = strdup(options->listen)))
                return error_set(err, REASON_NO_RESOURCES, "no memory to serve metrics");
        watch_fd_set(&m->watch, m->fd, LOOP_READ);
        *ret = TAKE(m);
        return 0;
}

struct metrics *metrics_free(struct metrics *m)
{
        struct conn *c, *tmp;

        if (!m)
                return NULL;
        DL_FOREACH_SAFE(m->conns, c, tmp)
                conn_free(c);
        watch_fd_stop(&m->watch);
        watch_timer_stop(&m->pause);
        m->fd = fd_close(m->fd);
        if (m->path)
                (void)unlink(m->path);
        free(m->path);
        free(m);
        return NULL;
}

void metrics_answer(struct metrics *m, struct buf *text)
{
        struct page *page = text && !text->failed ? calloc(1, sizeof(*page)) : NULL;
        struct conn *c, *tmp;

        m->gathering = false;
        if (page) {
                page->refs = 1;
                page->text = *text;
                *text = BUF_NULL;
        }
        DL_FOREACH_SAFE(m->conns, c, tmp)
                if (c->state == WAITING)
                        conn_answer(c, page ? 200 : 503, page);
        page_unref(page);
}

unsigned metrics_port(const struct metrics *m)
{
        union address address = { .any.sa_family = AF_UNSPEC };
        socklen_t len = sizeof(address);

        if (m->path || getsockname(m->fd, &address.any, &len) < 0)
                return 0;
        return ntohs(address.any.sa_family == AF_INET6 ? address.in6.sin6_port : address.in.sin_port);
}

size_t metrics_n_connections(const struct metrics *m)
{
        return m->n;
}
