/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The command line as containerd gives it, in the syntax of Go's flags: "-x v", "-x=v", "--x v", in any order around
 * one word that says what to do. Flags that we do not know are passed over: the next containerd may have more of them.
 */

#include <stdbool.h>
#include "base/cleanup.h"

struct shim_args {
        const char *action;  /* the first word that is not a flag; NULL: none */
        const char *ns;      /* -namespace; "" where a flag was not given */
        const char *id;      /* -id */
        const char *address; /* -address: containerd's gRPC socket */
        const char *bundle;  /* -bundle */
        const char *owner;   /* -owner: of serve */
        const char *socket;  /* -socket: of sandboxd */
        const char *listen;  /* -listen: of serve by hand */
        const char *keep;    /* -keep: of serve, proto/front.h */
        const char *cgroup, *oom_score; /* -cgroup, -oom-score: of serve */
        bool sched_core;     /* -sched-core: of serve */
        bool debug, info, version, help;
};

/* The strings are those of argv. */
void shim_args_parse(struct shim_args *ret, int argc, char *const *argv);
