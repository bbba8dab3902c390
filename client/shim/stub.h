/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What `start` and `delete` share: where sandboxd is, and who the caller is to it. */

#include <limits.h>
#include "base/buf.h"
#include "client/client.h"
#include "client/shim/args.h"
#include "proto/front.h"

struct stub {
        char socket[PATH_MAX], root[PATH_MAX]; /* sandboxd's */
        char owner[OWNER_NAME_MAX];
        const char *bundle; /* "." if it was not given: containerd executes us there */
        const char *ns, *id;
        struct sandboxd_client *client;
};

/* Says on standard error what is wrong, and returns -1. */
int stub_init(struct stub *s, const struct shim_args *args);
void stub_deinit(struct stub *s);

/* The name of the containerd whose gRPC socket this is, with or without "unix://". */
void stub_owner(char name[OWNER_NAME_MAX], const char *address);
/* An address without "unix://". */
const char *stub_path(const char *address);

/* All of standard input; nothing from a terminal. 0 or -errno. */
int stub_read_stdin(struct buf *in);
/* "containerd-shim-sandboxd-v1: ..." to standard error. Returns 1, the exit status. */
int stub_fail(const char *fmt, ...) _printf_(1, 2);
