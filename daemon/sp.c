/* SPDX-License-Identifier: Apache-2.0 */

/* Pure functions over bytes. */

#include "daemon/sp.h"

#include <errno.h>
#include <string.h>

#define TYPE_MESSAGE 1

const uint8_t sp_greeting_rep[SP_GREETING] = { 0, 'S', 'P', 0, 0, 0x31, 0, 0 };

bool sp_greeting_is_req(const uint8_t greeting[SP_GREETING])
{
        static const uint8_t req[SP_GREETING] = { 0, 'S', 'P', 0, 0, 0x30, 0, 0 };

        return memcmp(greeting, req, SP_GREETING) == 0;
}

int sp_head_read(const uint8_t head[SP_HEAD], uint64_t *ret_len)
{
        uint64_t len = 0;

        if (head[0] != TYPE_MESSAGE)
                return -EPROTO;
        for (int i = 1; i < SP_HEAD; i++)
                len = len << 8 | head[i];
        *ret_len = len;
        return 0;
}

void sp_head_write(uint8_t head[SP_HEAD], uint64_t len)
{
        head[0] = TYPE_MESSAGE;
        for (int i = SP_HEAD - 1; i > 0; i--, len >>= 8)
                head[i] = (uint8_t)len;
}

int sp_trace_len(const uint8_t *msg, size_t len)
{
        for (size_t at = 0; at + 4 <= len && at + 4 <= SP_TRACE_MAX; at += 4)
                if (msg[at] & 0x80)
                        return (int)at + 4;
        return -EPROTO;
}
