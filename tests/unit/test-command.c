/* SPDX-License-Identifier: Apache-2.0 */

/* Runtime commands: the order in which they run, their limits, what is captured, and every way to end. */

#include "tests/lib/rig.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "base/fd.h"
#include "daemon/command.h"

#define N_MAX 64

struct outcome {
        unsigned n; /* how often it was called back */
        bool ok, spawned, timed_out, cancelled, cut;
        struct exit_info exit;
        char *output;
        size_t len;
        char words[512];
        char step[64];
        int errnum;
        struct error error;
};

struct test {
        struct rig rig;
        struct command_queue *queue;
        struct command commands[N_MAX];
        struct outcome outcomes[N_MAX];
        unsigned n, n_started, n_done, live, most_live;
        unsigned started[N_MAX * 8], done[N_MAX * 8]; /* indices, in order */
        unsigned resubmit;                            /* how often on_done submits again */
        bool cancel_at_start, free_when_done;
        bool claimed;
        struct exit_info orphan;
        int dirfd;
};

static int setup_with(void **state, unsigned max_running, unsigned max_urgent)
{
        struct command_queue_options options = { .max_running = max_running, .max_urgent = max_urgent };
        struct test *t = calloc(1, sizeof(*t));

        rig_init(&t->rig);
        assert_int_equal(command_queue_new(&t->queue, t->rig.loop, t->rig.reaper, &options), 0);
        t->dirfd = open(t->rig.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(t->dirfd >= 0);
        *state = t;
        return 0;
}

static int setup(void **state)
{
        return setup_with(state, 4, 2);
}

static int setup_one(void **state)
{
        return setup_with(state, 1, 2);
}

static int teardown(void **state)
{
        struct test *t = *state;

        for (unsigned i = 0; i < t->n; i++) {
                command_deinit(&t->commands[i]);
                free(t->outcomes[i].output);
        }
        t->queue = command_queue_free(t->queue);
        fd_close(t->dirfd);
        rig_deinit(&t->rig);
        free(t);
        return 0;
}

static void on_started(struct command *c)
{
        struct test *t = c->data;

        assert_true(c->spawn.pid.pidref.pid > 0);
        t->started[t->n_started++] = (unsigned)(c - t->commands);
        t->live++;
        if (t->live > t->most_live)
                t->most_live = t->live;
        if (t->cancel_at_start)
                command_cancel(c);
}

static void on_done(struct command *c, const struct command_result *res)
{
        struct test *t = c->data;
        unsigned i = (unsigned)(c - t->commands);
        struct outcome *o = &t->outcomes[i];

        free(o->output);
        *o = (struct outcome){ .n = o->n + 1, .ok = res->ok, .spawned = res->spawned, .timed_out = res->timed_out,
                               .cancelled = res->cancelled, .cut = res->output_cut, .exit = res->exit,
                               .len = res->output_len, .errnum = res->spawn_errno };
        assert_int_equal(strlen(res->output) <= res->output_len, 1);
        o->output = malloc(res->output_len + 1);
        memcpy(o->output, res->output, res->output_len + 1);
        snprintf(o->words, sizeof(o->words), "%s", res->error_text);
        snprintf(o->step, sizeof(o->step), "%s", res->spawn_step);
        command_error(res, "create", &o->error);
        t->done[t->n_done++] = i;
        t->live--;
        if (t->free_when_done) {
                command_deinit(c);
                memset(c, 0x5a, sizeof(*c));
                assert_int_equal(command_init(c, t->queue), 0); /* for the teardown */
                return;
        }
        if (t->resubmit > 0) {
                t->resubmit--;
                command_submit(c);
        }
}

/* A shell script as the runtime. */
static struct command *add(struct test *t, enum command_class class, const char *key, const char *script)
{
        struct command *c = &t->commands[t->n++];

        assert_int_equal(command_init(c, t->queue), 0);
        c->class = class;
        snprintf(c->key, sizeof(c->key), "%s", key);
        c->params.path = "/bin/sh";
        command_arg(c, "sh");
        command_arg(c, "-c");
        command_arg(c, script);
        command_env(c, "PATH=/usr/bin:/bin");
        c->capture_output = c->capture_error = true;
        c->on_started = on_started;
        c->on_done = on_done;
        c->data = t;
        return c;
}

static struct outcome *run(struct test *t, struct command *c)
{
        unsigned n = t->n_done;

        command_submit(c);
        assert_int_equal(t->n_done, n); /* never from inside */
        rig_wait(&t->rig, t->n_done == n + 1);
        return &t->outcomes[c - t->commands];
}

static void test_output(void **state)
{
        struct test *t = *state;
        struct command *c = add(t, COMMAND_QUERY, "a", "cat; echo \"$1-$2 $V\"; echo trouble >&2; exit 7");
        struct outcome *o;

        command_arg(c, "zero");
        command_argf(c, "n=%d", 42);
        for (int i = 0; i < 100; i++) /* the vector grows */
                command_argf(c, "%d", i);
        command_env(c, "V=value");
        c->input = "in\n";
        c->input_len = 3;
        o = run(t, c);
        assert_string_equal(o->output, "in\nn=42-0 value\n");
        assert_int_equal(o->len, 16);
        assert_false(o->ok);
        assert_true(o->spawned);
        assert_false(o->cut);
        assert_true(o->exit.known);
        assert_int_equal(WEXITSTATUS(o->exit.wait_status), 7);
        assert_int_equal(o->error.reason, REASON_RUNTIME_FAILED);
        assert_string_equal(o->words, "trouble");
        assert_string_equal(o->error.message, "OCI runtime create failed: trouble");
        assert_int_equal(command_queue_running(t->queue), 0);
        /* the same command again */
        o = run(t, c);
        assert_int_equal(o->n, 2);
        assert_string_equal(o->output, "in\nn=42-0 value\n");
}

static void test_success(void **state)
{
        struct test *t = *state;
        struct outcome *o = run(t, add(t, COMMAND_CONTROL, "a", "echo warning >&2"));

        assert_true(o->ok);
        assert_string_equal(o->words, "");
        assert_string_equal(o->output, "");
}

static void expect_order(const struct test *t, const char *const *keys, unsigned n)
{
        assert_int_equal(t->n_started, n);
        for (unsigned i = 0; i < n; i++)
                assert_string_equal(t->commands[t->started[i]].key, keys[i]);
}

static void test_fair_keys(void **state)
{
        static const char *const keys[] = { "a", "b", "c", "a", "b", "a", "a", "a" };
        struct test *t = *state;

        for (int i = 0; i < 5; i++)
                command_submit(add(t, COMMAND_CREATE, "a", "true"));
        for (int i = 0; i < 2; i++)
                command_submit(add(t, COMMAND_CREATE, "b", "true"));
        command_submit(add(t, COMMAND_CREATE, "c", "true"));
        assert_int_equal(command_queue_waiting(t->queue), 8);
        rig_wait(&t->rig, t->n_done == 8);
        expect_order(t, keys, 8);
        assert_int_equal(t->most_live, 1);
        assert_int_equal(command_queue_waiting(t->queue), 0);
}

static void test_cancel_waiting(void **state)
{
        static const char *const keys[] = { "a", "c", "b" };
        struct test *t = *state;

        for (int i = 0; i < 3; i++)
                command_submit(add(t, COMMAND_CREATE, "a", "true"));
        for (int i = 0; i < 2; i++)
                command_submit(add(t, COMMAND_CREATE, "b", "true"));
        command_submit(add(t, COMMAND_CREATE, "c", "true"));
        command_cancel(&t->commands[0]); /* the first of its key: the second takes its place */
        command_cancel(&t->commands[2]); /* one behind it */
        command_cancel(&t->commands[3]);
        command_deinit(&t->commands[4]); /* the only one left of its key: no callback */
        command_submit(add(t, COMMAND_CREATE, "b", "true"));
        assert_int_equal(t->n_done, 0);
        rig_wait(&t->rig, t->n_done == 6);
        expect_order(t, keys, 3);
        for (unsigned i = 0; i < 7; i++) {
                bool cancelled = i == 0 || i == 2 || i == 3;

                assert_int_equal(t->outcomes[i].n, i != 4);
                assert_int_equal(t->outcomes[i].cancelled, cancelled);
                assert_int_equal(t->outcomes[i].ok, !cancelled && i != 4);
                assert_int_equal(t->outcomes[i].error.reason == REASON_CANCELLED, cancelled);
        }
}

static void test_limit(void **state)
{
        struct test *t = *state;

        for (int i = 0; i < 12; i++)
                command_submit(add(t, i % 2 ? COMMAND_CREATE : COMMAND_QUERY, "a", "true"));
        rig_wait(&t->rig, t->n_done == 12);
        assert_int_equal(t->most_live, 4);
}

static void test_urgent(void **state)
{
        struct test *t = *state;
        unsigned i;

        for (i = 0; i < 6; i++) /* fill all ordinary slots, and more wait */
                command_submit(add(t, COMMAND_CREATE, "storm", "exec sleep 60"));
        for (; i < 9; i++) /* slow deletes: one slot is not theirs */
                command_submit(add(t, COMMAND_DELETE, "storm", "exec sleep 60"));
        rig_wait(&t->rig, t->n_started == 5);
        assert_int_equal(command_queue_running(t->queue), 5);
        assert_int_equal(command_queue_waiting(t->queue), 4);
        assert_true(run(t, add(t, COMMAND_KILL, "storm", "true"))->ok);
        assert_int_equal(t->live, 5);
        for (i = 0; i < 9; i++)
                command_cancel(&t->commands[i]);
        rig_wait(&t->rig, t->n_done == 10);
        assert_int_equal(command_queue_running(t->queue), 0);
}

static void test_no_class_starves(void **state)
{
        struct test *t = *state;

        t->resubmit = 100;
        for (int i = 0; i < 3; i++)
                command_submit(add(t, COMMAND_QUERY, "reader", "true"));
        command_submit(add(t, COMMAND_CREATE, "writer", "true"));
        rig_wait(&t->rig, t->outcomes[3].n == 1);
        assert_in_range(t->n_started, 4, 12);
        t->resubmit = 0;
        rig_wait(&t->rig, t->live == 0 && command_queue_running(t->queue) + command_queue_waiting(t->queue) == 0);
}

static bool process_gone(pid_t pid)
{
        struct proc_stat st;

        return proc_stat_read(pid, &st) < 0 || st.state == 'Z';
}

static void test_deadline(void **state)
{
        struct test *t = *state;
        struct command *c = add(t, COMMAND_CREATE, "a", "sleep 60 & echo $!; echo stuck >&2; wait");
        struct outcome *o;
        pid_t helper;

        c->timeout_ns = 1500 * NSEC_PER_MSEC;
        o = run(t, c);
        assert_true(o->timed_out);
        assert_false(o->ok);
        assert_false(o->cancelled);
        assert_true(o->exit.known);
        assert_int_equal(WTERMSIG(o->exit.wait_status), SIGKILL);
        assert_int_equal(o->error.reason, REASON_RUNTIME_TIMEOUT);
        assert_non_null(strstr(o->error.message, "killed: stuck"));
        helper = (pid_t)atoi(o->output);
        assert_true(helper > 1);
        rig_wait(&t->rig, process_gone(helper)); /* it was killed too, and the signal of its end wakes the loop */
}

/* What has made a session of its own, as the process of a container does, is left alone. */
static void test_kill_spares_sessions(void **state)
{
        struct test *t = *state;
        char path[128], pid[32] = "";
        struct command *c;
        pid_t other;
        int fd;

        snprintf(path, sizeof(path), "%s/fifo", t->rig.dir);
        assert_int_equal(mkfifo(path, 0600), 0);
        c = add(t, COMMAND_CREATE, "a", "setsid sh -c 'echo $$ >\"$0\"; exec sleep 60' \"$0\" & wait");
        command_arg(c, path);
        command_submit(c);
        rig_wait(&t->rig, c->executed);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        assert_true(read(fd, pid, sizeof(pid) - 1) > 0);
        fd_close(fd);
        unlink(path);
        command_cancel(c);
        rig_wait(&t->rig, t->n_done == 1);
        other = (pid_t)atoi(pid);
        assert_true(other > 1);
        assert_false(process_gone(other));
        kill(other, SIGKILL);
        rig_wait(&t->rig, process_gone(other));
}

static void test_cancel_running(void **state)
{
        struct test *t = *state;
        struct command *c = add(t, COMMAND_CREATE, "a", "echo begun; exec sleep 60");

        command_submit(c);
        rig_wait(&t->rig, t->n_started == 1 && c->executed);
        command_cancel(c);
        command_cancel(c);
        assert_int_equal(t->n_done, 0);
        rig_wait(&t->rig, t->n_done == 1);
        assert_true(t->outcomes[0].cancelled);
        assert_false(t->outcomes[0].timed_out);
        assert_int_equal(t->outcomes[0].error.reason, REASON_CANCELLED);
        command_cancel(c); /* over: nothing happens */
        assert_int_equal(command_queue_running(t->queue), 0);
}

/* Cancelled where its pid could not be recorded: it must not be executed. */
static void test_cancel_at_start(void **state)
{
        struct test *t = *state;
        char path[128];
        struct command *c;

        snprintf(path, sizeof(path), "%s/touched", t->rig.dir);
        c = add(t, COMMAND_CREATE, "a", ": >\"$0\"");
        command_arg(c, path);
        t->cancel_at_start = true;
        assert_true(run(t, c)->cancelled);
        assert_int_equal(access(path, F_OK), -1);
}

static void test_output_cut(void **state)
{
        struct test *t = *state;
        struct command *c = add(t, COMMAND_QUERY, "a", "head -c 100000 /dev/zero | tr '\\0' x");
        struct outcome *o;

        c->max_output = 1000;
        o = run(t, c);
        assert_true(o->ok);
        assert_true(o->cut);
        assert_int_equal(o->len, 1000);
        assert_int_equal(strspn(o->output, "x"), 1000);
        assert_int_equal(o->output[1000], '\0');

        c = add(t, COMMAND_QUERY, "a", "printf %1000s");
        c->max_output = 1000;
        o = run(t, c);
        assert_false(o->cut); /* exactly as much as allowed */
        assert_int_equal(o->len, 1000);
}

/* One that never stops to write is stopped by the memfd's size, in both. */
static void test_output_without_end(void **state)
{
        struct test *t = *state;
        struct outcome *o = run(t, add(t, COMMAND_QUERY, "a", "yes; yes >&2; exit 5"));

        assert_true(o->cut);
        assert_int_equal(o->len, 4 * 1024 * 1024);
        assert_int_equal(WEXITSTATUS(o->exit.wait_status), 5);
}

/* A child that stays and keeps stdout and stderr open keeps nobody waiting. */
static void test_stray_child(void **state)
{
        struct test *t = *state;
        uint64_t begin = clock_monotonic_ns();
        struct outcome *o = run(t, add(t, COMMAND_CONTROL, "a", "sleep 60 & echo $!; exit 3"));
        pid_t stray = (pid_t)atoi(o->output);

        assert_int_equal(WEXITSTATUS(o->exit.wait_status), 3);
        assert_true(clock_monotonic_ns() - begin < 20 * NSEC_PER_SEC);
        assert_true(stray > 1);
        assert_false(process_gone(stray));
        kill(stray, SIGKILL);
        rig_wait(&t->rig, process_gone(stray));
}

static void put_log(const struct test *t, const char *name, const void *data, size_t len)
{
        int fd = openat(t->dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        assert_int_equal(fd_write_all(fd, data, len), 0);
        fd_close(fd);
}

static const struct outcome *run_with_log(struct test *t, const void *data, size_t len)
{
        struct command *c = add(t, COMMAND_CREATE, "a", "echo from-stderr >&2; exit 1");
        struct outcome *o;

        put_log(t, "create.log", data, len);
        c->log_dirfd = t->dirfd;
        snprintf(c->log_name, sizeof(c->log_name), "create.log");
        o = run(t, c);
        assert_int_equal(faccessat(t->dirfd, "create.log", F_OK, 0), -1);
        return o;
}

static void test_log(void **state)
{
        static const char text[] =
                "{\"level\":\"warning\",\"msg\":\"hm\"}\n{\"level\":\"error\",\"msg\":\"no such file: \\\"x\\\"\"}\n";
        struct test *t = *state;
        size_t len = 3 << 20;
        char *large = malloc(len);

        assert_non_null(large);
        memset(large, 0xff, len);
        run_with_log(t, large, len); /* no line, no text: nothing to be said of it but that it does no harm */
        for (size_t i = 0; i < len; i += 100)
                large[i] = '\n';
        memcpy(large + len - strlen(text), text, strlen(text));
        assert_string_equal(run_with_log(t, text, strlen(text))->words, "no such file: \"x\"");
        assert_string_equal(run_with_log(t, large, len)->words, "no such file: \"x\"");
        assert_string_equal(run_with_log(t, "", 0)->words, "from-stderr");
        free(large);
}

/* What is no file is not read: a FIFO would block us. */
static void test_log_is_fifo(void **state)
{
        struct test *t = *state;
        struct command *c = add(t, COMMAND_CREATE, "a", "exit 1");

        assert_int_equal(mkfifoat(t->dirfd, "log", 0600), 0);
        c->log_dirfd = t->dirfd;
        snprintf(c->log_name, sizeof(c->log_name), "log");
        assert_string_equal(run(t, c)->words, "");
        assert_int_equal(faccessat(t->dirfd, "log", F_OK, 0), -1);
}

static void test_no_binary(void **state)
{
        struct test *t = *state;
        struct command *c = add(t, COMMAND_CREATE, "a", "");
        struct outcome *o;

        c->params.path = "/nonexistent/runtime";
        o = run(t, c);
        assert_false(o->spawned);
        assert_false(o->ok);
        assert_string_equal(o->step, "exec");
        assert_int_equal(o->errnum, ENOENT);
        assert_int_equal(o->error.reason, REASON_UNKNOWN_RUNTIME);
        assert_int_equal(command_queue_running(t->queue), 0);
}

static void test_bad_client_path(void **state)
{
        struct test *t = *state;
        struct command *c = add(t, COMMAND_CREATE, "a", "");
        struct outcome *o;

        c->capture_output = false;
        c->params.stdio[1] = (struct spawn_stdio){ .kind = SPAWN_STDIO_PATH, .path = "/nonexistent/fifo" };
        o = run(t, c);
        assert_false(o->spawned);
        assert_string_equal(o->step, "open stdout");
        assert_int_equal(o->error.reason, REASON_INVALID_ARGUMENT);
}

static void test_no_descriptors(void **state)
{
        struct test *t = *state;
        struct command *c = add(t, COMMAND_CREATE, "a", "true");
        struct rlimit old, low;
        struct outcome *o;

        getrlimit(RLIMIT_NOFILE, &old);
        low = old;
        low.rlim_cur = (rlim_t)fd_count() + 1; /* one for stdout's memfd, none for the next */
        setrlimit(RLIMIT_NOFILE, &low);
        o = run(t, c);
        setrlimit(RLIMIT_NOFILE, &old);
        assert_false(o->spawned);
        assert_int_equal(o->errnum, EMFILE);
        assert_int_equal(o->error.reason, REASON_NO_RESOURCES);
        assert_true(run(t, c)->ok);
}

static void test_no_leak(void **state)
{
        struct test *t = *state;
        struct command *c = add(t, COMMAND_CREATE, "a", "true");
        int before;

        run(t, c);
        before = fd_count();
        for (int i = 0; i < 20; i++)
                run(t, c);
        assert_int_equal(fd_count(), before);
}

static void test_free_when_done(void **state)
{
        struct test *t = *state;

        t->free_when_done = true;
        for (int i = 0; i < 3; i++)
                command_submit(add(t, COMMAND_CREATE, "a", "true"));
        rig_wait(&t->rig, t->n_done == 3);
        assert_int_equal(reaper_n_orphans(t->rig.reaper), 0);
}

/* An orphan's status is there in on_done, and gone after it. */
static void on_done_claim(struct command *c, const struct command_result *res)
{
        struct test *t = c->data;
        uint64_t start;

        t->claimed = reaper_claim(&c->hold, (pid_t)atoi(res->output), &start, &t->orphan);
        on_done(c, res);
}

static void test_orphan(void **state)
{
        /* the orphan ends only when its parent is gone, which might have reaped it */
        static const char script[] = "pid=$( (read x <\"$0\"; exit 9) >/dev/null & echo $!); echo >\"$0\"\n"
                                     "while kill -0 $pid; do :; done; echo $pid";
        struct test *t = *state;
        char path[128];

        snprintf(path, sizeof(path), "%s/fifo", t->rig.dir);
        assert_int_equal(mkfifo(path, 0600), 0);
        command_arg(add(t, COMMAND_CREATE, "a", script), path);
        t->commands[0].on_done = on_done_claim;
        run(t, &t->commands[0]);
        assert_true(t->claimed);
        assert_int_equal(WEXITSTATUS(t->orphan.wait_status), 9);

        command_arg(add(t, COMMAND_CREATE, "a", script), path);
        run(t, &t->commands[1]); /* not claimed: forgotten */
        assert_int_equal(reaper_n_orphans(t->rig.reaper), 0);
}

static void test_abandon(void **state)
{
        struct test *t = *state;
        char path[128];
        struct command *c;
        pid_t pid;

        snprintf(path, sizeof(path), "%s/go-on", t->rig.dir);
        c = add(t, COMMAND_CREATE, "a", "while ! [ -e \"$0\" ]; do sleep 0.02; done; rm \"$0\"");
        command_arg(c, path);
        command_submit(c);
        command_submit(add(t, COMMAND_KILL, "a", "true"));
        rig_wait(&t->rig, c->executed);
        pid = c->spawn.pid.pidref.pid;
        for (int i = 0; i < 6; i++)
                command_submit(add(t, COMMAND_CREATE, "b", "exec sleep 60"));
        t->queue = command_queue_free(t->queue);
        assert_false(process_gone(pid));
        put_log(t, "go-on", "", 0);
        rig_wait(&t->rig, process_gone(pid));
        assert_int_equal(access(path, F_OK), -1); /* it ran to its end */
        assert_int_equal(t->outcomes[0].n, 0);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define CASE_ONE(f) cmocka_unit_test_setup_teardown(f, setup_one, teardown)
        const struct CMUnitTest tests[] = {
                CASE(test_output),
                CASE(test_success),
                CASE_ONE(test_fair_keys),
                CASE_ONE(test_cancel_waiting),
                CASE(test_limit),
                CASE(test_urgent),
                CASE_ONE(test_no_class_starves),
                CASE(test_deadline),
                CASE(test_kill_spares_sessions),
                CASE(test_cancel_running),
                CASE(test_cancel_at_start),
                CASE(test_output_cut),
                CASE(test_output_without_end),
                CASE(test_stray_child),
                CASE(test_log),
                CASE(test_log_is_fifo),
                CASE(test_no_binary),
                CASE(test_bad_client_path),
                CASE(test_no_descriptors),
                CASE(test_no_leak),
                CASE(test_free_when_done),
                CASE(test_orphan),
                CASE(test_abandon),
        };

        return cmocka_run_group_tests_name("command", tests, NULL, NULL);
}
