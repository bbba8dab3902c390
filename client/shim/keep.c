/* SPDX-License-Identifier: Apache-2.0 */

#include "client/shim/keep.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include "base/fd.h"
#include "base/log.h"
#include "proto/front.h"
#include "proto/keeper.h"

#define DIGITS       "0123456789abcdefghijklmnopqrstuvwxyz"
#define INDEX_LEN    3
#define PATIENCE_MS  10000 /* for the keeper, which answers at once */
#define JOURNAL_FREE 65536 /* bytes that it may grow by, beside doubling */

static void name_of(const struct keep *k, enum keep_kind kind, uint32_t index, char name[KEEPER_NAME_MAX + 1])
{
        size_t at = (size_t)snprintf(name, KEEPER_NAME_MAX + 1, "%.4s%c", k->prefix, kind);

        for (size_t i = INDEX_LEN; i > 0; i--, index /= 36)
                name[at + i - 1] = DIGITS[index % 36];
        name[at + INDEX_LEN] = '\0';
}

/* 0 or -1: it is not a name of ours. */
static int parse_name(const struct keep *k, const char *name, struct keep_fd *ret)
{
        size_t at = strlen(k->prefix);

        if (strlen(name) != at + 1 + INDEX_LEN || strncmp(name, k->prefix, at) != 0)
                return -1;
        if (name[at] != KEEP_JOURNAL && name[at] != KEEP_CONN && name[at] != KEEP_ANSWER)
                return -1;
        *ret = (struct keep_fd){ .kind = (enum keep_kind)name[at], .fd = -1 };
        for (size_t i = 1; i <= INDEX_LEN; i++) {
                const char *digit = strchr(DIGITS, name[at + i]);

                if (!digit)
                        return -1;
                ret->index = ret->index * 36 + (uint32_t)(digit - DIGITS);
        }
        return 0;
}

/* --- what comes back --- */

void keep_fds_deinit(struct keep_fds *fds)
{
        for (size_t i = 0; i < fds->n; i++)
                fd_close(fds->items[i].fd);
        free(fds->items);
        *fds = (struct keep_fds){ 0 };
}

int keep_fds_take(struct keep_fds *fds, enum keep_kind kind, uint32_t index)
{
        for (size_t i = 0; i < fds->n; i++)
                if (fds->items[i].kind == kind && fds->items[i].index == index && fds->items[i].fd >= 0)
                        return TAKE_FD(fds->items[i].fd);
        return -1;
}

static int add(const struct keep *k, const char *name, int *fd, struct keep_fds *ret)
{
        struct keep_fd item, *items;

        if (parse_name(k, name, &item) < 0) {
                log_warn("the keeper has a descriptor %s of ours, which we do not know", name);
                return 0;
        }
        items = realloc(ret->items, (ret->n + 1) * sizeof(*items));
        if (!items)
                return -ENOMEM;
        item.fd = TAKE_FD(*fd);
        items[ret->n++] = item;
        ret->items = items;
        return 0;
}

int keep_receive(const struct keep *k, int sock, struct keep_fds *ret)
{
        char names[FD_MSG_MAX][KEEPER_NAME_MAX + 1];
        int fds[FD_MSG_MAX], r = 0;

        *ret = (struct keep_fds){ 0 };
        while (r == 0) {
                struct pollfd p = { .fd = sock, .events = POLLIN };
                int ready = poll(&p, 1, PATIENCE_MS);
                size_t n = FD_MSG_MAX;
                ssize_t got;

                if (ready == 0)
                        return -ETIMEDOUT;
                got = fd_recv(sock, names, sizeof(names), fds, &n, MSG_DONTWAIT);
                if (got <= 0)
                        return got < 0 ? (int)got : -EPIPE;
                if (n == 0 && (size_t)got == sizeof(names[0]) && !names[0][0])
                        return 0;
                if ((size_t)got != n * sizeof(names[0]))
                        r = -EBADMSG;
                for (size_t i = 0; i < n; i++) {
                        names[i][KEEPER_NAME_MAX] = '\0';
                        if (r == 0)
                                r = add(k, names[i], &fds[i], ret);
                        fd_close(fds[i]);
                }
        }
        return r;
}

/* --- the keeper --- */

static void connect_keeper(struct keep *k)
{
        struct stat st = { 0 };
        int r = stat(k->path, &st) < 0 ? -errno : sdnotify_connect(&k->notify, k->path);

        if (r < 0)
                log_warn("the keeper at %s: %s: what is connected now will not outlive this front", k->path,
                         strerrordesc_np(-r));
        k->inode = st.st_ino;
        k->changed = st.st_ctim;
}

void keep_init(struct keep *k, struct loop *loop, const char *path, const char *prefix,
               void (*on_drained)(struct sdnotify *n))
{
        *k = (struct keep){ .path = path, .prefix = prefix };
        sdnotify_init(&k->notify, loop, on_drained);
        if (path)
                connect_keeper(k);
}

void keep_deinit(struct keep *k)
{
        sdnotify_deinit(&k->notify);
        k->journal = journal_free(k->journal);
        k->path = NULL;
}

bool keep_active(const struct keep *k)
{
        return k->journal != NULL;
}

bool keep_is_new(struct keep *k)
{
        struct stat st;

        if (!k->path || stat(k->path, &st) < 0)
                return false;
        if (k->notify.fd >= 0 && st.st_ino == k->inode && st.st_ctim.tv_sec == k->changed.tv_sec &&
            st.st_ctim.tv_nsec == k->changed.tv_nsec)
                return false;
        connect_keeper(k);
        return k->notify.fd >= 0;
}

static void store(struct keep *k, const char *name, int fd, bool replace)
{
        int r = sdnotify_store(&k->notify, name, fd, replace);

        if (r < 0)
                log_warn("%s will not outlive this front: %s", name, strerrordesc_np(-r));
}

void keep_store(struct keep *k, enum keep_kind kind, uint32_t index, int fd)
{
        char name[KEEPER_NAME_MAX + 1];

        if (!k->path)
                return;
        name_of(k, kind, index, name);
        store(k, name, fd, true);
}

void keep_unstore(struct keep *k, enum keep_kind kind, uint32_t index)
{
        char name[KEEPER_NAME_MAX + 1];

        if (!k->path)
                return;
        name_of(k, kind, index, name);
        sdnotify_unstore(&k->notify, name);
}

void keep_listener(struct keep *k, int fd)
{
        char name[KEEPER_NAME_MAX + 1];

        if (!k->path)
                return;
        snprintf(name, sizeof(name), "%c%.*s", FRONT_LISTENER, FRONT_SLOT_LEN, k->prefix + 1);
        store(k, name, fd, true);
}

void keep_journal(struct keep *k, struct journal *j)
{
        journal_free(k->journal);
        k->journal = j;
        k->fresh = j->end;
        keep_store(k, KEEP_JOURNAL, 0, j->fd);
}

bool keep_journal_is_old(const struct keep *k)
{
        return k->journal && k->journal->end > 2 * k->fresh + JOURNAL_FREE;
}

bool keep_settled(const struct keep *k)
{
        return k->notify.n_queued == 0;
}
