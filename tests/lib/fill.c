/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/fill.h"

#include <string.h>

#define TEXT_MAX 24U

uint64_t fill_random(struct fill *fill)
{
        fill->seed ^= fill->seed << 13;
        fill->seed ^= fill->seed >> 7;
        fill->seed ^= fill->seed << 17;
        return fill->seed;
}

static uint64_t below(struct fill *fill, uint64_t n)
{
        return fill_random(fill) % n;
}

static const char *fill_text(struct fill *fill, uint64_t limit, bool required, struct arena *a)
{
        static const char *const pieces[] = {
                "a", "Z", "0", "-", "/", " ", "\n", "\x7f", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x90\xa7"
        };
        size_t max = limit && limit < TEXT_MAX ? limit : TEXT_MAX, n = 0;
        size_t want = required || fill->full ? 1 + below(fill, max) : below(fill, max + 1);
        char *text = arena_alloc(a, TEXT_MAX + 8);

        if (!text)
                return NULL;
        while (n < want) {
                const char *piece = pieces[below(fill, fill->full ? 3 : ARRAY_SIZE(pieces))];

                if (n + strlen(piece) > max)
                        piece = "x";
                memcpy(text + n, piece, strlen(piece));
                n += strlen(piece);
        }
        return text;
}

static uint64_t fill_number(struct fill *fill, uint64_t limit, uint64_t max)
{
        uint64_t top = limit && limit < max ? limit : max;
        uint64_t n = fill_random(fill) >> below(fill, 64);

        if (top < UINT64_MAX)
                n %= top + 1;
        return n ? n : 1;
}

static int fill_list(struct fill *fill, const struct field_desc *f, void *to, struct arena *a)
{
        size_t size = f->kind == FIELD_MSGS ? f->message->size : sizeof(char *);
        struct {
                void *items;
                size_t n;
        } list = { .n = fill->full ? 2 : 1 + below(fill, 3) };

        list.items = arena_alloc(a, list.n * size);
        if (!list.items)
                return -1;
        for (size_t i = 0; i < list.n; i++) {
                if (f->kind == FIELD_STRS) {
                        const char *text = fill_text(fill, f->limit, false, a);

                        if (!text)
                                return -1;
                        memcpy((char *)list.items + i * size, &text, sizeof(text));
                } else {
                        void *item = fill_message(fill, f->message, a);

                        if (!item)
                                return -1;
                        memcpy((char *)list.items + i * size, item, size);
                }
        }
        memcpy(to, &list, sizeof(list));
        return 0;
}

static int fill_field(struct fill *fill, const struct field_desc *f, void *to, struct arena *a)
{
        const void *p;

        switch (f->kind) {
        case FIELD_STR:
                p = fill_text(fill, f->limit, true, a);
                memcpy(to, &p, sizeof(p));
                return p ? 0 : -1;
        case FIELD_BIN:
                p = fill_text(fill, f->limit, true, a);
                if (!p)
                        return -1;
                *(struct blob *)to = (struct blob){ .data = p, .len = strlen(p) };
                return 0;
        case FIELD_U32:
                *(uint32_t *)to = (uint32_t)fill_number(fill, f->limit, UINT32_MAX);
                return 0;
        case FIELD_U64:
                *(uint64_t *)to = fill_number(fill, f->limit, UINT64_MAX);
                return 0;
        case FIELD_I64:
                *(int64_t *)to = (int64_t)fill_random(fill) >> below(fill, 64);
                return 0;
        case FIELD_BOOL:
                *(bool *)to = true;
                return 0;
        case FIELD_MSG:
                p = fill_message(fill, f->message, a);
                memcpy(to, &p, sizeof(p));
                return p ? 0 : -1;
        default:
                return fill_list(fill, f, to, a);
        }
}

void *fill_message(struct fill *fill, const struct message_desc *desc, struct arena *a)
{
        char *msg = arena_alloc(a, desc->size);

        if (!msg)
                return NULL;
        for (size_t i = 0; i < desc->n_fields; i++) {
                const struct field_desc *f = &desc->fields[i];

                if (!fill->full && !(f->flags & REQUIRED) && below(fill, 2))
                        continue;
                if (fill_field(fill, f, msg + f->offset, a) < 0)
                        return NULL;
        }
        return msg;
}

static bool texts_differ(const void *a, const void *b)
{
        const char *x, *y;

        memcpy(&x, a, sizeof(x));
        memcpy(&y, b, sizeof(y));
        return strcmp(x ? x : "", y ? y : "") != 0;
}

static const char *list_difference(const struct field_desc *f, const void *a, const void *b)
{
        size_t size = f->kind == FIELD_MSGS ? f->message->size : sizeof(char *);
        struct {
                const char *items;
                size_t n;
        } x, y;

        memcpy(&x, a, sizeof(x));
        memcpy(&y, b, sizeof(y));
        if (x.n != y.n)
                return f->name;
        for (size_t i = 0; i < x.n; i++) {
                const char *xi = x.items + i * size, *yi = y.items + i * size;

                if (f->kind == FIELD_STRS ? texts_differ(xi, yi) : message_difference(f->message, xi, yi) != NULL)
                        return f->name;
        }
        return NULL;
}

static bool field_differs(const struct field_desc *f, const void *a, const void *b)
{
        const struct blob *x = a, *y = b;
        const void *p, *q;

        switch (f->kind) {
        case FIELD_STR:
                return texts_differ(a, b);
        case FIELD_BIN:
                return x->len != y->len || (x->len > 0 && memcmp(x->data, y->data, x->len) != 0);
        case FIELD_U32:
                return *(const uint32_t *)a != *(const uint32_t *)b;
        case FIELD_U64:
        case FIELD_I64:
                return memcmp(a, b, sizeof(uint64_t)) != 0;
        case FIELD_BOOL:
                return *(const bool *)a != *(const bool *)b;
        case FIELD_MSG:
                memcpy(&p, a, sizeof(p));
                memcpy(&q, b, sizeof(q));
                return !p != !q || (p && message_difference(f->message, p, q));
        default:
                return list_difference(f, a, b) != NULL;
        }
}

const char *message_difference(const struct message_desc *desc, const void *a, const void *b)
{
        for (size_t i = 0; i < desc->n_fields; i++) {
                const struct field_desc *f = &desc->fields[i];

                if (field_differs(f, (const char *)a + f->offset, (const char *)b + f->offset))
                        return f->name;
        }
        return NULL;
}
