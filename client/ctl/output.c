/* SPDX-License-Identifier: Apache-2.0 */
#include "client/ctl/output.h"

#include <errno.h>
#include <inttypes.h>
#include <libsmartcols.h>
#include <stdarg.h>
#include <string.h>

/* --- tables --- */

struct table {
        struct libscols_table *scols;
        struct libscols_line *line;
        size_t column; /* of the next cell */
        bool failed;
};

struct table *table_new(const struct column *columns, size_t n, bool color)
{
        _cleanup_(table_freep) struct table *t = calloc(1, sizeof(*t));

        if (!t || !(t->scols = scols_new_table()))
                return NULL;
        scols_table_enable_colors(t->scols, color);
        scols_table_set_column_separator(t->scols, "  ");
        scols_table_enable_noheadings(t->scols, columns[0].name[0] == '\0');
        for (size_t i = 0; i < n; i++) {
                int flags = (columns[i].right ? SCOLS_FL_RIGHT : 0) | (columns[i].truncate ? SCOLS_FL_TRUNC : 0);

                if (!scols_table_new_column(t->scols, columns[i].name, 0, flags))
                        return NULL;
        }
        return TAKE(t);
}

struct table *table_free(struct table *t)
{
        if (!t)
                return NULL;
        scols_unref_table(t->scols);
        free(t);
        return NULL;
}

void table_row(struct table *t)
{
        t->line = scols_table_new_line(t->scols, NULL);
        t->column = 0;
        if (!t->line)
                t->failed = true;
}

void table_cell(struct table *t, const char *fmt, ...)
{
        char *text = NULL;
        va_list ap;

        if (t->failed)
                return;
        va_start(ap, fmt);
        if (vasprintf(&text, fmt, ap) < 0)
                t->failed = true;
        va_end(ap);
        if (!t->failed && scols_line_refer_data(t->line, t->column++, text) < 0) {
                free(text);
                t->failed = true;
        }
}

void table_color(struct table *t, const char *name)
{
        if (!t->failed)
                scols_cell_set_color(scols_line_get_cell(t->line, t->column - 1), name);
}

int table_print(struct table *t, FILE *f)
{
        if (t->failed)
                return -ENOMEM;
        scols_table_set_stream(t->scols, f);
        return scols_print_table(t->scols) < 0 ? -ENOMEM : 0;
}

/* --- JSON --- */

static void write_string(FILE *f, const char *text, size_t n)
{
        fputc('"', f);
        for (size_t i = 0; i < n; i++) {
                unsigned char c = (unsigned char)text[i];

                if (c == '"' || c == '\\')
                        fprintf(f, "\\%c", c);
                else if (c == '\n')
                        fputs("\\n", f);
                else if (c == '\t')
                        fputs("\\t", f);
                else if (c < 0x20 || c == 0x7f)
                        fprintf(f, "\\u%04x", c);
                else
                        fputc(c, f);
        }
        fputc('"', f);
}

void out_string(FILE *f, const char *text)
{
        write_string(f, text ? text : "", text ? strlen(text) : 0);
}

static void newline(FILE *f, int indent)
{
        if (indent < 0)
                return;
        fputc('\n', f);
        for (int i = 0; i < indent; i++)
                fputs("  ", f);
}

static int deeper(int indent)
{
        return indent < 0 ? indent : indent + 1;
}

static void out_strings(FILE *f, const struct strs *list)
{
        fputc('[', f);
        for (size_t i = 0; i < list->n; i++) {
                fputs(i > 0 ? ", " : "", f);
                out_string(f, list->items[i]);
        }
        fputc(']', f);
}

static void out_field(FILE *f, const struct field_desc *field, const void *p, int indent)
{
        switch (field->kind) {
        case FIELD_STR:
                out_string(f, *(const char *const *)p);
                break;
        case FIELD_BIN:
                write_string(f, (const char *)((const struct blob *)p)->data, ((const struct blob *)p)->len);
                break;
        case FIELD_U32:
                fprintf(f, "%" PRIu32, *(const uint32_t *)p);
                break;
        case FIELD_U64:
                fprintf(f, "%" PRIu64, *(const uint64_t *)p);
                break;
        case FIELD_I64:
                fprintf(f, "%" PRId64, *(const int64_t *)p);
                break;
        case FIELD_BOOL:
                fputs(*(const bool *)p ? "true" : "false", f);
                break;
        case FIELD_STRS:
                out_strings(f, p);
                break;
        case FIELD_MSG:
                if (*(void *const *)p)
                        out_message(f, field->message, *(void *const *)p, indent);
                else
                        fputs("null", f);
                break;
        case FIELD_MSGS: {
                const struct list_empty *list = p; /* all lists have this layout */

                out_list(f, field->message, list->items, list->n, indent);
                break;
        }
        }
}

void out_message(FILE *f, const struct message_desc *desc, const void *msg, int indent)
{
        int inner = deeper(indent);

        fputc('{', f);
        for (size_t i = 0; i < desc->n_fields; i++) {
                const struct field_desc *field = &desc->fields[i];

                if (i > 0)
                        fputs(indent < 0 ? ", " : ",", f);
                newline(f, inner);
                out_string(f, field->name);
                fputs(": ", f);
                out_field(f, field, (const char *)msg + field->offset, inner);
        }
        if (desc->n_fields > 0)
                newline(f, indent);
        fputc('}', f);
}

void out_list(FILE *f, const struct message_desc *desc, const void *items, size_t n, int indent)
{
        int inner = deeper(indent);

        fputc('[', f);
        for (size_t i = 0; i < n; i++) {
                if (i > 0)
                        fputs(indent < 0 ? ", " : ",", f);
                newline(f, inner);
                out_message(f, desc, (const char *)items + i * desc->size, inner);
        }
        if (n > 0)
                newline(f, indent);
        fputc(']', f);
}
