/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The error object: a reason and a sentence, by value, in the caller's frame: no allocation on error paths.
 *
 * Functions that can fail for a reason that a user should read take `struct error *err` as their last argument, return
 * 0 on success and -1 on failure, and touch *err only on failure. Functions in base/ that wrap system calls return 0
 * (or a count) and a negative errno. The reason is one of enum reason of proto/errors.h; base/ does not interpret it.
 * A sentence says what was wanted, what was found and, where it is known, what to do.
 */

#include <stdbool.h>
#include "base/cleanup.h"

#define ERROR_MESSAGE_MAX 1024 /* bytes, with the final NUL; longer messages are cut and end in "..." */

struct error {
        int reason; /* 0: no error */
        char message[ERROR_MESSAGE_MAX];
};

#define ERROR_NULL { 0 }

/* Fills *err and returns -1, so that a caller can write `return error_set(err, REASON_X, "...")`. err may be NULL. */
int error_set(struct error *err, int reason, const char *fmt, ...) _printf_(3, 4);

/* Like error_set, and appends ": " and the text of errno value errnum (positive or negative). */
int error_set_errno(struct error *err, int reason, int errnum, const char *fmt, ...) _printf_(4, 5);

/* Puts "prefix: " before the message that is there; keeps the reason. Returns -1. */
int error_wrap(struct error *err, const char *fmt, ...) _printf_(2, 3);

/* Copies *src to *dst (either may be NULL); returns -1. */
int error_copy(struct error *dst, const struct error *src);

static inline bool error_is_set(const struct error *err)
{
        return err->reason != 0;
}
