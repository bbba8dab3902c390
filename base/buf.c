/* SPDX-License-Identifier: Apache-2.0 */

/*
 * 0 <= start <= end <= size; the bytes of the queue are [start, end). Room is won first by moving the bytes to the
 * front, and only if that is not enough by doubling, so that a queue that is drained as fast as it fills stays small.
 */

#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUF_FIRST 256

void buf_deinit(struct buf *b)
{
        size_t max = b->max;

        free(b->data);
        *b = BUF_NULL;
        b->max = max;
}

static bool grow(struct buf *b, size_t need)
{
        size_t size = b->size ? b->size : BUF_FIRST;
        uint8_t *data;

        while (size < need) {
                if (size > SIZE_MAX / 2)
                        return false;
                size *= 2;
        }
        data = realloc(b->data, size);
        if (!data)
                return false;
        b->data = data;
        b->size = size;
        return true;
}

uint8_t *buf_reserve(struct buf *b, size_t n)
{
        size_t len = buf_len(b);

        if (b->failed)
                return NULL;
        if (n > SIZE_MAX - len || (b->max && len + n > b->max)) {
                b->failed = true;
                return NULL;
        }
        if (b->data && n <= b->size - b->end)
                return b->data + b->end;
        if (b->start) {
                memmove(b->data, b->data + b->start, len);
                b->start = 0;
                b->end = len;
        }
        if ((!b->data || n > b->size - b->end) && !grow(b, len + n)) {
                b->failed = true;
                return NULL;
        }
        return b->data + b->end;
}

void buf_commit(struct buf *b, size_t n)
{
        b->end += n;
}

void buf_append(struct buf *b, const void *data, size_t n)
{
        uint8_t *room = buf_reserve(b, n);

        if (!room || n == 0)
                return;
        memcpy(room, data, n);
        buf_commit(b, n);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
        va_list ap;
        uint8_t *room;
        int n;

        va_start(ap, fmt);
        n = vsnprintf(NULL, 0, fmt, ap);
        va_end(ap);
        if (n < 0) {
                b->failed = true;
                return;
        }
        room = buf_reserve(b, (size_t)n + 1);
        if (!room)
                return;
        va_start(ap, fmt);
        vsnprintf((char *)room, (size_t)n + 1, fmt, ap);
        va_end(ap);
        buf_commit(b, (size_t)n); /* the NUL stays behind the end */
}

void buf_consume(struct buf *b, size_t n)
{
        b->start += n;
        if (b->start == b->end)
                b->start = b->end = 0;
}
