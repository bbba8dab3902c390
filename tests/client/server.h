/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A server for one connection at a time, driven by hand from the thread of the test: so a test decides at which byte it
 * dies, and nothing depends on timing. Every wait is for an event, with 10 s as the limit of a broken test.
 */

#include "base/buf.h"
#include "client/client.h"
#include "client/frame.h"
#include "proto/codec.h"

struct server {
        char dir[32], path[64];
        int listen_fd, fd;
        size_t n_accepted;
        size_t read_max;  /* of this connection: hangs up once it has read so many bytes; SIZE_MAX: never */
        size_t n_read;
        size_t greet_max; /* hangs up after so many bytes of its greeting; FRAME_GREETING: never */
        bool greeted;
        struct buf in;
};

void server_init(struct server *s);   /* in a new directory; does not listen */
void server_listen(struct server *s);
void server_unlisten(struct server *s); /* closes and removes the socket */
void server_hang_up(struct server *s);
void server_deinit(struct server *s);

/* Waits until the client or the server can do something, at most for the client's timeout, and lets both do it. c may
 * be NULL. */
void server_turn(struct server *s, struct sandboxd_client *c);
/* Turns until a whole request is there, and takes it: its payload is appended to *ret. Returns its number. */
uint32_t server_await(struct server *s, struct sandboxd_client *c, struct buf *ret);
/* Bytes as they are. The greeting is sent when the client's has come. */
void server_send(struct server *s, const void *data, size_t len);
void server_reply(struct server *s, uint32_t id, const void *payload, size_t len);
