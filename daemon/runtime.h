/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A runtime is a driver and where to find its binary. Everything that a driver does for a container is an operation
 * (struct op): begun once, done once, and done always comes as a later event of the loop, also when the result is known
 * at once. Ops are owned by their container.
 */

#include "daemon/command.h"
#include "daemon/container.h"
#include "daemon/urpc.h"
#include "daemon/keeper_link.h"

enum op_kind {
        OP_PREPARE,    /* read config.json, mount the rootfs */
        OP_CREATE,
        OP_RESTORE,
        OP_START,
        OP_EXEC,
        OP_KILL,
        OP_PAUSE,
        OP_RESUME,
        OP_UPDATE,
        OP_CHECKPOINT,
        OP_DELETE,
        OP_CLEAN,      /* unmount the rootfs, remove the bundle if it is ours */
        OP_STATE,      /* ask the runtime; for adoption */
        OP_PIDS,
        OP_PS,
        OP_STATS,
        OP_STACKS,     /* of a sandbox's goroutines: text */
        OP_WAIT,       /* for the end of an init that is no process of the host */
        OP_N
};
const char *op_kind_name(enum op_kind kind);

struct op;
/* err NULL: success. The op is freed after the call. */
typedef void (*op_done_fn)(struct op *op, const struct error *err);

struct op {
        struct op *prev, *next; /* container's list */
        struct container *container;
        struct process *process; /* EXEC, KILL; init otherwise */
        enum op_kind kind;
        op_done_fn done;
        struct request *request; /* the one that waits for it, where no state holds it; owned */
        struct arena *arena;
        /* in */
        int signal;
        bool all, force;
        /* out */
        const char *text;   /* PREPARE: config.json; others: standard output */
        size_t text_len;
        const char *status; /* STATE: created, running, paused, stopped; "" no such container */
        struct pids_result pids;
        struct ps_result ps;
        struct stats_result stats;
        struct exit_info exit; /* WAIT */
        /* the driver's */
        struct command command;
        bool command_used, recorded, waiting;
        struct urpc urpc; /* runsc: to the sandbox */
        bool urpc_used, asked; /* asked: a reply is awaited */
        bool foreground;       /* KILL: to the foreground group of the terminal */
        void (*other)(struct op *op); /* runsc: when the sandbox cannot be asked */
        enum op_freeze { FREEZE_NOT, FREEZE_WAITS, FREEZE_ACTS } freeze; /* runsc: see runsc_freeze.h */
        const char *verb;
        void (*step)(struct op *op, const struct error *err);
        int give_fd[2]; /* CHECKPOINT: where we get the file, and the helper's end; -1 */
        bool still; /* the sandbox stands still */
        bool parked; /* WAIT: the sandbox was asked */
        struct keeper_link_wait stored; /* START: until the pidfd is safe */
        bool not_run; /* the command was never executed */
        bool alone;   /* begins when no other of the container is under way */
        struct deferred finish;
        struct watch_timer timer;
        unsigned looks; /* that a freezing has taken so far */
        uint64_t deadline;
        struct error error;
        char name[48]; /* stem of the private files of this op */
};

struct runtime_driver {
        const char *type;
        bool has_stacks;       /* OP_STACKS can be asked for */
        bool shares_sandboxes; /* a container may join the sandbox of another one: see runsc_sub.h */
        /* May be NULL. A configured global option as it is for this container; *kept false: it is none. */
        const char *(*option)(const char *option, const char *id, struct arena *a, bool *kept);
        void (*begin)(struct op *op);
        void (*adjust)(struct op *op); /* PREPARE: config.json was read; finishes the op. May be NULL */
        void (*cancel)(struct op *op); /* done comes soon, with CANCELLED unless it was done */
        /* SIGKILL to every process of the container that is left. Returns how many there may still be: 0 when all have
         * gone. */
        int (*kill_rest)(struct container *c);
        /* May be NULL. The container runs: where its init is no process that can be watched, its end is waited for. */
        void (*await)(struct container *c);
        /* May be NULL. Its init has ended: what can only end with it does. */
        void (*ended)(struct container *c);
        /* To the foreground group of its terminal, where that is not the kernel's affair (false: it is). NULL: it
         * always is. */
        bool (*terminal_signal)(struct process *p, int signal);
        /* Of processes that only their sandbox knows (in_sandbox); NULL: there are none. */
        bool (*adopt)(struct process *p);         /* waits for its end or its start again; false: nothing will come */
        int (*control_fd)(const struct process *p); /* the descriptor to be kept; -1 */
        void (*let_go)(struct process *p);        /* waits no more */
        /* May be NULL. Of an init that ended with its sandbox, while there was no daemon: how, as far as is known. */
        void (*last_words)(struct process *p, struct exit_info *ret);
};

struct runtime {
        struct runtime *next;
        struct daemon *daemon;
        const char *name, *path;
        const char *root; /* without the namespace, for the configured ones; with it, for a container's */
        struct strs options;            /* global arguments */
        const struct runtime_driver *driver;
        struct arena *arena;
};

static inline _unused_ void runtime_process_ended(struct process *p)
{
        struct container *c = p->container;

        if (process_is_init(p) && c->runtime && c->runtime->driver->ended)
                c->runtime->driver->ended(c);
}

extern const struct runtime_driver runtime_oci;   /* runc, crun and what is like them */
extern const struct runtime_driver runtime_runsc; /* gVisor by its CLI */

/* The configured ones, at start and on reload. */
int runtimes_load(struct daemon *d, struct error *err);
void runtimes_free(struct runtime *list);
const char *runtime_default_name(const struct daemon *d); /* "": none is there */
/* "": the default. UNKNOWN_RUNTIME with the names that there are. */
struct runtime *runtime_find(struct daemon *d, const char *name, struct error *err);
/* The one for a container: name, binary, root and options as its params say. */
int runtime_for(struct runtime **ret, struct daemon *d, const struct create_params *params, struct error *err);
/* The one that a record tells. */
int runtime_of_record(struct runtime **ret, struct daemon *d, const struct container_record *rec, struct error *err);
struct runtime *runtime_free(struct runtime *rt);

/* Begins an op. The request, if any, is consumed by it. Failure to begin arrives at done. */
struct op *op_begin(struct container *c, enum op_kind kind, struct process *p, op_done_fn done);
struct op *op_new(struct container *c, enum op_kind kind, struct process *p, op_done_fn done);
void op_start(struct op *op);
/* Gives up what else of the container is under way, and begins when that has ended: nothing runs beside it. */
void op_start_alone(struct op *op);
void op_cancel(struct op *op);
struct op *op_find(struct container *c, enum op_kind kind); /* or NULL */
struct op *op_free(struct op *op);
/* From now on, keys typed at its terminal that mean a signal are one, where the driver has to see to that. */
void process_watch_terminal(struct process *p);
/* See runtime_driver. */
void process_let_go(struct process *p);
int process_control_fd(const struct process *p);
/* The pod that a spec says it is in, or the container's own id. */
const char *runtime_sandbox_id(const struct runtime *rt, const struct spec *spec, const char *id);
/* For drivers: the op is done, at the end of this round. err NULL: success. */
void op_finish(struct op *op, const struct error *err);
