/* SPDX-License-Identifier: Apache-2.0 */

#include "keeper/statuses.h"

#include <stdlib.h>

#define SIZE_FIRST 256

void statuses_init(struct statuses *t, size_t max)
{
        *t = (struct statuses){ .max = max };
}

void statuses_deinit(struct statuses *t)
{
        free(t->entries);
        statuses_init(t, t->max);
}

size_t statuses_count(const struct statuses *t)
{
        return t->n - t->forgotten;
}

/* Closes the gaps of the forgotten; the cursors stay at the same entries. */
static void compact(struct statuses *t)
{
        size_t to = 0, cursor = 0, backlog = 0;

        for (size_t from = 0; from < t->n; from++) {
                if (t->entries[from].pid == 0)
                        continue;
                cursor += from < t->cursor;
                backlog += from < t->backlog;
                t->entries[to++] = t->entries[from];
        }
        t->n = to;
        t->cursor = cursor;
        t->backlog = backlog;
        t->first = 0;
        t->forgotten = 0;
}

/* Many at once, so that a full table is not moved for every process that ends. */
static void drop_oldest(struct statuses *t)
{
        size_t want = t->n / 16 + 1;

        for (size_t i = t->first; i < t->n && want > 0; i++) {
                if (t->entries[i].pid == 0)
                        continue;
                t->entries[i].pid = 0;
                t->forgotten++;
                t->dropped++;
                want--;
        }
        compact(t);
}

static void make_room(struct statuses *t)
{
        size_t size = t->size ? t->size * 2 : SIZE_FIRST;
        struct status *entries;

        if (t->n < t->size)
                return;
        if (t->forgotten > t->n / 16) {
                compact(t);
                return;
        }
        if (size > t->max)
                size = t->max;
        entries = size > t->size ? realloc(t->entries, size * sizeof(*entries)) : NULL;
        if (entries) {
                t->entries = entries;
                t->size = size;
        } else if (t->n > 0) {
                drop_oldest(t);
        }
}

void statuses_add(struct statuses *t, const struct status *s)
{
        make_room(t);
        if (t->n < t->size)
                t->entries[t->n++] = *s;
        else
                t->dropped++; /* not even the first allocation */
}

void statuses_add_told(struct statuses *t, const struct status *s)
{
        statuses_add(t, s);
        if (t->cursor + 1 == t->n) /* else it is told with those before it, which does no harm */
                t->cursor = t->n;
}

bool statuses_forget(struct statuses *t, pid_t pid, uint64_t start_time)
{
        for (size_t i = t->first; pid > 0 && i < t->n; i++) {
                struct status *s = &t->entries[i];

                if (s->pid != pid || s->start_time != start_time)
                        continue;
                s->pid = 0;
                t->forgotten++;
                while (t->first < t->n && t->entries[t->first].pid == 0)
                        t->first++;
                return true;
        }
        return false;
}

void statuses_rewind(struct statuses *t)
{
        t->cursor = t->first;
        t->backlog = t->n;
}

const struct status *statuses_next(struct statuses *t)
{
        while (t->cursor < t->n && t->entries[t->cursor].pid == 0)
                t->cursor++;
        return t->cursor < t->n ? &t->entries[t->cursor] : NULL;
}

void statuses_told(struct statuses *t)
{
        t->cursor++;
}

bool statuses_backlog_told(const struct statuses *t)
{
        return t->cursor >= t->backlog;
}
