/* SPDX-License-Identifier: Apache-2.0 */
/* The options of a Create in all the types that they come in, and what is done without any. */

#include "tests/unit/unit.h"

#include <fcntl.h>
#include "base/fd.h"
#include "client/shim/options.h"
#include "proto/shim.h"
#include "proto/shim/options.pb-c.h"

static struct create_params p;
static struct error err;
static struct arena *a;

static int begin(void **state)
{
        a = arena_new();
        p = (struct create_params){ 0 };
        err = (struct error)ERROR_NULL;
        return 0;
}

static int end(void **state)
{
        a = arena_free(a);
        return 0;
}

static void none_and_unknown(void **state)
{
        uint8_t junk[] = { 0xff, 0xff };
        Shim__Any any = SHIM__ANY__INIT;

        assert_int_equal(options_apply(NULL, &p, a, &err), 0);
        assert_string_equal(p.runtime, "");
        assert_string_equal(p.binary, "");
        assert_string_equal(p.runtime_root, "/run/containerd/runc");
        any.type_url = (char *)"containerd.linux.something.Options";
        any.value = (ProtobufCBinaryData){ 2, junk };
        assert_int_equal(options_apply(&any, &p, a, &err), 0);
        any.type_url = (char *)TYPE_RUNC_OPTIONS; /* known, and not readable */
        assert_int_equal(options_apply(&any, &p, a, &err), -1);
        assert_int_equal(err.reason, REASON_INVALID_ARGUMENT);
        any.value.len = 0; /* empty is fine */
        assert_int_equal(options_apply(&any, &p, a, &err), 0);
}

static void of_runc(void **state)
{
        Shim__RuncOptions o = SHIM__RUNC_OPTIONS__INIT;
        Shim__Any any = SHIM__ANY__INIT;

        o.no_pivot_root = o.no_new_keyring = o.systemd_cgroup = true;
        o.io_uid = 1000;
        o.io_gid = 1001;
        o.binary_name = (char *)"/opt/crun-1.9";
        o.root = (char *)"/run/other";
        o.criu_path = (char *)"/opt/criu";
        assert_int_equal(shim_any_pack(&any, TYPE_RUNC_OPTIONS, &o.base), 0);
        assert_int_equal(options_apply(&any, &p, a, &err), 0);
        free(any.value.data);
        assert_true(p.no_pivot_root && p.no_new_keyring && p.systemd_cgroup);
        assert_int_equal(p.io_uid, 1000);
        assert_int_equal(p.io_gid, 1001);
        assert_string_equal(p.runtime, "");
        assert_string_equal(p.binary, "/opt/crun-1.9");
        assert_string_equal(p.runtime_root, "/run/other");
        assert_string_equal(p.criu_path, "/opt/criu");
}

static void binary(const char *name, const char *runtime, const char *path, const char *root)
{
        Shim__RuncOptions o = SHIM__RUNC_OPTIONS__INIT;
        Shim__Any any = SHIM__ANY__INIT;

        o.binary_name = (char *)name;
        assert_int_equal(shim_any_pack(&any, TYPE_RUNC_OPTIONS, &o.base), 0);
        assert_int_equal(options_apply(&any, &p, a, &err), 0);
        free(any.value.data);
        assert_string_equal(p.runtime, runtime);
        assert_string_equal(p.binary, path);
        assert_string_equal(p.runtime_root, root);
}

static void a_binary_names_the_runtime(void **state)
{
        binary("runc", "runc", "", "/run/containerd/runc");
        binary("crun", "crun", "", "/run/containerd/runc");
        binary("runsc", "runsc", "", "/run/containerd/runsc");
        binary("/usr/local/bin/runsc", "", "/usr/local/bin/runsc", "/run/containerd/runsc");
        binary("/opt/my-runc", "", "/opt/my-runc", "/run/containerd/runc");
}

static int body(const char *text)
{
        Shim__RuntimeOptions o = SHIM__RUNTIME_OPTIONS__INIT;
        Shim__Any any = SHIM__ANY__INIT;
        int r;

        o.config_body = (ProtobufCBinaryData){ strlen(text), (uint8_t *)text };
        assert_int_equal(shim_any_pack(&any, "type.googleapis.com/" TYPE_RUNTIME_OPTIONS, &o.base), 0);
        r = options_apply(&any, &p, a, &err);
        free(any.value.data);
        return r;
}

static void a_table_of_cri(void **state)
{
        assert_int_equal(body("BinaryName = \"crun\"\nRoot = \"/r\"\nSystemdCgroup = true\nNoPivotRoot = true\nIoUid = "
                              "7\nCriuPath = \"/c\"\n"
                              "Newer = [1]\n"),
                         0);
        assert_string_equal(p.runtime, "crun");
        assert_string_equal(p.runtime_root, "/r");
        assert_true(p.systemd_cgroup && p.no_pivot_root);
        assert_int_equal(p.io_uid, 7);
        assert_string_equal(p.criu_path, "/c");
        assert_int_equal(body("Root = 5\n"), -1);
        assert_non_null(strstr(err.message, "options:1:"));
        assert_int_equal(body("this is not TOML"), -1);
}

static void the_file_of_gvisor(void **state)
{
        static const char text[] =
                "root = \"/run/gvisor\"\nio_gid = 9\nlog_level = \"debug\"\n[runsc_config]\nplatform = \"systrap\"\n"
                "debug = true\n\"num-network-channels\" = 4\n";
        Shim__RuntimeOptions o = SHIM__RUNTIME_OPTIONS__INIT;
        Shim__Any any = SHIM__ANY__INIT;
        char dir[32], path[64];
        int fd;

        snprintf(path, sizeof(path), "%s/runsc.toml", unit_mkdir(dir));
        fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        assert_int_equal(fd_write_all(fd, text, sizeof(text) - 1), 0);
        fd_close(fd);
        o.config_path = path;
        assert_int_equal(shim_any_pack(&any, TYPE_RUNTIME_OPTIONS, &o.base), 0);
        assert_int_equal(options_apply(&any, &p, a, &err), 0);
        assert_string_equal(p.runtime, "runsc"); /* has options of runsc, and names no binary */
        assert_string_equal(p.runtime_root, "/run/gvisor");
        assert_int_equal(p.io_gid, 9);
        assert_int_equal(p.runtime_args.n, 3);
        assert_string_equal(p.runtime_args.items[0], "--platform=systrap");
        assert_string_equal(p.runtime_args.items[1], "--debug=true");
        assert_string_equal(p.runtime_args.items[2], "--num-network-channels=4");
        unlink(path);
        assert_int_equal(options_apply(&any, &p, a, &err), -1);
        assert_non_null(strstr(err.message, path));
        free(any.value.data);
        unit_rmdir(dir);
}

/* Each key that gVisor's own shim has. What is the shim's own affair, not the container's, is taken and has no effect:
 * sandboxd has one log, a group of fronts, and a cgroup of their own, all in its configuration. */
static void each_key_of_gvisor(void **state)
{
        assert_int_equal(body("binary_name = \"/opt/runsc-2\"\n"), 0);
        assert_string_equal(p.binary, "/opt/runsc-2");
        assert_string_equal(p.runtime_root, "/run/containerd/runsc"); /* where that shim has it */
        assert_int_equal(body("root = \"/run/r\"\nbinary_name = \"runsc\"\n"), 0);
        assert_string_equal(p.runtime_root, "/run/r");
        assert_string_equal(p.runtime, "runsc");
        assert_int_equal(body("io_uid = 3\nio_gid = 4\n"), 0);
        assert_true(p.io_uid == 3 && p.io_gid == 4);
        assert_int_equal(body("log_path = \"/var/log/%ID%/\"\nlog_level = \"debug\"\nshim_cgroup = \"/x\"\n"
                              "grouping = true\nenable_hibernate_server = true\n"), 0);
        assert_int_equal(p.runtime_args.n, 0);
        assert_string_equal(p.binary, "");
        assert_int_equal(body("[runsc_config]\ndebug-log = \"/l/%ID%/\"\noverlay2 = \"none\"\nnet-raw = true\n"), 0);
        assert_int_equal(p.runtime_args.n, 3);
        assert_string_equal(p.runtime_args.items[0], "--debug-log=/l/%ID%/"); /* %ID%: by sandboxd */
        assert_string_equal(p.runtime_args.items[1], "--overlay2=none");
        assert_string_equal(p.runtime_args.items[2], "--net-raw=true");
        assert_string_equal(p.runtime, "runsc");
        assert_int_equal(body("io_uid = -1\n"), -1);
        assert_int_equal(body("binary_name = 5\n"), -1);
}

static void of_a_checkpoint(void **state)
{
        Shim__CheckpointOptions o = SHIM__CHECKPOINT_OPTIONS__INIT;
        Shim__Any any = SHIM__ANY__INIT;
        struct checkpoint_params c = { 0 };
        char *empty[] = { (char *)"network" };

        assert_int_equal(options_apply_checkpoint(NULL, &c, a, &err), 0);
        o.exit = o.file_locks = true;
        o.empty_namespaces = empty;
        o.n_empty_namespaces = 1;
        o.work_path = (char *)"/w";
        assert_int_equal(shim_any_pack(&any, TYPE_RUNC_CHECKPOINT_OPTIONS, &o.base), 0);
        assert_int_equal(options_apply_checkpoint(&any, &c, a, &err), 0);
        free(any.value.data);
        assert_true(c.exit && c.file_locks && !c.open_tcp);
        assert_int_equal(c.empty_namespaces.n, 1);
        assert_string_equal(c.empty_namespaces.items[0], "network");
        assert_string_equal(c.work_path, "/w");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
int main(void)
{
        static const struct CMUnitTest tests[] = {
                TEST(none_and_unknown), TEST(of_runc),            TEST(a_binary_names_the_runtime),
                TEST(a_table_of_cri),   TEST(the_file_of_gvisor), TEST(of_a_checkpoint),
                TEST(each_key_of_gvisor),
        };

        return cmocka_run_group_tests_name("shim-options", tests, NULL, NULL);
}
