/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What we read of an OCI config.json, a process object and a resources object. The runtime is the judge of a spec:
 * members that we do not use are not looked at, and null is as good as absent, as in the runtimes. What we do use has
 * to have its type, since a limit that we misread is one that we cannot verify.
 */

#include "daemon/spec.h"

#include <inttypes.h>
#include <string.h>
#include "daemon/spec_json.h"

/* 0: not asked for; negative: unlimited. */
static int64_t limit_value(json_int_t value, bool *ret_has)
{
        *ret_has = value != 0;
        return value < 0 ? -1 : value;
}

static int get_limit(const struct spec_node *object, const char *name, bool *ret_has, int64_t *ret, struct error *err)
{
        json_int_t value = 0;

        if (spec_get_int(object, name, INT64_MIN, INT64_MAX, &value, err) < 0)
                return -1;
        *ret = limit_value(value, ret_has);
        return 0;
}

static int read_memory(const struct spec_node *memory, struct spec_limits *ret, struct error *err)
{
        if (get_limit(memory, "limit", &ret->has_memory, &ret->memory, err) < 0 ||
            get_limit(memory, "swap", &ret->has_swap, &ret->swap, err) < 0 ||
            get_limit(memory, "reservation", &ret->has_memory_reservation, &ret->memory_reservation, err) < 0)
                return -1;
        return 0;
}

static int read_cpu(const struct spec_node *cpu, struct arena *a, struct spec_limits *ret, struct error *err)
{
        json_int_t shares = 0, period = 0;

        if (spec_get_int(cpu, "shares", 0, INT64_MAX, &shares, err) < 0 ||
            spec_get_int(cpu, "period", 0, INT64_MAX, &period, err) < 0 ||
            get_limit(cpu, "quota", &ret->has_cpu_quota, &ret->cpu_quota, err) < 0 ||
            spec_get_str(cpu, "cpus", a, &ret->cpuset_cpus, err) < 0 ||
            spec_get_str(cpu, "mems", a, &ret->cpuset_mems, err) < 0)
                return -1;
        ret->has_cpu_shares = shares != 0;
        ret->cpu_shares = (uint64_t)shares;
        ret->cpu_period = (uint64_t)period;
        return 0;
}

static const struct {
        const char *list, *value;
        enum spec_io kind;
} io_lists[] = {
        { "throttleReadBpsDevice", "rate", IO_READ_BPS },     { "throttleWriteBpsDevice", "rate", IO_WRITE_BPS },
        { "throttleReadIOPSDevice", "rate", IO_READ_IOPS },   { "throttleWriteIOPSDevice", "rate", IO_WRITE_IOPS },
        { "weightDevice", "weight", IO_WEIGHT },
};

static int read_io_device(const struct spec_node *device, const char *value, struct spec_io_limit *ret,
                          struct error *err)
{
        json_int_t major = 0, minor = 0;

        if (spec_is_object(device, err) < 0 || spec_get_int(device, "major", 0, UINT32_MAX, &major, err) < 0 ||
            spec_get_int(device, "minor", 0, UINT32_MAX, &minor, err) < 0 ||
            spec_get_u64(device, value, &ret->value, err) < 0)
                return -1;
        ret->major = (uint64_t)major;
        ret->minor = (uint64_t)minor;
        return 0;
}

static int read_io(const struct spec_node *io, struct arena *a, struct spec_limits *ret, struct error *err)
{
        struct spec_node lists[ARRAY_SIZE(io_lists)];
        struct spec_io_limit *items;
        json_int_t weight = 0;
        size_t n = 0;

        if (spec_get_int(io, "weight", 0, UINT16_MAX, &weight, err) < 0)
                return -1;
        ret->io_weight = (uint64_t)weight;
        for (size_t k = 0; k < ARRAY_SIZE(io_lists); k++) {
                if (spec_get_array(io, io_lists[k].list, &lists[k], err) < 0)
                        return -1;
                n += json_array_size(lists[k].value);
        }
        items = arena_alloc(a, n * sizeof(*items));
        if (!items)
                return spec_no_memory(err);
        for (size_t k = 0; k < ARRAY_SIZE(io_lists); k++) {
                for (size_t i = 0; i < json_array_size(lists[k].value); i++) {
                        struct spec_node device = spec_entry(&lists[k], i);
                        struct spec_io_limit *limit = &items[ret->n_io];

                        limit->kind = io_lists[k].kind;
                        if (read_io_device(&device, io_lists[k].value, limit, err) < 0)
                                return -1;
                        ret->n_io += limit->value != 0; /* 0: none was asked for */
                }
        }
        ret->io = items;
        return 0;
}

static int read_resources(const struct spec_node *resources, struct arena *a, struct spec_limits *ret,
                          struct error *err)
{
        struct spec_node memory, cpu, pids, io;

        *ret = (struct spec_limits){ .cpuset_cpus = "", .cpuset_mems = "" };
        if (spec_get_object(resources, "memory", &memory, err) < 0 || read_memory(&memory, ret, err) < 0 ||
            spec_get_object(resources, "cpu", &cpu, err) < 0 || read_cpu(&cpu, a, ret, err) < 0 ||
            spec_get_object(resources, "pids", &pids, err) < 0 ||
            get_limit(&pids, "limit", &ret->has_pids, &ret->pids, err) < 0 ||
            spec_get_object(resources, "blockIO", &io, err) < 0 || read_io(&io, a, ret, err) < 0)
                return -1;
        return 0;
}

/* Short: of the devices that a container may use nothing is told. What is beyond a record's limit is left out. */
static int write_limits(const struct spec_node *resources, struct arena *a, const char **ret, struct error *err)
{
        static const char *const members[] = { "memory", "cpu", "pids", "blockIO" };
        _cleanup_(json_decrefp) json_t *own = json_object();
        _cleanup_(freep) char *text = NULL;

        for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
                json_t *member = json_object_get(resources->value, members[i]);

                if (json_object_size(member) && json_object_set(own, members[i], member) < 0)
                        return spec_no_memory(err);
        }
        if (json_object_size(own) && !(text = json_dumps(own, JSON_COMPACT)))
                return spec_no_memory(err);
        *ret = arena_strdup(a, text && strlen(text) <= LIMIT_OPTION ? text : "");
        return *ret ? 0 : spec_no_memory(err);
}

static int read_annotations(const struct spec_node *annotations, struct arena *a, struct list_kv *ret,
                            struct error *err)
{
        size_t n = json_object_size(annotations->value), i = 0;
        const char *key;
        json_t *value;

        *ret = (struct list_kv){ 0 };
        if (n == 0)
                return 0;
        ret->items = arena_alloc(a, n * sizeof(*ret->items));
        if (!ret->items)
                return spec_no_memory(err);
        json_object_foreach(annotations->value, key, value)
        {
                struct spec_node entry = { .parent = annotations, .name = key, .value = value };

                ret->items[i].key = arena_strdup(a, key);
                if (!ret->items[i].key)
                        return spec_no_memory(err);
                if (spec_str(&entry, a, &ret->items[i].value, err) < 0)
                        return -1;
                i++;
        }
        ret->n = n;
        return 0;
}

static int read_namespace(const struct spec_node *entry, struct arena *a, struct spec *ret, struct error *err)
{
        const char *type, *path;

        if (!json_is_object(entry->value))
                return spec_wrong_type(entry, "an object", err);
        if (spec_get_str(entry, "type", a, &type, err) < 0 || spec_get_str(entry, "path", a, &path, err) < 0)
                return -1;
        if (!*type)
                return spec_missing(entry, "type", "the kind of namespace, such as \"pid\"", err);
        if (strcmp(type, "pid") == 0)
                ret->private_pid_ns = !*path;
        if (strcmp(type, "network") == 0) {
                ret->has_netns = true;
                ret->netns_path = path;
        }
        return 0;
}

static int read_linux(const struct spec_node *root, struct arena *a, struct spec *ret, struct error *err)
{
        struct spec_node node, namespaces, resources;

        if (spec_get_object(root, "linux", &node, err) < 0 ||
            spec_get_str(&node, "cgroupsPath", a, &ret->cgroups_path, err) < 0 ||
            spec_get_array(&node, "namespaces", &namespaces, err) < 0 ||
            spec_get_object(&node, "resources", &resources, err) < 0)
                return -1;
        for (size_t i = 0; i < json_array_size(namespaces.value); i++) {
                struct spec_node entry = spec_entry(&namespaces, i);

                if (read_namespace(&entry, a, ret, err) < 0)
                        return -1;
        }
        if (read_resources(&resources, a, &ret->limits, err) < 0)
                return -1;
        return write_limits(&resources, a, &ret->limits_text, err);
}

static int read_args(const struct spec_node *process, struct arena *a, struct strs *ret, struct error *err)
{
        struct spec_node args;
        size_t n;

        if (spec_get_array(process, "args", &args, err) < 0)
                return -1;
        n = json_array_size(args.value);
        if (n == 0)
                return spec_missing(process, "args", "the command to run, with at least one entry", err);
        ret->items = arena_alloc(a, n * sizeof(*ret->items));
        if (!ret->items)
                return spec_no_memory(err);
        for (size_t i = 0; i < n; i++) {
                struct spec_node entry = spec_entry(&args, i);

                if (spec_str(&entry, a, &ret->items[i], err) < 0)
                        return -1;
        }
        ret->n = n;
        return 0;
}

static int read_process(const struct spec_node *process, struct arena *a, struct spec_process *ret, struct error *err)
{
        json_int_t uid = 0, gid = 0;
        struct spec_node user;

        if (spec_get_bool(process, "terminal", &ret->terminal, err) < 0 ||
            spec_get_object(process, "user", &user, err) < 0 ||
            spec_get_int(&user, "uid", 0, UINT32_MAX, &uid, err) < 0 ||
            spec_get_int(&user, "gid", 0, UINT32_MAX, &gid, err) < 0)
                return -1;
        ret->uid = (uint32_t)uid;
        ret->gid = (uint32_t)gid;
        return read_args(process, a, &ret->args, err);
}

static int read_root(const struct spec_node *config, struct arena *a, struct spec *ret, struct error *err)
{
        struct spec_node root;

        if (spec_get_object(config, "root", &root, err) < 0 ||
            spec_get_str(&root, "path", a, &ret->root_path, err) < 0 ||
            spec_get_bool(&root, "readonly", &ret->root_readonly, err) < 0)
                return -1;
        if (!*ret->root_path)
                return spec_missing(&root, "path", "the root filesystem's directory", err);
        return 0;
}

int spec_parse(const char *text, size_t len, struct arena *a, struct spec **ret, struct error *err)
{
        _cleanup_(json_decrefp) json_t *value = spec_load(text, len, REASON_INVALID_SPEC, "config.json", err);
        struct spec_node config = { .name = "config.json", .value = value, .reason = REASON_INVALID_SPEC };
        struct spec_node process, annotations;
        struct spec *spec;

        if (!value)
                return -1;
        spec = arena_alloc(a, sizeof(*spec));
        if (!spec)
                return spec_no_memory(err);
        spec->netns_path = "";
        if (spec_is_object(&config, err) < 0 || spec_get_str(&config, "ociVersion", a, &spec->oci_version, err) < 0)
                return -1;
        if (!*spec->oci_version)
                return spec_missing(&config, "ociVersion", "the version of the specification, such as \"1.0.2\"", err);
        if (read_root(&config, a, spec, err) < 0 || spec_get_object(&config, "process", &process, err) < 0)
                return -1;
        if (process.value) {
                struct spec_process p = { 0 };

                if (read_process(&process, a, &p, err) < 0)
                        return -1;
                spec->terminal = p.terminal;
                spec->uid = p.uid;
                spec->gid = p.gid;
        }
        if (read_linux(&config, a, spec, err) < 0 || spec_get_object(&config, "annotations", &annotations, err) < 0 ||
            read_annotations(&annotations, a, &spec->annotations, err) < 0)
                return -1;
        *ret = spec;
        return 0;
}

const char *spec_annotation(const struct spec *spec, const char *key)
{
        for (size_t i = 0; i < spec->annotations.n; i++)
                if (strcmp(spec->annotations.items[i].key, key) == 0)
                        return spec->annotations.items[i].value;
        return NULL;
}

int spec_process_parse(const char *text, size_t len, struct arena *a, struct spec_process **ret, struct error *err)
{
        _cleanup_(json_decrefp) json_t *value = spec_load(text, len, REASON_INVALID_SPEC, "the process", err);
        struct spec_node root = { .name = "the process", .value = value, .reason = REASON_INVALID_SPEC };
        struct spec_process *process;

        if (!value)
                return -1;
        process = arena_alloc(a, sizeof(*process));
        if (!process)
                return spec_no_memory(err);
        if (spec_is_object(&root, err) < 0 || read_process(&root, a, process, err) < 0)
                return -1;
        *ret = process;
        return 0;
}

int spec_resources_parse(const char *text, size_t len, struct arena *a, struct spec_limits *ret, struct error *err)
{
        _cleanup_(json_decrefp) json_t *value = spec_load(text, len, REASON_INVALID_SPEC, "the resources", err);
        struct spec_node root = { .name = "the resources", .value = value, .reason = REASON_INVALID_SPEC };

        if (!value)
                return -1;
        if (spec_is_object(&root, err) < 0)
                return -1;
        return read_resources(&root, a, ret, err);
}

/* --- terminal ---
 * The text is edited, not written anew: numbers such as an rlimit of 2^64 - 1 would not survive a JSON library, and the
 * runtime has to see what the client wrote. The text is valid JSON here, so the scanner need not check it again.
 */
struct edit {
        const char *text;
        size_t len, at;
};

static void skip_space(struct edit *e)
{
        while (e->at < e->len && strchr(" \t\r\n", e->text[e->at]))
                e->at++;
}

static void skip_string(struct edit *e)
{
        for (e->at++; e->at < e->len && e->text[e->at] != '"'; e->at++)
                if (e->text[e->at] == '\\')
                        e->at++;
        e->at++;
}

/* Moves behind the value that begins at `at`: to the ',' or '}' of the enclosing object, or the space before it. */
static void skip_value(struct edit *e)
{
        size_t depth = 0;

        while (e->at < e->len) {
                char c = e->text[e->at];

                if (c == '"') {
                        skip_string(e);
                        if (depth == 0)
                                return;
                        continue;
                }
                if (depth == 0 && strchr(",} \t\r\n", c))
                        return;
                depth += c == '{' || c == '[';
                depth -= c == '}' || c == ']';
                e->at++;
                if (depth == 0 && (c == '}' || c == ']'))
                        return;
        }
}

/* Finds the value of the member `terminal` of the object in the text, or else the place of the closing brace. */
static bool find_terminal(struct edit *e, size_t *ret_start, size_t *ret_end, bool *ret_empty)
{
        static const char name[] = "\"terminal\"";

        *ret_empty = true;
        skip_space(e);
        e->at++; /* { */
        for (;;) {
                size_t key;
                bool found;

                skip_space(e);
                if (e->at >= e->len || e->text[e->at] == '}')
                        break;
                *ret_empty = false;
                key = e->at;
                skip_string(e);
                found = e->at - key == sizeof(name) - 1 && memcmp(e->text + key, name, sizeof(name) - 1) == 0;
                skip_space(e);
                e->at++; /* : */
                skip_space(e);
                *ret_start = e->at;
                skip_value(e);
                *ret_end = e->at;
                if (found)
                        return true;
                skip_space(e);
                if (e->at < e->len && e->text[e->at] == ',')
                        e->at++;
        }
        *ret_start = *ret_end = e->at;
        return false;
}

int spec_process_with_terminal(const char *text, size_t len, bool terminal, struct arena *a, char **ret,
                               struct error *err)
{
        _cleanup_(json_decrefp) json_t *value = spec_load(text, len, REASON_INVALID_SPEC, "the process", err);
        struct spec_node root = { .name = "the process", .value = value, .reason = REASON_INVALID_SPEC };
        struct edit e = { .text = text, .len = len };
        const char *word = terminal ? "true" : "false";
        size_t start, end;
        bool found, empty;

        if (!value)
                return -1;
        if (spec_is_object(&root, err) < 0)
                return -1;
        found = find_terminal(&e, &start, &end, &empty);
        if (!found && json_object_get(value, "terminal"))
                return error_set(
                        err, REASON_INVALID_SPEC,
                        "the process: the name of the member \"terminal\" is written with escapes: write it plain");
        *ret = arena_printf(a, "%.*s%s%s%.*s", (int)start, text,
                            found   ? ""
                            : empty ? "\"terminal\":"
                                    : ",\"terminal\":",
                            word, (int)(len - end), text + end);
        return *ret ? 0 : spec_no_memory(err);
}
