/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Removes a tree that somebody else may have written: everything is named by one component relative to an open
 * directory, symbolic links are removed and never followed, mount points are left alone (and make the call fail, after
 * the rest was removed). The depth is no matter: a directory too deep below is first moved up to the top, which is
 * emptied last.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/fd.h"
#include "daemon/helper/helper.h"
#include "daemon/helper/path.h"

#define DEPTH_MAX 32

struct removal {
        int top_fd;
        unsigned moved;  /* how many were moved up: makes their names */
        bool again;      /* something was moved to the top: it is to be read again */
        bool failed;     /* *err is set; the first failure is told */
        struct error *err;
};

static void note_failure(struct removal *rm, int errnum, const char *verb, const char *name)
{
        if (rm->failed)
                return;
        rm->failed = true;
        if (errnum == EXDEV || errnum == EBUSY)
                error_set(rm->err, HELPER_FAILED, "%s %s: it is a mount point; unmount it first", verb, name);
        else
                error_set_errno(rm->err, HELPER_FAILED, errnum, "%s %s", verb, name);
}

static int open_dir(int dir_fd, const char *name)
{
        struct open_how how = { .flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
                                .resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH };
        int fd = (int)syscall(SYS_openat2, dir_fd, name, &how, sizeof(how));

        return fd < 0 ? -errno : fd;
}

static int empty_dir(struct removal *rm, int dir_fd, unsigned depth);

/* A name of its own, since the tree may hold any other. */
static bool move_up(struct removal *rm, int dir_fd, const char *name)
{
        for (int tries = 0; tries < 1000; tries++) {
                char fresh[64];

                snprintf(fresh, sizeof(fresh), ".sandboxd-rmtree-%d-%u", (int)getpid(), rm->moved++);
                if (renameat2(dir_fd, name, rm->top_fd, fresh, RENAME_NOREPLACE) == 0) {
                        rm->again = true;
                        return true;
                }
                if (errno != EEXIST)
                        break;
        }
        note_failure(rm, errno, "move", name);
        return false;
}

static void remove_entry(struct removal *rm, int dir_fd, const char *name, unsigned depth)
{
        int fd;

        if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
                return;
        if (errno != EISDIR) { /* Linux's word for a directory */
                note_failure(rm, errno, "remove", name);
                return;
        }
        if (depth >= DEPTH_MAX && unlinkat(dir_fd, name, AT_REMOVEDIR) < 0 && errno == ENOTEMPTY) {
                move_up(rm, dir_fd, name);
                return;
        }
        fd = open_dir(dir_fd, name);
        if (fd < 0) {
                if (fd != -ENOENT)
                        note_failure(rm, -fd, "open", name);
                return;
        }
        if (empty_dir(rm, fd, depth + 1) == 0 && unlinkat(dir_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
                note_failure(rm, errno, "remove", name);
}

/* Consumes the descriptor. 0 if it is empty now. */
static int empty_dir(struct removal *rm, int dir_fd, unsigned depth)
{
        DIR *dir = fdopendir(dir_fd);
        struct dirent *e;
        bool failed_before = rm->failed;

        if (!dir) {
                note_failure(rm, errno, "read", "a directory");
                fd_close(dir_fd);
                return -1;
        }
        rm->failed = false;
        while ((errno = 0, e = readdir(dir)))
                if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
                        remove_entry(rm, dirfd(dir), e->d_name, depth);
        closedir(dir);
        if (rm->failed)
                return -1;
        rm->failed = failed_before;
        return 0;
}

int helper_rmtree(const char *path, struct error *err)
{
        struct split_path split = SPLIT_PATH_NULL;
        _cleanup_(fd_closep) int dir_fd = -1, top_fd = -1;
        struct removal rm = { .err = err };

        if (split_path_open(&split, path, err) < 0)
                return -1;
        dir_fd = TAKE_FD(split.dir_fd);
        if (dir_fd < 0)
                return 0;
        top_fd = open_dir(dir_fd, split.name);
        if (top_fd == -ENOENT)
                return 0;
        if (top_fd == -EXDEV)
                return error_set(err, HELPER_FAILED, "remove %s: it is a mount point; unmount it first", path);
        if (top_fd < 0)
                return error_set_errno(err, HELPER_FAILED, top_fd, "open %s", path);
        rm.top_fd = top_fd;
        do {
                int fd = openat(top_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

                if (fd < 0)
                        return error_set_errno(err, HELPER_FAILED, errno, "open %s", path);
                rm.again = false;
                if (empty_dir(&rm, fd, 0) < 0)
                        return error_wrap(err, "remove %s", path);
        } while (rm.again);
        if (unlinkat(dir_fd, split.name, AT_REMOVEDIR) < 0 && errno != ENOENT)
                return error_set_errno(err, HELPER_FAILED, errno, "remove %s", path);
        return 0;
}
