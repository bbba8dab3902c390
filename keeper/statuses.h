/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The statuses of the orphans: a table in order of their ends, bounded, with a cursor for its one reader. An entry
 * leaves when it is forgotten, or as the oldest of a full table.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct status {
        uint64_t start_time;
        uint64_t realtime_ns;
        int32_t pid; /* 0: forgotten; its place is used again when the table is full */
        int32_t wait_status;
};

struct statuses {
        struct status *entries;
        size_t n, size, max;
        size_t first;     /* all before it are forgotten */
        size_t forgotten; /* how many are, in all */
        size_t cursor;    /* the next one to tell */
        size_t backlog;   /* those before it were there when the reader came */
        uint64_t dropped; /* how many left unforgotten */
};

void statuses_init(struct statuses *t, size_t max);
void statuses_deinit(struct statuses *t);
void statuses_add(struct statuses *t, const struct status *s);
/* The reader has told it itself. */
void statuses_add_told(struct statuses *t, const struct status *s);
bool statuses_forget(struct statuses *t, pid_t pid, uint64_t start_time); /* true: it was there */
size_t statuses_count(const struct statuses *t);

/* A new reader: it is told everything from the oldest on. */
void statuses_rewind(struct statuses *t);
/* The next one to tell, or NULL; statuses_told() goes on to the one after it. */
const struct status *statuses_next(struct statuses *t);
void statuses_told(struct statuses *t);
/* Has the reader been told all that was there when it came? */
bool statuses_backlog_told(const struct statuses *t);
