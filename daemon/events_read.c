/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Reading the log: first from the segments, then from memory. A call looks at a bounded number of bytes, finds what
 * matches among them, and says where to go on, so that a reader with a narrow filter and an old cursor does not stall
 * the loop.
 *
 * `expected` is the heart of it: the number that must come next. What comes instead tells a gap.
 */

#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/log.h"
#include "daemon/eventlog.h"

#define SCAN_BYTES    (512 * 1024)      /* looked at in one call */
#define ANSWER_BYTES  (4 * 1024 * 1024) /* encoded events in one answer: a message has at most LIMIT_MESSAGE */
#define SCRATCH_BYTES (256 * 1024)

struct reading {
        struct eventlog *log;
        const struct events_params *params;
        struct arena *arena;   /* of the answer */
        struct arena *scratch; /* for what may not match */
        uint64_t expected;
        struct event *events; /* heap: it grows */
        size_t n, room, max;
        size_t scanned, answered; /* bytes */
        bool done;                /* stop here */
        struct error *err;
        bool failed;
};

static void fail(struct reading *rd)
{
        error_set(rd->err, REASON_NO_RESOURCES, "no memory to read events");
        rd->failed = rd->done = true;
}

static void add(struct reading *rd, const struct event *ev)
{
        if (rd->n == rd->room) {
                size_t room = rd->room ? rd->room * 2 : 4;
                struct event *events = reallocarray(rd->events, room, sizeof(*events));

                if (!events) {
                        fail(rd);
                        return;
                }
                rd->events = events;
                rd->room = room;
        }
        rd->events[rd->n++] = *ev;
        if (rd->n == rd->max)
                rd->done = true;
}

/* The events from `expected` to before `to` are gone. Every reader is told, whatever its filter: they may have matched.
 */
static void add_gap(struct reading *rd, uint64_t to)
{
        struct event gap = { .seq = rd->expected,
                             .time = clock_realtime_ns(),
                             .kind = event_kind_name(EVENT_GAP),
                             .lost = to - rd->expected };
        const struct event *copy = message_copy(&desc_event, &gap, rd->arena);

        if (!copy) {
                fail(rd);
                return;
        }
        add(rd, copy);
        rd->expected = to;
}

static bool contains(const uint8_t *data, size_t len, const char *text)
{
        return !*text || memmem(data, len, text, strlen(text));
}

/* Text of an event is in its encoding as it is: most that do not match need not be decoded. */
static bool may_match(const struct events_params *p, const uint8_t *data, size_t len)
{
        return contains(data, len, p->id) && contains(data, len, p->ns) &&
               (!p->only_owner || contains(data, len, p->owner));
}

static bool matches(const struct events_params *p, const struct event *ev)
{
        return (!p->only_owner || strcmp(p->owner, ev->owner) == 0) && (!*p->ns || strcmp(p->ns, ev->ns) == 0) &&
               (!*p->id || strcmp(p->id, ev->id) == 0);
}

/* What cannot be decoded is as good as lost. */
static const struct event *decode(struct reading *rd, const uint8_t *data, size_t len, struct arena *a)
{
        struct error err = ERROR_NULL;
        void *ev;

        if (message_decode(&desc_event, data, len, a, &ev, &err) == 0)
                return ev;
        log_warn("event log %s: event %llu cannot be read: %s", rd->log->dir, (unsigned long long)rd->expected,
                 err.message);
        return NULL;
}

static void take_matching(struct reading *rd, uint64_t seq, const uint8_t *data, size_t len)
{
        const struct events_params *p = rd->params;
        bool filtered = p->only_owner || *p->ns || *p->id;
        const struct event *ev;

        if (filtered && (!rd->scratch || arena_size(rd->scratch) > SCRATCH_BYTES)) {
                arena_free(rd->scratch);
                rd->scratch = arena_new();
                if (!rd->scratch) {
                        fail(rd);
                        return;
                }
        }
        ev = decode(rd, data, len, filtered ? rd->scratch : rd->arena);
        if (!ev) {
                add_gap(rd, seq + 1);
                return;
        }
        if (filtered && matches(p, ev)) {
                ev = message_copy(&desc_event, ev, rd->arena);
                if (!ev) {
                        fail(rd);
                        return;
                }
        } else if (filtered) {
                ev = NULL;
        }
        if (ev) {
                rd->answered += len;
                add(rd, ev);
        }
        rd->expected = seq + 1;
}

static void take(struct reading *rd, uint64_t seq, const uint8_t *data, size_t len)
{
        if (seq < rd->expected)
                return;
        if (seq > rd->expected) {
                add_gap(rd, seq);
                if (rd->done)
                        return;
        }
        if (rd->scanned && rd->scanned + len > SCAN_BYTES) {
                rd->done = true;
                return;
        }
        rd->scanned += len;
        if (!may_match(rd->params, data, len)) {
                rd->expected = seq + 1;
                return;
        }
        if (rd->n && rd->answered + len > ANSWER_BYTES) {
                rd->done = true;
                return;
        }
        take_matching(rd, seq, data, len);
}

static void read_segment(struct reading *rd, struct segment *s, uint64_t before)
{
        struct segment_cursor c;
        const uint8_t *data;
        uint64_t seq;
        size_t len;
        int r = segment_cursor_open(&c, s, rd->log->dir_fd, rd->expected);

        while (r >= 0 && !rd->done) {
                r = segment_cursor_next(&c, &seq, &data, &len);
                if (r <= 0 || seq >= before)
                        break;
                take(rd, seq, data, len);
        }
        segment_cursor_close(&c);
        if (r < 0 && !s->warned) {
                log_warn("event log %s: the file with event %llu cannot be read: %s", rd->log->dir,
                         (unsigned long long)rd->expected, strerror(-r));
                s->warned = true;
        }
}

static void read_memory(struct reading *rd)
{
        struct eventlog_entry *e = rd->log->memory;

        /* from the end: most readers are near it */
        if (e)
                for (e = e->prev; e != rd->log->memory && e->prev->seq >= rd->expected; e = e->prev)
                        ;
        for (; e && !rd->done; e = e->next)
                take(rd, e->seq, e->bytes + SEGMENT_HEADER, e->size - SEGMENT_HEADER);
}

static uint64_t oldest_number(const struct eventlog *l)
{
        uint64_t oldest = l->memory ? l->memory->seq : l->newest + 1; /* small segments may be gone before it */

        for (size_t i = 0; i < l->n_segments; i++)
                if (l->segments[i].oldest && l->segments[i].oldest < oldest)
                        return l->segments[i].oldest;
        return oldest;
}

static void read_all(struct reading *rd)
{
        struct eventlog *l = rd->log;
        uint64_t before = l->memory ? l->memory->seq : UINT64_MAX; /* what is in memory is read from there */

        for (size_t i = 0; i < l->n_segments && !rd->done && rd->expected < before; i++)
                if (l->segments[i].oldest && l->segments[i].last >= rd->expected)
                        read_segment(rd, &l->segments[i], before);
        if (!rd->done)
                read_memory(rd);
        if (!rd->done && rd->expected <= l->newest)
                add_gap(rd, l->newest + 1);
}

int eventlog_read(struct eventlog *l, const struct events_params *params, struct arena *a, struct events_result *ret,
                  struct error *err)
{
        struct events_params p = *params;
        struct reading rd = { .log = l, .params = &p, .arena = a, .max = p.max, .err = err, .expected = p.since };

        p.owner = p.owner ? p.owner : "";
        p.ns = p.ns ? p.ns : "";
        p.id = p.id ? p.id : "";
        if (rd.max == 0 || rd.max > LIMIT_EVENTS_MAX)
                rd.max = LIMIT_EVENTS_MAX;
        if (rd.expected == 0)
                rd.expected = oldest_number(l);
        if (rd.expected > l->newest)
                rd.expected = l->newest + 1;
        else
                read_all(&rd);
        arena_free(rd.scratch);

        *ret = (struct events_result){ .next = rd.expected, .newest = l->newest };
        if (rd.n && !rd.failed) {
                ret->events.items = arena_alloc(a, rd.n * sizeof(*rd.events));
                if (ret->events.items) {
                        memcpy(ret->events.items, rd.events, rd.n * sizeof(*rd.events));
                        ret->events.n = rd.n;
                } else {
                        fail(&rd);
                }
        }
        free(rd.events);
        return rd.failed ? -1 : 0;
}
