/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * An output of an added process that goes to a client's FIFO: the process has a pipe of ours, and what it writes there
 * is moved on to the FIFO by splice(2), so that no byte is copied.
 *
 * Why: it may leave a child behind that has its output too, for as long as it likes. If that were the FIFO itself, the
 * FIFO's reader would wait for the child, though the process is over and was removed. So the FIFO is ours to end.
 */

#include <sys/types.h>
#include "base/clock.h"
#include "base/error.h"
#include "base/loop.h"

struct relay;
typedef void (*relay_fn)(void *data);

/* Makes the pipe, which belongs to uid:gid: so the process can open /dev/stdout again. on_change is called when one of
 * the descriptors has gone by itself: then all was moved. */
int relay_new(struct relay **ret, struct loop *loop, uid_t uid, gid_t gid, relay_fn on_change, void *data,
              struct error *err);
/* One of an earlier daemon: consumes both. source: our end of the pipe; sink: the FIFO, O_RDWR. */
int relay_adopt(struct relay **ret, struct loop *loop, int source, int sink, relay_fn on_change, void *data);
struct relay *relay_free(struct relay *r);
/* The owner goes: what was written before gets this long to be moved, as long as containerd's Go shims give it; then
 * the relay frees itself. */
#define RELAY_LINGER_NS (10 * NSEC_PER_SEC)
void relay_release(struct relay *r);

int relay_writer(const struct relay *r); /* for the process; borrowed; -1 once it has begun */
int relay_source(const struct relay *r); /* borrowed; -1: all was moved */
/* Borrowed: the FIFO, open for both, so that a client may come and go; when all was moved a read end of it, so that
 * what a client has not read yet is not lost if it is away just then; -1 before it has begun. */
int relay_sink(const struct relay *r);
/* The process has its copy of the writer: ours is closed, and what comes is moved to sink (consumed). */
void relay_begin(struct relay *r, int sink);
/* Has it begun, and is it not at its end? That comes when nobody has the writer open any more. */
bool relay_moves(const struct relay *r);
