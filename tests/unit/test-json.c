/* SPDX-License-Identifier: Apache-2.0 */
/* Every message survives the way through JSON; what is not as described is refused, and the refusal says where. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "daemon/json.h"
#include "daemon/record.h"
#include "tests/lib/fill.h"

static void round_trip(const struct message_desc *desc, uint64_t seed, bool full)
{
        _cleanup_(arena_freep) struct arena *a = arena_new();
        _cleanup_(buf_deinit) struct buf text = BUF_NULL;
        struct fill fill = { .seed = seed, .full = full };
        struct error err = ERROR_NULL;
        const char *difference;
        void *msg = fill_message(&fill, desc, a), *back;

        assert_non_null(msg);
        if (json_encode(desc, msg, &text, &err) < 0) {
                /* the one thing that a record cannot hold */
                if (!strstr(err.message, "2^63"))
                        fail_msg("%s: %s", desc->name, err.message);
                return;
        }
        assert_int_equal(buf_head(&text)[buf_len(&text) - 1], '\n');
        if (json_decode(desc, (const char *)buf_head(&text), buf_len(&text), a, &back, &err) < 0)
                fail_msg("%s: %s", desc->name, err.message);
        difference = message_difference(desc, msg, back);
        if (difference)
                fail_msg("%s: %s differs", desc->name, difference);
}

static void messages_survive(void **state)
{
        for (size_t i = 0; message_table[i]; i++) {
                round_trip(message_table[i], i + 1, true);
                for (uint64_t seed = 1; seed < 20; seed++)
                        round_trip(message_table[i], seed * 977 + i, false);
        }
}

static void records_survive(void **state)
{
        round_trip(&desc_container_record, 1, true);
        round_trip(&desc_record_answer, 1, true);
        for (uint64_t seed = 1; seed < 100; seed++)
                round_trip(&desc_container_record, seed, false);
}

static void binary_survives(void **state)
{
        for (size_t len = 0; len < 70; len++) {
                _cleanup_(arena_freep) struct arena *a = arena_new();
                _cleanup_(buf_deinit) struct buf text = BUF_NULL;
                uint8_t bytes[70];
                struct record_answer in = { .request_id = "r", .method = "m", .data = { .data = bytes, .len = len } },
                                     *out;
                void *back;

                for (size_t i = 0; i < len; i++)
                        bytes[i] = (uint8_t)(255 - i * 37);
                assert_int_equal(json_encode(&desc_record_answer, &in, &text, NULL), 0);
                assert_int_equal(
                        json_decode(&desc_record_answer, (const char *)buf_head(&text), buf_len(&text), a, &back, NULL),
                        0);
                out = back;
                assert_int_equal(out->data.len, len);
                if (len)
                        assert_memory_equal(out->data.data, bytes, len);
        }
}

static void base64_is_the_usual_one(void **state)
{
        _cleanup_(buf_deinit) struct buf text = BUF_NULL;
        struct record_answer in = { .request_id = "r",
                                    .method = "m",
                                    .data = { .data = (const uint8_t *)"fooba", .len = 5 } };

        assert_int_equal(json_encode(&desc_record_answer, &in, &text, NULL), 0);
        buf_append(&text, "", 1);
        assert_non_null(strstr((const char *)buf_head(&text), "\"data\": \"Zm9vYmE=\"")); /* RFC 4648, section 10 */
}

/* A container_record with the given members beside those that must be there. */
static void refused(const char *members, const char *message)
{
        _cleanup_(arena_freep) struct arena *a = arena_new();
        struct error err = ERROR_NULL;
        char text[1024];
        void *rec;

        snprintf(text, sizeof(text), "{\"version\": 1, \"state\": \"running\"%s%s}", *members ? ",\n " : "", members);
        if (!message) {
                if (json_decode(&desc_container_record, text, strlen(text), a, &rec, &err) < 0)
                        fail_msg("%s: %s", text, err.message);
                return;
        }
        assert_int_equal(json_decode(&desc_container_record, text, strlen(text), a, &rec, &err), -1);
        assert_int_equal(err.reason, REASON_CORRUPT);
        if (!strstr(err.message, message))
                fail_msg("%s: \"%s\" is not in \"%s\"", members, message, err.message);
}

static void refusals_say_where(void **state)
{
        refused("", NULL);
        refused("\"future\": {\"a\": [1.5, null]}", NULL);
        refused("\"init\": null", NULL);
        refused("\"init\": {\"pid\": -1}", "init.pid: -1 is not between 0 and 4294967295");
        refused("\"init\": {\"pid\": 4294967296}", "init.pid: 4294967296 is not between");
        refused("\"init\": {\"pid\": 1.0}", "init.pid: expected an integer, found a number with a fraction");
        refused("\"init\": {\"exit_status\": 256}", "init.exit_status: 256 is not between 0 and 255");
        refused("\"init\": {\"ended\": 1}", "init.ended: expected true or false, found an integer");
        refused("\"init\": {\"state\": null}", "init.state: expected a string, found null");
        refused("\"init\": []", "init: expected an object, found an array");
        refused("\"execs\": {}", "execs: expected an array, found an object");
        refused("\"execs\": [{}, {\"exec_id\": 7}]", "execs[1].exec_id: expected a string, found an integer");
        refused("\"execs\": [{}, 3]", "execs[1]: expected an object, found an integer");
        refused("\"runtime_options\": [\"a\", 1]", "runtime_options[1]: expected a string");
        refused("\"answers\": [{\"method\": \"m\"}]", "answers[0].request_id: is missing");
        refused("\"answers\": [{\"request_id\": \"\", \"method\": \"m\"}]", "answers[0].request_id: is empty");
        refused("\"answers\": [{\"request_id\": \"r\", \"method\": \"m\", \"data\": \"Zm9\"}]",
                "answers[0].data: the string is not base64");
        refused("\"answers\": [{\"request_id\": \"r\", \"method\": \"m\", \"data\": \"Z=9v\"}]",
                "answers[0].data: the string is not base64");
        refused("\"answers\": [{\"request_id\": \"r\", \"method\": \"m\", \"data\": \"====\"}]",
                "answers[0].data: the string is not base64");
        refused("\"params\": {\"id\": \"x\", \"bundle\": \"/b\", \"labels\": [{\"key\": \"k\", \"value\": 1}]}",
                "params.labels[0].value: expected a string");
        refused("\"params\": {\"id\": \"x\"}", "params.bundle: is missing");
        refused("\"created_at\": 9223372036854775808", "line 2, column");
        refused("\"version\": 1", "line 2, column");
        refused("\"cgroup\": \"a\\u0000b\"", "line 2, column");
        refused("\"cgroup\": \"a\xff\"", "line 2, column");
        refused("\"cgroup\"", "line 2, column");
        refused("\"boot_id\": \"0123456789012345678901234567890123456789012345678901234567890123456789012345678\"",
                "boot_id: the string has 79 bytes: at most 76");
}

static void documents_are_refused(void **state)
{
        _cleanup_(arena_freep) struct arena *a = arena_new();
        _cleanup_(freep) char *deep = malloc(100000);
        struct error err = ERROR_NULL;
        void *rec;

        assert_int_equal(json_decode(&desc_container_record, "", 0, a, &rec, &err), -1);
        assert_string_equal(err.message, "the file is empty");
        assert_int_equal(json_decode(&desc_container_record, "[]", 2, a, &rec, &err), -1);
        assert_string_equal(err.message, "expected an object, found an array");
        assert_int_equal(json_decode(&desc_container_record, "{} x", 4, a, &rec, &err), -1);
        assert_int_equal(json_decode(&desc_container_record, "\0\0\0\0", 4, a, &rec, &err), -1);
        assert_int_equal(json_decode(&desc_container_record, "{\"version\":1\0,\"state\":\"s\"}", 25, a, &rec, &err),
                         -1);
        assert_string_equal(err.message, "byte 13 is a NUL");
        assert_int_equal(json_decode(&desc_container_record, "{}", 2, a, &rec, &err), -1);
        assert_string_equal(err.message, "version: is missing, and must not be");
        memset(deep, '[', 100000);
        assert_int_equal(json_decode(&desc_container_record, deep, 100000, a, &rec, &err), -1);
        assert_non_null(strstr(err.message, "depth"));
}

static void what_json_cannot_hold_is_refused(void **state)
{
        struct record_process big = { .started_at = UINT64_MAX }, bad = { .cause = "\xff\xfe" };
        struct container_record rec = { .version = 1, .state = "running", .execs = { .items = &big, .n = 1 } };
        _cleanup_(buf_deinit) struct buf text = BUF_NULL;
        struct error err = ERROR_NULL;

        assert_int_equal(json_encode(&desc_container_record, &rec, &text, &err), -1);
        assert_non_null(strstr(err.message, "execs[0].started_at: 18446744073709551615"));
        rec.execs.items = &bad;
        assert_int_equal(json_encode(&desc_container_record, &rec, &text, &err), -1);
        assert_non_null(strstr(err.message, "execs[0].cause"));
}

/* As an operator reads it, to the letter. */
static void text_is_indented_and_escaped(void **state)
{
        const char *labels[] = { "a \"quoted\" \\ b", "tab\tline\n\x1f\x7f", "\xc3\xa9 \xf0\x9f\x98\x80" };
        struct record_process init = { .pid = UINT32_MAX, .started_at = INT64_MAX, .ended = true },
                              execs[2] = { { .exec_id = "e" } };
        struct container_record rec = { .version = 1,
                                        .state = "running",
                                        .init = &init,
                                        .runtime_options = { .items = labels, .n = 3 },
                                        .execs = { .items = execs, .n = 2 } };
        _cleanup_(buf_deinit) struct buf text = BUF_NULL;

        assert_int_equal(json_encode(&desc_container_record, &rec, &text, NULL), 0);
        buf_append(&text, "", 1);
        assert_string_equal((const char *)buf_head(&text),
                            "{\n  \"version\": 1,\n  \"state\": \"running\",\n  \"runtime_options\": [\n"
                            "    \"a \\\"quoted\\\" \\\\ b\",\n    \"tab\\u0009line\\u000a\\u001f\x7f\",\n"
                            "    \"\xc3\xa9 \xf0\x9f\x98\x80\"\n  ],\n"
                            "  \"init\": {\n    \"pid\": 4294967295,\n    \"started_at\": 9223372036854775807,\n"
                            "    \"ended\": true\n  },\n"
                            "  \"execs\": [\n    {\n      \"exec_id\": \"e\"\n    },\n    {}\n  ]\n}\n");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(text_is_indented_and_escaped),
                cmocka_unit_test(messages_survive),
                cmocka_unit_test(records_survive),
                cmocka_unit_test(binary_survives),
                cmocka_unit_test(base64_is_the_usual_one),
                cmocka_unit_test(refusals_say_where),
                cmocka_unit_test(documents_are_refused),
                cmocka_unit_test(what_json_cannot_hold_is_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
