/* SPDX-License-Identifier: Apache-2.0 */

/* The words of gVisor's control protocol: requests as runsc itself sends them, answers as real sandboxes gave them. */

#include "tests/unit/arena.h"

#include "daemon/spec_urpc.h"

static void requests(void **state)
{
        assert_string_equal(spec_urpc_null(arena, "debug.Stacks"), "{\"method\":\"debug.Stacks\",\"arg\":null}");
        assert_string_equal(spec_urpc_str(arena, "containerManager.Processes", "c\"1"),
                            "{\"method\":\"containerManager.Processes\",\"arg\":\"c\\\"1\"}");
        assert_string_equal(
                spec_urpc_signal(arena, "c1", 28, 5, URPC_SIGNAL_FOREGROUND),
                "{\"method\":\"containerManager.Signal\",\"arg\":{\"CID\":\"c1\",\"Signo\":28,\"PID\":5,\"Mode\":2}}");
        assert_string_equal(spec_urpc_usage_fd(arena), "{\"method\":\"Usage.UsageFD\",\"arg\":{\"Version\":1}}");
        assert_string_equal(spec_urpc_checkpoint(arena),
                            "{\"method\":\"containerManager.Checkpoint\",\"arg\":{\"key\":null,\"metadata\":{}}}");
        assert_string_equal(spec_urpc_wait_pid(arena, "c1", 2),
                            "{\"method\":\"containerManager.WaitPID\",\"arg\":{\"PID\":2,\"CID\":\"c1\"}}");
}

static const char *exec_text(const char *process, const char *file, bool raw)
{
        struct spec_urpc_exec x = { .id = "c1", .process = process, .process_len = strlen(process), .state = file,
                                    .state_len = file ? strlen(file) : 0, .net_raw = raw };
        struct error err = ERROR_NULL;
        const char *text;

        if (spec_urpc_exec(arena, &x, &text, &err) < 0)
                return arena_strdup(arena, err.message);
        return text;
}

#define HAS(text, part)                                                                                                \
        do {                                                                                                           \
                const char *text_ = (text);                                                                            \
                if (!strstr(text_, (part)))                                                                            \
                        fail_msg("%s is not in %s", (part), text_);                                                    \
        } while (0)

static void an_exec(void **state)
{
        const char *text = exec_text("{\"args\":[\"sh\",\"-c\",\"x\"],\"env\":[\"PATH=/bin\"],\"cwd\":\"/tmp\","
                                     "\"user\":{\"uid\":1000,\"gid\":100,\"additionalGids\":[5]},"
                                     "\"capabilities\":{\"bounding\":[\"CAP_KILL\",\"CAP_NET_RAW\"],\"effective\":[]}}",
                                     NULL, false);

        HAS(text, "{\"method\":\"containerManager.ExecuteAsync\",\"arg\":{");
        HAS(text, "\"argv\":[\"sh\",\"-c\",\"x\"]");
        HAS(text, "\"envv\":[\"PATH=/bin\"]");
        HAS(text, "\"wd\":\"/tmp\"");
        HAS(text, "\"KUID\":1000,\"KGID\":100,\"ExtraKGIDs\":[5]");
        HAS(text, "\"BoundingCaps\":32");
        HAS(text, "\"EffectiveCaps\":0");
        HAS(text, "\"GuestFDs\":[0,1,2]");
        HAS(text, "\"ContainerID\":\"c1\"");
        HAS(exec_text("{\"args\":[],\"capabilities\":{\"bounding\":[\"CAP_KILL\",\"CAP_NET_RAW\"]}}", NULL, true),
            "\"BoundingCaps\":8224");
}

static void what_an_exec_leaves_open(void **state)
{
        static const char file[] = "{\"spec\":{\"process\":{\"args\":[\"init\"],\"env\":[\"A=b\"],\"cwd\":\"/d\","
                                   "\"capabilities\":{\"permitted\":[\"CAP_CHOWN\"]}}}}";

        HAS(exec_text("{\"args\":[\"x\"]}", file, false), "\"argv\":[\"x\"],\"envv\":[\"A=b\"]");
        HAS(exec_text("{\"args\":[\"x\"],\"cwd\":\"\"}", file, false), "\"wd\":\"/d\"");
        HAS(exec_text("{\"args\":[\"x\"]}", file, false), "\"PermittedCaps\":1");
        HAS(exec_text("{\"args\":[\"x\"],\"cwd\":\"/e\",\"env\":[]}", file, false), "\"envv\":[]");
        HAS(exec_text("{\"args\":[\"x\"],\"cwd\":\"/e\"}", file, false), "\"wd\":\"/e\"");
        HAS(exec_text("{\"args\":[\"x\"]}", NULL, false), "\"Capabilities\":null");
}

static void execs_that_cannot_be(void **state)
{
        HAS(exec_text("{\"args\":[\"x\"],\"capabilities\":{\"bounding\":[\"CAP_FLY\"]}}", NULL, false), "CAP_FLY");
        HAS(exec_text("{\"cwd\":\"/\"}", NULL, false), "args");
        HAS(exec_text("{\"args\":[\"x\"],\"user\":{\"uid\":-1}}", NULL, false), "uid");
        HAS(exec_text("[]", NULL, false), "object");
}

#define REPLY(result) "{\"success\":true,\"err\":\"\",\"result\":" result "}"

static void answers(void **state)
{
        static const char refused[] = "{\"success\":false,\"err\":\"no such \\u001bprocess\",\"result\":null}";
        static const char unknown[] = "{\"success\":false,\"err\":\"unknown method\",\"result\":null}";
        struct error err = ERROR_NULL;
        int64_t n = 0;
        const char *text;

        assert_int_equal(spec_urpc_number(REPLY("1792"), strlen(REPLY("1792")), &n, &err), 0);
        assert_int_equal(n, 1792);
        assert_int_equal(spec_urpc_number(REPLY("\"x\""), strlen(REPLY("\"x\"")), &n, &err), -1);
        assert_int_equal(err.reason, REASON_RUNTIME_FAILED);
        assert_int_equal(spec_urpc_empty(REPLY("{}"), strlen(REPLY("{}")), &err), 0);
        assert_int_equal(spec_urpc_text(REPLY("\"x\""), strlen(REPLY("\"x\"")), arena, &text, &err), 0);
        assert_string_equal(text, "x");
        assert_int_equal(spec_urpc_empty(refused, strlen(refused), &err), -1);
        assert_int_equal(err.reason, REASON_RUNTIME_FAILED);
        HAS(err.message, "no such");
        assert_int_equal(spec_urpc_empty(unknown, strlen(unknown), &err), -1);
        assert_int_equal(err.reason, REASON_NOT_SUPPORTED);
        assert_int_equal(spec_urpc_empty("{}", 2, &err), -1);
        /* a result that is not there */
        assert_int_equal(spec_urpc_number("{\"success\":true}", 16, &n, &err), -1);
        assert_int_equal(spec_urpc_text("{\"success\":true}", 16, arena, &text, &err), -1);
}

static void processes(void **state)
{
        static const char text[] =
                REPLY("[{\"uid\":0,\"pid\":1,\"ppid\":0,\"threads\":[1],\"c\":3,\"tty\":\"?\",\"stime\":\"22:36\","
                      "\"time\":\"0s\",\"cmd\":\"sleep\"},{\"uid\":7,\"pid\":340,\"ppid\":1,\"pgid\":340}]");
        struct ps_result ps = { 0 };
        struct error err = ERROR_NULL;

        assert_int_equal(spec_urpc_ps(text, strlen(text), arena, &ps, &err), 0);
        assert_int_equal(ps.rows.n, 2);
        assert_int_equal(ps.rows.items[0].cpu, 3);
        assert_string_equal(ps.rows.items[0].cmd, "sleep");
        assert_int_equal(ps.rows.items[1].pid, 340);
        assert_string_equal(ps.rows.items[1].cmd, "");
        assert_int_equal(spec_urpc_ps(REPLY("null"), strlen(REPLY("null")), arena, &ps, &err), 0);
        assert_int_equal(ps.rows.n, 0);
        assert_int_equal(spec_urpc_ps(REPLY("[{\"pid\":-1}]"), strlen(REPLY("[{\"pid\":-1}]")), arena, &ps, &err), -1);
        assert_int_equal(spec_urpc_ps(REPLY("{}"), strlen(REPLY("{}")), arena, &ps, &err), -1);
}

static void statistics(void **state)
{
        static const char text[] =
                REPLY("{\"event\":{\"type\":\"stats\",\"id\":\"\",\"data\":{\"cpu\":{\"usage\":{}},"
                      "\"memory\":{\"usage\":{\"limit\":0,\"usage\":2027520,\"failcnt\":0}},\"pids\":{\"current\":3}}},"
                      "\"containerUsage\":{\"c1\":100,\"c2\":300}}");
        struct stats_result s = { 0 };
        struct spec_urpc_cpu cpu;
        struct error err = ERROR_NULL;

        assert_int_equal(spec_urpc_stats(text, strlen(text), "c1", arena, &s, &cpu, &err), 0);
        assert_int_equal(s.memory->usage, 2027520);
        assert_int_equal(s.pids_current, 3);
        assert_int_equal(cpu.own_ns, 100);
        assert_int_equal(cpu.all_ns, 400);
        assert_int_equal(spec_urpc_cpu_share(&cpu, 8000, true), 2000);
        assert_int_equal(spec_urpc_cpu_share(&cpu, 0, false), 100);
        cpu = (struct spec_urpc_cpu){ .n = 4 };
        assert_int_equal(spec_urpc_cpu_share(&cpu, 8000, true), 2000);
        cpu = (struct spec_urpc_cpu){ 0 };
        assert_int_equal(spec_urpc_cpu_share(&cpu, 8000, true), 8000);
}

static void state_files(void **state)
{
        static const char old[] = "{\"id\":\"c1\",\"sandbox\":{\"id\":\"c1\",\"pid\":77}}";
        static const char new[] = "{\"sandbox\":{\"id\":\"c1\",\"pid\":{\"pid\":77},"
                                  "\"controlSocketPath\":\"/r/runsc-c1.sock\"}}";
        struct runsc_state s;
        struct error err = ERROR_NULL;

        assert_int_equal(spec_runsc_state(old, strlen(old), arena, &s, &err), 0);
        assert_string_equal(s.socket, "");
        assert_int_equal(s.pid, 77);
        assert_int_equal(spec_runsc_state(new, strlen(new), arena, &s, &err), 0);
        assert_string_equal(s.socket, "/r/runsc-c1.sock");
        assert_int_equal(spec_runsc_state("[]", 2, arena, &s, &err), -1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(requests, setup, teardown),
                cmocka_unit_test_setup_teardown(an_exec, setup, teardown),
                cmocka_unit_test_setup_teardown(what_an_exec_leaves_open, setup, teardown),
                cmocka_unit_test_setup_teardown(execs_that_cannot_be, setup, teardown),
                cmocka_unit_test_setup_teardown(answers, setup, teardown),
                cmocka_unit_test_setup_teardown(processes, setup, teardown),
                cmocka_unit_test_setup_teardown(statistics, setup, teardown),
                cmocka_unit_test_setup_teardown(state_files, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
