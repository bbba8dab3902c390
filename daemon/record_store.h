/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The inside of struct record_store, for record.c and record_tombstone.c. */

#include "daemon/record.h"

#define TOMBSTONES_MAX 1024

struct record_store {
        char *root; /* absolute, without links */
        int root_fd, state_fd, tombstones_fd;
        int lock_fd;                               /* holds the lock as long as it is open */
        uint64_t tombstone_oldest, tombstone_next; /* numbers of the files: [oldest, next) */
};

/* Opens a directory below dirfd, never through a link; makes it, 0700, if `create`. A descriptor or -errno. */
int record_subdir(int dirfd, const char *name, bool create);
/* The names in a directory, without those that begin with a dot, as a heap array of n heap strings. 0 or -errno. */
int record_names(int dirfd, char ***ret, size_t *ret_n);
void record_names_free(char **names, size_t n);

/* Finds the numbers of the tombstones that are there. 0 or -errno. */
int record_tombstones_open(struct record_store *s);
