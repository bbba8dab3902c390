/* SPDX-License-Identifier: Apache-2.0 */

#include "keeper/upstream.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include "base/fd.h"

int upstream_init(struct upstream *u, const char *path)
{
        size_t len = path ? strlen(path) : 0;

        *u = (struct upstream)UPSTREAM_NULL;
        if (len == 0)
                return 0;
        if ((path[0] != '/' && path[0] != '@') || len >= sizeof(u->address.sun_path))
                return -EINVAL;
        u->address.sun_family = AF_UNIX;
        memcpy(u->address.sun_path, path, len);
        if (path[0] == '@')
                u->address.sun_path[0] = '\0';
        u->address_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (path[0] == '/'));
        return 0;
}

void upstream_deinit(struct upstream *u)
{
        u->fd = fd_close(u->fd);
}

static bool try_send(struct upstream *u, const char *text)
{
        return send(u->fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0 || (errno != EAGAIN && errno != EINTR);
}

void upstream_flush(struct upstream *u)
{
        char text[NOTIFY_STATUS_MAX + 8];

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
        u->ready = u->ready && !try_send(u, "READY=1");
        u->status = u->status && !try_send(u, text);
        u->stopping = u->stopping && !try_send(u, "STOPPING=1");
        if (!u->ready && !u->status && !u->stopping)
                u->fd = fd_close(u->fd);
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
