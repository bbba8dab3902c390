/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One block of memory for each answer, in a hash by key (uthash keeps insertion order, which is the order of use: the
 * first is the next to go) and in a list of its container's answers, most recent first.
 */

#include "daemon/answers.h"

#include <stdio.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

struct entry {
        struct answer answer; /* points into text */
        UT_hash_handle hh;
        struct group *group;
        struct entry *prev, *next; /* in its group, the latest first */
        char text[];
};

struct group { /* the answers of one container */
        UT_hash_handle hh;
        struct entry *entries;
        char container_key[];
};

struct answers {
        unsigned max;
        struct entry *entries; /* by answer.request_id */
        struct group *groups;  /* by container_key */
};

void answer_key(char key[ANSWER_KEY_MAX], uid_t uid, const char *request_id)
{
        snprintf(key, ANSWER_KEY_MAX, "%u/%s", (unsigned)uid, request_id);
}

struct answers *answers_new(unsigned max)
{
        struct answers *a = calloc(1, sizeof(*a));

        if (a)
                a->max = max;
        return a;
}

static void entry_free(struct answers *a, struct entry *e)
{
        HASH_DEL(a->entries, e);
        DL_DELETE(e->group->entries, e);
        if (!e->group->entries) {
                HASH_DEL(a->groups, e->group);
                free(e->group);
        }
        free(e);
}

struct answers *answers_free(struct answers *a)
{
        struct entry *e, *next;

        if (!a)
                return NULL;
        HASH_ITER(hh, a->entries, e, next)
                entry_free(a, e);
        free(a);
        return NULL;
}

static struct group *group_get(struct answers *a, const char *container_key)
{
        size_t len = strlen(container_key);
        struct group *g = NULL;

        HASH_FIND(hh, a->groups, container_key, len, g);
        if (g)
                return g;
        g = calloc(1, sizeof(*g) + len + 1);
        if (!g)
                return NULL;
        memcpy(g->container_key, container_key, len + 1);
        HASH_ADD_KEYPTR(hh, a->groups, g->container_key, len, g);
        return g;
}

static const char *put_bytes(char **at, const void *data, size_t len)
{
        char *start = *at;

        if (len > 0)
                memcpy(start, data, len);
        *at += len;
        return start;
}

static struct entry *entry_new(const struct answer *answer)
{
        size_t id_size = strlen(answer->request_id) + 1, method_size = strlen(answer->method) + 1;
        struct entry *e = calloc(1, sizeof(*e) + id_size + method_size + answer->len);
        char *at;

        if (!e)
                return NULL;
        at = e->text;
        e->answer = (struct answer){ .request_id = put_bytes(&at, answer->request_id, id_size),
                                     .method = put_bytes(&at, answer->method, method_size),
                                     .answered_at = answer->answered_at,
                                     .data = put_bytes(&at, answer->data, answer->len),
                                     .len = answer->len };
        return e;
}

static struct entry *entry_find(const struct answers *a, const char *key)
{
        struct entry *e = NULL;

        HASH_FIND_STR(a->entries, key, e);
        return e;
}

static void entry_add(struct answers *a, struct entry *e)
{
        HASH_ADD_KEYPTR(hh, a->entries, e->answer.request_id, strlen(e->answer.request_id), e);
}

const struct answer *answers_put(struct answers *a, const struct answer *answer)
{
        struct entry *old, *e;

        if (a->max == 0)
                return NULL;
        e = entry_new(answer);
        if (!e)
                return NULL;
        e->group = group_get(a, answer->container_key);
        if (!e->group) {
                free(e);
                return NULL;
        }
        DL_PREPEND(e->group->entries, e);
        e->answer.container_key = e->group->container_key;
        old = entry_find(a, answer->request_id);
        if (old)
                entry_free(a, old);
        entry_add(a, e);
        while (HASH_COUNT(a->entries) > a->max)
                entry_free(a, a->entries);
        return &e->answer;
}

const struct answer *answers_find(struct answers *a, const char *key)
{
        struct entry *e = entry_find(a, key);

        if (!e)
                return NULL;
        HASH_DEL(a->entries, e);
        entry_add(a, e);
        return &e->answer;
}

size_t answers_count(const struct answers *a)
{
        return HASH_COUNT(a->entries);
}

unsigned answers_max(const struct answers *a)
{
        return a->max;
}

void answers_each(const struct answers *a, const char *container_key, unsigned max,
                  void (*fn)(void *data, const struct answer *answer), void *data)
{
        struct group *g = NULL;
        struct entry *e;

        HASH_FIND_STR(a->groups, container_key, g);
        if (!g)
                return;
        DL_FOREACH(g->entries, e) {
                if (max-- == 0)
                        return;
                fn(data, &e->answer);
        }
}

/* Array of four, type 1, id 0: how msgpack begins it (https://github.com/msgpack/msgpack/blob/master/spec.md). */
static const uint8_t id_zero_head[] = { 0x94, 0x01, 0x00 };

int answer_with_id(const void *response, size_t len, uint32_t id, struct buf *ret)
{
        uint8_t head[7] = { id_zero_head[0],     id_zero_head[1],    0xce,       (uint8_t)(id >> 24),
                            (uint8_t)(id >> 16), (uint8_t)(id >> 8), (uint8_t)id };

        if (len <= sizeof(id_zero_head) || memcmp(response, id_zero_head, sizeof(id_zero_head)) != 0)
                return -1;
        buf_append(ret, head, sizeof(head));
        buf_append(ret, (const uint8_t *)response + sizeof(id_zero_head), len - sizeof(id_zero_head));
        return ret->failed ? -1 : 0;
}
