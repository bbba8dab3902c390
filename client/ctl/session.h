/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * sandboxctl and a process until one of them ends: copies its stdio, hands signals and window sizes on, and learns how
 * it ended. The order that loses nothing: FIFOs, create, session_begin (which asks for the end before the start),
 * start, session_loop.
 */

#include <signal.h>
#include "base/buf.h"
#include "client/ctl/ctl.h"
#include "client/ctl/stdio.h"
#include "client/ctl/terminal.h"

struct stream {
        int *from;        /* of stdio */
        const char *path; /* of its FIFO */
        int to;
        bool regular; /* `to` is a file: it never blocks */
        bool ended;   /* nothing more will come */
        bool broken;  /* nobody reads `to`: what comes is thrown away */
};

struct session {
        struct ctl *ctl;
        struct target target;
        struct stdio *stdio; /* not ours */
        bool terminal;       /* the process has one */
        struct detach detach;
        uint64_t events_since; /* where the end is in the log, should the answer be lost */

        struct stream out, err;
        struct buf in; /* read from our standard input, not yet written to the FIFO */
        bool in_open;  /* our standard input is read */
        struct terminal tty;
        int signal_fd;
        sigset_t old_mask;
        unsigned n_fatal; /* signals in a row that ask for an end */
        uint64_t wait_call;
        bool waiting;
        struct sandboxd_reply end; /* of the wait */
        bool left;    /* detached, or told to go: `status` is the exit status */
        int status;
};

void session_init(struct session *s, struct ctl *ctl, const struct target *target, struct stdio *stdio);
void session_deinit(struct session *s);
static inline _unused_ void session_deinitp(struct session *s)
{
        session_deinit(s);
}
/* Asks for the end of the process, and takes signals over. 0, or -1 (printed). */
int session_begin(struct session *s);
/* Until the process has ended and its output is copied, or the user detaches. Returns the exit status for sandboxctl.
 */
int session_loop(struct session *s);
