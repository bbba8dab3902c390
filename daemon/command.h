/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Runtime commands: short-lived processes with a deadline, run in a queue with a limit on how many run at once.
 * Classes are served by urgency, and within a class every key (a namespace) gets its turn, so that a start storm of one
 * cannot starve another, nor a kill. KILL and DELETE have slots of their own.
 *
 * Standard output and error are captured in memfds, not pipes: a Go program dies of EPIPE if we die, and a stray child
 * that keeps them open keeps nobody waiting. Where the process's own stdio is passed through (create, exec, restore)
 * the error comes from the --log file alone.
 */

#include "base/buf.h"
#include "base/spawn.h"
#include "proto/codec.h"

/* WAIT: as long as what it waits for; beside all the others, with neither a deadline nor a hold on statuses, and killed
 * rather than left behind. */
enum command_class {
        COMMAND_KILL,
        COMMAND_DELETE,
        COMMAND_CONTROL,
        COMMAND_QUERY,
        COMMAND_CREATE,
        COMMAND_WAIT,
        COMMAND_CLASS_N
};

struct command;
struct command_queue;

struct command_result {
        bool ok;               /* it ran and exited with status 0 */
        bool spawned;          /* false: could not be started: spawn_step, spawn_errno */
        const char *spawn_step; /* "" */
        int spawn_errno;       /* positive */
        bool timed_out;        /* the deadline passed and it was killed (exit not known: and did not even end then) */
        bool cancelled;        /* command_cancel: killed, or never started */
        const struct error *refused; /* command_refuse: executed nothing, for this reason; else NULL */
        struct exit_info exit;
        const char *output;    /* captured stdout, NUL-terminated; "" */
        size_t output_len;
        bool output_cut;       /* it was longer than max_output */
        const char *error_text; /* the last words: of the log file, else of stderr; "" if none */
};
/* An error for a failed result: RUNTIME_FAILED "OCI runtime create failed: <last words>", RUNTIME_TIMEOUT,
 * NO_RESOURCES, CANCELLED. what: "create". Returns -1. */
int command_error(const struct command_result *res, const char *what, struct error *err);

/* its pid is known, it waits: record it now; c->spawn.pid.pidref */
typedef void (*command_started_fn)(struct command *c);
/* exec done; take the kept descriptors */
typedef void (*command_ready_fn)(struct command *c, struct spawn_ready *ready);
/* once, last; c may be freed in it */
typedef void (*command_done_fn)(struct command *c, const struct command_result *res);

struct command_vector { /* NULL-terminated, in the arena */
        char **items;
        size_t n, size;
};

struct command {
        struct command *prev, *next; /* queue or running list */
        struct command_queue *queue;
        enum command_class class;
        char key[80];              /* fairness: the namespace */
        struct arena *arena;       /* owns argv, envp, paths: what spec points to. Freed by command_deinit */
        struct spawn_params params; /* filled in by the caller, pointing into arena or to what outlives the command; a
                                     * new session by default, so that a kill at the deadline reaches its helpers */
        bool capture_output;       /* stdout to a memfd; params.stdio[1] is ignored */
        bool capture_error;        /* stderr to a memfd; params.stdio[2] is ignored */
        const void *input;         /* stdin: these bytes (copied to a memfd at start); NULL: params.stdio[0] */
        size_t input_len;
        size_t max_output;         /* bytes; default 4 MiB */
        int log_dirfd;             /* where log_name is (not owned); -1: no log file */
        char log_name[64];         /* read for the last words and then removed; "" none */
        uint64_t timeout_ns;       /* from its start; 0: the queue's default */
        command_started_fn on_started; /* may be NULL */
        command_ready_fn on_ready;     /* may be NULL */
        command_done_fn on_done;
        void *data;
        /* private */
        struct spawn spawn;
        struct reaper_hold hold; /* statuses of orphans are kept while it runs, and in on_done */
        struct watch_timer deadline;
        struct deferred finish;
        struct command *behind; /* waiting ones with the same key, of the first of them */
        struct command_vector args, env;
        int out_fd, err_fd, in_fd;
        const char *failed_step;
        int failed_errno;
        struct error *refused;
        bool queued, running, executed, timed_out, cancelled, exited, held, build_failed;
        bool *gone; /* set when it is freed in on_done */
        struct exit_info exit;
};

struct command_queue_options {
        unsigned max_running;     /* of CONTROL, QUERY and CREATE together */
        unsigned max_urgent;      /* of KILL and DELETE together, beside those */
        uint64_t default_timeout_ns;
};
int command_queue_new(struct command_queue **ret, struct loop *loop, struct reaper *reaper,
                      const struct command_queue_options *options);
struct command_queue *command_queue_free(struct command_queue *q); /* abandons what runs: it goes on without us */
DEFINE_CLEANUP(struct command_queue *, command_queue_free)
size_t command_queue_running(const struct command_queue *q);
size_t command_queue_waiting(const struct command_queue *q);

int command_init(struct command *c, struct command_queue *q); /* makes the arena; 0 or -ENOMEM */
void command_deinit(struct command *c); /* cancels without a callback; a running child is abandoned */
/* Appends to the argument vector being built in c->arena (params.argv); sticky failure, reported by command_submit. */
void command_arg(struct command *c, const char *arg);
void command_argf(struct command *c, const char *fmt, ...) _printf_(2, 3);
void command_env(struct command *c, const char *assignment);
/* Queues it. Never calls back from inside; a failure to start comes through on_done. */
void command_submit(struct command *c);
/* SIGKILL if it runs, out of the queue if it waits; on_done comes later, with cancelled set. */
void command_cancel(struct command *c);
/* In on_started: cancels it before it has got through the gate, and this is the error of its result. Copied. */
void command_refuse(struct command *c, const struct error *why);
