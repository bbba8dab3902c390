/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The front of an owner's namespace, or of a group of containers there: a process that outlives us (proto/front.h). It
 * is our child, or was that of the daemon before us: then it is known by pid and start time. It must not die with the
 * daemon, since containerd takes the end of its connections for the end of its containers; it needs no other parent
 * than us for that, because nothing ties it to us: it has a session of its own, no pipe of ours, and becomes the
 * keeper's child when we die.
 *
 * When it dies the next one goes on with its connections, which are with the keeper. The listening socket is ours, and
 * with the keeper too: so it is bound once, and what connects while there is no front waits for the next.
 */

#include "base/reaper.h"
#include "base/spawn.h"
#include "proto/front.h"
#include "proto/limits.h"
#include "proto/proto.h"

struct front;
struct keeper_link;
struct request;

struct front_ops {
        /* It runs (NULL), or could not be run. Not for an adopted one. */
        void (*on_ready)(struct front *f, const struct error *err);
        void (*on_ended)(struct front *f, const struct exit_info *info);
        /* Somebody connects, and it does not run. */
        void (*on_wanted)(struct front *f);
};

/* Where containerd wants its process to be; "" and false: where we are. */
struct front_place {
        const char *cgroup, *oom_score;
        bool sched_core;
};

struct front {
        struct front *prev, *next; /* of all */
        const struct front_ops *ops;
        void *data;
        char owner[LIMIT_ID + 1], ns[LIMIT_ID + 1];
        char *group;           /* "": of all containers that have no other one */
        struct strs members;   /* of a group: ids of containers */
        struct front_place place;
        uint64_t attached_ns;  /* when somebody last was given the address */
        struct watch_timer unused; /* its caller's, as restart */
        char address[108]; /* where it listens */
        struct loop *loop;
        struct reaper *reaper;
        struct spawn spawn;       /* our child */
        struct watch_pid adopted; /* of an earlier daemon */
        struct keeper_link *keeper; /* not ours; from front_bind() on */
        uint32_t slot;              /* a number that no other front has */
        int listen_fd;
        struct watch_fd wanted;   /* of it, while the front does not run */
        uint64_t backoff_ns, started_ns;
        pid_t pid; /* 0: it does not run */
        uint64_t start_time;
        bool ready;
        bool died; /* its record says that it runs, and it does not */
        struct watch_timer restart; /* its caller's, and so are those who wait for it */
        struct request *attaching;
};

struct front_options {
        const char *program; /* absolute path */
        const char *socket; /* sandboxd's own */
};

/* owner, ns and address are for the caller to fill in. */
void front_init(struct front *f, struct loop *loop, struct reaper *reaper, const struct front_ops *ops, void *data);
/* Forgets it: it goes on. */
void front_deinit(struct front *f);
/* These copy what they are given. What is empty in a place leaves what was, for others have asked for that. 1:
 * something has changed, 0, or -ENOMEM. */
int front_set_group(struct front *f, const char *group);
int front_set_place(struct front *f, const struct front_place *place);
int front_add_member(struct front *f, const char *id);
bool front_remove_member(struct front *f, const char *id); /* true: it was one */
/* One that a record names. True: it is alive. */
bool front_adopt(struct front *f, pid_t pid, uint64_t start_time);
bool front_runs(const struct front *f);
/* Takes back or binds the socket, and watches it unless the front runs. The keeper link is for later too. */
int front_bind(struct front *f, struct keeper_link *keeper, struct error *err);
/* Starts it; it does nothing before front_release(), so that its pid can be recorded. */
int front_start(struct front *f, const struct front_options *options, struct error *err);
void front_release(struct front *f);
void front_stop(struct front *f); /* tells it to end, for good: nothing of it is kept */
/* It has ended by itself, as nobody was connected: nothing of it is kept, and it is started when it is wanted. */
void front_rest(struct front *f);
/* There may be another keeper: the front looks. */
void front_greet(struct front *f);
/* There is another one: everything again. */
void front_keep_again(struct front *f);
/* When the next start is due after an end, in ns from now: 0 after a long life. */
uint64_t front_pause_ns(struct front *f);
