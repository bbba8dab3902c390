/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The cgroup that a spec asks for. Its cgroupsPath is a path, or for the runtimes' systemd driver "slice:prefix:name":
 * the unit prefix-name.scope in that slice (or, where the name ends in .slice, that one in it). A slice's own name says
 * where it is: a-b.slice is /a.slice/a-b.slice. All of it is below the cgroup that systemd itself was started in.
 */

#include <stdio.h>
#include <string.h>

#include "daemon/cgroup_internal.h"

#define SLICE_DEFAULT "system.slice"

static bool ends_with(const char *text, const char *end)
{
        size_t n = strlen(text), m = strlen(end);

        return n >= m && strcmp(text + n - m, end) == 0;
}

static int invalid(struct error *err, const char *text, const char *why)
{
        return error_set(err, REASON_INVALID_ARGUMENT,
                         "cgroupsPath: with the systemd driver it is slice:prefix:name, not \"%s\": %s", text, why);
}

/* "a-b.slice" as "/a.slice/a-b.slice", "-.slice" as "". */
static int write_slice(FILE *f, const char *slice, const char *text, struct error *err)
{
        size_t len = strlen(slice);

        if (strcmp(slice, "-.slice") == 0)
                return 0;
        if (!ends_with(slice, ".slice") || len == strlen(".slice") || strchr(slice, '/'))
                return invalid(err, text, "the slice's name must end in .slice and have no slash");
        if (slice[0] == '-' || strstr(slice, "--") || strstr(slice, "-.slice"))
                return invalid(err, text, "the slice's name has a dash that nothing precedes or follows");
        for (const char *dash = strchr(slice, '-'); dash; dash = strchr(dash + 1, '-'))
                (void)fprintf(f, "/%.*s.slice", (int)(dash - slice), slice);
        (void)fprintf(f, "/%s", slice);
        return 0;
}

static int write_unit(FILE *f, char *text, const char *whole, struct error *err)
{
        char *prefix = strchr(text, ':'), *name = prefix ? strchr(prefix + 1, ':') : NULL;

        if (!name || strchr(name + 1, ':'))
                return invalid(err, whole, "it must have three parts");
        *prefix++ = *name++ = '\0';
        if (!*name || strchr(name, '/') || strchr(prefix, '/'))
                return invalid(err, whole, "prefix and name are those of a unit");
        if (write_slice(f, *text ? text : SLICE_DEFAULT, whole, err) < 0)
                return -1;
        if (ends_with(name, ".slice"))
                (void)fprintf(f, "/%s", name);
        else
                (void)fprintf(f, "/%s-%s.scope", prefix, name);
        return 0;
}

/* Where systemd's own tree begins: its first process is in init.scope there. */
static void write_root(FILE *f, const struct cgroup_host *h)
{
        struct cgroup_self init;

        if (cgroup_self_read(h, "1", &init, NULL) < 0)
                return;
        for (size_t i = 0; i < h->n; i++) {
                const char *path = init.path[i];

                if (!path || !ends_with(path, "/init.scope") ||
                    (*h->hier[i].label && strcmp(h->hier[i].label, "name=systemd") != 0))
                        continue;
                (void)fprintf(f, "%.*s", (int)(strlen(path) - strlen("/init.scope")), path);
                return;
        }
}

int cgroup_path_of_spec(const struct cgroup_host *h, const char *cgroups_path, bool systemd, char **ret,
                        struct error *err)
{
        _cleanup_(freep) char *text = NULL, *copy = strdup(cgroups_path);
        size_t len;
        FILE *f;
        int r = 0;

        if (!copy)
                return error_set(err, REASON_NO_RESOURCES, "no memory for a cgroup's path");
        if (!systemd) {
                if (*copy != '/')
                        return error_set(err, REASON_INVALID_ARGUMENT, "cgroupsPath: \"%s\" is not an absolute path",
                                         cgroups_path);
                *ret = TAKE(copy);
                return 0;
        }
        f = open_memstream(&text, &len);
        if (!f)
                return error_set(err, REASON_NO_RESOURCES, "no memory for a cgroup's path");
        write_root(f, h);
        r = write_unit(f, copy, cgroups_path, err);
        if (fclose(f) != 0 && r == 0)
                r = error_set(err, REASON_NO_RESOURCES, "no memory for a cgroup's path");
        if (r == 0)
                *ret = TAKE(text);
        return r;
}

int cgroup_of_spec(struct cgroup_host *h, const char *cgroups_path, bool systemd, struct cgroup **ret,
                   struct error *err)
{
        _cleanup_(freep) char *path = NULL;

        if (cgroup_path_of_spec(h, cgroups_path, systemd, &path, err) < 0)
                return -1;
        return cgroup_of_path(h, path, ret, err);
}

/* crun puts the processes into a cgroup below the scope, whose limits are systemd's. */
int cgroup_climb(struct cgroup_host *h, const char *cgroups_path, struct cgroup **cg, struct error *err)
{
        _cleanup_(freep) char *path = NULL;
        struct cgroup *above;
        const char *rest;
        size_t len;

        if (cgroup_path_of_spec(h, cgroups_path, true, &path, err) < 0)
                return -1;
        len = strlen(path);
        rest = cgroup_path(*cg);
        if (strncmp(rest, path, len) != 0 || rest[len] != '/' || strchr(rest + len + 1, '/'))
                return 0;
        if (cgroup_of_path(h, path, &above, err) < 0)
                return -1;
        cgroup_free(*cg);
        *cg = above;
        return 0;
}
