/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One pass over the cgroups of all containers that run. To read one costs a tenth of a millisecond and more: after each
 * millisecond the loop gets its turn. Containers are looked up by their keys in each slice, since they may go.
 *
 * Their order is that of the keys, so that a reader who goes on behind the last one that he has seen misses none that
 * was there all the time, whatever comes and goes meanwhile.
 */

#include "daemon/stats_all.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/container.h"
#include "daemon/container_cost.h"
#include "daemon/daemon.h"
#include "daemon/runsc_usage.h"
#include "daemon/stats.h"

#define SLICE_NS   NSEC_PER_MSEC
#define PAGE_BYTES (LIMIT_MESSAGE / 2) /* one container has some kilobytes: so the last one fits, too */

struct stats_pass {
        struct daemon *daemon;
        const struct stats_all_params *params;
        struct arena *arena; /* of whoever asked */
        size_t max_bytes;
        stats_pass_fn fn;
        void *data;
        struct watch_turn turn;
        struct target *keys;
        size_t n, at;
        struct buf encoded; /* the last one, to know how large it is */
        size_t bytes;
        struct stats_all_result result;
};

struct stats_pass *stats_pass_free(struct stats_pass *p)
{
        if (!p)
                return NULL;
        watch_turn_stop(&p->turn);
        buf_deinit(&p->encoded);
        free(p);
        return NULL;
}

static bool is_wanted(const struct container *c, const struct stats_all_params *x)
{
        return c->cgroup && c->init.pid && !c->init.ended &&
               (x->all_owners || strcmp(c->params->owner, x->owner) == 0) &&
               (!x->ns[0] || strcmp(c->params->ns, x->ns) == 0);
}

static int by_key(const void *a, const void *b)
{
        const struct target *x = a, *y = b;
        int r = strcmp(x->owner, y->owner);

        if (r == 0)
                r = strcmp(x->ns, y->ns);
        return r ? r : strcmp(x->id, y->id);
}

/* --- one after the other --- */

/* Reads one into the result; one that has gone is left out. -1: no memory. */
static int read_one(struct stats_pass *p, const struct target *key)
{
        const struct stats_all_params *x = p->params;
        const struct container *c = container_find(p->daemon, key->owner, key->ns, key->id);
        _cleanup_(arena_freep) struct arena *scratch = arena_new();
        struct stats_result stats = {.owner = key->owner, .ns = key->ns, .id = key->id}, *copy;
        struct error err = ERROR_NULL;

        if (!scratch)
                return -1;
        if (!c || !is_wanted(c, x))
                return 0;
        if (stats_read(c->cgroup, c->init.pid, scratch, &stats, &err) < 0)
                return err.reason == REASON_NO_RESOURCES ? -1 : 0;
        (void)runsc_usage(c, &stats.sandbox_memory);
        if (x->brief)
                stats.memory_stat.n = stats.memory_events.n = stats.cpu_per_cpu_ns.n = 0;
        container_cost(c, &stats);
        if (p->max_bytes) {
                if (message_encode(&desc_stats_result, &stats, &p->encoded, &err) < 0)
                        return -1;
                p->bytes += buf_len(&p->encoded);
                buf_consume(&p->encoded, buf_len(&p->encoded));
        }
        copy = message_copy(&desc_stats_result, &stats, p->arena);
        if (!copy)
                return -1;
        p->result.containers.items[p->result.containers.n++] = *copy;
        return 0;
}

static bool page_is_full(const struct stats_pass *p)
{
        return (p->max_bytes && p->bytes >= p->max_bytes) ||
               (p->params->max && p->result.containers.n >= p->params->max);
}

static void on_slice(struct watch_turn *turn)
{
        struct stats_pass *p = container_of(turn, struct stats_pass, turn);
        uint64_t begin = clock_monotonic_ns(), now = begin;
        bool failed = false;

        for (; p->at < p->n && now - begin < SLICE_NS && !page_is_full(p) && !failed; p->at++) {
                failed = read_one(p, &p->keys[p->at]) < 0;
                now = clock_monotonic_ns();
        }
        p->result.took_ns += now - begin;
        if (p->at < p->n && !page_is_full(p) && !failed)
                return;
        watch_turn_stop(&p->turn);
        if (p->at < p->n && !failed) {
                const struct target *last = &p->keys[p->at - 1];

                p->result.next = arena_printf(p->arena, "%s/%s/%s", last->owner, last->ns, last->id);
                failed = !p->result.next;
        }
        p->fn(p->data, failed ? NULL : &p->result);
}

/* --- which --- */

/* "owner/ns/id", none of which has a slash in it, as a key to compare with. Cuts. */
static int parse_after(char *text, struct target *ret, struct error *err)
{
        char *ns = strchr(text, '/'), *id = ns ? strchr(ns + 1, '/') : NULL;

        if (!id || strchr(id + 1, '/'))
                return error_set(err, REASON_INVALID_ARGUMENT,
                                 "after: \"%s\" is not what an answer of stats.all had as next", text);
        *ns++ = *id++ = '\0';
        *ret = (struct target){.owner = text, .ns = ns, .id = id, .exec_id = ""};
        return 0;
}

static int collect_keys(struct stats_pass *p, struct error *err)
{
        const struct stats_all_params *x = p->params;
        size_t n = HASH_COUNT(p->daemon->containers) + 1;
        char *after = arena_strdup(p->arena, x->after ? x->after : "");
        struct target behind, *key;
        struct container *c, *tmp;

        p->keys = arena_alloc(p->arena, n * sizeof(*p->keys));
        p->result.containers.items = arena_alloc(p->arena, n * sizeof(*p->result.containers.items));
        if (!p->keys || !p->result.containers.items || !after)
                return error_set(err, REASON_NO_RESOURCES, "no memory for the statistics");
        if (*after && parse_after(after, &behind, err) < 0)
                return -1;
        HASH_ITER(hh, p->daemon->containers, c, tmp) {
                if (!is_wanted(c, x))
                        continue;
                key = &p->keys[p->n];
                *key = (struct target){.owner = c->params->owner, .ns = c->params->ns, .id = c->params->id};
                if (x->after && *x->after && by_key(key, &behind) <= 0)
                        continue;
                *key = (struct target){.owner = arena_strdup(p->arena, c->params->owner),
                                       .ns = arena_strdup(p->arena, c->params->ns),
                                       .id = arena_strdup(p->arena, c->params->id),
                                       .exec_id = ""};
                if (!key->owner || !key->ns || !key->id)
                        return error_set(err, REASON_NO_RESOURCES, "no memory for the statistics");
                p->n++;
        }
        qsort(p->keys, p->n, sizeof(*p->keys), by_key);
        return 0;
}

struct stats_pass *stats_pass_new(struct daemon *d, const struct stats_all_params *x, size_t max_bytes,
                                  struct arena *a, stats_pass_fn fn, void *data, struct error *err)
{
        _cleanup_(stats_pass_freep) struct stats_pass *p = calloc(1, sizeof(*p));
        int r;

        if (!p) {
                error_set(err, REASON_NO_RESOURCES, "no memory for the statistics");
                return NULL;
        }
        p->daemon = d;
        p->params = x;
        p->arena = a;
        p->max_bytes = max_bytes;
        p->fn = fn;
        p->data = data;
        p->turn = WATCH_TURN_NULL;
        if (collect_keys(p, err) < 0)
                return NULL;
        r = watch_turn_start(&p->turn, d->loop, on_slice);
        if (r < 0) {
                error_set_errno(err, reason_of_errno(r), r, "cannot begin to read the statistics");
                return NULL;
        }
        return TAKE(p);
}

/* --- a request --- */

static void on_cancel(struct request *req)
{
        stats_pass_free(req->parker);
        request_free(req);
}

static void on_pass(void *data, const struct stats_all_result *result)
{
        struct request *req = data;
        struct stats_pass *p = req->parker;

        req->on_cancel = NULL;
        if (result)
                request_reply(&req, result);
        else
                request_fail_reason(&req, REASON_NO_RESOURCES, "no memory for the statistics");
        stats_pass_free(p);
}

void stats_all_begin(struct daemon *d, struct request *req)
{
        struct error err = ERROR_NULL;
        struct stats_pass *p = stats_pass_new(d, req->params, PAGE_BYTES, req->arena, on_pass, req, &err);

        if (!p) {
                request_fail(&req, &err);
                return;
        }
        req->parker = p;
        req->on_cancel = on_cancel;
}
