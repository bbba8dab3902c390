/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The table of connections and of the users that they belong to, for transport.c. It is used from several threads, under
 * transport.c's lock; the fields that are marked so belong to the loop's thread alone.
 */

#include <uthash.h>
#include "daemon/transport.h"

enum notice_kind { NOTICE_SLOT, NOTICE_GONE };
struct notice { /* on the queue to the loop; embedded in what it is about */
        struct notice *next;
        enum notice_kind kind;
};

struct user { /* there while it has connections in the table */
        uid_t uid;
        UT_hash_handle hh;
        unsigned connections; /* open ones: what the quota is about */
        unsigned refs;        /* in the table */
        unsigned held;        /* contexts with its requests and answers; loop only */
        size_t unsent;        /* bytes of answers given to nng; loop only */
};

struct connection {
        struct notice gone_notice;
        struct transport_peer peer; /* peer.connection is the id of nng's pipe */
        struct user *user;
        UT_hash_handle hh;
        unsigned held; /* contexts that point here; loop only */
        bool gone;     /* its notice has been handled; loop only */
};

struct peers {
        struct connection *connections; /* by peer.connection */
        struct user *users;
        unsigned max_connections_per_uid;
        uint64_t n_connections, n_refused;
};
void peers_deinit(struct peers *p);

int peers_admit(struct peers *p, uint32_t id, uid_t uid, pid_t pid); /* 0, -EDQUOT or -ENOMEM */
struct connection *peers_find(const struct peers *p, uint32_t id);   /* NULL: not there */
/* It has ended and no longer counts; it stays in the table until peers_remove(). */
void peers_ended(struct peers *p, struct connection *c);
void peers_remove(struct peers *p, struct connection *c); /* frees it */
