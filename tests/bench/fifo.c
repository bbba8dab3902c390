/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A container that writes to its stdout as fast as it can: ours, one of the bare runtime, and the same program without
 * a container. Only the last one's pages are charged to no cgroup. The bundle's process is
 * `busybox dd if=/dev/zero bs=64k count=16*MIB`.
 */

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

/* Stdout of a create is the container's. */
static void peer_container(const struct peer *p, const char *bundle, const char *path)
{
        const char *create[16] = { p->path }, *tail[] = { "create", "--bundle", bundle, "bench-fifo" };
        size_t n = 1;

        for (size_t i = 0; p->options[i]; i++)
                create[n++] = p->options[i];
        for (size_t i = 0; i < 4; i++)
                create[n++] = tail[i];
        run_end(run_begin(create, path), p->path, false);
        peer_run(p, false, "start", "bench-fifo", NULL);
}

static double rate(struct series *s, uint64_t mib)
{
        return (double)mib / 1024 / ((double)series_at(s, 0) / 1e9);
}

void bench_fifo(struct bench *b, int argc, char **argv)
{
        struct peer p = peer_from(argc, argv);
        struct series ours = { 0 }, container = { 0 }, bare = { 0 };
        char path[512], count[32];
        uint64_t mib;

        if (argc < 7)
                die("BUNDLE BUSYBOX MIB COUNT are wanted");
        mib = (uint64_t)atoi(argv[5]);
        snprintf(path, sizeof(path), "%s/fifo", b->dir);
        snprintf(count, sizeof(count), "count=%" PRIu64, mib * 16);
        for (int i = 0; i < atoi(argv[6]); i++) {
                const char *dd[] = { argv[4], "dd", "if=/dev/zero", "bs=64k", count, NULL };
                int fd = reader(path);
                pid_t pid;

                create_start(b, p.name, "bench-fifo", argv[3], path);
                series_add(&ours, drain(fd, mib << 20));
                wait_delete(b, "bench-fifo");
                close(fd);
                fd = reader(path);
                peer_container(&p, argv[3], path);
                series_add(&container, drain(fd, mib << 20));
                peer_run(&p, false, "delete", "--force", "bench-fifo", NULL);
                close(fd);
                fd = reader(path);
                pid = run_begin(dd, path);
                series_add(&bare, drain(fd, mib << 20));
                run_end(pid, "dd", false);
                close(fd);
        }
        unlink(path);
        row_text("stdout through a FIFO, best of all",
                 "%.2f GiB/s | the runtime's own container %.2f GiB/s; no container %.2f GiB/s | - | %.2f; %.2f",
                 rate(&ours, mib), rate(&container, mib), rate(&bare, mib), rate(&ours, mib) / rate(&container, mib),
                 rate(&ours, mib) / rate(&bare, mib));
        series_free(&ours);
        series_free(&container);
        series_free(&bare);
}
