/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the daemon knows, for people: all of it to the log (SIGUSR1), or that of one container (the method debug). */

#include "base/buf.h"

struct container;

/* daemon_dump() is in daemon.h. */
/* Lines, each with its newline. */
void dump_container(const struct container *c, struct buf *out);
