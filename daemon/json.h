/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * JSON <-> structs by the same descriptions that the RPC uses (proto.h), for records that an operator can read.
 * bin fields are base64 text; u64 values above 2^63 are refused. Unknown members are ignored (a record of a newer minor
 * version), repeated ones, wrong types and values over their limits are errors with line and column or the member's
 * path (reason CORRUPT).
 */

#include "base/buf.h"
#include "proto/codec.h"

/* indented, final newline */
int json_encode(const struct message_desc *desc, const void *msg, struct buf *ret, struct error *err);
int json_decode(const struct message_desc *desc, const char *text, size_t len, struct arena *a, void **ret,
                struct error *err);
