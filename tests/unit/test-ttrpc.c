/* SPDX-License-Identifier: Apache-2.0 */
/* Frames and envelopes of ttrpc: bytes as containerd sends them, in any pieces, too large ones, and what we append. */

#include "tests/unit/unit.h"

#include "proto/shim.h"
#include "proto/shim/options.pb-c.h"
#include "proto/shim/task.pb-c.h"
#include "proto/ttrpc.h"

/* service "S", method "M", payload 0a 01 78, timeout 5, metadata {k: v} on stream 3 */
static const uint8_t wire_request[] = { 0, 0, 0, 21, 0, 0, 0, 3, 1, 0, 0x0a, 1, 'S', 0x12, 1, 'M', 0x1a, 3,
                                        0x0a, 1, 'x', 0x20, 5, 0x2a, 6, 0x0a, 1, 'k', 0x12, 1, 'v' };

static void a_request_of_the_wire(void **state)
{
        struct ttrpc_decoder d = TTRPC_DECODER_NULL;
        _cleanup_(buf_deinit) struct buf in = BUF_NULL;
        struct ttrpc_frame frame;
        Ttrpc__Request *request;

        for (size_t i = 0; i < sizeof(wire_request); i++) { /* byte by byte */
                assert_int_equal(ttrpc_decode(&d, &in, &frame), TTRPC_MORE);
                buf_append(&in, &wire_request[i], 1);
        }
        assert_int_equal(ttrpc_decode(&d, &in, &frame), TTRPC_FRAME);
        assert_int_equal(frame.stream, 3);
        assert_int_equal(frame.type, TTRPC_REQUEST);
        assert_int_equal(frame.flags, 0);
        request = ttrpc__request__unpack(NULL, frame.len, frame.data);
        assert_non_null(request);
        assert_string_equal(request->service, "S");
        assert_string_equal(request->method, "M");
        assert_int_equal(request->timeout_nano, 5);
        assert_int_equal(request->payload.len, 3);
        assert_string_equal(ttrpc_metadata(request, "k"), "v");
        assert_null(ttrpc_metadata(request, "other"));
        ttrpc__request__free_unpacked(request, NULL);
        ttrpc_consume(&in, &frame);
        assert_int_equal(buf_len(&in), 0);
        assert_int_equal(ttrpc_decode(&d, &in, &frame), TTRPC_MORE);
}

static void requests_are_written_as_the_wire_has_them(void **state)
{
        _cleanup_(buf_deinit) struct buf out = BUF_NULL;
        Shim__ConnectRequest connect = SHIM__CONNECT_REQUEST__INIT;
        struct ttrpc_call call = { "S", "M", &connect.base, 5, "k", "v" };

        connect.id = (char *)"x";
        assert_int_equal(ttrpc_append_request(&out, 3, &call), 0);
        assert_int_equal(buf_len(&out), sizeof(wire_request));
        assert_memory_equal(buf_head(&out), wire_request, sizeof(wire_request));
}

static void responses(void **state)
{
        static const uint8_t empty[] = { 0, 0, 0, 0, 0, 0, 0, 1, 2, 0 },
                             pid[] = { 0, 0, 0, 4, 0, 0, 0, 5, 2, 0, 0x12, 2, 8, 7 },
                             error[] = { 0, 0, 0, 7, 0, 0, 0, 7, 2, 0, 0x0a, 5, 8, 12, 0x12, 1, 'e' };
        _cleanup_(buf_deinit) struct buf out = BUF_NULL;
        Shim__StartResponse start = SHIM__START_RESPONSE__INIT;
        Shim__Empty nothing = SHIM__EMPTY__INIT;

        start.pid = 7;
        assert_int_equal(ttrpc_append_response(&out, 1, &nothing.base), 0);
        assert_int_equal(ttrpc_append_response(&out, 5, &start.base), 0);
        assert_int_equal(ttrpc_append_error(&out, 7, 12, "e"), 0);
        assert_int_equal(buf_len(&out), sizeof(empty) + sizeof(pid) + sizeof(error));
        assert_memory_equal(buf_head(&out), empty, sizeof(empty));
        assert_memory_equal(buf_head(&out) + sizeof(empty), pid, sizeof(pid));
        assert_memory_equal(buf_head(&out) + sizeof(empty) + sizeof(pid), error, sizeof(error));
}

/* Told once; its data is thrown away as it comes, without a buffer for it; the next frame is read. */
static void too_large(void **state)
{
        struct ttrpc_decoder d = TTRPC_DECODER_NULL;
        _cleanup_(buf_deinit) struct buf in = BUF_NULL;
        static const uint8_t piece[65536];
        uint8_t head[] = { 0, 0x40, 0, 1, 0, 0, 0, 9, 1, 0 }; /* 4 MiB + 1 */
        struct ttrpc_frame frame;

        buf_append(&in, head, sizeof(head));
        assert_int_equal(ttrpc_decode(&d, &in, &frame), TTRPC_TOO_LARGE);
        assert_int_equal(frame.stream, 9);
        for (int i = 0; i < 64; i++) {
                buf_append(&in, piece, sizeof(piece));
                assert_int_equal(ttrpc_decode(&d, &in, &frame), TTRPC_MORE);
        }
        assert_true(in.size <= 2 * sizeof(piece));
        buf_append(&in, piece, 1); /* its last byte */
        buf_append(&in, wire_request, sizeof(wire_request));
        assert_int_equal(ttrpc_decode(&d, &in, &frame), TTRPC_FRAME);
        assert_int_equal(frame.stream, 3);
        ttrpc_consume(&in, &frame);

        head[3] = 0; /* exactly 4 MiB is not too large */
        buf_append(&in, head, sizeof(head));
        assert_int_equal(ttrpc_decode(&d, &in, &frame), TTRPC_MORE);
}

static void what_does_not_fit_is_not_sent(void **state)
{
        _cleanup_(buf_deinit) struct buf out = BUF_NULL;
        _cleanup_(freep) char *text = malloc(TTRPC_DATA_MAX + 1);
        Shim__StateResponse answer = SHIM__STATE_RESPONSE__INIT;
        struct ttrpc_frame frame;
        struct ttrpc_decoder d = TTRPC_DECODER_NULL;

        memset(text, 'x', TTRPC_DATA_MAX);
        text[TTRPC_DATA_MAX] = '\0';
        answer.bundle = text;
        assert_int_equal(ttrpc_append_response(&out, 1, &answer.base), -EMSGSIZE);
        assert_int_equal(buf_len(&out), 0);
        text[TTRPC_DATA_MAX - 5] = '\0'; /* fits alone, but not into the envelope */
        assert_int_equal(ttrpc_append_response(&out, 1, &answer.base), -EMSGSIZE);
        assert_int_equal(buf_len(&out), 0);
        assert_int_equal(ttrpc_append_error(&out, 1, 2, text), 0); /* an error is cut */
        assert_int_equal(ttrpc_decode(&d, &out, &frame), TTRPC_FRAME);
        assert_true(frame.len < 20000);
}

static void types_of_values(void **state)
{
        Shim__Any any = SHIM__ANY__INIT;
        Shim__ProcessDetails details = SHIM__PROCESS_DETAILS__INIT;

        assert_false(shim_any_is(NULL, TYPE_RUNC_OPTIONS));
        assert_false(shim_any_is(&any, TYPE_RUNC_OPTIONS));
        any.type_url = (char *)"containerd.runc.v1.Options";
        assert_true(shim_any_is(&any, TYPE_RUNC_OPTIONS));
        any.type_url = (char *)"type.googleapis.com/containerd.runc.v1.Options";
        assert_true(shim_any_is(&any, TYPE_RUNC_OPTIONS));
        any.type_url = (char *)"xcontainerd.runc.v1.Options";
        assert_false(shim_any_is(&any, TYPE_RUNC_OPTIONS));

        details.exec_id = (char *)"e";
        assert_int_equal(shim_any_pack(&any, TYPE_PROCESS_DETAILS, &details.base), 0);
        assert_string_equal(any.type_url, "containerd.runc.v1.ProcessDetails");
        assert_int_equal(any.value.len, 3);
        free(any.value.data);
}

static void times(void **state)
{
        /* seconds -62135596800 */
        static const uint8_t zero[] = { 8, 0x80, 0x92, 0xb8, 0xc3, 0x98, 0xfe, 0xff, 0xff, 0xff, 1 };
        Shim__Timestamp t;
        uint8_t packed[32];

        shim_time(&t, UINT64_C(1234567890123456789));
        assert_int_equal(t.seconds, 1234567890);
        assert_int_equal(t.nanos, 123456789);
        shim_time(&t, 0);
        assert_int_equal(shim__timestamp__pack(&t, packed), sizeof(zero));
        assert_memory_equal(packed, zero, sizeof(zero));
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_request_of_the_wire),
                cmocka_unit_test(requests_are_written_as_the_wire_has_them),
                cmocka_unit_test(responses),
                cmocka_unit_test(too_large),
                cmocka_unit_test(what_does_not_fit_is_not_sent),
                cmocka_unit_test(types_of_values),
                cmocka_unit_test(times),
        };

        return cmocka_run_group_tests_name("ttrpc", tests, NULL, NULL);
}
