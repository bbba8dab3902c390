/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What of the front outlives it, with the keeper: its connections, answers that are too large to be sent in one piece,
 * and the journal. A name is the front's prefix, a letter, and the number of the connection.
 */

#include <sys/types.h>
#include <time.h>
#include "base/sdnotify.h"
#include "client/shim/journal.h"

#define KEEP_CONNS_MAX 46656U /* numbers of connections: three digits */

enum keep_kind { KEEP_JOURNAL = 'j', KEEP_CONN = 'c', KEEP_ANSWER = 'a' };

struct keep {
        struct sdnotify notify;
        const char *path;  /* of the keeper's socket; NULL: nothing outlives us */
        const char *prefix;
        ino_t inode;       /* of the keeper's socket: another keeper makes another one */
        struct timespec changed;
        struct journal *journal;
        size_t fresh;      /* the journal's length when it was written anew */
};

struct keep_fd {
        enum keep_kind kind;
        uint32_t index;
        int fd;
};
struct keep_fds {
        struct keep_fd *items;
        size_t n;
};
void keep_fds_deinit(struct keep_fds *fds);
/* -1: there is none, or it was taken. */
int keep_fds_take(struct keep_fds *fds, enum keep_kind kind, uint32_t index);

/* path NULL: nothing is kept. Both are not ours. */
void keep_init(struct keep *k, struct loop *loop, const char *path, const char *prefix,
               void (*on_drained)(struct sdnotify *n));
void keep_deinit(struct keep *k);
bool keep_active(const struct keep *k);
/* Reads what the front before us has stored from the socket, until its end. Blocks. 0 or -errno:
 * -EPIPE: the keeper died before it had handed over all. */
int keep_receive(const struct keep *k, int sock, struct keep_fds *ret);
/* True: there is a keeper that has nothing from us. */
bool keep_is_new(struct keep *k);

void keep_store(struct keep *k, enum keep_kind kind, uint32_t index, int fd);
void keep_unstore(struct keep *k, enum keep_kind kind, uint32_t index);
void keep_listener(struct keep *k, int fd); /* under sandboxd's name for it */
/* Takes the journal; the keeper has it in place of the one before. */
void keep_journal(struct keep *k, struct journal *j);
/* Much of it is not needed any more. */
bool keep_journal_is_old(const struct keep *k);
/* Is all with the keeper? */
bool keep_settled(const struct keep *k);
