/* SPDX-License-Identifier: Apache-2.0 */

/* A pass over all containers, then family after family into the text; both in slices of a millisecond. */

#include "daemon/metrics_text.h"

#include <stdlib.h>
#include "base/clock.h"
#include "base/log.h"
#include "daemon/daemon.h"
#include "daemon/info.h"
#include "daemon/metrics.h"
#include "daemon/stats_all.h"
#include "proto/openmetrics.h"

#define SLICE_NS        NSEC_PER_MSEC
#define CONNECTIONS_MAX 32
#define REQUEST_NS      (5 * NSEC_PER_SEC)
#define ANSWER_NS       (30 * NSEC_PER_SEC)

struct metrics_text {
        struct daemon *daemon;
        struct arena *arena;
        struct stats_all_params params;
        struct stats_pass *pass;
        const struct stats_all_result *stats; /* once the pass has ended */
        struct info_result info;
        struct watch_turn turn;
        unsigned step;
        struct buf text;
};

static struct metrics_text *metrics_text_free(struct metrics_text *t)
{
        if (!t)
                return NULL;
        watch_turn_stop(&t->turn);
        stats_pass_free(t->pass);
        arena_free(t->arena);
        buf_deinit(&t->text);
        free(t);
        return NULL;
}

/* It is done, or there is no memory for it. */
static void finish(struct metrics_text *t, struct buf *text)
{
        struct daemon *d = t->daemon;

        metrics_answer(d->metrics, text);
        d->metrics_text = metrics_text_free(t);
}

static void on_slice(struct watch_turn *w)
{
        struct metrics_text *t = container_of(w, struct metrics_text, turn);
        uint64_t begin = clock_monotonic_ns();

        while (clock_monotonic_ns() - begin < SLICE_NS) {
                if (openmetrics_step(&t->text, t->step++, &t->info, t->stats))
                        continue;
                finish(t, &t->text);
                return;
        }
}

static void on_pass(void *data, const struct stats_all_result *result)
{
        struct metrics_text *t = data;

        if (!result) {
                finish(t, NULL);
                return;
        }
        t->stats = result;
        daemon_describe(t->daemon, t->arena, &t->info);
        if (watch_turn_start(&t->turn, t->daemon->loop, on_slice) < 0)
                finish(t, NULL);
}

static void gather(void *data, struct metrics *m)
{
        struct daemon *d = data;
        struct metrics_text *t = calloc(1, sizeof(*t));

        if (!t) {
                metrics_answer(m, NULL);
                return;
        }
        t->daemon = d;
        t->params = (struct stats_all_params){ .owner = "", .ns = "", .all_owners = true, .brief = true, .after = "" };
        t->arena = arena_new();
        t->turn = WATCH_TURN_NULL;
        d->metrics_text = t;
        if (t->arena)
                t->pass = stats_pass_new(d, &t->params, 0, t->arena, on_pass, t, NULL);
        if (!t->pass)
                finish(t, NULL);
}

void daemon_serve_metrics(struct daemon *d, gid_t gid)
{
        struct metrics_options options = {
                .listen = d->config->metrics_listen,
                .gid = gid,
                .max_connections = CONNECTIONS_MAX,
                .request_ns = REQUEST_NS,
                .answer_ns = ANSWER_NS,
                .gather = gather,
                .data = d,
        };
        struct error err = ERROR_NULL;

        if (!*options.listen)
                return;
        if (metrics_new(&d->metrics, d->loop, &options, &err) < 0)
                daemon_warn(d, NULL, "%s", err.message);
        else
                log_info("metrics are served on %s", options.listen);
}

void daemon_end_metrics(struct daemon *d)
{
        d->metrics_text = metrics_text_free(d->metrics_text);
        d->metrics = metrics_free(d->metrics);
}
