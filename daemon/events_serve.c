/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The long poll. A reader that finds nothing is parked, with where it got to; it looks again when something was
 * appended (all readers together, at the end of the round), and is answered when it found something or its time is
 * over. One that has a long way to go through old events takes it in steps, one a turn of the loop.
 */

#include <utlist.h>
#include "base/clock.h"
#include "daemon/eventlog.h"
#include "daemon/request.h"

struct eventlog_reader {
        struct eventlog_reader *prev, *next;
        struct eventlog *log;
        struct request *request;
        struct events_params params; /* since: where it got to */
        uint64_t deadline_ns;
        struct watch_timer timer;
};

/* Unparks it. The request is the caller's. */
static struct request *reader_free(struct eventlog_reader *r)
{
        struct request *req = r->request;

        watch_timer_stop(&r->timer);
        DL_DELETE(r->log->readers, r);
        req->on_cancel = NULL;
        req->parker = NULL;
        free(r);
        return req;
}

static void on_cancel(struct request *req)
{
        request_free(reader_free(req->parker));
}

/* Looks for events and answers if there are some, or if it must. Returns true if it answered (r is gone then). */
static bool reader_look(struct eventlog_reader *r, bool must)
{
        struct events_result result;
        struct error err = ERROR_NULL;
        struct request *req;
        int error = eventlog_read(r->log, &r->params, r->request->arena, &result, &err);

        if (error == 0 && result.events.n == 0 && !must) {
                r->params.since = result.next;
                if (result.next <= result.newest)
                        watch_timer_arm(&r->timer, 0); /* there is more: in the next turn */
                return false;
        }
        req = reader_free(r);
        if (error < 0)
                request_fail(&req, &err);
        else
                request_reply(&req, &result);
        return true;
}

static void wait_for_deadline(struct eventlog_reader *r)
{
        uint64_t now = clock_monotonic_ns();

        if (!watch_timer_active(&r->timer))
                watch_timer_arm(&r->timer, r->deadline_ns > now ? r->deadline_ns - now : 0);
}

static void on_timer(struct watch_timer *w)
{
        struct eventlog_reader *r = container_of(w, struct eventlog_reader, timer);

        if (!reader_look(r, clock_monotonic_ns() >= r->deadline_ns))
                wait_for_deadline(r);
}

void eventlog_serve(struct eventlog *l, struct request *req)
{
        const struct events_params *params = req->params;
        struct eventlog_reader *r = calloc(1, sizeof(*r));

        if (!r) {
                request_fail_reason(&req, REASON_NO_RESOURCES, "no memory for another reader of events");
                return;
        }
        r->log = l;
        r->request = req;
        r->params = *params;
        r->deadline_ns = clock_monotonic_ns() + params->timeout_ms * NSEC_PER_MSEC;
        watch_timer_init(&r->timer, l->loop, on_timer);
        req->parker = r;
        req->on_cancel = on_cancel;
        DL_APPEND(l->readers, r);
        if (!reader_look(r, params->timeout_ms == 0))
                wait_for_deadline(r);
}

void eventlog_readers_wake(struct eventlog *l)
{
        struct eventlog_reader *r, *next;

        DL_FOREACH_SAFE(l->readers, r, next)
        if (!reader_look(r, false))
                wait_for_deadline(r);
}

void eventlog_flush_readers(struct eventlog *l)
{
        while (l->readers)
                reader_look(l->readers, true);
}

void eventlog_readers_end(struct eventlog *l)
{
        while (l->readers) {
                struct request *req = reader_free(l->readers);

                request_fail_reason(&req, REASON_UNAVAILABLE, "the daemon is stopping");
        }
}
