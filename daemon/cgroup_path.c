/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Which directory in each hierarchy belongs to a container.
 *
 * A process that has no cgroup of its own in a hierarchy is in that of whoever started it: the root, ours, or that of
 * an earlier daemon, which may be a login session. None of these may be killed, frozen, removed or read as the
 * container's. So a directory is `own` only if it is neither the root nor ours nor above ours, and if its last
 * component is the same as in the first hierarchy where that holds: runtimes use one name in all hierarchies.
 */

#include <stdio.h>
#include <string.h>

#include "base/pidref.h"
#include "daemon/cgroup_internal.h"

const enum cgroup_controller cgroup_order[CG_CONTROLLER_N] = {CG_MEMORY,  CG_PIDS,   CG_CPU,   CG_FREEZER, CG_DEVICES,
                                                              CG_CPUACCT, CG_CPUSET, CG_BLKIO, CG_HUGETLB, CG_RDMA};

static int no_memory(struct error *err)
{
        return error_set(err, REASON_NO_RESOURCES, "no memory for the cgroup tables");
}

bool cgroup_path_is_private(const char *path, const char *self)
{
        size_t len = strlen(path);

        if (strcmp(path, "/") == 0 || strstr(path, "/../"))
                return false;
        return !self || strncmp(self, path, len) != 0 || (self[len] != '\0' && self[len] != '/');
}

const char *cgroup_path_at(const struct cgroup *cg, size_t i)
{
        const char *path = cg->at[i].dir + strlen(cg->host->hier[i].mount);

        return *path ? path : "/";
}

struct cgroup *cgroup_free(struct cgroup *cg)
{
        if (!cg)
                return NULL;
        for (size_t i = 0; i < CG_HIERARCHIES_MAX; i++)
                free(cg->at[i].dir);
        free(cg->text);
        free(cg);
        return NULL;
}

static int cgroup_set_path(struct cgroup *cg, size_t i, const char *path, struct error *err)
{
        cg->at[i].dir = NULL;
        if (asprintf(&cg->at[i].dir, "%s%s", cg->host->hier[i].mount, strcmp(path, "/") == 0 ? "" : path) >= 0)
                return 0;
        cg->at[i].dir = NULL;
        return no_memory(err);
}

/* The hierarchy that comes first, among the own ones or among all; -1: none. */
static int cgroup_primary(const struct cgroup *cg, bool own)
{
        const struct cgroup_host *h = cg->host;

        for (size_t k = 0; k < CG_CONTROLLER_N; k++) {
                int i = h->of[cgroup_order[k]];

                if (i >= 0 && cg->at[i].dir && (cg->at[i].own || !own))
                        return i;
        }
        for (size_t i = 0; i < h->n; i++)
                if (cg->at[i].dir && (cg->at[i].own || !own))
                        return (int)i;
        return -1;
}

static void cgroup_mark_own(struct cgroup *cg, const struct cgroup_self *self)
{
        const char *base;
        int primary;

        for (size_t i = 0; i < cg->host->n; i++)
                cg->at[i].own = cg->at[i].dir && cgroup_path_is_private(cgroup_path_at(cg, i), self->path[i]);
        primary = cgroup_primary(cg, true);
        if (primary < 0)
                return;
        base = strrchr(cg->at[primary].dir, '/');
        for (size_t i = 0; i < cg->host->n; i++)
                if (cg->at[i].own)
                        cg->at[i].own = strcmp(strrchr(cg->at[i].dir, '/'), base) == 0;
}

/* cgroup_path(): one path if that says it all, else "label=path,label=path" ("unified" for v2). */
static int cgroup_set_text(struct cgroup *cg, struct error *err)
{
        int primary = cgroup_primary(cg, true);
        _cleanup_(freep) char *text = NULL;
        const char *path;
        size_t len = 0;
        FILE *f;
        bool same = true;

        if (primary < 0)
                primary = cgroup_primary(cg, false);
        if (primary < 0)
                return error_set(err, REASON_CGROUP_NOT_FOUND,
                                 "the process is in none of the host's cgroup hierarchies");
        path = cgroup_path_at(cg, (size_t)primary);
        for (size_t i = 0; i < cg->host->n; i++)
                same = same && (!cg->at[i].own || strcmp(cgroup_path_at(cg, i), path) == 0);
        if (same) {
                cg->text = strdup(path);
                return cg->text ? 0 : no_memory(err);
        }
        f = open_memstream(&text, &len);
        if (!f)
                return no_memory(err);
        for (size_t i = 0; i < cg->host->n; i++)
                if (cg->at[i].own)
                        (void)fprintf(f, "%s%s=%s", ftell(f) > 0 ? "," : "",
                                      *cg->host->hier[i].label ? cg->host->hier[i].label : "unified",
                                      cgroup_path_at(cg, i));
        if (fclose(f) != 0)
                return no_memory(err);
        cg->text = TAKE(text);
        return 0;
}

static int cgroup_finish(struct cgroup **ret, struct cgroup *cg, struct error *err)
{
        struct cgroup_self self;

        if (cgroup_self_read(cg->host, "self", &self, err) < 0)
                return -1;
        cgroup_mark_own(cg, &self);
        if (cgroup_set_text(cg, err) < 0)
                return -1;
        *ret = cg;
        return 0;
}

int cgroup_of_pid(struct cgroup_host *h, pid_t pid, struct cgroup **ret, struct error *err)
{
        _cleanup_(cgroup_freep) struct cgroup *cg = calloc(1, sizeof(*cg));
        struct cgroup_self paths;
        struct proc_stat stat;
        char name[16];

        if (!cg)
                return no_memory(err);
        cg->host = h;
        (void)snprintf(name, sizeof(name), "%d", (int)pid);
        if (cgroup_self_read(h, name, &paths, err) < 0)
                return -1;
        /* A zombie has left its cgroups: v1 says "/". */
        if (!h->fake && (proc_stat_read(pid, &stat) < 0 || stat.state == 'Z' || stat.state == 'X'))
                return error_set(err, REASON_NOT_FOUND, "process %s has ended", name);
        for (size_t i = 0; i < h->n; i++)
                if (paths.path[i] && cgroup_set_path(cg, i, paths.path[i], err) < 0)
                        return -1;
        if (cgroup_finish(ret, cg, err) < 0)
                return -1;
        TAKE(cg);
        return 0;
}

static bool path_is_good(const char *path)
{
        size_t len = strlen(path);

        return path[0] == '/' && (len == 1 || path[len - 1] != '/') && !strstr(path, "/../") &&
               (len < 3 || strcmp(path + len - 3, "/..") != 0) && !strstr(path, "//") && !strstr(path, "/./");
}

/* "memory=/a,name=systemd=/b,unified=/c": the path begins at the first "=/" of an item, the next item after the last
 * comma before the next "=/", so that commas in paths do no harm. Cuts. */
static int cgroup_set_paths(struct cgroup *cg, char *text, struct error *err)
{
        const struct cgroup_host *h = cg->host;

        while (text) {
                char *eq = strstr(text, "=/"), *next = eq ? strstr(eq + 1, "=/") : NULL, *label = text;
                const char *path = eq ? eq + 1 : "";

                text = NULL;
                if (next) {
                        *next = '\0';
                        text = strrchr(path, ',');
                        *next = '=';
                        if (!text)
                                return error_set(err, REASON_INVALID_ARGUMENT, "not the path of a cgroup: %s", label);
                        *text++ = '\0';
                }
                if (!path_is_good(path))
                        return error_set(err, REASON_INVALID_ARGUMENT, "not the path of a cgroup: %s", label);
                *eq = '\0';
                for (size_t i = 0; i < h->n; i++)
                        if (strcmp(*h->hier[i].label ? h->hier[i].label : "unified", label) == 0 && !cg->at[i].dir &&
                            cgroup_set_path(cg, i, path, err) < 0)
                                return -1;
        }
        return 0;
}

int cgroup_of_path(struct cgroup_host *h, const char *path, struct cgroup **ret, struct error *err)
{
        _cleanup_(cgroup_freep) struct cgroup *cg = calloc(1, sizeof(*cg));
        _cleanup_(freep) char *text = strdup(path);

        if (!cg || !text)
                return no_memory(err);
        cg->host = h;
        if (text[0] != '/') {
                if (cgroup_set_paths(cg, text, err) < 0)
                        return -1;
        } else if (!path_is_good(path)) {
                return error_set(err, REASON_INVALID_ARGUMENT, "not the path of a cgroup: %s", path);
        } else {
                for (size_t i = 0; i < h->n; i++)
                        if (cgroup_set_path(cg, i, path, err) < 0)
                                return -1;
        }
        if (cgroup_finish(ret, cg, err) < 0)
                return -1;
        TAKE(cg);
        return 0;
}

const char *cgroup_path(const struct cgroup *cg)
{
        return cg->text;
}

const char *cgroup_dir(const struct cgroup *cg, enum cgroup_controller c)
{
        int i = cg->host->of[c];

        return i >= 0 && cg->at[i].own ? cg->at[i].dir : NULL;
}

bool cgroup_is_v2(const struct cgroup *cg, enum cgroup_controller c)
{
        int i = cg->host->of[c];

        return i >= 0 && cg->host->hier[i].v2;
}

const char *cgroup_unified_dir(const struct cgroup *cg)
{
        for (size_t i = 0; i < cg->host->n; i++)
                if (cg->host->hier[i].v2 && cg->at[i].own)
                        return cg->at[i].dir;
        return NULL;
}
