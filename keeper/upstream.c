/* SPDX-License-Identifier: Apache-2.0 */

#include "keeper/upstream.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include "base/fd.h"

int upstream_init(struct upstream *u, const char *path, struct store *store)
{
        size_t len = path ? strlen(path) : 0;

        *u = (struct upstream)UPSTREAM_NULL;
        u->store = store;
        if (len == 0)
                return 0;
        if ((path[0] != '/' && path[0] != '@') || len >= sizeof(u->address.sun_path))
                return -EINVAL;
        u->address.sun_family = AF_UNIX;
        memcpy(u->address.sun_path, path, len);
        if (path[0] == '@')
                u->address.sun_path[0] = '\0';
        store->backup = true;
        u->address_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (path[0] == '/'));
        return 0;
}

void upstream_deinit(struct upstream *u)
{
        u->fd = fd_close(u->fd);
}

/* True: it is sent, or never will be. */
static bool try_send(struct upstream *u, const char *text, int fd)
{
        ssize_t n = fd_send(u->fd, text, strlen(text), &fd, fd >= 0, MSG_DONTWAIT | MSG_NOSIGNAL);

        return n != -EAGAIN && n != -EINTR && n != -ENOBUFS;
}

/* First what is dropped: its name may be in use again. */
static bool back_up(struct upstream *u)
{
        struct store *s = u->store;
        char text[64];
        size_t done = 0;

        while (done < s->n_removed) {
                snprintf(text, sizeof(text), "FDSTOREREMOVE=1\nFDNAME=%s", s->removed[done]);
                if (!try_send(u, text, -1))
                        break;
                done++;
        }
        s->n_removed -= done;
        if (done)
                memmove(s->removed, s->removed + done, s->n_removed * sizeof(*s->removed));
        for (size_t i = 0; s->n_removed == 0 && s->dirty && i < s->n; i++) {
                struct stored *item = &s->items[i];

                if (item->backed_up)
                        continue;
                snprintf(text, sizeof(text), "FDSTORE=1\nFDPOLL=%d\nFDNAME=%s", item->poll, item->name);
                if (!try_send(u, text, item->fd))
                        return false;
                item->backed_up = true;
        }
        if (s->n_removed == 0)
                s->dirty = false;
        return s->n_removed == 0;
}

void upstream_flush(struct upstream *u)
{
        char text[NOTIFY_STATUS_MAX + 8];
        bool all;

        if (u->address_len == 0 || (!u->ready && !u->stopping && !u->status && !u->watchdog && !u->store->dirty &&
                                    u->store->n_removed == 0))
                return;
        if (u->fd < 0) {
                u->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
                if (u->fd < 0)
                        return;
                if (connect(u->fd, (struct sockaddr *)&u->address, u->address_len) < 0) {
                        u->fd = fd_close(u->fd);
                        return;
                }
        }
        snprintf(text, sizeof(text), "STATUS=%s", u->status_text);
        u->watchdog = u->watchdog && !try_send(u, "WATCHDOG=1", -1);
        all = back_up(u);
        u->ready = u->ready && !try_send(u, "READY=1", -1);
        u->status = u->status && !try_send(u, text, -1);
        u->stopping = u->stopping && !try_send(u, "STOPPING=1", -1);
        if (all && !u->ready && !u->status && !u->stopping && !u->watchdog)
                u->fd = fd_close(u->fd);
}

void upstream_alive(struct upstream *u)
{
        u->watchdog = u->address_len > 0;
        upstream_flush(u);
}

void upstream_tell(struct upstream *u, const struct notify *n)
{
        if (u->address_len == 0 || (!n->ready && !n->stopping && !n->status[0]))
                return;
        u->ready |= n->ready;
        u->stopping |= n->stopping;
        if (n->status[0]) {
                u->status = true;
                memcpy(u->status_text, n->status, sizeof(u->status_text));
        }
        upstream_flush(u);
}
