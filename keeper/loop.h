/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The keeper and its one loop. */

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/un.h>
#include "keeper/child.h"
#include "proto/keeper.h"
#include "keeper/statuses.h"
#include "keeper/store.h"
#include "keeper/upstream.h"
#include "keeper/watchdog.h"

enum { CHILD_SANDBOXD, CHILDREN };

struct keeper {
        int lock_fd, signal_fd, notify_fd;
        char notify_path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
        struct rlimit nofile;
        struct child children[CHILDREN];
        /* sandboxd's */
        int link_fd; /* -1: nobody to tell */
        bool backlog_end_sent;
        struct statuses statuses;
        struct store store;
        struct upstream upstream;
        struct watchdog watchdog;
        struct pollfd *polls; /* grows with the store */
        size_t polls_size;
        bool store_full_told;
        bool more;     /* children may be left to reap, or datagrams to read: the next poll does not wait */
        bool stopping; /* no child is started any more */
        bool upgrade;  /* told to make way for the programs that are on the disk now */
        int exit_status;
};
#define KEEPER_NULL { .lock_fd = -1, .signal_fd = -1, .notify_fd = -1, .link_fd = -1, .upstream = UPSTREAM_NULL }

void keeper_init(struct keeper *k, char **argv, size_t store_max);
void keeper_deinit(struct keeper *k);
/* Our programs have been replaced on the disk: the daemon is started anew, as soon as it has ended in order. */
void keeper_replace_children(struct keeper *k);
/* Returns the exit status, when all children have ended for good; or -1 when k->upgrade was set. */
int keeper_run(struct keeper *k);
