/* SPDX-License-Identifier: Apache-2.0 */

/* Writes a client's file to standard output: the open, which may hang on a strange filesystem, is then ours alone. */

#include <errno.h>
#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/fd.h"
#include "daemon/helper/helper.h"

int helper_read(const char *path, struct error *err)
{
        _cleanup_(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        struct stat st;

        if (fd < 0)
                return error_set_errno(err, HELPER_FAILED, errno, "cannot open %s", path);
        if (fstat(fd, &st) < 0)
                return error_set_errno(err, HELPER_FAILED, errno, "cannot look at %s", path);
        if (!S_ISREG(st.st_mode))
                return error_set(err, HELPER_FAILED, "%s is not a regular file", path);
        if (st.st_size > HELPER_FILE_MAX)
                return error_set(err, HELPER_FAILED, "%s has %lld bytes, which is more than %d", path,
                                 (long long)st.st_size, HELPER_FILE_MAX);
        for (off_t left = st.st_size; left > 0;) {
                ssize_t n = sendfile(STDOUT_FILENO, fd, NULL, (size_t)left);

                if (n < 0)
                        return error_set_errno(err, HELPER_FAILED, errno, "cannot read %s", path);
                if (n == 0)
                        break;
                left -= n;
        }
        return 0;
}
