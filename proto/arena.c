/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that is freed in one go: chunks of growing size, zeroed, filled from the front. What does not fit into the
 * present chunk gets a new one; a large block gets one of its own, so that nothing is wasted on it.
 */

#include "proto/codec.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define CHUNK_MIN 512U
#define CHUNK_MAX 65536U
#define ALIGNMENT _Alignof(max_align_t)

struct chunk {
        struct chunk *next;
        size_t used, size;
        _Alignas(max_align_t) unsigned char data[];
};

struct arena {
        struct chunk *head; /* the one that is being filled */
        size_t next_size;
        size_t total;
};

struct arena *arena_new(void)
{
        struct arena *a = calloc(1, sizeof(*a));

        if (!a)
                return NULL;
        a->next_size = CHUNK_MIN;
        return a;
}

struct arena *arena_free(struct arena *a)
{
        if (!a)
                return NULL;
        while (a->head) {
                struct chunk *next = a->head->next;

                free(a->head);
                a->head = next;
        }
        free(a);
        return NULL;
}

size_t arena_size(const struct arena *a)
{
        return a->total;
}

static struct chunk *chunk_new(struct arena *a, size_t size)
{
        struct chunk *c = calloc(1, sizeof(*c) + size);

        if (!c)
                return NULL;
        c->size = size;
        a->total += sizeof(*c) + size;
        return c;
}

void *arena_alloc(struct arena *a, size_t size)
{
        struct chunk *c = a->head;

        if (size > SIZE_MAX / 2)
                return NULL;
        size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        if (size == 0)
                size = ALIGNMENT;
        if (!c || c->size - c->used < size) {
                bool own = size > a->next_size / 2;

                c = chunk_new(a, own ? size : a->next_size);
                if (!c)
                        return NULL;
                if (own && a->head) { /* behind the head, which goes on being filled */
                        c->next = a->head->next;
                        a->head->next = c;
                } else {
                        c->next = a->head;
                        a->head = c;
                }
                if (!own && a->next_size < CHUNK_MAX)
                        a->next_size *= 2;
        }
        c->used += size;
        return c->data + c->used - size;
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
        size_t len = strnlen(s, n);
        char *copy = arena_alloc(a, len + 1);

        if (!copy)
                return NULL;
        memcpy(copy, s, len); /* the NUL is there: memory is zeroed */
        return copy;
}

char *arena_strdup(struct arena *a, const char *s)
{
        return arena_strndup(a, s, strlen(s));
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
        va_list args;
        char *text;
        int n;

        va_start(args, fmt);
        n = vsnprintf(NULL, 0, fmt, args);
        va_end(args);
        if (n < 0)
                return NULL;
        text = arena_alloc(a, (size_t)n + 1);
        if (!text)
                return NULL;
        va_start(args, fmt);
        vsnprintf(text, (size_t)n + 1, fmt, args);
        va_end(args);
        return text;
}
