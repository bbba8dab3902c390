/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a running gVisor sandbox is asked directly, at its control socket: signals, processes, statistics. No process of
 * runsc is started for it. A release or a sandbox that cannot be asked so is asked by runsc's command line as before.
 *
 * Which socket, and which form of a method, is found out by asking, once for each container: nothing depends on the
 * number of a release.
 */

#include "daemon/runtime.h"
#include "daemon/urpc.h"

#define RUNSC_CALL_NS (10 * NSEC_PER_SEC) /* the sandbox answers in a millisecond, or it hangs */

/* A connection to the sandbox of a container: a descriptor, or -errno: it cannot be asked. */
int runsc_connect(struct container *c);
/* The text of runsc's state file of the container, from the heap; NULL: none. */
char *runsc_state_text(const struct container *c, size_t *ret_len);

/* Sends a request of op (timeout_ns 0: none) and closes the connection when the reply is there. False: the sandbox
 * cannot be asked. */
bool runsc_ask(struct op *op, const char *text, uint64_t timeout_ns, urpc_done_fn done);
/* A reply that is none: fills in err. False: there is a reply. */
bool runsc_no_reply(const struct urpc_reply *reply, struct error *err);
/* A reply that says only that it was done; fills in err if it is another one, or none. */
void runsc_done_reply(const struct urpc_reply *reply, struct error *err);
/* What was answered to a signal. */
void runsc_kill_reply(const struct urpc_reply *reply, struct error *err);

/* Begins an op at the control socket. False: this one is for the command line. When the sandbox turns out not to know
 * what it is asked, `other` begins it. */
bool runsc_control_begin(struct op *op, void (*other)(struct op *op));
