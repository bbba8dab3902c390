/* SPDX-License-Identifier: Apache-2.0 */

/* A container that writes to its stdout as fast as it can, beside the same program without a container. The bundle's
 * process is `busybox dd if=/dev/zero bs=64k count=16*MIB`. */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "tests/bench/bench.h"

/* Time from the first byte to the last one. */
static uint64_t drain(int fd, uint64_t want)
{
        static char buffer[65536];
        uint64_t begin = 0, got = 0;
        struct pollfd p = { .fd = fd, .events = POLLIN };

        while (got < want) {
                ssize_t n;

                if (poll(&p, 1, 60000) <= 0)
                        die("nothing comes through the FIFO");
                n = read(fd, buffer, sizeof(buffer));
                if (n < 0 && errno == EAGAIN)
                        continue;
                if (n <= 0)
                        die("the FIFO ended after %" PRIu64 " bytes", got);
                if (!begin)
                        begin = now_ns();
                got += (uint64_t)n;
        }
        return now_ns() - begin;
}

static int reader(const char *path)
{
        int fd;

        unlink(path);
        if (mkfifo(path, 0600) < 0)
                die("cannot make %s", path);
        fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0)
                die("cannot open %s", path);
        return fd;
}

void bench_fifo(struct bench *b, int argc, char **argv)
{
        struct series ours = { 0 }, bare = { 0 };
        char path[512], count[32];
        uint64_t mib;
        double o, p;

        if (argc < 5)
                die("RUNTIME BUNDLE BUSYBOX MIB COUNT are wanted");
        mib = (uint64_t)atoi(argv[3]);
        snprintf(path, sizeof(path), "%s/fifo", b->dir);
        snprintf(count, sizeof(count), "count=%" PRIu64, mib * 16);
        for (int i = 0; i < atoi(argv[4]); i++) {
                const char *dd[] = { argv[2], "dd", "if=/dev/zero", "bs=64k", count, NULL };
                int fd = reader(path);
                pid_t pid;

                create_start(b, argv[0], "bench-fifo", argv[1], path);
                series_add(&ours, drain(fd, mib << 20));
                wait_delete(b, "bench-fifo");
                close(fd);
                fd = reader(path);
                pid = run_begin(dd, path);
                series_add(&bare, drain(fd, mib << 20));
                run_end(pid, "dd", false);
                close(fd);
        }
        unlink(path);
        o = (double)mib / 1024 / ((double)series_at(&ours, 0) / 1e9);
        p = (double)mib / 1024 / ((double)series_at(&bare, 0) / 1e9);
        row_text("stdout of a container through its FIFO, best of all", "%.2f GiB/s | bare FIFO %.2f GiB/s | - | %.2f",
                 o, p, o / p);
        series_free(&ours);
        series_free(&bare);
}
