/* SPDX-License-Identifier: Apache-2.0 */

#include "daemon/unusable.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <uthash.h>
#include "daemon/container.h"
#include "daemon/daemon.h"
#include "daemon/kept.h"
#include "daemon/publish.h"
#include "daemon/record.h"

struct unusable {
        UT_hash_handle hh;
        char key[CONTAINER_KEY_MAX];
        struct error why;
};

static void forget(struct daemon *d, struct unusable *u)
{
        HASH_DEL(d->unusable, u);
        free(u);
        if (!d->unusable && !d->adoption && d->kept) /* see the end of adoption */
                kept_store_sweep(d->kept);
}

void unusable_add(struct daemon *d, const char *owner, const char *ns, const char *id, const struct error *why)
{
        struct unusable *u = calloc(1, sizeof(*u));

        if (!u)
                abort();
        container_key(u->key, owner, ns, id);
        error_copy(&u->why, why);
        HASH_ADD_STR(d->unusable, key, u);
        publish_unusable(d, owner, ns, id, why->message);
}

int unusable_check(struct daemon *d, const char *owner, const char *ns, const char *id, struct error *err)
{
        char key[CONTAINER_KEY_MAX];
        struct unusable *u = NULL;
        struct error none = ERROR_NULL;
        int fd;

        if (!d->unusable)
                return 0;
        container_key(key, owner, ns, id);
        HASH_FIND_STR(d->unusable, key, u);
        if (!u)
                return 0;
        fd = record_dir_open(d->store, owner, ns_or_default(ns), id, false, &none);
        if (fd < 0 && none.reason == REASON_NOT_FOUND) {
                forget(d, u);
                return 0;
        }
        fd_close(fd);
        return error_set(err, u->why.reason,
                         "container %s in namespace %s cannot be taken over, and is left as it is: %s; what runs of it "
                         "goes on: mend the record and restart sandboxd, or end its processes and remove its directory",
                         id, ns_or_default(ns), u->why.message);
}

void unusable_free_all(struct daemon *d)
{
        struct unusable *u, *tmp;

        HASH_ITER(hh, d->unusable, u, tmp) {
                HASH_DEL(d->unusable, u);
                free(u);
        }
}
