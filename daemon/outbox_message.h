/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* An entry of the event log as the message that containerd gets for it. */

#include "base/buf.h"
#include "proto/proto.h"

/* Appends the call Events.Forward of this event to out, as stream `stream`. Returns 1; 0: containerd has no such event;
 * or -errno (-EMSGSIZE: it is larger than a frame may be). */
int outbox_append_event(struct buf *out, uint32_t stream, const struct event *ev);
