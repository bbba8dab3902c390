/* SPDX-License-Identifier: Apache-2.0 */
/* The process object: arguments, environment, user, capabilities, limits. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include "client/ctl/spec_internal.h"
#include "client/ctl/units.h"

static const char *const default_caps[] = {
        "CAP_AUDIT_WRITE", "CAP_CHOWN",   "CAP_DAC_OVERRIDE",     "CAP_FOWNER",     "CAP_FSETID",
        "CAP_KILL",        "CAP_MKNOD",   "CAP_NET_BIND_SERVICE", "CAP_NET_RAW",    "CAP_SETFCAP",
        "CAP_SETGID",      "CAP_SETPCAP", "CAP_SETUID",           "CAP_SYS_CHROOT", NULL,
};
static const char *const all_caps[] = {
        "CAP_AUDIT_CONTROL",   "CAP_AUDIT_READ",   "CAP_AUDIT_WRITE",
        "CAP_BLOCK_SUSPEND",   "CAP_BPF",          "CAP_CHECKPOINT_RESTORE",
        "CAP_CHOWN",           "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH",
        "CAP_FOWNER",          "CAP_FSETID",       "CAP_IPC_LOCK",
        "CAP_IPC_OWNER",       "CAP_KILL",         "CAP_LEASE",
        "CAP_LINUX_IMMUTABLE", "CAP_MAC_ADMIN",    "CAP_MAC_OVERRIDE",
        "CAP_MKNOD",           "CAP_NET_ADMIN",    "CAP_NET_BIND_SERVICE",
        "CAP_NET_BROADCAST",   "CAP_NET_RAW",      "CAP_PERFMON",
        "CAP_SETFCAP",         "CAP_SETGID",       "CAP_SETPCAP",
        "CAP_SETUID",          "CAP_SYSLOG",       "CAP_SYS_ADMIN",
        "CAP_SYS_BOOT",        "CAP_SYS_CHROOT",   "CAP_SYS_MODULE",
        "CAP_SYS_NICE",        "CAP_SYS_PACCT",    "CAP_SYS_PTRACE",
        "CAP_SYS_RAWIO",       "CAP_SYS_RESOURCE", "CAP_SYS_TIME",
        "CAP_SYS_TTY_CONFIG",  "CAP_WAKE_ALARM",   NULL,
};
static const char *const cap_sets[] = { "bounding", "effective", "permitted", NULL };

json_t *spec_strings(const char *const *items)
{
        json_t *array = json_array();

        for (; items && *items; items++)
                json_array_append_new(array, json_string(*items));
        return array;
}

/* --- environment --- */

static void env_set(json_t *env, const char *text)
{
        size_t n = strcspn(text, "=") + 1;

        for (size_t i = 0; i < json_array_size(env); i++) {
                const char *old = json_string_value(json_array_get(env, i));

                if (old && strncmp(old, text, n) == 0) {
                        json_array_set_new(env, i, json_string(text));
                        return;
                }
        }
        json_array_append_new(env, json_string(text));
}

static bool env_has(const json_t *env, const char *prefix)
{
        for (size_t i = 0; i < json_array_size(env); i++) {
                const char *text = json_string_value(json_array_get(env, i));

                if (text && strncmp(text, prefix, strlen(prefix)) == 0)
                        return true;
        }
        return false;
}

static int env_apply(json_t *env, const char *const *given, struct error *err)
{
        for (; given && *given; given++) {
                const char *value;
                char text[4096];

                if (**given == '=' || **given == '\0')
                        return error_set(err, REASON_INVALID_SPEC, "environment '%s' has no name", *given);
                if (strchr(*given, '=')) {
                        env_set(env, *given);
                } else if ((value = getenv(*given))) { /* NAME alone: as we have it, if we do */
                        if (snprintf(text, sizeof(text), "%s=%s", *given, value) >= (int)sizeof(text))
                                return error_set(err, REASON_INVALID_SPEC, "environment variable %s is too long",
                                                 *given);
                        env_set(env, text);
                }
        }
        return 0;
}

/* --- capabilities --- */

static int cap_name(const char *text, char ret[64], struct error *err)
{
        int n = snprintf(ret, 64, "%s%s", strncasecmp(text, "CAP_", 4) == 0 ? "" : "CAP_", text);

        for (char *c = ret; *c; c++)
                *c = (char)toupper((unsigned char)*c);
        for (const char *const *known = all_caps; n < 64 && *known; known++) {
                if (strcmp(*known, ret) == 0)
                        return 0;
        }
        return error_set(err, REASON_INVALID_SPEC, "there is no capability '%s'; see capabilities(7), or ALL", text);
}

static void set_remove(json_t *set, const char *name)
{
        for (size_t i = json_array_size(set); i-- > 0;) {
                if (strcmp(json_string_value(json_array_get(set, i)), name) == 0)
                        json_array_remove(set, i);
        }
}

static int caps_change(json_t *set, const char *const *given, bool add, struct error *err)
{
        for (; given && *given; given++) {
                char name[64];

                if (strcasecmp(*given, "ALL") == 0) {
                        json_array_clear(set);
                        for (const char *const *cap = all_caps; add && *cap; cap++)
                                json_array_append_new(set, json_string(*cap));
                        continue;
                }
                if (cap_name(*given, name, err) < 0)
                        return -1;
                set_remove(set, name);
                if (add)
                        json_array_append_new(set, json_string(name));
        }
        return 0;
}

/* A user other than root has the bounding set only, as with docker. */
static int caps_apply(json_t *process, const struct spec_process *p, bool root, struct error *err)
{
        json_t *caps = json_object_get(process, "capabilities");

        for (const char *const *name = cap_sets; *name; name++) {
                json_t *set = json_object_get(caps, *name);

                if (!set)
                        continue;
                /* ALL is dropped before single ones are added, and added before single ones are dropped. */
                if (p->cap_drop && p->cap_drop[0] && strcasecmp(p->cap_drop[0], "ALL") == 0) {
                        json_array_clear(set);
                        if (caps_change(set, p->cap_add, true, err) < 0)
                                return -1;
                } else if (caps_change(set, p->cap_add, true, err) < 0 ||
                           caps_change(set, p->cap_drop, false, err) < 0) {
                        return -1;
                }
                if (!root && strcmp(*name, "bounding") != 0)
                        json_array_clear(set);
        }
        return 0;
}

/* --- resource limits --- */

/* A number; "unlimited" is the largest one that JSON and every runtime can say, which no resource reaches. */
static int limit_value(const char *text, uint64_t *ret)
{
        *ret = INT64_MAX;
        return strcmp(text, "unlimited") == 0 ? 0 : parse_u64(text, INT64_MAX, ret);
}

/* NAME=SOFT[:HARD] */
static int ulimit(json_t *rlimits, const char *text, struct error *err)
{
        static const char *const names[] = {"as",      "core",     "cpu",        "data",   "fsize", "locks",
                                            "memlock", "msgqueue", "nice",       "nofile", "nproc", "rss",
                                            "rtprio",  "rttime",   "sigpending", "stack",  NULL};
        const char *const *name = names;
        char value[64] = "", type[32], *hard;
        size_t n = strcspn(text, "=");
        uint64_t soft_n, hard_n;

        while (*name && (strlen(*name) != n || strncasecmp(*name, text, n) != 0))
                name++;
        if (text[n] == '=')
                snprintf(value, sizeof(value), "%s", text + n + 1);
        hard = strchr(value, ':');
        if (hard)
                *hard++ = '\0';
        else
                hard = value;
        if (!*name || limit_value(value, &soft_n) < 0 || limit_value(hard, &hard_n) < 0 || soft_n > hard_n)
                return error_set(
                        err, REASON_INVALID_SPEC,
                        "limit '%s' is not of the form NAME=SOFT[:HARD], such as nofile=1024:4096 or core=unlimited",
                        text);
        snprintf(type, sizeof(type), "RLIMIT_%s", *name);
        for (char *c = type; *c; c++)
                *c = (char)toupper((unsigned char)*c);
        for (size_t i = json_array_size(rlimits); i-- > 0;) {
                if (strcmp(json_string_value(json_object_get(json_array_get(rlimits, i), "type")), type) == 0)
                        json_array_remove(rlimits, i);
        }
        json_array_append_new(rlimits, json_pack("{s:s, s:I, s:I}", "type", type, "soft", (json_int_t)soft_n, "hard",
                                                 (json_int_t)hard_n));
        return 0;
}

/* --- the object --- */

static int user_apply(json_t *process, const struct spec_process *p, const char *rootfs, struct error *err)
{
        struct spec_user user = { 0 };
        json_t *env = json_object_get(process, "env");
        char home[300];

        if (p->user) {
                if (spec_user_parse(p->user, rootfs, &user, err) < 0)
                        return -1;
                json_object_set_new(process, "user",
                                    json_pack("{s:I, s:I}", "uid", (json_int_t)user.uid, "gid", (json_int_t)user.gid));
        }
        if (user.home[0] && !env_has(env, "HOME=")) {
                snprintf(home, sizeof(home), "HOME=%s", user.home);
                env_set(env, home);
        }
        return 0;
}

int spec_process_apply(json_t *process, const struct spec_process *p, const char *rootfs, struct error *err)
{
        json_t *env = json_object_get(process, "env"), *rlimits = json_object_get(process, "rlimits");
        json_int_t uid;

        if (!env)
                json_object_set_new(process, "env", env = json_array());
        if (!rlimits)
                json_object_set_new(process, "rlimits", rlimits = json_array());
        if (p->argv)
                json_object_set_new(process, "args", spec_strings((const char *const *)p->argv));
        json_object_set_new(process, "terminal", json_boolean(p->terminal));
        if (p->terminal && !env_has(env, "TERM="))
                env_set(env, "TERM=xterm");
        if (env_apply(env, p->env, err) < 0)
                return -1;
        if (p->cwd && p->cwd[0] != '/')
                return error_set(err, REASON_INVALID_SPEC, "the working directory '%s' is not an absolute path",
                                 p->cwd);
        if (p->cwd)
                json_object_set_new(process, "cwd", json_string(p->cwd));
        if (user_apply(process, p, rootfs, err) < 0)
                return -1;
        uid = json_integer_value(json_object_get(json_object_get(process, "user"), "uid"));
        if (caps_apply(process, p, uid == 0, err) < 0)
                return -1;
        if (p->allow_new_privileges)
                json_object_set_new(process, "noNewPrivileges", json_false());
        for (const char *const *u = p->ulimits; u && *u; u++) {
                if (ulimit(rlimits, *u, err) < 0)
                        return -1;
        }
        return 0;
}

json_t *spec_process_object(const struct spec_process *p, const char *rootfs, struct error *err)
{
        _cleanup_(json_decrefp) json_t *process = NULL;
        struct rlimit ours = { 1024, 1024 };
        json_int_t hard;

        getrlimit(RLIMIT_NOFILE, &ours);
        hard = ours.rlim_max < 1048576 ? (json_int_t)ours.rlim_max
                                       : 1048576; /* nobody may be able to give more than we have */
        process =
                json_pack("{s:{s:i, s:i}, s:[s], s:[s], s:s, s:{}, s:b, s:[{s:s, s:I, s:I}]}", "user", "uid", 0, "gid",
                          0, "args", "sh", "env", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                          "cwd", "/", "capabilities", "noNewPrivileges", 1, "rlimits", "type", "RLIMIT_NOFILE", "soft",
                          hard < 1024 ? hard : (json_int_t)1024, "hard", hard);
        for (const char *const *name = cap_sets; process && *name; name++)
                json_object_set_new(json_object_get(process, "capabilities"), *name, spec_strings(default_caps));
        if (!process) {
                error_set(err, REASON_NO_RESOURCES, "out of memory");
                return NULL;
        }
        if (spec_process_apply(process, p, rootfs, err) < 0)
                return NULL;
        return TAKE(process);
}
