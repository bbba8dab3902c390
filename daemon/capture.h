/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a command reads and writes, in memfds. A capture has a fixed size and is sealed against growth: a command that
 * writes without end gets EPERM. (RLIMIT_FSIZE would do the same with a signal; it would be inherited by what the
 * command leaves behind, its hooks and gofers, and hold for every file that they write.) How much was written is the
 * offset, which the child shares with us.
 */

#include <stdbool.h>
#include <stddef.h>
#include "proto/codec.h"

/* A memfd for at least max + 1 bytes of output, or -errno. */
int capture_open(const char *name, size_t max);
/* What was written so far: at most max bytes, NUL-terminated, to be freed; NULL: nothing, or no memory. */
char *capture_read(int fd, size_t max, size_t *ret_len, bool *ret_cut);
/* spec_runtime_error of the end of what was written; "" if none. */
const char *capture_last_words(int fd, struct arena *a);
/* The same for a file in a directory of ours. */
const char *capture_log_words(int dirfd, const char *name, struct arena *a);

/* A memfd that holds these bytes, at offset 0, or -errno. */
int capture_input(const void *data, size_t len);
