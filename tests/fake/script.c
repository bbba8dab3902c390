/* SPDX-License-Identifier: Apache-2.0 */

/* The script: which step does what. Sources in this order: the annotations "fake.*" of config.json, the file named by
 * FAKE_RUNTIME_SCRIPT, else ROOT/../fake.script. All that match are done, in this order. */

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "tests/fake/fake.h"

static char *read_text(const char *path)
{
        FILE *file = fopen(path, "re");
        char *text;
        size_t n;

        if (!file)
                return NULL;
        text = calloc(1, 65536);
        if (!text)
                abort();
        n = fread(text, 1, 65535, file);
        text[n] = '\0';
        fclose(file);
        return text;
}

void fake_script_load(struct fake *f)
{
        const char *path = getenv("FAKE_RUNTIME_SCRIPT");
        char buf[PATH_MAX], bundle[PATH_MAX];
        struct fake_state state;
        json_t *config = NULL;

        if (!path) {
                snprintf(buf, sizeof(buf), "%s/../fake.script", f->root);
                path = buf;
        }
        f->script = read_text(path);
        if (f->id && strcmp(f->command, "create") && strcmp(f->command, "restore") && fake_state_load(f, &state)) {
                snprintf(bundle, sizeof(bundle), "%s/config.json", state.bundle);
                config = fake_load_json(bundle);
                fake_state_free(&state);
        } else if (f->id) {
                snprintf(bundle, sizeof(bundle), "%s/config.json", f->bundle ? f->bundle : ".");
                config = fake_load_json(bundle);
        }
        f->annotations = json_incref(json_object_get(config, "annotations"));
        json_decref(config);
}

/* --- actions --- */

static void forever(void)
{
        alarm(FAKE_LIFETIME_S);
        for (;;)
                pause();
}

static void act_hang(struct fake *f, const char *arg)
{
        forever();
}

static void act_hang_hard(struct fake *f, const char *arg)
{
        signal(SIGTERM, SIG_IGN);
        signal(SIGINT, SIG_IGN);
        signal(SIGHUP, SIG_IGN);
        forever();
}

static int signal_number(const char *name)
{
        if (!strncmp(name, "SIG", 3))
                name += 3;
        for (int s = 1; s < NSIG; s++) {
                const char *abbrev = sigabbrev_np(s);

                if (abbrev && !strcmp(abbrev, name))
                        return s;
        }
        return atoi(name);
}

static void act_crash(struct fake *f, const char *arg)
{
        int sig = *arg ? signal_number(arg) : SIGSEGV;
        struct rlimit none = { 0, 0 };

        setrlimit(RLIMIT_CORE, &none);
        signal(sig, SIG_DFL);
        raise(sig);
}

static void act_fail(struct fake *f, const char *arg)
{
        fake_fail(f, "%s", *arg ? arg : "the script says so");
}

static void act_exit(struct fake *f, const char *arg)
{
        fake_exit(f, atoi(arg));
}

static void act_log(struct fake *f, const char *arg)
{
        char level[32];
        size_t n = strcspn(arg, " ");

        snprintf(level, sizeof(level), "%.*s", (int)n, arg);
        fake_log(f, level, arg[n] ? arg + n + 1 : "");
}

static void act_garbage_log(struct fake *f, const char *arg)
{
        if (f->log)
                fake_log_text(f, "{\"level\":\"err\x01\xff\xfe not json }}}\n{\"level\":\n\n[1,2\n");
}

static void act_big_log(struct fake *f, const char *arg)
{
        char line[1024];

        memset(line, 'x', sizeof(line) - 2);
        line[sizeof(line) - 2] = '\n';
        line[sizeof(line) - 1] = '\0';
        for (int i = 0; f->log && i < atoi(arg); i++)
                fake_log_text(f, line);
}

static void act_print(struct fake *f, const char *arg)
{
        puts(arg);
        fflush(stdout);
}

static void act_stderr(struct fake *f, const char *arg)
{
        fprintf(stderr, "%s\n", arg);
}

static void act_garbage(struct fake *f, const char *arg)
{
        f->garbage = *arg ? arg : "}{ not json \x01\xff\n";
}

static void act_exit_before_pid(struct fake *f, const char *arg)
{
        f->exit_before_pid = true;
        f->exit_before_pid_status = atoi(arg);
}

static void act_garbage_pid_file(struct fake *f, const char *arg)
{
        f->pid_file_text = *arg ? arg : "not a pid\n";
}

static void act_empty_pid_file(struct fake *f, const char *arg)
{
        f->pid_file_text = "";
}

static void act_no_pid_file(struct fake *f, const char *arg)
{
        f->no_pid_file = true;
}

static void act_no_console(struct fake *f, const char *arg)
{
        f->no_console = true;
}

/* Two forks, so that the grandchild's parent is gone at once. It keeps standard error only. */
static void orphan(struct fake *f, int status)
{
        int ready[2];
        char byte;
        pid_t pid;

        if (pipe2(ready, O_CLOEXEC) < 0)
                fake_fail(f, "pipe: %s", strerror(errno));
        pid = fork();
        if (pid == 0) {
                setsid();
                if (fork() != 0)
                        _exit(0);
                close(0);
                close(1);
                if (status < 0)
                        fake_state_add_pid(f, getpid(), "stray");
                if (write(ready[1], "", 1) < 0)
                        _exit(1);
                if (status >= 0)
                        _exit(status);
                forever();
        }
        close(ready[1]);
        while (read(ready[0], &byte, 1) < 0 && errno == EINTR)
                ;
        close(ready[0]);
        waitpid(pid, NULL, 0);
}

static void act_fork_stay(struct fake *f, const char *arg)
{
        orphan(f, -1);
}

static void act_orphan(struct fake *f, const char *arg)
{
        orphan(f, atoi(arg) & 0xff);
}

static void act_slow(struct fake *f, const char *arg)
{
        long ms = atol(arg);
        struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };

        while (nanosleep(&ts, &ts) < 0 && errno == EINTR)
                ;
}

static void act_stop(struct fake *f, const char *arg)
{
        raise(SIGSTOP);
}

static void act_touch(struct fake *f, const char *arg)
{
        close(open(arg, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
}

/* Blocks until somebody opens the FIFO for writing: the way for a test to hold a step without sleeping. */
static void act_wait(struct fake *f, const char *arg)
{
        int fd;

        mkfifo(arg, 0600);
        alarm(FAKE_LIFETIME_S);
        fd = open(arg, O_RDONLY | O_CLOEXEC);
        alarm(0);
        if (fd < 0)
                fake_fail(f, "wait %s: %s", arg, strerror(errno));
        close(fd);
}

static const struct {
        const char *name;
        void (*run)(struct fake *f, const char *arg);
} actions[] = {
        { "hang", act_hang },
        { "hang-hard", act_hang_hard },
        { "crash", act_crash },
        { "fail", act_fail },
        { "exit", act_exit },
        { "log", act_log },
        { "garbage-log", act_garbage_log },
        { "big-log", act_big_log },
        { "print", act_print },
        { "stderr", act_stderr },
        { "garbage", act_garbage },
        { "exit-before-pid", act_exit_before_pid },
        { "garbage-pid-file", act_garbage_pid_file },
        { "empty-pid-file", act_empty_pid_file },
        { "no-pid-file", act_no_pid_file },
        { "no-console", act_no_console },
        { "fork-stay", act_fork_stay },
        { "orphan", act_orphan },
        { "slow", act_slow },
        { "stop", act_stop },
        { "touch", act_touch },
        { "wait", act_wait },
};

/* "once": true for the first caller that gets here, for ever. */
static bool first_time(struct fake *f, const char *key, const char *action)
{
        char path[PATH_MAX];
        unsigned hash = 5381;
        int fd;

        for (const char *p = key; *p; p++)
                hash = hash * 33 + (unsigned char)*p;
        for (const char *p = action; *p; p++)
                hash = hash * 33 + (unsigned char)*p;
        snprintf(path, sizeof(path), "%s/fake.once.%08x", f->root, hash);
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (fd < 0)
                return false;
        close(fd);
        return true;
}

static void do_action(struct fake *f, const char *key, char *action)
{
        size_t n;

        action += strspn(action, " \t");
        if (!strncmp(action, "once ", 5)) {
                action += 5;
                if (!first_time(f, key, action))
                        return;
                action += strspn(action, " \t");
        }
        n = strcspn(action, " \t");
        for (size_t i = 0; i < ARRAY_SIZE(actions); i++) {
                char *arg = action + n;

                if (strlen(actions[i].name) != n || memcmp(actions[i].name, action, n))
                        continue;
                arg += strspn(arg, " \t");
                actions[i].run(f, arg);
                return;
        }
        if (*action)
                fake_fail(f, "fake-runtime: the script has an unknown action \"%s\" for \"%s\"", action, key);
}

/* The text is kept: actions hold on to their arguments. */
static void do_actions(struct fake *f, const char *key, char *list)
{
        char *rest = NULL;

        for (char *action = strtok_r(list, ";\n", &rest); action; action = strtok_r(NULL, ";\n", &rest))
                do_action(f, key, action);
}

static bool key_matches(struct fake *f, const char *pattern, const char *key)
{
        char copy[512], *at;

        snprintf(copy, sizeof(copy), "%s", pattern);
        at = strchr(copy, '@');
        if (at) {
                *at = '\0';
                if (!f->id || fnmatch(at + 1, f->id, 0))
                        return false;
        }
        if (!fnmatch(copy, key, 0))
                return true;
        /* "fake.create" is "fake.create.begin" */
        if (strlen(key) > 6 && !strcmp(key + strlen(key) - 6, ".begin") && !strchr(strchr(copy, '.') + 1, '.')) {
                strcat(copy, ".begin");
                return !fnmatch(copy, key, 0);
        }
        return false;
}

void fake_step(struct fake *f, const char *step)
{
        char key[256];
        const char *name;
        json_t *value;
        char *rest = NULL, *copy;

        snprintf(key, sizeof(key), "fake.%s.%s", f->command, step);
        json_object_foreach (f->annotations, name, value) {
                if (strncmp(name, "fake.", 5) || !json_is_string(value) || !key_matches(f, name, key))
                        continue;
                do_actions(f, name, strdup(json_string_value(value)));
        }
        if (!f->script)
                return;
        copy = strdup(f->script);
        for (char *line = strtok_r(copy, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
                size_t n;

                line += strspn(line, " \t");
                n = strcspn(line, ": \t=");
                if (strncmp(line, "fake.", 5) || !line[n])
                        continue;
                line[n++] = '\0';
                n += strspn(line + n, ": \t=");
                if (key_matches(f, line, key))
                        do_actions(f, line, line + n);
        }
}

const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
        return "detect_leaks=0"; /* it keeps its script's text until it exits, in many places at once */
}
