/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A container and its processes. Memory and links only: who may do what and when is in lifecycle.c, which alone assigns
 * `state`. A container is kept in daemon.containers from its creation until it is GONE, and is freed at the end of the
 * round in which it went.
 */

#include <uthash.h>
#include "base/fd.h"
#include "base/reaper.h"
#include "daemon/cgroup.h"
#include "daemon/kept.h"
#include "daemon/oom.h"
#include "daemon/record.h"
#include "daemon/request.h"
#include "daemon/spec.h"
#include "daemon/stdio.h"
#include "daemon/urpc.h"

struct daemon;
struct op;
struct runtime;

#define CONTAINER_KEY_MAX (3 * (LIMIT_ID + 1) + 1)

/* What the container is meant to become; with its state a pair (current, wanted). */
enum wanted { WANTED_RUN, WANTED_STOPPED, WANTED_GONE, WANTED_N };
const char *wanted_name(enum wanted w);

struct process {
        struct process *prev, *next; /* execs of the container */
        struct container *container;
        const char *exec_id;         /* "" for init */
        enum process_state_kind state; /* added ones; init's follows from the container's */
        struct watch_pid watch;      /* active while it runs and we know it */
        pid_t pid;                   /* 0: none yet; kept after the end, for answers */
        uint64_t start_time;
        uint32_t internal_pid;       /* inside a runsc sandbox; 0: not known */
        bool in_sandbox;             /* its end is told by its sandbox, whose pid it has */
        struct runsc_exec *runsc_exec; /* how; NULL: nothing is awaited */
        struct exit_info exit;
        bool ended;                  /* exit is filled in */
        bool end_owed;               /* ... and not in the record yet: the keeper must not forget it */
        char pid_file[64];           /* in the container's directory, until the record has the pid */
        bool start_published, exit_published;
        uint64_t started_at, exited_at; /* real time, ns */
        int last_signal;             /* the last one sent on request; 0: none */
        uid_t last_signal_uid;
        pid_t last_signal_pid;
        char cause[512];
        struct stdio stdio;
        struct watch_timer drain;    /* REMOVING: when its output is ended */
        struct stdio_paths paths;    /* in the container's or the process's arena */
        struct kept kept;
        bool stdin_closed, auto_remove, wanted_gone;
        struct arena *arena;         /* added ones: owns exec_id, paths and spec */
        struct blob spec;            /* added ones: the OCI process object */
        struct request *waiters;     /* of the method wait */
        struct request *start_request, *delete_request;
        struct request *deferred;    /* for the next state */
};

struct container {
        UT_hash_handle hh;
        struct container *gone_next;
        struct daemon *daemon;
        char key[CONTAINER_KEY_MAX]; /* "owner/ns/id" */
        struct arena *arena;
        const struct create_params *params; /* in arena */
        enum container_state state, previous;
        enum wanted wanted;
        uint64_t created_at;
        struct runtime *runtime;     /* owned: a copy with what this container asked for */
        struct { /* runsc: which control socket the sandbox has, see runsc_control.h */
                enum urpc_scheme scheme;
                const char *name;
                bool event_takes_null, old_pause;
                int usage_fds[2]; /* see runsc_usage.h */
                bool usage_asked;
                bool holds, doubt, cli_paused; /* see runsc_freeze.h */
        } control;
        const char *sandbox_id;      /* pod; its own id if it is in none */
        const char *rootfs;          /* absolute; "" until the spec was read */
        const char *cgroups_path;    /* as the spec asks for it; "" none, or not read */
        struct spec *spec;           /* in arena; NULL until it was read, and after a restart */
        const char *limits;          /* as spec.h's limits_text; recorded as long as they were not verified */
        bool private_pid_ns;  /* init's end ends all */
        bool mounted;         /* rootfs mounts may be there */
        bool made;            /* the runtime's create may have been run: there may be something to delete */
        bool create_published, oom_killed, from_checkpoint;
        bool adopted;         /* made by an earlier daemon: who waited for it may not be back yet */
        int dirfd;                   /* our private directory */
        const char *dir;             /* its path */
        struct cgroup *cgroup;
        struct oom_watch *oom;
        uint64_t oom_count;
        char oom_text[256];          /* what the last OOM was about */
        struct process init;
        struct process *execs;       /* list */
        struct op *ops;              /* list: what was begun and is not done */
        struct watch_timer timer;    /* deadline or next look of the present state */
        unsigned looks;              /* how often the timer has fired in this state */
        uint64_t deadline;           /* of the present state, monotonic */
        struct deferred kick;        /* deferred requests, and what `wanted` asks for */
        struct deferred persist;     /* the record is to be written */
        bool owed;                   /* it could not be */
        struct error failure;        /* why create, start ... failed, until it is told */
        /* who waits for the present state to be over; pause_request also for resume */
        struct request *create_request, *start_request, *pause_request, *checkpoint_request, *delete_request;
        struct request *deferred;    /* for the next state */
        unsigned adopting; /* commands of an earlier daemon that are still in flight: nothing is decided before their
                              end */
        struct request *revived; /* of an earlier daemon: answered or begun again once it is known how far they came */
        const struct list_record_command *earlier; /* those commands, as recorded, until all is decided: the next daemon
                                                      has to know of them too */
        uint64_t recorded_seq;   /* adoption: newest event of the log when the record was written */
        struct published *added_early; /* the same: execs that the log has, and the record has not */
        struct request *after_gone;  /* create of the same key, while this one goes */
};

struct published {
        struct published *next;
        const char *exec_id;
};
/* Remembers, in the container's arena; and says so, once. */
void container_exec_was_added(struct container *c, const char *exec_id);
bool container_exec_is_in_log(struct container *c, const char *exec_id);

/* owner, ns ("" is "default") and id to a key. */
void container_key(char key[CONTAINER_KEY_MAX], const char *owner, const char *ns, const char *id);
const char *ns_or_default(const char *ns);

/* Makes a container in state NEW from params (copied) and puts it into the registry, which must not hold the key. */
int container_new(struct container **ret, struct daemon *d, const struct create_params *params, struct error *err);
/* Takes it out of the registry; memory goes at the end of the round. */
void container_retire(struct container *c);
struct container *container_free(struct container *c);
static inline _unused_ void container_close(struct container *c)
{
        fd_close(c->dirfd);
        fd_close(c->control.usage_fds[0]);
        fd_close(c->control.usage_fds[1]);
}
struct container *container_find(struct daemon *d, const char *owner, const char *ns, const char *id);
struct process *container_find_process(struct container *c, const char *exec_id); /* "" is init; NULL: none */

void process_init(struct process *p, struct container *c);
void process_deinit(struct process *p);
/* A new process in state ADDED. Copies. */
int process_add(struct process **ret, struct container *c, const char *exec_id, const struct stdio_paths *paths,
                const void *spec, size_t spec_len, struct error *err);
struct process *process_free(struct process *p); /* unlinks it from its container */
static inline _unused_ bool process_is_init(const struct process *p)
{
        return p->exec_id[0] == '\0';
}
/* Starts to watch p->pid: takes *pid. Its end arrives at process_ended(). */
int process_attach(struct process *p, struct pidref *pid);
/* p->pid has gone, and who reaped it will tell: see watch_pid_expect. */
int process_expect_end(struct process *p, uint64_t since);
/* Fact: it has ended. Idempotent; tells the lifecycle. */
void process_ended(struct process *p, const struct exit_info *info);
uint32_t process_exit_status(const struct process *p); /* 0..255 as containerd counts: 128 + signal; 255 if unknown */

int container_save(struct container *c, struct error *err);
/*
 * The record is written once for all that has changed in a round: at its end, or earlier, before anything that must not
 * be ahead of it: a command is let through its gate, something is done to the container, an answer is sent, an exit is
 * reaped. A failure is logged and published, and tried again until it succeeds. Until then nothing is begun that only
 * the record would tell the next daemon of; what ends something goes on.
 */
void container_persist_init(struct container *c);
void container_persist(struct container *c);
int container_write(struct container *c, struct error *err); /* c->dirfd is open */
void container_persist_now(struct container *c);
void container_persist_if_due(struct container *c);
void containers_persist_owed(struct watch_timer *w); /* of daemon.owed_timer */
void container_owes_nothing(struct container *c);    /* its record is as it should be, or gone */
void process_end_recorded(struct process *p);

/* Fill in answers; memory comes from a or stays the container's (valid until the answer is encoded). */
int container_describe(struct container *c, const struct process *p, struct arena *a, struct state_result *ret);
void process_describe_exit(const struct process *p, struct exit_result *ret);
