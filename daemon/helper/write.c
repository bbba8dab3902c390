/* SPDX-License-Identifier: Apache-2.0 */

/* Replaces a client's file by what comes on standard input, at once or not at all. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/fd.h"
#include "daemon/helper/helper.h"

static int copy(int fd, const char *path, struct error *err)
{
        char chunk[65536];
        ssize_t n;
        int r;

        while ((n = read(STDIN_FILENO, chunk, sizeof(chunk))) != 0) {
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return error_set_errno(err, HELPER_FAILED, errno, "cannot read what is to be written");
                r = fd_write_all(fd, chunk, (size_t)n);
                if (r < 0)
                        return error_set_errno(err, HELPER_FAILED, r, "cannot write %s", path);
        }
        return 0;
}

int helper_write(const char *path, struct error *err)
{
        _cleanup_(fd_closep) int fd = -1;
        struct stat st = { .st_mode = 0600 };
        char name[4096];

        if (snprintf(name, sizeof(name), "%s.sandboxd", path) >= (int)sizeof(name))
                return error_set(err, HELPER_FAILED, "the path is too long");
        (void)stat(path, &st);
        unlink(name);
        fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return error_set_errno(err, HELPER_FAILED, errno, "cannot make %s", name);
        if (copy(fd, path, err) == 0 && fchown(fd, st.st_uid, st.st_gid) == 0 &&
            fchmod(fd, st.st_mode & 07777) == 0 && rename(name, path) == 0)
                return 0;
        if (!error_is_set(err))
                error_set_errno(err, HELPER_FAILED, errno, "cannot replace %s", path);
        unlink(name);
        return -1;
}
