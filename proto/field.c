/* SPDX-License-Identifier: Apache-2.0 */
/* Members of messages by their descriptions: reading, checking, copying. */

#include "proto/field.h"

#include <inttypes.h>
#include <string.h>

_Static_assert(sizeof(struct raw_list) == sizeof(struct list_kv) && sizeof(struct raw_list) == sizeof(struct strs),
               "all lists look alike");

const void *field_of(const void *msg, const struct field_desc *f)
{
        return (const char *)msg + f->offset;
}

void *field_pointer(const void *from)
{
        void *p;

        memcpy(&p, from, sizeof(p));
        return p;
}

struct raw_list field_list(const void *from)
{
        struct raw_list list;

        memcpy(&list, from, sizeof(list));
        return list;
}

uint64_t field_number(const void *from, enum field_kind kind)
{
        switch (kind) {
        case FIELD_U32:
                return *(const uint32_t *)from;
        case FIELD_I64:
                return (uint64_t) * (const int64_t *)from;
        case FIELD_BOOL:
                return *(const bool *)from;
        default:
                return *(const uint64_t *)from;
        }
}

uint64_t field_size(const void *from, enum field_kind kind)
{
        const char *text;

        switch (kind) {
        case FIELD_STR:
                text = field_pointer(from);
                return text ? strlen(text) : 0;
        case FIELD_BIN:
                return ((const struct blob *)from)->len;
        case FIELD_STRS:
        case FIELD_MSGS:
                return field_list(from).n;
        case FIELD_MSG:
                return field_pointer(from) != NULL;
        default:
                return field_number(from, kind);
        }
}

int field_check_limit(const struct field_desc *f, enum field_kind kind, uint64_t size, struct error *err)
{
        uint64_t limit = f->limit;

        if (kind == FIELD_STRS)
                limit = LIMIT_LIST;
        if (limit == 0 || kind == FIELD_I64 || kind == FIELD_MSG || kind == FIELD_BOOL || size <= limit)
                return 0;
        if (kind == FIELD_U32 || kind == FIELD_U64)
                return error_set(err, REASON_INVALID_ARGUMENT, "%s: %" PRIu64 " is over the limit of %" PRIu64, f->name,
                                 size, limit);
        return error_set(err, REASON_TOO_LARGE, "%s: %" PRIu64 " %s are over the limit of %" PRIu64, f->name, size,
                         kind == FIELD_STRS || kind == FIELD_MSGS ? "entries" : "bytes", limit);
}

int field_check_text(const struct field_desc *f, const char *text, size_t n, struct error *err)
{
        if (field_check_limit(f, FIELD_STR, n, err) < 0)
                return -1;
        if (!text_valid(text, n))
                return error_set(err, REASON_INVALID_ARGUMENT, "%s: the text is not UTF-8, or holds a NUL", f->name);
        return 0;
}

int field_check_required(const struct field_desc *f, uint64_t size, struct error *err)
{
        if (size > 0 || !(f->flags & REQUIRED))
                return 0;
        return error_set(err, REASON_INVALID_ARGUMENT, "%s: is required, and must not be empty or 0", f->name);
}

int message_complete(const struct message_desc *desc, void *msg, struct error *err)
{
        static const char *const empty = "";

        for (size_t i = 0; i < desc->n_fields; i++) {
                const struct field_desc *f = &desc->fields[i];

                if (f->kind == FIELD_STR && !field_pointer(field_of(msg, f)))
                        memcpy((char *)msg + f->offset, &empty, sizeof(empty));
                if (field_check_required(f, field_size(field_of(msg, f), f->kind), err) < 0)
                        return -1;
        }
        return 0;
}

/* --- copying --- */
static int copy_message(const struct message_desc *desc, const void *from, void *to, struct arena *a);

static int copy_list(const struct field_desc *f, struct raw_list from, void *to, struct arena *a)
{
        size_t size = f->kind == FIELD_MSGS ? f->message->size : sizeof(char *);
        struct raw_list list = { .n = from.n, .items = arena_alloc(a, from.n * size) };

        if (!list.items)
                return -1;
        for (size_t i = 0; i < list.n; i++) {
                char *item = (char *)list.items + i * size;

                if (f->kind == FIELD_STRS) {
                        const char *text = field_pointer((char *)from.items + i * size);

                        text = arena_strdup(a, text ? text : "");
                        if (!text)
                                return -1;
                        memcpy(item, &text, sizeof(text));
                } else if (copy_message(f->message, (char *)from.items + i * size, item, a) < 0) {
                        return -1;
                }
        }
        memcpy(to, &list, sizeof(list));
        return 0;
}

static int copy_field(const struct field_desc *f, const void *from, void *to, struct arena *a)
{
        const struct blob *blob = from;
        void *p;

        switch (f->kind) {
        case FIELD_STR:
                p = arena_strdup(a, field_pointer(from) ? (const char *)field_pointer(from) : "");
                break;
        case FIELD_BIN:
                p = arena_alloc(a, blob->len + 1);
                if (!p)
                        return -1;
                if (blob->len > 0)
                        memcpy(p, blob->data, blob->len);
                *(struct blob *)to = (struct blob){ .data = p, .len = blob->len };
                return 0;
        case FIELD_MSG:
                p = message_copy(f->message, field_pointer(from), a);
                break;
        default:
                return copy_list(f, field_list(from), to, a);
        }
        memcpy(to, &p, sizeof(p));
        return p ? 0 : -1;
}

static int copy_message(const struct message_desc *desc, const void *from, void *to, struct arena *a)
{
        memcpy(to, from, desc->size);
        for (size_t i = 0; i < desc->n_fields; i++) {
                const struct field_desc *f = &desc->fields[i];
                bool flat =
                        f->kind == FIELD_U32 || f->kind == FIELD_U64 || f->kind == FIELD_I64 || f->kind == FIELD_BOOL;

                if (flat || (f->kind == FIELD_MSG && !field_pointer(field_of(from, f))))
                        continue;
                if (copy_field(f, field_of(from, f), (char *)to + f->offset, a) < 0)
                        return -1;
        }
        return 0;
}

void *message_copy(const struct message_desc *desc, const void *msg, struct arena *a)
{
        void *copy = arena_alloc(a, desc->size);

        return copy && copy_message(desc, msg, copy, a) == 0 ? copy : NULL;
}
