/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the configuration file into struct config. Plain settings are rows of a table, which has their defaults too. */

#include "daemon/config.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/fd.h"
#include "daemon/metrics.h"
#include "proto/toml.h"
#include "proto/codec.h"

#define SOCKET_MAX 107 /* bytes of a unix socket's path */

enum setting_kind { TEXT, PATH, NUMBER, SECONDS, FLAG };

static const struct setting {
        const char *table, *key;
        enum setting_kind kind;
        size_t offset; /* const char *, uint64_t, or bool */
        const char *text;
        uint64_t number, min, max; /* SECONDS: in seconds; FLAG: the number is 0 or 1 */
} settings[] = {
#define S(t, k, kd, m, ...) { .table = t, .key = k, .kind = kd, .offset = offsetof(struct config, m), __VA_ARGS__ }
        S("daemon", "root", PATH, root, .text = "/run/sandboxd"),
        S("daemon", "log_file", PATH, log_file, .text = ""),
        S("daemon", "default_runtime", TEXT, default_runtime, .text = ""),
        S("daemon", "limits", TEXT, limits, .text = "error"),
        S("daemon", "max_commands", NUMBER, max_commands, .number = 16, .min = 1, .max = 1024),
        S("daemon", "max_urgent_commands", NUMBER, max_urgent_commands, .number = 16, .min = 1, .max = 1024),
        S("daemon", "command_timeout", SECONDS, command_timeout_ns, .number = 120, .min = 1, .max = 86400),
        S("daemon", "kill_timeout", SECONDS, kill_timeout_ns, .number = 10, .min = 1, .max = 3600),
        S("daemon", "stop_timeout", SECONDS, stop_timeout_ns, .number = 5, .min = 1, .max = 3600),
        S("access", "group", TEXT, group, .text = "sandboxd"),
        S("quota", "connections", NUMBER, connections, .number = 1024, .min = 1, .max = 65536),
        S("quota", "requests", NUMBER, requests, .number = 1024, .min = 1, .max = 65536),
        S("quota", "bytes", NUMBER, bytes, .number = 64 << 20, .min = LIMIT_MESSAGE, .max = UINT64_C(1) << 40),
        S("quota", "total_requests", NUMBER, total_requests, .number = 2048, .min = 1, .max = 65536),
        S("quota", "answers", NUMBER, answers, .number = 4096, .min = 16, .max = 1 << 20),
        S("front", "group", TEXT, front_group, .text = "host"),
        S("events", "max_bytes", NUMBER, events_max_bytes, .number = 16 << 20, .min = 65536, .max = UINT64_C(1) << 40),
        S("events", "segment_bytes", NUMBER, events_segment_bytes, .number = 1 << 20, .min = 16384,
          .max = UINT64_C(1) << 30),
        S("metrics", "listen", TEXT, metrics_listen, .text = ""),
        S("pressure", "host", FLAG, pressure_host, .number = 1),
        S("pressure", "some", NUMBER, pressure_some_ms, .number = 300, .max = 10000),
        S("pressure", "full", NUMBER, pressure_full_ms, .number = 100, .max = 10000),
        S("pressure", "window", NUMBER, pressure_window_ms, .number = 2000, .min = 500, .max = 10000),
        S("pressure", "calm", SECONDS, pressure_calm_ns, .number = 10, .min = 1, .max = 3600),
#undef S
};

static int no_memory(struct error *err)
{
        return error_set(err, REASON_NO_RESOURCES, "no memory for the configuration");
}

/* "" or an absolute path in the usual form. */
static bool path_valid(const char *path)
{
        size_t n = strlen(path);

        return n == 0 || (path[0] == '/' && n <= LIMIT_PATH && (n == 1 || path[n - 1] != '/'));
}

static void *setting_of(struct config *c, const struct setting *s)
{
        return (char *)c + s->offset;
}

static void setting_default(struct config *c, const struct setting *s)
{
        if (s->kind == TEXT || s->kind == PATH)
                *(const char **)setting_of(c, s) = s->text;
        else if (s->kind == FLAG)
                *(bool *)setting_of(c, s) = s->number != 0;
        else
                *(uint64_t *)setting_of(c, s) = s->number * (s->kind == SECONDS ? NSEC_PER_SEC : 1);
}

static int setting_read(struct config *c, const struct setting *s, struct toml_table *table, struct error *err)
{
        const char **text = setting_of(c, s);
        uint64_t *number = setting_of(c, s);
        const char *value;
        int r;

        if (s->kind == FLAG)
                return toml_get_bool(table, s->key, setting_of(c, s), err) < 0 ? -1 : 0;
        if (s->kind == NUMBER || s->kind == SECONDS) {
                r = toml_get_u64(table, s->key, s->min, s->max, number, err);
                if (r > 0 && s->kind == SECONDS)
                        *number *= NSEC_PER_SEC;
                return r < 0 ? -1 : 0;
        }
        r = toml_get_string(table, s->key, &value, err);
        if (r <= 0)
                return r;
        if (s->kind == PATH && (!path_valid(value) || (!*value && *s->text)))
                return toml_fail(table, s->key, err,
                                 "\"%s\" must be an absolute path without a '/' at its end, not \"%s\"", s->key, value);
        *text = arena_strdup(c->arena, value);
        return *text ? 0 : no_memory(err);
}

/* --- what is no plain setting --- */
static int socket_check(const char *path, struct error *err)
{
        if (!*path || !path_valid(path) || strlen(path) > SOCKET_MAX)
                return error_set(err, REASON_INVALID_ARGUMENT,
                                 "the socket must be an absolute path of at most %d bytes, not \"%s\"", SOCKET_MAX,
                                 path);
        return 0;
}

static int read_daemon(struct config *c, struct toml_table *table, struct error *err)
{
        struct error why = ERROR_NULL;
        const char *value;
        int r;

        r = toml_get_string(table, "socket", &value, err);
        if (r < 0)
                return -1;
        if (r > 0) {
                if (socket_check(value, &why) < 0)
                        return toml_fail(table, "socket", err, "%s", why.message);
                c->socket = arena_strdup(c->arena, value);
                if (!c->socket)
                        return no_memory(err);
                c->socket_set = true;
        }
        r = toml_get_string(table, "log_level", &value, err);
        if (r > 0 && log_level_parse(value, &c->log_level) < 0)
                return toml_fail(table, "log_level", err,
                                 "\"log_level\" must be error, warn, info or debug, not \"%s\"", value);
        return r < 0 ? -1 : 0;
}

static int read_access(struct config *c, struct toml_table *table, struct error *err)
{
        struct toml_integers list = { 0 };
        uid_t *uids;

        if (toml_get_integers(table, "uids", &list, err) < 0)
                return -1;
        uids = arena_alloc(c->arena, list.n * sizeof(*uids));
        if (!uids)
                return no_memory(err);
        for (size_t i = 0; i < list.n; i++) {
                if (list.items[i] < 0 || list.items[i] >= UINT32_MAX)
                        return toml_fail(table, "uids", err, "\"uids\" must be user ids from 0 to 4294967294, not %lld",
                                         (long long)list.items[i]);
                uids[i] = (uid_t)list.items[i];
        }
        c->uids = uids;
        c->n_uids = list.n;
        return 0;
}

/* A threshold cannot be longer than the window in which it is to be reached. */
static int read_pressure(struct config *c, struct toml_table *table, struct error *err)
{
        struct strs list = { 0 };
        const char *longer = c->pressure_some_ms > c->pressure_window_ms ? "some" : "full";

        if (c->pressure_some_ms > c->pressure_window_ms || c->pressure_full_ms > c->pressure_window_ms)
                return toml_fail(table, longer, err, "\"%s\" must be at most \"window\" (%llu)", longer,
                                 (unsigned long long)c->pressure_window_ms);
        if (c->pressure_calm_ns <= c->pressure_window_ms * NSEC_PER_MSEC)
                return toml_fail(table, "calm", err, "\"calm\" must be longer than \"window\" (%llu ms)",
                                 (unsigned long long)c->pressure_window_ms);
        if (toml_get_strings(table, "cgroups", &list, err) < 0)
                return -1;
        c->pressure_cgroups.items = arena_alloc(c->arena, list.n * sizeof(*list.items));
        if (!c->pressure_cgroups.items)
                return no_memory(err);
        for (size_t i = 0; i < list.n; i++) {
                if (!list.items[i][0] || !list.items[i][1] || !path_valid(list.items[i]) ||
                    strstr(list.items[i], "/.."))
                        return toml_fail(table, "cgroups", err,
                                         "each of \"cgroups\" must be a path below the cgroup v2 tree, such as "
                                         "\"/kubepods.slice\", not \"%s\"",
                                         list.items[i]);
                c->pressure_cgroups.items[i] = arena_strdup(c->arena, list.items[i]);
                if (!c->pressure_cgroups.items[i])
                        return no_memory(err);
                c->pressure_cgroups.n++;
        }
        return 0;
}

static struct config_runtime *runtime_add(struct config *c, const char *name)
{
        struct config_runtime *rt = arena_alloc(c->arena, sizeof(*rt)), **last;

        if (!rt)
                return NULL;
        rt->name = rt->path = arena_strdup(c->arena, name);
        rt->type = strcmp(name, "runsc") == 0 ? "runsc" : "oci";
        rt->root = "";
        if (!rt->name)
                return NULL;
        for (last = &c->runtimes; *last; last = &(*last)->next)
                ;
        *last = rt;
        return rt;
}

static int read_runtime_options(struct config *c, struct config_runtime *rt, struct toml_table *table,
                                struct error *err)
{
        struct strs list;
        int r = toml_get_strings(table, "options", &list, err);

        if (r <= 0)
                return r;
        rt->options.n = list.n;
        rt->options.items = arena_alloc(c->arena, list.n * sizeof(*list.items));
        if (!rt->options.items)
                return no_memory(err);
        for (size_t i = 0; i < list.n; i++) {
                if (list.items[i][0] != '-')
                        return toml_fail(table, "options", err,
                                         "each of \"options\" must begin with '-', as --flag=value; \"%s\" does not",
                                         list.items[i]);
                rt->options.items[i] = arena_strdup(c->arena, list.items[i]);
                if (!rt->options.items[i])
                        return no_memory(err);
        }
        return 0;
}

static int read_runtime(struct config *c, struct toml_table *table, struct error *err)
{
        struct config_runtime *rt = config_find_runtime(c, toml_table_name(table));
        struct error why = ERROR_NULL;
        const char *value;
        int r;

        if (id_check(toml_table_name(table), "name of a runtime", &why) < 0)
                return toml_fail(table, NULL, err, "%s", why.message);
        if (!rt)
                rt = runtime_add(c, toml_table_name(table));
        if (!rt)
                return no_memory(err);
        r = toml_get_string(table, "type", &value, err);
        if (r > 0) {
                if (strcmp(value, "oci") != 0 && strcmp(value, "runsc") != 0)
                        return toml_fail(table, "type", err, "\"type\" must be oci or runsc, not \"%s\"", value);
                rt->type = strcmp(value, "oci") == 0 ? "oci" : "runsc";
        }
        if (r >= 0)
                r = toml_get_string(table, "path", &value, err);
        if (r > 0) {
                if (!*value || (strchr(value, '/') && !path_valid(value)))
                        return toml_fail(table, "path", err,
                                         "\"path\" must be an absolute path, or a name without '/', not \"%s\"", value);
                rt->path = arena_strdup(c->arena, value);
        }
        if (r >= 0)
                r = toml_get_string(table, "root", &value, err);
        if (r > 0) {
                if (!path_valid(value))
                        return toml_fail(table, "root", err, "\"root\" must be empty or an absolute path, not \"%s\"",
                                         value);
                rt->root = arena_strdup(c->arena, value);
                rt->root_set = *value != '\0';
        }
        if (r < 0)
                return -1;
        if (!rt->path || !rt->root)
                return no_memory(err);
        return read_runtime_options(c, rt, table, err);
}

static int read_file(struct config *c, struct toml *file, struct error *err)
{
        struct toml_table *root = toml_root(file), *runtimes = toml_find_table(root, "runtimes"), *daemon;
        struct error why = ERROR_NULL;

        for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
                if (setting_read(c, &settings[i], toml_find_table(root, settings[i].table), err) < 0)
                        return -1;
        daemon = toml_find_table(root, "daemon");
        if (read_daemon(c, daemon, err) < 0 || read_access(c, toml_find_table(root, "access"), err) < 0 ||
            read_pressure(c, toml_find_table(root, "pressure"), err) < 0)
                return -1;
        for (struct toml_table *t = NULL; runtimes && (t = toml_next_table(runtimes, t));)
                if (read_runtime(c, t, err) < 0)
                        return -1;
        if (toml_check_unused(file, err) < 0)
                return -1;
        if (*c->metrics_listen && metrics_check_listen(c->metrics_listen, &why) < 0)
                return toml_fail(toml_find_table(root, "metrics"), "listen", err, "%s", why.message);
        if (*c->default_runtime && !config_find_runtime(c, c->default_runtime))
                return toml_fail(daemon, "default_runtime", err, "there is no runtime \"%s\": add [runtimes.%s]",
                                 c->default_runtime, c->default_runtime);
        if (strcmp(c->limits, "error") != 0 && strcmp(c->limits, "warning") != 0)
                return toml_fail(daemon, "limits", err, "\"limits\" must be \"error\" or \"warning\", not \"%s\"",
                                 c->limits);
        if (strcmp(c->front_group, "host") != 0 && strcmp(c->front_group, "pod") != 0 &&
            strcmp(c->front_group, "container") != 0)
                return toml_fail(toml_find_table(root, "front"), "group", err,
                                 "\"group\" must be \"host\", \"pod\" or \"container\", not \"%s\"", c->front_group);
        if (c->events_segment_bytes > c->events_max_bytes / 2)
                return toml_fail(toml_find_table(root, "events"), NULL, err,
                                 "\"segment_bytes\" must be at most half of \"max_bytes\" in [events]");
        return 0;
}

/* What follows from other settings. */
static int settle(struct config *c, struct error *err)
{
        if (!c->socket_set) {
                c->socket = arena_printf(c->arena, "%s/sandboxd.sock", c->root);
                if (!c->socket)
                        return no_memory(err);
                if (socket_check(c->socket, err) < 0)
                        return -1;
        }
        for (struct config_runtime *rt = c->runtimes; rt; rt = rt->next) {
                if (!rt->root_set)
                        rt->root = arena_printf(c->arena, "%s/runtime/%s", c->root, rt->name);
                if (!rt->root)
                        return no_memory(err);
        }
        return 0;
}

static int config_new(struct config **ret, struct error *err)
{
        static const char *const known[] = { "runc", "crun", "runsc" };
        _cleanup_(config_freep) struct config *c = calloc(1, sizeof(*c));

        if (!c)
                return no_memory(err);
        c->arena = arena_new();
        if (!c->arena)
                return no_memory(err);
        for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
                setting_default(c, &settings[i]);
        c->file = "";
        c->log_level = LOG_LEVEL_INFO;
        for (size_t i = 0; i < ARRAY_SIZE(known); i++)
                if (!runtime_add(c, known[i]))
                        return no_memory(err);
        *ret = TAKE(c);
        return 0;
}

int config_load(const char *path, struct config **ret, struct error *err)
{
        _cleanup_(config_freep) struct config *c = NULL;
        _cleanup_(toml_freep) struct toml *file = NULL;
        _cleanup_(freep) char *text = NULL;
        const char *name = path ? path : CONFIG_PATH;
        size_t len = 0;
        int r;

        if (config_new(&c, err) < 0)
                return -1;
        r = fd_read_file(AT_FDCWD, name, TOML_MAX, &text, &len);
        if (r < 0 && (path || r != -ENOENT))
                return error_set_errno(err, REASON_INVALID_ARGUMENT, r, "cannot read the configuration %s", name);
        if (r == 0) {
                c->file = arena_strdup(c->arena, name);
                if (!c->file)
                        return no_memory(err);
                if (toml_parse(&file, name, text, len, err) < 0 || read_file(c, file, err) < 0)
                        return -1;
        }
        if (settle(c, err) < 0)
                return -1;
        *ret = TAKE(c);
        return 0;
}

struct config *config_free(struct config *c)
{
        if (!c)
                return NULL;
        arena_free(c->arena);
        free(c);
        return NULL;
}

int config_override(struct config *c, const char *root, const char *socket, const char *log_level, struct error *err)
{
        if (log_level && log_level_parse(log_level, &c->log_level) < 0)
                return error_set(err, REASON_INVALID_ARGUMENT,
                                 "the log level must be error, warn, info or debug, not \"%s\"", log_level);
        if (root) {
                if (!*root || !path_valid(root))
                        return error_set(err, REASON_INVALID_ARGUMENT,
                                         "the root must be an absolute path without a '/' at its end, not \"%s\"",
                                         root);
                c->root = arena_strdup(c->arena, root);
        }
        if (socket) {
                if (socket_check(socket, err) < 0)
                        return -1;
                c->socket = arena_strdup(c->arena, socket);
                c->socket_set = true;
        }
        if (!c->root || !c->socket)
                return no_memory(err);
        return settle(c, err);
}

/* --- runtimes --- */
struct config_runtime *config_find_runtime(const struct config *c, const char *name)
{
        for (struct config_runtime *rt = c->runtimes; rt; rt = rt->next)
                if (strcmp(rt->name, name) == 0)
                        return rt;
        return NULL;
}

static bool is_executable(const char *path)
{
        struct stat st;

        return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

char *config_find_binary(struct arena *a, const char *path)
{
        const char *dir = CONFIG_BINARY_PATH;

        if (strchr(path, '/'))
                return path[0] == '/' && is_executable(path) ? arena_strdup(a, path) : NULL;
        while (*path && *dir) {
                size_t n = strcspn(dir, ":");
                char *candidate = arena_printf(a, "%.*s/%s", (int)n, dir, path);

                if (!candidate || is_executable(candidate))
                        return candidate;
                dir += n + (dir[n] == ':');
        }
        return NULL;
}

struct config_runtime *config_default_runtime(const struct config *c)
{
        _cleanup_(arena_freep) struct arena *scratch = arena_new();

        if (*c->default_runtime)
                return config_find_runtime(c, c->default_runtime);
        for (struct config_runtime *rt = c->runtimes; scratch && rt; rt = rt->next)
                if (config_find_binary(scratch, rt->path))
                        return rt;
        return NULL;
}
