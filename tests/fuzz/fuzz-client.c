/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as what a server sends: the client tells each call at most once, and forgets none. The first byte chooses:
 * bit 0, whether the greeting is sent before; the rest, where the bytes are cut in two.
 */
#include "tests/fuzz/fuzz.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/fd.h"
#include "client/client.h"
#include "client/frame.h"
#include "proto/proto.h"

static char path[64];

static void remove_socket(void)
{
        unlink(path);
}

static int listener(void)
{
        static int fd = -1;

        if (fd >= 0)
                return fd;
        snprintf(path, sizeof(path), "/tmp/sandboxd-fuzz-%d", (int)getpid());
        atexit(remove_socket);
        fd = fd_listen_unix(path, 0600, 16);
        FUZZ_CHECK(fd >= 0);
        return fd;
}

/* Whole and cut in two, the same frames come out. */
static void check_frames(const uint8_t *data, size_t size, size_t cut)
{
        _cleanup_(buf_deinit) struct buf whole = BUF_NULL, parts = BUF_NULL;
        struct frame a, b;
        int ra, rb;

        buf_append(&whole, data, size);
        buf_append(&parts, data, cut);
        if (frame_next(&parts, 1 << 20, &b) < 0)
                FUZZ_CHECK(frame_next(&whole, 1 << 20, &a) < 0);
        buf_append(&parts, data + cut, size - cut);
        do {
                ra = frame_next(&whole, 1 << 20, &a);
                rb = frame_next(&parts, 1 << 20, &b);
                FUZZ_CHECK(ra == rb);
                if (ra <= 0)
                        break;
                FUZZ_CHECK(a.id == b.id && a.len == b.len && a.size == a.len + FRAME_HEADER + FRAME_ID &&
                           a.size <= buf_len(&whole));
                FUZZ_CHECK(memcmp(a.payload, b.payload, a.len) == 0);
                buf_consume(&whole, a.size);
                buf_consume(&parts, b.size);
        } while (ra > 0);
}

struct outcome {
        unsigned n;
};

static void on_reply(void *data, struct sandboxd_reply *reply)
{
        struct outcome *o = data;

        o->n++;
        FUZZ_CHECK(reply->message && (reply->reason == 0) == (reply->result != NULL));
        FUZZ_CHECK(reply->reason == 0 || reply->message[0]);
}

static void take_all(struct sandboxd_client *c)
{
        struct pollfd p = { .fd = sandboxd_client_fd(c), .events = POLLIN };

        while (p.fd >= 0 && poll(&p, 1, 0) > 0) {
                sandboxd_client_process(c, p.revents);
                p.fd = sandboxd_client_fd(c);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const uint8_t greeting[] = { 0, 'S', 'P', 0, 0, FRAME_PROTOCOL_REP, 0, 0 };
        struct outcome o[3] = { 0 };
        struct target target = { .id = "x" };
        struct sandboxd_client *c;
        int listen_fd = listener(), fd;
        size_t cut;

        if (size < 2 || size > 65536)
                return 0;
        cut = (size_t)(data[0] >> 1) % size;
        check_frames(data + 1, size - 1, cut < size - 1 ? cut : size - 1);

        c = sandboxd_client_new(path);
        FUZZ_CHECK(c);
        sandboxd_client_set_patience(c, 0);
        FUZZ_CHECK(sandboxd_submit(c, METHOD_STATE, &target, -1, on_reply, &o[0]));
        FUZZ_CHECK(sandboxd_submit(c, METHOD_LIST, NULL, -1, on_reply, &o[1]));
        FUZZ_CHECK(sandboxd_submit(c, METHOD_EVENTS_READ, NULL, -1, on_reply, &o[2]));
        sandboxd_client_process(c, 0);
        fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
        FUZZ_CHECK(fd >= 0);
        if (data[0] & 1)
                send(fd, greeting, sizeof(greeting), MSG_NOSIGNAL);
        send(fd, data + 1, cut < size - 1 ? cut : size - 1, MSG_NOSIGNAL);
        take_all(c);
        if (cut < size - 1)
                send(fd, data + 1 + cut, size - 1 - cut, MSG_NOSIGNAL | MSG_DONTWAIT);
        take_all(c);
        close(fd);
        take_all(c);
        FUZZ_CHECK(sandboxd_client_fd(c) < 0);
        FUZZ_CHECK(o[0].n <= 1 && o[1].n <= 1 && o[2].n <= 1);
        FUZZ_CHECK(o[0].n + o[1].n + o[2].n + sandboxd_client_open_calls(c) == 3);
        sandboxd_client_free(c);
        while ((fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC)) >= 0)
                close(fd);
        return 0;
}
