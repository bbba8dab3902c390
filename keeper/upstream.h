/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The keeper's own service manager: what the daemon says about itself is handed on. Never blocks: what the socket does
 * not take now is sent when it can be written to; of several texts only the last one is. */

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "keeper/notify.h"

struct upstream {
        struct sockaddr_un address;
        socklen_t address_len; /* 0: there is none */
        int fd;                /* open while something waits */
        bool ready, stopping, status;
        char status_text[NOTIFY_STATUS_MAX];
};
#define UPSTREAM_NULL { .fd = -1 }

/* path: the value of NOTIFY_SOCKET, or NULL. 0 or -EINVAL. */
int upstream_init(struct upstream *u, const char *path);
void upstream_deinit(struct upstream *u);
void upstream_tell(struct upstream *u, const struct notify *n);
void upstream_flush(struct upstream *u); /* call when u->fd can be written to */
