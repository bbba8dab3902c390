/* SPDX-License-Identifier: Apache-2.0 */

#include "keeper/store.h"

#include <errno.h>
#include <linux/kcmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/fd.h"

void store_init(struct store *s, size_t max)
{
        *s = (struct store){ .max = max };
}

void store_deinit(struct store *s)
{
        for (size_t i = 0; i < s->n; i++)
                fd_close(s->items[i].fd);
        free(s->items);
        free(s->removed);
        store_init(s, s->max);
}

static bool same_file(int a, int b)
{
        pid_t pid = getpid();

        return syscall(SYS_kcmp, pid, pid, KCMP_FILE, a, b) == 0;
}

int store_add(struct store *s, const char *name, int fd_in, bool poll)
{
        _cleanup_(fd_closep) int fd = fd_in;
        struct stored *item;

        for (size_t i = 0; i < s->n; i++)
                if (!strcmp(s->items[i].name, name) && same_file(s->items[i].fd, fd))
                        return 0;
        if (s->n >= s->max)
                return -ENOSPC;
        if (s->n == s->size) {
                size_t size = s->size ? s->size * 2 : 64;
                struct stored *items = realloc(s->items, size * sizeof(*items));

                if (!items)
                        return -ENOMEM;
                s->items = items;
                s->size = size;
        }
        item = &s->items[s->n++];
        *item = (struct stored){ .fd = TAKE_FD(fd), .poll = poll };
        strncpy(item->name, name, KEEPER_NAME_MAX);
        s->n_polled += poll;
        s->dirty = true;
        return 0;
}

/* The backup drops all that has this name, so what else has it must be sent again. A backup that is told nothing for
 * want of memory has too much, which whoever gets it one day drops. */
static void tell_removed(struct store *s, const char *name)
{
        if (s->n_removed == s->removed_size) {
                size_t size = s->removed_size ? s->removed_size * 2 : 64;
                void *removed = size <= 4 * STORE_MAX_LIMIT ? realloc(s->removed, size * sizeof(*s->removed)) : NULL;

                if (!removed)
                        return;
                s->removed = removed;
                s->removed_size = size;
        }
        memcpy(s->removed[s->n_removed++], name, sizeof(*s->removed));
        for (size_t i = 0; i < s->n; i++) {
                if (strcmp(s->items[i].name, name))
                        continue;
                s->items[i].backed_up = false;
                s->dirty = true;
        }
}

void store_remove_at(struct store *s, size_t i)
{
        struct stored gone = s->items[i];

        fd_close(s->items[i].fd);
        s->n_polled -= s->items[i].poll;
        memmove(&s->items[i], &s->items[i + 1], (s->n - i - 1) * sizeof(*s->items));
        s->n--;
        if (s->backup && gone.backed_up)
                tell_removed(s, gone.name);
}

bool store_is_of_front(const struct stored *item)
{
        return item->name[0] == KEEPER_FRONT;
}

static bool begins(const struct stored *item, const char *prefix)
{
        return strncmp(item->name, prefix, strlen(prefix)) == 0;
}

size_t store_remove_prefix(struct store *s, const char *prefix)
{
        size_t removed = 0;

        for (size_t i = s->n; i > 0; i--) {
                if (!begins(&s->items[i - 1], prefix))
                        continue;
                store_remove_at(s, i - 1);
                removed++;
        }
        return removed;
}

int store_hand_over(const struct store *s, const char *prefix, int sock)
{
        char names[FD_MSG_MAX][KEEPER_NAME_MAX + 1];
        int fds[FD_MSG_MAX];
        size_t n = 0;
        ssize_t r;

        for (size_t i = 0; i <= s->n; i++) {
                if (n == FD_MSG_MAX || (i == s->n && n > 0)) {
                        r = fd_send(sock, names, n * sizeof(names[0]), fds, n, MSG_DONTWAIT | MSG_NOSIGNAL);

                        if (r < 0)
                                return (int)r;
                        n = 0;
                }
                if (i == s->n || !begins(&s->items[i], prefix))
                        continue;
                memcpy(names[n], s->items[i].name, sizeof(names[0]));
                fds[n++] = s->items[i].fd;
        }
        memset(names[0], 0, sizeof(names[0]));
        r = fd_send(sock, names, sizeof(names[0]), NULL, 0, MSG_DONTWAIT | MSG_NOSIGNAL);
        return r < 0 ? (int)r : 0;
}

size_t store_remove(struct store *s, const char *name)
{
        size_t removed = 0;

        for (size_t i = s->n; i > 0; i--) {
                if (strcmp(s->items[i - 1].name, name))
                        continue;
                store_remove_at(s, i - 1);
                removed++;
        }
        return removed;
}
