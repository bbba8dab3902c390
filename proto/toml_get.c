/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the tree of a TOML file: typed getters, and what nobody has read. */

#include "proto/toml.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "proto/toml_tree.h"

int toml_fail_at(const struct toml *file, unsigned line, unsigned column, struct error *err, const char *fmt,
                 va_list args)
{
        char text[512];

        vsnprintf(text, sizeof(text), fmt, args);
        return error_set(err, REASON_INVALID_ARGUMENT, "%s:%u:%u: %s", file->name, line, column, text);
}

int toml_fail(const struct toml_table *table, const char *key, struct error *err, const char *fmt, ...)
{
        const struct toml_key *k = key ? toml_key_at(table, key, NULL) : NULL;
        va_list args;

        va_start(args, fmt);
        toml_fail_at(table->file, k ? k->line : table->line, k ? k->column : table->column, err, fmt, args);
        va_end(args);
        return -1;
}

struct toml_key *toml_key_at(const struct toml_table *table, const char *name, size_t *ret_n)
{
        size_t n = 0;

        for (struct toml_key *key = table->keys; key; key = key->next, n++)
                if (strcmp(key->name, name) == 0)
                        return key;
        if (ret_n)
                *ret_n = n;
        return NULL;
}

struct toml_table *toml_table_at(const struct toml_table *parent, const char *name, size_t *ret_n)
{
        size_t n = 0;

        for (struct toml_table *table = parent->tables; table; table = table->next, n++)
                if (strcmp(table->name, name) == 0)
                        return table;
        if (ret_n)
                *ret_n = n;
        return NULL;
}

struct toml_table *toml_root(struct toml *t)
{
        return &t->root;
}

struct toml_table *toml_find_table(struct toml_table *parent, const char *name)
{
        struct toml_table *table = toml_table_at(parent, name, NULL);

        if (table)
                table->used = true;
        return table;
}

struct toml_table *toml_next_table(struct toml_table *parent, const struct toml_table *prev)
{
        struct toml_table *table = prev ? prev->next : parent->tables;

        if (table)
                table->used = true;
        return table;
}

const char *toml_table_name(const struct toml_table *table)
{
        return table->name;
}

const char *toml_key_name(const struct toml_table *table, size_t index)
{
        const struct toml_key *key = table->keys;

        while (key && index-- > 0)
                key = key->next;
        return key ? key->name : NULL;
}

/* --- getters --- */
static const char *kind_name(enum toml_kind kind)
{
        static const char *const names[] = {
                [TOML_STRING] = "a string",
                [TOML_INTEGER] = "an integer",
                [TOML_BOOLEAN] = "a boolean",
                [TOML_ARRAY] = "an empty array",
                [TOML_STRINGS] = "an array of strings",
                [TOML_INTEGERS] = "an array of integers",
        };

        return names[kind];
}

/* 1 and the key if it is there and of that kind. */
static int get(struct toml_table *table, const char *name, enum toml_kind kind, struct toml_key **ret,
               struct error *err)
{
        struct toml_key *key = table ? toml_key_at(table, name, NULL) : NULL;
        const struct toml_table *sub = table && !key ? toml_table_at(table, name, NULL) : NULL;

        if (sub)
                return toml_fail(sub, NULL, err, "\"%s\" must be %s, not a table", name, kind_name(kind));
        if (!key)
                return 0;
        key->used = true;
        if (key->kind != kind && !(key->kind == TOML_ARRAY && (kind == TOML_STRINGS || kind == TOML_INTEGERS)))
                return toml_fail(table, name, err, "\"%s\" must be %s, not %s", name, kind_name(kind),
                                 kind_name(key->kind));
        *ret = key;
        return 1;
}

int toml_get_string(struct toml_table *table, const char *key, const char **ret, struct error *err)
{
        struct toml_key *k;
        int r = get(table, key, TOML_STRING, &k, err);

        if (r > 0)
                *ret = k->string;
        return r;
}

int toml_get_bool(struct toml_table *table, const char *key, bool *ret, struct error *err)
{
        struct toml_key *k;
        int r = get(table, key, TOML_BOOLEAN, &k, err);

        if (r > 0)
                *ret = k->boolean;
        return r;
}

int toml_get_i64(struct toml_table *table, const char *key, int64_t *ret, struct error *err)
{
        struct toml_key *k;
        int r = get(table, key, TOML_INTEGER, &k, err);

        if (r > 0)
                *ret = k->integer;
        return r;
}

int toml_get_u64(struct toml_table *table, const char *key, uint64_t min, uint64_t max, uint64_t *ret,
                 struct error *err)
{
        int64_t n;
        int r = toml_get_i64(table, key, &n, err);

        if (r <= 0)
                return r;
        if (n < 0 || (uint64_t)n < min || (uint64_t)n > max)
                return toml_fail(table, key, err, "\"%s\" must be from %" PRIu64 " to %" PRIu64 ", not %" PRId64, key,
                                 min, max, n);
        *ret = (uint64_t)n;
        return 1;
}

int toml_get_strings(struct toml_table *table, const char *key, struct strs *ret, struct error *err)
{
        struct toml_key *k;
        int r = get(table, key, TOML_STRINGS, &k, err);

        if (r > 0)
                *ret = k->strings;
        return r;
}

int toml_get_integers(struct toml_table *table, const char *key, struct toml_integers *ret, struct error *err)
{
        struct toml_key *k;
        int r = get(table, key, TOML_INTEGERS, &k, err);

        if (r > 0)
                *ret = k->kind == TOML_ARRAY ? (struct toml_integers){ 0 } : k->integers;
        return r;
}

int toml_get_text(struct toml_table *table, const char *key, const char **ret, struct error *err)
{
        struct toml_key *k = table ? toml_key_at(table, key, NULL) : NULL;
        char *text;

        if (k && k->kind == TOML_BOOLEAN)
                text = arena_strdup(table->file->arena, k->boolean ? "true" : "false");
        else if (k && k->kind == TOML_INTEGER)
                text = arena_printf(table->file->arena, "%" PRId64, k->integer);
        else
                return toml_get_string(table, key, ret, err);
        k->used = true;
        if (!text)
                return error_set(err, REASON_NO_RESOURCES, "no memory for a configuration file");
        *ret = text;
        return 1;
}

/* --- what nobody has asked for --- */
/* The table after this one, parents before children. Names may nest deeply, so without recursion. */
static const struct toml_table *next_in_tree(const struct toml_table *table)
{
        if (table->tables)
                return table->tables;
        while (table && !table->next)
                table = table->parent;
        return table ? table->next : NULL;
}

int toml_check_unused(const struct toml *t, struct error *err)
{
        for (const struct toml_table *table = &t->root; table; table = next_in_tree(table)) {
                const char *parent = table->parent ? table->parent->name : "";

                if (!table->used)
                        return toml_fail(table, NULL, err, "unknown table [%s%s%s]", parent, *parent ? "." : "",
                                         table->name);
                for (const struct toml_key *key = table->keys; key; key = key->next) {
                        if (key->used)
                                continue;
                        if (!table->parent)
                                return toml_fail(table, key->name, err, "unknown key \"%s\"", key->name);
                        return toml_fail(table, key->name, err, "unknown key \"%s\" in [%s%s%s]", key->name, parent,
                                         *parent ? "." : "", table->name);
                }
        }
        return 0;
}
