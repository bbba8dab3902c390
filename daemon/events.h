/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The event log of the host: numbered 1, 2, 3 ... without gaps, over restarts too. Append-only segments with a checksum
 * per entry below ROOT/events/, bounded in bytes; the oldest segment is dropped whole, and a reader that asks for what
 * was dropped gets one event of kind "gap" that counts them. An entry that was cut by a crash is dropped at the next
 * start and its number given anew (nobody was told of it: readers are told after the write).
 */

#include "base/loop.h"
#include "proto/codec.h"

struct eventlog;
struct daemon;
struct request;

struct eventlog_options {
        uint64_t segment_bytes; /* a new segment after so many */
        uint64_t max_bytes;     /* of all segments */
};

int eventlog_open(struct eventlog **ret, struct loop *loop, const char *dir, const struct eventlog_options *options,
                  struct error *err);
struct eventlog *eventlog_free(struct eventlog *l);
DEFINE_CLEANUP(struct eventlog *, eventlog_free)

/* Appends: sets ev->seq and, if 0, ev->time. Returns 0 or -1 (no memory). A full disk loses no event: it is kept in
 * memory (bounded), readers get it from there, and it is written when there is room; what cannot be kept becomes a gap.
 * Readers are woken at the end of the round, never from inside. An event with a message that is not text, or of more
 * than 1 MiB, is kept without its message and mounts. */
int eventlog_append(struct eventlog *l, struct event *ev, struct error *err);
uint64_t eventlog_newest(const struct eventlog *l); /* 0: empty */

/* Somebody inside the daemon who wants to know, at the end of the round, that something was appended. fn may
 * unlisten. */
struct eventlog_listener {
        struct eventlog_listener *prev, *next;
        void (*fn)(struct eventlog_listener *listener);
};
void eventlog_listen(struct eventlog *l, struct eventlog_listener *listener);
void eventlog_unlisten(struct eventlog *l, struct eventlog_listener *listener); /* one that does not listen is fine */
/* What is not older than this number is not dropped (UINT64_MAX: nothing is wanted) until the log has
 * EVENTLOG_KEEP_FACTOR times the bytes that it may have. */
#define EVENTLOG_KEEP_FACTOR 4
void eventlog_keep(struct eventlog *l, uint64_t from);

/* Fills ret with events that match params->since/max and the filters; may be empty also where ret->next <= ret->newest
 * (a call looks at half a MiB at most): then go on with next. Memory comes from a; only what matches takes any. */
int eventlog_read(struct eventlog *l, const struct events_params *params, struct arena *a, struct events_result *ret,
                  struct error *err);

/* Answers the method events.read: at once if there is something, else when there is, or after the timeout (then with an
 * empty list). Owns the request; cancels with its connection. */
void eventlog_serve(struct eventlog *l, struct request *req);
/* Answers all that wait, with what there is (the daemon stops). */
void eventlog_flush_readers(struct eventlog *l);
