/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as what containerd sends: frames in pieces, envelopes, messages of the Task service, options and option
 * files. The first byte says in what pieces, and which method the payload of a frame is tried as beside its own. */

#include "tests/fuzz/fuzz.h"

#include <string.h>
#include "client/shim/task.h"

static void try_message(const struct task_method *method, const uint8_t *data, size_t len)
{
        _cleanup_(arena_freep) struct arena *a = arena_new();
        struct task_asked asked = { "owner", "ns", "request", a };
        struct error err = ERROR_NULL;
        union task_params params;
        ProtobufCMessage *message;

        if (!method || method->kind == TASK_ACK)
                return;
        message = protobuf_c_message_unpack(method->message, NULL, len, data);
        if (!message)
                return;
        if (method->ask(&asked, message, &params, &err) == 0) {
                _cleanup_(buf_deinit) struct buf out = BUF_NULL;

                if (rpc_request_encode(1, &method_table[method->method], &params, &out, &err) < 0)
                        FUZZ_CHECK(err.message[0]);
        }
        protobuf_c_message_free_unpacked(message, NULL);
}

static void try_frame(const struct ttrpc_frame *frame, unsigned choice)
{
        static const char *const names[] = { "State",  "Create",     "Start", "Delete", "Pids",      "Pause",
                                             "Resume", "Checkpoint", "Kill",  "Exec",   "ResizePty", "CloseIO",
                                             "Update", "Wait",       "Stats", "Connect" };
        Ttrpc__Request *request = ttrpc__request__unpack(NULL, frame->len, frame->data);
        Ttrpc__Response *response = ttrpc__response__unpack(NULL, frame->len, frame->data);

        if (request) {
                (void)ttrpc_metadata(request, TASK_NAMESPACE_KEY);
                try_message(task_find(request->method), request->payload.data, request->payload.len);
                try_message(task_find(names[choice % ARRAY_SIZE(names)]), request->payload.data, request->payload.len);
                ttrpc__request__free_unpacked(request, NULL);
        }
        if (response)
                ttrpc__response__free_unpacked(response, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct ttrpc_decoder d = TTRPC_DECODER_NULL;
        _cleanup_(buf_deinit) struct buf in = BUF_NULL;
        struct ttrpc_frame frame;
        enum ttrpc_found found;
        size_t piece;

        if (size < 1)
                return 0;
        piece = (data[0] >> 4) + 1U;
        for (size_t at = 1; at < size; at += piece) {
                buf_append(&in, data + at, size - at < piece ? size - at : piece);
                while ((found = ttrpc_decode(&d, &in, &frame)) != TTRPC_MORE) {
                        if (found == TTRPC_TOO_LARGE) {
                                FUZZ_CHECK(frame.len > TTRPC_DATA_MAX);
                                continue;
                        }
                        FUZZ_CHECK(frame.len <= TTRPC_DATA_MAX && buf_len(&in) >= TTRPC_HEADER + frame.len);
                        try_frame(&frame, data[0] & 15);
                        ttrpc_consume(&in, &frame);
                }
        }
        return 0;
}
