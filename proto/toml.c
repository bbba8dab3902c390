/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One pass over the text, byte by byte, without recursion: a value is a scalar or a flat array of scalars, and tables
 * are named by their headers. Tables and keys are lists in the order of the file.
 */

#include "proto/toml.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include "base/buf.h"
#include "proto/toml_tree.h"

struct parser {
        struct toml *file;
        struct toml_table *table; /* that keys go to */
        const char *text, *end;   /* what is left */
        const char *line_start;
        unsigned line;
        struct error *err;
};

/* --- places and errors --- */
static int parse_fail(struct parser *p, const char *at, const char *fmt, ...) _printf_(3, 4);
static int parse_fail(struct parser *p, const char *at, const char *fmt, ...)
{
        va_list args;

        va_start(args, fmt);
        toml_fail_at(p->file, p->line, (unsigned)(at - p->line_start) + 1, p->err, fmt, args);
        va_end(args);
        return -1;
}

static int no_memory(struct error *err)
{
        return error_set(err, REASON_NO_RESOURCES, "no memory for a configuration file");
}

/* "expected WHAT, found ..." at the present place. */
static int expected(struct parser *p, const char *what)
{
        unsigned char c = p->text < p->end ? (unsigned char)*p->text : 0;

        if (p->text == p->end)
                return parse_fail(p, p->text, "expected %s, found the end of the file", what);
        if (c == '\n' || c == '\r')
                return parse_fail(p, p->text, "expected %s, found the end of the line", what);
        if (c < 0x20 || c >= 0x7f)
                return parse_fail(p, p->text, "expected %s, found byte 0x%02x", what, c);
        return parse_fail(p, p->text, "expected %s, found '%c'", what, c);
}

/* --- blanks --- */
static bool at(const struct parser *p, char c)
{
        return p->text < p->end && *p->text == c;
}

static bool accept(struct parser *p, char c)
{
        if (!at(p, c))
                return false;
        p->text++;
        return true;
}

static bool at_text(const struct parser *p, const char *s)
{
        size_t n = strlen(s);

        return (size_t)(p->end - p->text) >= n && memcmp(p->text, s, n) == 0;
}

static void skip_blanks(struct parser *p)
{
        while (at(p, ' ') || at(p, '\t'))
                p->text++;
}

/* A line's end, if there is one here. */
static bool accept_newline(struct parser *p)
{
        if (!at(p, '\n') && !at_text(p, "\r\n"))
                return false;
        p->text += *p->text == '\r' ? 2 : 1;
        p->line++;
        p->line_start = p->text;
        return true;
}

static bool is_control(char c)
{
        return ((unsigned char)c < 0x20 && c != '\t') || c == 0x7f;
}

/* Blanks and a comment, up to the line's end, which is not taken. */
static int skip_comment(struct parser *p)
{
        skip_blanks(p);
        if (!accept(p, '#'))
                return 0;
        while (p->text < p->end && !is_control(*p->text))
                p->text++;
        if (p->text < p->end && !at(p, '\n') && !at_text(p, "\r\n"))
                return expected(p, "the text of a comment");
        return 0;
}

static int end_line(struct parser *p)
{
        if (skip_comment(p) < 0)
                return -1;
        if (p->text == p->end || accept_newline(p))
                return 0;
        return expected(p, "the end of the line");
}

/* --- strings --- */
static void append_utf8(struct buf *b, uint32_t c)
{
        uint8_t s[4];
        size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

        for (size_t i = n; i-- > 1; c >>= 6)
                s[i] = (uint8_t)(0x80 | (c & 0x3f));
        s[0] = (uint8_t)(n == 1 ? c : (0xf00 >> n & 0xff) | c);
        buf_append(b, s, n);
}

static int hex_digit(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int parse_unicode(struct parser *p, unsigned digits, struct buf *b)
{
        const char *start = p->text - 2;
        uint32_t c = 0;

        for (unsigned i = 0; i < digits; i++) {
                int digit = p->text < p->end ? hex_digit(*p->text) : -1;

                if (digit < 0)
                        return expected(p, digits == 4 ? "4 hexadecimal digits" : "8 hexadecimal digits");
                c = c << 4 | (uint32_t)digit;
                p->text++;
        }
        if (c == 0 || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
                return parse_fail(p, start, "expected a Unicode character other than NUL, found U+%04" PRIX32, c);
        append_utf8(b, c);
        return 0;
}

static int parse_escape(struct parser *p, struct buf *b)
{
        static const char from[] = "btnfr\"\\", to[] = "\b\t\n\f\r\"\\";
        const char *which;

        if (accept(p, 'u'))
                return parse_unicode(p, 4, b);
        if (accept(p, 'U'))
                return parse_unicode(p, 8, b);
        which = p->text < p->end && *p->text ? strchr(from, *p->text) : NULL;
        if (!which)
                return expected(p, "one of b t n f r u U \" \\ after a backslash");
        buf_append(b, &to[which - from], 1);
        p->text++;
        return 0;
}

/* "basic" or 'literal'. */
static int parse_string(struct parser *p, const char **ret)
{
        _cleanup_(buf_deinit) struct buf b = BUF_NULL;
        const char *start = p->text;
        char quote = *p->text++;

        if (at(p, quote) && p->text + 1 < p->end && p->text[1] == quote)
                return parse_fail(p, start, "strings over several lines are not supported");
        while (!accept(p, quote)) {
                if (p->text == p->end || is_control(*p->text))
                        return expected(p, quote == '"' ? "the rest of a string and '\"'"
                                                        : "the rest of a string and \"'\"");
                if (quote == '"' && accept(p, '\\')) {
                        if (parse_escape(p, &b) < 0)
                                return -1;
                        continue;
                }
                buf_append(&b, p->text++, 1);
        }
        *ret = b.failed ? NULL
                        : arena_strndup(p->file->arena, buf_len(&b) ? (const char *)buf_head(&b) : "", buf_len(&b));
        return *ret ? 0 : no_memory(p->err);
}

/* --- other values --- */
static bool is_bare(char c)
{
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

/* The digits of a word with single underscores between them. */
static int parse_digits(struct parser *p, const char *word, const char *end, unsigned base, bool negative, int64_t *ret)
{
        uint64_t max = negative ? (uint64_t)INT64_MAX + 1 : INT64_MAX, n = 0;
        bool digit_before = false;

        if (base == 10 && end - word > 1 && *word == '0')
                return parse_fail(p, word, "expected an integer without leading zeros");
        for (const char *c = word; c < end; c++) {
                int digit = hex_digit(*c);

                if (*c == '_' && digit_before && c + 1 < end) {
                        digit_before = false;
                        continue;
                }
                if (digit < 0 || (unsigned)digit >= base)
                        return parse_fail(p, c, "expected a digit of an integer, found '%c'", *c);
                if (n > (max - (unsigned)digit) / base)
                        return parse_fail(p, word, "expected an integer of 64 bits, found a larger one");
                n = n * base + (unsigned)digit;
                digit_before = true;
        }
        *ret = negative ? (int64_t)(0 - n) : (int64_t)n;
        return 0;
}

static int parse_integer(struct parser *p, int64_t *ret)
{
        const char *word = p->text, *end;
        bool negative = *word == '-', sign = negative || *word == '+';

        if (sign)
                word++;
        for (end = word; end < p->end && (is_bare(*end) || *end == '.' || *end == ':' || *end == '+'); end++)
                ;
        if (word == end)
                return parse_fail(p, word, "expected a digit after a sign");
        if (memchr(word, '.', (size_t)(end - word)) || memchr(word, ':', (size_t)(end - word)))
                return parse_fail(p, word, "floats and dates are not supported");
        p->text = end;
        if (end - word > 2 && word[0] == '0' && word[1] == 'x') {
                if (sign)
                        return parse_fail(p, word, "expected no sign before a hexadecimal integer");
                return parse_digits(p, word + 2, end, 16, false, ret);
        }
        return parse_digits(p, word, end, 10, negative, ret);
}

/* A value that is no array. */
static int parse_scalar(struct parser *p, const char *what, struct toml_key *key)
{
        char c = p->text < p->end ? *p->text : '\0';

        if (c == '"' || c == '\'') {
                key->kind = TOML_STRING;
                return parse_string(p, &key->string);
        }
        if (c == '+' || c == '-' || (c >= '0' && c <= '9')) {
                key->kind = TOML_INTEGER;
                return parse_integer(p, &key->integer);
        }
        key->kind = TOML_BOOLEAN;
        key->boolean = at_text(p, "true");
        if (key->boolean || at_text(p, "false")) {
                const char *after = p->text + (key->boolean ? 4 : 5);

                if (after == p->end || !is_bare(*after)) {
                        p->text = after;
                        return 0;
                }
        }
        if (c == '{')
                return parse_fail(p, p->text, "inline tables are not supported: use a [table]");
        return expected(p, what);
}

/* Blanks, comments and lines' ends. */
static int skip_lines(struct parser *p)
{
        do {
                if (skip_comment(p) < 0)
                        return -1;
        } while (accept_newline(p));
        return 0;
}

static int parse_array(struct parser *p, struct toml_key *key)
{
        _cleanup_(buf_deinit) struct buf items = BUF_NULL;
        enum toml_kind kind = TOML_ARRAY;
        size_t n = 0;
        void *copy;

        p->text++;
        for (;; n++) {
                struct toml_key item;
                const char *start;

                if (skip_lines(p) < 0)
                        return -1;
                if (accept(p, ']'))
                        break;
                start = p->text;
                if (parse_scalar(p, n == 0 ? "a string, an integer or ']'" : "another entry or ']'", &item) < 0)
                        return -1;
                if (item.kind == TOML_BOOLEAN || (n > 0 && (item.kind == TOML_STRING) != (kind == TOML_STRINGS)))
                        return parse_fail(p, start, "expected an array of strings or an array of integers");
                kind = item.kind == TOML_STRING ? TOML_STRINGS : TOML_INTEGERS;
                if (kind == TOML_STRINGS)
                        buf_append(&items, &item.string, sizeof(item.string));
                else
                        buf_append(&items, &item.integer, sizeof(item.integer));
                if (skip_lines(p) < 0)
                        return -1;
                if (!accept(p, ',') && !at(p, ']'))
                        return expected(p, "',' or ']'");
        }
        copy = items.failed ? NULL : arena_alloc(p->file->arena, buf_len(&items));
        if (!copy)
                return no_memory(p->err);
        if (n > 0)
                memcpy(copy, buf_head(&items), buf_len(&items));
        key->kind = kind;
        if (kind == TOML_INTEGERS)
                key->integers = (struct toml_integers){ copy, n };
        else
                key->strings = (struct strs){ copy, n };
        return 0;
}

/* --- keys and tables --- */
/* A bare or quoted name. */
static int parse_name(struct parser *p, const char *what, const char **ret)
{
        const char *start = p->text;

        if (at(p, '"') || at(p, '\''))
                return parse_string(p, ret);
        while (p->text < p->end && is_bare(*p->text))
                p->text++;
        if (p->text == start)
                return expected(p, what);
        *ret = arena_strndup(p->file->arena, start, (size_t)(p->text - start));
        return *ret ? 0 : no_memory(p->err);
}

static int parse_key(struct parser *p)
{
        unsigned line = p->line, column = (unsigned)(p->text - p->line_start) + 1;
        const char *start = p->text, *name;
        struct toml_key *key, *other, **last;
        size_t n = 0;

        if (parse_name(p, "a key or a [table]", &name) < 0)
                return -1;
        skip_blanks(p);
        if (at(p, '.'))
                return parse_fail(p, p->text, "dotted keys are not supported: use a [table]");
        other = toml_key_at(p->table, name, &n);
        if (other)
                return parse_fail(p, start, "\"%s\" is there already, at line %u", name, other->line);
        if (toml_table_at(p->table, name, NULL))
                return parse_fail(p, start, "\"%s\" is a table already", name);
        if (n == TOML_MAX_KEYS)
                return parse_fail(p, start, "a table may have at most %d keys", TOML_MAX_KEYS);
        if (!accept(p, '='))
                return expected(p, "'=' after a key");
        skip_blanks(p);
        key = arena_alloc(p->file->arena, sizeof(*key));
        if (!key)
                return no_memory(p->err);
        if ((at(p, '[') ? parse_array(p, key)
                        : parse_scalar(p, "a string, an integer, true, false or an array", key)) < 0)
                return -1;
        key->name = name;
        key->line = line;
        key->column = column;
        for (last = &p->table->keys; *last; last = &(*last)->next)
                ;
        *last = key;
        return 0;
}

/* The table of that name below parent, made if it is not there. */
static struct toml_table *enter_table(struct parser *p, struct toml_table *parent, const char *name, const char *start)
{
        struct toml_table *table, **last;
        size_t n = 0;

        table = toml_table_at(parent, name, &n);
        if (table)
                return table;
        if (toml_key_at(parent, name, NULL)) {
                parse_fail(p, start, "\"%s\" is a key already", name);
                return NULL;
        }
        if (n == TOML_MAX_KEYS) {
                parse_fail(p, start, "a table may have at most %d tables", TOML_MAX_KEYS);
                return NULL;
        }
        table = arena_alloc(p->file->arena, sizeof(*table));
        if (!table) {
                no_memory(p->err);
                return NULL;
        }
        table->parent = parent;
        table->file = p->file;
        table->name = name;
        table->line = p->line;
        table->column = (unsigned)(start - p->line_start) + 1;
        for (last = &parent->tables; *last; last = &(*last)->next)
                ;
        *last = table;
        return table;
}

static int parse_header(struct parser *p)
{
        struct toml_table *table = &p->file->root;
        const char *header = p->text++;

        if (at(p, '['))
                return parse_fail(p, header, "arrays of tables are not supported");
        do {
                const char *start, *name;

                skip_blanks(p);
                start = p->text;
                if (parse_name(p, "the name of a table", &name) < 0)
                        return -1;
                table = enter_table(p, table, name, start);
                if (!table)
                        return -1;
                skip_blanks(p);
        } while (accept(p, '.'));
        if (!accept(p, ']'))
                return expected(p, "'.' or ']'");
        if (table->defined)
                return parse_fail(p, header, "the table is there already, at line %u", table->line);
        table->defined = true;
        table->line = p->line;
        table->column = (unsigned)(header - p->line_start) + 1;
        p->table = table;
        return 0;
}

static int parse_document(struct parser *p)
{
        while (p->text < p->end) {
                int r = 0;

                skip_blanks(p);
                if (at(p, '['))
                        r = parse_header(p);
                else if (p->text < p->end && !at(p, '#') && !at(p, '\n') && !at_text(p, "\r\n"))
                        r = parse_key(p);
                if (r < 0 || end_line(p) < 0)
                        return -1;
        }
        return 0;
}

static int check_encoding(struct parser *p)
{
        const char *line = p->text;
        unsigned n = 1;

        for (const char *nl; line < p->end; line = nl + 1, n++) {
                nl = memchr(line, '\n', (size_t)(p->end - line));
                if (!nl)
                        nl = p->end;
                p->line = n;
                p->line_start = line;
                if (!text_valid(line, (size_t)(nl - line)))
                        return parse_fail(p, line, "expected UTF-8 text without NUL in this line");
                if (nl == p->end)
                        break;
        }
        p->line = 1;
        p->line_start = p->text;
        return 0;
}

int toml_parse(struct toml **ret, const char *name, const char *text, size_t len, struct error *err)
{
        _cleanup_(toml_freep) struct toml *t = calloc(1, sizeof(*t));
        struct parser p;

        if (!t)
                return no_memory(err);
        t->arena = arena_new();
        t->name = t->arena ? arena_strdup(t->arena, name) : NULL;
        if (!t->name)
                return no_memory(err);
        if (len > TOML_MAX)
                return error_set(err, REASON_TOO_LARGE, "%s: has %zu bytes, over the limit of %d", name, len, TOML_MAX);
        t->root = (struct toml_table){ .file = t, .name = "", .line = 1, .column = 1, .defined = true, .used = true };
        p = (struct parser){ .file = t, .table = &t->root, .text = text, .end = text + len, .err = err };
        if (check_encoding(&p) < 0 || parse_document(&p) < 0)
                return -1;
        *ret = TAKE(t);
        return 0;
}

struct toml *toml_free(struct toml *t)
{
        if (!t)
                return NULL;
        arena_free(t->arena);
        free(t);
        return NULL;
}
