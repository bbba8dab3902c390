/* SPDX-License-Identifier: Apache-2.0 */
/* client/ctl/output.c: tables and JSON; jansson, which printed none of it, reads it back. */
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "client/ctl/output.h"

static char *printed(void (*fn)(FILE *f))
{
        char *text = NULL;
        size_t n = 0;
        FILE *f = open_memstream(&text, &n);

        fn(f);
        fclose(f);
        return text;
}

static void print_state(FILE *f)
{
        struct kv labels[] = { { "quote\"", "back\\slash" }, { "new\nline", "tab\tbell\a and \xc3\xa4" } };
        struct process_state process = { .status = "running", .pid = 4294967295U, .exit_known = true };
        struct state_result s = {.id = "web", .process = &process, .created_at = UINT64_MAX / 2, .labels = {labels, 2}};

        out_message(f, &desc_state_result, &s, 0);
}

static void print_mount(FILE *f)
{
        const char *options[] = { "ro", "" };
        struct mount m = { .type = "bind", .options = { options, 2 } };

        out_message(f, &desc_mount, &m, -1);
}

static void test_json(void **state)
{
        _cleanup_(freep) char *text = printed(print_state);
        json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL), *labels;

        assert_non_null(json);
        assert_int_equal(json_object_size(json), desc_state_result.n_fields); /* every field, also empty ones */
        assert_string_equal(json_string_value(json_object_get(json, "id")), "web");
        assert_string_equal(json_string_value(json_object_get(json, "ns")), "");
        assert_int_equal(json_integer_value(json_object_get(json_object_get(json, "process"), "pid")), 4294967295U);
        assert_true(json_is_true(json_object_get(json_object_get(json, "process"), "exit_known")));
        assert_int_equal(json_integer_value(json_object_get(json, "created_at")), INT64_MAX);
        assert_int_equal(json_array_size(json_object_get(json, "execs")), 0);
        labels = json_object_get(json, "labels");
        assert_string_equal(json_string_value(json_object_get(json_array_get(labels, 0), "key")), "quote\"");
        assert_string_equal(json_string_value(json_object_get(json_array_get(labels, 0), "value")), "back\\slash");
        assert_string_equal(json_string_value(json_object_get(json_array_get(labels, 1), "key")), "new\nline");
        assert_string_equal(json_string_value(json_object_get(json_array_get(labels, 1), "value")),
                            "tab\tbell\a and \xc3\xa4");
        json_decref(json);
}

static void test_json_on_one_line(void **state)
{
        _cleanup_(freep) char *text = printed(print_mount);

        assert_string_equal(text,
                            "{\"type\": \"bind\", \"source\": \"\", \"target\": \"\", \"options\": [\"ro\", \"\"]}");
}

static bool color;

static void print_rows(FILE *f)
{
        static const struct column columns[] = { { "NAME" }, { "N", .right = true } };
        struct table *t = table_new(columns, 2, color);

        for (int i = 8; i < 11; i++) {
                table_row(t);
                table_cell(t, "row %d", i);
                table_cell(t, "%d", i);
                table_color(t, "red");
        }
        assert_int_equal(table_print(t, f), 0);
        table_free(t);
}

static void test_table(void **state)
{
        char *text = printed(print_rows);

        assert_string_equal(text, "NAME     N\nrow 8    8\nrow 9    9\nrow 10  10\n");
        free(text);
        color = true;
        text = printed(print_rows);
        assert_non_null(strstr(text, "\033["));
        free(text);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_json),
                cmocka_unit_test(test_json_on_one_line),
                cmocka_unit_test(test_table),
        };

        return cmocka_run_group_tests_name("ctl-output", tests, NULL, NULL);
}
