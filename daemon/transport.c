/* SPDX-License-Identifier: Apache-2.0 */

/*
 * nng's IPC streams carry the bytes; what they mean is in connection.c and sp.h. nng's threads run on_aio() alone: it
 * puts a notice on the queue under the lock and wakes the loop's eventfd. Everything else, also each start of an
 * operation and each close, happens on the loop's thread; so an operation is never started on a stream that is being
 * closed.
 *
 * Why not nng's REP socket. In nng 1.5.2, whose threads start and close as they like,
 *  - a client that closes before it was greeted ends the accepting for good (its issue 1518; seen at the first try),
 *  - a connection that is closed between the head and the body of a message, or between two parts of a large one, hangs
 * the one thread that frees connections, for good, and nng_close() with it (seen within seconds of killing clients).
 *
 * Measured with nng 1.5.2: on N CPUs it runs min(2 N, 16) task threads, N for timeouts, and 7 others (13 on 2 CPUs);
 * they cannot be limited from outside, sleep without a timeout, and make no wake-ups while nothing happens. They
 * inherit the signal mask of who calls transport_new() first.
 */

#include <errno.h>
#include <nng/nng.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/crash.h"
#include "base/fd.h"
#include "base/log.h"
#include "daemon/transport_internal.h"
#include "proto/proto.h"

#define ACCEPT_AGAIN_NS (100 * NSEC_PER_MSEC) /* after a failure: no descriptors, no memory */

/* --- operations --- */

void transport_wake(struct transport *t)
{
        static const uint64_t one = 1;

        /* Can only fail when the counter is full, and then it is readable. */
        if (write(t->wake_fd, &one, sizeof(one)) < 0)
                return;
}

/* The only function that nng's threads run. */
static void on_aio(void *data)
{
        struct op *op = data;
        struct transport *t = op->transport;
        bool was_empty;

        pthread_mutex_lock(&t->lock);
        was_empty = !t->queue;
        op->next = NULL;
        *t->queue_tail = op;
        t->queue_tail = &op->next;
        if (was_empty)
                transport_wake(t);
        pthread_mutex_unlock(&t->lock);
}

static struct op *op_next(struct transport *t)
{
        struct op *op;

        if (!t->ready) {
                pthread_mutex_lock(&t->lock);
                t->ready = TAKE(t->queue);
                t->queue_tail = &t->queue;
                pthread_mutex_unlock(&t->lock);
        }
        op = t->ready;
        if (op)
                t->ready = op->next;
        return op;
}

int op_init(struct op *op, struct transport *t, void (*done)(struct op *op))
{
        op->transport = t;
        op->done = done;
        return nng_aio_alloc(&op->aio, on_aio, op) == 0 ? 0 : -ENOMEM;
}

void op_deinit(struct op *op)
{
        if (op->aio)
                nng_aio_free(op->aio);
        op->aio = NULL;
}

void op_stop(struct op *op)
{
        if (op->aio)
                nng_aio_stop(op->aio);
}

void op_read(struct op *op, struct nng_stream *stream, void *data, size_t len)
{
        nng_aio_set_iov(op->aio, 1, &(nng_iov){ .iov_buf = data, .iov_len = len });
        op->busy = true;
        nng_stream_recv(stream, op->aio);
}

void op_write(struct op *op, struct nng_stream *stream, const struct iovec *iov, unsigned n)
{
        nng_iov copy[OP_IOV_MAX];

        for (unsigned i = 0; i < n; i++)
                copy[i] = (nng_iov){ .iov_buf = iov[i].iov_base, .iov_len = iov[i].iov_len };
        nng_aio_set_iov(op->aio, n, copy);
        op->busy = true;
        crash_point("answer.send");
        nng_stream_send(stream, op->aio);
        crash_point("answer.sent");
}

ssize_t op_result(struct op *op)
{
        return nng_aio_result(op->aio) == 0 ? (ssize_t)nng_aio_count(op->aio) : -1;
}

void stream_close(struct nng_stream *stream)
{
        nng_stream_close(stream);
}

void stream_free(struct nng_stream *stream)
{
        nng_stream_free(stream);
}

/* --- new connections --- */

static void accept_start(struct transport *t)
{
        t->accept.busy = true;
        nng_stream_listener_accept(t->listener, t->accept.aio);
}

static void on_accept_again(struct watch_timer *w)
{
        accept_start(container_of(w, struct transport, accept_again));
}

static void stream_accepted(struct transport *t, nng_stream *stream)
{
        uint64_t uid = 0, pid = 0;

        if (nng_stream_get_uint64(stream, NNG_OPT_IPC_PEER_UID, &uid) != 0 ||
            nng_stream_get_uint64(stream, NNG_OPT_IPC_PEER_PID, &pid) != 0) {
                nng_stream_close(stream);
                nng_stream_free(stream);
                t->stats.refused++;
        } else if (connection_new(t, stream, (uid_t)uid, (pid_t)pid) < 0) {
                t->stats.refused++;
        }
}

static void on_accepted(struct op *op)
{
        struct transport *t = op->transport;
        int r = nng_aio_result(op->aio);

        if (r == NNG_ECLOSED || r == NNG_ECANCELED)
                return;
        if (r != 0) {
                log_warn("cannot accept a connection now: %s", nng_strerror(r));
                watch_timer_arm(&t->accept_again, ACCEPT_AGAIN_NS);
                return;
        }
        stream_accepted(t, nng_aio_get_output(op->aio, 0));
        accept_start(t);
}

static void on_greeting(struct watch_timer *w)
{
        connections_expire(container_of(w, struct transport, greeting));
}

/* --- the loop --- */

static void on_wake(struct watch_fd *w, unsigned events)
{
        struct transport *t = container_of(w, struct transport, wake);
        uint64_t count;
        int i;

        if (read(t->wake_fd, &count, sizeof(count)) < 0)
                return;
        for (i = 0; i < ROUND_MAX; i++) {
                struct op *op = op_next(t);

                if (!op)
                        break;
                op->busy = false;
                op->done(op);
        }
        connections_look(t);
        if (i == ROUND_MAX)
                transport_wake(t); /* go on in the next round */
}

void transport_stop_receiving(struct transport *t)
{
        t->stopped = true;
}

bool transport_drained(const struct transport *t)
{
        return t->n_unsent == 0;
}

void transport_stats(const struct transport *t, struct transport_stats *ret)
{
        *ret = t->stats;
        ret->open = t->n_open;
}

/* --- life --- */

static int listen_error(struct error *err, const char *path, int r)
{
        return error_set(err, r == NNG_ENOMEM || r == NNG_ENOFILES ? REASON_NO_RESOURCES : REASON_INTERNAL,
                         "cannot listen on %s: %s", path, nng_strerror(r));
}

/* nng's own removal of an old socket asks whether somebody listens there; the daemon's lock has answered that already.
 */
static int remove_old_socket(const char *path, struct error *err)
{
        struct stat st;

        if (lstat(path, &st) < 0)
                return errno == ENOENT ? 0 : error_set_errno(err, REASON_INTERNAL, errno, "cannot look at %s", path);
        if (!S_ISSOCK(st.st_mode))
                return error_set(err, REASON_INTERNAL, "cannot listen on %s: a file that is not a socket is there",
                                 path);
        if (unlink(path) < 0 && errno != ENOENT)
                return error_set_errno(err, REASON_INTERNAL, errno, "cannot remove the old socket %s", path);
        return 0;
}

static int socket_listen(struct transport *t, const char *path, gid_t gid, struct error *err)
{
        char url[128];
        mode_t old;
        int r;

        if (strlen(path) > 107)
                return error_set(err, REASON_INTERNAL, "cannot listen on %s: the path has more than 107 bytes", path);
        if (remove_old_socket(path, err) < 0)
                return -1;
        snprintf(url, sizeof(url), "ipc://%s", path);
        r = nng_stream_listener_alloc(&t->listener, url);
        if (r == 0)
                r = nng_stream_listener_set_int(t->listener, NNG_OPT_IPC_PERMISSIONS, 0660);
        if (r != 0)
                return listen_error(err, path, r);
        old = umask(0117); /* from its first moment not more open than 0660 */
        r = nng_stream_listener_listen(t->listener);
        umask(old);
        if (r != 0)
                return listen_error(err, path, r);
        if (gid != (gid_t)-1 && lchown(path, (uid_t)-1, gid) < 0)
                return error_set_errno(err, REASON_INTERNAL, errno, "cannot give %s to group %u", path, (unsigned)gid);
        return 0;
}

int transport_new(struct transport **ret, struct loop *loop, const struct transport_options *options,
                  const struct transport_handlers *handlers, void *data, struct error *err)
{
        _cleanup_(transport_freep) struct transport *t = calloc(1, sizeof(*t));

        if (!t)
                return error_set(err, REASON_NO_RESOURCES, "no memory for the RPC socket");
        t->wake_fd = -1;
        t->handlers = *handlers;
        t->data = data;
        t->options = *options;
        t->options.path = NULL; /* the caller's */
        t->queue_tail = &t->queue;
        pthread_mutex_init(&t->lock, NULL);
        watch_fd_init(&t->wake, loop, on_wake);
        watch_timer_init(&t->accept_again, loop, on_accept_again);
        watch_timer_init(&t->greeting, loop, on_greeting);
        t->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (t->wake_fd < 0)
                return error_set_errno(err, REASON_NO_RESOURCES, errno, "cannot make an eventfd");
        if (op_init(&t->accept, t, on_accepted) < 0)
                return listen_error(err, options->path, NNG_ENOMEM);
        if (socket_listen(t, options->path, options->gid, err) < 0)
                return -1;
        watch_fd_set(&t->wake, t->wake_fd, LOOP_READ);
        accept_start(t);
        *ret = TAKE(t);
        return 0;
}

struct transport *transport_free(struct transport *t)
{
        nng_stream *stream;

        if (!t)
                return NULL;
        watch_fd_stop(&t->wake);
        watch_timer_stop(&t->accept_again);
        if (t->listener)
                nng_stream_listener_close(t->listener);
        op_stop(&t->accept);
        if (t->accept.busy && nng_aio_result(t->accept.aio) == 0) {
                stream = nng_aio_get_output(t->accept.aio, 0);
                nng_stream_close(stream);
                nng_stream_free(stream);
        }
        connections_end(t);
        watch_timer_stop(&t->greeting);
        op_deinit(&t->accept);
        if (t->listener)
                nng_stream_listener_free(t->listener);
        fd_close(t->wake_fd);
        pthread_mutex_destroy(&t->lock);
        free(t);
        return NULL;
}
