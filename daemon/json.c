/* SPDX-License-Identifier: Apache-2.0 */

/*
 * JSON as the descriptions of the messages say. The text comes from our own state directory, which an operator may have
 * edited and a full disk may have cut: so nothing is believed, and every refusal says where. The encoder omits members
 * with their zero value, as the codec does; the decoder takes an absent member (or null, for a message) as zero.
 *
 * jansson bounds the nesting of what we ignore (2,048 levels); the nesting of what we read is that of the descriptions.
 */

#include "daemon/json.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>
#include "proto/field.h"

#define NO_INDEX SIZE_MAX

struct path { /* of a member, as a chain through the stack */
        const struct path *parent;
        const char *name;
        size_t index;
};

/* "init.pid", "execs[3].state" */
static const char *path_text(const struct path *p, char *buf, size_t size)
{
        size_t n;

        buf[0] = '\0';
        if (p->parent)
                path_text(p->parent, buf, size);
        n = strlen(buf);
        if (p->index != NO_INDEX)
                snprintf(buf + n, size - n, "[%zu]", p->index);
        else
                snprintf(buf + n, size - n, "%s%s", n ? "." : "", p->name);
        return buf;
}

#define PATH_TEXT(p) path_text((p), (char[256]){ 0 }, 256)

static int no_memory(struct error *err)
{
        return error_set(err, REASON_NO_RESOURCES, "no memory");
}

/* --- base64, RFC 4648 section 4, with padding --- */
static const char base64_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void base64_encode(const uint8_t *data, size_t len, struct buf *ret)
{
        char *out = len > SIZE_MAX / 2 ? NULL : (char *)buf_reserve(ret, (len + 2) / 3 * 4);

        ret->failed = ret->failed || !out;
        if (ret->failed)
                return;
        for (size_t i = 0; i < len; i += 3) {
                size_t n = len - i < 3 ? len - i : 3;
                uint32_t v = (uint32_t)data[i] << 16;

                v |= n > 1 ? (uint32_t)data[i + 1] << 8 : 0;
                v |= n > 2 ? data[i + 2] : 0;
                *out++ = base64_alphabet[v >> 18];
                *out++ = base64_alphabet[v >> 12 & 63];
                *out++ = n > 1 ? base64_alphabet[v >> 6 & 63] : '=';
                *out++ = n > 2 ? base64_alphabet[v & 63] : '=';
        }
        buf_commit(ret, (len + 2) / 3 * 4);
}

static int base64_value(char c)
{
        const char *p = c ? strchr(base64_alphabet, c) : NULL;

        return p ? (int)(p - base64_alphabet) : -1;
}

/* Decodes len (a multiple of 4, not 0) characters to out, which has room for len / 4 * 3 bytes. Returns how many, or
 * -1. */
static ssize_t base64_decode(const char *text, size_t len, uint8_t *out)
{
        size_t pad = text[len - 1] != '=' ? 0 : text[len - 2] != '=' ? 1 : 2;
        uint8_t *start = out;

        for (size_t i = 0; i < len; i += 4) {
                size_t n = i + 4 == len ? 4 - pad : 4;
                uint32_t v = 0;

                for (size_t k = 0; k < 4; k++) {
                        int d = k < n ? base64_value(text[i + k]) : 0;

                        if (d < 0)
                                return -1;
                        v = v << 6 | (uint32_t)d;
                }
                *out++ = (uint8_t)(v >> 16);
                if (n > 2)
                        *out++ = (uint8_t)(v >> 8);
                if (n > 3)
                        *out++ = (uint8_t)v;
        }
        return out - start;
}

/* --- encoding ---
 * Written directly: a record is written at each transition, and a tree of it would cost more than all the rest. */
static int encode_message(const struct message_desc *desc, const void *msg, const struct path *path, struct buf *ret,
                          struct error *err);

static void put(struct buf *ret, const char *text)
{
        buf_append(ret, text, strlen(text));
}

/* A new line of what is as deep as the path. */
static void put_line(struct buf *ret, const struct path *path)
{
        put(ret, "\n");
        for (; path; path = path->parent)
                put(ret, "  ");
}

static void put_number(struct buf *ret, uint64_t value, bool negative)
{
        char digits[24], *p = digits + sizeof(digits);

        do
                *--p = (char)('0' + value % 10);
        while (value /= 10);
        if (negative)
                *--p = '-';
        buf_append(ret, p, (size_t)(digits + sizeof(digits) - p));
}

static void put_escaped(struct buf *ret, unsigned char c)
{
        static const char hex[] = "0123456789abcdef";
        const char escape[] = { '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] }, plain[] = { '\\', (char)c };

        if (c < ' ')
                buf_append(ret, escape, sizeof(escape));
        else
                buf_append(ret, plain, sizeof(plain));
}

/* Text that needs no look at whether it is UTF-8. */
static void put_str(struct buf *ret, const char *s)
{
        put(ret, "\"");
        while (*s) {
                size_t n = 0;

                while ((unsigned char)s[n] >= ' ' && s[n] != '"' && s[n] != '\\')
                        n++;
                buf_append(ret, s, n);
                s += n;
                if (*s)
                        put_escaped(ret, (unsigned char)*s++);
        }
        put(ret, "\"");
}

static int encode_str(const char *s, const struct path *path, struct buf *ret, struct error *err)
{
        if (!text_valid(s ? s : "", s ? strlen(s) : 0))
                return error_set(err, REASON_INTERNAL, "%s: the text cannot be written as JSON: it is not UTF-8",
                                 PATH_TEXT(path));
        put_str(ret, s ? s : "");
        return 0;
}

static int encode_u64(uint64_t value, const struct path *path, struct buf *ret, struct error *err)
{
        if (value > INT64_MAX)
                return error_set(err, REASON_TOO_LARGE,
                                 "%s: %" PRIu64 " is more than a record can hold: at most 2^63 - 1", PATH_TEXT(path),
                                 value);
        put_number(ret, value, false);
        return 0;
}

/* A list of n entries, each made by encode_str or encode_message. */
static int encode_list(const struct field_desc *f, const void *member, const struct path *path, struct buf *ret,
                       struct error *err)
{
        struct raw_list list = field_list(member);
        int r = 0;

        put(ret, "[");
        for (size_t i = 0; i < list.n && r == 0; i++) {
                struct path p = { .parent = path, .index = i };

                if (i)
                        put(ret, ",");
                put_line(ret, &p);
                if (f->kind == FIELD_STRS)
                        r = encode_str(((const char *const *)list.items)[i], &p, ret, err);
                else
                        r = encode_message(f->message, (const char *)list.items + i * f->message->size, &p, ret, err);
        }
        put_line(ret, path);
        put(ret, "]");
        return r;
}

static int encode_value(const struct field_desc *f, const void *member, const struct path *path, struct buf *ret,
                        struct error *err)
{
        const struct blob *blob = member;
        int64_t i;

        switch (f->kind) {
        case FIELD_STR:
                return encode_str(field_pointer(member), path, ret, err);
        case FIELD_BIN:
                put(ret, "\"");
                base64_encode(blob->data, blob->len, ret);
                put(ret, "\"");
                return 0;
        case FIELD_U32:
                return encode_u64(*(const uint32_t *)member, path, ret, err);
        case FIELD_U64:
                return encode_u64(*(const uint64_t *)member, path, ret, err);
        case FIELD_I64:
                i = *(const int64_t *)member;
                put_number(ret, i < 0 ? -(uint64_t)i : (uint64_t)i, i < 0);
                return 0;
        case FIELD_BOOL:
                put(ret, "true");
                return 0;
        case FIELD_STRS:
        case FIELD_MSGS:
                return encode_list(f, member, path, ret, err);
        case FIELD_MSG:
                return encode_message(f->message, field_pointer(member), path, ret, err);
        }
        return error_set(err, REASON_INTERNAL, "%s: no kind of a member", PATH_TEXT(path));
}

static int encode_message(const struct message_desc *desc, const void *msg, const struct path *path, struct buf *ret,
                          struct error *err)
{
        bool first = true;

        put(ret, "{");
        for (size_t i = 0; i < desc->n_fields; i++) {
                const struct field_desc *f = &desc->fields[i];
                const void *member = (const char *)msg + f->offset;
                struct path p = { .parent = path, .name = f->name, .index = NO_INDEX };

                if (field_size(member, f->kind) == 0)
                        continue;
                if (!first)
                        put(ret, ",");
                first = false;
                put_line(ret, &p);
                put_str(ret, f->name);
                put(ret, ": ");
                if (encode_value(f, member, &p, ret, err) < 0)
                        return -1;
        }
        if (!first)
                put_line(ret, path);
        put(ret, "}");
        return 0;
}

int json_encode(const struct message_desc *desc, const void *msg, struct buf *ret, struct error *err)
{
        if (encode_message(desc, msg, NULL, ret, err) < 0)
                return -1;
        put(ret, "\n");
        return ret->failed ? no_memory(err) : 0;
}

/* --- decoding --- */
static int decode_message(const struct message_desc *desc, const json_t *object, struct arena *a, void *msg,
                          const struct path *path, struct error *err);

static const char *type_name(const json_t *v)
{
        switch (json_typeof(v)) {
        case JSON_OBJECT:
                return "an object";
        case JSON_ARRAY:
                return "an array";
        case JSON_STRING:
                return "a string";
        case JSON_INTEGER:
                return "an integer";
        case JSON_REAL:
                return "a number with a fraction or exponent";
        case JSON_NULL:
                return "null";
        default:
                return "a boolean";
        }
}

static int wrong_type(const struct path *path, const char *expected, const json_t *found, struct error *err)
{
        return error_set(err, REASON_CORRUPT, "%s: expected %s, found %s", PATH_TEXT(path), expected, type_name(found));
}

static int decode_str(const json_t *v, uint64_t limit, struct arena *a, const char **ret, const struct path *path,
                      struct error *err)
{
        if (!json_is_string(v))
                return wrong_type(path, "a string", v, err);
        if (limit && json_string_length(v) > limit)
                return error_set(err, REASON_CORRUPT, "%s: the string has %zu bytes: at most %" PRIu64 " are allowed",
                                 PATH_TEXT(path), json_string_length(v), limit);
        *ret = arena_strndup(a, json_string_value(v), json_string_length(v));
        return *ret ? 0 : no_memory(err);
}

static int decode_bin(const json_t *v, uint64_t limit, struct arena *a, struct blob *ret, const struct path *path,
                      struct error *err)
{
        uint8_t *data;
        size_t len;
        ssize_t n;

        if (!json_is_string(v))
                return wrong_type(path, "a string of base64", v, err);
        len = json_string_length(v);
        if (len == 0)
                return 0;
        if (limit && len / 4 > limit / 3 + 1)
                return error_set(err, REASON_CORRUPT, "%s: %zu characters of base64 are more than %" PRIu64 " bytes",
                                 PATH_TEXT(path), len, limit);
        data = arena_alloc(a, len / 4 * 3 + 1);
        if (!data)
                return no_memory(err);
        n = len % 4 ? -1 : base64_decode(json_string_value(v), len, data);
        if (n < 0)
                return error_set(err, REASON_CORRUPT, "%s: the string is not base64", PATH_TEXT(path));
        if (limit && (uint64_t)n > limit)
                return error_set(err, REASON_CORRUPT, "%s: %zd bytes: at most %" PRIu64 " are allowed", PATH_TEXT(path),
                                 n, limit);
        *ret = (struct blob){ .data = data, .len = (size_t)n };
        return 0;
}

static int decode_number(const json_t *v, uint64_t max, uint64_t *ret, const struct path *path, struct error *err)
{
        json_int_t i = json_integer_value(v);

        if (!json_is_integer(v))
                return wrong_type(path, "an integer", v, err);
        if (i < 0 || (uint64_t)i > max)
                return error_set(err, REASON_CORRUPT, "%s: %" JSON_INTEGER_FORMAT " is not between 0 and %" PRIu64,
                                 PATH_TEXT(path), i, max);
        *ret = (uint64_t)i;
        return 0;
}

static int decode_list(const struct field_desc *f, const json_t *v, struct arena *a, void *member,
                       const struct path *path, struct error *err)
{
        size_t n = json_array_size(v), size = f->kind == FIELD_STRS ? sizeof(char *) : f->message->size;
        uint64_t limit = f->kind == FIELD_STRS ? LIMIT_LIST : f->limit; /* of strs, f->limit is that of each text */
        struct raw_list list = { .n = n };

        if (!json_is_array(v))
                return wrong_type(path, "an array", v, err);
        if (limit && n > limit)
                return error_set(err, REASON_CORRUPT, "%s: %zu entries: at most %" PRIu64 " are allowed",
                                 PATH_TEXT(path), n, limit);
        if (n == 0)
                return 0;
        list.items = arena_alloc(a, n * size);
        if (!list.items)
                return no_memory(err);
        for (size_t i = 0; i < n; i++) {
                struct path p = { .parent = path, .index = i };
                const json_t *entry = json_array_get(v, i);
                int r;

                if (f->kind == FIELD_STRS)
                        r = decode_str(entry, f->limit, a, (const char **)list.items + i, &p, err);
                else
                        r = decode_message(f->message, entry, a, (char *)list.items + i * size, &p, err);
                if (r < 0)
                        return r;
        }
        memcpy(member, &list, sizeof(list));
        return 0;
}

static int decode_msg(const struct field_desc *f, const json_t *v, struct arena *a, void *member,
                      const struct path *path, struct error *err)
{
        void *msg;

        if (json_is_null(v))
                return 0;
        msg = arena_alloc(a, f->message->size);
        if (!msg)
                return no_memory(err);
        if (decode_message(f->message, v, a, msg, path, err) < 0)
                return -1;
        memcpy(member, &msg, sizeof(msg));
        return 0;
}

static int decode_i64(const json_t *v, int64_t *ret, const struct path *path, struct error *err)
{
        if (!json_is_integer(v))
                return wrong_type(path, "an integer", v, err);
        *ret = json_integer_value(v);
        return 0;
}

static int decode_bool(const json_t *v, bool *ret, const struct path *path, struct error *err)
{
        if (!json_is_boolean(v))
                return wrong_type(path, "true or false", v, err);
        *ret = json_is_true(v);
        return 0;
}

static int decode_value(const struct field_desc *f, const json_t *v, struct arena *a, void *member,
                        const struct path *path, struct error *err)
{
        uint64_t number;

        switch (f->kind) {
        case FIELD_STR:
                return decode_str(v, f->limit, a, member, path, err);
        case FIELD_BIN:
                return decode_bin(v, f->limit, a, member, path, err);
        case FIELD_U32:
                if (decode_number(v, f->limit ? f->limit : UINT32_MAX, &number, path, err) < 0)
                        return -1;
                *(uint32_t *)member = (uint32_t)number;
                return 0;
        case FIELD_U64:
                return decode_number(v, f->limit ? f->limit : INT64_MAX, member, path, err);
        case FIELD_I64:
                return decode_i64(v, member, path, err);
        case FIELD_BOOL:
                return decode_bool(v, member, path, err);
        case FIELD_STRS:
        case FIELD_MSGS:
                return decode_list(f, v, a, member, path, err);
        case FIELD_MSG:
                return decode_msg(f, v, a, member, path, err);
        }
        return 0;
}

static int decode_message(const struct message_desc *desc, const json_t *object, struct arena *a, void *msg,
                          const struct path *path, struct error *err)
{
        if (!json_is_object(object)) {
                if (!path)
                        return error_set(err, REASON_CORRUPT, "expected an object, found %s", type_name(object));
                return wrong_type(path, "an object", object, err);
        }
        for (size_t i = 0; i < desc->n_fields; i++) {
                const struct field_desc *f = &desc->fields[i];
                struct path p = { .parent = path, .name = f->name, .index = NO_INDEX };
                void *member = (char *)msg + f->offset;
                const json_t *v = json_object_get(object, f->name);

                if (f->kind == FIELD_STR)
                        *(const char **)member = "";
                if (v && decode_value(f, v, a, member, &p, err) < 0)
                        return -1;
                if ((f->flags & REQUIRED) && field_size(member, f->kind) == 0)
                        return error_set(err, REASON_CORRUPT, "%s: is %s, and must not be", PATH_TEXT(&p),
                                         v ? "empty" : "missing");
        }
        return 0;
}

int json_decode(const struct message_desc *desc, const char *text, size_t len, struct arena *a, void **ret,
                struct error *err)
{
        _cleanup_(json_decrefp) json_t *object = NULL;
        const char *nul;
        json_error_t e;
        void *msg;

        if (len == 0)
                return error_set(err, REASON_CORRUPT, "the file is empty");
        nul = memchr(text, '\0', len);
        if (nul) /* jansson reads over one behind a number */
                return error_set(err, REASON_CORRUPT, "byte %zu is a NUL", (size_t)(nul - text) + 1);
        errno = 0;
        object = json_loadb(text, len, JSON_REJECT_DUPLICATES, &e);
        if (!object && errno == ENOMEM) /* of malloc: jansson may call it wrong syntax */
                return no_memory(err);
        if (!object)
                return error_set(err, REASON_CORRUPT, "line %d, column %d: %s", e.line, e.column,
                                 text_clean(e.text, sizeof(e.text) - 1));
        msg = arena_alloc(a, desc->size);
        if (!msg)
                return no_memory(err);
        if (decode_message(desc, object, a, msg, NULL, err) < 0)
                return -1;
        *ret = msg;
        return 0;
}
