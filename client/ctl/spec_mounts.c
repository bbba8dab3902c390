/* SPDX-License-Identifier: Apache-2.0 */
/* The mounts of a config.json: those that every container has, and those that were asked for. */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include "client/ctl/spec_internal.h"

struct default_mount {
        const char *target, *type, *source;
        const char *options[8];
};
static const struct default_mount default_mounts[] = {
        {"/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}},
        {"/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}},
        {"/dev/pts", "devpts", "devpts", {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
        {"/dev/shm", "tmpfs", "shm", {"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}},
        {"/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}},
        {"/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", "ro"}},
};
static const struct default_mount cgroup_mount = {
        "/sys/fs/cgroup", "cgroup", "cgroup", {"nosuid", "noexec", "nodev", "relatime", "ro"}};

static json_t *mount_object(const char *target, const char *type, const char *source, json_t *options)
{
        return json_pack("{s:s, s:s, s:s, s:o}", "destination", target, "type", type, "source", source, "options",
                         options);
}

static void add_default(json_t *mounts, const struct default_mount *m)
{
        json_array_append_new(mounts, mount_object(m->target, m->type, m->source, spec_strings(m->options)));
}

/* Appends the parts of text between commas. */
static int add_options(json_t *options, const char *text, struct error *err)
{
        _cleanup_(freep) char *copy = strdup(text);
        char *save, *part;

        if (!copy)
                return error_set(err, REASON_NO_RESOURCES, "out of memory");
        for (part = strtok_r(copy, ",", &save); part; part = strtok_r(NULL, ",", &save))
                json_array_append_new(options, json_string(part));
        return 0;
}

static int check_target(const char *what, const char *target, struct error *err)
{
        if (!target || target[0] != '/')
                return error_set(err, REASON_INVALID_SPEC, "mount '%s': the target is not an absolute path", what);
        return 0;
}

/* SOURCE:TARGET[:OPTIONS] */
static int add_volume(json_t *mounts, const char *text, struct error *err)
{
        _cleanup_(freep) char *copy = strdup(text);
        _cleanup_(json_decrefp) json_t *options = json_pack("[s]", "rbind");
        char real[PATH_MAX], *target, *more = NULL;

        if (!copy || !options)
                return error_set(err, REASON_NO_RESOURCES, "out of memory");
        target = strchr(copy, ':');
        if (target)
                *target++ = '\0';
        more = target ? strchr(target, ':') : NULL;
        if (more)
                *more++ = '\0';
        if (!target)
                return error_set(err, REASON_INVALID_SPEC, "volume '%s' is not of the form SOURCE:TARGET[:OPTIONS]",
                                 text);
        if (check_target(text, target, err) < 0)
                return -1;
        if (!realpath(copy, real))
                return error_set_errno(err, REASON_INVALID_SPEC, errno, "volume '%s': its source", text);
        if (add_options(options, more ? more : "rw", err) < 0)
                return -1;
        if (!more || (!strstr(more, "private") && !strstr(more, "shared") && !strstr(more, "slave")))
                json_array_append_new(options, json_string("rprivate"));
        json_array_append_new(mounts, mount_object(target, "bind", real, TAKE(options)));
        return 0;
}

/* type=T,source=S,target=D[,OPTION...] */
static int add_mount(json_t *mounts, const char *text, struct error *err)
{
        _cleanup_(freep) char *copy = strdup(text);
        _cleanup_(json_decrefp) json_t *options = json_array();
        const char *type = "bind", *source = NULL, *target = NULL;
        char real[PATH_MAX], *save, *part;

        if (!copy || !options)
                return error_set(err, REASON_NO_RESOURCES, "out of memory");
        for (part = strtok_r(copy, ",", &save); part; part = strtok_r(NULL, ",", &save)) {
                if (strncmp(part, "type=", 5) == 0)
                        type = part + 5;
                else if (strncmp(part, "source=", 7) == 0 || strncmp(part, "src=", 4) == 0)
                        source = strchr(part, '=') + 1;
                else if (strncmp(part, "target=", 7) == 0 || strncmp(part, "dst=", 4) == 0 ||
                         strncmp(part, "destination=", 12) == 0)
                        target = strchr(part, '=') + 1;
                else
                        json_array_append_new(options, json_string(strcmp(part, "readonly") == 0 ? "ro" : part));
        }
        if (check_target(text, target, err) < 0)
                return -1;
        if (strcmp(type, "bind") == 0) {
                if (!source || !realpath(source, real))
                        return error_set_errno(err, REASON_INVALID_SPEC, source ? errno : EINVAL,
                                               "mount '%s': its source", text);
                source = real;
                json_array_append_new(options, json_string("rbind"));
        }
        json_array_append_new(mounts, mount_object(target, type, source ? source : type, TAKE(options)));
        return 0;
}

json_t *spec_mounts(const struct spec_params *p, struct error *err)
{
        _cleanup_(json_decrefp) json_t *mounts = json_array();

        for (size_t i = 0; i < ARRAY_SIZE(default_mounts); i++)
                add_default(mounts, &default_mounts[i]);
        if (p->cgroup_mount)
                add_default(mounts, &cgroup_mount);
        for (const char *const *v = p->volumes; v && *v; v++) {
                if (add_volume(mounts, *v, err) < 0)
                        return NULL;
        }
        for (const char *const *m = p->mounts; m && *m; m++) {
                if (add_mount(mounts, *m, err) < 0)
                        return NULL;
        }
        return TAKE(mounts);
}
