/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Either the pipe is watched, or (it holds something and the FIFO is full) the FIFO: an idle relay costs two
 * descriptors. One splice for each call keeps a process that writes without end from starving the rest of the loop.
 *
 * What is under way is in the pipe or in the FIFO at any moment, never here: a daemon that is killed loses nothing, as
 * long as somebody keeps both (kept.h).
 */

#include "daemon/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "base/fd.h"
#include "base/log.h"
#include "proto/proto.h"

#define RELAY_MOST (256U * 1024) /* bytes moved in one call */

struct relay {
        struct loop *loop;
        int source, writer, sink;
        struct watch_fd readable, writable; /* of source; of sink */
        struct watch_timer linger;          /* after relay_release */
        bool over;
        relay_fn on_change;                 /* NULL: it has no owner any more */
        void *data;
};

/* Also where the keeper's store has copies of them. */
static void unwatch(struct relay *r)
{
        watch_fd_drop(&r->readable);
        watch_fd_drop(&r->writable);
}

/* The writer goes, so that the client sees the end. */
static void finish(struct relay *r)
{
        char path[64];
        int reader;

        unwatch(r);
        r->source = fd_close(r->source);
        snprintf(path, sizeof(path), "/proc/self/fd/%d", r->sink);
        reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
        fd_close(r->sink);
        r->sink = reader;
        r->over = true;
        if (r->on_change)
                r->on_change(r->data);
        else
                watch_timer_arm(&r->linger, 0); /* not from inside of a watch of it */
}

static bool holds_something(const struct relay *r)
{
        int n = 0;

        return ioctl(r->source, FIONREAD, &n) == 0 && n > 0;
}

static void watch(struct relay *r, bool sink_is_full)
{
        if (sink_is_full) {
                watch_fd_drop(&r->readable);
                watch_fd_set(&r->writable, r->sink, LOOP_WRITE);
        } else {
                watch_fd_drop(&r->writable);
                watch_fd_set(&r->readable, r->source, LOOP_READ);
        }
}

static void move(struct relay *r)
{
        ssize_t n = splice(r->source, NULL, r->sink, NULL, RELAY_MOST, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

        if (n > 0 || (n < 0 && errno == EINTR)) {
                watch(r, false);
        } else if (n < 0 && errno == EAGAIN) {
                watch(r, holds_something(r));
        } else {
                if (n < 0)
                        log_error("cannot move the output of a process: %s", strerrordesc_np(errno));
                finish(r);
        }
}

static void on_readable(struct watch_fd *w, unsigned events)
{
        move(container_of(w, struct relay, readable));
}

static void on_writable(struct watch_fd *w, unsigned events)
{
        move(container_of(w, struct relay, writable));
}

static void linger_over(struct watch_timer *w)
{
        relay_free(container_of(w, struct relay, linger));
}

static struct relay *relay_alloc(struct loop *loop, relay_fn on_change, void *data)
{
        struct relay *r = calloc(1, sizeof(*r));

        if (!r)
                return NULL;
        *r = (struct relay){
                .loop = loop, .source = -1, .writer = -1, .sink = -1, .on_change = on_change, .data = data
        };
        watch_fd_init(&r->readable, loop, on_readable);
        watch_fd_init(&r->writable, loop, on_writable);
        watch_timer_init(&r->linger, loop, linger_over);
        return r;
}

int relay_new(struct relay **ret, struct loop *loop, uid_t uid, gid_t gid, relay_fn on_change, void *data,
              struct error *err)
{
        struct relay *r = relay_alloc(loop, on_change, data);
        int ends[2];

        if (!r)
                return error_set(err, REASON_NO_RESOURCES, "no memory for stdio");
        if (pipe2(ends, O_CLOEXEC) < 0) {
                relay_free(r);
                return error_set_errno(err, REASON_NO_RESOURCES, errno, "cannot make a pipe for stdio");
        }
        r->source = ends[0];
        r->writer = ends[1];
        fd_set_nonblock(r->source, true);
        if ((uid || gid) && fchown(r->writer, uid, gid) < 0) {
                relay_free(r);
                return error_set_errno(err, REASON_INTERNAL, errno, "cannot give a pipe to %u:%u", uid, gid);
        }
        *ret = r;
        return 0;
}

int relay_adopt(struct relay **ret, struct loop *loop, int source, int sink, relay_fn on_change, void *data)
{
        struct relay *r = relay_alloc(loop, on_change, data);

        if (!r) {
                fd_close(source);
                fd_close(sink);
                return -ENOMEM;
        }
        r->source = source;
        relay_begin(r, sink);
        *ret = r;
        return 0;
}

struct relay *relay_free(struct relay *r)
{
        if (!r)
                return NULL;
        unwatch(r);
        watch_timer_stop(&r->linger);
        fd_close(r->source);
        fd_close(r->writer);
        fd_close(r->sink);
        free(r);
        return NULL;
}

void relay_release(struct relay *r)
{
        if (!r || !relay_moves(r)) {
                relay_free(r);
                return;
        }
        r->on_change = NULL;
        watch_timer_arm(&r->linger, RELAY_LINGER_NS);
}

int relay_writer(const struct relay *r)
{
        return r->writer;
}

int relay_source(const struct relay *r)
{
        return r->source;
}

int relay_sink(const struct relay *r)
{
        return r->sink;
}

void relay_begin(struct relay *r, int sink)
{
        r->writer = fd_close(r->writer);
        r->sink = sink;
        watch(r, false);
}

bool relay_moves(const struct relay *r)
{
        return r->sink >= 0 && !r->over;
}
