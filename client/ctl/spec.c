/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include "client/ctl/spec_internal.h"

static const char *const masked_paths[] = {
        "/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
        "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap", NULL,
};
static const char *const readonly_paths[] = {"/proc/bus",           "/proc/fs", "/proc/irq", "/proc/sys",
                                             "/proc/sysrq-trigger", NULL};

static char *dump(json_t *json, struct error *err)
{
        char *text = json ? json_dumps(json, JSON_INDENT(2)) : NULL;

        if (!text)
                error_set(err, REASON_NO_RESOURCES, "out of memory");
        return text;
}

json_t *spec_resources_object(const struct spec_limits *limits, struct error *err)
{
        json_t *resources = json_object(), *memory = json_object(), *cpu = json_object();

        if (limits->memory >= 0)
                json_object_set_new(memory, "limit", json_integer(limits->memory));
        if (limits->swap >= 0)
                json_object_set_new(memory, "swap", json_integer(limits->swap));
        if (limits->cpus >= 0) {
                json_object_set_new(cpu, "period", json_integer(100000));
                json_object_set_new(cpu, "quota", json_integer(limits->cpus * 100));
        }
        if (limits->cpu_shares >= 0)
                json_object_set_new(cpu, "shares", json_integer(limits->cpu_shares));
        if (json_object_size(memory) > 0)
                json_object_set(resources, "memory", memory);
        if (json_object_size(cpu) > 0)
                json_object_set(resources, "cpu", cpu);
        if (limits->pids >= 0)
                json_object_set_new(resources, "pids", json_pack("{s:I}", "limit", (json_int_t)limits->pids));
        json_decref(memory);
        json_decref(cpu);
        if (!resources)
                error_set(err, REASON_NO_RESOURCES, "out of memory");
        return resources;
}

static json_t *annotations_object(const char *const *given, struct error *err)
{
        _cleanup_(json_decrefp) json_t *annotations = json_object();

        for (; given && *given; given++) {
                const char *equals = strchr(*given, '=');
                char key[256];

                if (!equals || equals == *given || (size_t)(equals - *given) >= sizeof(key)) {
                        error_set(err, REASON_INVALID_SPEC, "annotation '%s' is not of the form KEY=VALUE", *given);
                        return NULL;
                }
                snprintf(key, sizeof(key), "%.*s", (int)(equals - *given), *given);
                json_object_set_new(annotations, key, json_string(equals + 1));
        }
        return TAKE(annotations);
}

static json_t *linux_object(const struct spec_params *p, json_t *resources)
{
        json_t *namespaces =
                json_pack("[{s:s}, {s:s}, {s:s}, {s:s}]", "type", "pid", "type", "ipc", "type", "uts", "type", "mount");
        json_t *devices = json_pack("[{s:b, s:s}]", "allow", 0, "access", "rwm"); /* the runtime adds the usual ones */
        char cgroup[3 * LIMIT_ID];

        if (!p->host_net)
                json_array_append_new(namespaces, json_pack("{s:s}", "type", "network"));
        json_object_set_new(resources, "devices", devices);
        snprintf(cgroup, sizeof(cgroup), "/sandboxd/%s/%s", p->ns && *p->ns ? p->ns : "default", p->id);
        return json_pack("{s:s, s:o, s:o, s:o, s:o}", "cgroupsPath", cgroup, "namespaces", namespaces, "resources",
                         resources, "maskedPaths", spec_strings(masked_paths), "readonlyPaths",
                         spec_strings(readonly_paths));
}

char *spec_config(const struct spec_params *p, struct error *err)
{
        _cleanup_(json_decrefp) json_t *process = spec_process_object(&p->process, p->rootfs, err);
        _cleanup_(json_decrefp) json_t *mounts = process ? spec_mounts(p, err) : NULL;
        _cleanup_(json_decrefp) json_t *annotations = mounts ? annotations_object(p->annotations, err) : NULL;
        _cleanup_(json_decrefp) json_t *resources = annotations ? spec_resources_object(&p->limits, err) : NULL;
        _cleanup_(json_decrefp) json_t *config = NULL;

        if (!resources)
                return NULL;
        config = json_pack("{s:s, s:O, s:{s:s, s:b}, s:s, s:O, s:O, s:o}", "ociVersion", "1.0.2", "process", process,
                           "root", "path", p->rootfs, "readonly", p->readonly, "hostname",
                           p->hostname ? p->hostname : p->id, "mounts", mounts, "annotations", annotations, "linux",
                           linux_object(p, TAKE(resources)));
        return dump(config, err);
}

static json_t *load(const char *text, const char *what, struct error *err)
{
        json_error_t where;
        json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, &where);

        if (json && json_is_object(json))
                return json;
        if (json)
                error_set(err, REASON_INVALID_SPEC, "%s is not a JSON object", what);
        else
                error_set(err, REASON_INVALID_SPEC, "%s is not JSON: line %d, column %d: %s", what, where.line,
                          where.column, where.text);
        json_decref(json);
        return NULL;
}

int spec_check(const char *text, const char *what, struct error *err)
{
        _cleanup_(json_decrefp) json_t *json = load(text, what, err);

        return json ? 0 : -1;
}

char *spec_rootfs(const char *config)
{
        struct error err = ERROR_NULL;
        _cleanup_(json_decrefp) json_t *json = load(config, "config.json", &err);
        const char *path = json_string_value(json_object_get(json_object_get(json, "root"), "path"));

        return path ? strdup(path) : NULL;
}

char *spec_exec(const char *config_text, const char *rootfs, const struct spec_process *p, struct error *err)
{
        _cleanup_(json_decrefp) json_t *config = NULL, *process = NULL;

        if (config_text && !(config = load(config_text, "config.json", err)))
                return NULL;
        process = json_deep_copy(json_object_get(config, "process"));
        if (!process)
                process = spec_process_object(p, rootfs, err);
        else if (spec_process_apply(process, p, rootfs, err) < 0)
                return NULL;
        return process ? dump(process, err) : NULL;
}

char *spec_resources(const struct spec_limits *limits, struct error *err)
{
        _cleanup_(json_decrefp) json_t *resources = spec_resources_object(limits, err);

        return resources ? dump(resources, err) : NULL;
}
