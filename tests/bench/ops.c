/* SPDX-License-Identifier: Apache-2.0 */

/* What is asked of a running container again and again: signals, pids, state, statistics. */

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include "tests/bench/bench.h"

#define ID "bench-ops"
#define PEER_ID "bench-ops-peer"

struct op {
        const char *name;
        int method;
        const void *params;
        const char *args[5]; /* of the peer's command line */
};

static const struct sandboxd_target target = { .id = ID };
static const struct sandboxd_kill_params winch = { .id = ID, .signal = SIGWINCH }; /* ignored by default */

static const struct op ops[] = {
        { "kill", SANDBOXD_METHOD_KILL, &winch, { "kill", PEER_ID, "WINCH" } },
        { "pids", SANDBOXD_METHOD_PIDS, &target, { "ps", "--format", "json", PEER_ID } },
        { "state", SANDBOXD_METHOD_STATE, &target, { "state", PEER_ID } },
        { "stats", SANDBOXD_METHOD_STATS, &target, { "events", "--stats", PEER_ID } },
};

static void measure(struct bench *b, const struct peer *p, const struct op *op, int n)
{
        struct series ours = { 0 }, peer = { 0 };
        bool has_peer = !(strcmp(p->name, "crun") == 0 && op->method == SANDBOXD_METHOD_STATS); /* it has no events */
        uint64_t cpu, t;
        char text[128];

        for (int i = 0; i < n && has_peer; i++) {
                t = now_ns();
                call(b, op->method, op->params);
                series_add(&ours, now_ns() - t);
                t = now_ns();
                peer_run(p, false, op->args[0], op->args[1], op->args[2], op->args[3], op->args[4], NULL);
                series_add(&peer, now_ns() - t);
        }
        cpu = cpu_ns(b->daemon);
        for (int i = 0; i < 10 * n; i++) {
                t = now_ns();
                call(b, op->method, op->params);
                series_add(&ours, now_ns() - t);
        }
        cpu = (cpu_ns(b->daemon) - cpu) / (uint64_t)(10 * n);

        snprintf(text, sizeof(text), "%s %s (sandboxd's own CPU: %" PRIu64 " us)", p->name, op->name, cpu / US);
        if (has_peer)
                row_pair(text, &ours, &peer);
        else
                row_text(text, "%.2f (%.2f) ms | - | - | -", (double)series_at(&ours, 0.5) / (double)MS,
                         (double)series_at(&ours, 0) / (double)MS);
        series_free(&ours);
        series_free(&peer);
}

void bench_ops(struct bench *b, int argc, char **argv)
{
        struct peer p = peer_from(argc, argv);

        if (argc < 5)
                die("BUNDLE COUNT are wanted");
        create_start(b, p.name, ID, argv[3], NULL);
        peer_start(&p, argv[3], PEER_ID);
        for (size_t i = 0; i < sizeof(ops) / sizeof(*ops); i++)
                measure(b, &p, &ops[i], atoi(argv[4]));
        stop_delete(b, ID);
        peer_run(&p, false, "delete", "--force", PEER_ID, NULL);
}
