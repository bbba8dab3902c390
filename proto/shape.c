/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A value begins with a byte that tells its kind and, after it, a big-endian number of 0 to 8 bytes: the value itself,
 * the bytes that follow, or the elements that follow. Each element takes at least one byte, so a claim of more elements
 * than there are bytes is refused at once, and what passes is as large as it says.
 */

#include "proto/shape.h"

#include <inttypes.h>
#include <stdbool.h>
#include "proto/proto.h"

enum shape_kind { SHAPE_BAD, SHAPE_EXT, SHAPE_UINT, SHAPE_PLAIN, SHAPE_BYTES, SHAPE_ARRAY, SHAPE_MAP };

struct shape {
        enum shape_kind kind;
        uint64_t value; /* the number, the bytes or the elements that follow */
        size_t size;    /* bytes of the value without its elements */
};

/* 0xc0 to 0xdf: kind and bytes of the number. */
static const struct {
        uint8_t kind, width;
} heads[32] = {
        [0x00] = { SHAPE_PLAIN, 0 },                                                           /* nil */
        [0x01] = { SHAPE_BAD, 0 },                                                             /* never used */
        [0x02] = { SHAPE_PLAIN, 0 },                                                           /* false */
        [0x03] = { SHAPE_PLAIN, 0 },                                                           /* true */
        [0x04] = { SHAPE_BYTES, 1 }, [0x05] = { SHAPE_BYTES, 2 }, [0x06] = { SHAPE_BYTES, 4 }, /* bin */
        [0x07] = { SHAPE_EXT, 0 },   [0x08] = { SHAPE_EXT, 0 },   [0x09] = { SHAPE_EXT, 0 },
        [0x0a] = { SHAPE_PLAIN, 4 }, [0x0b] = { SHAPE_PLAIN, 8 }, /* float */
        [0x0c] = { SHAPE_UINT, 1 },  [0x0d] = { SHAPE_UINT, 2 },  [0x0e] = { SHAPE_UINT, 4 },
        [0x0f] = { SHAPE_UINT, 8 },  [0x10] = { SHAPE_PLAIN, 1 }, [0x11] = { SHAPE_PLAIN, 2 },
        [0x12] = { SHAPE_PLAIN, 4 }, [0x13] = { SHAPE_PLAIN, 8 }, [0x14] = { SHAPE_EXT, 0 },
        [0x15] = { SHAPE_EXT, 0 },   [0x16] = { SHAPE_EXT, 0 },   [0x17] = { SHAPE_EXT, 0 },
        [0x18] = { SHAPE_EXT, 0 },   [0x19] = { SHAPE_BYTES, 1 }, [0x1a] = { SHAPE_BYTES, 2 },
        [0x1b] = { SHAPE_BYTES, 4 }, /* str */
        [0x1c] = { SHAPE_ARRAY, 2 }, [0x1d] = { SHAPE_ARRAY, 4 }, [0x1e] = { SHAPE_MAP, 2 },
        [0x1f] = { SHAPE_MAP, 4 },
};

/* Reads the head at p; false if the bytes end inside of the value (its elements aside). */
static bool shape_read(const uint8_t *p, size_t left, struct shape *ret)
{
        uint64_t value = 0;
        uint8_t head;

        if (left == 0)
                return false;
        head = p[0];
        if (head < 0xc0) {
                if (head < 0x80)
                        *ret = (struct shape){ SHAPE_UINT, head, 1 };
                else if (head < 0xa0)
                        *ret = (struct shape){ head < 0x90 ? SHAPE_MAP : SHAPE_ARRAY, head & 0x0f, 1 };
                else
                        *ret = (struct shape){ SHAPE_BYTES, head & 0x1f, 1 };
        } else if (head >= 0xe0) {
                *ret = (struct shape){ SHAPE_PLAIN, 0, 1 };
        } else {
                size_t width = heads[head - 0xc0].width;

                if (left < 1 + width)
                        return false;
                for (size_t i = 1; i <= width; i++)
                        value = value << 8 | p[i];
                *ret = (struct shape){ heads[head - 0xc0].kind, value, 1 + width };
        }
        if (ret->kind == SHAPE_BYTES) {
                if (ret->value > left - ret->size)
                        return false;
                ret->size += ret->value;
        }
        return true;
}

int shape_check(const void *data, size_t len, size_t max_values, struct error *err)
{
        uint64_t todo[LIMIT_DEPTH]; /* elements yet to come, per level */
        size_t depth = 0, pos = 0, values = 0;

        do {
                const uint8_t *p = (const uint8_t *)data + pos;
                struct shape s;

                if (!shape_read(p, len - pos, &s))
                        return error_set(err, REASON_MALFORMED, "the message ends at byte %zu, inside of a value", len);
                if (s.kind == SHAPE_BAD || s.kind == SHAPE_EXT)
                        return error_set(err, REASON_MALFORMED, "byte 0x%02x at %zu is not a type of this protocol", *p,
                                         pos);
                if (++values > max_values && max_values > 0)
                        return error_set(err, REASON_TOO_LARGE, "the message holds more than %zu values", max_values);
                pos += s.size;
                if (depth > 0)
                        todo[depth - 1]--;
                if (s.kind == SHAPE_ARRAY || s.kind == SHAPE_MAP) {
                        uint64_t n = s.kind == SHAPE_MAP ? 2 * s.value : s.value;

                        if (n > len - pos)
                                return error_set(err, REASON_MALFORMED,
                                                 "a list or map claims %" PRIu64 " values, but only %zu bytes follow",
                                                 n, len - pos);
                        if (depth == LIMIT_DEPTH)
                                return error_set(err, REASON_MALFORMED, "lists and maps are nested deeper than %d",
                                                 LIMIT_DEPTH);
                        todo[depth++] = n;
                }
                while (depth > 0 && todo[depth - 1] == 0)
                        depth--;
        } while (depth > 0);
        if (pos != len)
                return error_set(err, REASON_MALFORMED, "%zu bytes follow the end of the message", len - pos);
        return 0;
}

int shape_peek(const void *data, size_t len, uint32_t *ret_type, uint32_t *ret_id)
{
        uint32_t *ret[2] = { ret_type, ret_id };
        const uint8_t *p = data;
        struct shape s;

        if (!shape_read(p, len, &s) || s.kind != SHAPE_ARRAY || s.value != 4)
                return -1;
        for (size_t i = 0, pos = s.size; i < 2; i++, pos += s.size) {
                if (!shape_read(p + pos, len - pos, &s) || s.kind != SHAPE_UINT || s.value > UINT32_MAX)
                        return -1;
                *ret[i] = (uint32_t)s.value;
        }
        return 0;
}
