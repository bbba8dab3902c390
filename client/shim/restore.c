/* SPDX-License-Identifier: Apache-2.0 */

/*
 * From a journal to the front that wrote it, and from a front to a journal. The journal is played as it happened: bytes
 * are decoded into calls, answers take calls away; what is left is asked once more, with the same request ids, so that
 * nothing is done twice. Then a new journal is written. Until the keeper has that, nothing was done that could not be
 * done again by the next front, should this one be killed too.
 */

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utlist.h>
#include "base/fd.h"
#include "base/log.h"
#include "client/shim/call.h"
#include "client/shim/front.h"

/* --- reading --- */

static struct conn *find(struct front *f, uint32_t index)
{
        struct conn *conn;

        DL_FOREACH(f->conns, conn)
                if (conn->index == index)
                        return conn;
        return NULL;
}

static int opened(struct front *f, uint32_t index, const uint8_t *bytes, size_t len)
{
        struct conn *conn = find(f, index);
        struct conn_opened o;
        int r;

        if (len != sizeof(o))
                return -EBADMSG;
        conn_free(conn); /* its end was not noted */
        r = conn_alloc(&conn, f, -1);
        if (r < 0)
                return r;
        memcpy(&o, bytes, sizeof(o));
        memcpy(conn->name, o.name, sizeof(conn->name));
        conn->name[sizeof(conn->name) - 1] = '\0';
        conn->index = index;
        conn->last_stream = o.last_stream;
        conn->decoder.discard = o.discard;
        return 0;
}

/* An answer that had been given at once. */
static void drop_frame(struct conn *conn, uint32_t stream)
{
        struct ttrpc_decoder decoder = TTRPC_DECODER_NULL;
        struct ttrpc_frame frame;
        struct buf out = BUF_NULL;
        bool dropped = false;

        while (ttrpc_decode(&decoder, &conn->out, &frame) == TTRPC_FRAME) {
                if (dropped || frame.stream != stream)
                        ttrpc_append(&out, frame.stream, frame.type, frame.flags, frame.data, frame.len);
                else
                        dropped = true;
                ttrpc_consume(&conn->out, &frame);
        }
        out.failed |= conn->out.failed;
        buf_deinit(&conn->out);
        conn->out = out;
}

static void answered(struct conn *conn, uint32_t stream)
{
        struct call *call = call_find(conn, stream);

        if (call)
                call_drop(call);
        else
                drop_frame(conn, stream);
}

static int one_frame(struct conn *conn, const uint8_t *bytes, size_t len)
{
        struct buf in = { .data = (uint8_t *)bytes, .end = len, .size = len }; /* only read */
        struct ttrpc_decoder decoder = TTRPC_DECODER_NULL;
        struct ttrpc_frame frame;

        if (ttrpc_decode(&decoder, &in, &frame) != TTRPC_FRAME)
                return -EBADMSG;
        call_begin_again(conn, &frame);
        return 0;
}

static int play(void *data, uint8_t kind, uint32_t index, const uint8_t *bytes, size_t len)
{
        struct front *f = data;
        struct conn *conn;
        uint32_t stream;

        if (kind == CONN_OPEN)
                return opened(f, index, bytes, len);
        conn = find(f, index);
        if (!conn)
                return 0; /* its end was noted, and then something that was still in hand */
        switch (kind) {
        case CONN_BYTES:
                conn->taken = true;
                buf_append(&conn->in, bytes, len);
                conn_take_frames(conn);
                return 0;
        case CONN_DONE:
                conn->taken = false;
                return 0;
        case CONN_ANSWERED:
                if (len != sizeof(stream))
                        return -EBADMSG;
                memcpy(&stream, bytes, sizeof(stream));
                answered(conn, stream);
                return 0;
        case CONN_CLOSED:
                conn_free(conn);
                return 0;
        case CONN_CALL:
                return one_frame(conn, bytes, len);
        case CONN_PART:
                buf_append(&conn->in, bytes, len);
                return 0;
        case CONN_OUT:
                buf_append(&conn->out, bytes, len);
                return 0;
        default:
                return -EBADMSG;
        }
}

/* --- what the kernel knows --- */

/* What the journal has leaves the socket, if it has not done so already; what it has not is read again. */
static int match_socket(struct conn *conn)
{
        int offset = 0;
        socklen_t len = sizeof(offset);

        if (!conn->taken)
                return conn_set_peek_offset(conn, 0);
        if (getsockopt(conn->fd, SOL_SOCKET, SO_PEEK_OFF, &offset, &len) < 0)
                return -errno;
        conn->taken = false;
        if (offset > 0 && conn_take_out(conn, (size_t)offset) < 0)
                return -EIO;
        return conn_set_peek_offset(conn, 0);
}

/* An answer that was on its way goes on where it is. */
static int match_answer(struct conn *conn, int fd)
{
        uint8_t head[TTRPC_HEADER];
        struct stat st;

        if (fd < 0)
                return 0;
        conn->answer_fd = fd;
        if (fstat(fd, &st) < 0 || pread(fd, head, sizeof(head), 0) != sizeof(head))
                return -EBADMSG;
        conn->answer_len = st.st_size;
        conn->answer_stream = (uint32_t)head[4] << 24 | (uint32_t)head[5] << 16 | (uint32_t)head[6] << 8 | head[7];
        answered(conn, conn->answer_stream); /* it will be */
        return 0;
}

static void match(struct conn *conn, struct keep_fds *fds)
{
        int fd = keep_fds_take(fds, KEEP_CONN, conn->index), r;

        if (fd < 0) { /* it had ended */
                conn_free(conn);
                return;
        }
        conn_set_fd(conn, fd);
        r = match_socket(conn);
        if (r == 0)
                r = match_answer(conn, keep_fds_take(fds, KEEP_ANSWER, conn->index));
        if (r < 0 || conn->out.failed || conn->in.failed) {
                log_error("a connection cannot go on: %s", strerrordesc_np(r < 0 ? -r : ENOMEM));
                shutdown(conn->fd, SHUT_RDWR); /* its end is handled as every other */
        }
}

/* Was accepted, and not in the journal yet: so nothing was read from it. */
static int match_new(struct front *f, struct keep_fd *item)
{
        struct conn *conn;
        int r = conn_alloc(&conn, f, TAKE_FD(item->fd));

        if (r < 0)
                return r;
        conn->index = item->index;
        return conn_enter(conn);
}

/* There is no knowing what was received: containerd has to be told that its connections are lost. */
static void give_up(struct front *f, struct keep_fds *fds)
{
        struct conn *conn, *next;

        log_error("the journal cannot be read: %zu descriptors are given up", fds->n);
        DL_FOREACH_SAFE(f->conns, conn, next)
                conn_free(conn);
        for (size_t i = 0; i < fds->n; i++) {
                if (fds->items[i].kind == KEEP_CONN)
                        shutdown(fds->items[i].fd, SHUT_RDWR);
                keep_unstore(&f->keep, fds->items[i].kind, fds->items[i].index);
                fds->items[i].fd = fd_close(fds->items[i].fd);
        }
}

static int play_all(struct front *f, struct keep_fds *fds)
{
        int fd = keep_fds_take(fds, KEEP_JOURNAL, 0), r;
        struct conn *conn, *next;

        f->restoring = true;
        r = fd >= 0 ? journal_read(fd, play, f) : 0;
        f->restoring = false;
        fd_close(fd);
        if (r == -EBADMSG)
                give_up(f, fds);
        else if (r < 0)
                return r;
        DL_FOREACH_SAFE(f->conns, conn, next)
                match(conn, fds);
        return 0;
}

/* What is of no connection in the journal. */
static int match_rest(struct front *f, struct keep_fds *fds)
{
        int r = 0;

        for (size_t i = 0; i < fds->n && r == 0; i++) {
                if (fds->items[i].fd < 0)
                        continue;
                if (fds->items[i].kind == KEEP_CONN)
                        r = match_new(f, &fds->items[i]);
                else
                        keep_unstore(&f->keep, fds->items[i].kind, fds->items[i].index);
        }
        return r;
}

int front_restore(struct front *f, struct keep_fds *fds)
{
        struct conn *conn;
        size_t n_conns = 0, n_calls = 0;
        struct call *call;
        int r = play_all(f, fds);

        if (r == 0)
                r = front_write_journal(f);
        if (r == 0)
                r = match_rest(f, fds);
        if (r < 0)
                return r;
        DL_FOREACH(f->conns, conn) {
                n_conns++;
                DL_FOREACH(conn->calls, call)
                        n_calls++;
                conn->unsettled = !keep_settled(&f->keep);
                conn_answered(conn); /* and watched */
        }
        if (n_conns > 0)
                log_info("goes on with %zu connections and %zu calls", n_conns, n_calls);
        return 0;
}

/* --- writing --- */

static int put(struct journal *j, const struct conn *conn, enum conn_record kind, const struct buf *b)
{
        if (b->failed)
                return -ENOMEM;
        return buf_len(b) > 0 ? journal_append(j, (uint8_t)kind, conn->index, buf_head(b), buf_len(b)) : 0;
}

static int put_conn(struct journal *j, const struct conn *conn)
{
        struct conn_opened o = { .last_stream = conn->last_stream, .discard = conn->decoder.discard };
        const struct call *call;
        int r;

        memcpy(o.name, conn->name, sizeof(o.name));
        r = journal_append(j, CONN_OPEN, conn->index, &o, sizeof(o));
        DL_FOREACH(conn->calls, call) {
                _cleanup_(buf_deinit) struct buf frame = BUF_NULL;

                if (r == 0)
                        r = call_pack(call, &frame);
                if (r == 0)
                        r = put(j, conn, CONN_CALL, &frame);
        }
        if (r == 0)
                r = put(j, conn, CONN_OUT, &conn->out);
        return r == 0 ? put(j, conn, CONN_PART, &conn->in) : r;
}

int front_write_journal(struct front *f)
{
        _cleanup_(journal_freep) struct journal *j = NULL;
        const struct conn *conn;
        int r = journal_new(&j);

        DL_FOREACH(f->conns, conn)
                if (r == 0 && !conn->retire.queued)
                        r = put_conn(j, conn);
        if (r == 0)
                keep_journal(&f->keep, TAKE(j));
        return r;
}
