/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A terminal: the console socket on which the runtime sends the pty's master, and the copying between it and the
 * client's FIFOs, with back-pressure (no reading of one side while the other side's buffer is full) and a budget of
 * bytes per turn of the loop, so that a noisy terminal cannot starve the rest.
 */

#include "base/buf.h"
#include "base/loop.h"
#include "base/error.h"

#define CONSOLE_BUFFER 65536 /* bytes held in each direction */
#define CONSOLE_BUDGET 65536 /* bytes copied in one turn */

struct console;
typedef void (*console_fn)(void *data);

/* Listens at path (0600). The runtime may connect at any time until the console is freed. */
int console_new(struct console **ret, struct loop *loop, const char *path, uint32_t width, uint32_t height,
                struct error *err);
/* One of an earlier daemon, by what it kept: the listener (-1: none), where the runtime may have been meanwhile, or the
 * master (-1: none). Both are consumed. */
int console_adopt(struct console **ret, struct loop *loop, int listener, int master, struct error *err);
struct console *console_free(struct console *c); /* removes the socket */
DEFINE_CLEANUP(struct console *, console_free)
/* The owner goes: what is still being drained gets this long to reach the client, as long as containerd's Go shims give
 * it; then the console frees itself. */
#define CONSOLE_LINGER_NS (UINT64_C(2) * 1000000000)
void console_release(struct console *c);
const char *console_path(const struct console *c);
/* The client's ends (consumed; -1: none; non-blocking, opened O_RDWR so that a client may come and go). */
void console_set_client(struct console *c, int in_fd, int out_fd);
bool console_has_master(const struct console *c);
/* Borrowed; -1. fn is called when one of them has come or gone. */
int console_master(const struct console *c);
int console_listener(const struct console *c);
int console_in(const struct console *c);
int console_out(const struct console *c);
void console_on_change(struct console *c, console_fn fn, void *data);
/* Makes a pty here, instead of the runtime: its master is the console's, the slave is returned: or -errno. */
int console_make_terminal(struct console *c);
/* fn is called when a key is typed that means a signal to the terminal as it is set now: SIGINT, SIGQUIT or SIGTSTP.
 * For a terminal whose foreground group the kernel does not know, since it is inside of a sandbox: then fn sends the
 * signal and returns true, and the pty does not get the key. */
typedef bool (*console_signal_fn)(void *data, int signal);
void console_on_signal(struct console *c, console_signal_fn fn, void *data);
int console_resize(struct console *c, uint32_t width, uint32_t height); /* remembered until the master is there */
void console_close_stdin(struct console *c);
/* The process has ended: read the pty to its end (EIO), write it out, then close the client's ends and call fn (once,
 * later). A client that does not read, or another process that has the slave open, holds that back until console_free.
 * A read end of the client's output FIFO is kept until then: what a client has not read stays readable. */
void console_drain(struct console *c, console_fn fn, void *data);
bool console_drained(const struct console *c);
