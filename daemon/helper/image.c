/* SPDX-License-Identifier: Apache-2.0 */

/* Makes the file of a checkpoint and sends it over descriptor 3. One that is there is not overwritten, as with runsc.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include "base/fd.h"
#include "daemon/helper/helper.h"

#define SOCKET 3

static void make_directories(char *path)
{
        for (char *p = path + 1; *p; p++) {
                if (*p != '/')
                        continue;
                *p = '\0';
                mkdir(path, 0755);
                *p = '/';
        }
}

int helper_image(const char *dir, struct error *err)
{
        _cleanup_(fd_closep) int fd = -1;
        char path[4096 + 32];
        ssize_t n;

        if (dir[0] != '/' || snprintf(path, sizeof(path), "%s/checkpoint.img", dir) >= (int)sizeof(path))
                return error_set(err, HELPER_FAILED, "%s is not an absolute path", dir);
        make_directories(path);
        fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (fd < 0)
                return error_set_errno(err, HELPER_FAILED, errno, "cannot make %s", path);
        n = fd_send(SOCKET, "", 1, &fd, 1, MSG_NOSIGNAL);
        return n < 0 ? error_set_errno(err, HELPER_FAILED, (int)n, "cannot give it") : 0;
}
