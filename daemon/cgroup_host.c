/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Which hierarchies the host has, and where a process is in them.
 *
 * libcgroup tells the controllers and their mount points; it knows neither named hierarchies (systemd's) nor a v2 tree
 * without controllers, so the mount table is read for those.
 */

#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>

#include "base/fd.h"
#include "daemon/cgparse.h"
#include "daemon/cgroup_internal.h"
#include "daemon/cgroup_mounts.h"

#define MOUNTINFO_MAX (4 * 1024 * 1024)

static const char *const controller_names[CG_CONTROLLER_N] = {
        [CG_MEMORY] = "memory", [CG_CPU] = "cpu",         [CG_CPUACCT] = "cpuacct", [CG_CPUSET] = "cpuset",
        [CG_PIDS] = "pids",     [CG_FREEZER] = "freezer", [CG_BLKIO] = "blkio",     [CG_HUGETLB] = "hugetlb",
        [CG_RDMA] = "rdma",     [CG_DEVICES] = "devices",
};

/* --- the host --- */

static int no_memory(struct error *err)
{
        return error_set(err, REASON_NO_RESOURCES, "no memory for the cgroup tables");
}

static struct cgroup_hier *host_find_mount(struct cgroup_host *h, const char *mount)
{
        for (size_t i = 0; i < h->n; i++)
                if (strcmp(h->hier[i].mount, mount) == 0)
                        return &h->hier[i];
        return NULL;
}

static int host_add(struct cgroup_host *h, const char *mount, const char *label, bool v2, struct error *err)
{
        struct cgroup_hier *hier = &h->hier[h->n];

        if (h->n >= CG_HIERARCHIES_MAX)
                return error_set(err, REASON_NOT_SUPPORTED, "the host has more than %d cgroup hierarchies",
                                 CG_HIERARCHIES_MAX);
        hier->mount = strdup(mount);
        hier->label = strdup(label);
        hier->v2 = v2;
        h->n++;
        return hier->mount && hier->label ? 0 : no_memory(err);
}

static uint32_t controller_bit(const char *name)
{
        for (int c = 0; c < CG_CONTROLLER_N; c++)
                if (strcmp(controller_names[c], name) == 0)
                        return 1U << c;
        return 0;
}

static bool is_v2(const char *dir)
{
        struct statfs st;

        return statfs(dir, &st) == 0 && st.f_type == CGROUP2_SUPER_MAGIC;
}

static int host_add_controller(void *data, const char *controller, const char *mount, struct error *err)
{
        struct cgroup_host *h = data;
        struct cgroup_hier *hier = host_find_mount(h, mount);

        if (!hier) {
                bool v2 = is_v2(mount);

                if (host_add(h, mount, v2 ? "" : controller, v2, err) < 0)
                        return -1;
                hier = &h->hier[h->n - 1];
        }
        hier->controllers |= controller_bit(controller);
        return 0;
}

/* "name=systemd" out of the options of a v1 mount, or NULL. Cuts. */
static char *named_label(char *options)
{
        char *save = NULL;

        for (char *o = strtok_r(options, ",", &save); o; o = strtok_r(NULL, ",", &save))
                if (strncmp(o, "name=", 5) == 0)
                        return o;
        return NULL;
}

static int host_read_mounts(struct cgroup_host *h, struct error *err)
{
        _cleanup_(freep) char *text = NULL;
        char *cursor, *line, *point, *type, *options;
        size_t len;
        int r;

        r = fd_read_file(-1, "/proc/self/mountinfo", MOUNTINFO_MAX, &text, &len);
        if (r < 0)
                return error_set_errno(err, REASON_INTERNAL, r, "cannot read /proc/self/mountinfo");
        for (cursor = text; (line = cg_line(&cursor));) {
                bool v2;
                const char *label;

                if (cg_parse_mount_line(line, &point, &type, &options) < 0)
                        continue;
                v2 = strcmp(type, "cgroup2") == 0;
                if (!v2 && strcmp(type, "cgroup") != 0)
                        continue;
                label = v2 ? "" : named_label(options);
                if (!label || host_find_mount(h, point))
                        continue;
                /* The same hierarchy may be mounted more than once: the first is as good as any. */
                for (size_t i = 0; i < h->n && label; i++)
                        if (strcmp(h->hier[i].label, label) == 0)
                                label = NULL;
                if (label && host_add(h, point, label, v2, err) < 0)
                        return -1;
        }
        return 0;
}

/* What a v2 tree can do: its root's cgroup.controllers, and what needs no controller there. */
static void host_read_v2(struct cgroup_hier *hier)
{
        _cleanup_(freep) char *path = NULL;
        char buf[512];

        hier->controllers |= 1U << CG_FREEZER | 1U << CG_CPUACCT;
        if (asprintf(&path, "%s/cgroup.controllers", hier->mount) < 0) {
                path = NULL;
                return;
        }
        if (fd_read_small(-1, path, buf, sizeof(buf)) < 0)
                return;
        for (int c = 0; c < CG_CONTROLLER_N; c++)
                if (cg_list_has(buf, c == CG_BLKIO ? "io" : controller_names[c]))
                        hier->controllers |= 1U << c;
}

/* Fills in of[] and the version: a controller is where v1 has it, else in v2. */
static void host_finish(struct cgroup_host *h)
{
        bool v1 = false, v2 = false;

        for (int c = 0; c < CG_CONTROLLER_N; c++)
                h->of[c] = -1;
        for (size_t i = 0; i < h->n; i++) {
                if (h->hier[i].v2)
                        host_read_v2(&h->hier[i]);
                for (int c = 0; c < CG_CONTROLLER_N; c++)
                        if ((h->hier[i].controllers & 1U << c) && (h->of[c] < 0 || !h->hier[i].v2))
                                h->of[c] = (int)i;
                v1 = v1 || (!h->hier[i].v2 && h->hier[i].controllers);
                v2 = v2 || h->hier[i].v2;
        }
        h->version = v1 && v2 ? 12 : v1 ? 1 : 2;
}

int cgroup_host_new(struct cgroup_host **ret, struct error *err)
{
        _cleanup_(cgroup_host_freep) struct cgroup_host *h = calloc(1, sizeof(*h));

        if (!h || !(h->proc = strdup("/proc")))
                return no_memory(err);
        if (cgroup_mounts(host_add_controller, h, err) < 0 || host_read_mounts(h, err) < 0)
                return -1;
        if (!h->n)
                return error_set(err, REASON_NOT_SUPPORTED,
                                 "no cgroup hierarchy is mounted (expected below /sys/fs/cgroup)");
        host_finish(h);
        *ret = TAKE(h);
        return 0;
}

int cgroup_host_new_fake(struct cgroup_host **ret, const struct cgroup_hier *hier, size_t n, const char *proc,
                         struct error *err)
{
        _cleanup_(cgroup_host_freep) struct cgroup_host *h = calloc(1, sizeof(*h));

        if (!h || !(h->proc = strdup(proc)))
                return no_memory(err);
        for (size_t i = 0; i < n; i++) {
                if (host_add(h, hier[i].mount, hier[i].label, hier[i].v2, err) < 0)
                        return -1;
                h->hier[i].controllers = hier[i].controllers;
        }
        h->fake = true;
        host_finish(h);
        *ret = TAKE(h);
        return 0;
}

struct cgroup_host *cgroup_host_free(struct cgroup_host *h)
{
        if (!h)
                return NULL;
        for (size_t i = 0; i < h->n; i++) {
                free(h->hier[i].mount);
                free(h->hier[i].label);
        }
        free(h->proc);
        free(h);
        return NULL;
}

unsigned cgroup_host_version(const struct cgroup_host *h)
{
        return h->version;
}

/* --- paths of a process --- */

int cgroup_self_read(const struct cgroup_host *h, const char *pid, struct cgroup_self *ret, struct error *err)
{
        char file[256], *cursor = ret->text, *line, *list, *path;
        ssize_t n;

        memset(ret->path, 0, sizeof(ret->path));
        (void)snprintf(file, sizeof(file), "%s/%s/cgroup", h->proc, pid);
        n = fd_read_small(-1, file, ret->text, sizeof(ret->text));
        if (n == -ENOENT || n == -ESRCH)
                return error_set(err, REASON_NOT_FOUND, "process %s does not exist", pid);
        if (n < 0)
                return error_set_errno(err, REASON_INTERNAL, (int)n, "cannot read %s", file);
        while ((line = cg_line(&cursor))) {
                if (cg_parse_proc_line(line, &list, &path) < 0)
                        return error_set(err, REASON_INTERNAL, "%s has a line that is not known: %s", file, line);
                for (size_t i = 0; i < h->n; i++)
                        if (*h->hier[i].label ? cg_list_has(list, h->hier[i].label) : !*list)
                                ret->path[i] = path;
        }
        return 0;
}
