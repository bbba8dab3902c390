/* SPDX-License-Identifier: Apache-2.0 */

/* A list of a few uids, searched as it is. */

#include "daemon/access.h"

#include <errno.h>
#include <string.h>

int access_list_init(struct access_list *a, const uid_t *write_uids, size_t n)
{
        *a = (struct access_list){ 0 };
        if (n == 0)
                return 0;
        a->write_uids = calloc(n, sizeof(*write_uids));
        if (!a->write_uids)
                return -ENOMEM;
        memcpy(a->write_uids, write_uids, n * sizeof(*write_uids));
        a->n_write_uids = n;
        return 0;
}

void access_list_deinit(struct access_list *a)
{
        free(a->write_uids);
        *a = (struct access_list){ 0 };
}

int access_check(const struct access_list *a, uid_t uid, const struct method_desc *method, struct error *err)
{
        if (method->access == ACCESS_READ || uid == 0)
                return 0;
        for (size_t i = 0; i < a->n_write_uids; i++)
                if (a->write_uids[i] == uid)
                        return 0;
        return error_set(
                err, REASON_PERMISSION,
                "%s changes something, which user %u may not do: only root and the users that the configuration lists",
                method->name, (unsigned)uid);
}
