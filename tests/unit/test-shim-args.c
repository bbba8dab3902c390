/* SPDX-License-Identifier: Apache-2.0 */
/* Command lines as containerd makes them. */

#include "tests/unit/unit.h"

#include "client/shim/args.h"

#define PARSE(ret, ...)                                                                                                \
        do {                                                                                                           \
                const char *argv_[] = { "shim", __VA_ARGS__, NULL };                                                   \
                shim_args_parse(ret, (int)ARRAY_SIZE(argv_) - 1, (char **)(void *)argv_);                              \
        } while (0)

static void as_containerd_has_them(void **state)
{
        struct shim_args a;

        PARSE(&a, "-namespace", "k8s.io", "-address", "/run/c.sock", "-publish-binary", "/usr/bin/containerd", "-id",
              "c1", "-debug", "start");
        assert_string_equal(a.action, "start");
        assert_string_equal(a.ns, "k8s.io");
        assert_string_equal(a.address, "/run/c.sock");
        assert_string_equal(a.id, "c1");
        assert_string_equal(a.bundle, "");
        assert_true(a.debug);
        PARSE(&a, "--namespace=n", "-id=x=y", "--bundle", "/b", "delete");
        assert_string_equal(a.action, "delete");
        assert_string_equal(a.ns, "n");
        assert_string_equal(a.id, "x=y");
        assert_string_equal(a.bundle, "/b");
        assert_false(a.debug);
        PARSE(&a, "serve", "-owner", "c0123", "-socket", "/s");
        assert_string_equal(a.action, "serve");
        assert_string_equal(a.owner, "c0123");
        assert_string_equal(a.socket, "/s");
}

static void booleans(void **state)
{
        struct shim_args a;

        PARSE(&a, "-v");
        assert_true(a.version);
        assert_null(a.action);
        PARSE(&a, "-info");
        assert_true(a.info);
        PARSE(&a, "-debug=false", "-version=true");
        assert_false(a.debug);
        assert_true(a.version);
}

static void what_is_not_known_is_passed_over(void **state)
{
        struct shim_args a;

        PARSE(&a, "-new-thing", "value", "-id", "c", "-other=1", "-third", "-debug", "start");
        assert_string_equal(a.action, "start");
        assert_string_equal(a.id, "c");
        assert_true(a.debug);
        PARSE(&a, "-id"); /* without its value */
        assert_string_equal(a.id, "");
        PARSE(&a, "-id", "-x", "start"); /* a value is a value, whatever it looks like */
        assert_string_equal(a.id, "-x");
        assert_string_equal(a.action, "start");
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(as_containerd_has_them),
                cmocka_unit_test(booleans),
                cmocka_unit_test(what_is_not_known_is_passed_over),
        };

        return cmocka_run_group_tests_name("shim-args", tests, NULL, NULL);
}
