/* SPDX-License-Identifier: Apache-2.0 */

/* Two hashes; a user goes with its last connection. */

#include "daemon/peers.h"

#include <errno.h>

static struct user *user_get(struct peers *p, uid_t uid)
{
        struct user *u = NULL;

        HASH_FIND(hh, p->users, &uid, sizeof(uid), u);
        if (u)
                return u;
        u = calloc(1, sizeof(*u));
        if (!u)
                return NULL;
        u->uid = uid;
        HASH_ADD(hh, p->users, uid, sizeof(u->uid), u);
        return u;
}

static void user_free_unused(struct peers *p, struct user *u)
{
        if (u->refs > 0)
                return;
        HASH_DEL(p->users, u);
        free(u);
}

int peers_admit(struct peers *p, uint32_t id, uid_t uid, pid_t pid)
{
        struct user *u = user_get(p, uid);
        bool over = u && u->connections >= p->max_connections_per_uid;
        struct connection *c = u && !over ? calloc(1, sizeof(*c)) : NULL;

        if (!c) {
                p->n_refused++;
                if (u)
                        user_free_unused(p, u);
                return over ? -EDQUOT : -ENOMEM;
        }
        c->gone_notice.kind = NOTICE_GONE;
        c->peer = (struct transport_peer){ .connection = id, .uid = uid, .pid = pid };
        c->user = u;
        u->refs++;
        u->connections++;
        p->n_connections++;
        HASH_ADD(hh, p->connections, peer.connection, sizeof(c->peer.connection), c);
        return 0;
}

struct connection *peers_find(const struct peers *p, uint32_t id)
{
        struct connection *c = NULL;

        HASH_FIND(hh, p->connections, &id, sizeof(id), c);
        return c;
}

void peers_ended(struct peers *p, struct connection *c)
{
        c->user->connections--;
        p->n_connections--;
}

void peers_remove(struct peers *p, struct connection *c)
{
        HASH_DEL(p->connections, c);
        c->user->refs--;
        user_free_unused(p, c->user);
        free(c);
}

void peers_deinit(struct peers *p)
{
        struct connection *c, *next;

        HASH_ITER(hh, p->connections, c, next)
                peers_remove(p, c);
}
