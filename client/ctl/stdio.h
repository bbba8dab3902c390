/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The FIFOs between sandboxctl and a process, in a directory of mode 0700. As containerd does: the reading ends are
 * open before the daemon is asked for the process, so that nothing it writes is lost; the writing end of stdin after
 * it, when there is a reader.
 */

#include <limits.h>
#include <stdbool.h>
#include "base/error.h"

struct stdio {
        char dir[PATH_MAX];                                  /* "": no FIFOs */
        char in_path[PATH_MAX], out_path[PATH_MAX], err_path[PATH_MAX]; /* "": none */
        int in_fd, out_fd, err_fd;
        bool ours; /* the FIFOs and the directory are removed in the end */
};
#define STDIO_NULL { .in_fd = -1, .out_fd = -1, .err_fd = -1 }

/* Makes dir and the FIFOs in it, and opens out and err. With a terminal there is no err. */
int stdio_make(struct stdio *s, const char *dir, bool in, bool terminal, struct error *err);
/* Uses FIFOs that are there (for attach); an empty or strange path is left out. */
int stdio_use(struct stdio *s, const char *in, const char *out, const char *err_path, struct error *err);
/* After create or exec. A process that has gone already, or a daemon without a reader, is no error: then in_fd stays
 * -1. */
void stdio_open_in(struct stdio *s);
void stdio_deinit(struct stdio *s);
static inline _unused_ void stdio_deinitp(struct stdio *s)
{
        stdio_deinit(s);
}
int stdio_open_out(const char *path); /* for reading; the descriptor or -errno */
