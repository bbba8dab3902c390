/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One pass over the cgroups of all containers that run. To read one costs a tenth of a millisecond and more: after each
 * millisecond the loop gets its turn. Containers are looked up by their keys in each slice, since they may go.
 */

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/container.h"
#include "daemon/daemon.h"
#include "daemon/stats.h"
#include "daemon/stats_all.h"

#define SLICE_NS NSEC_PER_MSEC

struct pass {
        struct daemon *daemon;
        struct request *request; /* owned; its arena has all but this */
        struct watch_timer timer;
        struct target *keys;
        size_t n, at;
        struct stats_all_result result;
};

static struct pass *pass_free(struct pass *p)
{
        if (!p)
                return NULL;
        watch_timer_stop(&p->timer);
        free(p);
        return NULL;
}

static void on_cancel(struct request *req)
{
        pass_free(req->parker);
        request_free(req);
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

/* Reads one into the answer; one that has gone is left out. -1: no memory. */
static int read_one(struct pass *p, const struct target *key)
{
        const struct stats_all_params *x = p->request->params;
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
        if (x->brief) {
                stats.memory_stat.n = stats.memory_events.n = stats.cpu_per_cpu_ns.n = 0;
        }
        copy = message_copy(&desc_stats_result, &stats, p->request->arena);
        if (!copy)
                return -1;
        p->result.containers.items[p->result.containers.n++] = *copy;
        return 0;
}

static void on_slice(struct watch_timer *timer)
{
        struct pass *p = container_of(timer, struct pass, timer);
        uint64_t begin = clock_monotonic_ns(), now = begin;
        struct request *req = p->request;

        for (; p->at < p->n && now - begin < SLICE_NS; p->at++) {
                if (read_one(p, &p->keys[p->at]) < 0) {
                        pass_free(p);
                        request_fail_reason(&req, REASON_NO_RESOURCES, "no memory for the statistics");
                        return;
                }
                now = clock_monotonic_ns();
        }
        p->result.took_ns += now - begin;
        if (p->at < p->n) {
                watch_timer_arm(&p->timer, 0);
        } else {
                req->on_cancel = NULL;
                request_reply(&req, &p->result);
                pass_free(p);
        }
}

void stats_all_begin(struct daemon *d, struct request *req)
{
        const struct stats_all_params *x = req->params;
        struct container *c, *tmp;
        struct pass *p = calloc(1, sizeof(*p));
        size_t n = HASH_COUNT(d->containers) + 1;

        if (p) {
                p->keys = arena_alloc(req->arena, n * sizeof(*p->keys));
                p->result.containers.items = arena_alloc(req->arena, n * sizeof(*p->result.containers.items));
        }
        if (!p || !p->keys || !p->result.containers.items) {
                free(p);
                request_fail_reason(&req, REASON_NO_RESOURCES, "no memory for the statistics");
                return;
        }
        HASH_ITER(hh, d->containers, c, tmp)
        {
                struct target *key = &p->keys[p->n];

                if (!is_wanted(c, x))
                        continue;
                *key = (struct target){.owner = arena_strdup(req->arena, c->params->owner),
                                       .ns = arena_strdup(req->arena, c->params->ns),
                                       .id = arena_strdup(req->arena, c->params->id),
                                       .exec_id = ""};
                if (key->owner && key->ns && key->id)
                        p->n++;
        }
        qsort(p->keys, p->n, sizeof(*p->keys), by_key);
        p->daemon = d;
        p->request = req;
        req->parker = p;
        req->on_cancel = on_cancel;
        watch_timer_init(&p->timer, d->loop, on_slice);
        watch_timer_arm(&p->timer, 0);
}
