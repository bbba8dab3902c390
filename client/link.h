/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The connection to the daemon: made without waiting, lost, made again. It counts as good once a frame has come over
 * it; the loss of a good one is followed by a try at once, a failed try by a pause that grows from 1 to 100 ms. So a
 * peer that accepts and hangs up does not make a busy loop, and a daemon that restarts is found within a few
 * milliseconds.
 */

#include <stdbool.h>
#include <sys/un.h>
#include "base/buf.h"
#include "base/error.h"

struct link {
        struct sockaddr_un address;
        int fd;            /* -1: down */
        bool greeted;      /* the peer's greeting has come */
        bool good;         /* a frame has come */
        unsigned failures; /* tries in a row that did not lead to a good connection */
        uint64_t retry_at; /* down: when to try again */
        struct buf in, out;
};

int link_init(struct link *l, const char *path); /* 0 or -ENAMETOOLONG */
void link_deinit(struct link *l);

/* One try. 0: up, and a greeting waits in `out`. -1: *err tells why, retry_at is set. */
int link_up(struct link *l, uint64_t now, struct error *err);
/* Closes and forgets what was read and not sent; sets retry_at. */
void link_down(struct link *l, uint64_t now);

/* Reads once. 0, or -1: the connection is lost. */
int link_read(struct link *l);
/* Writes what fits. 0, or -1: the connection is lost. */
int link_write(struct link *l);
