/* SPDX-License-Identifier: Apache-2.0 */

/* runc's commands, as a table. */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tests/fake/fake.h"

#define PIDS_MAX 4096

static struct fake_state load(struct fake *f)
{
        struct fake_state state;

        if (!fake_state_load(f, &state))
                fake_fail(f, "container does not exist");
        return state;
}

static void print_json(struct fake *f, json_t *j)
{
        if (!f->garbage) {
                json_dumpf(j, stdout, JSON_COMPACT);
                putchar('\n');
        }
        json_decref(j);
}

static json_t *load_config(struct fake *f)
{
        char path[PATH_MAX];
        json_t *config;

        snprintf(path, sizeof(path), "%s/config.json", f->bundle ? f->bundle : ".");
        config = fake_load_json(path);
        if (!config)
                fake_fail(f, "JSON specification file %s not found or not valid", path);
        return config;
}

static void run_create(struct fake *f)
{
        json_t *config = load_config(f);

        fake_state_create(f);
        fake_process_start(f, json_object_get(config, "process"), FAKE_INIT);
        json_decref(config);
}

static void run_start(struct fake *f)
{
        struct fake_state state = load(f);
        char path[PATH_MAX + 16], byte;
        struct pollfd p[2];

        if (!strcmp(state.status, "stopped"))
                fake_fail(f, "cannot start a container that has stopped");
        if (strcmp(state.status, "created"))
                fake_fail(f, "cannot start an already running container");
        snprintf(path, sizeof(path), "%s/exec.fifo", f->dir);
        p[0] = (struct pollfd){ .fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC), .events = POLLIN };
        p[1] = (struct pollfd){ .fd = pidfd_open(state.pid, 0), .events = POLLIN };
        if (p[0].fd < 0)
                fake_fail(f, "open exec fifo: %s", strerror(errno));
        while (poll(p, 2, -1) < 0 && errno == EINTR)
                ;
        if (read(p[0].fd, &byte, 1) != 1)
                fake_fail(f, "container process is already dead");
        close(p[0].fd);
        close(p[1].fd);
        unlink(path);
        fake_state_free(&state);
}

static json_t *exec_process(struct fake *f)
{
        json_t *process, *args;

        if (f->process) {
                process = fake_load_json(f->process);
                if (!process)
                        fake_fail(f, "open %s: not found or not valid", f->process);
                return process;
        }
        args = json_array();
        for (int i = 0; i < f->n_args; i++)
                json_array_append_new(args, json_string(f->args[i]));
        return json_pack("{s:o, s:[s], s:s}", "args", args, "env",
                         "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "cwd",
                         f->cwd ? f->cwd : "/");
}

static void run_exec(struct fake *f)
{
        struct fake_state state = load(f);
        json_t *process;
        int status;
        pid_t pid;

        if (!strcmp(state.status, "stopped"))
                fake_fail(f, "cannot exec in a stopped container");
        if (!strcmp(state.status, "paused"))
                fake_fail(f, "cannot exec in a paused container (use --ignore-paused to override)");
        fake_state_free(&state);
        process = exec_process(f);
        pid = fake_process_start(f, process, FAKE_EXEC);
        json_decref(process);
        if (f->detach)
                return;
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
        fake_step(f, "end");
        fake_exit(f, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

static int parse_signal(struct fake *f, const char *text)
{
        char *end;
        long number = strtol(text, &end, 10);

        if (end != text && !*end && number >= 0 && number < NSIG)
                return (int)number;
        if (!strncmp(text, "SIG", 3))
                text += 3;
        for (int s = 1; s < NSIG; s++) {
                const char *abbrev = sigabbrev_np(s);

                if (abbrev && !strcmp(abbrev, text))
                        return s;
        }
        fake_fail(f, "unknown signal \"%s\"", text);
}

static void run_kill(struct fake *f)
{
        struct fake_state state = load(f);
        int sig = parse_signal(f, f->n_args > 0 ? f->args[0] : "SIGTERM");

        if (f->all)
                fake_signal_all(f, sig);
        else if (!state.pid)
                fake_fail(f, "container not running");
        else if (kill(state.pid, sig) < 0)
                fake_fail(f, "kill %d: %s", (int)state.pid, strerror(errno));
        fake_state_free(&state);
}

static void run_delete(struct fake *f)
{
        struct fake_state state;

        if (!fake_state_load(f, &state)) {
                fake_state_remove(f); /* what a create that died left */
                if (f->force)
                        return;
                fake_fail(f, "container does not exist");
        }
        if (strcmp(state.status, "stopped") && strcmp(state.status, "created") && !f->force)
                fake_fail(f, "cannot delete container %s that is not stopped: %s", f->id, state.status);
        fake_step(f, "before-kill");
        fake_signal_all(f, SIGKILL);
        fake_wait_gone(f);
        fake_step(f, "before-remove");
        fake_state_remove(f);
        fake_state_free(&state);
}

static void run_state(struct fake *f)
{
        struct fake_state state = load(f);

        print_json(f, json_pack("{s:s, s:s, s:i, s:s, s:s, s:s, s:s, s:s}", "ociVersion", "1.0.2-dev", "id", f->id,
                                "pid", (int)state.pid, "status", state.status, "bundle", state.bundle, "rootfs",
                                state.bundle, "created", state.created, "owner", ""));
        fake_state_free(&state);
}

static void run_ps(struct fake *f)
{
        struct fake_state state = load(f);
        json_t *array = json_array();
        pid_t pids[PIDS_MAX];
        size_t n = fake_pids(f, pids, PIDS_MAX);

        for (size_t i = 0; i < n; i++)
                json_array_append_new(array, json_integer(pids[i]));
        print_json(f, array);
        fake_state_free(&state);
}

static void run_pause(struct fake *f)
{
        struct fake_state state = load(f);

        if (strcmp(state.status, "running") && strcmp(state.status, "created"))
                fake_fail(f, "container not running or created: %s", state.status);
        fake_append(f->dir, "paused", "");
        fake_signal_all(f, SIGSTOP);
        fake_state_free(&state);
}

static void run_resume(struct fake *f)
{
        struct fake_state state = load(f);
        char path[PATH_MAX + 16];

        if (strcmp(state.status, "paused"))
                fake_fail(f, "container not paused");
        fake_signal_all(f, SIGCONT);
        snprintf(path, sizeof(path), "%s/paused", f->dir);
        unlink(path);
        fake_state_free(&state);
}

static void run_update(struct fake *f)
{
        struct fake_state state = load(f);
        char path[PATH_MAX + 16];
        json_t *resources;

        if (!f->resources)
                fake_fail(f, "update: only --resources is known here");
        resources = strcmp(f->resources, "-") ? fake_load_json(f->resources) : json_loadf(stdin, 0, NULL);
        if (!json_is_object(resources))
                fake_fail(f, "update: resources are not a JSON object");
        snprintf(path, sizeof(path), "%s/resources.json", f->dir);
        if (json_dump_file(resources, path, JSON_COMPACT) < 0)
                fake_fail(f, "write %s: %s", path, strerror(errno));
        json_decref(resources);
        fake_state_free(&state);
}

static void run_events(struct fake *f)
{
        struct fake_state state = load(f);
        pid_t pids[PIDS_MAX];
        int n = (int)fake_pids(f, pids, PIDS_MAX);

        if (!state.pid)
                fake_fail(f, "container with id %s is not running", f->id);
        print_json(f, json_pack("{s:s, s:s, s:{s:{s:{s:i, s:[i], s:i, s:i}, s:{}}, s:{s:{s:i, s:i, s:i, s:i}, "
                                "s:{s:i}}, s:{s:i, s:i}}}",
                                "type", "stats", "id", f->id, "data", "cpu", "usage", "total", 5000000, "percpu",
                                5000000, "kernel", 1000000, "user", 4000000, "throttling", "memory", "usage", "limit",
                                134217728, "usage", 4194304, "max", 8388608, "failcnt", 0, "raw", "cache", 4096, "pids",
                                "current", n, "limit", 100));
        fake_state_free(&state);
}

static void run_checkpoint(struct fake *f)
{
        struct fake_state state = load(f);
        char path[PATH_MAX];
        json_t *image;

        if (!state.pid)
                fake_fail(f, "container cannot be checkpointed in stopped state");
        if (!f->image_path)
                fake_fail(f, "checkpoint: --image-path is missing");
        if (mkdir(f->image_path, 0700) < 0 && errno != EEXIST)
                fake_fail(f, "mkdir %s: %s", f->image_path, strerror(errno));
        snprintf(path, sizeof(path), "%s/fake-image.json", f->image_path);
        image = json_pack("{s:s, s:s}", "id", f->id, "bundle", state.bundle);
        if (json_dump_file(image, path, JSON_COMPACT) < 0)
                fake_fail(f, "write %s: %s", path, strerror(errno));
        json_decref(image);
        if (!f->leave_running) {
                fake_signal_all(f, SIGKILL);
                fake_wait_gone(f);
        }
        fake_state_free(&state);
}

static void run_restore(struct fake *f)
{
        json_t *config = load_config(f), *image;
        char path[PATH_MAX];
        int status;
        pid_t pid;

        snprintf(path, sizeof(path), "%s/fake-image.json", f->image_path ? f->image_path : ".");
        image = fake_load_json(path);
        if (!image)
                fake_fail(f, "criu failed: no image at %s", path);
        json_decref(image);
        fake_state_create(f);
        pid = fake_process_start(f, json_object_get(config, "process"), FAKE_RESTORED);
        json_decref(config);
        if (f->detach)
                return;
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
        fake_exit(f, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

static void run_version(struct fake *f)
{
        if (!f->garbage)
                puts("runc version 1.1.5+fake\nspec: 1.0.2-dev");
}

/* Not of runc: ends all that pids.log names, for the end of a test. */
static void run_cleanup(struct fake *f)
{
        char path[PATH_MAX];
        unsigned long long start;
        FILE *file;
        int pid;

        snprintf(path, sizeof(path), "%s/pids.log", f->root);
        file = fopen(path, "re");
        while (file && fscanf(file, "%d %llu %*s", &pid, &start) == 2)
                if (fake_start_time(pid, NULL, NULL) == start)
                        kill(pid, SIGKILL);
        if (file)
                fclose(file);
}

static const struct fake_command commands[] = {
        { "create", run_create, true },
        { "start", run_start, true },
        { "exec", run_exec, true },
        { "kill", run_kill, true },
        { "delete", run_delete, true },
        { "state", run_state, true },
        { "ps", run_ps, true },
        { "pause", run_pause, true },
        { "resume", run_resume, true },
        { "update", run_update, true },
        { "events", run_events, true },
        { "checkpoint", run_checkpoint, true },
        { "restore", run_restore, true },
        { "version", run_version, false },
        { "fake-cleanup", run_cleanup, false },
};

const struct fake_command *fake_command_find(const char *name)
{
        for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
                if (!strcmp(commands[i].name, name))
                        return &commands[i];
        return NULL;
}
