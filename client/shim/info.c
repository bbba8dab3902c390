/* SPDX-License-Identifier: Apache-2.0 */

/*
 * `-info`: what this runtime is, as containerd.types.RuntimeInfo. It needs no sandboxd. Standard input may have the
 * runtime's options; the runtime that they name is asked for its features, which are left out if it has no such
 * command, as crun 1.8 and runsc.
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/fd.h"
#include "client/shim/options.h"
#include "client/shim/shim.h"
#include "client/shim/stub.h"
#include "proto/shim/bootstrap.pb-c.h"

#define TYPE_FEATURES   "types.containerd.io/opencontainers/runtime-spec/1/features/Features"
#define FEATURES_MAX    (256 * 1024)
#define FEATURES_NS     (2 * NSEC_PER_SEC)
#define DEFAULT_RUNTIME "runc"

int stub_version(void)
{
        puts(FRONT_PROGRAM " " SANDBOXD_VERSION);
        return 0;
}

/* --- features --- */

/* `RUNTIME features`. Its pid, or 0; *ret: its output. */
static pid_t run_features(const char *runtime, int *ret)
{
        const char *const argv[] = { runtime, "features", NULL };
        posix_spawn_file_actions_t actions;
        pid_t pid = 0;
        int out[2];

        if (pipe2(out, O_CLOEXEC) < 0)
                return 0;
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
        if (posix_spawnp(&pid, runtime, &actions, NULL, (char *const *)argv, environ) != 0)
                pid = 0;
        posix_spawn_file_actions_destroy(&actions);
        fd_close(out[1]);
        *ret = out[0];
        return pid;
}

/* Until its end. 0, or -1: it took too long, or has too much to say. */
static int read_features(int fd, struct buf *ret)
{
        uint64_t end = clock_monotonic_ns() + FEATURES_NS, now;

        ret->max = FEATURES_MAX;
        while ((now = clock_monotonic_ns()) < end) {
                struct pollfd p = { .fd = fd, .events = POLLIN };
                uint8_t *room = buf_reserve(ret, 4096);
                ssize_t n;

                if (!room || poll(&p, 1, (int)((end - now) / NSEC_PER_MSEC) + 1) <= 0)
                        return -1;
                n = read(fd, room, 4096);
                if (n <= 0)
                        return (int)n;
                buf_commit(ret, (size_t)n);
        }
        return -1;
}

static bool looks_like_json(const struct buf *b)
{
        return buf_len(b) > 1 && buf_head(b)[0] == '{';
}

/* Leaves *ret empty if there are none. */
static void get_features(const char *runtime, struct buf *ret)
{
        _cleanup_(fd_closep) int fd = -1;
        pid_t pid = run_features(runtime, &fd);
        int status = -1, r;

        if (!pid)
                return;
        r = read_features(fd, ret);
        if (r < 0)
                kill(pid, SIGKILL);
        if (waitpid(pid, &status, 0) != pid || status != 0 || r < 0 || !looks_like_json(ret))
                buf_deinit(ret);
}

/* --- the answer --- */

static const char *runtime_of(const Shim__Any *options, struct arena *a)
{
        struct create_params params = { 0 };
        struct error err = ERROR_NULL;

        if (options_apply(options, &params, a, &err) < 0)
                return DEFAULT_RUNTIME; /* Create will say what is wrong with them */
        if (params.binary[0])
                return params.binary;
        return params.runtime[0] ? params.runtime : DEFAULT_RUNTIME;
}

static int print_info(Shim__Any *options, const struct buf *features)
{
        Shim__RuntimeInfo info = SHIM__RUNTIME_INFO__INIT;
        Shim__RuntimeVersion version = SHIM__RUNTIME_VERSION__INIT;
        Shim__Any any = SHIM__ANY__INIT;
        _cleanup_(freep) uint8_t *bytes = NULL;

        version.version = (char *)SANDBOXD_VERSION;
        info.name = (char *)"io.containerd.sandboxd.v1";
        info.version = &version;
        info.options = options;
        if (buf_len(features) > 0) {
                any.type_url = (char *)TYPE_FEATURES;
                any.value = (ProtobufCBinaryData){ .len = buf_len(features), .data = (uint8_t *)buf_head(features) };
                info.features = &any;
        }
        bytes = malloc(shim__runtime_info__get_packed_size(&info));
        if (!bytes)
                return stub_fail("no memory");
        return fd_write_all(STDOUT_FILENO, bytes, shim__runtime_info__pack(&info, bytes)) == 0 ? 0 : 1;
}

int stub_info(void)
{
        _cleanup_(buf_deinit) struct buf in = BUF_NULL, features = BUF_NULL;
        _cleanup_(arena_freep) struct arena *a = arena_new();
        Shim__Any *options;
        int r = stub_read_stdin(&in);

        if (r < 0 || !a)
                return stub_fail("cannot read standard input: %s", strerrordesc_np(r < 0 ? -r : ENOMEM));
        options = buf_len(&in) ? shim__any__unpack(NULL, buf_len(&in), buf_head(&in)) : NULL;
        get_features(runtime_of(options, a), &features);
        r = print_info(options, &features);
        shim__any__free_unpacked(options, NULL);
        return r;
}
