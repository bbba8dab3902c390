/* SPDX-License-Identifier: Apache-2.0 */
/* client/ctl/options.c: the command line, and that the tables make sense. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "base/cleanup.h"
#include "client/ctl/options.h"

static char error[256];

#define PARSE(args, ...) parse(args, (const char *[]){ "sandboxctl", __VA_ARGS__, NULL })
static int parse(struct args *args, const char **argv)
{
        int argc = 0;

        while (argv[argc])
                argc++;
        return args_parse(args, argc, (char **)argv, error, sizeof(error));
}

static void test_options(void **state)
{
        struct args args;
        size_t i = 0;

        assert_int_equal(PARSE(&args, "-n", "ns", "kill", "--signal=KILL", "web", "-a", "--format", "json", "db"), 0);
        assert_string_equal(args.verb->name, "kill");
        assert_string_equal(args_get(&args, "namespace"), "ns");
        assert_string_equal(args_get(&args, "signal"), "KILL");
        assert_string_equal(args_get(&args, "format"), "json");
        assert_true(args_has(&args, "all"));
        assert_null(args_get(&args, "exec"));
        assert_int_equal(args.n_words, 2);
        assert_string_equal(args.words[1], "db");
        args_deinit(&args);

        assert_int_equal(PARSE(&args, "run", "-itm16M", "-e", "A=1", "--env=B=2", "-eC", "--rootfs", "/r", "--", "sh"),
                         0);
        assert_true(args_has(&args, "interactive") && args_has(&args, "tty"));
        assert_string_equal(args_get(&args, "memory"), "16M");
        assert_string_equal(args_next(&args, "env", &i), "A=1");
        assert_string_equal(args_next(&args, "env", &i), "B=2");
        assert_string_equal(args_next(&args, "env", &i), "C");
        assert_null(args_next(&args, "env", &i));
        args_deinit(&args);
}

static void test_command_lines(void **state)
{
        struct args args;

        assert_int_equal(PARSE(&args, "exec", "-t", "box", "ls", "-l", "--", "--help"), 0);
        assert_false(args.dashes);
        assert_int_equal(args.n_words, 5);
        assert_string_equal(args.words[2], "-l");
        assert_string_equal(args.words[3], "--");
        assert_false(args_has(&args, "help"));
        args_deinit(&args);

        assert_int_equal(PARSE(&args, "exec", "box", "--", "-x"), 0); /* the first -- after the id is ours */
        assert_int_equal(args.n_words, 2);
        assert_string_equal(args.words[1], "-x");
        args_deinit(&args);

        assert_int_equal(PARSE(&args, "run", "--", "box", "--"), 0);
        assert_true(args.dashes);
        assert_int_equal(args.n_words, 2);
        args_deinit(&args);

        assert_int_equal(PARSE(&args, "list"), 0);
        assert_int_equal(args.n_words, 0);
        args_deinit(&args);
}

static void test_refused(void **state)
{
        static const char *const lines[][4] = {
                {"nope"},       {"list", "--nope"},    {"list", "-Z"},    {"kill", "--signal"},
                {"kill", "-s"}, {"list", "--quiet=1"}, {"--bad", "list"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
                const char *argv[6] = { "sandboxctl" };
                struct args args;

                memcpy(argv + 1, lines[i], sizeof(lines[i]));
                error[0] = '\0';
                assert_int_equal(parse(&args, argv), -1);
                assert_true(error[0] != '\0');
                args_deinit(&args);
        }
}

static void check_table(const struct option_desc *table)
{
        for (; table && table->name; table++) {
                assert_non_null(table->text);
                assert_true(strlen(table->name) > 1);
                for (const struct option_desc *other = table + 1; other->name; other++) {
                        assert_string_not_equal(table->name, other->name);
                        assert_false(table->letter && table->letter == other->letter);
                }
                for (const struct option_desc *global = global_options;
                     table < global_options || table > global_options + 10; global++) {
                        if (!global->name)
                                break;
                        assert_string_not_equal(table->name, global->name);
                        assert_false(table->letter && table->letter == global->letter);
                }
        }
}

static void test_tables(void **state)
{
        check_table(global_options);
        for (const struct verb *const *v = verbs; *v; v++) {
                assert_non_null((*v)->run);
                assert_non_null((*v)->summary);
                assert_non_null((*v)->synopsis);
                assert_true((*v)->max_args == -1 || (*v)->max_args >= (*v)->min_args);
                check_table((*v)->options);
                assert_ptr_equal(verb_find((*v)->name), *v); /* no alias hides it */
        }
        assert_string_equal(verb_find("rm")->name, "delete");
        assert_string_equal(verb_find("ls")->name, "list");
        assert_string_equal(verb_find("inspect")->name, "state");
        assert_string_equal(verb_find("unpause")->name, "resume");
        assert_null(verb_find(""));
        assert_null(verb_find("l"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_options),
                cmocka_unit_test(test_command_lines),
                cmocka_unit_test(test_refused),
                cmocka_unit_test(test_tables),
        };

        return cmocka_run_group_tests_name("ctl-options", tests, NULL, NULL);
}
