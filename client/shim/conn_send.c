/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Whole frames go in pieces that the kernel takes whole or not at all (one buffer of its own), and are noted as
 * answered after that. A frame that is larger is put into a memfd, which the keeper gets, and sent from there with
 * sendfile(2): how far it got is the position of the open file, which the kernel moves together with what it takes, and
 * which outlives us.
 */

#include "client/shim/conn.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/fd.h"
#include "base/log.h"
#include "client/shim/front.h"

bool conn_has_to_send(const struct conn *conn)
{
        return conn->answer_fd >= 0 || buf_len(&conn->out) > 0;
}

static void note_answered(struct conn *conn, uint32_t stream)
{
        conn_note(conn, CONN_ANSWERED, &stream, sizeof(stream));
}

/* --- in one piece --- */

/* How many bytes the first frames have that are one piece together; 0: the first one is larger. */
static size_t next_piece(const struct conn *conn, struct ttrpc_frame *first)
{
        struct buf view = conn->out;
        struct ttrpc_decoder decoder = TTRPC_DECODER_NULL;
        struct ttrpc_frame frame;
        size_t n = 0;

        while (ttrpc_decode(&decoder, &view, &frame) == TTRPC_FRAME) {
                if (n == 0)
                        *first = frame;
                if (n + TTRPC_HEADER + frame.len > conn->piece)
                        break;
                n += TTRPC_HEADER + frame.len;
                ttrpc_consume(&view, &frame);
        }
        return n;
}

static void sent(struct conn *conn, size_t n)
{
        struct ttrpc_decoder decoder = TTRPC_DECODER_NULL;
        struct ttrpc_frame frame;
        size_t left = buf_len(&conn->out) - n;

        while (buf_len(&conn->out) > left && ttrpc_decode(&decoder, &conn->out, &frame) == TTRPC_FRAME) {
                note_answered(conn, frame.stream);
                ttrpc_consume(&conn->out, &frame);
        }
}

/* As conn_send(), but 1 is: go on. */
static int send_piece(struct conn *conn, size_t n)
{
        ssize_t r;

        do
                r = send(conn->fd, buf_head(&conn->out), n, MSG_NOSIGNAL | MSG_DONTWAIT);
        while (r < 0 && errno == EINTR);
        if (r < 0)
                return errno == EAGAIN ? 0 : -1;
        if ((size_t)r != n) {
                log_error("the kernel took %zd of %zu bytes: the connection cannot go on", r, n);
                return -1;
        }
        sent(conn, n);
        return 1;
}

/* --- in several --- */

static int open_answer(struct conn *conn, const struct ttrpc_frame *frame)
{
        size_t len = TTRPC_HEADER + (size_t)frame->len;
        _cleanup_(fd_closep) int fd = memfd_create("front-answer", MFD_CLOEXEC);
        struct keep *keep = &conn->front->keep;

        if (fd < 0 || fd_write_all(fd, buf_head(&conn->out), len) < 0 || lseek(fd, 0, SEEK_SET) < 0) {
                log_error("an answer of %zu bytes cannot be sent: %s", len, strerrordesc_np(errno));
                return -1;
        }
        conn->answer_stream = frame->stream;
        conn->answer_len = (off_t)len;
        conn->answer_fd = TAKE_FD(fd);
        ttrpc_consume(&conn->out, frame);
        if (!keep_active(keep))
                return 1;
        keep_store(keep, KEEP_ANSWER, conn->index, conn->answer_fd);
        conn->unsettled = !keep_settled(keep);
        return 1;
}

static int send_answer(struct conn *conn)
{
        off_t at = lseek(conn->answer_fd, 0, SEEK_CUR);

        while (at < conn->answer_len) {
                ssize_t r = sendfile(conn->fd, conn->answer_fd, NULL, (size_t)(conn->answer_len - at));

                if (r < 0 && errno == EINTR)
                        continue;
                if (r <= 0)
                        return r < 0 && errno == EAGAIN ? 0 : -1;
                at += r;
        }
        note_answered(conn, conn->answer_stream);
        if (keep_active(&conn->front->keep))
                keep_unstore(&conn->front->keep, KEEP_ANSWER, conn->index);
        conn->answer_fd = fd_close(conn->answer_fd);
        return 1;
}

int conn_send(struct conn *conn)
{
        int r = 1;

        while (r > 0 && conn_has_to_send(conn)) {
                struct ttrpc_frame first = { 0 };
                size_t n;

                if (conn->unsettled)
                        return 0;
                if (conn->answer_fd >= 0) {
                        r = send_answer(conn);
                        continue;
                }
                n = next_piece(conn, &first);
                r = n > 0 ? send_piece(conn, n) : open_answer(conn, &first);
        }
        if (r > 0)
                buf_deinit(&conn->out);
        return r;
}
