/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The descriptor store: named descriptors that outlive the daemon, as systemd's (FILE_DESCRIPTOR_STORE). Several may
 * have one name; the same open file is stored once under a name. They are passed in the order in which they came, but
 * for those of fronts.
 */

#include <stdbool.h>
#include <stddef.h>
#include "proto/keeper.h"

/* One environment string is at most 131,072 bytes, and LISTEN_FDNAMES takes 9 for each. */
#define STORE_MAX_LIMIT 14000U
#define STORE_MAX_DEFAULT 4096U

struct stored {
        int fd;
        bool poll; /* drop it when it hangs up */
        bool backed_up; /* the manager above has it too */
        char name[KEEPER_NAME_MAX + 1];
};
struct store {
        struct stored *items;
        size_t n, size, max;
        size_t n_polled;
        /* For the backup (upstream.h), if there is one: what it has still to be told. */
        bool backup, dirty;                     /* dirty: an item is not backed up */
        char (*removed)[KEEPER_NAME_MAX + 1];   /* names, all of which it is to drop */
        size_t n_removed, removed_size;
};

void store_init(struct store *s, size_t max);
void store_deinit(struct store *s);
/* Takes fd, also on failure: 0, -ENOSPC when the store is full, -ENOMEM. */
int store_add(struct store *s, const char *name, int fd, bool poll);
bool store_is_of_front(const struct stored *item);
size_t store_remove(struct store *s, const char *name); /* how many there were */
/* All whose names begin with the prefix. */
size_t store_remove_prefix(struct store *s, const char *prefix);
/* Sends them over a SOCK_SEQPACKET socket, as proto/keeper.h says. 0 or -errno: some were not sent. */
int store_hand_over(const struct store *s, const char *prefix, int sock); /* and their end */
void store_remove_at(struct store *s, size_t i);
