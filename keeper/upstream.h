/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The keeper's own service manager: what the daemon says about itself is handed on, and what is stored is stored there
 * too, for the keeper that comes after this one. Never blocks: what the socket does not take now is sent when it can be
 * written to; of several texts only the last one is. */

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "keeper/notify.h"
#include "keeper/store.h"

struct upstream {
        struct sockaddr_un address;
        socklen_t address_len; /* 0: there is none */
        int fd;                /* open while something waits */
        struct store *store;
        bool ready, stopping, status, watchdog;
        char status_text[NOTIFY_STATUS_MAX];
};
#define UPSTREAM_NULL { .fd = -1 }

/* path: the value of NOTIFY_SOCKET, or NULL. 0 or -EINVAL. */
int upstream_init(struct upstream *u, const char *path, struct store *store);
void upstream_deinit(struct upstream *u);
void upstream_tell(struct upstream *u, const struct notify *n);
void upstream_alive(struct upstream *u); /* WATCHDOG=1 */
/* Sends what there is to send: call when the store has changed, and when u->fd can be written to. */
void upstream_flush(struct upstream *u);
