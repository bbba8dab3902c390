/* SPDX-License-Identifier: Apache-2.0 */
/* The TOML parser: what it reads, what it refuses and where it says so. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "proto/toml.h"

static int parse(struct toml **ret, const char *text, struct error *err)
{
        return toml_parse(ret, "f.toml", text, strlen(text), err);
}

static void values(void **state)
{
        static const char text[] = "top = 1 # a comment\n"
                                   "\n"
                                   "[ a ]\r\n"
                                   "s = \"q\\\"b\\\\ t\\t n\\n u\\u00e9 U\\U0001F427\"\r\n"
                                   "'l i t' = 'C:\\path \"x\"'\n"
                                   "\t\"\" = \"\"\n"
                                   "e = '' # '\n"
                                   "i = -1_000\n"
                                   "h = 0xdead_BEEF\n"
                                   "p = +7\n"
                                   "z = 0\n"
                                   "min = -9223372036854775808\n"
                                   "max = 9223372036854775807\n"
                                   "yes = true\n"
                                   "no = false\n"
                                   "list = [ # all\n  \"x\" , 'y',# last\n\n]\n"
                                   "nums = [1,-2,\n0x3]\n"
                                   "none = [ ]\n"
                                   "[a.\"b.c\".d-1]\n"
                                   "k = 1\n"
                                   "[b]";
        _cleanup_(toml_freep) struct toml *t = NULL;
        struct toml_table *a, *b;
        struct toml_integers nums = { 0 };
        struct strs list = { 0 };
        struct error err = ERROR_NULL;
        const char *s;
        uint64_t u;
        int64_t i;
        bool yes = false;

        if (parse(&t, text, &err) < 0)
                fail_msg("%s", err.message);
        assert_int_equal(toml_get_u64(toml_root(t), "top", 0, 9, &u, &err), 1);
        assert_int_equal(u, 1);
        a = toml_find_table(toml_root(t), "a");
        assert_non_null(a);
        assert_int_equal(toml_get_string(a, "s", &s, &err), 1);
        assert_string_equal(s, "q\"b\\ t\t n\n u\xc3\xa9 U\xf0\x9f\x90\xa7");
        assert_int_equal(toml_get_string(a, "l i t", &s, &err), 1);
        assert_string_equal(s, "C:\\path \"x\"");
        assert_int_equal(toml_get_string(a, "", &s, &err), 1);
        assert_string_equal(s, "");
        assert_int_equal(toml_get_string(a, "e", &s, &err), 1);
        assert_string_equal(s, "");
        assert_int_equal(toml_get_i64(a, "i", &i, &err), 1);
        assert_true(i == -1000);
        assert_int_equal(toml_get_u64(a, "h", 0, UINT64_MAX, &u, &err), 1);
        assert_true(u == 0xdeadbeef);
        assert_int_equal(toml_get_i64(a, "p", &i, &err), 1);
        assert_true(i == 7);
        assert_int_equal(toml_get_i64(a, "z", &i, &err), 1);
        assert_true(i == 0);
        assert_int_equal(toml_get_i64(a, "min", &i, &err), 1);
        assert_true(i == INT64_MIN);
        assert_int_equal(toml_get_i64(a, "max", &i, &err), 1);
        assert_true(i == INT64_MAX);
        assert_int_equal(toml_get_bool(a, "yes", &yes, &err), 1);
        assert_true(yes);
        assert_int_equal(toml_get_bool(a, "no", &yes, &err), 1);
        assert_false(yes);
        assert_int_equal(toml_get_strings(a, "list", &list, &err), 1);
        assert_int_equal(list.n, 2);
        assert_string_equal(list.items[1], "y");
        assert_int_equal(toml_get_integers(a, "nums", &nums, &err), 1);
        assert_int_equal(nums.n, 3);
        assert_true(nums.items[1] == -2 && nums.items[2] == 3);
        assert_int_equal(toml_get_integers(a, "none", &nums, &err), 1);
        assert_int_equal(nums.n, 0);
        assert_int_equal(toml_get_strings(a, "none", &list, &err), 1);
        assert_int_equal(list.n, 0);
        assert_int_equal(toml_get_text(a, "i", &s, &err), 1);
        assert_string_equal(s, "-1000");
        assert_int_equal(toml_get_text(a, "no", &s, &err), 1);
        assert_string_equal(s, "false");
        assert_int_equal(toml_get_text(a, "e", &s, &err), 1);
        assert_int_equal(toml_get_string(a, "absent", &s, &err), 0);
        assert_int_equal(toml_get_string(NULL, "absent", &s, &err), 0);
        assert_string_equal(toml_key_name(a, 1), "l i t");
        assert_null(toml_key_name(a, 100));

        assert_int_equal(toml_check_unused(t, &err), -1);
        assert_string_equal(err.message, "f.toml:23:4: unknown table [a.b.c]");
        b = toml_find_table(a, "b.c");
        assert_non_null(b);
        b = toml_next_table(b, NULL);
        assert_string_equal(toml_table_name(b), "d-1");
        assert_null(toml_next_table(toml_find_table(a, "b.c"), b));
        assert_int_equal(toml_check_unused(t, &err), -1);
        assert_string_equal(err.message, "f.toml:24:1: unknown key \"k\" in [b.c.d-1]");
        assert_int_equal(toml_get_u64(b, "k", 0, 9, &u, &err), 1);
        assert_int_equal(toml_check_unused(t, &err), -1);
        assert_string_equal(err.message, "f.toml:25:1: unknown table [b]");
        toml_find_table(toml_root(t), "b");
        assert_int_equal(toml_check_unused(t, &err), 0);
}

static void refuses(void **state)
{
        static const struct {
                const char *text, *message;
        } rows[] = {
                { "a", "1:2: expected '=' after a key, found the end of the file" },
                { "a\n", "1:2: expected '=' after a key, found the end of the line" },
                { "= 1", "1:1: expected a key or a [table], found '='" },
                { "a =", "1:4: expected a string, an integer, true, false or an array, found the end of the file" },
                { "a = 1 b = 2", "1:7: expected the end of the line, found 'b'" },
                { "a = 1\rb = 2", "1:6: expected the end of the line, found the end of the line" },
                { "a = 1\n\na = 2", "3:1: \"a\" is there already, at line 1" },
                { "a.b = 1", "1:2: dotted keys are not supported: use a [table]" },
                { "a = {}", "1:5: inline tables are not supported: use a [table]" },
                { "[[a]]", "1:1: arrays of tables are not supported" },
                { "[a", "1:3: expected '.' or ']', found the end of the file" },
                { "[]", "1:2: expected the name of a table, found ']'" },
                { "[a.]", "1:4: expected the name of a table, found ']'" },
                { "[a]\n[b]\n[a]", "3:1: the table is there already, at line 1" },
                { "[a.b]\n[a]\n[a.b]", "3:1: the table is there already, at line 1" },
                { "a = 1\n[a]", "2:2: \"a\" is a key already" },
                { "[a.b]\n[a]\nb = 1", "3:1: \"b\" is a table already" },
                { "[a] x = 1", "1:5: expected the end of the line, found 'x'" },
                { "a = \"x", "1:7: expected the rest of a string and '\"', found the end of the file" },
                { "a = \"x\ny\"", "1:7: expected the rest of a string and '\"', found the end of the line" },
                { "a = 'x", "1:7: expected the rest of a string and \"'\", found the end of the file" },
                { "a = \"\x01\"", "1:6: expected the rest of a string and '\"', found byte 0x01" },
                { "a = \"\\q\"", "1:7: expected one of b t n f r u U \" \\ after a backslash, found 'q'" },
                { "a = \"\\u12g4\"", "1:10: expected 4 hexadecimal digits, found 'g'" },
                { "a = \"\\ud800\"", "1:6: expected a Unicode character other than NUL, found U+D800" },
                { "a = \"\\u0000\"", "1:6: expected a Unicode character other than NUL, found U+0000" },
                { "a = \"\\U00110000\"", "1:6: expected a Unicode character other than NUL, found U+110000" },
                { "a = \"\"\"x\"\"\"", "1:5: strings over several lines are not supported" },
                { "a = '''x'''", "1:5: strings over several lines are not supported" },
                { "a = 01", "1:5: expected an integer without leading zeros" },
                { "a = 1_", "1:6: expected a digit of an integer, found '_'" },
                { "a = 1__0", "1:7: expected a digit of an integer, found '_'" },
                { "a = 12a", "1:7: expected a digit of an integer, found 'a'" },
                { "a = 0x", "1:5: expected an integer without leading zeros" },
                { "a = 0o7", "1:5: expected an integer without leading zeros" },
                { "a = -0x1", "1:6: expected no sign before a hexadecimal integer" },
                { "a = 9223372036854775808", "1:5: expected an integer of 64 bits, found a larger one" },
                { "a = -9223372036854775809", "1:6: expected an integer of 64 bits, found a larger one" },
                { "a = 0xffffffffffffffff", "1:7: expected an integer of 64 bits, found a larger one" },
                { "a = +", "1:6: expected a digit after a sign" },
                { "a = 1.5", "1:5: floats and dates are not supported" },
                { "a = 12:00:00", "1:5: floats and dates are not supported" },
                { "a = yes", "1:5: expected a string, an integer, true, false or an array, found 'y'" },
                { "a = truex", "1:5: expected a string, an integer, true, false or an array, found 't'" },
                { "a = [1, \"x\"]", "1:9: expected an array of strings or an array of integers" },
                { "a = [true]", "1:6: expected an array of strings or an array of integers" },
                { "a = [[1]]", "1:6: expected a string, an integer or ']', found '['" },
                { "a = [1 2]", "1:8: expected ',' or ']', found '2'" },
                { "a = [,]", "1:6: expected a string, an integer or ']', found ','" },
                { "a = [1,\n2,\n", "3:1: expected another entry or ']', found the end of the file" },
                { "a = 1 # \x02\n", "1:9: expected the text of a comment, found byte 0x02" },
                { "ok = 1\nb = \"\xff\"", "2:1: expected UTF-8 text without NUL in this line" },
                { "\xef\xbb\xbf" "a = 1", "1:1: expected a key or a [table], found byte 0xef" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                struct toml *t = NULL;
                struct error err = ERROR_NULL;

                if (parse(&t, rows[i].text, &err) == 0)
                        fail_msg("accepted: %s", rows[i].text);
                assert_null(t);
                assert_int_equal(err.reason, REASON_INVALID_ARGUMENT);
                if (strncmp(err.message, "f.toml:", 7) != 0 || strcmp(err.message + 7, rows[i].message) != 0)
                        fail_msg("%s\n  says %s\n  not  f.toml:%s", rows[i].text, err.message, rows[i].message);
        }
}

static void wrong_types(void **state)
{
        _cleanup_(toml_freep) struct toml *t = NULL;
        struct error err = ERROR_NULL;
        struct toml_table *root;
        struct toml_integers ints;
        struct strs strs;
        const char *s;
        uint64_t u;
        bool b;

        assert_int_equal(parse(&t, "s = 'x'\nn = -5\n  l = [1]\n[t]\n", &err), 0);
        root = toml_root(t);
        assert_int_equal(toml_get_u64(root, "s", 0, 1, &u, &err), -1);
        assert_string_equal(err.message, "f.toml:1:1: \"s\" must be an integer, not a string");
        assert_int_equal(toml_get_u64(root, "n", 1, 10, &u, &err), -1);
        assert_string_equal(err.message, "f.toml:2:1: \"n\" must be from 1 to 10, not -5");
        assert_int_equal(toml_get_strings(root, "l", &strs, &err), -1);
        assert_string_equal(err.message, "f.toml:3:3: \"l\" must be an array of strings, not an array of integers");
        assert_int_equal(toml_get_string(root, "l", &s, &err), -1);
        assert_int_equal(toml_get_text(root, "l", &s, &err), -1);
        assert_int_equal(toml_get_bool(root, "n", &b, &err), -1);
        assert_int_equal(toml_get_integers(root, "s", &ints, &err), -1);
        assert_int_equal(toml_get_string(root, "t", &s, &err), -1);
        assert_string_equal(err.message, "f.toml:4:1: \"t\" must be a string, not a table");
}

static void limits(void **state)
{
        _cleanup_(freep) char *text = malloc(TOML_MAX + 2);
        struct toml *t = NULL;
        struct error err = ERROR_NULL;
        size_t n = 0;

        memset(text, '\n', TOML_MAX + 1);
        assert_int_equal(toml_parse(&t, "f", text, TOML_MAX, &err), 0);
        t = toml_free(t);
        assert_int_equal(toml_parse(&t, "f", text, TOML_MAX + 1, &err), -1);
        assert_int_equal(err.reason, REASON_TOO_LARGE);
        assert_int_equal(toml_parse(&t, "f", "a = \"\0\"", 7, &err), -1);
        for (unsigned i = 0; i <= TOML_MAX_KEYS; i++)
                n += (size_t)sprintf(text + n, "k%u = 0\n", i);
        assert_int_equal(toml_parse(&t, "f", text, n, &err), -1);
        assert_string_equal(err.message, "f:1025:1: a table may have at most 1024 keys");
        /* names nest as deep as the text is long */
        n = (size_t)sprintf(text, "[a");
        while (n < TOML_MAX - 3)
                n += (size_t)sprintf(text + n, ".a");
        text[n++] = ']';
        assert_int_equal(toml_parse(&t, "f", text, n, &err), 0);
        assert_int_equal(toml_check_unused(t, &err), -1);
        t = toml_free(t);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(values),
                cmocka_unit_test(refuses),
                cmocka_unit_test(wrong_types),
                cmocka_unit_test(limits),
        };

        return cmocka_run_group_tests_name("toml", tests, NULL, NULL);
}
