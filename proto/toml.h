/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A strict parser of the part of TOML 1.0 that option files need: tables [a] and [a.b] with bare or quoted names, and
 * keys with strings, integers, booleans, and arrays of strings or of integers. Not there, and refused with words that
 * say so: dotted keys, inline tables, arrays of tables, multi-line strings, floats, dates, octal and binary integers.
 *
 * Every getter marks what it was asked for; what nobody asked for is an error of toml_check_unused(). All errors begin
 * with FILE:LINE:COLUMN (columns are bytes, from 1). Everything that is returned lives as long as the struct toml.
 */

#include "proto/proto.h"

#define TOML_MAX (256 * 1024) /* bytes of a file */
#define TOML_MAX_KEYS 1024    /* in one table, and tables in one table */

struct toml;
struct toml_table;

/* name: of the file, for messages. */
int toml_parse(struct toml **ret, const char *name, const char *text, size_t len, struct error *err);
struct toml *toml_free(struct toml *t);
DEFINE_CLEANUP(struct toml *, toml_free)

struct toml_table *toml_root(struct toml *t);
/* The table [parent.name], or NULL. */
struct toml_table *toml_find_table(struct toml_table *parent, const char *name);
/* The tables below parent in the order of the file: prev NULL gives the first one; NULL at the end. */
struct toml_table *toml_next_table(struct toml_table *parent, const struct toml_table *prev);
const char *toml_table_name(const struct toml_table *table); /* last part of its name; "" for the root */

/* Getters: 1 and *ret if the key is there, 0 and *ret untouched if not, -1 with *err if it has another type. table may
 * be NULL: absent. */
int toml_get_string(struct toml_table *table, const char *key, const char **ret, struct error *err);
int toml_get_bool(struct toml_table *table, const char *key, bool *ret, struct error *err);
int toml_get_u64(struct toml_table *table, const char *key, uint64_t min, uint64_t max, uint64_t *ret,
                 struct error *err);
int toml_get_i64(struct toml_table *table, const char *key, int64_t *ret, struct error *err);
int toml_get_strings(struct toml_table *table, const char *key, struct strs *ret, struct error *err);
struct toml_integers {
        const int64_t *items;
        size_t n;
};
int toml_get_integers(struct toml_table *table, const char *key, struct toml_integers *ret, struct error *err);
/* A value of any scalar type as text ("true", "10"), for options that are handed on. */
int toml_get_text(struct toml_table *table, const char *key, const char **ret, struct error *err);
/* The names of a table's keys in the order of the file, by index; NULL at the end. Does not mark them. */
const char *toml_key_name(const struct toml_table *table, size_t index);

/* An error at the place of a key (NULL, or absent: of the table). Returns -1. */
int toml_fail(const struct toml_table *table, const char *key, struct error *err, const char *fmt, ...) _printf_(4, 5);

/* 0, or -1 and the first key or table that nobody has asked for. */
int toml_check_unused(const struct toml *t, struct error *err);
