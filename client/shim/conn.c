/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Answers are collected during a round of the loop and written at its end. A peer that does not read its answers is not
 * read from either. Buffers are freed when they are empty: most connections say nothing for hours.
 *
 * Receiving has three steps: peek, write to the journal, take out of the socket. Between the last two it is not known
 * whether they left the socket, but the kernel knows: its peek offset (SO_PEEK_OFF) is how many of the bytes that we
 * have seen are still there.
 */

#include "client/shim/conn.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>
#include "base/fd.h"
#include "base/log.h"
#include "client/shim/call.h"
#include "client/shim/front.h"

#define READ_ONCE 16384U
#define OUT_HIGH  (1024U * 1024)
#define PIECE_MAX 32768U /* the kernel takes 36 KiB whole, or less if the socket's buffer is small */

/* It is over for containerd too. */
static void retire(struct conn *conn)
{
        watch_fd_drop(&conn->watch);
        loop_defer(&conn->retire);
}

static void watch(struct conn *conn)
{
        bool idle = conn->unsettled || conn->retire.queued;
        unsigned events = 0;

        if (!idle && !conn->full && buf_len(&conn->out) < OUT_HIGH)
                events |= LOOP_READ;
        if (!idle && conn_has_to_send(conn))
                events |= LOOP_WRITE;
        watch_fd_set(&conn->watch, conn->fd, events);
}

int conn_note(struct conn *conn, enum conn_record kind, const void *data, size_t len)
{
        struct journal *j = conn->front->keep.journal;
        int r = j ? journal_append(j, (uint8_t)kind, conn->index, data, len) : 0;

        if (j)
                front_noted(conn->front);
        return r;
}

void conn_take_frames(struct conn *conn)
{
        struct ttrpc_frame frame;
        enum ttrpc_found found;

        while ((found = ttrpc_decode(&conn->decoder, &conn->in, &frame)) != TTRPC_MORE) {
                if (found == TTRPC_TOO_LARGE) {
                        ttrpc_append_error(&conn->out, frame.stream, CODE_RESOURCE_EXHAUSTED,
                                           "message length exceeds the maximum of 4194304 bytes");
                        conn_answered(conn);
                        continue;
                }
                if (frame.type == TTRPC_REQUEST)
                        call_begin(conn, &frame);
                ttrpc_consume(&conn->in, &frame);
        }
        if (buf_len(&conn->in) == 0)
                buf_deinit(&conn->in);
}

/* --- receiving --- */

int conn_set_peek_offset(const struct conn *conn, int offset)
{
        return setsockopt(conn->fd, SOL_SOCKET, SO_PEEK_OFF, &offset, sizeof(offset)) < 0 ? -errno : 0;
}

int conn_take_out(struct conn *conn, size_t n)
{
        uint8_t scratch[READ_ONCE];

        while (n > 0) {
                ssize_t got = recv(conn->fd, scratch, n < sizeof(scratch) ? n : sizeof(scratch), 0);

                if (got < 0 && errno == EINTR)
                        continue;
                if (got <= 0)
                        return -1;
                n -= (size_t)got;
        }
        return 0;
}

/* 0: they are in the journal and not in the socket; 1: there is no room; -1. */
static int take(struct conn *conn, const uint8_t *bytes, size_t n)
{
        int r = conn_note(conn, CONN_BYTES, bytes, n);

        if (r < 0) {
                log_warn("no room for a request: %s", strerrordesc_np(-r));
                return conn_set_peek_offset(conn, 0) < 0 ? -1 : 1;
        }
        if (conn_take_out(conn, n) < 0)
                return -1;
        conn_note(conn, CONN_DONE, NULL, 0);
        return 0;
}

/* 0, or -1: the connection is over. */
static int receive(struct conn *conn)
{
        bool kept = keep_active(&conn->front->keep);
        uint8_t *room = buf_reserve(&conn->in, READ_ONCE);
        ssize_t n;
        int r;

        if (!room)
                return -1;
        n = recv(conn->fd, room, READ_ONCE, kept ? MSG_PEEK : 0);
        if (n < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : -1;
        if (n == 0)
                return -1;
        r = kept ? take(conn, room, (size_t)n) : 0;
        if (r > 0) {
                conn->full = true;
                front_full(conn->front);
                watch(conn);
        }
        if (r != 0)
                return r < 0 ? -1 : 0;
        buf_commit(&conn->in, (size_t)n);
        conn_take_frames(conn);
        return 0;
}

static void on_ready(struct watch_fd *w, unsigned events)
{
        struct conn *conn = container_of(w, struct conn, watch);

        if ((events & LOOP_READ && receive(conn) < 0) || (events & LOOP_WRITE && conn_send(conn) < 0))
                retire(conn);
        else if (events & LOOP_WRITE)
                watch(conn);
}

static void on_flush(struct deferred *d)
{
        struct conn *conn = container_of(d, struct conn, flush);

        if (conn->retire.queued)
                return;
        if (conn->out.failed || conn_send(conn) < 0)
                retire(conn);
        else
                watch(conn);
}

/* Its descriptor is with others too, who would keep it open: an orderly end is for all of them. */
static void on_retire(struct deferred *d)
{
        struct conn *conn = container_of(d, struct conn, retire);
        struct front *front = conn->front;

        conn_note(conn, CONN_CLOSED, NULL, 0);
        keep_unstore(&front->keep, KEEP_CONN, conn->index);
        if (conn->answer_fd >= 0)
                keep_unstore(&front->keep, KEEP_ANSWER, conn->index);
        shutdown(conn->fd, SHUT_RDWR);
        conn_free(conn);
        front_conn_gone(front);
}

void conn_answered(struct conn *conn)
{
        loop_defer(&conn->flush);
}

void conn_resume(struct conn *conn)
{
        if (!conn->full)
                return;
        conn->full = false;
        watch(conn);
}

void conn_settled(struct conn *conn)
{
        if (!conn->unsettled)
                return;
        conn->unsettled = false;
        conn_answered(conn); /* which watches it too */
}

/* --- life --- */

static int make_name(char name[CONN_NAME_MAX])
{
        uint64_t random;

        if (getrandom(&random, sizeof(random), 0) != sizeof(random))
                return -EIO;
        snprintf(name, CONN_NAME_MAX, "%016llx", (unsigned long long)random);
        return 0;
}

static size_t piece_of(int fd)
{
        int size = 0;
        socklen_t len = sizeof(size);

        if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, &len) < 0 || size < 1024)
                return 256;
        return size / 2 - 64 < (int)PIECE_MAX ? (size_t)size / 2 - 64 : PIECE_MAX;
}

void conn_set_fd(struct conn *conn, int fd)
{
        conn->fd = fd;
        conn->piece = piece_of(fd);
}

int conn_alloc(struct conn **ret, struct front *front, int fd_in)
{
        _cleanup_(fd_closep) int fd = fd_in;
        struct conn *conn = calloc(1, sizeof(*conn));

        if (!conn)
                return -ENOMEM;
        conn->front = front;
        conn->fd = conn->answer_fd = -1;
        if (fd >= 0)
                conn_set_fd(conn, TAKE_FD(fd));
        watch_fd_init(&conn->watch, front->loop, on_ready);
        deferred_init(&conn->flush, front->loop, on_flush);
        deferred_init(&conn->retire, front->loop, on_retire);
        DL_APPEND(front->conns, conn);
        *ret = conn;
        return 0;
}

/* Nothing was read from it yet. It is with the keeper before the journal names it. */
int conn_enter(struct conn *conn)
{
        struct conn_opened opened = { .last_stream = 0 };
        struct keep *keep = &conn->front->keep;
        int r = make_name(conn->name);

        if (r < 0 || !keep_active(keep))
                return r;
        r = conn_set_peek_offset(conn, 0);
        if (r < 0)
                return r;
        keep_store(keep, KEEP_CONN, conn->index, conn->fd);
        conn->unsettled = !keep_settled(keep);
        memcpy(opened.name, conn->name, sizeof(opened.name));
        return conn_note(conn, CONN_OPEN, &opened, sizeof(opened));
}

int conn_new(struct conn **ret, struct front *front, int fd)
{
        struct conn *conn;
        int r = conn_alloc(&conn, front, fd);

        if (r < 0)
                return r;
        r = front_number(front, conn);
        if (r < 0) {
                conn_free(conn);
                return r;
        }
        r = conn_enter(conn);
        if (r < 0) {
                retire(conn);
                return r;
        }
        watch(conn);
        *ret = conn;
        return 0;
}

struct conn *conn_free(struct conn *conn)
{
        struct call *call, *next;

        if (!conn)
                return NULL;
        DL_FOREACH_SAFE(conn->calls, call, next)
                call_free(call);
        DL_DELETE(conn->front->conns, conn);
        watch_fd_drop(&conn->watch);
        deferred_cancel(&conn->flush);
        deferred_cancel(&conn->retire);
        fd_close(conn->fd);
        fd_close(conn->answer_fd);
        buf_deinit(&conn->in);
        buf_deinit(&conn->out);
        free(conn);
        return NULL;
}
