/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include "daemon/answers.h"

static const struct answer *put(struct answers *a, const char *key, const char *container, const char *data)
{
        char copy_key[ANSWER_KEY_MAX], copy_container[64];
        struct answer answer = { .request_id = copy_key,
                                 .method = "kill",
                                 .answered_at = 7,
                                 .data = data,
                                 .len = strlen(data),
                                 .container_key = copy_container };

        snprintf(copy_key, sizeof(copy_key), "%s", key);
        snprintf(copy_container, sizeof(copy_container), "%s", container);
        return answers_put(a, &answer); /* what it keeps is its own */
}

static void test_key(void **state)
{
        char key[ANSWER_KEY_MAX], id[LIMIT_REQUEST_ID + 1];

        answer_key(key, 0, "abc");
        assert_string_equal(key, "0/abc");
        memset(id, 'x', LIMIT_REQUEST_ID);
        id[LIMIT_REQUEST_ID] = '\0';
        answer_key(key, 4294967295U, id);
        assert_int_equal(strlen(key), LIMIT_REQUEST_ID + 11);
        assert_string_equal(key + 11, id);
}

static void test_put_find(void **state)
{
        struct answers *a = answers_new(10);
        const struct answer *found;

        assert_non_null(a);
        assert_null(answers_find(a, "0/a"));
        assert_non_null(put(a, "0/a", "o/n/i", "first"));
        found = answers_find(a, "0/a");
        assert_non_null(found);
        assert_string_equal(found->request_id, "0/a");
        assert_string_equal(found->method, "kill");
        assert_string_equal(found->container_key, "o/n/i");
        assert_int_equal(found->answered_at, 7);
        assert_int_equal(found->len, 5);
        assert_memory_equal(found->data, "first", 5);
        assert_null(answers_find(a, "1/a"));
        put(a, "0/a", "o/n/i", "second"); /* replaces */
        assert_int_equal(answers_count(a), 1);
        assert_memory_equal(answers_find(a, "0/a")->data, "second", 6);
        put(a, "0/empty", "o/n/i", "");
        assert_int_equal(answers_find(a, "0/empty")->len, 0);
        answers_free(a);
}

static void test_bound(void **state)
{
        struct answers *a = answers_new(3);
        char key[32];

        put(a, "0/a", "c", "a");
        put(a, "0/b", "c", "b");
        put(a, "0/c", "c", "c");
        assert_non_null(answers_find(a, "0/a")); /* used: b goes first */
        put(a, "0/d", "c", "d");
        assert_int_equal(answers_count(a), 3);
        assert_null(answers_find(a, "0/b"));
        assert_non_null(answers_find(a, "0/a"));
        assert_non_null(answers_find(a, "0/c"));
        for (int i = 0; i < 1000; i++) {
                snprintf(key, sizeof(key), "0/%d", i);
                put(a, key, key, "x");
        }
        assert_int_equal(answers_count(a), 3);
        assert_non_null(answers_find(a, "0/999"));
        assert_null(answers_find(a, "0/996"));
        answers_free(a);
        a = answers_new(0);
        assert_null(put(a, "0/a", "c", "a"));
        assert_int_equal(answers_count(a), 0);
        answers_free(a);
        assert_null(answers_free(NULL));
}

static void collect(void *data, const struct answer *answer)
{
        strcat(data, answer->request_id);
        strcat(data, " ");
}

static void test_each(void **state)
{
        struct answers *a = answers_new(4);
        char text[100] = "";

        put(a, "0/1", "x", "");
        put(a, "0/2", "y", "");
        put(a, "0/3", "x", "");
        put(a, "0/4", "x", "");
        answers_each(a, "x", 10, collect, text);
        assert_string_equal(text, "0/4 0/3 0/1 ");
        text[0] = '\0';
        answers_each(a, "x", 2, collect, text);
        assert_string_equal(text, "0/4 0/3 ");
        text[0] = '\0';
        answers_each(a, "z", 2, collect, text);
        assert_string_equal(text, "");
        put(a, "0/1", "x", ""); /* again: the latest now */
        put(a, "0/5", "y", ""); /* 0/2 goes */
        answers_each(a, "x", 10, collect, text);
        assert_string_equal(text, "0/1 0/4 0/3 ");
        text[0] = '\0';
        answers_each(a, "y", 10, collect, text);
        assert_string_equal(text, "0/5 ");
        answers_free(a);
}

static void test_with_id(void **state)
{
        struct buf zero = BUF_NULL, other = BUF_NULL;
        struct error err = ERROR_NULL;
        uint32_t ids[] = { 0, 1, 127, 128, 255, 256, 65535, 65536, 0x7fffffff, 0xffffffff };

        error_set(&err, REASON_NOT_FOUND, "gone");
        assert_int_equal(rpc_response_encode_error(0, &err, &zero), 0);
        for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
                struct rpc_response got;
                struct arena *arena = arena_new();

                assert_int_equal(answer_with_id(buf_head(&zero), buf_len(&zero), ids[i], &other), 0);
                assert_int_equal(rpc_response_decode(buf_head(&other), buf_len(&other), &method_table[METHOD_KILL],
                                                     arena, &got, &err),
                                 0);
                assert_int_equal(got.id, ids[i]);
                assert_int_equal(got.error.reason, REASON_NOT_FOUND);
                assert_string_equal(got.error.message, "gone");
                arena_free(arena);
                buf_deinit(&other);
        }
        assert_int_equal(answer_with_id("\x94\x01\x00", 3, 5, &other), -1);
        assert_int_equal(answer_with_id("\x94\x01\x05\xc0\xc0", 5, 5, &other), -1);
        assert_int_equal(answer_with_id("", 0, 5, &other), -1);
        assert_int_equal(buf_len(&other), 0);
        buf_deinit(&zero);
        buf_deinit(&other);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_key),  cmocka_unit_test(test_put_find), cmocka_unit_test(test_bound),
                cmocka_unit_test(test_each), cmocka_unit_test(test_with_id),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
