/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration: its defaults, the example file, and what is refused. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/fd.h"
#include "daemon/config.h"
#include "proto/codec.h"

#define NS UINT64_C(1000000000)

static char dir[64] = "/tmp/test-config.XXXXXX";

static int load(const char *text, struct config **ret, struct error *err)
{
        char path[128];
        FILE *f;

        snprintf(path, sizeof(path), "%s/c.toml", dir);
        f = fopen(path, "we");
        assert_non_null(f);
        fputs(text, f);
        fclose(f);
        return config_load(path, ret, err);
}

static void assert_equal(const struct config *a, const struct config *b)
{
        const struct config_runtime *x = a->runtimes, *y = b->runtimes;

        assert_string_equal(a->root, b->root);
        assert_string_equal(a->socket, b->socket);
        assert_string_equal(a->log_file, b->log_file);
        assert_int_equal(a->log_level, b->log_level);
        assert_string_equal(a->default_runtime, b->default_runtime);
        assert_string_equal(a->limits, b->limits);
        assert_int_equal(a->max_commands, b->max_commands);
        assert_int_equal(a->max_urgent_commands, b->max_urgent_commands);
        assert_int_equal(a->command_timeout_ns, b->command_timeout_ns);
        assert_int_equal(a->kill_timeout_ns, b->kill_timeout_ns);
        assert_int_equal(a->stop_timeout_ns, b->stop_timeout_ns);
        assert_int_equal(a->n_uids, b->n_uids);
        assert_string_equal(a->group, b->group);
        assert_int_equal(a->connections, b->connections);
        assert_int_equal(a->requests, b->requests);
        assert_int_equal(a->bytes, b->bytes);
        assert_int_equal(a->total_requests, b->total_requests);
        assert_int_equal(a->answers, b->answers);
        assert_int_equal(a->events_max_bytes, b->events_max_bytes);
        assert_int_equal(a->events_segment_bytes, b->events_segment_bytes);
        assert_string_equal(a->metrics_listen, b->metrics_listen);
        assert_int_equal(a->pressure_host, b->pressure_host);
        assert_int_equal(a->pressure_cgroups.n, b->pressure_cgroups.n);
        assert_int_equal(a->pressure_some_ms, b->pressure_some_ms);
        assert_int_equal(a->pressure_full_ms, b->pressure_full_ms);
        assert_int_equal(a->pressure_window_ms, b->pressure_window_ms);
        assert_int_equal(a->pressure_calm_ns, b->pressure_calm_ns);
        for (; x && y; x = x->next, y = y->next) {
                assert_string_equal(x->name, y->name);
                assert_string_equal(x->type, y->type);
                assert_string_equal(x->path, y->path);
                assert_string_equal(x->root, y->root);
                assert_int_equal(x->options.n, y->options.n);
        }
        assert_ptr_equal(x, y);
}

static void defaults(void **state)
{
        _cleanup_(config_freep) struct config *c = NULL;
        struct error err = ERROR_NULL;

        assert_int_equal(load("", &c, &err), 0);
        assert_string_equal(c->root, "/run/sandboxd");
        assert_string_equal(c->socket, "/run/sandboxd/sandboxd.sock");
        assert_string_equal(c->log_file, "");
        assert_int_equal(c->log_level, LOG_LEVEL_INFO);
        assert_int_equal(c->max_commands, 16);
        assert_true(c->command_timeout_ns == 120 * NS);
        assert_int_equal(c->n_uids, 0);
        assert_string_equal(c->group, "sandboxd");
        assert_string_equal(c->runtimes->name, "runc");
        assert_string_equal(c->runtimes->root, "/run/sandboxd/runtime/runc");
        assert_string_equal(c->runtimes->next->name, "crun");
        assert_string_equal(config_find_runtime(c, "runsc")->type, "runsc");
        assert_null(config_find_runtime(c, "kata"));
        assert_null(c->runtimes->next->next->next);
}

/* The example names every key, and says the defaults. */
static void example(void **state)
{
        static const char *const keys[] = { "root",
                                            "socket",
                                            "log_level",
                                            "log_file",
                                            "default_runtime",
                                            "limits",
                                            "max_commands",
                                            "max_urgent_commands",
                                            "command_timeout",
                                            "kill_timeout",
                                            "stop_timeout",
                                            "uids",
                                            "group",
                                            "connections",
                                            "requests",
                                            "bytes",
                                            "total_requests",
                                            "answers",
                                            "max_bytes",
                                            "segment_bytes",
                                            "listen",
                                            "host",
                                            "cgroups",
                                            "some",
                                            "full",
                                            "window",
                                            "calm",
                                            "type",
                                            "path",
                                            "options" };
        _cleanup_(config_freep) struct config *expected = NULL, *found = NULL;
        _cleanup_(freep) char *text = NULL;
        struct error err = ERROR_NULL;
        char path[512];
        size_t len;

        snprintf(path, sizeof(path), "%s/contrib/sandboxd.toml", getenv("top_srcdir") ? getenv("top_srcdir") : ".");
        assert_int_equal(load("", &expected, &err), 0);
        if (config_load(path, &found, &err) < 0)
                fail_msg("%s", err.message);
        assert_equal(expected, found);
        assert_string_equal(found->file, path);
        assert_int_equal(fd_read_file(AT_FDCWD, path, 65536, &text, &len), 0);
        for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
                char line[64];

                snprintf(line, sizeof(line), "\n%s = ", keys[i]);
                if (!strstr(text, line))
                        fail_msg("the example does not have %s", keys[i]);
        }
}

static void everything_set(void **state)
{
        _cleanup_(config_freep) struct config *c = NULL;
        struct config_runtime *rt;
        struct error err = ERROR_NULL;

        if (load("[daemon]\nroot = '/r'\nlog_level = 'debug'\nlog_file = '/l'\ndefault_runtime = 'kata'\nmax_commands "
                 "= 3\n"
                 "max_urgent_commands = 4\ncommand_timeout = 5\nkill_timeout = 6\nstop_timeout = 7\n"
                 "[access]\nuids = [0, 1000, 4294967294]\ngroup = ''\n"
                 "[quota]\nconnections = 8\nrequests = 9\nbytes = 0x1000000\ntotal_requests = 11\nanswers = 16\n"
                 "[events]\nmax_bytes = 100_000\nsegment_bytes = 50_000\n"
                 "[metrics]\nlisten = '[::1]:9464'\n"
                 "[pressure]\nhost = false\ncgroups = ['/a', '/b.slice/c']\nsome = 1\nfull = 0\nwindow = 500\n"
                 "calm = 3\n"
                 "[runtimes.kata]\npath = '/opt/kata'\nroot = '/kata'\noptions = ['--a=b', '-c']\n"
                 "[runtimes.runsc]\noptions = ['--platform=ptrace']\n",
                 &c, &err) < 0)
                fail_msg("%s", err.message);
        assert_string_equal(c->socket, "/r/sandboxd.sock");
        assert_int_equal(c->log_level, LOG_LEVEL_DEBUG);
        assert_string_equal(c->log_file, "/l");
        assert_int_equal(c->max_commands, 3);
        assert_int_equal(c->max_urgent_commands, 4);
        assert_true(c->command_timeout_ns == 5 * NS && c->kill_timeout_ns == 6 * NS && c->stop_timeout_ns == 7 * NS);
        assert_int_equal(c->n_uids, 3);
        assert_int_equal(c->uids[2], 4294967294U);
        assert_string_equal(c->group, "");
        assert_int_equal(c->connections, 8);
        assert_int_equal(c->requests, 9);
        assert_int_equal(c->bytes, 0x1000000);
        assert_int_equal(c->total_requests, 11);
        assert_int_equal(c->answers, 16);
        assert_int_equal(c->events_max_bytes, 100000);
        assert_int_equal(c->events_segment_bytes, 50000);
        assert_string_equal(c->metrics_listen, "[::1]:9464");
        assert_false(c->pressure_host);
        assert_int_equal(c->pressure_cgroups.n, 2);
        assert_string_equal(c->pressure_cgroups.items[1], "/b.slice/c");
        assert_int_equal(c->pressure_some_ms, 1);
        assert_int_equal(c->pressure_full_ms, 0);
        assert_int_equal(c->pressure_window_ms, 500);
        assert_true(c->pressure_calm_ns == 3 * NS);
        rt = config_find_runtime(c, "kata");
        assert_string_equal(rt->type, "oci");
        assert_string_equal(rt->path, "/opt/kata");
        assert_string_equal(rt->root, "/kata");
        assert_int_equal(rt->options.n, 2);
        assert_string_equal(rt->options.items[1], "-c");
        assert_ptr_equal(config_default_runtime(c), rt);
        rt = config_find_runtime(c, "runsc");
        assert_string_equal(rt->type, "runsc");
        assert_string_equal(rt->root, "/r/runtime/runsc");

        assert_int_equal(config_override(c, "/other", NULL, "warn", &err), 0);
        assert_string_equal(c->socket, "/other/sandboxd.sock");
        assert_string_equal(rt->root, "/other/runtime/runsc");
        assert_string_equal(config_find_runtime(c, "kata")->root, "/kata");
        assert_int_equal(c->log_level, LOG_LEVEL_WARN);
        assert_int_equal(config_override(c, NULL, "/s.sock", NULL, &err), 0);
        assert_int_equal(config_override(c, "/third", NULL, NULL, &err), 0);
        assert_string_equal(c->socket, "/s.sock");
        assert_int_equal(config_override(c, "relative", NULL, NULL, &err), -1);
        assert_int_equal(config_override(c, NULL, "s", NULL, &err), -1);
        assert_int_equal(config_override(c, NULL, NULL, "loud", &err), -1);
}

static void refuses(void **state)
{
        static const struct {
                const char *text, *message; /* behind the file's name */
        } rows[] = {
                { "[daemon]\nroot = 1", ":2:1: \"root\" must be a string, not an integer" },
                { "[daemon]\nroot = 'x'",
                  ":2:1: \"root\" must be an absolute path without a '/' at its end, not \"x\"" },
                { "[daemon]\nroot = ''", ":2:1: \"root\" must be an absolute path" },
                { "[daemon]\nroot = '/x/'", ":2:1: \"root\" must be an absolute path" },
                { "[daemon]\nsocket = 'x'", ":2:1: the socket must be an absolute path of at most 107 bytes" },
                { "[daemon]\nlog_level = 'loud'",
                  ":2:1: \"log_level\" must be error, warn, info or debug, not \"loud\"" },
                { "[daemon]\nmax_commands = 0", ":2:1: \"max_commands\" must be from 1 to 1024, not 0" },
                { "[daemon]\ncommand_timeout = -1", ":2:1: \"command_timeout\" must be from 1 to 86400, not -1" },
                { "[daemon]\nlimits = 'x'", ":2:1: \"limits\" must be \"error\" or \"warning\", not \"x\"" },
                { "[daemon]\ndefault_runtime = 'x'", ":2:1: there is no runtime \"x\": add [runtimes.x]" },
                { "[daemon]\nroots = 'x'", ":2:1: unknown key \"roots\" in [daemon]" },
                { "root = '/x'", ":1:1: unknown key \"root\"" },
                { "[deamon]\nroot = '/x'", ":1:1: unknown table [deamon]" },
                { "[daemon.x]", ":1:1: unknown table [daemon.x]" },
                { "daemon = 1", ":1:1: unknown key \"daemon\"" },
                { "[access]\nuids = ['root']", ":2:1: \"uids\" must be an array of integers, not an array of strings" },
                { "[access]\nuids = [4294967295]",
                  ":2:1: \"uids\" must be user ids from 0 to 4294967294, not 4294967295" },
                { "[access]\nuids = [-1]", ":2:1: \"uids\" must be user ids" },
                { "[quota]\nbytes = 1", ":2:1: \"bytes\" must be from 8388608" },
                { "[events]\n\nmax_bytes = 65_536", ":1:1: \"segment_bytes\" must be at most half of \"max_bytes\"" },
                { "[metrics]\nlisten = '0.0.0.0:80'", ":2:1: metrics are served on a unix socket, an absolute path" },
                { "[pressure]\nhost = 1", ":2:1: \"host\" must be a boolean, not an integer" },
                { "[pressure]\ncgroups = ['a']", ":2:1: each of \"cgroups\" must be a path below the cgroup v2 tree" },
                { "[pressure]\ncgroups = ['/']", ":2:1: each of \"cgroups\" must be a path below the cgroup v2 tree" },
                { "[pressure]\ncgroups = ['/a/../b']", ":2:1: each of \"cgroups\" must be a path below" },
                { "[pressure]\nwindow = 100", ":2:1: \"window\" must be from 500 to 10000, not 100" },
                { "[pressure]\nwindow = 500\nsome = 501", ":3:1: \"some\" must be at most \"window\" (500)" },
                { "[pressure]\ncalm = 2", ":2:1: \"calm\" must be longer than \"window\" (2000 ms)" },
                { "[pressure]\nfull = 2001", ":2:1: \"full\" must be at most \"window\" (2000)" },
                { "[runtimes.'a b']", ":1:1: the name of a runtime \"a b\" is not valid" },
                { "[runtimes.x]\ntype = 'docker'", ":2:1: \"type\" must be oci or runsc, not \"docker\"" },
                { "[runtimes.x]\npath = 'bin/x'", ":2:1: \"path\" must be an absolute path, or a name without '/'" },
                { "[runtimes.x]\npath = ''", ":2:1: \"path\" must be an absolute path, or a name without '/'" },
                { "[runtimes.x]\nroot = 'r'", ":2:1: \"root\" must be empty or an absolute path" },
                { "[runtimes.x]\noptions = ['a']", ":2:1: each of \"options\" must begin with '-'" },
                { "[runtimes.x]\noption = ['a']", ":2:1: unknown key \"option\" in [runtimes.x]" },
                { "[runtimes]\nx = 1", ":2:1: unknown key \"x\" in [runtimes]" },
                { "[daemon", ":1:8: expected '.' or ']'" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                struct config *c = NULL;
                struct error err = ERROR_NULL;
                const char *place;

                if (load(rows[i].text, &c, &err) == 0)
                        fail_msg("accepted: %s", rows[i].text);
                assert_null(c);
                place = strstr(err.message, "c.toml");
                if (!place || strncmp(place + 6, rows[i].message, strlen(rows[i].message)) != 0)
                        fail_msg("%s\n  says %s\n  not  %s", rows[i].text, err.message, rows[i].message);
        }
}

static void no_file(void **state)
{
        struct config *c = NULL;
        struct error err = ERROR_NULL;

        assert_int_equal(config_load("/nonexistent/c.toml", &c, &err), -1);
        assert_non_null(strstr(err.message, "/nonexistent/c.toml"));
        assert_int_equal(config_load(dir, &c, &err), -1);
        assert_null(config_free(NULL));
}

static void binaries(void **state)
{
        _cleanup_(arena_freep) struct arena *a = arena_new();
        char path[128], *sh = config_find_binary(a, "sh");
        int fd;

        assert_non_null(sh);
        assert_int_equal(sh[0], '/');
        assert_string_equal(config_find_binary(a, "/bin/sh"), "/bin/sh");
        assert_null(config_find_binary(a, "no-such-runtime"));
        assert_null(config_find_binary(a, "bin/sh"));
        assert_null(config_find_binary(a, ""));
        assert_null(config_find_binary(a, "/tmp"));
        snprintf(path, sizeof(path), "%s/plain", dir);
        fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
        assert_true(fd >= 0);
        close(fd);
        assert_null(config_find_binary(a, path));
        chmod(path, 0755);
        assert_string_equal(config_find_binary(a, path), path);
        unlink(path);
}

static int setup(void **state)
{
        return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
        char path[128];

        snprintf(path, sizeof(path), "%s/c.toml", dir);
        unlink(path);
        return rmdir(dir);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(defaults), cmocka_unit_test(example), cmocka_unit_test(everything_set),
                cmocka_unit_test(refuses),  cmocka_unit_test(no_file), cmocka_unit_test(binaries),
        };

        return cmocka_run_group_tests_name("config", tests, setup, teardown);
}
