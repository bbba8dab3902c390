/* SPDX-License-Identifier: Apache-2.0 */

/* A table of those who have something charged; its rows come with the first charge and go with the last release. */

#include "daemon/quota.h"

#include <assert.h>
#include <uthash.h>
#include "proto/proto.h"

struct quota_user {
        uid_t uid;
        UT_hash_handle hh;
        unsigned requests;
        size_t bytes;
};

void quota_deinit(struct quota *q)
{
        assert(!q->users);
}

static struct quota_user *user_find(struct quota *q, uid_t uid)
{
        struct quota_user *u = NULL;

        HASH_FIND(hh, q->users, &uid, sizeof(uid), u);
        return u;
}

static int over_quota(const struct quota *q, const struct quota_user *u, size_t bytes, struct error *err)
{
        if (u->requests >= q->max_requests)
                return error_set(err, REASON_QUOTA, "user %u has %u open requests, the most that one user may have",
                                 (unsigned)u->uid, u->requests);
        if (bytes > q->max_bytes || u->bytes > q->max_bytes - bytes)
                return error_set(err, REASON_QUOTA,
                                 "the open requests of user %u have %zu bytes; with this one of %zu they would pass "
                                 "the limit of %zu",
                                 (unsigned)u->uid, u->bytes, bytes, q->max_bytes);
        return 0;
}

int quota_charge(struct quota *q, uid_t uid, size_t bytes, struct error *err)
{
        struct quota_user none = { .uid = uid };
        struct quota_user *u = user_find(q, uid);

        if (over_quota(q, u ? u : &none, bytes, err) < 0)
                return -1;
        if (!u) {
                u = calloc(1, sizeof(*u));
                if (!u)
                        return error_set(err, REASON_NO_RESOURCES, "no memory for a request");
                u->uid = uid;
                HASH_ADD(hh, q->users, uid, sizeof(u->uid), u);
        }
        u->requests++;
        u->bytes += bytes;
        return 0;
}

void quota_release(struct quota *q, uid_t uid, size_t bytes)
{
        struct quota_user *u = user_find(q, uid);

        assert(u && u->requests > 0 && u->bytes >= bytes);
        u->requests--;
        u->bytes -= bytes;
        if (u->requests > 0)
                return;
        HASH_DEL(q->users, u);
        free(u);
}
