/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The temporary name is fixed, so that what a killed process left behind is found and replaced by the next write of the
 * same file. It is created with O_EXCL after an unlink: never written through a link, never shared with another
 * writer's open descriptor.
 */

#include "base/atomicfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/crash.h"
#include "base/fd.h"

static int write_tmp(int dirfd, const char *tmp, const void *data, size_t len, mode_t mode)
{
        _cleanup_(fd_closep) int fd = -1;
        int r;

        if (unlinkat(dirfd, tmp, 0) < 0 && errno != ENOENT)
                return -errno;
        fd = openat(dirfd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
        if (fd < 0)
                return -errno;
        if (fchmod(fd, mode) < 0) /* whatever the umask */
                return -errno;
        r = fd_write_all(fd, data, len);
        if (r < 0)
                return r;
        return close(TAKE_FD(fd)) < 0 ? -errno : 0;
}

int atomicfile_write(int dirfd, const char *name, const void *data, size_t len, mode_t mode)
{
        char tmp[NAME_MAX + 1];
        int n, r;

        n = snprintf(tmp, sizeof(tmp), ".%s.tmp", name);
        if (n < 0 || (size_t)n >= sizeof(tmp))
                return -ENAMETOOLONG;

        crash_point("file.write");
        r = write_tmp(dirfd, tmp, data, len, mode);
        crash_point("file.rename");
        if (r == 0 && renameat(dirfd, tmp, dirfd, name) < 0)
                r = -errno;
        crash_point("file.renamed");
        if (r < 0)
                unlinkat(dirfd, tmp, 0);
        return r;
}
