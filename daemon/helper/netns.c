/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A network namespace that outlives its maker: nsfs, bind-mounted to a file. The directory of these files is made a
 * private mount of its own, so that they do not spread into other mount namespaces, which would keep them alive there.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#include "base/fd.h"
#include "daemon/helper/helper.h"
#include "daemon/helper/mountinfo.h"
#include "daemon/helper/path.h"

static int make_dirs(const char *path, struct error *err)
{
        char buf[PATH_MAX];

        snprintf(buf, sizeof(buf), "%s", path);
        for (char *p = strchr(buf + 1, '/'); p; p = strchr(p + 1, '/')) {
                *p = '\0';
                if (mkdir(buf, 0755) < 0 && errno != EEXIST)
                        return error_set_errno(err, HELPER_FAILED, errno, "mkdir %s", buf);
                *p = '/';
        }
        return 0;
}

static bool is_nsfs(const char *path)
{
        struct statfs st;

        return statfs(path, &st) == 0 && st.f_type == NSFS_MAGIC;
}

/* The caller holds the lock on the directory: two at once would mount one over the other. */
static int make_private(const char *dir, struct error *err)
{
        _cleanup_(mountinfo_deinit) struct mountinfo m = MOUNTINFO_NULL;
        const struct mountinfo_entry *e;
        int r = mountinfo_read(&m);

        if (r < 0)
                return error_set_errno(err, HELPER_FAILED, r, "read /proc/self/mountinfo");
        e = mountinfo_find(&m, dir);
        if (!e || !e->shared)
                return 0;
        if (strcmp(e->point, dir) && mount(dir, dir, NULL, MS_BIND, NULL) < 0)
                return error_set_errno(err, HELPER_FAILED, errno, "bind %s to itself", dir);
        if (mount(NULL, dir, NULL, MS_PRIVATE, NULL) < 0)
                return error_set_errno(err, HELPER_FAILED, errno, "make %s a private mount", dir);
        return 0;
}

static int mount_new(const char *path, struct error *err)
{
        _cleanup_(fd_closep) int fd = open(path, O_RDONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0444);

        if (fd < 0)
                return error_set_errno(err, HELPER_FAILED, errno, "create %s", path);
        if (unshare(CLONE_NEWNET) < 0)
                return error_set_errno(err, HELPER_FAILED, errno, "make a network namespace");
        if (mount("/proc/self/ns/net", path, NULL, MS_BIND, NULL) < 0)
                return error_set_errno(err, HELPER_FAILED, errno, "mount the network namespace to %s", path);
        return 0;
}

int helper_netns(const char *path, struct error *err)
{
        struct split_path split = SPLIT_PATH_NULL;
        _cleanup_(fd_closep) int lock_fd = -1;
        char dir[PATH_MAX];
        int r;

        if (path[0] == '/' && make_dirs(path, err) < 0)
                return -1;
        if (split_path_open(&split, path, err) < 0)
                return -1;
        split_path_close(&split);
        snprintf(dir, sizeof(dir), "%.*s", (int)(strrchr(split.full, '/') - split.full), split.full);
        if (!dir[0])
                return error_set(err, HELPER_FAILED, "%s: a network namespace needs a directory of its own", path);
        lock_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (lock_fd < 0 || flock(lock_fd, LOCK_EX) < 0)
                return error_set_errno(err, HELPER_FAILED, errno, "lock %s", dir);
        if (is_nsfs(split.full))
                return 0;
        if (make_private(dir, err) < 0)
                return -1;
        r = mount_new(split.full, err);
        if (r < 0)
                unlink(split.full);
        return r;
}

int helper_netns_remove(const char *path, struct error *err)
{
        struct split_path split = SPLIT_PATH_NULL;
        struct stat st;

        if (split_path_open(&split, path, err) < 0)
                return -1;
        split_path_close(&split);
        while (is_nsfs(split.full))
                if (umount2(split.full, MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
                        return error_set_errno(err, HELPER_FAILED, errno, "unmount %s", split.full);
        if (lstat(split.full, &st) < 0)
                return errno == ENOENT ? 0 : error_set_errno(err, HELPER_FAILED, errno, "stat %s", split.full);
        if (!S_ISREG(st.st_mode) || st.st_size != 0)
                return error_set(err, HELPER_FAILED,
                                 "%s is neither a network namespace nor the empty file that one was "
                                 "mounted to: not removed",
                                 split.full);
        if (unlink(split.full) < 0 && errno != ENOENT)
                return error_set_errno(err, HELPER_FAILED, errno, "remove %s", split.full);
        return 0;
}
