/* SPDX-License-Identifier: Apache-2.0 */
/* What is read of specs, and of what the real runtimes print (tests/data/runtime has samples of each). */

#include "tests/unit/arena.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include "base/fd.h"
#include "daemon/spec.h"

static char *sample(const char *name, size_t *ret_len)
{
        const char *top = getenv("top_srcdir");
        char path[512], *text;

        snprintf(path, sizeof(path), "%s/tests/data/runtime/%s", top ? top : ".", name);
        if (fd_read_file(AT_FDCWD, path, 1 << 20, &text, ret_len) < 0)
                fail_msg("cannot read %s", path);
        return text;
}

#define BEGIN "{\"ociVersion\": \"1.0.2\", \"root\": {\"path\": \"rootfs\"}"

static struct spec *parsed(const char *text)
{
        struct error err = ERROR_NULL;
        struct spec *spec;

        if (spec_parse(text, strlen(text), arena, &spec, &err) < 0)
                fail_msg("%s: %s", text, err.message);
        return spec;
}

static void refused(const char *text, const char *message)
{
        struct error err = ERROR_NULL;
        struct spec *spec;

        assert_int_equal(spec_parse(text, strlen(text), arena, &spec, &err), -1);
        assert_int_equal(err.reason, REASON_INVALID_SPEC);
        if (!strstr(err.message, message))
                fail_msg("\"%s\" is not in \"%s\"", message, err.message);
}

static void a_whole_spec(void **state)
{
        struct error err = ERROR_NULL;
        struct spec_limits again;
        struct spec *s =
                parsed("{\"ociVersion\": \"1.0.2-dev\",\n"
                       "\"process\": {\"terminal\": true, \"user\": {\"uid\": 1000, \"gid\": 4294967295, "
                       "\"additionalGids\": [1]},\n"
                       " \"args\": [\"/bin/sh\", \"\"], \"cwd\": \"/\", \"rlimits\": [{\"type\": \"RLIMIT_NOFILE\", "
                       "\"hard\": 1, \"soft\": 1}]},\n"
                       "\"root\": {\"path\": \"rootfs\", \"readonly\": true}, \"hostname\": \"x\", \"hooks\": "
                       "{\"prestart\": 5},\n"
                       "\"annotations\": {\"io.kubernetes.cri.container-type\": \"sandbox\", \"empty\": \"\"},\n"
                       "\"linux\": {\"cgroupsPath\": \"/a/b\", \"namespaces\": [{\"type\": \"pid\"}, {\"type\": "
                       "\"network\", \"path\": \"/run/netns/x\"},\n"
                       "  {\"type\": \"from-the-future\"}],\n"
                       " \"resources\": {\"devices\": [{\"allow\": false}], \"memory\": {\"limit\": 67108864, "
                       "\"swap\": -1, \"reservation\": 1048576},\n"
                       "  \"cpu\": {\"shares\": 512, \"quota\": 50000, \"period\": 100000, \"cpus\": \"0-1\", "
                       "\"mems\": \"0\"}, \"pids\": {\"limit\": 100}}}}");

        assert_string_equal(s->oci_version, "1.0.2-dev");
        assert_string_equal(s->root_path, "rootfs");
        assert_true(s->root_readonly && s->terminal && s->private_pid_ns && s->has_netns);
        assert_string_equal(s->netns_path, "/run/netns/x");
        assert_string_equal(s->cgroups_path, "/a/b");
        assert_int_equal(s->uid, 1000);
        assert_int_equal(s->gid, UINT32_MAX);
        assert_int_equal(s->annotations.n, 2);
        assert_string_equal(spec_annotation(s, "io.kubernetes.cri.container-type"), "sandbox");
        assert_string_equal(spec_annotation(s, "empty"), "");
        assert_null(spec_annotation(s, "absent"));
        assert_true(s->limits.has_memory && s->limits.has_swap && s->limits.has_memory_reservation);
        assert_true(s->limits.has_cpu_quota && s->limits.has_cpu_shares && s->limits.has_pids);
        assert_int_equal(s->limits.memory, 67108864);
        assert_int_equal(s->limits.swap, -1);
        assert_int_equal(s->limits.memory_reservation, 1048576);
        assert_int_equal(s->limits.cpu_shares, 512);
        assert_int_equal(s->limits.cpu_quota, 50000);
        assert_int_equal(s->limits.cpu_period, 100000);
        assert_string_equal(s->limits.cpuset_cpus, "0-1");
        assert_string_equal(s->limits.cpuset_mems, "0");
        assert_int_equal(s->limits.pids, 100);
        /* for later: the same limits, and nothing of devices */
        assert_null(strstr(s->limits_text, "devices"));
        assert_int_equal(spec_resources_parse(s->limits_text, strlen(s->limits_text), arena, &again, &err), 0);
        assert_string_equal(again.cpuset_cpus, "0-1");
        assert_int_equal(again.swap, -1);
        assert_int_equal(again.cpu_quota, 50000);
        assert_int_equal(again.pids, 100);
}

static void nothing_asked_for(void **state)
{
        struct spec *s = parsed(BEGIN "}");

        assert_string_equal(s->limits_text, "");
        assert_string_equal(s->cgroups_path, "");
        assert_string_equal(s->netns_path, "");
        assert_string_equal(s->limits.cpuset_cpus, "");
        assert_false(s->private_pid_ns || s->has_netns || s->terminal || s->limits.has_memory || s->limits.has_swap);
        assert_false(s->limits.has_cpu_quota || s->limits.has_cpu_shares || s->limits.has_pids);
        /* Go programs write null for what they do not have */
        s = parsed(BEGIN ", \"process\": null, \"linux\": {\"namespaces\": null, \"resources\": null, \"cgroupsPath\": "
                         "null}, \"annotations\": null}");
        assert_int_equal(s->annotations.n, 0);
        /* zero means "not asked for", as in the runtimes; a negative one "no limit" */
        s = parsed(BEGIN ", \"linux\": {\"resources\": {\"memory\": {\"limit\": 0}, \"pids\": {\"limit\": -1}, "
                         "\"cpu\": {\"quota\": -7}}}}");
        assert_false(s->limits.has_memory);
        assert_true(s->limits.has_pids && s->limits.has_cpu_quota);
        assert_int_equal(s->limits.pids, -1);
        assert_int_equal(s->limits.cpu_quota, -1);
        /* a pid namespace that is joined is not the container's own */
        assert_false(parsed(BEGIN ", \"linux\": {\"namespaces\": [{\"type\": \"pid\", \"path\": \"/proc/1/ns/pid\"}]}}")
                             ->private_pid_ns);
        assert_true(parsed(BEGIN ", \"linux\": {\"namespaces\": [{\"type\": \"network\"}]}}")->has_netns);
}

static void refusals_say_where(void **state)
{
        refused("", "config.json is not valid JSON: line 1, column");
        refused("{\n \"ociVersion\": \"1\",\n \"root\": {", "line 3, column");
        refused("[]", "config.json: expected an object, found an array");
        refused("{}", "config.json: ociVersion: is missing or empty");
        refused("{\"ociVersion\": 1}", "config.json: ociVersion: expected a string, found the integer 1");
        refused("{\"ociVersion\": \"1\"}", "config.json: root.path: is missing or empty");
        refused("{\"ociVersion\": \"1\", \"root\": \"rootfs\"}",
                "config.json: root: expected an object, found the string \"rootfs\"");
        refused("{\"ociVersion\": \"1\", \"root\": {\"path\": \"r\", \"readonly\": \"yes\"}}",
                "root.readonly: expected true or false, found the string \"yes\"");
        refused(BEGIN ", \"process\": {}}", "process.args: is missing or empty: expected the command");
        refused(BEGIN ", \"process\": {\"args\": []}}", "process.args: is missing or empty");
        refused(BEGIN ", \"process\": {\"args\": [\"a\", 2]}}",
                "process.args[1]: expected a string, found the integer 2");
        refused(BEGIN ", \"process\": {\"args\": [\"a\"], \"user\": {\"uid\": 4294967296}}}",
                "process.user.uid: expected an integer from 0 to 4294967295, found the integer 4294967296");
        refused(BEGIN ", \"process\": {\"args\": [\"a\"], \"user\": {\"gid\": -1}}}",
                "process.user.gid: expected an integer from 0");
        refused(BEGIN ", \"annotations\": {\"a.b\": 1}}", "annotations.a.b: expected a string, found the integer 1");
        refused(BEGIN ", \"linux\": {\"namespaces\": {}}}", "linux.namespaces: expected an array, found an object");
        refused(BEGIN ", \"linux\": {\"namespaces\": [{\"type\": \"pid\"}, \"net\"]}}",
                "linux.namespaces[1]: expected an object, found the string \"net\"");
        refused(BEGIN ", \"linux\": {\"namespaces\": [{\"path\": \"/x\"}]}}",
                "linux.namespaces[0].type: is missing or empty");
        refused(BEGIN ", \"linux\": {\"resources\": {\"memory\": {\"limit\": \"64M\"}}}}",
                "linux.resources.memory.limit: expected an integer of 64 bits, found the string \"64M\"");
        refused(BEGIN ", \"linux\": {\"resources\": {\"memory\": {\"limit\": 1.5}}}}",
                "linux.resources.memory.limit: expected an integer of 64 bits, found the number 1.5");
        refused(BEGIN ", \"linux\": {\"resources\": {\"memory\": {\"limit\": 18446744073709551615}}}}",
                "linux.resources.memory.limit: expected an integer of 64 bits, found the number 1.84467e+19");
        refused(BEGIN ", \"linux\": {\"resources\": {\"cpu\": {\"shares\": -1}}}}",
                "linux.resources.cpu.shares: expected an integer from 0");
        refused(BEGIN ", \"linux\": {\"cgroupsPath\": [\"\xc3\xa4\"]}}",
                "linux.cgroupsPath: expected a string, found an array");
}

static void messages_stay_text(void **state)
{
        char text[2048] = BEGIN ", \"linux\": {\"cgroupsPath\": \"/\", \"resources\": {\"pids\": {\"limit\": \"x";
        struct error err = ERROR_NULL;
        struct spec *spec;

        for (int i = 0; i < 200; i++)
                strcat(text, "\xc3\xa4");
        strcat(text, "\"}}}}");
        assert_int_equal(spec_parse(text, strlen(text), arena, &spec, &err), -1);
        assert_true(text_valid(err.message, strlen(err.message)));
}

static void an_infinite_rlimit_is_fine(void **state)
{
        static const char text[] = BEGIN
                ", \"process\": {\"args\": [\"18446744073709551615\"], \"rlimits\": [{\"type\": \"RLIMIT_CORE\",\n"
                " \"hard\": 18446744073709551615, \"soft\": 18446744073709551615}]},\n"
                " \"linux\": {\"resources\": {\"memory\": {\"limit\": 9223372036854771712}, \"pids\": {\"limit\": 1}}},"
                " \"x\": [-9223372036854775808, 1.5e3, 1E+2, 99999999999999999999999999]}";
        struct spec *s = parsed(text);

        /* numbers that fit keep every bit */
        assert_true(s->limits.memory == INT64_C(9223372036854771712));
        refused("{\"a\": 18446744073709551615,\n \"b\": }", "line 2, column");
        refused("{\"a\": 1e999}", "line 1, column");
}

static void processes(void **state)
{
        static const char good[] = "{\"args\": [\"a\", \"b\"], \"terminal\": true, \"user\": {\"uid\": 5, \"gid\": 6}}";
        struct error err = ERROR_NULL;
        struct spec_process *p;

        assert_int_equal(spec_process_parse(good, strlen(good), arena, &p, &err), 0);
        assert_true(p->terminal);
        assert_int_equal(p->uid, 5);
        assert_int_equal(p->gid, 6);
        assert_int_equal(p->args.n, 2);
        assert_string_equal(p->args.items[1], "b");
        assert_int_equal(spec_process_parse("{\"args\": [0]}", 13, arena, &p, &err), -1);
        assert_string_equal(err.message, "the process: args[0]: expected a string, found the integer 0");
        assert_int_equal(spec_process_parse("null", 4, arena, &p, &err), -1);
        assert_string_equal(err.message, "the process: expected an object, found null");
}

static void edited(const char *text, bool terminal, const char *expected)
{
        struct error err = ERROR_NULL;
        char *ret;

        if (spec_process_with_terminal(text, strlen(text), terminal, arena, &ret, &err) < 0)
                fail_msg("%s: %s", text, err.message);
        assert_string_equal(ret, expected);
}

static void the_terminal_is_edited(void **state)
{
        struct error err = ERROR_NULL;
        char *ret;

        edited("{}", true, "{\"terminal\":true}");
        edited(" { } \n", false, " { \"terminal\":false} \n");
        edited("{\"terminal\": false, \"args\": []}", true, "{\"terminal\": true, \"args\": []}");
        edited("{\"args\": [\"terminal\", \"}\"], \"x\": {\"terminal\": false}}", true,
               "{\"args\": [\"terminal\", \"}\"], \"x\": {\"terminal\": false},\"terminal\":true}");
        edited("{\"a\\\"}\": \"\\\\\", \"n\": 18446744073709551615 , \"terminal\":true}", false,
               "{\"a\\\"}\": \"\\\\\", \"n\": 18446744073709551615 , \"terminal\":false}");
        edited("{\"n\":1e5,\"l\":[[{}],\"]\"],\"terminal\" : null\n}", true,
               "{\"n\":1e5,\"l\":[[{}],\"]\"],\"terminal\" : true\n}");
        assert_int_equal(spec_process_with_terminal("{\"t\\u0065rminal\": 1}", 19, true, arena, &ret, &err), -1);
        assert_int_equal(spec_process_with_terminal("{\"a\": 2\0}", 9, true, arena, &ret, &err), -1);
        assert_int_equal(spec_process_with_terminal("[]", 2, true, arena, &ret, &err), -1);
        assert_int_equal(spec_process_with_terminal("{", 1, true, arena, &ret, &err), -1);
}

static void resources(void **state)
{
        struct error err = ERROR_NULL;
        struct spec_limits l;

        assert_int_equal(spec_resources_parse("{\"cpu\": {\"shares\": 2}}", 22, arena, &l, &err), 0);
        assert_true(l.has_cpu_shares && !l.has_memory);
        assert_int_equal(l.cpu_shares, 2);
        assert_int_equal(spec_resources_parse("{\"cpu\": 2}", 10, arena, &l, &err), -1);
        assert_string_equal(err.message, "the resources: cpu: expected an object, found the integer 2");
        assert_int_equal(spec_resources_parse("\"x\"", 3, arena, &l, &err), -1);
}

static void last_words(const char *name, const char *expected)
{
        size_t len;
        _cleanup_(freep) char *text = sample(name, &len);

        assert_string_equal(spec_runtime_error(text, len, arena), expected);
}

static void logs_of_the_runtimes(void **state)
{
        last_words("runc-create.log", "runc create failed: unable to start container process: exec: \"/nope\": stat "
                                      "/nope: no such file or directory");
        last_words("runc-missing.log", "container does not exist");
        last_words("crun-create.log", "executable file `/nope` not found in $PATH: No such file or directory");
        last_words("crun-hybrid.log", "cgroups in hybrid mode not supported, drop all controllers from cgroupv2");
        last_words("crun-mount.log", "mount `nofs` to `x`: No such device");
        last_words("runsc-exec.log", "executing processes for container: executing command \"/nope\" in sandbox: "
                                     "failed to load /nope: no such file or directory");
        last_words("runsc-repeated.log", "loading container: file does not exist");
        last_words("runsc-spec.log", "reading spec: error unmarshaling spec from file \"config.json\": unexpected end "
                                     "of JSON input  { \"ociVersion\": \"1.0.0\", \"root\": {");
        last_words("runsc-panic.txt", "panic: runtime error: integer divide by zero");
}

static void words(const char *log, const char *expected)
{
        assert_string_equal(spec_runtime_error(log, strlen(log), arena), expected);
}

static void logs_of_all_kinds(void **state)
{
        words("", "");
        words("\n \n\t\n", "");
        words("one\ntwo\n\n", "two");
        words("{\"level\":\"error\",\"msg\":\"first\"}\n{\"level\":\"warning\",\"msg\":\"second\"}\n", "first");
        words("{\"level\":\"error\",\"msg\":\"first\"}\nplain\n{\"level\":\"fatal\",\"msg\":\"last\"}", "last");
        words("{\"level\":\"error\",\"msg\":\"first\"}\n{\"level\":\"error\",\"msg\":\"\"}\n", "first");
        words("{\"level\":\"info\",\"msg\":\"only\"}\n", "only");
        words("{\"level\":\"error\",\"msg\":\"a\\nb\\u0007c\"}", "a b c");
        words("{\"level\":\"error\",\"msg\":\"cut", "{\"level\":\"error\",\"msg\":\"cut");
        words("bad \xff byte\x1b[0m\n", "bad ? byte [0m");
        words("fatal error: out of memory\n\tstack\n", "fatal error: out of memory");
        words("{\"level\":5,\"msg\":7}\n", "");
}

static void logs_are_bounded(void **state)
{
        size_t len = 3 * 1024 * 1024;
        _cleanup_(freep) char *log = malloc(len);
        const char *text;

        memset(log, 'x', len);
        text = spec_runtime_error(log, len, arena);
        assert_in_range(strlen(text), 1000, LIMIT_TEXT);
        assert_true(arena_size(arena) < 4 * 1024 * 1024);
}

static void lists_of_pids(void **state)
{
        static const char *const good[] = { "runc-ps.json", "crun-ps.json", "runsc-ps.json" };
        struct error err = ERROR_NULL;
        uint32_t *pids;
        size_t n;

        for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
                size_t len;
                _cleanup_(freep) char *text = sample(good[i], &len);

                assert_int_equal(spec_pids_parse(text, len, arena, &pids, &n, &err), 0);
                assert_in_range(n, 1, 2);
                assert_true(pids[0] > 0);
        }
        assert_int_equal(spec_pids_parse("null", 4, arena, &pids, &n, &err), 0);
        assert_int_equal(n, 0);
        assert_int_equal(spec_pids_parse("[1,0]", 5, arena, &pids, &n, &err), -1);
        assert_string_equal(err.message,
                            "the runtime's list of processes: [1]: expected a process id, found the integer 0");
        assert_int_equal(spec_pids_parse("{}", 2, arena, &pids, &n, &err), -1);
        assert_int_equal(err.reason, REASON_RUNTIME_FAILED);
}

static void states(void **state)
{
        static const struct {
                const char *name, *status;
        } good[] = { { "runc-state.json", "running" },
                     { "crun-state.json", "created" },
                     { "runsc-state.json", "running" } };
        struct error err = ERROR_NULL;
        const char *status;
        int64_t pid;

        for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
                size_t len;
                _cleanup_(freep) char *text = sample(good[i].name, &len);

                assert_int_equal(spec_state_parse(text, len, arena, &status, &pid, &err), 0);
                assert_string_equal(status, good[i].status);
                assert_in_range(pid, 2, 100000);
        }
        assert_int_equal(spec_state_parse("{\"status\":\"stopped\",\"pid\":-1}", 29, arena, &status, &pid, &err), 0);
        assert_int_equal(pid, -1);
        assert_int_equal(spec_state_parse("{\"pid\":1}", 9, arena, &status, &pid, &err), -1);
        assert_int_equal(spec_state_parse("", 0, arena, &status, &pid, &err), -1);
}

static void the_status_of_wait(void **state)
{
        static const char good[] = "{\"id\":\"c1\",\"exitStatus\":42}\n", none[] = "{\"id\":\"c1\"}";
        static const char big[] = "{\"exitStatus\":256}", text[] = "{\"exitStatus\":\"0\"}";
        struct error err = ERROR_NULL;
        uint32_t status = 7;

        assert_int_equal(spec_wait_parse(good, strlen(good), &status, &err), 0);
        assert_int_equal(status, 42);
        assert_int_equal(spec_wait_parse(none, strlen(none), &status, &err), -1);
        assert_int_equal(err.reason, REASON_RUNTIME_FAILED);
        assert_int_equal(spec_wait_parse(big, strlen(big), &status, &err), -1);
        assert_int_equal(spec_wait_parse(text, strlen(text), &status, &err), -1);
        assert_int_equal(spec_wait_parse("", 0, &status, &err), -1);
        assert_int_equal(status, 42);
}

static void stats_of_runc(void **state)
{
        size_t len;
        _cleanup_(freep) char *text = sample("runc-stats.json", &len);
        struct stats_result s = { 0 };
        struct error err = ERROR_NULL;

        if (spec_stats_parse(text, len, arena, &s, &err) < 0)
                fail_msg("%s", err.message);
        assert_int_equal(s.cpu_total_ns, 13630761);
        assert_int_equal(s.cpu_per_cpu_ns.n, 2);
        assert_string_equal(s.cpu_per_cpu_ns.items[1].key, "1");
        assert_string_equal(s.cpu_per_cpu_ns.items[1].value, "12349673");
        assert_int_equal(s.memory->limit, 67108864);
        assert_int_equal(s.memory->usage, 954368);
        assert_int_equal(s.memory->max, 2777088);
        assert_int_equal(s.swap->limit, 0); /* none: 9223372036854771712 */
        assert_int_equal(s.kernel->usage, 507904);
        assert_non_null(s.kernel_tcp);
        assert_string_equal(s.memory_stat.items[0].key, "active_anon");
        assert_string_equal(s.memory_stat.items[0].value, "8192");
        assert_int_equal(s.pids_current, 2);
        assert_int_equal(s.pids_limit, 100);
}

static void stats_of_runsc(void **state)
{
        size_t len;
        _cleanup_(freep) char *text = sample("runsc-stats.json", &len);
        struct stats_result s = { 0 };
        struct error err = ERROR_NULL;

        if (spec_stats_parse(text, len, arena, &s, &err) < 0)
                fail_msg("%s", err.message);
        assert_int_equal(s.cpu_total_ns, 130149286);
        assert_int_equal(s.memory->usage, 2547712);
        assert_int_equal(s.pids_current, 2);
}

static void stats_of_all_kinds(void **state)
{
        static const char text[] =
                "{\"cpu\": {\"usage\": {\"total\": 3, \"kernel\": 1, \"user\": 2}, \"throttling\": {\"periods\": 4, "
                "\"throttledPeriods\": 5, \"throttledTime\": 6}},\n"
                "\"memory\": {\"usage\": {\"limit\": 18446744073709551615, \"usage\": 7}}, \"pids\": {\"limit\": "
                "18446744073709551615},\n"
                "\"blkio\": {\"ioServiceBytesRecursive\": [{\"major\": 8, \"op\": \"Read\", \"value\": 9}], "
                "\"ioQueueRecursive\": [{\"minor\": 1}]},\n"
                "\"hugetlb\": {\"2MB\": {\"usage\": 1, \"max\": 2, \"failcnt\": 3}},\n"
                "\"network_interfaces\": [{\"Name\": \"eth0\", \"RxBytes\": 10, \"TxDropped\": 11}]}";
        struct stats_result s = { 0 };
        struct error err = ERROR_NULL;

        if (spec_stats_parse(text, strlen(text), arena, &s, &err) < 0)
                fail_msg("%s", err.message);
        assert_int_equal(s.cpu_throttled_ns, 6);
        assert_int_equal(s.memory->limit, 0);
        assert_int_equal(s.pids_limit, 0);
        assert_int_equal(s.blkio.n, 2);
        assert_string_equal(s.blkio.items[0].file, "io_service_bytes_recursive");
        assert_string_equal(s.blkio.items[0].op, "Read");
        assert_int_equal(s.blkio.items[0].major, 8);
        assert_string_equal(s.blkio.items[1].file, "io_queued_recursive");
        assert_string_equal(s.hugetlb.items[0].pagesize, "2MB");
        assert_int_equal(s.hugetlb.items[0].failcnt, 3);
        assert_string_equal(s.network.items[0].name, "eth0");
        assert_int_equal(s.network.items[0].tx_dropped, 11);

        assert_int_equal(spec_stats_parse("{\"data\": {\"memory\": {\"raw\": {\"rss\": \"x\"}}}}", 43, arena, &s, &err),
                         -1);
        assert_string_equal(err.message, "the runtime's statistics: data.memory.raw.rss: expected a number that is not "
                                         "negative, found the string \"x\"");
        assert_int_equal(spec_stats_parse("{\"blkio\": {\"sectorsRecursive\": [1]}}", 36, arena, &s, &err), -1);
        assert_int_equal(spec_stats_parse("{\"pids\": {\"current\": -1}}", 25, arena, &s, &err), -1);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(a_whole_spec),
                TEST(the_status_of_wait),
                TEST(nothing_asked_for),
                TEST(refusals_say_where),
                TEST(messages_stay_text),
                TEST(an_infinite_rlimit_is_fine),
                TEST(processes),
                TEST(the_terminal_is_edited),
                TEST(resources),
                TEST(logs_of_the_runtimes),
                TEST(logs_of_all_kinds),
                TEST(logs_are_bounded),
                TEST(lists_of_pids),
                TEST(states),
                TEST(stats_of_runc),
                TEST(stats_of_runsc),
                TEST(stats_of_all_kinds),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
