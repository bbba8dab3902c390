/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes seeds for fuzz-codec to a directory: for each method a request and a response with every field filled in, an
 * error, and an event as it is in the log. `make fuzz-seeds` runs it.
 */

#include "tests/fuzz/fuzz.h"

#include <fcntl.h>
#include <string.h>
#include "base/fd.h"
#include "tests/lib/fill.h"

static void seed_write(int dir, const char *kind, const char *name, unsigned what, const struct buf *b)
{
        uint8_t first = (uint8_t)what;
        _cleanup_(fd_closep) int fd = -1;
        char path[256];

        snprintf(path, sizeof(path), "%s-%s", kind, name);
        fd = openat(dir, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        FUZZ_CHECK(fd >= 0);
        FUZZ_CHECK(fd_write_all(fd, &first, 1) == 0);
        FUZZ_CHECK(fd_write_all(fd, buf_head(b), buf_len(b)) == 0);
}

static void seed_method(int dir, const struct method_desc *method)
{
        _cleanup_(arena_freep) struct arena *a = arena_new();
        _cleanup_(buf_deinit) struct buf request = BUF_NULL, response = BUF_NULL;
        struct fill fill = { .seed = 1 + (uint64_t)method->id, .full = true };
        void *params = fill_message(&fill, method->params, a), *result = fill_message(&fill, method->result, a);
        struct error err = ERROR_NULL;

        FUZZ_CHECK(params && result);
        FUZZ_CHECK(rpc_request_encode(1, method, params, &request, &err) == 0);
        FUZZ_CHECK(rpc_response_encode(1, method->result, result, &response, &err) == 0);
        seed_write(dir, "request", method->name, 0, &request);
        seed_write(dir, "response", method->name, (unsigned)method->id + 1, &response);
}

int main(int argc, char **argv)
{
        _cleanup_(arena_freep) struct arena *a = arena_new();
        _cleanup_(buf_deinit) struct buf error = BUF_NULL, event = BUF_NULL;
        struct fill fill = { .seed = 1, .full = true };
        struct error err = ERROR_NULL;
        _cleanup_(fd_closep) int dir = -1;
        unsigned n = 0;

        if (argc != 2) {
                fprintf(stderr, "usage: seeds-codec DIRECTORY\n");
                return 2;
        }
        dir = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        FUZZ_CHECK(dir >= 0);
        for (unsigned i = 0; i < METHOD_N; i++)
                seed_method(dir, &method_table[i]);
        error_set(&err, REASON_NOT_FOUND, "there is no container \"x\"");
        FUZZ_CHECK(rpc_response_encode_error(1, &err, &error) == 0);
        seed_write(dir, "response", "error", METHOD_STATE + 1, &error);
        FUZZ_CHECK(message_encode(&desc_event, fill_message(&fill, &desc_event, a), &event, &err) == 0);
        while (message_table[n] != &desc_event)
                n++;
        seed_write(dir, "message", "event", METHOD_N + 1 + n, &event);
        return 0;
}
