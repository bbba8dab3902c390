/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/fd.h"
#include "daemon/helper/helper.h"
#include "daemon/helper/path.h"

void split_path_close(struct split_path *p)
{
        p->dir_fd = fd_close(p->dir_fd);
}

static int split(struct split_path *p, char *dir, const char *path, struct error *err)
{
        size_t len = strlen(path);
        char *slash;

        if (path[0] != '/')
                return error_set(err, HELPER_FAILED, "%s: not an absolute path", path);
        if (len >= PATH_MAX)
                return error_set(err, HELPER_FAILED, "a path of %zu bytes is too long", len);
        memcpy(dir, path, len + 1);
        while (len > 1 && dir[len - 1] == '/')
                dir[--len] = '\0';
        slash = strrchr(dir, '/');
        len = strlen(slash + 1);
        if (len == 0 || len > NAME_MAX || !strcmp(slash + 1, ".") || !strcmp(slash + 1, ".."))
                return error_set(err, HELPER_FAILED, "%s: its last component is not the name of a directory", path);
        memcpy(p->name, slash + 1, len + 1);
        slash[slash == dir ? 1 : 0] = '\0';
        return 0;
}

int split_path_open(struct split_path *ret, const char *path, struct error *err)
{
        struct split_path p = SPLIT_PATH_NULL;
        char dir[PATH_MAX], link[64], real[PATH_MAX];
        ssize_t n;

        if (split(&p, dir, path, err) < 0)
                return -1;
        p.dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (p.dir_fd < 0 && errno != ENOENT)
                return error_set_errno(err, HELPER_FAILED, errno, "open %s", dir);
        memcpy(real, dir, strlen(dir) + 1);
        if (p.dir_fd >= 0) {
                snprintf(link, sizeof(link), "/proc/self/fd/%d", p.dir_fd);
                n = readlink(link, real, sizeof(real) - 1);
                if (n > 0)
                        real[n] = '\0';
        }
        if ((size_t)snprintf(p.full, sizeof(p.full), "%s/%s", real[1] ? real : "", p.name) >= sizeof(p.full)) {
                split_path_close(&p);
                return error_set(err, HELPER_FAILED, "%s: the path is too long", path);
        }
        *ret = p;
        return 0;
}
