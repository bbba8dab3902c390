/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The root object: owns everything below it. There is one, made in main. */

#include "base/loop.h"
#include "base/reaper.h"
#include "daemon/command.h"
#include "daemon/config.h"
#include "daemon/events.h"
#include "daemon/oom.h"
#include "daemon/record.h"
#include "daemon/request.h"
#include "daemon/transport.h"

struct adoption;
struct container;
struct keeper_link;
struct metrics;
struct metrics_text;
struct kept_store;
struct owners;
struct pressure;
struct pressure_policy;
struct runtime;
struct runsc_netns;
struct unusable;

struct daemon_options {
        const char *config_path; /* NULL: the default path, if it is there */
        const char *root, *socket, *log_level; /* NULL: as configured */
        const char *delete_key; /* "OWNER/NS/ID": remove this container by force, serve nobody, and end. NULL: serve */
};

struct daemon {
        struct daemon_options options;
        struct loop *loop;
        struct reaper *reaper;
        struct watch_signals signals;
        struct config *config;
        char *helper_path, *mount_path; /* sandboxd-helper, sandboxd-mount */
        struct record_store *store;
        struct eventlog *events;
        struct cgroup_host *cgroups;
        struct oom_hub *oom;
        struct pressure *pressure;  /* once it serves */
        const struct pressure_policy *pressure_policy;
        struct metrics *metrics;           /* NULL: not served */
        struct metrics_text *metrics_text; /* while it is being gathered */
        struct command_queue *commands;
        struct requests *requests;
        struct transport *transport;
        struct keeper_link *keeper; /* NULL: no keeper above us */
        struct kept_store *kept;    /* what is stored above us */
        struct runtime *runtimes;   /* list, in the order of the configuration */
        struct runsc_netns *runsc_netns;
        struct owners *owners;       /* the containerds */
        struct container *containers; /* uthash, by key */
        struct unusable *unusable;    /* uthash, by key: records that cannot be read */
        struct adoption *adoption;    /* while it is going on; no request is served before its end */
        struct deferred reap;         /* frees what is in gone at the end of the round */
        struct container *gone;
        struct watch_timer owed_timer; /* records that could not be written */
        uint64_t started_at;          /* real time, ns */
        uint64_t serial;              /* for names of private files */
        char instance[33];
        char boot_id[64];
        struct watch_timer stop_timer; /* after SIGTERM: what is in flight may end, and answers go out */
        uint64_t stop_deadline;        /* monotonic */
        bool stopping;
        bool replaced;                 /* a new keeper has come, whose daemon takes over */
        struct error failure;          /* why it could not begin to serve */
};

int daemon_new(struct daemon **ret, const struct daemon_options *options, struct error *err);
struct daemon *daemon_free(struct daemon *d);
DEFINE_CLEANUP(struct daemon *, daemon_free)
/* Adopts, serves, and returns when told to stop. */
int daemon_run(struct daemon *d, struct error *err);

/* The whole state, to the log (SIGUSR1). */
void daemon_dump(struct daemon *d); /* dump.c */

/* The handlers of methods.c. */
extern const request_handler method_handlers[METHOD_N];

/* Writes an event and logs a failure to do so. */
void daemon_publish(struct daemon *d, struct event *ev);
/* An event of kind warning about a container (NULL: the daemon), and the same line to the log. */
void daemon_warn(struct daemon *d, const struct container *c, const char *fmt, ...) _printf_(3, 4);
