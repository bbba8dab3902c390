/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The configuration: every key has a default that works, so no file is needed. contrib/sandboxd.toml explains each key.
 * A wrong value, type or name in the file is an error with file, line and column.
 */

#include <sys/types.h>
#include "base/log.h"
#include "proto/proto.h"

#define CONFIG_PATH SYSCONFDIR "/sandboxd/sandboxd.toml"
#define CONFIG_BINARY_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

struct arena;

struct config_runtime {
        struct config_runtime *next;
        const char *name;
        const char *type; /* "oci" or "runsc": the driver */
        const char *path; /* absolute, or a name to look up: config_find_binary() */
        const char *root; /* state directory for containers whose creator names none, without the namespace */
        struct strs options; /* global arguments */
        bool root_set; /* private */
};

struct config {
        struct arena *arena; /* owns everything here */
        const char *file;    /* that was read; "": none */
        /* [daemon] */
        const char *root, *socket;
        const char *log_file; /* "": standard error */
        enum log_level log_level;
        const char *limits;           /* of a spec that did not apply: "error", or "warning" */
        const char *default_runtime;  /* "": the first one that is there */
        uint64_t max_commands;        /* runtime commands at once */
        uint64_t max_urgent_commands; /* kill and delete, beside those */
        uint64_t command_timeout_ns, kill_timeout_ns, stop_timeout_ns;
        /* [access] */
        const uid_t *uids; /* that may do everything, beside root */
        size_t n_uids;
        const char *group; /* of the socket; "": leave it */
        /* [quota] */
        uint64_t connections, requests, bytes; /* per uid */
        uint64_t total_requests;
        uint64_t answers;
        /* [events] */
        uint64_t events_max_bytes, events_segment_bytes;
        /* [metrics] */
        const char *metrics_listen; /* "": not served; see metrics.h */
        /* [pressure] */
        bool pressure_host;
        struct strs pressure_cgroups; /* paths below the v2 tree */
        uint64_t pressure_some_ms, pressure_full_ms, pressure_window_ms, pressure_calm_ns;
        /* [front] */
        const char *front_group; /* "host", "pod" or "container": whose front it is */
        /* [runtimes.NAME]: runc, crun, runsc, then the others in the order of the file */
        struct config_runtime *runtimes;
        bool socket_set; /* private */
};

/* path NULL: CONFIG_PATH if it is there, else the defaults. */
int config_load(const char *path, struct config **ret, struct error *err);
struct config *config_free(struct config *c);
DEFINE_CLEANUP(struct config *, config_free)

/* From the command line; NULL: as configured. What follows from the root (socket, the runtimes' roots) follows it,
 * unless it is configured itself. */
int config_override(struct config *c, const char *root, const char *socket, const char *log_level, struct error *err);

struct config_runtime *config_find_runtime(const struct config *c, const char *name); /* or NULL */
/* The default one, or NULL if none is there. */
struct config_runtime *config_default_runtime(const struct config *c);

/* The absolute path of an executable: path itself, or a name's in CONFIG_BINARY_PATH. NULL: not there. */
char *config_find_binary(struct arena *a, const char *path);
