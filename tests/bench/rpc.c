/* SPDX-License-Identifier: Apache-2.0 */

/* The round trip of a call that does nothing, beside that of one byte over a socket pair with a process behind it,
 * which is what the kernel itself takes. */

#include <inttypes.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tests/bench/bench.h"

static pid_t echo_begin(int *fd)
{
        int pair[2];
        pid_t pid;
        char c;

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
                die("no socket pair");
        pid = fork();
        if (pid < 0)
                die("cannot fork");
        if (pid == 0) {
                close(pair[0]);
                while (read(pair[1], &c, 1) == 1 && write(pair[1], &c, 1) == 1)
                        ;
                _exit(0);
        }
        close(pair[1]);
        *fd = pair[0];
        return pid;
}

void bench_rpc(struct bench *b, int argc, char **argv)
{
        const struct sandboxd_list_params nothing = { .ns = "nobody" };
        struct series ours = { 0 }, bare = { 0 };
        int fd, n = argc > 0 ? atoi(argv[0]) : 10000;
        pid_t pid = echo_begin(&fd);
        uint64_t cpu = cpu_ns(b->daemon), t;
        char c = 0;

        for (int i = 0; i < n; i++) {
                t = now_ns();
                call(b, SANDBOXD_METHOD_LIST, &nothing);
                series_add(&ours, now_ns() - t);
                t = now_ns();
                if (write(fd, &c, 1) != 1 || read(fd, &c, 1) != 1)
                        die("echo failed");
                series_add(&bare, now_ns() - t);
        }
        cpu = (cpu_ns(b->daemon) - cpu) / (uint64_t)n;
        close(fd);
        waitpid(pid, NULL, 0);

        row_text("RPC round trip, p50 / p99", "%" PRIu64 " / %" PRIu64 " us | bare socket %" PRIu64 " / %" PRIu64
                 " us | %" PRIu64 " us CPU in sandboxd | %.1f", series_at(&ours, 0.5) / US, series_at(&ours, 0.99) / US,
                 series_at(&bare, 0.5) / US, series_at(&bare, 0.99) / US, cpu / US,
                 (double)series_at(&ours, 0.5) / (double)series_at(&bare, 0.5));
        series_free(&ours);
        series_free(&bare);
}
