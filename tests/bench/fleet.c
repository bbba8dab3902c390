/* SPDX-License-Identifier: Apache-2.0 */

/* Many idle containers: to start and to stop them, what they cost while nothing happens, and how soon they are all
 * known again after the daemon was killed. Bundles are BUNDLES/b0 to bN, containers bench-0 to bench-N. */

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "tests/bench/bench.h"

static void fleet_one(struct bench *b, const struct peer *p, const char *bundles, int i, bool start, bool ours)
{
        char id[64], bundle[512];

        snprintf(id, sizeof(id), "bench-%d", i);
        snprintf(bundle, sizeof(bundle), "%s/b%d", bundles, i);
        if (ours && start) {
                create_start(b, p->name, id, bundle, NULL);
        } else if (ours) {
                stop_delete(b, id);
        } else if (start) {
                peer_run(p, false, "create", "--bundle", bundle, id, NULL);
                peer_run(p, false, "start", id, NULL);
        } else {
                peer_run(p, false, "delete", "--force", id, NULL);
        }
}

void bench_fleet(struct bench *b, int argc, char **argv)
{
        struct peer p;

        if (argc < 8)
                die("start|stop RUNTIME PATH ROOT BUNDLES FIRST LAST ours|peer are wanted");
        p = peer_from(argc - 1, argv + 1);
        for (int i = atoi(argv[5]); i <= atoi(argv[6]); i++)
                fleet_one(b, &p, argv[4], i, strcmp(argv[0], "start") == 0, strcmp(argv[7], "ours") == 0);
}

/* --- idle --- */

static uint64_t rounds(struct bench *b)
{
        call(b, SANDBOXD_METHOD_INFO, NULL);
        return ((const struct sandboxd_info_result *)b->reply.result)->loop_rounds;
}

void bench_idle(struct bench *b, int argc, char **argv)
{
        unsigned seconds = argc > 0 ? (unsigned)atoi(argv[0]) : 30;
        pid_t keeper = argc > 1 ? (pid_t)atoi(argv[1]) : 0;
        uint64_t own, r, w, c;

        /* what our own question costs is not the daemon's idling */
        rounds(b);
        nap_ms(1000);
        own = rounds(b);
        own = rounds(b) - own;
        nap_ms(1000);
        r = rounds(b);
        nap_ms(1000);
        w = wakeups(b->daemon) + (keeper ? wakeups(keeper) : 0);
        c = cpu_ns(b->daemon) + (keeper ? cpu_ns(keeper) : 0);
        nap_ms(seconds * 1000);
        w = wakeups(b->daemon) + (keeper ? wakeups(keeper) : 0) - w;
        c = cpu_ns(b->daemon) + (keeper ? cpu_ns(keeper) : 0) - c;
        r = rounds(b) - r - own;
        row_text("idle wake-ups, all threads of daemon and keeper",
                 "%" PRIu64 " in %u s (%" PRIu64 " rounds of the loop) | - | - | -", w, seconds, r);
        row_text("idle CPU, daemon and keeper", "%.3f ms in %u s | - | - | -", (double)c / (double)MS, seconds);
}

/* --- adopt --- */

/* The library waits up to 100 ms between its tries to connect; we want to know when the socket is there. */
static void wait_socket(const char *path)
{
        struct sockaddr_un addr = { .sun_family = AF_UNIX };

        snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
        for (;;) {
                int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

                if (fd < 0)
                        die("no socket");
                if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0) {
                        close(fd);
                        return;
                }
                close(fd);
                usleep(200);
        }
}

/* What is its own of the memory that it has, and its share of what it has with others. */
static unsigned long pss_kib(pid_t pid)
{
        unsigned long kib = 0;
        char line[256];
        FILE *f;

        snprintf(line, sizeof(line), "/proc/%d/smaps_rollup", (int)pid);
        f = fopen(line, "re");
        while (f && fgets(line, sizeof(line), f))
                if (sscanf(line, "Pss: %lu", &kib) == 1)
                        break;
        if (f)
                fclose(f);
        return kib;
}

static void after_adoption(struct bench *b, pid_t keeper, int n)
{
        const struct sandboxd_owner_attach_params owner = { .owner = "c0123456789abcdef", .ns = "bench",
                                                                .ttrpc_address = "/nonexistent/ttrpc" };
        const struct sandboxd_owner_attach_result *front;
        const struct sandboxd_info_result *info;

        call(b, SANDBOXD_METHOD_INFO, NULL);
        info = b->reply.result;
        row_text("the longest that its loop was held up meanwhile", "%.1f ms | - | - | -",
                 (double)info->loop_stall_max_ns / (double)MS);
        b->daemon = (pid_t)info->pid;
        call(b, SANDBOXD_METHOD_OWNER_ATTACH, &owner);
        front = b->reply.result;
        row_text("memory (Pss) of sandboxd, its keeper and a front", "%lu, %lu, %lu KiB with %d containers | - | - | -",
                 pss_kib(b->daemon), pss_kib(keeper), pss_kib((pid_t)front->pid), n);
}

void bench_adopt(struct bench *b, int argc, char **argv)
{
        int n = argc > 0 ? atoi(argv[0]) : 300;
        pid_t keeper = argc > 1 ? (pid_t)atoi(argv[1]) : 0;
        uint64_t t, first, all;

        sandboxd_reply_clear(&b->reply);
        b->client = sandboxd_client_free(b->client);
        t = now_ns();
        if (kill(b->daemon, SIGKILL) < 0)
                die("cannot kill the daemon");
        /* the dead one's socket refuses at once, so what answers is the next one */
        while (kill(b->daemon, 0) == 0)
                usleep(100);
        wait_socket(b->socket);
        b->client = sandboxd_client_new(b->socket);
        call(b, SANDBOXD_METHOD_INFO, NULL);
        first = now_ns() - t;
        for (int i = 0; i < n; i++) {
                char id[64];
                struct sandboxd_target target = { .id = id };
                const struct sandboxd_state_result *state;

                snprintf(id, sizeof(id), "bench-%d", i);
                call(b, SANDBOXD_METHOD_STATE, &target);
                state = b->reply.result;
                if (strcmp(state->process->status, "running") != 0)
                        die("%s is %s after the restart", id, state->process->status);
        }
        all = now_ns() - t;
        row_text("kill -9 of sandboxd until it answers again, and has told the state of each",
                 "%.1f ms, %.1f ms for %d | - | - | -", (double)first / (double)MS, (double)all / (double)MS, n);
        after_adoption(b, keeper, n);
}

/* --- stats --- */

/* Of all of them: one call (as many answers as it takes) beside a call for each, and beside the runtime's command for
 * each, which is given sandboxd's own state directory and so tells of the same containers. */
static size_t stats_all(struct bench *b)
{
        struct sandboxd_stats_all_params params = { .all_owners = true };
        char after[512] = "";
        size_t n = 0;

        do {
                const struct sandboxd_stats_all_result *page;

                params.after = after;
                call(b, SANDBOXD_METHOD_STATS_ALL, &params);
                page = b->reply.result;
                n += page->containers.n;
                snprintf(after, sizeof(after), "%s", page->next);
        } while (*after);
        return n;
}

void bench_stats(struct bench *b, int argc, char **argv)
{
        struct series pass = { 0 }, single = { 0 }, runtime = { 0 };
        struct peer p = peer_from(argc, argv);
        int n = argc > 4 ? atoi(argv[3]) : 0, turns = argc > 4 ? atoi(argv[4]) : 0;
        char text[128];
        uint64_t cpu = 0, t;

        for (int turn = 0; turn < turns; turn++) {
                cpu -= cpu_ns(b->daemon);
                t = now_ns();
                if (stats_all(b) < (size_t)n)
                        die("stats.all does not tell of all %d containers", n);
                series_add(&pass, now_ns() - t);
                cpu += cpu_ns(b->daemon);
                t = now_ns();
                for (int i = 0; i < n; i++) {
                        char id[64];
                        struct sandboxd_target target = { .id = id };

                        snprintf(id, sizeof(id), "bench-%d", i);
                        call(b, SANDBOXD_METHOD_STATS, &target);
                }
                series_add(&single, now_ns() - t);
                t = now_ns();
                for (int i = 0; turn == 0 && i < n; i++) {
                        char id[64];

                        snprintf(id, sizeof(id), "bench-%d", i);
                        peer_run(&p, false, "events", "--stats", id, NULL);
                }
                if (turn == 0)
                        series_add(&runtime, now_ns() - t);
        }
        snprintf(text, sizeof(text), "stats of %d in one pass (CPU: %" PRIu64 " us each); peer: %d calls of stats", n,
                 n && turns ? cpu / US / (uint64_t)n / (uint64_t)turns : 0, n);
        row_pair(text, &pass, &single);
        snprintf(text, sizeof(text), "stats of %d in one pass; peer: %d times %s events --stats", n, n, p.name);
        row_pair(text, &pass, &runtime);
        series_free(&pass);
        series_free(&single);
        series_free(&runtime);
}
