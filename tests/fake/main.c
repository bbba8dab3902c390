/* SPDX-License-Identifier: Apache-2.0 */

/* The command line, the log in runc's formats, and calls.log, in which every call is a line (and its end another). */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "tests/fake/fake.h"

static void rfc3339(char buf[64])
{
        struct timespec ts;
        struct tm tm;
        char seconds[32];

        clock_gettime(CLOCK_REALTIME, &ts);
        gmtime_r(&ts.tv_sec, &tm);
        strftime(seconds, sizeof(seconds), "%Y-%m-%dT%H:%M:%S", &tm);
        snprintf(buf, 64, "%s.%09ldZ", seconds, ts.tv_nsec);
}

void fake_append(const char *dir, const char *name, const char *text)
{
        _cleanup_(freep) char *path = NULL;
        int fd;

        if (asprintf(&path, "%s/%s", dir, name) < 0)
                abort();
        fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        if (fd < 0)
                return;
        if (write(fd, text, strlen(text)) < 0)
                perror(path);
        close(fd);
}

static void log_call(struct fake *f, json_t *line)
{
        struct timespec ts;
        _cleanup_(freep) char *text = NULL, *with_newline = NULL;

        clock_gettime(CLOCK_REALTIME, &ts);
        json_object_set_new(line, "time_ns", json_integer(ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec));
        json_object_set_new(line, "pid", json_integer(getpid()));
        text = json_dumps(line, JSON_COMPACT);
        json_decref(line);
        if (!text || asprintf(&with_newline, "%s\n", text) < 0)
                abort();
        fake_append(f->root, "calls.log", with_newline);
}

static void log_begin(struct fake *f, int argc, char **argv)
{
        json_t *line = json_object(), *array = json_array();

        for (int i = 0; i < argc; i++) {
                json_t *arg = json_string(argv[i]);

                json_array_append_new(array, arg ? arg : json_string("(not UTF-8)"));
        }
        json_object_set_new(line, "event", json_string("begin"));
        json_object_set_new(line, "command", json_string(f->command ? f->command : ""));
        json_object_set_new(line, "id", json_string(f->id ? f->id : ""));
        json_object_set_new(line, "ppid", json_integer(getppid()));
        json_object_set_new(line, "argv", array);
        log_call(f, line);
}

_Noreturn void fake_exit(struct fake *f, int status)
{
        json_t *line = json_object();

        json_object_set_new(line, "event", json_string("end"));
        json_object_set_new(line, "command", json_string(f->command ? f->command : ""));
        json_object_set_new(line, "id", json_string(f->id ? f->id : ""));
        json_object_set_new(line, "exit", json_integer(status));
        log_call(f, line);
        json_decref(f->annotations);
        free(f->script);
        exit(status);
}

void fake_log_text(struct fake *f, const char *text)
{
        if (f->log)
                fake_append(f->log[0] == '/' ? "" : ".", f->log, text);
        else
                fputs(text, stderr);
}

void fake_log(struct fake *f, const char *level, const char *message)
{
        char now[64];
        _cleanup_(freep) char *line = NULL;

        rfc3339(now);
        if (f->log_json) {
                _cleanup_(freep) char *text = NULL;
                json_t *object = json_pack("{s:s, s:s, s:s}", "level", level, "msg", message, "time", now);

                text = json_dumps(object, JSON_COMPACT);
                json_decref(object);
                if (!text || asprintf(&line, "%s\n", text) < 0)
                        abort();
        } else if (asprintf(&line, "time=\"%s\" level=%s msg=\"%s\"\n", now, level, message) < 0) {
                abort();
        }
        fake_log_text(f, line);
}

_Noreturn void fake_fail(struct fake *f, const char *fmt, ...)
{
        _cleanup_(freep) char *message = NULL;
        va_list ap;
        int r;

        va_start(ap, fmt);
        r = vasprintf(&message, fmt, ap);
        va_end(ap);
        if (r < 0)
                abort();
        fake_log(f, "error", message);
        if (f->log)
                fprintf(stderr, "%s\n", message);
        free(message);
        message = NULL;
        if (f->created) { /* as runc undoes a create that failed */
                fake_signal_all(f, SIGKILL);
                fake_wait_gone(f);
                fake_state_remove(f);
        }
        fake_exit(f, 1);
}

/* --- the command line --- */

struct option_value {
        const char *name, *letter; /* letter: without dash, or NULL */
        const char *command;       /* NULL: any */
        size_t offset;             /* of a const char * in struct fake, or SIZE_MAX: read over */
};
static const struct option_value option_values[] = {
        { "bundle", "b", NULL, offsetof(struct fake, bundle) },
        { "pid-file", NULL, NULL, offsetof(struct fake, pid_file) },
        { "console-socket", NULL, NULL, offsetof(struct fake, console_socket) },
        { "process", "p", "exec", offsetof(struct fake, process) },
        { "cwd", NULL, "exec", offsetof(struct fake, cwd) },
        { "format", "f", "ps", offsetof(struct fake, format) },
        { "format", "f", "list", offsetof(struct fake, format) },
        { "resources", "r", "update", offsetof(struct fake, resources) },
        { "image-path", NULL, NULL, offsetof(struct fake, image_path) },
        { "work-path", NULL, NULL, SIZE_MAX },
        { "parent-path", NULL, NULL, SIZE_MAX },
        { "preserve-fds", NULL, NULL, SIZE_MAX },
        { "interval", NULL, "events", SIZE_MAX },
        { "env", "e", "exec", SIZE_MAX },
        { "user", "u", "exec", SIZE_MAX },
        { "user-log", NULL, NULL, SIZE_MAX },
        { "manage-cgroups-mode", NULL, NULL, SIZE_MAX },
        { "empty-ns", NULL, NULL, SIZE_MAX },
        { "status-fd", NULL, NULL, SIZE_MAX },
};
struct option_flag {
        const char *name, *letter, *command;
        size_t offset; /* of a bool */
};
static const struct option_flag option_flags[] = {
        { "all", "a", "kill", offsetof(struct fake, all) },
        { "force", "f", "delete", offsetof(struct fake, force) },
        { "detach", "d", NULL, offsetof(struct fake, detach) },
        { "tty", "t", "exec", offsetof(struct fake, tty) },
        { "leave-running", NULL, "checkpoint", offsetof(struct fake, leave_running) },
};

static bool option_is(const char *arg, size_t len, const char *name, const char *letter)
{
        if (arg[0] != '-')
                return false;
        if (arg[1] != '-')
                return letter && len == 2 && arg[1] == letter[0];
        return len - 2 == strlen(name) && !memcmp(arg + 2, name, len - 2);
}

/* Reads argv[*i], an option of a command, and its value if it has one. Unknown ones are read over, as flags. */
static void parse_option(struct fake *f, int argc, char **argv, int *i)
{
        const char *arg = argv[*i], *equals = strchr(arg, '=');
        size_t len = equals ? (size_t)(equals - arg) : strlen(arg);

        for (size_t k = 0; k < ARRAY_SIZE(option_values); k++) {
                const struct option_value *o = &option_values[k];
                const char *value;

                if ((o->command && strcmp(o->command, f->command)) || !option_is(arg, len, o->name, o->letter))
                        continue;
                value = equals ? equals + 1 : *i + 1 < argc ? argv[++*i] : "";
                if (o->offset != SIZE_MAX)
                        *(const char **)((char *)f + o->offset) = value;
                return;
        }
        for (size_t k = 0; k < ARRAY_SIZE(option_flags); k++) {
                const struct option_flag *o = &option_flags[k];

                if ((o->command && strcmp(o->command, f->command)) || !option_is(arg, len, o->name, o->letter))
                        continue;
                *(bool *)((char *)f + o->offset) = !equals || !strcmp(equals + 1, "true");
                return;
        }
}

static int parse_globals(struct fake *f, int argc, char **argv)
{
        static const struct option_value globals[] = {
                { "root", NULL, NULL, offsetof(struct fake, root) },
                { "log", NULL, NULL, offsetof(struct fake, log) },
                { "log-format", NULL, NULL, offsetof(struct fake, format) },
                { "criu", NULL, NULL, SIZE_MAX },
        };
        int i;

        for (i = 1; i < argc && argv[i][0] == '-'; i++) {
                const char *equals = strchr(argv[i], '=');
                size_t len = equals ? (size_t)(equals - argv[i]) : strlen(argv[i]);

                if (!strcmp(argv[i], "--version") || !strcmp(argv[i], "-v")) {
                        f->version = true;
                        continue;
                }
                for (size_t k = 0; k < ARRAY_SIZE(globals); k++) {
                        const char *value;

                        if (!option_is(argv[i], len, globals[k].name, NULL))
                                continue;
                        value = equals ? equals + 1 : i + 1 < argc ? argv[++i] : "";
                        if (globals[k].offset != SIZE_MAX)
                                *(const char **)((char *)f + globals[k].offset) = value;
                        break;
                }
        }
        f->log_json = f->format && !strcmp(f->format, "json");
        f->format = NULL;
        return i;
}

static void parse_command(struct fake *f, int argc, char **argv, int i)
{
        f->command = argv[i++];
        for (; i < argc; i++) {
                if (!strcmp(argv[i], "--")) {
                        i++;
                        break;
                }
                if (argv[i][0] != '-' || !argv[i][1])
                        break;
                parse_option(f, argc, argv, &i);
        }
        if (i < argc)
                f->id = argv[i++];
        if (i < argc && !strcmp(argv[i], "--"))
                i++;
        f->args = argv + i;
        f->n_args = argc - i;
}

static void mkdir_parents(const char *path)
{
        char buf[PATH_MAX];

        snprintf(buf, sizeof(buf), "%s", path);
        for (char *p = buf + 1; *p; p++) {
                if (*p != '/')
                        continue;
                *p = '\0';
                mkdir(buf, 0755);
                *p = '/';
        }
        mkdir(buf, 0711);
}

int main(int argc, char **argv)
{
        struct fake f = { .root = "/run/fake-runtime" };
        const struct fake_command *command;
        int i;

        setvbuf(stdout, NULL, _IOFBF, 0);
        i = parse_globals(&f, argc, argv);
        if (f.version)
                f.command = "version";
        else if (i < argc)
                parse_command(&f, argc, argv, i);
        mkdir_parents(f.root);
        log_begin(&f, argc, argv);
        if (!f.command)
                fake_fail(&f, "no command given");
        command = fake_command_find(f.command);
        if (!command)
                fake_fail(&f, "No help topic for '%s'", f.command);
        if (command->needs_id) {
                if (!f.id || !f.id[0] || strchr(f.id, '/') || f.id[0] == '.')
                        fake_fail(&f, "%s: invalid container id: \"%s\"", f.command, f.id ? f.id : "");
                snprintf(f.dir, sizeof(f.dir), "%s/%s", f.root, f.id);
        }
        fake_script_load(&f);
        fake_step(&f, "begin");
        command->run(&f);
        if (f.garbage)
                fputs(f.garbage, stdout);
        fflush(stdout);
        fake_step(&f, "end");
        fake_exit(&f, 0);
}
