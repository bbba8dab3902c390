/* SPDX-License-Identifier: Apache-2.0 */
#include "client/frame.h"

#include <endian.h>
#include <string.h>

static void greeting(uint8_t ret[FRAME_GREETING], unsigned protocol)
{
        memcpy(ret, (uint8_t[FRAME_GREETING]){ 0, 'S', 'P', 0, (uint8_t)(protocol >> 8), (uint8_t)protocol, 0, 0 },
               FRAME_GREETING);
}

void frame_greet(struct buf *out, unsigned protocol)
{
        uint8_t bytes[FRAME_GREETING];

        greeting(bytes, protocol);
        buf_append(out, bytes, sizeof(bytes));
}

int frame_greeted(struct buf *in, unsigned protocol)
{
        uint8_t bytes[FRAME_GREETING];
        size_t n = buf_len(in) < FRAME_GREETING ? buf_len(in) : FRAME_GREETING;

        greeting(bytes, protocol);
        if (n > 0 && memcmp(buf_head(in), bytes, n) != 0)
                return -1;
        if (n < FRAME_GREETING)
                return 0;
        buf_consume(in, FRAME_GREETING);
        return 1;
}

void frame_append(struct buf *out, uint32_t id, const void *payload, size_t len)
{
        uint8_t head[FRAME_HEADER + FRAME_ID] = { 1 };
        uint64_t be_len = htobe64(FRAME_ID + (uint64_t)len);
        uint32_t be_id = htobe32(id);

        memcpy(head + 1, &be_len, sizeof(be_len));
        memcpy(head + FRAME_HEADER, &be_id, sizeof(be_id));
        buf_append(out, head, sizeof(head));
        buf_append(out, payload, len);
}

int frame_next(const struct buf *in, size_t max, struct frame *ret)
{
        size_t n = buf_len(in);
        const uint8_t *p;
        uint64_t len;
        uint32_t id;

        if (n == 0)
                return 0;
        p = buf_head(in);
        if (p[0] != 1)
                return -1;
        if (n < FRAME_HEADER)
                return 0;
        memcpy(&len, p + 1, sizeof(len));
        len = be64toh(len);
        if (len < FRAME_ID || len > max)
                return -1;
        if (n >= FRAME_HEADER + FRAME_ID) {
                memcpy(&id, p + FRAME_HEADER, sizeof(id));
                id = be32toh(id);
                if (!(id & FRAME_ID_BIT))
                        return -1;
                ret->id = id;
        }
        if (n - FRAME_HEADER < len)
                return 0;
        ret->payload = p + FRAME_HEADER + FRAME_ID;
        ret->len = (size_t)len - FRAME_ID;
        ret->size = FRAME_HEADER + (size_t)len;
        return 1;
}
