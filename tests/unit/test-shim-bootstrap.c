/* SPDX-License-Identifier: Apache-2.0 */
/* What `start` reads, and in which form it answers. */

#include "tests/unit/unit.h"

#include "client/shim/bootstrap.h"
#include "proto/shim.h"
#include "proto/shim/options.pb-c.h"

#define ADDRESS "unix:///run/x\"y"

static const struct shim_args args = { .id = "one", .ns = "k8s.io" };
static struct bootstrap b;
static struct buf in, out;

static int begin(void **state)
{
        in = out = BUF_NULL;
        return 0;
}

static int end(void **state)
{
        bootstrap_deinit(&b);
        buf_deinit(&in);
        buf_deinit(&out);
        return 0;
}

static void take(const ProtobufCMessage *message)
{
        size_t n = protobuf_c_message_get_packed_size(message);

        protobuf_c_message_pack(message, buf_reserve(&in, n + 1));
        buf_commit(&in, n);
        bootstrap_parse(&b, &in, &args);
}

static void take_text(const char *text)
{
        buf_append(&in, text, strlen(text));
        bootstrap_parse(&b, &in, &args);
}

static void assert_answer(const char *text)
{
        bootstrap_answer(&b, ADDRESS, &out);
        assert_int_equal(buf_len(&out), strlen(text));
        assert_memory_equal(buf_head(&out), text, strlen(text));
}

static void pack_options(Shim__Any *ret, const char *cgroup)
{
        Shim__RuncOptions options = SHIM__RUNC_OPTIONS__INIT;

        options.shim_cgroup = (char *)cgroup;
        *ret = (Shim__Any)SHIM__ANY__INIT;
        assert_int_equal(shim_any_pack(ret, TYPE_RUNC_OPTIONS, &options.base), 0);
}

static void test_nothing(void **state)
{
        bootstrap_parse(&b, &in, &args);
        assert_int_equal(b.form, BOOTSTRAP_PLAIN);
        assert_null(bootstrap_cgroup(&b));
        assert_string_equal(bootstrap_ttrpc_address(&b), "");
        assert_answer(ADDRESS);
}

static void test_options(void **state)
{
        Shim__Any any;
        char *cgroup;

        pack_options(&any, "/here");
        take(&any.base);
        free(any.value.data);
        assert_int_equal(b.form, BOOTSTRAP_PLAIN);
        cgroup = bootstrap_cgroup(&b);
        assert_string_equal(cgroup, "/here");
        free(cgroup);
        assert_answer(ADDRESS);
}

static void test_strange_options(void **state)
{
        take_text("\x7f what is this");
        assert_int_equal(b.form, BOOTSTRAP_PLAIN);
        assert_null(bootstrap_cgroup(&b));
        assert_answer(ADDRESS);
}

/* 2.3 */
static void test_params(void **state)
{
        Shim__BootstrapParams params = SHIM__BOOTSTRAP_PARAMS__INIT;
        Shim__Extension first = SHIM__EXTENSION__INIT, second = SHIM__EXTENSION__INIT;
        Shim__Extension *extensions[] = { &first, &second };
        Shim__BootstrapResult *result;
        Shim__Any any;
        char *cgroup;

        pack_options(&any, "/there");
        second.value = &any;
        params.instance_id = (char *)"one";
        params.namespace_ = (char *)"k8s.io";
        params.containerd_ttrpc_address = (char *)"/run/c.sock.ttrpc";
        params.extensions = extensions;
        params.n_extensions = ARRAY_SIZE(extensions);
        take(&params.base);
        free(any.value.data);
        assert_int_equal(b.form, BOOTSTRAP_PROTOBUF);
        assert_string_equal(bootstrap_ttrpc_address(&b), "/run/c.sock.ttrpc");
        cgroup = bootstrap_cgroup(&b);
        assert_string_equal(cgroup, "/there");
        free(cgroup);

        bootstrap_answer(&b, ADDRESS, &out);
        result = shim__bootstrap_result__unpack(NULL, buf_len(&out), buf_head(&out));
        assert_non_null(result);
        assert_int_equal(result->version, 3);
        assert_string_equal(result->address, ADDRESS);
        assert_string_equal(result->protocol, "ttrpc");
        shim__bootstrap_result__free_unpacked(result, NULL);
}

/* An Any, that begins with two texts too. */
static void test_params_of_another(void **state)
{
        Shim__BootstrapParams params = SHIM__BOOTSTRAP_PARAMS__INIT;

        params.instance_id = (char *)"two";
        params.namespace_ = (char *)"k8s.io";
        take(&params.base);
        assert_int_equal(b.form, BOOTSTRAP_PLAIN);
        assert_answer(ADDRESS);
}

static void test_json(void **state)
{
        take_text("{\"instance_id\": \"one\", \"namespace\": \"k8s.io\", \"extensions\": []}");
        assert_int_equal(b.form, BOOTSTRAP_JSON);
        assert_null(bootstrap_cgroup(&b));
        assert_answer("{\"version\":3,\"address\":\"unix:///run/x\\\"y\",\"protocol\":\"ttrpc\"}");
}

static void test_json_of_another(void **state)
{
        take_text("{\"instance_id\": \"two\", \"namespace\": \"k8s.io\"}");
        assert_int_equal(b.form, BOOTSTRAP_PLAIN);
        assert_answer(ADDRESS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_nothing), TEST(test_options),           TEST(test_strange_options),
                TEST(test_params),  TEST(test_params_of_another), TEST(test_json),
                TEST(test_json_of_another),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
