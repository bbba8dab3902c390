/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What we need to know of an OCI config.json, a process object and a resources object (runtime-spec). */

#include "proto/codec.h"

/* Of one device: bytes or operations per second, or a weight. */
enum spec_io { IO_READ_BPS, IO_WRITE_BPS, IO_READ_IOPS, IO_WRITE_IOPS, IO_WEIGHT };
struct spec_io_limit {
        enum spec_io kind;
        uint64_t major, minor, value;
};

struct spec_limits { /* 0 or negative sentinel: not asked for */
        bool has_memory, has_swap, has_cpu_quota, has_cpu_shares, has_pids, has_memory_reservation;
        int64_t memory, swap, memory_reservation; /* bytes; -1: unlimited */
        int64_t cpu_quota;        /* microseconds; -1: unlimited */
        uint64_t cpu_period;      /* microseconds */
        uint64_t cpu_shares;
        int64_t pids;
        const char *cpuset_cpus, *cpuset_mems; /* "" if not asked for */
        uint64_t io_weight;                    /* as v1 counts, 10 to 1000 */
        const struct spec_io_limit *io;
        size_t n_io;
};

struct spec {
        const char *oci_version;
        const char *root_path;    /* as written; relative to the bundle */
        bool root_readonly;
        bool terminal;
        const char *cgroups_path; /* "" if none */
        bool private_pid_ns;      /* a pid namespace of its own: init's end ends all */
        const char *netns_path;   /* "" : none given */
        bool has_netns;           /* a network namespace entry (else the host's) */
        uint32_t uid, gid;
        struct list_kv annotations;
        struct spec_limits limits;
        const char *limits_text; /* what spec_resources_parse makes the same limits of; "" if none are asked for */
};

/* Parses and checks config.json. Errors: INVALID_SPEC with line and column, or the member's path, what was expected and
 * found. */
int spec_parse(const char *text, size_t len, struct arena *a, struct spec **ret, struct error *err);
const char *spec_annotation(const struct spec *spec, const char *key); /* or NULL */

struct spec_process {
        bool terminal;
        uint32_t uid, gid;
        struct strs args;
};
int spec_process_parse(const char *text, size_t len, struct arena *a, struct spec_process **ret, struct error *err);
/* Returns the same process object with `terminal` set as given (the request's flag overrides the spec's), as JSON
 * text. */
int spec_process_with_terminal(const char *text, size_t len, bool terminal, struct arena *a, char **ret,
                               struct error *err);
/* linux.resources: checks it and tells its limits. */
int spec_resources_parse(const char *text, size_t len, struct arena *a, struct spec_limits *ret, struct error *err);

/* The runtime's own last words: the message of the last line of a --log file (JSON lines of runc, crun and runsc) whose
 * level is "error", "fatal" or "panic"; else the last non-empty line of the text. "" if there is none. Control
 * characters become spaces. Bounded. */
const char *spec_runtime_error(const char *log, size_t len, struct arena *a);
/* pids from `runc|runsc ps --format json` ([1,2] for runc and runsc). */
int spec_pids_parse(const char *text, size_t len, struct arena *a, uint32_t **ret, size_t *ret_n, struct error *err);
/* "status" and "pid" of `runtime state`. */
int spec_state_parse(const char *text, size_t len, struct arena *a, const char **ret_status, int64_t *ret_pid,
                     struct error *err);
/* "exitStatus" of `runsc wait`: as a shell counts, 128 + signal. */
int spec_wait_parse(const char *text, size_t len, uint32_t *ret, struct error *err);
/* The "data" of `runsc events --stats` / `runc events --stats` into a stats_result (what is there). */
int spec_stats_parse(const char *text, size_t len, struct arena *a, struct stats_result *ret, struct error *err);
