/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A frame that is too large is known by its header alone: it is told once, and its data passes through in pieces, so
 * that no buffer ever holds it. All that is appended is packed straight into the buffer, except for a payload, which is
 * a field of the envelope and is packed before it.
 */

#include "proto/ttrpc.h"

#include <errno.h>
#include <string.h>

#define ERROR_TEXT_MAX 16384U

static uint32_t get_u32(const uint8_t *p)
{
        return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put_u32(uint8_t *p, uint32_t v)
{
        p[0] = (uint8_t)(v >> 24);
        p[1] = (uint8_t)(v >> 16);
        p[2] = (uint8_t)(v >> 8);
        p[3] = (uint8_t)v;
}

enum ttrpc_found ttrpc_decode(struct ttrpc_decoder *d, struct buf *in, struct ttrpc_frame *ret)
{
        const uint8_t *head;

        if (d->discard > 0) {
                uint32_t n = buf_len(in) < d->discard ? (uint32_t)buf_len(in) : d->discard;

                buf_consume(in, n);
                d->discard -= n;
        }
        if (buf_len(in) < TTRPC_HEADER)
                return TTRPC_MORE;
        head = buf_head(in);
        *ret = (struct ttrpc_frame){
                .len = get_u32(head), .stream = get_u32(head + 4), .type = head[8], .flags = head[9]
        };
        if (ret->len > TTRPC_DATA_MAX) {
                d->discard = ret->len;
                buf_consume(in, TTRPC_HEADER);
                return TTRPC_TOO_LARGE;
        }
        if (buf_len(in) - TTRPC_HEADER < ret->len)
                return TTRPC_MORE;
        ret->data = head + TTRPC_HEADER;
        return TTRPC_FRAME;
}

void ttrpc_consume(struct buf *in, const struct ttrpc_frame *frame)
{
        buf_consume(in, TTRPC_HEADER + frame->len);
}

const char *ttrpc_metadata(const Ttrpc__Request *request, const char *key)
{
        for (size_t i = 0; i < request->n_metadata; i++)
                if (strcmp(request->metadata[i]->key, key) == 0)
                        return request->metadata[i]->value;
        return NULL;
}

static uint8_t *append_header(struct buf *out, uint32_t stream, enum ttrpc_type type, uint8_t flags, uint32_t len)
{
        uint8_t *p = buf_reserve(out, TTRPC_HEADER + (size_t)len);

        if (!p)
                return NULL;
        put_u32(p, len);
        put_u32(p + 4, stream);
        p[8] = (uint8_t)type;
        p[9] = flags;
        buf_commit(out, TTRPC_HEADER + (size_t)len);
        return p + TTRPC_HEADER;
}

void ttrpc_append(struct buf *out, uint32_t stream, enum ttrpc_type type, uint8_t flags, const void *data, uint32_t len)
{
        uint8_t *room = append_header(out, stream, type, flags, len);

        if (room && len > 0)
                memcpy(room, data, len);
}

static int append_message(struct buf *out, uint32_t stream, enum ttrpc_type type, const ProtobufCMessage *message)
{
        size_t len = protobuf_c_message_get_packed_size(message);
        uint8_t *room;

        if (len > TTRPC_DATA_MAX)
                return -EMSGSIZE;
        room = append_header(out, stream, type, 0, (uint32_t)len);
        if (!room)
                return -ENOMEM;
        protobuf_c_message_pack(message, room);
        return 0;
}

/* The caller frees ret->data. */
static int pack(const ProtobufCMessage *message, ProtobufCBinaryData *ret)
{
        ret->len = protobuf_c_message_get_packed_size(message);
        if (ret->len > TTRPC_DATA_MAX)
                return -EMSGSIZE;
        ret->data = malloc(ret->len > 0 ? ret->len : 1);
        if (!ret->data)
                return -ENOMEM;
        protobuf_c_message_pack(message, ret->data);
        return 0;
}

int ttrpc_append_request(struct buf *out, uint32_t stream, const struct ttrpc_call *call)
{
        Ttrpc__Request request = TTRPC__REQUEST__INIT;
        Ttrpc__KeyValue pair = TTRPC__KEY_VALUE__INIT, *pairs[] = { &pair };
        _cleanup_(freep) uint8_t *payload = NULL;
        int r = pack(call->payload, &request.payload);

        if (r < 0)
                return r;
        payload = request.payload.data;
        request.service = (char *)call->service;
        request.method = (char *)call->method;
        request.timeout_nano = (int64_t)call->timeout_ns;
        if (call->metadata_key) {
                pair.key = (char *)call->metadata_key;
                pair.value = (char *)call->metadata_value;
                request.n_metadata = ARRAY_SIZE(pairs);
                request.metadata = pairs;
        }
        return append_message(out, stream, TTRPC_REQUEST, &request.base);
}

int ttrpc_append_response(struct buf *out, uint32_t stream, const ProtobufCMessage *payload)
{
        Ttrpc__Response response = TTRPC__RESPONSE__INIT;
        _cleanup_(freep) uint8_t *packed = NULL;
        int r = pack(payload, &response.payload);

        if (r < 0)
                return r;
        packed = response.payload.data;
        return append_message(out, stream, TTRPC_RESPONSE, &response.base);
}

int ttrpc_append_error(struct buf *out, uint32_t stream, int code, const char *message)
{
        Ttrpc__Response response = TTRPC__RESPONSE__INIT;
        Ttrpc__Status status = TTRPC__STATUS__INIT;
        _cleanup_(freep) char *text = strndup(message, ERROR_TEXT_MAX);

        if (!text)
                return -ENOMEM;
        status.code = code;
        status.message = text;
        response.status = &status;
        return append_message(out, stream, TTRPC_RESPONSE, &response.base);
}
