/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Answers are collected during a round of the loop and written at its end. A peer that does not read its answers is not
 * read from either. Buffers are freed when they are empty: most connections say nothing for hours.
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
#include "client/shim/call.h"
#include "client/shim/front.h"

#define READ_ONCE 16384U
#define OUT_HIGH (1024U * 1024)

static void retire(struct conn *conn)
{
        watch_fd_stop(&conn->watch);
        loop_defer(&conn->retire);
}

static void watch(struct conn *conn)
{
        size_t waiting = buf_len(&conn->out);

        watch_fd_set(&conn->watch, conn->fd, (waiting < OUT_HIGH ? LOOP_READ : 0) | (waiting > 0 ? LOOP_WRITE : 0));
}

static void take_frames(struct conn *conn)
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

/* 0, or -1: the connection is over. */
static int receive(struct conn *conn)
{
        uint8_t *room = buf_reserve(&conn->in, READ_ONCE);
        ssize_t n;

        if (!room)
                return -1;
        n = recv(conn->fd, room, READ_ONCE, 0);
        if (n < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : -1;
        if (n == 0)
                return -1;
        buf_commit(&conn->in, (size_t)n);
        take_frames(conn);
        return 0;
}

static int transmit(struct conn *conn)
{
        while (buf_len(&conn->out) > 0) {
                ssize_t n = send(conn->fd, buf_head(&conn->out), buf_len(&conn->out), MSG_NOSIGNAL);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return errno == EAGAIN ? 0 : -1;
                buf_consume(&conn->out, (size_t)n);
        }
        buf_deinit(&conn->out);
        return 0;
}

static void on_ready(struct watch_fd *w, unsigned events)
{
        struct conn *conn = container_of(w, struct conn, watch);

        if ((events & LOOP_READ && receive(conn) < 0) || (events & LOOP_WRITE && transmit(conn) < 0))
                retire(conn);
        else if (events & LOOP_WRITE)
                watch(conn);
}

static void on_flush(struct deferred *d)
{
        struct conn *conn = container_of(d, struct conn, flush);

        if (conn->out.failed || transmit(conn) < 0)
                retire(conn);
        else if (!conn->retire.queued)
                watch(conn);
}

static void on_retire(struct deferred *d)
{
        conn_free(container_of(d, struct conn, retire));
}

void conn_answered(struct conn *conn)
{
        loop_defer(&conn->flush);
}

static int make_name(char name[CONN_NAME_MAX])
{
        uint64_t random;

        if (getrandom(&random, sizeof(random), 0) != sizeof(random))
                return -EIO;
        snprintf(name, CONN_NAME_MAX, "%016llx", (unsigned long long)random);
        return 0;
}

int conn_new(struct conn **ret, struct front *front, int fd_in)
{
        _cleanup_(fd_closep) int fd = fd_in;
        struct conn *conn = calloc(1, sizeof(*conn));

        if (!conn)
                return -ENOMEM;
        if (make_name(conn->name) < 0) {
                free(conn);
                return -EIO;
        }
        conn->front = front;
        conn->fd = TAKE_FD(fd);
        watch_fd_init(&conn->watch, front->loop, on_ready);
        deferred_init(&conn->flush, front->loop, on_flush);
        deferred_init(&conn->retire, front->loop, on_retire);
        DL_APPEND(front->conns, conn);
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
        watch_fd_stop(&conn->watch);
        deferred_cancel(&conn->flush);
        deferred_cancel(&conn->retire);
        fd_close(conn->fd);
        buf_deinit(&conn->in);
        buf_deinit(&conn->out);
        free(conn);
        return NULL;
}
