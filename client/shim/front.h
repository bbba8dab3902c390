/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The front: containerd's Task service for all containers of one containerd. It holds connections and unanswered calls,
 * and nothing about any container, so it can be as good as never wrong and as good as never changed. While sandboxd
 * restarts it keeps the connections, and the calls wait. When it is killed itself, the next front goes on with both.
 */

#include "base/error.h"
#include "base/loop.h"
#include "client/shim/conn.h"
#include "client/shim/keep.h"
#include "client/shim/rpc.h"
#include "client/shim/waits.h"

struct front {
        struct loop *loop; /* not ours */
        const char *owner; /* not ours */
        const char *ns;    /* not ours: of the requests that do not say theirs, as those of containerd 1.6 */
        int fd;
        struct watch_fd listening;
        struct watch_timer resume; /* no descriptors, no room: accept and read again in a while */
        struct watch_timer again;  /* calls that are to be made once more */
        struct watch_timer idle;   /* nobody is connected */
        struct deferred tidy;      /* the journal is to be written anew */
        struct keep keep;
        uint32_t next; /* number of a connection */
        bool restoring;
        bool over; /* it has ended by itself, with nothing left */
        struct rpc rpc;
        struct waits waits;
        struct conn *conns;
};
#define FRONT_NULL { .ns = "default", .fd = -1, .rpc = RPC_NULL, .keep = { .notify = { .fd = -1 } } }

struct front_setup {
        const char *owner;
        const char *ns;     /* of the requests that do not say theirs */
        int fd;             /* the listening socket, non-blocking; consumed, always */
        const char *socket; /* of sandboxd; "": the default */
        /* All NULL, -1: it does not outlive its death. */
        const char *keeper, *prefix; /* keep_init() */
        int hand_over_fd;            /* what the front before it had (keep_receive()); consumed, always */
};
#define FRONT_SETUP_NULL { .ns = "default", .fd = -1, .socket = "", .hand_over_fd = -1 }

int front_init(struct front *f, struct loop *loop, const struct front_setup *setup, struct error *err);
/* What is with the keeper stays there. */
void front_deinit(struct front *f);
/* There may be another keeper: it gets everything. */
void front_keep_again(struct front *f);

/* --- for its connections --- */
void front_noted(struct front *f);                       /* something was appended to the journal */
void front_full(struct front *f);                        /* the journal took no more */
void front_conn_gone(struct front *f);
int front_number(struct front *f, struct conn *conn);    /* gives it a number that no other has. 0 or -errno */

/* Makes the calls that are marked so once more, in a while. */
void front_again(struct front *f);

/* --- restore.c --- */
/* The front as it was; fds: what the keeper had. 0 or -errno: nothing was changed that is with the keeper. */
int front_restore(struct front *f, struct keep_fds *fds);
/* Writes the journal anew, with what counts of it. 0 or -errno: the old one goes on. */
int front_write_journal(struct front *f);
