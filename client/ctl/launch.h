/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A container to be, from the options that run and create share: its id, bundle, stdio, and the parameters of create.
 */

#include "client/ctl/ctl.h"
#include "client/ctl/spec.h"
#include "client/ctl/stdio.h"

#define OPTIONS_PROCESS                                                                                                \
        { 'e', "env", "NAME[=VALUE]", WORD_ANY, "set an environment variable; NAME alone: as it is here" },           \
        { 'w', "workdir", "DIR", WORD_ANY, "working directory" },                                                     \
        { 'u', "user", "USER[:GROUP]", WORD_ANY, "ids, or names of the container's own /etc/passwd" },                \
        { 0, "cap-add", "CAPABILITY", WORD_ANY, "add a capability, or ALL" },                                         \
        { 0, "cap-drop", "CAPABILITY", WORD_ANY, "take a capability away, or ALL" },                                  \
        { 0, "ulimit", "NAME=SOFT[:HARD]", WORD_ANY, "set a resource limit, such as nofile=1024" },                   \
        { 0, "allow-new-privileges", NULL, WORD_ANY, "let setuid programs work (no_new_privs off)" }

#define OPTIONS_LIMITS                                                                                                 \
        { 'm', "memory", "SIZE", WORD_ANY, "memory limit, such as 512M" },                                            \
        { 0, "memory-swap", "SIZE", WORD_ANY, "limit of memory and swap together" },                                  \
        { 0, "cpus", "N", WORD_ANY, "CPU limit, such as 0.5" },                                                       \
        { 0, "cpu-shares", "N", WORD_ANY, "CPU weight, 1024 is usual" },                                              \
        { 0, "pids-limit", "N", WORD_ANY, "most processes and threads" }

/* What a generated config.json is made of. */
#define OPTIONS_SPEC                                                                                                   \
        OPTIONS_PROCESS, OPTIONS_LIMITS,                                                                               \
        { 't', "tty", NULL, WORD_ANY, "give the process a terminal" },                                                \
        { 0, "read-only", NULL, WORD_ANY, "mount the root filesystem read-only" },                                    \
        { 'v', "volume", "SOURCE:TARGET[:OPTIONS]", WORD_DIR, "bind a directory or file into the container" },        \
        { 0, "mount", "type=T,source=S,target=D[,OPTION...]", WORD_ANY, "mount something in the container" },         \
        { 0, "hostname", "NAME", WORD_ANY, "host name; the id where none is given" },                                 \
        { 0, "net", "none|host", WORD_ANY, "network: an empty namespace (the default), or the host's" },              \
        { 0, "cgroup-mount", NULL, WORD_ANY, "mount the cgroup filesystem read-only" },                               \
        { 0, "annotation", "KEY=VALUE", WORD_ANY, "add an annotation to config.json" }

#define OPTIONS_LAUNCH                                                                                                 \
        { 'b', "bundle", "DIR", WORD_DIR, "OCI bundle: a directory with config.json" },                               \
        { 0, "rootfs", "DIR", WORD_DIR, "make a bundle for this root filesystem" },                                   \
        { 0, "runtime", "NAME", WORD_RUNTIME, "runtime, as 'info' shows them" },                                      \
        { 0, "runtime-arg", "--FLAG[=VALUE]", WORD_ANY, "a further global argument for the runtime" },                \
        { 'l', "label", "KEY=VALUE", WORD_ANY, "keep a label with the container" },                                   \
        { 0, "log", "FILE", WORD_FILE, "append output to a file instead of dropping it (detached)" },                 \
        { 0, "rm", NULL, WORD_ANY, "remove the container when it has ended" },                                        \
        OPTIONS_SPEC

struct launch {
        struct create_params params;
        struct stdio stdio;
        uint64_t event_seq; /* the newest event before it */
        bool undo;          /* the bundle is ours and create has not succeeded: it is removed again */
        /* what params points to */
        char id[LIMIT_ID + 1];
        char bundle[LIMIT_PATH + 1], log[LIMIT_URI + 1];
        struct kv *labels;
        const char **runtime_args;
};

enum launch_stdio {
        LAUNCH_NULL,     /* nothing, or --log */
        LAUNCH_OUTPUT,   /* FIFOs for output */
        LAUNCH_ALL,      /* FIFOs for input too */
};
/* All return 0, or -1 with the error printed. */
int launch_prepare(struct launch *l, struct ctl *ctl, const struct args *args, enum launch_stdio stdio);
/* Calls create; then opens stdin. On failure *ret_status is the exit status. */
int launch_create(struct launch *l, struct ctl *ctl, int *ret_status);
void launch_deinit(struct launch *l);
static inline _unused_ void launch_deinitp(struct launch *l)
{
        launch_deinit(l);
}

/* The values of an option that may be repeated, NULL-terminated. The caller frees the array. */
const char **launch_values(const struct args *args, const char *name);
/* The pieces of a process that options say; what it points to is freed by launch_process_deinit. */
void launch_process(const struct args *args, struct spec_process *ret);
void launch_process_deinit(struct spec_process *p);
static inline _unused_ void launch_process_deinitp(struct spec_process *p)
{
        launch_process_deinit(p);
}
int launch_limits(const struct ctl *ctl, const struct args *args, struct spec_limits *ret);
/* config.json from the options of OPTIONS_SPEC, or NULL (printed). */
char *launch_config(const struct ctl *ctl, const struct args *args, const char *id, const char *rootfs,
                    char *const *argv);
