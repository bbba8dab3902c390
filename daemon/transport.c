/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two worlds meet here. nng's threads run on_aio() and on_pipe(): they put a notice on the queue under the lock, wake the
 * loop's eventfd, and keep the table of connections with its quota. Everything else runs on the loop's thread.
 *
 * A slot is one context of nng with its aio, and is always in one state: RECEIVING and SENDING belong to nng until their
 * notice comes, OPEN belongs to the dispatcher as struct transport_request, IDLE to nobody (only after receiving was
 * stopped). A slot has at most one notice in flight, so the queue needs no memory of its own, and neither does the one that
 * a connection has ended. The queue keeps order, and a connection stays in the table until the loop has seen its end: a
 * request that nng hands over after that is dropped.
 *
 * nng's lock is never taken while ours is held.
 *
 * Measured with nng 1.5.2: on N CPUs it runs min(2 N, 16) task threads, N for timeouts, and 7 others (13 on 2 CPUs); they
 * cannot be limited from outside, sleep without a timeout, and make no wake-ups while nothing happens. They inherit the
 * signal mask of who calls transport_new() first.
 */

#include "daemon/transport.h"

#include <errno.h>
#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "daemon/peers.h"
#include "proto/proto.h"

#define SPARE_SLOTS 16U    /* contexts that are kept receiving, as long as there are any */
#define NOTICES_PER_ROUND 64 /* so that a flood of requests cannot starve the loop */
#define UNSENT_MAX (64U * 1024 * 1024) /* bytes of answers that wait for the clients of one uid (not root) */

enum slot_state { SLOT_IDLE, SLOT_RECEIVING, SLOT_OPEN, SLOT_SENDING };
struct transport_request { /* a slot */
        struct notice notice;
        struct transport *transport;
        enum slot_state state;
        nng_ctx ctx;
        nng_aio *aio;
        nng_msg *msg; /* OPEN: the request */
        struct connection *connection; /* OPEN, SENDING */
        size_t answer_len;
};

struct transport {
        struct transport_handlers handlers;
        void *data;
        nng_socket socket;
        bool socket_open;
        bool stopped;
        unsigned max_slots;
        int wake_fd;
        struct watch_fd wake;
        struct transport_request **slots;
        unsigned n_slots, n_receiving, n_open, n_sending;
        struct notice *ready; /* taken from the queue, not yet handled */
        uint64_t n_requests, n_unsent;

        pthread_mutex_t lock; /* all below */
        struct notice *queue_head, **queue_tail;
        struct peers peers;
};

/*
 * nng 1.5.2 (its issue 1518, solved in 1.6): a client that connects and closes before it was greeted makes the greeting
 * fail with EPIPE, which becomes NNG_ECLOSED, which the accepting side takes for its own end: from then on nobody is
 * accepted any more, until a restart. ECONNRESET says the same and is harmless there. libnng finds this function before
 * libc's. It changes nothing for our own calls: threads other than the main one are nng's.
 */
__attribute__((visibility("default"))) ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
        ssize_t n = syscall(SYS_sendmsg, fd, msg, flags);

        if (n < 0 && errno == EPIPE && gettid() != getpid())
                errno = ECONNRESET;
        return n;
}

/* --- on nng's threads --- */

static void wake(struct transport *t)
{
        static const uint64_t one = 1;

        /* Can only fail when the counter is full, and then it is readable. */
        if (write(t->wake_fd, &one, sizeof(one)) < 0)
                return;
}

static void queue_put_locked(struct transport *t, struct notice *n)
{
        bool was_empty = !t->queue_head;

        n->next = NULL;
        *t->queue_tail = n;
        t->queue_tail = &n->next;
        if (was_empty)
                wake(t);
}

static void on_aio(void *data)
{
        struct transport_request *slot = data;
        struct transport *t = slot->transport;

        pthread_mutex_lock(&t->lock);
        queue_put_locked(t, &slot->notice);
        pthread_mutex_unlock(&t->lock);
}

static void on_pipe(nng_pipe pipe, nng_pipe_ev event, void *data)
{
        struct transport *t = data;
        uint32_t id = (uint32_t)nng_pipe_id(pipe);
        struct connection *c;
        uint64_t uid = 0, pid = 0;
        bool admitted;

        if (event == NNG_PIPE_EV_ADD_PRE) {
                admitted = nng_pipe_get_uint64(pipe, NNG_OPT_IPC_PEER_UID, &uid) == 0 &&
                           nng_pipe_get_uint64(pipe, NNG_OPT_IPC_PEER_PID, &pid) == 0;
                pthread_mutex_lock(&t->lock);
                admitted = admitted && peers_admit(&t->peers, id, (uid_t)uid, (pid_t)pid) == 0;
                pthread_mutex_unlock(&t->lock);
                if (!admitted)
                        nng_pipe_close(pipe);
                return;
        }

        pthread_mutex_lock(&t->lock);
        c = peers_find(&t->peers, id);
        if (c) { /* else it was not admitted */
                peers_ended(&t->peers, c);
                queue_put_locked(t, &c->gone_notice);
        }
        pthread_mutex_unlock(&t->lock);
}

/* --- slots, on the loop's thread like all that follows --- */

static void slot_receive(struct transport_request *slot)
{
        struct transport *t = slot->transport;

        if (t->stopped) {
                slot->state = SLOT_IDLE;
                return;
        }
        slot->state = SLOT_RECEIVING;
        t->n_receiving++;
        nng_ctx_recv(slot->ctx, slot->aio);
}

static int slot_add(struct transport *t)
{
        struct transport_request *slot = calloc(1, sizeof(*slot));
        int r;

        if (!slot)
                return NNG_ENOMEM;
        slot->transport = t;
        slot->notice.kind = NOTICE_SLOT;
        r = nng_aio_alloc(&slot->aio, on_aio, slot);
        if (r != 0) {
                free(slot);
                return r;
        }
        r = nng_ctx_open(&slot->ctx, t->socket);
        if (r != 0) {
                nng_aio_free(slot->aio);
                free(slot);
                return r;
        }
        t->slots[t->n_slots++] = slot;
        slot_receive(slot);
        return 0;
}

static void slots_fill(struct transport *t)
{
        while (!t->stopped && t->n_receiving < SPARE_SLOTS && t->n_slots < t->max_slots) {
                int r = slot_add(t);

                if (r != 0) { /* those that are there go on */
                        log_warn("cannot have more than %u open requests now: %s", t->n_slots, nng_strerror(r));
                        return;
                }
        }
}

/* After all aios were stopped: a callback may link its notice behind that of any other slot. */
static void slot_free(struct transport_request *slot)
{
        nng_msg *msg;

        msg = nng_aio_get_msg(slot->aio);
        if (msg)
                nng_msg_free(msg);
        if (slot->msg)
                nng_msg_free(slot->msg);
        nng_aio_free(slot->aio);
        free(slot);
}

static void connection_hold(struct transport_request *slot, struct connection *c)
{
        slot->connection = c;
        c->held++;
        c->user->held++;
}

static void connection_forget(struct transport *t, struct connection *c)
{
        pthread_mutex_lock(&t->lock);
        peers_remove(&t->peers, c);
        pthread_mutex_unlock(&t->lock);
}

static void connection_release(struct transport_request *slot)
{
        struct transport *t = slot->transport;
        struct connection *c = TAKE(slot->connection);

        c->held--;
        c->user->held--;
        if (c->gone && c->held == 0)
                connection_forget(t, c);
}

static void connection_kick(struct connection *c)
{
        nng_pipe pipe = { .id = c->peer.connection };

        nng_pipe_close(pipe); /* its notice follows */
}

/* --- notices --- */

static void connection_gone(struct transport *t, struct connection *c)
{
        struct transport_peer peer = c->peer;

        c->gone = true;
        /* The handler drops requests, and the last one of them frees the connection: hold it meanwhile. */
        c->held++;
        if (t->handlers.disconnected)
                t->handlers.disconnected(t->data, &peer);
        c->held--;
        if (c->held == 0)
                connection_forget(t, c);
}

/* One uid may not take all contexts from the others by not reading its answers. */
static bool user_over_limit(const struct transport *t, const struct user *u)
{
        return u->uid != 0 && u->held >= (t->max_slots + 1) / 2;
}

static void slot_received(struct transport_request *slot)
{
        struct transport *t = slot->transport;
        struct connection *c = NULL;
        uint32_t id;

        t->n_receiving--;
        if (nng_aio_result(slot->aio) != 0) { /* receiving was stopped */
                slot->state = SLOT_IDLE;
                return;
        }
        slot->msg = nng_aio_get_msg(slot->aio);
        nng_aio_set_msg(slot->aio, NULL);
        id = (uint32_t)nng_pipe_id(nng_msg_get_pipe(slot->msg));
        pthread_mutex_lock(&t->lock);
        c = peers_find(&t->peers, id);
        pthread_mutex_unlock(&t->lock);

        if (c && !c->gone && !t->stopped && user_over_limit(t, c->user)) {
                log_warn("uid %u has %u open requests and does not read its answers: closing a connection of pid %d",
                         (unsigned)c->peer.uid, c->user->held, (int)c->peer.pid);
                connection_kick(c);
                c = NULL;
        }
        if (!c || c->gone || t->stopped) {
                nng_msg_free(TAKE(slot->msg));
                slot_receive(slot);
                return;
        }
        connection_hold(slot, c);
        slot->state = SLOT_OPEN;
        t->n_open++;
        t->n_requests++;
        slots_fill(t);
        t->handlers.request(t->data, slot, &c->peer, nng_msg_body(slot->msg), nng_msg_len(slot->msg));
}

static void slot_sent(struct transport_request *slot)
{
        struct transport *t = slot->transport;
        nng_msg *msg = nng_aio_get_msg(slot->aio);

        t->n_sending--;
        /* nng takes the message even if the connection has gone meanwhile, and calls that a success. */
        if (nng_aio_result(slot->aio) != 0 || slot->connection->gone)
                t->n_unsent++;
        if (nng_aio_result(slot->aio) != 0 && msg)
                nng_msg_free(msg);
        nng_aio_set_msg(slot->aio, NULL);
        slot->connection->user->unsent -= slot->answer_len;
        connection_release(slot);
        slot_receive(slot);
}

static void notice_handle(struct transport *t, struct notice *n)
{
        struct transport_request *slot;

        if (n->kind == NOTICE_GONE) {
                connection_gone(t, container_of(n, struct connection, gone_notice));
                return;
        }
        slot = container_of(n, struct transport_request, notice);
        if (slot->state == SLOT_RECEIVING)
                slot_received(slot);
        else
                slot_sent(slot);
}

static void on_wake(struct watch_fd *w, unsigned events)
{
        struct transport *t = container_of(w, struct transport, wake);
        struct notice *n;
        uint64_t count;

        if (read(t->wake_fd, &count, sizeof(count)) < 0 && !t->ready)
                return;
        for (int i = 0; i < NOTICES_PER_ROUND; i++) {
                if (!t->ready) {
                        pthread_mutex_lock(&t->lock);
                        t->ready = TAKE(t->queue_head);
                        t->queue_tail = &t->queue_head;
                        pthread_mutex_unlock(&t->lock);
                }
                n = t->ready;
                if (!n)
                        return;
                t->ready = n->next;
                notice_handle(t, n);
        }
        wake(t); /* go on in the next round */
}

/* --- what the dispatcher calls --- */

static void slot_close_request(struct transport_request *slot)
{
        nng_msg_free(TAKE(slot->msg));
        slot->transport->n_open--;
}

void transport_drop(struct transport_request **req)
{
        struct transport_request *slot = TAKE(*req);

        slot_close_request(slot);
        connection_release(slot);
        slot_receive(slot);
}

void transport_reply(struct transport_request **req, const void *data, size_t len)
{
        struct transport_request *slot = *req;
        struct transport *t = slot->transport;
        struct connection *c = slot->connection;
        nng_msg *msg = NULL;

        if (!c->gone && (c->user->uid == 0 || c->user->unsent + len <= UNSENT_MAX) && nng_msg_alloc(&msg, len) != 0)
                msg = NULL;
        if (!msg) {
                if (!c->gone) { /* an answer is never left out on a live connection: the client repeats on a new one */
                        log_warn("no memory for the answers that pid %d of uid %u does not read: closing its connection",
                                 (int)c->peer.pid, (unsigned)c->peer.uid);
                        connection_kick(c);
                }
                t->n_unsent++;
                transport_drop(req);
                return;
        }
        *req = NULL;
        if (len > 0)
                memcpy(nng_msg_body(msg), data, len);
        slot_close_request(slot);
        slot->answer_len = len;
        c->user->unsent += len;
        slot->state = SLOT_SENDING;
        t->n_sending++;
        nng_aio_set_msg(slot->aio, msg);
        nng_ctx_send(slot->ctx, slot->aio);
}

void transport_stop_receiving(struct transport *t)
{
        t->stopped = true;
        for (unsigned i = 0; i < t->n_slots; i++)
                if (t->slots[i]->state == SLOT_RECEIVING)
                        nng_aio_cancel(t->slots[i]->aio);
}

bool transport_drained(const struct transport *t)
{
        return t->n_sending == 0;
}

void transport_stats(const struct transport *t, struct transport_stats *ret)
{
        pthread_mutex_t *lock = (pthread_mutex_t *)&t->lock;

        pthread_mutex_lock(lock);
        *ret = (struct transport_stats){ .requests = t->n_requests,
                                         .open = t->n_open,
                                         .connections = t->peers.n_connections,
                                         .refused = t->peers.n_refused,
                                         .unsent = t->n_unsent };
        pthread_mutex_unlock(lock);
}

/* --- life --- */

static int listen_error(struct error *err, const char *path, int r)
{
        return error_set(err, r == NNG_ENOMEM || r == NNG_ENOFILES ? REASON_NO_RESOURCES : REASON_INTERNAL,
                         "cannot listen on %s: %s", path, nng_strerror(r));
}

/* nng's own removal of an old socket asks whether somebody listens there; the daemon's lock has answered that already. */
static int remove_old_socket(const char *path, struct error *err)
{
        struct stat st;

        if (lstat(path, &st) < 0)
                return errno == ENOENT ? 0 : error_set_errno(err, REASON_INTERNAL, errno, "cannot look at %s", path);
        if (!S_ISSOCK(st.st_mode))
                return error_set(err, REASON_INTERNAL, "cannot listen on %s: a file that is not a socket is there", path);
        if (unlink(path) < 0 && errno != ENOENT)
                return error_set_errno(err, REASON_INTERNAL, errno, "cannot remove the old socket %s", path);
        return 0;
}

static int socket_listen(struct transport *t, const struct transport_options *o, struct error *err)
{
        char url[128];
        nng_listener listener;
        mode_t old;
        int r;

        if (strlen(o->path) > 107)
                return error_set(err, REASON_INTERNAL, "cannot listen on %s: the path has more than 107 bytes", o->path);
        if (remove_old_socket(o->path, err) < 0)
                return -1;
        snprintf(url, sizeof(url), "ipc://%s", o->path);
        r = nng_socket_set_size(t->socket, NNG_OPT_RECVMAXSZ, o->max_message);
        if (r == 0)
                r = nng_pipe_notify(t->socket, NNG_PIPE_EV_ADD_PRE, on_pipe, t);
        if (r == 0)
                r = nng_pipe_notify(t->socket, NNG_PIPE_EV_REM_POST, on_pipe, t);
        if (r == 0)
                r = nng_listener_create(&listener, t->socket, url);
        if (r == 0)
                r = nng_listener_set_int(listener, NNG_OPT_IPC_PERMISSIONS, 0660);
        if (r != 0)
                return listen_error(err, o->path, r);
        old = umask(0117); /* from its first moment not more open than 0660 */
        r = nng_listener_start(listener, 0);
        umask(old);
        if (r != 0)
                return listen_error(err, o->path, r);
        if (o->gid != (gid_t)-1 && lchown(o->path, (uid_t)-1, o->gid) < 0)
                return error_set_errno(err, REASON_INTERNAL, errno, "cannot give %s to group %u", o->path, (unsigned)o->gid);
        return 0;
}

int transport_new(struct transport **ret, struct loop *loop, const struct transport_options *options,
                  const struct transport_handlers *handlers, void *data, struct error *err)
{
        _cleanup_(transport_freep) struct transport *t = calloc(1, sizeof(*t));
        int r;

        if (!t)
                return error_set(err, REASON_NO_RESOURCES, "no memory for the RPC socket");
        t->wake_fd = -1;
        t->handlers = *handlers;
        t->data = data;
        t->max_slots = options->max_requests ? options->max_requests : 1;
        t->peers.max_connections_per_uid = options->max_connections_per_uid;
        t->queue_tail = &t->queue_head;
        pthread_mutex_init(&t->lock, NULL);
        watch_fd_init(&t->wake, loop, on_wake);

        t->slots = calloc(t->max_slots, sizeof(*t->slots)); /* touched as it fills */
        if (!t->slots)
                return error_set(err, REASON_NO_RESOURCES, "no memory for %u open requests", t->max_slots);
        t->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (t->wake_fd < 0)
                return error_set_errno(err, REASON_NO_RESOURCES, errno, "cannot make an eventfd");
        r = nng_rep0_open(&t->socket);
        if (r != 0)
                return listen_error(err, options->path, r);
        t->socket_open = true;
        slots_fill(t);
        if (t->n_slots == 0)
                return listen_error(err, options->path, NNG_ENOMEM);
        watch_fd_set(&t->wake, t->wake_fd, LOOP_READ);
        if (socket_listen(t, options, err) < 0)
                return -1;
        *ret = TAKE(t);
        return 0;
}

struct transport *transport_free(struct transport *t)
{
        if (!t)
                return NULL;
        watch_fd_stop(&t->wake);
        t->stopped = true;
        /* Returns when the last on_pipe() has been called; callbacks of the aios that it ends may still be on their way. */
        if (t->socket_open)
                nng_close(t->socket);
        for (unsigned i = 0; i < t->n_slots; i++)
                nng_aio_stop(t->slots[i]->aio); /* waits for its callback */
        for (unsigned i = 0; i < t->n_slots; i++)
                slot_free(t->slots[i]);
        free(t->slots);
        peers_deinit(&t->peers);
        fd_close(t->wake_fd);
        pthread_mutex_destroy(&t->lock);
        free(t);
        return NULL;
}
