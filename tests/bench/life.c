/* SPDX-License-Identifier: Apache-2.0 */

/* A container's whole life, and that of an added process, beside the same commands of the bare runtime, which sandboxd
 * runs too: so the difference is what sandboxd adds. */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "tests/bench/bench.h"

#define SPEC                                                                                                           \
        "{\"user\":{\"uid\":0,\"gid\":0},\"args\":[\"/bin/true\"],\"env\":[\"PATH=/bin\"],\"cwd\":\"/"                 \
        "\",\"noNewPrivileges\":true}"

static void ours_life(struct bench *b, const struct peer *p, const char *bundle)
{
        create_start(b, p->name, "bench-life", bundle, NULL);
        wait_delete(b, "bench-life");
}

static void peer_life(struct bench *b, const struct peer *p, const char *bundle)
{
        char pid_file[512];

        snprintf(pid_file, sizeof(pid_file), "%s/life.pid", b->dir);
        peer_run(p, false, "create", "--bundle", bundle, "--pid-file", pid_file, "bench-life", NULL);
        peer_run(p, false, "start", "bench-life", NULL);
        if (strcmp(p->name, "runsc") == 0)
                peer_run(p, true, "wait", "bench-life", NULL); /* exits with the container's status */
        else
                wait_gone((pid_t)read_number(pid_file));
        peer_run(p, false, "delete", "bench-life", NULL);
}

struct rounds {
        void (*ours)(struct bench *b, const struct peer *p, const char *arg);
        void (*peer)(struct bench *b, const struct peer *p, const char *arg);
        const char *arg;
        int n;
};

/* In turns, and the first in every second round is the other one. One round of each goes before, uncounted. */
static void run_rounds(struct bench *b, const struct peer *p, const struct rounds *r, const char *what)
{
        struct series ours = { 0 }, peer = { 0 };
        uint64_t cpu = 0, c, t;
        char text[128];

        r->ours(b, p, r->arg);
        r->peer(b, p, r->arg);
        for (int i = 0; i < 2 * r->n; i++) {
                bool mine = (i & 1) ^ (i / 2 & 1);

                c = cpu_ns(b->daemon);
                t = now_ns();
                (mine ? r->ours : r->peer)(b, p, r->arg);
                series_add(mine ? &ours : &peer, now_ns() - t);
                if (mine)
                        cpu += cpu_ns(b->daemon) - c;
        }
        snprintf(text, sizeof(text), "%s %s (sandboxd's own CPU: %.2f ms)", p->name, what,
                 (double)cpu / (double)r->n / (double)MS);
        row_pair(text, &ours, &peer);
        series_free(&ours);
        series_free(&peer);
}

void bench_life(struct bench *b, int argc, char **argv)
{
        struct peer p = peer_from(argc, argv);
        struct rounds r = { .ours = ours_life, .peer = peer_life };

        if (argc < 5)
                die("BUNDLE COUNT are wanted");
        r.arg = argv[3];
        r.n = atoi(argv[4]);
        run_rounds(b, &p, &r, "create+start+wait+delete");
}

/* --- exec --- */

static void ours_exec(struct bench *b, const struct peer *p, const char *arg)
{
        struct sandboxd_exec_params exec = { .id = "bench-exec",
                                             .exec_id = "e",
                                             .spec = { (const uint8_t *)SPEC, sizeof(SPEC) - 1 } };
        struct sandboxd_start_params start = { .id = "bench-exec", .exec_id = "e" };
        struct sandboxd_target target = { .id = "bench-exec", .exec_id = "e" };
        struct sandboxd_delete_params del = { .id = "bench-exec", .exec_id = "e" };

        call(b, SANDBOXD_METHOD_EXEC, &exec);
        call(b, SANDBOXD_METHOD_START, &start);
        call(b, SANDBOXD_METHOD_WAIT, &target);
        call(b, SANDBOXD_METHOD_DELETE, &del);
}

static void peer_exec(struct bench *b, const struct peer *p, const char *process)
{
        char pid_file[512];

        if (strcmp(p->name, "runsc") == 0) {
                peer_run(p, false, "exec", "--process", process, "bench-exec-peer", NULL);
                return;
        }
        snprintf(pid_file, sizeof(pid_file), "%s/exec.pid", b->dir);
        peer_run(p, false, "exec", "--process", process, "--detach", "--pid-file", pid_file, "bench-exec-peer", NULL);
        wait_gone((pid_t)read_number(pid_file));
}

void bench_exec(struct bench *b, int argc, char **argv)
{
        struct peer p = peer_from(argc, argv);
        struct rounds r = { .ours = ours_exec, .peer = peer_exec };
        char process[512];

        if (argc < 5)
                die("BUNDLE COUNT are wanted");
        snprintf(process, sizeof(process), "%s/process.json", b->dir);
        write_file(process, "%s", SPEC);
        r.arg = process;
        r.n = atoi(argv[4]);
        create_start(b, p.name, "bench-exec", argv[3], NULL);
        peer_start(&p, argv[3], "bench-exec-peer");
        run_rounds(b, &p, &r, "exec /bin/true");
        stop_delete(b, "bench-exec");
        peer_run(&p, false, "delete", "--force", "bench-exec-peer", NULL);
}
