/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Unmounts a tree of mounts. The truth is /proc/self/mountinfo, read again after each round: the latest mounts go
 * first, so that one on top of another, or below it, goes before it. What stays busy in a round in which nothing else
 * went is detached: its file system is released when its last user goes.
 */

#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include "daemon/helper/helper.h"
#include "daemon/helper/mountinfo.h"
#include "daemon/helper/path.h"

struct round {
        size_t found, gone;
        int errnum; /* of the last one that stayed */
        char path[PATH_MAX];
};

static int unmount_round(const char *path, int flags, struct round *round, struct error *err)
{
        _cleanup_(mountinfo_deinit) struct mountinfo m = MOUNTINFO_NULL;
        int r = mountinfo_read(&m);

        *round = (struct round){ 0 };
        if (r < 0)
                return error_set_errno(err, HELPER_FAILED, r, "read /proc/self/mountinfo");
        for (size_t i = m.n; i > 0; i--) {
                const char *point = m.entries[i - 1].point;

                if (!mountinfo_is_below(point, path))
                        continue;
                round->found++;
                if (umount2(point, flags | UMOUNT_NOFOLLOW) == 0) {
                        round->gone++;
                        continue;
                }
                round->errnum = errno;
                memcpy(round->path, point, strnlen(point, PATH_MAX - 1) + 1);
                round->path[PATH_MAX - 1] = '\0';
        }
        return 0;
}

int helper_umount(const char *path, struct error *err)
{
        struct split_path split = SPLIT_PATH_NULL;
        struct round round;
        int flags = 0;

        if (split_path_open(&split, path, err) < 0)
                return -1;
        split_path_close(&split); /* it would keep the file system busy */
        for (;;) {
                if (unmount_round(split.full, flags, &round, err) < 0)
                        return -1;
                if (round.found == 0)
                        return 0;
                if (round.gone > 0)
                        continue;
                if (flags == MNT_DETACH)
                        return error_set_errno(err, HELPER_FAILED, round.errnum, "unmount %s", round.path);
                flags = MNT_DETACH;
        }
}
