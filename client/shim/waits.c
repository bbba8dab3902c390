/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A wait asks for the state of its process first, and once more whenever an event says that it may have ended: the
 * answer to a Wait comes from a state, so that an old event (of an earlier process of the same id) cannot end a new
 * wait. Only when the process is removed already does the event itself tell. No end is missed: the state is asked for
 * only after the cursor in the event log is known, so an end is before that (and in the state) or behind it (and will
 * be read). After a gap in the log all states are asked for.
 */

#include "client/shim/waits.h"

#include <stdio.h>
#include <string.h>
#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>
#include "base/clock.h"
#include "base/log.h"

#define POLL_MS 3600000U
#define AGAIN_NS (200 * NSEC_PER_MSEC)
#define KEY_MAX (3 * (LIMIT_ID + 1))

struct waiter {
        struct wait *wait;
        wait_fn fn;
        void *data;
        struct watch_timer timer;
        struct waiter *prev, *next;
};

struct wait {
        struct waits *waits;
        char key[KEY_MAX]; /* "NS/ID/EXEC": none of the three holds a '/' */
        struct waiter *waiters;
        uint64_t query; /* the open question for the state; 0: none */
        bool stale;     /* to be asked once more: something happened since, or it could not be asked */
        bool ended;     /* an event said so, and this is how: */
        struct wait_end end;
        UT_hash_handle hh;
};

static void ask(struct wait *wait);
static void ask_later(struct wait *wait);

static struct wait *wait_free(struct wait *wait)
{
        struct waits *w = wait->waits;

        if (wait->query)
                rpc_cancel(w->rpc, wait->query);
        HASH_DEL(w->waits, wait);
        free(wait);
        return NULL;
}

static void waiter_free(struct waiter *waiter)
{
        struct wait *wait = waiter->wait;

        watch_timer_stop(&waiter->timer);
        DL_DELETE(wait->waiters, waiter);
        free(waiter);
        if (!wait->waiters)
                wait_free(wait);
}

static void tell(struct waiter *waiter, const struct wait_end *end)
{
        wait_fn fn = waiter->fn;
        void *data = waiter->data;

        waiter_free(waiter);
        fn(data, end);
}

/* Ends the wait: the last of its waiters takes it along. */
static void tell_all(struct wait *wait, const struct wait_end *end_in)
{
        struct wait_end end = *end_in; /* it may be the wait's own */
        struct waiter *waiter, *next;

        DL_FOREACH_SAFE(wait->waiters, waiter, next)
                tell(waiter, &end);
}

/* --- states --- */

static void on_state(void *data, struct sandboxd_reply *reply)
{
        struct wait *wait = data;
        const struct state_result *state = reply->result;
        struct wait_end end = { 0 };

        wait->query = 0;
        if (state && state->process && strcmp(state->process->status, "stopped") == 0) {
                end.exit_status = state->process->exit_status;
                end.exited_at = state->process->exited_at;
                tell_all(wait, &end);
        } else if (reply->reason == REASON_UNAVAILABLE) {
                ask_later(wait); /* by a sandboxd that stops: the next one will answer */
        } else if (reply->reason != REASON_NONE && wait->ended && reply->code == CODE_NOT_FOUND) {
                tell_all(wait, &wait->end);
        } else if (reply->reason != REASON_NONE) {
                end.code = reply->code;
                error_set(&end.error, reply->reason, "%s", reply->message);
                tell_all(wait, &end);
        } else if (wait->stale) {
                wait->stale = false;
                ask(wait);
        } else {
                wait->ended = false; /* what was said is of an earlier process of that id */
        }
}

static void ask_later(struct wait *wait)
{
        wait->stale = true;
        watch_timer_arm(&wait->waits->again, AGAIN_NS);
}

static void ask(struct wait *wait)
{
        char key[KEY_MAX], *id, *exec_id;
        struct target params = { .owner = wait->waits->owner, .ns = key };

        if (wait->waits->cursor == 0)
                return; /* when it is known */
        if (wait->query) {
                wait->stale = true;
                return;
        }
        strcpy(key, wait->key);
        id = strchr(key, '/');
        *id++ = '\0';
        exec_id = strchr(id, '/');
        *exec_id++ = '\0';
        params.id = id;
        params.exec_id = exec_id;
        wait->query = rpc_submit(wait->waits->rpc, METHOD_STATE, &params, -1, on_state, wait);
        if (!wait->query)
                ask_later(wait);
}

static void ask_all(struct waits *w)
{
        struct wait *wait, *next;

        HASH_ITER(hh, w->waits, wait, next)
                ask(wait);
}

/* --- events --- */

static void read_events(struct waits *w);

static void take_exit(struct waits *w, const struct event *ev)
{
        char key[KEY_MAX];
        struct wait *wait;

        snprintf(key, sizeof(key), "%s/%s/%s", ev->ns, ev->id, ev->exec_id);
        HASH_FIND_STR(w->waits, key, wait);
        if (!wait)
                return;
        wait->ended = true;
        wait->end = (struct wait_end){ .exit_status = ev->exit_status, .exited_at = ev->exited_at };
        ask(wait);
}

static void take_event(struct waits *w, const struct event *ev)
{
        int kind = event_kind_parse(ev->kind);

        if (kind == EVENT_EXIT || kind == EVENT_EXEC_EXIT)
                take_exit(w, ev);
        else if (kind == EVENT_DELETE)
                waits_look(w, ev->ns, ev->id);
        else if (kind == EVENT_GAP)
                ask_all(w);
}

static void on_events(void *data, struct sandboxd_reply *reply)
{
        struct waits *w = data;
        const struct events_result *result = reply->result;
        bool first = w->cursor == 0;

        w->reading = false;
        if (!result) {
                if (reply->reason != REASON_UNAVAILABLE)
                        log_warn("cannot read events: %s", reply->message);
                watch_timer_arm(&w->again, AGAIN_NS);
                return;
        }
        w->cursor = result->next > 0 ? result->next : 1;
        for (size_t i = 0; i < result->events.n && !first; i++)
                take_event(w, &result->events.items[i]);
        if (first)
                ask_all(w);
        read_events(w);
}

/* The first read only finds out where the log ends. */
static void read_events(struct waits *w)
{
        struct events_params params = {
                .since = w->cursor > 0 ? w->cursor : UINT64_MAX,
                .timeout_ms = w->cursor > 0 ? POLL_MS : 0,
                .only_owner = true,
                .owner = w->owner,
        };

        if (w->reading)
                return;
        w->reading = rpc_submit(w->rpc, METHOD_EVENTS_READ, &params, -1, on_events, w) != 0;
        if (!w->reading)
                watch_timer_arm(&w->again, AGAIN_NS);
}

static void on_again(struct watch_timer *t)
{
        struct waits *w = container_of(t, struct waits, again);
        struct wait *wait, *next;

        HASH_ITER(hh, w->waits, wait, next) {
                if (!wait->stale || wait->query)
                        continue;
                wait->stale = false;
                ask(wait);
        }
        read_events(w);
}

/* --- waiters --- */

void waits_init(struct waits *w, struct loop *loop, struct rpc *rpc, const char *owner)
{
        *w = (struct waits){ .rpc = rpc, .owner = owner };
        watch_timer_init(&w->again, loop, on_again);
}

void waits_deinit(struct waits *w)
{
        struct wait *wait, *next_wait;

        if (!w->rpc)
                return;
        watch_timer_stop(&w->again);
        HASH_ITER(hh, w->waits, wait, next_wait) {
                while (wait->waiters->next)
                        waiter_free(wait->waiters);
                waiter_free(wait->waiters);
        }
        w->rpc = NULL;
}

static void on_late(struct watch_timer *t)
{
        struct waiter *waiter = container_of(t, struct waiter, timer);
        struct wait_end end = { .code = CODE_DEADLINE_EXCEEDED };

        error_set(&end.error, REASON_DEADLINE, "the process did not end in time");
        tell(waiter, &end);
}

static struct wait *wait_get(struct waits *w, const char *ns, const char *id, const char *exec_id)
{
        char key[KEY_MAX];
        struct wait *wait;

        snprintf(key, sizeof(key), "%s/%s/%s", ns, id, exec_id);
        HASH_FIND_STR(w->waits, key, wait);
        if (wait)
                return wait;
        wait = calloc(1, sizeof(*wait));
        if (!wait)
                return NULL;
        wait->waits = w;
        strcpy(wait->key, key);
        HASH_ADD_STR(w->waits, key, wait);
        if (!wait->hh.tbl) {
                free(wait);
                return NULL;
        }
        return wait;
}

struct waiter *waits_add(struct waits *w, const char *ns, const char *id, const char *exec_id, uint64_t timeout_ns,
                         wait_fn fn, void *data)
{
        struct waiter *waiter = calloc(1, sizeof(*waiter));
        struct wait *wait = waiter ? wait_get(w, ns, id, exec_id) : NULL;

        if (!wait) {
                free(waiter);
                return NULL;
        }
        waiter->wait = wait;
        waiter->fn = fn;
        waiter->data = data;
        watch_timer_init(&waiter->timer, w->again.loop, on_late);
        if (timeout_ns > 0)
                watch_timer_arm(&waiter->timer, timeout_ns);
        DL_APPEND(wait->waiters, waiter);
        ask(wait);
        read_events(w);
        return waiter;
}

void waits_cancel(struct waiter *waiter)
{
        waiter_free(waiter);
}

void waits_look(struct waits *w, const char *ns, const char *id)
{
        char prefix[KEY_MAX];
        struct wait *wait, *next;
        int len = snprintf(prefix, sizeof(prefix), "%s/%s/", ns, id);

        HASH_ITER(hh, w->waits, wait, next)
                if (strncmp(wait->key, prefix, (size_t)len) == 0)
                        ask(wait);
}
