/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * fake-runtime: an OCI runtime for tests, with runc's command line. Its containers are real processes of the host
 * without namespaces, and it can fail, hang, die or talk nonsense at each step: see README.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/cleanup.h"

#define FAKE_LIFETIME_S 600 /* whatever hangs or stays behind on purpose ends by itself after this */

struct fake {
        /* the command line */
        const char *root, *log, *command, *id;
        const char *bundle, *pid_file, *console_socket, *process, *format, *resources, *image_path, *cwd;
        bool log_json, all, force, detach, leave_running, tty, version;
        char **args; /* what follows the id */
        int n_args;

        char dir[4096]; /* ROOT/ID */
        json_t *annotations;
        bool created; /* ROOT/ID was made by this call */

        /* what the script asked the later steps to do */
        bool exit_before_pid, no_pid_file, no_console;
        int exit_before_pid_status;
        const char *pid_file_text;
        const char *garbage; /* printed in place of the command's output */
        char *script; /* text of the script file */
};

/* main.c */
void fake_log_text(struct fake *f, const char *text); /* to --log, or standard error */
void fake_log(struct fake *f, const char *level, const char *message);
_Noreturn void fake_exit(struct fake *f, int status);
_Noreturn void fake_fail(struct fake *f, const char *fmt, ...) _printf_(2, 3); /* as runc's fatal() */
void fake_append(const char *dir, const char *name, const char *text); /* one write with O_APPEND */

/* script.c: reaches `step` of the present command and does what the script says there. */
void fake_step(struct fake *f, const char *step);
void fake_script_load(struct fake *f);

/* state.c: ROOT/ID/state.json, ROOT/ID/pids */
struct fake_state {
        pid_t pid; /* 0: stopped */
        uint64_t start_time;
        char *bundle;
        char *created;
        const char *status; /* created running paused stopped */
};
void fake_state_free(struct fake_state *s);
void fake_state_create(struct fake *f); /* makes ROOT/ID or fails */
void fake_state_save(struct fake *f, pid_t pid, const char *bundle);
bool fake_state_load(struct fake *f, struct fake_state *ret); /* false: there is no such container */
void fake_state_remove(struct fake *f);
void fake_state_add_pid(struct fake *f, pid_t pid, const char *kind);
uint64_t fake_start_time(pid_t pid, char *ret_state, pid_t *ret_session); /* 0: no such process */
/* The container's living processes: those of the sessions that its init and execs began. */
size_t fake_pids(struct fake *f, pid_t *pids, size_t max);
void fake_signal_all(struct fake *f, int signal);
void fake_wait_gone(struct fake *f);
json_t *fake_load_json(const char *path);

/* process.c */
enum fake_process { FAKE_INIT, FAKE_EXEC, FAKE_RESTORED };
/* Starts what `process` (of the OCI spec) says, does the steps about the pid file, returns the pid. */
pid_t fake_process_start(struct fake *f, json_t *process, enum fake_process kind);

/* commands.c */
struct fake_command {
        const char *name;
        void (*run)(struct fake *f);
        bool needs_id;
};
const struct fake_command *fake_command_find(const char *name);
