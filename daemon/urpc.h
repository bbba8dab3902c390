/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A connection to the control server of a gVisor sandbox. The protocol has no frames: one JSON object each way, the
 * request {"method", "arg"} and the reply {"success", "err", "result"}; descriptors come with the first byte. There is
 * one request at a time on a connection: a second one sent before the reply is lost by the server. Requests at once
 * therefore have a connection each.
 *
 * An idle connection delays the end of the sandbox by 15 s, since its server waits for its clients: a connection is
 * closed as soon as its reply is there, unless the next request follows in the same callback.
 *
 * The reply is data of an untrusted sandbox: its size, depth and number of descriptors are bounded here; what it means
 * is read by spec_urpc.c.
 */

#include "base/buf.h"
#include "base/loop.h"

#define URPC_REPLY_MAX (4 * 1024 * 1024)
#define URPC_DEPTH_MAX 32
#define URPC_FDS_MAX 4

/* --- where one object ends --- */
struct urpc_scan {
        unsigned depth;
        bool begun, ended, in_string, escaped;
};
/* Looks at the next n bytes. 1: the object is whole, and only blanks follow it; 0: more is to come; -EBADMSG: it is no
 * object, is too deep, or something follows it. */
int urpc_scan(struct urpc_scan *s, const void *data, size_t n);

/* --- a connection --- */
enum urpc_scheme {
        URPC_UNKNOWN,
        URPC_FILE,         /* a socket file; since release 20230118 */
        URPC_ABSTRACT_NUL, /* "\0runsc-sandbox.ID\0": the last NUL is part of the name */
        URPC_ABSTRACT,     /* without it */
};
/* Connects a non-blocking stream socket. name: a path, or the id of the sandbox. 0; -ECONNREFUSED or -ENOENT: nobody
 * listens; -EAGAIN: the server's queue is full just now; or -errno. A unix socket connects at once or not at all. */
int urpc_connect(int sock, enum urpc_scheme scheme, const char *name);

struct urpc_reply {
        int errnum; /* 0: there is a reply; else -EPIPE: the connection was closed by the other side, -ETIMEDOUT,
                     * -EBADMSG, -EMSGSIZE, or another */
        const char *text; /* the JSON object; NUL-terminated */
        size_t len;
        int fds[URPC_FDS_MAX]; /* the callee takes those it wants and sets them to -1; the rest is closed after */
        size_t n_fds;
};

struct urpc;
/* Once for each request. May call again, close, or free u. */
typedef void (*urpc_done_fn)(struct urpc *u, struct urpc_reply *reply);

struct urpc {
        int fd;
        struct watch_fd watch;
        struct watch_timer deadline;
        struct deferred failed;
        struct buf out, in;
        int out_fds[URPC_FDS_MAX]; /* copies, until they are sent */
        size_t n_out_fds;
        int in_fds[URPC_FDS_MAX];
        size_t n_in_fds;
        struct urpc_scan scan;
        urpc_done_fn done; /* NULL: idle */
        bool peek;
        size_t peeked;
        int errnum;
};
#define URPC_NULL ((struct urpc){ .fd = -1 })
void urpc_init(struct urpc *u, struct loop *loop);
void urpc_open(struct urpc *u, int sock); /* takes a connected non-blocking socket */
void urpc_close(struct urpc *u);          /* also gives up a request; without a callback */
/* Sends a request. Descriptors are copied. timeout_ns 0: none. Never calls back from inside. */
void urpc_call(struct urpc *u, const char *text, size_t len, const int *fds, size_t n_fds, uint64_t timeout_ns,
               urpc_done_fn done);
/* A request of an earlier daemon is on this connection: waits for its reply. */
void urpc_await(struct urpc *u, uint64_t timeout_ns, urpc_done_fn done);
/* The same, but a reply stays on the connection, for a next daemon, until urpc_consume(), which comes before the next
 * request. Only for replies that come in one piece: the short ones. */
void urpc_call_peek(struct urpc *u, const char *text, size_t len, const int *fds, size_t n_fds, uint64_t timeout_ns,
                    urpc_done_fn done);
void urpc_await_peek(struct urpc *u, urpc_done_fn done);
void urpc_consume(struct urpc *u);
