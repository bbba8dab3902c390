/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The inside of struct eventlog, for events.c (writing), events_read.c and events_serve.c. */

#include "daemon/events.h"
#include "daemon/segment.h"

struct eventlog_entry { /* an event in memory, as it is in the file */
        struct eventlog_entry *prev, *next;
        uint64_t seq;
        size_t size;     /* with the header */
        uint8_t bytes[]; /* header and encoded event */
};

struct eventlog_reader; /* a parked events.read */

struct eventlog {
        struct loop *loop;
        char *dir;
        int dir_fd;
        struct eventlog_options options;

        struct segment *segments; /* oldest first */
        size_t n_segments, segments_room;
        uint64_t bytes;  /* of all of them */
        int fd;          /* of the newest, for appending; -1: the next entry begins a new one */
        uint64_t newest; /* the last number given */

        /* The newest events, so that readers which keep up touch no file. Those from `owed` on are in no file yet. */
        struct eventlog_entry *memory; /* utlist DL */
        struct eventlog_entry *owed;
        size_t n_written, written_bytes, n_owed, owed_bytes;
        bool dropped;             /* there was no room for what is owed */
        struct watch_timer retry; /* active only while something is owed */

        uint64_t keep_from; /* see eventlog_keep() */

        struct eventlog_reader *readers; /* utlist DL */
        struct eventlog_listener *listeners;
        struct deferred wake;
};

/* eventlog_serve's side: lets all parked readers look again; and answers all of them before the log goes away. */
void eventlog_readers_wake(struct eventlog *l);
void eventlog_readers_end(struct eventlog *l);
