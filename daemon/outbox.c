/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The outbox is a reader of the log with a cursor of its own. At most one call is under way (containerd serves the
 * requests of one connection concurrently, so a second one could overtake it), and an event stays at the head of the
 * batch until its answer has come. There is no time limit on an answer: a containerd that is stopped still has the
 * request, and a second one would be a second event; one that dies closes the connection.
 */

#include "daemon/outbox.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "daemon/outbox_message.h"
#include "proto/ttrpc.h"

#define BATCH          32
#define BACKOFF_MIN_NS (10 * NSEC_PER_MSEC)
#define BACKOFF_MAX_NS (2 * NSEC_PER_SEC)
#define REFUSALS_MAX   5 /* of one event, before it is left out */
#define READ_BYTES     4096
#define STREAM_MAX     INT32_MAX /* of a connection; then comes another one */

struct outbox {
        struct loop *loop;
        struct eventlog *log;
        const struct outbox_ops *ops;
        void *data;
        char *owner, *address;
        uint64_t cursor; /* the first number that is not settled */

        struct eventlog_listener listener;
        struct watch_timer timer; /* the next try; 0: the next step. Not active while nothing is owed */
        uint64_t backoff_ns;

        struct arena *arena; /* owns the batch */
        struct events_result batch;
        size_t next; /* of the batch */
        unsigned refusals;

        int fd;
        struct watch_fd watch;
        struct buf out, in;
        struct ttrpc_decoder decoder;
        uint32_t stream; /* of the call that is under way, or the last one */
        bool under_way;
};

static void later(struct outbox *o, uint64_t ns)
{
        watch_timer_arm(&o->timer, ns);
}

static void back_off(struct outbox *o)
{
        later(o, o->backoff_ns);
        o->backoff_ns = o->backoff_ns * 2 < BACKOFF_MAX_NS ? o->backoff_ns * 2 : BACKOFF_MAX_NS;
}

static void disconnect(struct outbox *o)
{
        watch_fd_stop(&o->watch);
        o->fd = fd_close(o->fd);
        buf_deinit(&o->out);
        buf_deinit(&o->in);
        o->decoder = (struct ttrpc_decoder)TTRPC_DECODER_NULL;
        o->under_way = false;
}

/* --- the batch --- */

static const struct event *head(const struct outbox *o)
{
        return o->next < o->batch.events.n ? &o->batch.events.items[o->next] : NULL;
}

static void settle(struct outbox *o, bool told)
{
        o->cursor = head(o)->seq + 1;
        o->next++;
        o->refusals = 0;
        if (!head(o) && o->batch.next > o->cursor)
                o->cursor = o->batch.next;
        if (told)
                o->ops->on_settled(o->data, o->cursor);
}

/* True: head() is the next event. False: nothing is owed, or there is more to look at in a later turn. */
static bool read_more(struct outbox *o)
{
        struct events_params params = {
                .since = o->cursor, .max = BATCH, .only_owner = true, .owner = o->owner, .ns = "", .id = ""
        };
        struct error err = ERROR_NULL;

        o->arena = arena_free(o->arena);
        o->batch = (struct events_result){ 0 };
        o->next = 0;
        if (o->cursor > eventlog_newest(o->log))
                return false;
        o->arena = arena_new();
        if (!o->arena || eventlog_read(o->log, &params, o->arena, &o->batch, &err) < 0) {
                log_warn("events for %s: %s", o->owner, o->arena ? err.message : "no memory");
                o->batch = (struct events_result){ 0 };
                back_off(o);
                return false;
        }
        if (o->batch.events.n == 0) {
                o->cursor = o->batch.next;
                if (o->cursor <= o->batch.newest)
                        later(o, 0);
                return false;
        }
        return true;
}

/* --- the connection --- */

static void lost(struct outbox *o, int errnum)
{
        disconnect(o);
        if (head(o))
                back_off(o);
        o->ops->on_away(o->data, errnum);
}

static void flush(struct outbox *o)
{
        while (buf_len(&o->out)) {
                ssize_t n = send(o->fd, buf_head(&o->out), buf_len(&o->out), MSG_NOSIGNAL | MSG_DONTWAIT);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0 && errno == EAGAIN)
                        break;
                if (n < 0) {
                        lost(o, errno);
                        return;
                }
                buf_consume(&o->out, (size_t)n);
        }
        watch_fd_set(&o->watch, o->fd, LOOP_READ | (buf_len(&o->out) ? LOOP_WRITE : 0));
}

/* 0 or -errno. A unix socket connects at once or not at all. */
static int connect_now(struct outbox *o)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        size_t len = strlen(o->address);

        if (len >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        memcpy(address.sun_path, o->address, len);
        o->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (o->fd < 0)
                return -errno;
        if (connect(o->fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
                int r = -errno;

                o->fd = fd_close(o->fd);
                return r;
        }
        o->stream = 0;
        watch_fd_set(&o->watch, o->fd, LOOP_READ);
        return 0;
}

/* --- sending --- */

static void leave_out(struct outbox *o, const char *why)
{
        o->ops->on_refused(o->data, head(o), why);
        settle(o, true);
}

static void send_head(struct outbox *o)
{
        o->stream = o->stream ? o->stream + 2 : 1;
        o->under_way = true;
        flush(o);
}

static void pump(struct outbox *o)
{
        int r;

        if (o->under_way)
                return;
        watch_timer_stop(&o->timer);
        while (head(o) || read_more(o)) {
                if (o->stream >= STREAM_MAX - 2)
                        disconnect(o);
                if (o->fd < 0 && (r = connect_now(o)) < 0) {
                        lost(o, -r);
                        return;
                }
                r = outbox_append_event(&o->out, o->stream ? o->stream + 2 : 1, head(o));
                if (r > 0) {
                        send_head(o);
                        return;
                }
                buf_deinit(&o->out);
                if (r == -ENOMEM) {
                        back_off(o);
                        return;
                }
                if (r < 0) {
                        leave_out(o, strerrordesc_np(-r));
                        continue;
                }
                if (head(o)->lost)
                        log_warn("events for %s: %llu from number %llu on were dropped before they could be sent",
                                 o->owner, (unsigned long long)head(o)->lost, (unsigned long long)head(o)->seq);
                settle(o, false);
        }
}

static void on_timer(struct watch_timer *w)
{
        pump(container_of(w, struct outbox, timer));
}

static void on_appended(struct eventlog_listener *l)
{
        struct outbox *o = container_of(l, struct outbox, listener);

        if (!watch_timer_active(&o->timer)) /* else a try is due, and containerd is away */
                pump(o);
}

/* --- answers --- */

/* Codes of gRPC that tell of containerd's state, not of the event. */
static bool is_passing(int code)
{
        return code == CODE_UNAVAILABLE || code == CODE_CANCELLED || code == CODE_DEADLINE_EXCEEDED ||
               code == CODE_RESOURCE_EXHAUSTED || code == CODE_ABORTED;
}

static void answered(struct outbox *o, const Ttrpc__Response *response)
{
        int code = response->status ? response->status->code : CODE_OK;

        o->under_way = false;
        if (code == CODE_OK) {
                o->backoff_ns = BACKOFF_MIN_NS;
                settle(o, true);
                pump(o);
                return;
        }
        log_debug("event %llu for %s: refused with code %d: %s", (unsigned long long)head(o)->seq, o->owner, code,
                  response->status->message);
        if (is_passing(code) || ++o->refusals < REFUSALS_MAX) {
                back_off(o);
                return;
        }
        leave_out(o, response->status->message);
        pump(o);
}

/* -1: the connection is of no use any more. */
static int take_frame(struct outbox *o, const struct ttrpc_frame *frame)
{
        Ttrpc__Response *response;

        if (frame->type != TTRPC_RESPONSE || !o->under_way || frame->stream != o->stream) {
                ttrpc_consume(&o->in, frame);
                return 0;
        }
        response = ttrpc__response__unpack(NULL, frame->len, frame->data);
        ttrpc_consume(&o->in, frame);
        if (!response)
                return -1;
        answered(o, response);
        ttrpc__response__free_unpacked(response, NULL);
        return 0;
}

static void take_answers(struct outbox *o)
{
        struct ttrpc_frame frame;

        while (o->fd >= 0) {
                enum ttrpc_found found = ttrpc_decode(&o->decoder, &o->in, &frame);

                if (found == TTRPC_MORE)
                        return;
                if (found == TTRPC_TOO_LARGE || take_frame(o, &frame) < 0) {
                        lost(o, EPROTO);
                        return;
                }
        }
}

static void on_io(struct watch_fd *w, unsigned events)
{
        struct outbox *o = container_of(w, struct outbox, watch);
        uint8_t *room;
        ssize_t n;

        if (events & LOOP_WRITE)
                flush(o);
        if (o->fd < 0 || !(events & LOOP_READ))
                return;
        room = buf_reserve(&o->in, READ_BYTES);
        if (!room) {
                lost(o, ENOMEM);
                return;
        }
        n = recv(o->fd, room, READ_BYTES, MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        if (n <= 0) {
                lost(o, n < 0 ? errno : ECONNRESET);
                return;
        }
        buf_commit(&o->in, (size_t)n);
        take_answers(o);
        if (buf_len(&o->in) == 0)
                buf_deinit(&o->in); /* an idle outbox holds no buffers */
}

/* --- making --- */

int outbox_new(struct outbox **ret, const struct outbox_options *options, struct error *err)
{
        _cleanup_(outbox_freep) struct outbox *o = calloc(1, sizeof(*o));

        if (!o)
                return error_set(err, REASON_NO_RESOURCES, "no memory");
        o->fd = -1;
        o->loop = options->loop;
        o->log = options->log;
        o->ops = options->ops;
        o->data = options->data;
        o->cursor = options->cursor;
        o->backoff_ns = BACKOFF_MIN_NS;
        watch_fd_init(&o->watch, o->loop, on_io);
        watch_timer_init(&o->timer, o->loop, on_timer);
        o->listener.fn = on_appended;
        eventlog_listen(o->log, &o->listener);
        o->owner = strdup(options->owner);
        o->address = strdup(options->address);
        if (!o->owner || !o->address)
                return error_set(err, REASON_NO_RESOURCES, "no memory");
        later(o, 0);
        *ret = TAKE(o);
        return 0;
}

struct outbox *outbox_free(struct outbox *o)
{
        if (!o)
                return NULL;
        eventlog_unlisten(o->log, &o->listener);
        watch_timer_stop(&o->timer);
        disconnect(o);
        arena_free(o->arena);
        free(o->owner);
        free(o->address);
        free(o);
        return NULL;
}

int outbox_hello(struct outbox *o, const char *address)
{
        if (strcmp(o->address, address) != 0) {
                char *copy = strdup(address);

                if (!copy)
                        return -ENOMEM;
                free(o->address);
                o->address = copy;
        }
        o->backoff_ns = BACKOFF_MIN_NS;
        if (watch_timer_active(&o->timer))
                later(o, 0);
        return 0;
}

uint64_t outbox_cursor(const struct outbox *o)
{
        return o->cursor;
}

bool outbox_connected(const struct outbox *o)
{
        return o->fd >= 0;
}
