/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What is printed: tables by libsmartcols, and JSON of any message from its description. */

#include <stdbool.h>
#include <stdio.h>
#include "base/cleanup.h"
#include "proto/proto.h"

enum format { FORMAT_TABLE, FORMAT_JSON };

/* --- tables --- */
struct table;
struct column {
        const char *name;
        bool right;    /* numbers */
        bool truncate; /* gives way where the terminal is too narrow */
};
/* color: escape sequences are wanted. Without a name of the first column there is no line of names. NULL: no memory. */
struct table *table_new(const struct column *columns, size_t n, bool color);
struct table *table_free(struct table *t);
DEFINE_CLEANUP(struct table *, table_free)
void table_row(struct table *t);
/* The cells of the present row, from left to right. Failure is sticky until table_print. */
void table_cell(struct table *t, const char *fmt, ...) _printf_(2, 3);
void table_color(struct table *t, const char *name); /* of the cell that was added last: "red", "green", ... */
int table_print(struct table *t, FILE *f);           /* 0 or -ENOMEM */

/* --- JSON --- */
/* indent -1: on one line. Every field of the description is there; bytes that are no JSON text of their own are a
 * string. */
void out_message(FILE *f, const struct message_desc *desc, const void *msg, int indent);
void out_list(FILE *f, const struct message_desc *desc, const void *items, size_t n, int indent);
void out_string(FILE *f, const char *text);
