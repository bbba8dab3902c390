/* SPDX-License-Identifier: Apache-2.0 */
/* Users and groups by name, from the files of a root filesystem that is not trusted: its links lead nowhere outside of
 * it. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/openat2.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/fd.h"
#include "client/ctl/spec_internal.h"
#include "client/ctl/units.h"

static void fclosep(FILE **f)
{
        if (*f)
                fclose(*f);
}

static FILE *open_inside(const char *rootfs, const char *path)
{
        struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK,
                               .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
        _cleanup_(fd_closep) int root = rootfs ? open(rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
        int fd = root >= 0 ? (int)syscall(SYS_openat2, root, path, &how, sizeof(how)) : -1;

        return fd >= 0 ? fdopen(fd, "re") : NULL;
}

/* The entry of that name, or of that number if name is NULL. */
static bool find_user(const char *rootfs, const char *name, struct spec_user *user, uint32_t *gid)
{
        _cleanup_(fclosep) FILE *f = open_inside(rootfs, "/etc/passwd");
        const struct passwd *entry;

        while (f && (entry = fgetpwent(f))) {
                if (name ? strcmp(entry->pw_name, name) != 0 : entry->pw_uid != user->uid)
                        continue;
                user->uid = entry->pw_uid;
                *gid = entry->pw_gid;
                snprintf(user->home, sizeof(user->home), "%s", entry->pw_dir);
                return true;
        }
        return false;
}

static bool find_group(const char *rootfs, const char *name, uint32_t *gid)
{
        _cleanup_(fclosep) FILE *f = open_inside(rootfs, "/etc/group");
        const struct group *entry;

        while (f && (entry = fgetgrent(f))) {
                if (strcmp(entry->gr_name, name) != 0)
                        continue;
                *gid = entry->gr_gid;
                return true;
        }
        return false;
}

int spec_user_parse(const char *text, const char *rootfs, struct spec_user *ret, struct error *err)
{
        const char *colon = strchr(text, ':');
        size_t n = colon ? (size_t)(colon - text) : strlen(text);
        char name[256];
        uint64_t number;

        *ret = (struct spec_user){ 0 };
        if (n == 0 || n >= sizeof(name) || (colon && !colon[1]))
                return error_set(err, REASON_INVALID_SPEC, "user '%s' is not of the form USER[:GROUP]", text);
        memcpy(name, text, n);
        name[n] = '\0';
        if (parse_u64(name, UINT32_MAX - 1, &number) == 0) {
                ret->uid = (uint32_t)number;
                find_user(rootfs, NULL, ret, &ret->gid); /* for its group and home, if it is there */
        } else if (!find_user(rootfs, name, ret, &ret->gid)) {
                return error_set(err, REASON_INVALID_SPEC, "there is no user '%s' in %s/etc/passwd", name,
                                 rootfs ? rootfs : "");
        }
        if (!colon)
                return 0;
        if (parse_u64(colon + 1, UINT32_MAX - 1, &number) == 0)
                ret->gid = (uint32_t)number;
        else if (!find_group(rootfs, colon + 1, &ret->gid))
                return error_set(err, REASON_INVALID_SPEC, "there is no group '%s' in %s/etc/group", colon + 1,
                                 rootfs ? rootfs : "");
        return 0;
}
