/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Three messages and a file say the same things; all are brought into create_params, then what was not said gets
 * the values that containerd's own shims have. Where the state of runc lies is one of these: others look for it there.
 */

#include "client/shim/options.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include "base/fd.h"
#include "client/shim/options_file.h"
#include "proto/shim.h"
#include "proto/shim/options.pb-c.h"

#define ROOT_RUNC "/run/containerd/runc"
#define ROOT_RUNSC "/run/containerd/runsc"

static int unreadable(const Shim__Any *any, struct error *err)
{
        return error_set(err, REASON_INVALID_ARGUMENT, "options: the value is not a %s", any->type_url);
}

static int no_memory(struct error *err)
{
        return error_set(err, REASON_NO_RESOURCES, "no memory for the options");
}

static int keep(const char **ret, const char *text, struct arena *a, struct error *err)
{
        *ret = arena_strdup(a, text);
        return *ret ? 0 : no_memory(err);
}

static int apply_runc(const Shim__Any *any, struct create_params *ret, struct arena *a, struct error *err)
{
        Shim__RuncOptions *o = shim__runc_options__unpack(NULL, any->value.len, any->value.data);
        int r;

        if (!o)
                return unreadable(any, err);
        ret->no_pivot_root = o->no_pivot_root;
        ret->no_new_keyring = o->no_new_keyring;
        ret->systemd_cgroup = o->systemd_cgroup;
        ret->io_uid = o->io_uid;
        ret->io_gid = o->io_gid;
        r = keep(&ret->binary, o->binary_name, a, err);
        if (r == 0)
                r = keep(&ret->runtime_root, o->root, a, err);
        if (r == 0)
                r = keep(&ret->criu_path, o->criu_path, a, err);
        shim__runc_options__free_unpacked(o, NULL);
        return r;
}

static int apply_linux(const Shim__Any *any, struct create_params *ret, struct error *err)
{
        Shim__LinuxCreateOptions *o = shim__linux_create_options__unpack(NULL, any->value.len, any->value.data);

        if (!o)
                return unreadable(any, err);
        ret->no_pivot_root = o->no_pivot_root;
        ret->no_new_keyring = o->no_new_keyring;
        ret->io_uid = o->io_uid;
        ret->io_gid = o->io_gid;
        shim__linux_create_options__free_unpacked(o, NULL);
        return 0;
}

static int apply_path(const char *path, struct create_params *ret, struct arena *a, struct error *err)
{
        _cleanup_(freep) char *text = NULL;
        size_t len;
        int r = path[0] == '/' ? fd_read_file(AT_FDCWD, path, TOML_MAX, &text, &len) : -EINVAL;

        if (r < 0)
                return error_set_errno(err, REASON_INVALID_ARGUMENT, r, "options: cannot read the option file %s",
                                       path);
        return options_file_apply(path, text, len, ret, a, err);
}

static int apply_file(const Shim__Any *any, struct create_params *ret, struct arena *a, struct error *err)
{
        Shim__RuntimeOptions *o = shim__runtime_options__unpack(NULL, any->value.len, any->value.data);
        int r = 0;

        if (!o)
                return unreadable(any, err);
        if (o->config_path[0])
                r = apply_path(o->config_path, ret, a, err);
        else if (o->config_body.len > 0)
                r = options_file_apply("options", (const char *)o->config_body.data, o->config_body.len, ret, a, err);
        shim__runtime_options__free_unpacked(o, NULL);
        return r;
}

/* The names runc, crun and runsc are always those of configured runtimes. */
static void choose_runtime(struct create_params *ret)
{
        static const char *const names[] = { "runc", "crun", "runsc" };

        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
                if (strcmp(ret->binary, names[i]) != 0)
                        continue;
                ret->runtime = names[i];
                ret->binary = "";
        }
}

static bool is_runsc(const struct create_params *p)
{
        const char *slash = strrchr(p->binary, '/');

        return strcmp(p->runtime, "runsc") == 0 || strncmp(slash ? slash + 1 : p->binary, "runsc", 5) == 0;
}

int options_apply(const Shim__Any *options, struct create_params *ret, struct arena *a, struct error *err)
{
        int r = 0;

        ret->binary = ret->runtime = ret->runtime_root = ret->criu_path = "";
        if (shim_any_is(options, TYPE_RUNC_OPTIONS))
                r = apply_runc(options, ret, a, err);
        else if (shim_any_is(options, TYPE_LINUX_CREATE_OPTIONS))
                r = apply_linux(options, ret, err);
        else if (shim_any_is(options, TYPE_RUNTIME_OPTIONS))
                r = apply_file(options, ret, a, err);
        if (r < 0)
                return -1;
        choose_runtime(ret);
        if (!ret->runtime_root[0])
                ret->runtime_root = is_runsc(ret) ? ROOT_RUNSC : ROOT_RUNC;
        return 0;
}

/* --- checkpoint --- */

static int keep_list(struct strs *ret, char *const *items, size_t n, struct arena *a, struct error *err)
{
        ret->items = arena_alloc(a, (n + 1) * sizeof(*ret->items));
        if (!ret->items)
                return no_memory(err);
        for (ret->n = 0; ret->n < n; ret->n++)
                if (keep(&ret->items[ret->n], items[ret->n], a, err) < 0)
                        return -1;
        return 0;
}

/* The older message is the beginning of the newer one, field for field, so that one reading does for both. */
int options_apply_checkpoint(const Shim__Any *options, struct checkpoint_params *ret, struct arena *a,
                             struct error *err)
{
        Shim__CheckpointOptions *o;
        int r;

        if (!shim_any_is(options, TYPE_RUNC_CHECKPOINT_OPTIONS) && !shim_any_is(options, TYPE_LINUX_CHECKPOINT_OPTIONS))
                return 0;
        o = shim__checkpoint_options__unpack(NULL, options->value.len, options->value.data);
        if (!o)
                return unreadable(options, err);
        ret->exit = o->exit;
        ret->open_tcp = o->open_tcp;
        ret->external_unix_sockets = o->external_unix_sockets;
        ret->terminal = o->terminal;
        ret->file_locks = o->file_locks;
        r = keep_list(&ret->empty_namespaces, o->empty_namespaces, o->n_empty_namespaces, a, err);
        if (r == 0)
                r = keep(&ret->cgroups_mode, o->cgroups_mode, a, err);
        if (r == 0)
                r = keep(&ret->work_path, o->work_path, a, err);
        if (r == 0)
                r = keep(&ret->parent_path, o->parent_path, a, err);
        shim__checkpoint_options__free_unpacked(o, NULL);
        return r;
}
