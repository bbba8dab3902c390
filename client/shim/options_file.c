/* SPDX-License-Identifier: Apache-2.0 */

/* Keys are compared without case and '_': binary_name is BinaryName. Each of [runsc_config] becomes an argument of
 * runsc. */

#include "client/shim/options_file.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

enum kind { TEXT, NUMBER, BOOLEAN };

static const struct key {
        const char *name; /* lower case, without '_' */
        enum kind kind;
        size_t offset;
} keys[] = {
        { "binaryname", TEXT, offsetof(struct create_params, binary) },
        { "root", TEXT, offsetof(struct create_params, runtime_root) },
        { "criupath", TEXT, offsetof(struct create_params, criu_path) },
        { "iouid", NUMBER, offsetof(struct create_params, io_uid) },
        { "iogid", NUMBER, offsetof(struct create_params, io_gid) },
        { "nopivotroot", BOOLEAN, offsetof(struct create_params, no_pivot_root) },
        { "nonewkeyring", BOOLEAN, offsetof(struct create_params, no_new_keyring) },
        { "systemdcgroup", BOOLEAN, offsetof(struct create_params, systemd_cgroup) },
};

static bool same(const char *spelled, const char *name)
{
        for (;; spelled++) {
                if (*spelled == '_')
                        continue;
                if (tolower((unsigned char)*spelled) != *name)
                        return false;
                if (!*name++)
                        return true;
        }
}

static int take(struct toml_table *table, const char *spelled, const struct key *key, struct create_params *ret,
                struct arena *a, struct error *err)
{
        char *place = (char *)ret + key->offset;
        const char *text;
        uint64_t number;
        int r;

        switch (key->kind) {
        case TEXT:
                r = toml_get_string(table, spelled, &text, err);
                if (r == 1) {
                        text = arena_strdup(a, text);
                        *(const char **)(void *)place = text ? text : "";
                }
                break;
        case NUMBER:
                r = toml_get_u64(table, spelled, 0, UINT32_MAX, &number, err);
                if (r == 1)
                        *(uint32_t *)(void *)place = (uint32_t)number;
                break;
        default:
                r = toml_get_bool(table, spelled, (bool *)(void *)place, err);
        }
        return r < 0 ? -1 : 0;
}

static int take_arguments(struct toml_table *table, struct create_params *ret, struct arena *a, struct error *err)
{
        const char *name, *value;
        size_t n = 0;

        while (toml_key_name(table, n))
                n++;
        ret->runtime_args.items = arena_alloc(a, (n + 1) * sizeof(char *));
        if (!ret->runtime_args.items)
                return error_set(err, REASON_NO_RESOURCES, "no memory for the options");
        for (size_t i = 0; (name = toml_key_name(table, i)); i++) {
                char *argument;

                if (toml_get_text(table, name, &value, err) < 0)
                        return -1;
                argument = arena_printf(a, "--%s=%s", name, value);
                if (!argument)
                        return error_set(err, REASON_NO_RESOURCES, "no memory for the options");
                ret->runtime_args.items[ret->runtime_args.n++] = argument;
        }
        return 0;
}

int options_file_apply(const char *name, const char *text, size_t len, struct create_params *ret, struct arena *a,
                       struct error *err)
{
        _cleanup_(toml_freep) struct toml *t = NULL;
        struct toml_table *runsc;
        const char *spelled;

        if (toml_parse(&t, name, text, len, err) < 0)
                return -1;
        for (size_t i = 0; (spelled = toml_key_name(toml_root(t), i)); i++)
                for (size_t k = 0; k < ARRAY_SIZE(keys); k++)
                        if (same(spelled, keys[k].name) && take(toml_root(t), spelled, &keys[k], ret, a, err) < 0)
                                return -1;
        runsc = toml_find_table(toml_root(t), "runsc_config");
        if (!runsc)
                return 0;
        if (!ret->binary[0])
                ret->binary = "runsc"; /* whose options these are */
        return take_arguments(runsc, ret, a, err);
}
