/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The stdio of one process. Without a terminal no byte is copied by this daemon: the client's FIFOs are opened by the
 * spawned child (spawn.h) and handed to the process; we keep a read end of each output FIFO (a reader that restarts
 * gives the process no EPIPE) and a write end of stdin (closing it is CloseIO). An added process has pipes in the place
 * of its output FIFOs (relay.h). binary:// starts a logger first and
 * waits for its ready signal. With a terminal the runtime sends us the pty's master over a console socket (console.h).
 */

#include "base/spawn.h"
#include "proto/codec.h"

struct console;
struct relay;
struct logger; /* the process of a binary:// URI */

struct stdio_paths {
        bool terminal;
        const char *in, *out, *err; /* as in the request; "" for /dev/null */
        uint32_t uid, gid;
        uint32_t width, height;
        const char *ns, *id; /* for a logger's environment */
};

/* Checks schemes and combinations: UNKNOWN_STDIO, INVALID_ARGUMENT (relative paths, two loggers, a file for a terminal
 * ...). With a terminal, stderr is not looked at: there is none, and some clients name a FIFO for it all the same. */
int stdio_check(const struct stdio_paths *p, struct error *err);

/* What an earlier daemon kept of it (kept.h), each -1 if there is none. */
struct stdio_kept {
        int master, listener; /* of a terminal */
        int in, out, err;
        int out_pipe, err_pipe;
};
#define STDIO_KEPT_NULL                                                                                                \
        ((struct stdio_kept){                                                                                          \
                .master = -1, .listener = -1, .in = -1, .out = -1, .err = -1, .out_pipe = -1, .err_pipe = -1 })

/* The descriptors that it has. */
enum stdio_end {
        STDIO_MASTER,
        STDIO_LISTENER,
        STDIO_IN,
        STDIO_OUT,
        STDIO_ERR,
        STDIO_OUT_PIPE,
        STDIO_ERR_PIPE,
};

struct stdio;
typedef void (*stdio_ready_fn)(struct stdio *s, const struct error *err); /* err NULL: child[] is filled in. Once */
typedef void (*stdio_drained_fn)(struct stdio *s);

struct stdio {
        struct loop *loop;
        struct reaper *reaper;
        int keep_out, keep_err; /* our read ends of the output FIFOs, or -1 */
        int stdin_writer;       /* our write end of the stdin FIFO, or -1 */
        bool relays;            /* set by the owner before stdio_prepare: output FIFOs are reached through these */
        struct relay *out_relay, *err_relay; /* NULL: not so, or not yet */
        struct logger *logger;
        struct console *console;
        struct spawn_stdio child[3]; /* for the create or exec command; points into the arena */
        struct arena *arena;
        stdio_ready_fn on_ready;
        stdio_drained_fn on_drained; /* may be NULL; set by the owner after stdio_init */
        stdio_drained_fn on_change;  /* the same: one of its descriptors has come or gone by itself */
        bool (*on_signal)(struct stdio *s, int signal);
        struct deferred later;
        struct error error;
        bool closed_stdin, ended;
};
void stdio_init(struct stdio *s, struct loop *loop, struct reaper *reaper);
void stdio_deinit(struct stdio *s); /* closes everything; a logger outlives s for a while (logger.h) */

/* Makes child[] ready (with a terminal: for the runtime command, which hands the FIFOs back); starts a logger or a
 * console listener at console_path (a free path of at most 107 bytes) where needed. on_ready comes later, never from
 * inside. Copies the paths. On failure stdio_deinit is still due. */
int stdio_prepare(struct stdio *s, const struct stdio_paths *p, const char *console_path, stdio_ready_fn on_ready,
                  struct error *err);
/* What to give as --console-socket; NULL without a terminal. */
const char *stdio_console_path(const struct stdio *s);
/* The command was executed: takes the kept ends. With a terminal they are the client's FIFOs (O_RDWR), which the
 * console copies to and from. */
void stdio_take(struct stdio *s, struct spawn_ready *ready);
/* After a restart of the daemon: takes what was kept, and opens our ends of the FIFOs that are missing. A terminal
 * whose master was not kept has gone. Never blocks on a FIFO. */
void stdio_reopen(struct stdio *s, const struct stdio_paths *p, struct stdio_kept *kept, bool stdin_closed);
int stdio_fd(const struct stdio *s, enum stdio_end end); /* borrowed; -1 */

void stdio_close_stdin(struct stdio *s); /* CloseIO: idempotent */
/* fn is called when a key is typed that means a signal to the terminal (console_on_signal). */
void stdio_on_signal(struct stdio *s, bool (*fn)(struct stdio *s, int signal));
/* A terminal of ours, instead of one that the runtime makes: its slave, or -errno. */
int stdio_make_terminal(struct stdio *s);
int stdio_resize(struct stdio *s, uint32_t width, uint32_t height); /* 0 (also without a terminal) or -errno */
/* The process has ended: what the pty still holds is copied out, then the FIFOs are closed so that readers get EOF. */
void stdio_process_ended(struct stdio *s);
/* What was written is on its way to the client, and there may be more: the end of a FIFO of the client is ours to
 * make. */
bool stdio_moves(const struct stdio *s);
/* Ends them now: who still writes gets EPIPE. */
void stdio_cut(struct stdio *s);
/* True when nothing is left to be copied. on_drained is called, later, when that is so after stdio_process_ended. */
bool stdio_drained(const struct stdio *s);
