/* SPDX-License-Identifier: Apache-2.0 */

/* See spec_urpc.h. The names of members are those of the sandbox's Go structures; releases from 2022 on agree on them,
 * and ignore what they do not know. */

#include "daemon/spec_urpc.h"

#include <inttypes.h>
#include <string.h>
#include "daemon/spec.h"
#include "daemon/spec_json.h"

#define ROWS_MAX 65536
#define CAP_NET_RAW_BIT 13

/* --- requests --- */

static const char *dump(struct arena *a, json_t *value)
{
        _cleanup_(json_decrefp) json_t *own = value;
        _cleanup_(freep) char *text = own ? json_dumps(own, JSON_COMPACT) : NULL;

        return text ? arena_strdup(a, text) : NULL;
}

const char *spec_urpc_null(struct arena *a, const char *method)
{
        return dump(a, json_pack("{s:s, s:n}", "method", method, "arg"));
}

const char *spec_urpc_str(struct arena *a, const char *method, const char *arg)
{
        return dump(a, json_pack("{s:s, s:s}", "method", method, "arg", arg));
}

const char *spec_urpc_signal(struct arena *a, const char *id, int signal, uint32_t pid, enum spec_urpc_mode mode)
{
        return dump(a, json_pack("{s:s, s:{s:s, s:i, s:I, s:i}}", "method", "containerManager.Signal", "arg", "CID", id,
                                 "Signo", signal, "PID", (json_int_t)pid, "Mode", (int)mode));
}

const char *spec_urpc_checkpoint(struct arena *a)
{
        return dump(a, json_pack("{s:s, s:{s:n, s:{}}}", "method", "containerManager.Checkpoint", "arg", "key",
                                 "metadata"));
}

const char *spec_urpc_usage_fd(struct arena *a)
{
        return dump(a, json_pack("{s:s, s:{s:i}}", "method", "Usage.UsageFD", "arg", "Version", 1));
}

const char *spec_urpc_wait_pid(struct arena *a, const char *id, uint32_t pid)
{
        return dump(a, json_pack("{s:s, s:{s:I, s:s}}", "method", "containerManager.WaitPID", "arg", "PID",
                                 (json_int_t)pid, "CID", id));
}

static const char *const cap_names[] = {
        "CAP_CHOWN",       "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH",  "CAP_FOWNER",         "CAP_FSETID",
        "CAP_KILL",        "CAP_SETGID",       "CAP_SETUID",           "CAP_SETPCAP",        "CAP_LINUX_IMMUTABLE",
        "CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST", "CAP_NET_ADMIN",  "CAP_NET_RAW",        "CAP_IPC_LOCK",
        "CAP_IPC_OWNER",   "CAP_SYS_MODULE",   "CAP_SYS_RAWIO",        "CAP_SYS_CHROOT",     "CAP_SYS_PTRACE",
        "CAP_SYS_PACCT",   "CAP_SYS_ADMIN",    "CAP_SYS_BOOT",         "CAP_SYS_NICE",       "CAP_SYS_RESOURCE",
        "CAP_SYS_TIME",    "CAP_SYS_TTY_CONFIG", "CAP_MKNOD",          "CAP_LEASE",          "CAP_AUDIT_WRITE",
        "CAP_AUDIT_CONTROL", "CAP_SETFCAP",    "CAP_MAC_OVERRIDE",     "CAP_MAC_ADMIN",      "CAP_SYSLOG",
        "CAP_WAKE_ALARM",  "CAP_BLOCK_SUSPEND", "CAP_AUDIT_READ",      "CAP_PERFMON",        "CAP_BPF",
        "CAP_CHECKPOINT_RESTORE",
};

static int read_caps(const struct spec_node *caps, const char *name, bool net_raw, json_int_t *ret, struct error *err)
{
        struct spec_node list;

        *ret = 0;
        if (spec_get_array(caps, name, &list, err) < 0)
                return -1;
        for (size_t i = 0; i < json_array_size(list.value); i++) {
                struct spec_node entry = spec_entry(&list, i);
                const char *cap = json_string_value(entry.value);
                size_t bit = 0;

                while (cap && bit < ARRAY_SIZE(cap_names) && strcmp(cap, cap_names[bit]) != 0)
                        bit++;
                if (!cap || bit == ARRAY_SIZE(cap_names))
                        return spec_wrong_type(&entry, "the name of a capability", err);
                if (bit != CAP_NET_RAW_BIT || net_raw)
                        *ret |= (json_int_t)1 << bit;
        }
        return 0;
}

/* A new reference; null where nothing was said. */
static json_t *capabilities(const struct spec_node *process, bool net_raw, struct error *err)
{
        static const char *const sets[][2] = {
                { "permitted", "PermittedCaps" },   { "inheritable", "InheritableCaps" },
                { "effective", "EffectiveCaps" },   { "bounding", "BoundingCaps" },
                { "ambient", "AmbientCaps" },
        };
        _cleanup_(json_decrefp) json_t *ret = json_object();
        struct spec_node caps;

        if (spec_get_object(process, "capabilities", &caps, err) < 0)
                return NULL;
        if (!caps.value)
                return json_null();
        for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
                json_int_t mask;

                if (read_caps(&caps, sets[i][0], net_raw, &mask, err) < 0)
                        return NULL;
                json_object_set_new(ret, sets[i][1], json_integer(mask));
        }
        return TAKE(ret);
}

struct exec_user {
        json_int_t uid, gid;
        struct spec_node gids;
};

static int read_user(const struct spec_node *process, struct exec_user *ret, struct error *err)
{
        struct spec_node user;

        if (spec_get_object(process, "user", &user, err) < 0 ||
            spec_get_int(&user, "uid", 0, UINT32_MAX, &ret->uid, err) < 0 ||
            spec_get_int(&user, "gid", 0, UINT32_MAX, &ret->gid, err) < 0 ||
            spec_get_array(&user, "additionalGids", &ret->gids, err) < 0)
                return -1;
        return 0;
}

/* The member of the process, or that of the container's own process. Borrowed. */
static json_t *member_or(const struct spec_node *process, const json_t *container, const char *name)
{
        json_t *value = json_object_get(process->value, name);

        if (!value || json_is_null(value) || (json_is_string(value) && json_string_length(value) == 0))
                value = json_object_get(container, name);
        return value;
}

static json_t *exec_arg(const struct spec_node *process, const json_t *container, const struct spec_urpc_exec *x,
                        struct error *err)
{
        struct spec_node node = *process, other = { .name = "process", .reason = REASON_INVALID_SPEC };
        _cleanup_(json_decrefp) json_t *caps = NULL, *gids = NULL;
        struct exec_user user = { 0 };

        other.value = (json_t *)container;
        if (read_user(&node, &user, err) < 0)
                return NULL;
        caps = capabilities(json_object_get(node.value, "capabilities") ? &node : &other, x->net_raw, err);
        if (!caps)
                return NULL;
        gids = user.gids.value ? json_incref(user.gids.value) : json_array();
        return json_pack("{s:s, s:O, s:O*, s:n, s:O*, s:I, s:I, s:O, s:O, s:b, s:b, s:[iii], s:s, s:n, s:n}",
                         "filename", "", "argv", json_object_get(node.value, "args"), "envv",
                         member_or(&node, container, "env"), "MountNamespace", "wd",
                         member_or(&node, container, "cwd"), "KUID", user.uid, "KGID", user.gid, "ExtraKGIDs", gids,
                         "Capabilities", caps, "StdioIsPty", x->terminal, "NoNewPrivileges",
                         json_is_true(json_object_get(node.value, "noNewPrivileges")), "GuestFDs", 0, 1, 2,
                         "ContainerID", x->id, "PIDNamespace", "Limits");
}

int spec_urpc_exec(struct arena *a, const struct spec_urpc_exec *x, const char **ret, struct error *err)
{
        _cleanup_(json_decrefp) json_t *process =
                spec_load(x->process, x->process_len, REASON_INVALID_SPEC, "the process", err);
        _cleanup_(json_decrefp) json_t *state = NULL;
        struct spec_node root = { .name = "the process", .value = process, .reason = REASON_INVALID_SPEC };
        const json_t *container;
        json_t *arg;

        if (!process || spec_is_object(&root, err) < 0)
                return -1;
        if (!json_is_array(json_object_get(process, "args")))
                return spec_missing(&root, "args", "the command and its arguments", err);
        if (x->state_len > 0) {
                state = spec_load(x->state, x->state_len, REASON_RUNTIME_FAILED, "runsc's state file", err);
                if (!state)
                        return -1;
        }
        container = json_object_get(json_object_get(state, "spec"), "process");
        arg = exec_arg(&root, container, x, err);
        if (!arg)
                return error_is_set(err) ? -1 : spec_no_memory(err);
        *ret = dump(a, json_pack("{s:s, s:o}", "method", "containerManager.ExecuteAsync", "arg", arg));
        return *ret ? 0 : spec_no_memory(err);
}

/* --- replies --- */

#define REPLY_NAME "the sandbox's answer"

/* Success, and its result. The document is owned by the caller. */
static int load_reply(const char *text, size_t len, json_t **ret_document, struct spec_node *ret, struct error *err)
{
        _cleanup_(json_decrefp) json_t *value = spec_load(text, len, REASON_RUNTIME_FAILED, REPLY_NAME, err);
        const char *why;

        *ret = (struct spec_node){ .name = REPLY_NAME, .value = value, .reason = REASON_RUNTIME_FAILED };
        if (!value || spec_is_object(ret, err) < 0)
                return -1;
        if (!json_is_true(json_object_get(value, "success"))) {
                why = json_string_value(json_object_get(value, "err"));
                error_set(err, why && strstr(why, "unknown method") ? REASON_NOT_SUPPORTED : REASON_RUNTIME_FAILED,
                          "%.900s", why && *why ? why : "the sandbox refused and did not say why");
                text_clean(err->message, sizeof(err->message) - 1);
                return -1;
        }
        ret->value = json_object_get(value, "result");
        *ret_document = TAKE(value);
        return 0;
}

int spec_urpc_empty(const char *text, size_t len, struct error *err)
{
        _cleanup_(json_decrefp) json_t *document = NULL;
        struct spec_node result;

        return load_reply(text, len, &document, &result, err);
}

int spec_urpc_number(const char *text, size_t len, int64_t *ret, struct error *err)
{
        _cleanup_(json_decrefp) json_t *document = NULL;
        struct spec_node result;

        if (load_reply(text, len, &document, &result, err) < 0)
                return -1;
        if (!json_is_integer(result.value))
                return spec_wrong_type(&result, "an integer", err);
        *ret = json_integer_value(result.value);
        return 0;
}

int spec_urpc_text(const char *text, size_t len, struct arena *a, const char **ret, struct error *err)
{
        _cleanup_(json_decrefp) json_t *document = NULL;
        struct spec_node result;

        if (load_reply(text, len, &document, &result, err) < 0)
                return -1;
        if (!json_is_string(result.value))
                return spec_wrong_type(&result, "a string", err);
        *ret = arena_strdup(a, json_string_value(result.value));
        return *ret ? 0 : spec_no_memory(err);
}

static int read_id(const struct spec_node *node, const char *name, uint32_t *ret, struct error *err)
{
        json_int_t value = 0;

        if (spec_get_int(node, name, 0, UINT32_MAX, &value, err) < 0)
                return -1;
        *ret = (uint32_t)value;
        return 0;
}

static int read_row(const struct spec_node *node, struct arena *a, struct ps_row *row, struct error *err)
{
        json_int_t cpu = 0;

        row->exec_id = "";
        if (spec_is_object(node, err) < 0 || read_id(node, "uid", &row->uid, err) < 0 ||
            read_id(node, "pid", &row->pid, err) < 0 || read_id(node, "ppid", &row->ppid, err) < 0 ||
            spec_get_int(node, "c", INT32_MIN, INT32_MAX, &cpu, err) < 0 ||
            spec_get_str(node, "tty", a, &row->tty, err) < 0 ||
            spec_get_str(node, "stime", a, &row->stime, err) < 0 ||
            spec_get_str(node, "time", a, &row->time, err) < 0 || spec_get_str(node, "cmd", a, &row->cmd, err) < 0)
                return -1;
        row->cpu = cpu > 0 ? (uint32_t)cpu : 0;
        text_clean((char *)row->tty, LIMIT_ID);
        text_clean((char *)row->stime, LIMIT_ID);
        text_clean((char *)row->time, LIMIT_ID);
        text_clean((char *)row->cmd, LIMIT_PATH);
        return 0;
}

int spec_urpc_ps(const char *text, size_t len, struct arena *a, struct ps_result *ret, struct error *err)
{
        _cleanup_(json_decrefp) json_t *document = NULL;
        struct spec_node result;
        size_t n;

        if (load_reply(text, len, &document, &result, err) < 0)
                return -1;
        n = json_array_size(result.value);
        if ((!json_is_array(result.value) && result.value && !json_is_null(result.value)) || n > ROWS_MAX)
                return spec_wrong_type(&result, "a list of processes", err);
        ret->rows.items = arena_alloc(a, (n + 1) * sizeof(struct ps_row));
        if (!ret->rows.items)
                return spec_no_memory(err);
        for (size_t i = 0; i < n; i++) {
                struct spec_node entry = spec_entry(&result, i);

                ret->rows.items[i] = (struct ps_row){ .tty = "", .stime = "", .time = "", .cmd = "" };
                if (read_row(&entry, a, &ret->rows.items[i], err) < 0)
                        return -1;
        }
        ret->rows.n = n;
        return 0;
}

uint64_t spec_urpc_cpu_share(const struct spec_urpc_cpu *cpu, uint64_t host_ns, bool has_host)
{
        if (!has_host)
                return cpu->own_ns;
        if (cpu->all_ns == 0)
                return host_ns / (cpu->n ? cpu->n : 1);
        return (uint64_t)((double)host_ns * ((double)cpu->own_ns / (double)cpu->all_ns));
}

static int read_usage(const struct spec_node *result, const char *id, struct spec_urpc_cpu *cpu, struct error *err)
{
        struct spec_node usage;
        const char *key;
        json_t *value;

        *cpu = (struct spec_urpc_cpu){ 0 };
        if (spec_get_object(result, "containerUsage", &usage, err) < 0)
                return -1;
        json_object_foreach(usage.value, key, value)
        {
                uint64_t ns = 0;

                if (spec_get_u64(&usage, key, &ns, err) < 0)
                        return -1;
                cpu->all_ns += ns;
                cpu->n++;
                if (strcmp(key, id) == 0)
                        cpu->own_ns = ns;
        }
        return 0;
}

int spec_urpc_stats(const char *text, size_t len, const char *id, struct arena *a, struct stats_result *ret,
                    struct spec_urpc_cpu *cpu, struct error *err)
{
        _cleanup_(json_decrefp) json_t *document = NULL;
        _cleanup_(freep) char *event_text = NULL;
        struct spec_node result, event;

        if (load_reply(text, len, &document, &result, err) < 0)
                return -1;
        if (spec_is_object(&result, err) < 0 || spec_get_object(&result, "event", &event, err) < 0 ||
            read_usage(&result, id, cpu, err) < 0)
                return -1;
        event_text = json_dumps(event.value, JSON_COMPACT);
        if (!event_text) /* none: nothing is known */
                return 0;
        return spec_stats_parse(event_text, strlen(event_text), a, ret, err);
}

/* --- the state file --- */

int spec_runsc_state(const char *text, size_t len, struct arena *a, struct runsc_state *ret, struct error *err)
{
        _cleanup_(json_decrefp) json_t *value =
                spec_load(text, len, REASON_RUNTIME_FAILED, "runsc's state file", err);
        struct spec_node root = { .name = "runsc's state file", .value = value, .reason = REASON_RUNTIME_FAILED };
        struct spec_node sandbox;
        json_int_t pid = 0;

        *ret = (struct runsc_state){ .socket = "" };
        if (!value || spec_is_object(&root, err) < 0 || spec_get_object(&root, "sandbox", &sandbox, err) < 0 ||
            spec_get_str(&sandbox, "controlSocketPath", a, &ret->socket, err) < 0)
                return -1;
        if (json_is_integer(json_object_get(sandbox.value, "pid")) &&
            spec_get_int(&sandbox, "pid", INT32_MIN, INT32_MAX, &pid, err) < 0)
                return -1;
        ret->pid = pid;
        return 0;
}
