/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The bytes of nanomsg's scalability protocols (SP) on a stream, as nng's ipc:// has them, for the replying side of
 * REQ/REP. Each side sends 8 bytes of greeting: NUL "SP" NUL, its protocol, NUL NUL. A message is 1, its length in 8
 * bytes, its bytes. A request's bytes begin with its trace: ids of 4 bytes, the first of which with the highest bit set
 * is the last (devices on the way put theirs before it); the answer begins with the same. Big endian.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SP_GREETING  8
#define SP_HEAD      9
#define SP_TRACE_MAX 32 /* 8 hops, as nng has it */

extern const uint8_t sp_greeting_rep[SP_GREETING];
bool sp_greeting_is_req(const uint8_t greeting[SP_GREETING]);

/* 0 and the length of the message that follows, or -EPROTO. */
int sp_head_read(const uint8_t head[SP_HEAD], uint64_t *ret_len);
void sp_head_write(uint8_t head[SP_HEAD], uint64_t len);

/* How many bytes of the message are its trace, or -EPROTO. */
int sp_trace_len(const uint8_t *msg, size_t len);
