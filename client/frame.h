/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The framing of Scalability Protocols over unix sockets, as nng's ipc:// transport has it. Each side sends a greeting
 * of 8 bytes that names its protocol; then frames: the byte 1, the body's length in 8 bytes, the body. For REQ and REP
 * the body begins with the request's number, in 4 bytes with the top bit set, which the reply repeats. All big endian.
 * Pure functions over buffers: what reads and writes descriptors is elsewhere.
 */

#include <stdint.h>
#include "base/buf.h"

#define FRAME_GREETING 8U
#define FRAME_HEADER 9U
#define FRAME_ID 4U
#define FRAME_ID_BIT 0x80000000U
#define FRAME_PROTOCOL_REQ 0x30U
#define FRAME_PROTOCOL_REP 0x31U

void frame_greet(struct buf *out, unsigned protocol);
/* Takes the greeting of a peer of `protocol` off the front. 1: taken; 0: more bytes are needed; -1: it is not one.
 * Wrong bytes are seen as soon as they are there. */
int frame_greeted(struct buf *in, unsigned protocol);

/* A whole frame: header, number, payload. Failure is sticky in `out`. */
void frame_append(struct buf *out, uint32_t id, const void *payload, size_t len);

struct frame {
        uint32_t id;
        const uint8_t *payload; /* in the buffer: until the buffer is touched */
        size_t len;
        size_t size; /* of the whole frame: what to buf_consume() */
};
/* Looks at the frame at the front. 1: it is whole; 0: more bytes are needed; -1: not a frame, or a body of more than
 * max bytes. */
int frame_next(const struct buf *in, size_t max, struct frame *ret);
