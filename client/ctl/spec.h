/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * config.json of the OCI runtime specification, made from options; the one user of jansson. The defaults are those that
 * people know from docker: its capabilities, masked and read-only paths, mounts and devices; new pid, ipc, uts, mount
 * and network namespaces, the last with nothing but a loopback interface.
 */

#include <stdbool.h>
#include <stdint.h>
#include "base/error.h"

struct spec_limits { /* -1: not given */
        int64_t memory; /* bytes */
        int64_t swap;   /* memory and swap together, bytes */
        int64_t cpus;   /* thousandths */
        int64_t cpu_shares;
        int64_t pids;
};
#define SPEC_LIMITS_NULL { .memory = -1, .swap = -1, .cpus = -1, .cpu_shares = -1, .pids = -1 }

struct spec_process {
        char *const *argv;       /* NULL-terminated; NULL: as it was (exec), or /bin/sh */
        const char *const *env;  /* NAME=VALUE, or NAME: as we have it; NULL-terminated; may be NULL */
        const char *cwd;         /* NULL: / */
        const char *user;        /* UID[:GID] or names of the rootfs's /etc/passwd and /etc/group; NULL: root */
        const char *const *cap_add, *const *cap_drop; /* NET_ADMIN, CAP_NET_ADMIN, ALL; NULL-terminated; may be NULL */
        const char *const *ulimits; /* nofile=1024:2048; likewise */
        bool terminal, allow_new_privileges;
};

struct spec_params {
        const char *rootfs; /* absolute, or below the bundle */
        struct spec_process process;
        const char *hostname;   /* NULL: the id */
        const char *ns, *id;    /* for the cgroup's path and the host name */
        struct spec_limits limits;
        bool readonly, host_net, cgroup_mount;
        const char *const *volumes;     /* SOURCE:TARGET[:OPTIONS] */
        const char *const *mounts;      /* type=T,source=S,target=D[,OPTION...] */
        const char *const *annotations; /* KEY=VALUE */
};

/* Each returns JSON text that the caller frees, or NULL with *err (reason INVALID_SPEC or NO_RESOURCES). */
char *spec_config(const struct spec_params *params, struct error *err);
/* The process object of `config` (text of a config.json; NULL: the defaults) with what params say. rootfs: to look up
 * users; may be NULL. */
char *spec_exec(const char *config, const char *rootfs, const struct spec_process *params, struct error *err);
char *spec_resources(const struct spec_limits *limits, struct error *err);
/* Checks that a text is a JSON object: 0, or -1 with the line and column in *err. `what` names it. */
int spec_check(const char *text, const char *what, struct error *err);
/* root.path of a config.json, or NULL: none. The caller frees. */
char *spec_rootfs(const char *config);
