/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The tree that toml.c makes and toml_get.c reads; nobody else looks into it. */

#include <stdarg.h>
#include "proto/toml.h"
#include "proto/codec.h"

enum toml_kind { TOML_STRING, TOML_INTEGER, TOML_BOOLEAN, TOML_ARRAY, TOML_STRINGS, TOML_INTEGERS };

struct toml_key {
        struct toml_key *next;
        const char *name;
        unsigned line, column;
        bool used;
        enum toml_kind kind; /* TOML_ARRAY: an empty one, of either type */
        union {
                const char *string;
                int64_t integer;
                bool boolean;
                struct strs strings;
                struct toml_integers integers;
        };
};

struct toml_table {
        struct toml_table *next, *parent, *tables;
        struct toml_key *keys;
        const struct toml *file;
        const char *name;
        unsigned line, column; /* of the header that named it first */
        bool defined;          /* has a header of its own */
        bool used;
};

struct toml {
        struct arena *arena;
        const char *name;
        struct toml_table root;
};

/* By name; NULL if it is not there, and then *ret_n (may be NULL) is how many there are. */
struct toml_key *toml_key_at(const struct toml_table *table, const char *name, size_t *ret_n);
struct toml_table *toml_table_at(const struct toml_table *parent, const char *name, size_t *ret_n);

int toml_fail_at(const struct toml *file, unsigned line, unsigned column, struct error *err, const char *fmt,
                 va_list args) __attribute__((format(printf, 5, 0)));
