/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A daemon that the keeper starts, and starts again when it ends abnormally: at once the first time, then after 10 ms,
 * doubled up to 5 s; a life of 10 s makes it begin anew. An exit status of 0 or 2 (usage, configuration) is final.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>
#include "keeper/store.h"

struct child {
        const char *name;
        char **argv;
        pid_t pid; /* 0: it does not run */
        uint64_t started_ns; /* monotonic */
        uint64_t restart_ns; /* when it is due; 0: not */
        uint64_t backoff_ns; /* before the restart after the next */
        uint64_t kill_ns;    /* when it is killed, if it has not ended by itself; 0: not */
        bool ready;          /* it has said so */
        bool replacing;      /* it was told to end, for the program that is on the disk now */
        bool final;          /* it is not started again */
};

/* What a child is given. */
struct child_passes {
        const char *notify_path;
        const struct store *store; /* from descriptor 3 on */
        int keeper_fd;             /* the child's end of the pair; after them */
        struct rlimit nofile;      /* as it was for the keeper */
        uint64_t watchdog_ns;      /* how often it is to say that it lives; 0: never */
};

void child_init(struct child *c, char **argv);
/* Forks. 0 or -errno; a failure to exec is told by exit status 127. */
int child_start(struct child *c, const struct child_passes *passes, uint64_t now_ns);
/* It has ended with this wait status: decides what comes next. stopping: it was told to. */
void child_ended(struct child *c, int wait_status, bool stopping, uint64_t now_ns);
/* As a shell tells it: 0-255. */
int child_exit_status(int wait_status);
