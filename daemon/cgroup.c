/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The only file that uses libcgroup: which controllers the host has, and where they are mounted. Asked once, when the
 * daemon starts: libcgroup reads its tables in cgroup_init() and keeps them. (Its names and ours are alike, so nothing
 * of cgroup.h may be included here.)
 *
 * It is not used to remove: cgroup_delete_cgroup_ext() moves the processes of a cgroup that is still in use to the
 * parent (seen with 2.0.2, also with CGFLAG_DELETE_IGNORE_MIGRATION and CGFLAG_DELETE_RECURSIVE), and so lets them out
 * of their limits and of our sight. cgroup_ops.c calls rmdir(2), which fails as it should.
 */

#include <libcgroup.h>
#include <stdarg.h>

#include "daemon/cgroup_mounts.h"
#include "proto/proto.h"

/* libcgroup writes to standard error without this. */
static void quiet(void *data, int level, const char *fmt, va_list ap)
{
}

int cgroup_mounts(cgroup_mount_fn fn, void *data, struct error *err)
{
        struct cgroup_mount_point mount;
        void *it = NULL;
        int r;

        cgroup_set_logger(quiet, CGROUP_LOG_ERROR, NULL);
        r = cgroup_init();
        if (r == ECGROUPNOTMOUNTED)
                return 0; /* as with a v2 tree without controllers */
        if (r)
                return error_set(err, REASON_NOT_SUPPORTED, "cannot read the host's cgroup hierarchies: %s",
                                 cgroup_strerror(r));
        for (r = cgroup_get_controller_begin(&it, &mount); r == 0; r = cgroup_get_controller_next(&it, &mount))
                if (fn(data, mount.name, mount.path, err) < 0)
                        break;
        cgroup_get_controller_end(&it);
        if (r == 0)
                return -1; /* fn has said why */
        if (r != ECGEOF)
                return error_set(err, REASON_NOT_SUPPORTED, "cannot list the host's cgroup controllers: %s",
                                 cgroup_strerror(r));
        return 0;
}
