/* SPDX-License-Identifier: Apache-2.0 */

/*
 * sandboxd-mount ROOTFS: mounts what standard input lists: NUL-terminated fields, four for each mount (type, source,
 * target, options), since options can be longer than an argument may be. A program of its own: loading libmount takes
 * longer than all that sandboxd-helper does.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/buf.h"
#include "daemon/helper/helper.h"

static int read_input(struct buf *input, struct error *err)
{
        input->max = HELPER_INPUT_MAX;
        for (;;) {
                uint8_t *room = buf_reserve(input, 65536);
                ssize_t n;

                if (!room)
                        return error_set(err, HELPER_FAILED, "the list of mounts on standard input is over %u bytes",
                                         HELPER_INPUT_MAX);
                n = read(STDIN_FILENO, room, 65536);
                if (n == 0)
                        return 0;
                if (n < 0 && errno != EINTR)
                        return error_set_errno(err, HELPER_FAILED, errno,
                                               "read the list of mounts from standard input");
                if (n > 0)
                        buf_commit(input, (size_t)n);
        }
}

static int run_mount(const char *rootfs, struct error *err)
{
        _cleanup_(buf_deinit) struct buf input = BUF_NULL;
        _cleanup_(freep) struct helper_mount *mounts = NULL;
        const char *p, *end;
        size_t n = 0;

        if (read_input(&input, err) < 0)
                return -1;
        p = (const char *)buf_head(&input);
        end = p + buf_len(&input);
        if (p < end && end[-1] != '\0')
                return error_set(err, HELPER_FAILED, "the list of mounts does not end in NUL: it is cut");
        mounts = calloc(HELPER_MOUNTS_MAX, sizeof(*mounts));
        if (!mounts)
                return error_set_errno(err, HELPER_FAILED, ENOMEM, "read the list of mounts");
        while (p < end) {
                const char *fields[4];

                for (size_t i = 0; i < 4; i++) {
                        if (p >= end)
                                return error_set(err, HELPER_FAILED, "mount %zu of the list has %zu of its 4 fields",
                                                 n + 1, i);
                        fields[i] = p;
                        p += strlen(p) + 1;
                }
                if (n == HELPER_MOUNTS_MAX)
                        return error_set(err, HELPER_FAILED, "more than %d mounts", HELPER_MOUNTS_MAX);
                mounts[n++] = (struct helper_mount){ fields[0], fields[1], fields[2], fields[3] };
        }
        return helper_mount(rootfs, mounts, n, err);
}

int main(int argc, char **argv)
{
        struct error err = ERROR_NULL;

        if (argc != 2) {
                fprintf(stderr, "usage: sandboxd-mount ROOTFS\n");
                return EXIT_FAILURE;
        }
        if (run_mount(argv[1], &err) == 0)
                return EXIT_SUCCESS;
        fprintf(stderr, "%s\n", err.message);
        return EXIT_FAILURE;
}
