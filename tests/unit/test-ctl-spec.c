/* SPDX-License-Identifier: Apache-2.0 */
/* client/ctl/spec*.c: what is in a config.json that is made from options. */
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include "client/ctl/spec.h"
#include "proto/proto.h"

#define LIST(...) ((const char *const[]){ __VA_ARGS__, NULL })

static json_t *config(const struct spec_params *params)
{
        struct error err = ERROR_NULL;
        _cleanup_(freep) char *text = spec_config(params, &err);
        json_t *json;

        if (!text)
                fail_msg("%s", err.message);
        json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(json);
        return json;
}

/* The value at a path such as "process.args.0". */
static json_t *at(json_t *json, const char *path)
{
        char copy[256], *save, *part;

        snprintf(copy, sizeof(copy), "%s", path);
        for (part = strtok_r(copy, ".", &save); part; part = strtok_r(NULL, ".", &save))
                json = json_is_array(json) ? json_array_get(json, (size_t)atoi(part)) : json_object_get(json, part);
        return json;
}

static bool has(json_t *array, const char *text)
{
        for (size_t i = 0; i < json_array_size(array); i++) {
                if (json_is_string(json_array_get(array, i)) &&
                    strcmp(json_string_value(json_array_get(array, i)), text) == 0)
                        return true;
        }
        return false;
}

static json_t *find(json_t *array, const char *key, const char *value)
{
        for (size_t i = 0; i < json_array_size(array); i++) {
                const char *text = json_string_value(json_object_get(json_array_get(array, i), key));

                if (text && strcmp(text, value) == 0)
                        return json_array_get(array, i);
        }
        return NULL;
}

static void test_defaults(void **state)
{
        struct spec_params params = { .rootfs = "/r", .id = "web", .limits = SPEC_LIMITS_NULL };
        json_t *json = config(&params);

        assert_string_equal(json_string_value(at(json, "ociVersion")), "1.0.2");
        assert_string_equal(json_string_value(at(json, "process.args.0")), "sh");
        assert_string_equal(json_string_value(at(json, "process.cwd")), "/");
        assert_string_equal(json_string_value(at(json, "hostname")), "web");
        assert_string_equal(json_string_value(at(json, "root.path")), "/r");
        assert_true(json_is_false(at(json, "root.readonly")));
        assert_true(json_is_false(at(json, "process.terminal")));
        assert_true(json_is_true(at(json, "process.noNewPrivileges")));
        assert_string_equal(json_string_value(at(json, "linux.cgroupsPath")), "/sandboxd/default/web");
        assert_int_equal(json_array_size(at(json, "linux.namespaces")), 5);
        assert_non_null(find(at(json, "linux.namespaces"), "type", "network"));
        assert_int_equal(json_array_size(at(json, "process.capabilities.effective")), 14);
        assert_false(has(at(json, "process.capabilities.bounding"), "CAP_SYS_ADMIN"));
        assert_true(has(at(json, "linux.maskedPaths"), "/proc/kcore"));
        assert_true(has(at(json, "linux.readonlyPaths"), "/proc/sys"));
        for (const char *const *m = LIST("/proc", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue", "/sys"); *m; m++)
                assert_non_null(find(at(json, "mounts"), "destination", *m));
        assert_true(has(json_object_get(find(at(json, "mounts"), "destination", "/sys"), "options"), "ro"));
        assert_null(find(at(json, "mounts"), "destination", "/sys/fs/cgroup"));
        assert_null(at(json, "linux.resources.memory"));
        assert_null(at(json, "linux.resources.pids"));
        json_decref(json);
}

static void test_options(void **state)
{
        char ls[] = "ls", l[] = "-l", *argv[] = { ls, l, NULL };
        struct spec_params params = {
                .rootfs = "/r",
                .id = "web",
                .ns = "prod",
                .hostname = "host",
                .readonly = true,
                .host_net = true,
                .cgroup_mount = true,
                .limits = {.memory = 16 << 20, .swap = 32 << 20, .cpus = 1500, .cpu_shares = 512, .pids = 7},
                .process = {.argv = argv,
                            .env = LIST("A=1", "PATH=/bin", "A=2"),
                            .cwd = "/tmp",
                            .user = "5:6",
                            .terminal = true,
                            .cap_add = LIST("net_admin"),
                            .cap_drop = LIST("CAP_MKNOD"),
                            .ulimits = LIST("nofile=10:20", "core=unlimited"),
                            .allow_new_privileges = true},
                .volumes = LIST("/etc:/mnt/etc:ro"),
                .mounts = LIST("type=tmpfs,target=/scratch,size=1m", "src=/usr,dst=/mnt/usr,readonly"),
                .annotations = LIST("io.example/key=value=with=equals"),
        };
        json_t *json = config(&params), *env = at(json, "process.env"), *m;

        assert_string_equal(json_string_value(at(json, "process.args.1")), "-l");
        assert_int_equal(json_array_size(env), 3); /* PATH and A replaced, TERM added for the terminal */
        assert_true(has(env, "A=2") && has(env, "PATH=/bin") && has(env, "TERM=xterm"));
        assert_int_equal(json_integer_value(at(json, "process.user.uid")), 5);
        assert_int_equal(json_integer_value(at(json, "process.user.gid")), 6);
        assert_true(has(at(json, "process.capabilities.bounding"), "CAP_NET_ADMIN"));
        assert_false(has(at(json, "process.capabilities.bounding"), "CAP_MKNOD"));
        assert_int_equal(json_array_size(at(json, "process.capabilities.effective")), 0); /* not root */
        assert_int_equal(json_array_size(at(json, "process.rlimits")), 2);
        assert_int_equal(
                json_integer_value(json_object_get(find(at(json, "process.rlimits"), "type", "RLIMIT_NOFILE"), "hard")),
                20);
        assert_int_equal(
                json_integer_value(json_object_get(find(at(json, "process.rlimits"), "type", "RLIMIT_CORE"), "soft")),
                INT64_MAX);
        assert_true(json_is_false(at(json, "process.noNewPrivileges")));
        assert_string_equal(json_string_value(at(json, "linux.cgroupsPath")), "/sandboxd/prod/web");
        assert_null(find(at(json, "linux.namespaces"), "type", "network"));
        assert_int_equal(json_integer_value(at(json, "linux.resources.memory.limit")), 16 << 20);
        assert_int_equal(json_integer_value(at(json, "linux.resources.memory.swap")), 32 << 20);
        assert_int_equal(json_integer_value(at(json, "linux.resources.cpu.quota")), 150000);
        assert_int_equal(json_integer_value(at(json, "linux.resources.cpu.shares")), 512);
        assert_int_equal(json_integer_value(at(json, "linux.resources.pids.limit")), 7);
        assert_non_null(find(at(json, "mounts"), "destination", "/sys/fs/cgroup"));
        m = find(at(json, "mounts"), "destination", "/mnt/etc");
        assert_string_equal(json_string_value(json_object_get(m, "source")), "/etc");
        assert_true(has(json_object_get(m, "options"), "ro") && has(json_object_get(m, "options"), "rbind"));
        m = find(at(json, "mounts"), "destination", "/scratch");
        assert_string_equal(json_string_value(json_object_get(m, "type")), "tmpfs");
        assert_true(has(json_object_get(m, "options"), "size=1m"));
        assert_true(has(json_object_get(find(at(json, "mounts"), "destination", "/mnt/usr"), "options"), "ro"));
        assert_string_equal(json_string_value(json_object_get(at(json, "annotations"), "io.example/key")),
                            "value=with=equals");
        json_decref(json);
}

static void test_all_capabilities(void **state)
{
        struct spec_params params = { .rootfs = "/r", .id = "web", .limits = SPEC_LIMITS_NULL,
                                      .process = { .cap_drop = LIST("ALL"), .cap_add = LIST("KILL") } };
        json_t *json = config(&params);

        assert_int_equal(json_array_size(at(json, "process.capabilities.effective")), 1);
        json_decref(json);
        params.process = (struct spec_process){ .cap_add = LIST("all"), .cap_drop = LIST("sys_admin") };
        json = config(&params);
        assert_int_equal(json_array_size(at(json, "process.capabilities.bounding")), 40);
        assert_false(has(at(json, "process.capabilities.bounding"), "CAP_SYS_ADMIN"));
        json_decref(json);
}

static void refuse(const struct spec_params *change)
{
        struct spec_params params = *change;
        struct error err = ERROR_NULL;

        params.rootfs = "/r";
        params.id = "web";
        params.limits = (struct spec_limits)SPEC_LIMITS_NULL;
        assert_null(spec_config(&params, &err));
        assert_int_equal(err.reason, REASON_INVALID_SPEC);
        assert_true(err.message[0] != '\0');
}

static void test_refused(void **state)
{
        refuse(&(struct spec_params){ .volumes = LIST("/etc") });
        refuse(&(struct spec_params){ .volumes = LIST("/etc:relative") });
        refuse(&(struct spec_params){ .volumes = LIST("/no/such/file:/mnt") });
        refuse(&(struct spec_params){ .mounts = LIST("type=tmpfs") });
        refuse(&(struct spec_params){ .mounts = LIST("type=bind,target=/x") });
        refuse(&(struct spec_params){ .annotations = LIST("novalue") });
        refuse(&(struct spec_params){ .process.cwd = "tmp" });
        refuse(&(struct spec_params){ .process.env = LIST("=x") });
        refuse(&(struct spec_params){ .process.user = "nobody-there" });
        refuse(&(struct spec_params){ .process.user = ":5" });
        refuse(&(struct spec_params){ .process.user = "5:" });
        refuse(&(struct spec_params){ .process.user = "4294967295" });
        refuse(&(struct spec_params){ .process.cap_add = LIST("FLY") });
        refuse(&(struct spec_params){ .process.ulimits = LIST("nofile") });
        refuse(&(struct spec_params){ .process.ulimits = LIST("nofile=2:1") });
        refuse(&(struct spec_params){ .process.ulimits = LIST("flies=2") });
}

static void write_file(const char *dir, const char *name, const char *text)
{
        char path[256];
        FILE *f;

        snprintf(path, sizeof(path), "%s/%s", dir, name);
        f = fopen(path, "we");
        assert_non_null(f);
        fputs(text, f);
        fclose(f);
}

static void test_users(void **state)
{
        char dir[] = "/tmp/sandboxd-test-XXXXXX", path[256];
        struct spec_params params = { .id = "web", .limits = SPEC_LIMITS_NULL, .process.user = "bob:staff" };
        struct error err = ERROR_NULL;
        json_t *json;

        assert_non_null(mkdtemp(dir));
        snprintf(path, sizeof(path), "%s/etc", dir);
        assert_int_equal(mkdir(path, 0755), 0);
        write_file(path, "passwd", "root:x:0:0::/root:\nbob:x:1000:1001::/home/bob:\n");
        write_file(path, "group", "staff:x:50:\n");
        params.rootfs = dir;
        json = config(&params);
        assert_int_equal(json_integer_value(at(json, "process.user.uid")), 1000);
        assert_int_equal(json_integer_value(at(json, "process.user.gid")), 50);
        assert_true(has(at(json, "process.env"), "HOME=/home/bob"));
        json_decref(json);

        params.process.user = "1000"; /* a number that has an entry: its group */
        json = config(&params);
        assert_int_equal(json_integer_value(at(json, "process.user.gid")), 1001);
        json_decref(json);

        /* a link in the root filesystem does not lead to the host's users */
        snprintf(path, sizeof(path), "%s/etc/passwd", dir);
        unlink(path);
        assert_int_equal(symlink("../../../../../../../etc/passwd", path), 0);
        params.process.user = "daemon";
        assert_null(spec_config(&params, &err));
        unlink(path);
        snprintf(path, sizeof(path), "%s/etc/group", dir);
        unlink(path);
        snprintf(path, sizeof(path), "%s/etc", dir);
        rmdir(path);
        rmdir(dir);
}

static void test_exec(void **state)
{
        static const char text[] = "{\"process\": {\"args\": [\"init\"], \"cwd\": \"/srv\", \"env\": [\"A=1\"], "
                                   "\"user\": {\"uid\": 3, \"gid\": 4},"
                                   "\"apparmorProfile\": \"p\", \"capabilities\": {\"effective\": [\"CAP_KILL\"]}}}";
        char ps[] = "ps", *argv[] = { ps, NULL };
        struct spec_process process = { .argv = argv, .env = LIST("B=2") };
        struct error err = ERROR_NULL;
        char *made = spec_exec(text, NULL, &process, &err);
        json_t *json = json_loads(made, 0, NULL);

        assert_string_equal(json_string_value(at(json, "args.0")), "ps");
        assert_string_equal(json_string_value(at(json, "cwd")), "/srv");
        assert_string_equal(json_string_value(at(json, "apparmorProfile")), "p"); /* what it does not know stays */
        assert_true(has(at(json, "env"), "A=1") && has(at(json, "env"), "B=2"));
        assert_int_equal(json_integer_value(at(json, "user.uid")), 3);
        free(made);
        json_decref(json);
        made = spec_exec(NULL, NULL, &process, &err);
        assert_non_null(made);
        free(made);
        assert_null(spec_exec("{\"process\": ", NULL, &process, &err));
        assert_non_null(strstr(err.message, "line 1"));
}

static void test_check(void **state)
{
        struct error err = ERROR_NULL;

        assert_int_equal(spec_check("{}", "x", &err), 0);
        assert_int_equal(spec_check("[]", "x", &err), -1);
        assert_int_equal(spec_check("{\n  bad", "FILE", &err), -1);
        assert_non_null(strstr(err.message, "FILE"));
        assert_non_null(strstr(err.message, "line 2"));
        assert_int_equal(spec_check("{\"a\":1,\"a\":2}", "x", &err), -1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_defaults),
                cmocka_unit_test(test_options),
                cmocka_unit_test(test_all_capabilities),
                cmocka_unit_test(test_refused),
                cmocka_unit_test(test_users),
                cmocka_unit_test(test_exec),
                cmocka_unit_test(test_check),
        };

        return cmocka_run_group_tests_name("ctl-spec", tests, NULL, NULL);
}
