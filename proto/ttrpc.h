/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * ttrpc, which containerd and its shims speak over a stream socket: frames of a 10-byte header (big endian: length of
 * the data, stream; then type and flags) and data. A unary call is one REQUEST frame, holding a ttrpc.Request, and one
 * RESPONSE frame of the same stream, holding a ttrpc.Response; the client numbers its streams 1, 3, 5 ... Responses
 * come in any order. Pure functions over buffers: what reads and writes descriptors is elsewhere, and so is what the
 * payloads mean.
 */

#include <stdint.h>
#include "base/buf.h"
#include "proto/shim/ttrpc.pb-c.h"

#define TTRPC_HEADER 10U
#define TTRPC_DATA_MAX (4U * 1024 * 1024)

enum ttrpc_type { TTRPC_REQUEST = 1, TTRPC_RESPONSE = 2, TTRPC_DATA = 3 };
#define TTRPC_REMOTE_CLOSED 0x1U
#define TTRPC_REMOTE_OPEN 0x2U
#define TTRPC_NO_DATA 0x4U

/* --- reading --- */
struct ttrpc_decoder {
        uint32_t discard; /* bytes still to come of a frame that was too large */
};
#define TTRPC_DECODER_NULL { 0 }

struct ttrpc_frame {
        uint32_t stream;
        uint8_t type, flags;
        const uint8_t *data; /* in the buffer: until the buffer is touched */
        uint32_t len;
};

enum ttrpc_found {
        TTRPC_MORE,      /* more bytes are needed */
        TTRPC_FRAME,     /* *ret is a whole frame; ttrpc_consume() it */
        TTRPC_TOO_LARGE, /* a frame of more than TTRPC_DATA_MAX begins: *ret has no data; what follows will be thrown
                            away */
};
enum ttrpc_found ttrpc_decode(struct ttrpc_decoder *d, struct buf *in, struct ttrpc_frame *ret);
void ttrpc_consume(struct buf *in, const struct ttrpc_frame *frame);

/* The first value of a key in a request's metadata, or NULL. */
const char *ttrpc_metadata(const Ttrpc__Request *request, const char *key);

/* --- writing: appends one frame. Failure to grow is sticky in `out`. --- */
void ttrpc_append(struct buf *out, uint32_t stream, enum ttrpc_type type, uint8_t flags, const void *data,
                  uint32_t len);

/* What was to be sent is larger than a frame may be: nothing is appended, and -EMSGSIZE returned; -ENOMEM likewise;
 * else 0. */
struct ttrpc_call {
        const char *service, *method;
        const ProtobufCMessage *payload;
        uint64_t timeout_ns; /* 0: none */
        const char *metadata_key, *metadata_value; /* NULL: none */
};
int ttrpc_append_request(struct buf *out, uint32_t stream, const struct ttrpc_call *call);
int ttrpc_append_response(struct buf *out, uint32_t stream, const ProtobufCMessage *payload);
/* The response that says no. code: of the 16 of gRPC. A message that is too long is cut. */
int ttrpc_append_error(struct buf *out, uint32_t stream, int code, const char *message);
