/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Assembles a root file system; the only file that uses libmount, which knows the mount options, "ro" binds (two calls
 * of mount(2)) and loop devices (released by the kernel with their mount). Its use of mtab, fstab, helpers and of
 * canonical names is switched off: all names are resolved here.
 *
 * mount(2) takes one page of options. An overlay of many layers has more: its lower directories are opened and named
 * "lowerdir=3:4:5", relative to /proc/self/fd, which is the working directory meanwhile. That fits for as many as
 * overlay takes (500), whatever their names, on every kernel; fsconfig(2) takes 256 bytes for each and needs Linux 6.8
 * for it.
 */

#include <errno.h>
#include <fcntl.h>
#include <libmount.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/fd.h"
#include "daemon/helper/helper.h"

#define LOWER_MAX 500 /* OVL_MAX_STACK of the kernel */

DEFINE_CLEANUP(struct libmnt_context *, mnt_free_context)

/* --- overlay with more options than fit in a page --- */

struct lowers {
        int fds[LOWER_MAX];
        size_t n;
};

static void lowers_close(struct lowers *l)
{
        while (l->n > 0)
                fd_close(l->fds[--l->n]);
}

/* One layer of the list, up to a colon; "\:" is a colon and "\\" a backslash of the name. */
static const char *next_layer(const char *p, const char *end, char name[PATH_MAX])
{
        size_t n = 0;

        for (; p < end && *p != ':'; p++) {
                if (*p == '\\' && p + 1 < end)
                        p++;
                if (n < PATH_MAX - 1)
                        name[n++] = *p;
        }
        name[n] = '\0';
        return p < end ? p + 1 : end;
}

static int open_lowers(struct lowers *l, struct buf *out, const char *value, const char *end, struct error *err)
{
        char name[PATH_MAX];

        buf_printf(out, "lowerdir=");
        while (value < end) {
                int fd;

                value = next_layer(value, end, name);
                if (l->n == LOWER_MAX)
                        return error_set(err, HELPER_FAILED, "overlay: more than %d lower directories", LOWER_MAX);
                fd = open(name, O_PATH | O_DIRECTORY | O_CLOEXEC);
                if (fd < 0)
                        return error_set_errno(err, HELPER_FAILED, errno, "overlay: open lower directory %s", name);
                l->fds[l->n++] = fd;
                buf_printf(out, "%s%d", l->n > 1 ? ":" : "", fd);
        }
        return 0;
}

/* The same options with lowerdir= in its short form. */
static int shorten(struct lowers *l, struct buf *out, const char *options, struct error *err)
{
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
                limit.rlim_cur = limit.rlim_max;
                setrlimit(RLIMIT_NOFILE, &limit);
        }
        while (*options) {
                const char *end = options;

                while (*end && *end != ',')
                        end += end[0] == '\\' && end[1] ? 2 : 1;
                if (strncmp(options, "lowerdir=", 9))
                        buf_append(out, options, (size_t)(end - options));
                else if (open_lowers(l, out, options + 9, end, err) < 0)
                        return -1;
                if (*end)
                        buf_append(out, ",", 1);
                options = *end ? end + 1 : end;
        }
        buf_append(out, "", 1);
        if (out->failed)
                return error_set_errno(err, HELPER_FAILED, ENOMEM, "overlay: shorten the options");
        if (chdir("/proc/self/fd") < 0)
                return error_set_errno(err, HELPER_FAILED, errno, "chdir to /proc/self/fd");
        return 0;
}

/* --- one mount --- */

static int call_libmount(const struct helper_mount *m, const char *target, const char *options, struct error *err)
{
        _cleanup_(mnt_free_contextp) struct libmnt_context *cxt = mnt_new_context();
        bool is_bind = !strcmp(m->type, "bind") || !strcmp(m->type, "rbind");
        char why[512] = "";
        int r;

        if (!cxt || mnt_context_disable_mtab(cxt, 1) || mnt_context_disable_helpers(cxt, 1) ||
            mnt_context_disable_canonicalize(cxt, 1) || mnt_context_disable_swapmatch(cxt, 1) ||
            mnt_context_set_source(cxt, m->source[0] ? m->source : "none") || mnt_context_set_target(cxt, target) ||
            mnt_context_set_options(cxt, options) || (!is_bind && mnt_context_set_fstype(cxt, m->type)))
                return error_set_errno(err, HELPER_FAILED, ENOMEM, "prepare the mount of %s", target);
        if (is_bind && mnt_context_append_options(cxt, !strcmp(m->type, "rbind") ? "rbind" : "bind"))
                return error_set_errno(err, HELPER_FAILED, ENOMEM, "prepare the mount of %s", target);
        r = mnt_context_mount(cxt);
        r = mnt_context_get_excode(cxt, r, why, sizeof(why));
        if (r == 0)
                return 0;
        for (char *p = why; *p; p++)
                if (*p == '\n')
                        *p = ' ';
        return error_set(err, HELPER_FAILED, "mount %s \"%.256s\" at %.256s: %s", m->type, m->source, target,
                         why[0] ? why : "libmount does not say why");
}

static int mount_one(const struct helper_mount *m, const char *target, struct error *err)
{
        _cleanup_(buf_deinit) struct buf out = BUF_NULL;
        _cleanup_(lowers_close) struct lowers lowers = { .n = 0 };
        const char *options = m->options;
        size_t page = (size_t)sysconf(_SC_PAGESIZE);
        int r;

        if (!m->type[0])
                return error_set(err, HELPER_FAILED, "mount at %s: the type is missing", target);
        if (!strcmp(m->type, "overlay") && strlen(options) >= page - 1) {
                if (shorten(&lowers, &out, options, err) < 0)
                        return -1;
                options = (const char *)buf_head(&out);
        }
        if (strlen(options) >= page - 1)
                return error_set(err, HELPER_FAILED, "mount %s at %s: %zu bytes of options; the kernel takes %zu",
                                 m->type, target, strlen(options), page - 2);
        r = call_libmount(m, target, options, err);
        if (chdir("/") < 0)
                return error_set_errno(err, HELPER_FAILED, errno, "chdir to /");
        return r;
}

/* --- all of them --- */

/* The target's name, with what is a link in it resolved below the root file system. Nobody else writes there before the
 * container runs. */
static int resolve_target(const char *rootfs, const char *target, char ret[PATH_MAX], struct error *err)
{
        struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
        _cleanup_(fd_closep) int root_fd = open(rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC), fd = -1;
        char link[64];
        ssize_t n;

        if (root_fd < 0)
                return error_set_errno(err, HELPER_FAILED, errno, "open %s", rootfs);
        fd = (int)syscall(SYS_openat2, root_fd, target[0] ? target : ".", &how, sizeof(how));
        if (fd < 0)
                return error_set_errno(err, HELPER_FAILED, errno, "open the target %s below %s", target, rootfs);
        snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        n = readlink(link, ret, PATH_MAX - 1);
        if (n < 0)
                return error_set_errno(err, HELPER_FAILED, errno, "name the target %s below %s", target, rootfs);
        ret[n] = '\0';
        return 0;
}

static uint64_t mount_id(const char *path)
{
        struct statx st;

        if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_MNT_ID, &st) < 0)
                return 0;
        return st.stx_mnt_id;
}

static void undo(const char *const *targets, size_t n)
{
        while (n-- > 0)
                if (umount2(targets[n], UMOUNT_NOFOLLOW) < 0)
                        umount2(targets[n], MNT_DETACH | UMOUNT_NOFOLLOW);
}

static int mount_all(const char *rootfs, const struct helper_mount *mounts, size_t n, char **targets, struct error *err)
{
        for (size_t i = 0; i < n; i++) {
                char target[PATH_MAX];
                uint64_t id;

                if (resolve_target(rootfs, mounts[i].target, target, err) == 0) {
                        id = mount_id(target);
                        targets[i] = strdup(target);
                        if (!targets[i])
                                error_set_errno(err, HELPER_FAILED, ENOMEM, "mount %s", target);
                        else if (mount_one(&mounts[i], target, err) == 0)
                                continue;
                        if (mount_id(target) != id) /* it was done by halves: a bind, and then not read-only */
                                umount2(target, MNT_DETACH | UMOUNT_NOFOLLOW);
                }
                undo((const char *const *)targets, i);
                return error_wrap(err, "mount %zu of %zu", i + 1, n);
        }
        return 0;
}

int helper_mount(const char *rootfs, const struct helper_mount *mounts, size_t n, struct error *err)
{
        _cleanup_(freep) char **targets = calloc(n + 1, sizeof(*targets));
        int r;

        if (!targets)
                return error_set_errno(err, HELPER_FAILED, ENOMEM, "mount %s", rootfs);
        if (rootfs[0] != '/')
                return error_set(err, HELPER_FAILED, "%s: not an absolute path", rootfs);
        if (mkdir(rootfs, 0711) < 0 && errno != EEXIST)
                return error_set_errno(err, HELPER_FAILED, errno, "mkdir %s", rootfs);
        r = mount_all(rootfs, mounts, n, targets, err);
        for (size_t i = 0; i < n; i++)
                free(targets[i]);
        return r;
}
