/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The events of one owner's containers, on their way to its containerd: in the order of the log, each after the one
 * before it was acknowledged. Nothing is lost while containerd is away: what was not acknowledged stays in the log, and
 * is sent from the cursor on when containerd takes connections again. Sent twice is only what was under way when a
 * connection broke. An idle outbox has no timer; it keeps its connection, whose end tells that containerd has gone.
 */

#include "base/loop.h"
#include "daemon/events.h"

struct outbox;

struct outbox_ops {
        /* All before cursor is settled: to be made durable. */
        void (*on_settled)(void *data, uint64_t cursor);
        /* containerd has refused an event for good: it is left out. */
        void (*on_refused)(void *data, const struct event *ev, const char *message);
        /* There is no connection any more, or none could be made; errnum > 0. Retries go on as long as something is
         * owed. */
        void (*on_away)(void *data, int errnum);
};

struct outbox_options {
        struct loop *loop;
        struct eventlog *log;
        const char *owner;
        const char *address; /* path of containerd's ttrpc socket */
        uint64_t cursor;     /* the first number that is not settled */
        const struct outbox_ops *ops;
        void *data;
};

/* Begins to send in a later turn. The texts are copied. Callbacks never run from inside a call; they may not free the
 * outbox. */
int outbox_new(struct outbox **ret, const struct outbox_options *options, struct error *err);
struct outbox *outbox_free(struct outbox *o);
DEFINE_CLEANUP(struct outbox *, outbox_free)

/* containerd is there, at this address: what is owed is sent now. 0 or -ENOMEM. */
int outbox_hello(struct outbox *o, const char *address);
uint64_t outbox_cursor(const struct outbox *o);
bool outbox_connected(const struct outbox *o);
