/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The client's side of the notify protocol (sd_notify(3)): lines to whoever listens at NOTIFY_SOCKET, and descriptors
 * that he is to keep for us. Never blocks: what the socket does not take now is queued, and sent in order.
 */

#include <stdbool.h>
#include <stddef.h>
#include "base/loop.h"

#define SDNOTIFY_NAME_MAX 8 /* bytes of a descriptor's name: letters and digits */

struct sdnotify_datagram;

struct sdnotify {
        int fd; /* -1: nobody is told */
        struct watch_fd watch;
        struct sdnotify_datagram *queue;
        size_t n_queued;
        bool untold; /* something was queued, and on_drained was not called since */
        void (*on_drained)(struct sdnotify *n); /* optional: the queue has become empty; not from inside of a send */
};

void sdnotify_init(struct sdnotify *n, struct loop *loop, void (*on_drained)(struct sdnotify *n));
void sdnotify_deinit(struct sdnotify *n);
/* path: the value of NOTIFY_SOCKET. What is queued goes there. 0 or -errno: then nobody is told, and nothing is queued.
 */
int sdnotify_connect(struct sdnotify *n, const char *path);

/* 0 or -errno (-ENOBUFS: the queue is full). Without a connection they do nothing. A descriptor is not consumed. */
int sdnotify_send(struct sdnotify *n, const char *lines, int fd);
/* Keeps fd until it is unstored, hung up or not. Replace: of this name only this one, in one step (sandboxd-keeper
 * removes first, then adds). */
int sdnotify_store(struct sdnotify *n, const char *name, int fd, bool replace);
int sdnotify_unstore(struct sdnotify *n, const char *name);
