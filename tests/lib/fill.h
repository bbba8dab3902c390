/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Messages with made-up contents, by their descriptions, and a deep comparison of messages. For tests and fuzz
 * seeds. */

#include "proto/codec.h"

struct fill {
        uint64_t seed;  /* of a xorshift generator; not 0 */
        bool full;      /* every field has a value, lists have two entries; else fields are present at random */
};

uint64_t fill_random(struct fill *fill);
/* A valid message. NULL: no memory. */
void *fill_message(struct fill *fill, const struct message_desc *desc, struct arena *a);

/* NULL and "" are the same text. Returns the name of a field in which they differ, or NULL. */
const char *message_difference(const struct message_desc *desc, const void *a, const void *b);
