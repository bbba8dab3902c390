/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A growable byte queue: bytes are appended at the end and consumed from the front. Failure to grow is sticky: after it
 * `failed` is true and appends do nothing, so that a writer checks once.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/cleanup.h"

struct buf {
        uint8_t *data; /* start of the allocation */
        size_t start, end, size;
        size_t max; /* 0: no limit */
        bool failed;
};
#define BUF_NULL ((struct buf){ 0 })

void buf_deinit(struct buf *b); /* frees and resets to BUF_NULL (keeping max) */
static inline _unused_ const uint8_t *buf_head(const struct buf *b)
{
        return b->data + b->start;
}
static inline _unused_ size_t buf_len(const struct buf *b)
{
        return b->end - b->start;
}
/* Room for at least n bytes at the end; NULL on failure. buf_commit() makes them part of the queue. */
uint8_t *buf_reserve(struct buf *b, size_t n);
void buf_commit(struct buf *b, size_t n);
void buf_append(struct buf *b, const void *data, size_t n);
void buf_printf(struct buf *b, const char *fmt, ...) _printf_(2, 3);
void buf_consume(struct buf *b, size_t n);
