/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * How a table of fields becomes a message_desc. A kind msg_T or msgs_T needs a KIND_ of its own where the table is
 * used:
 *   #define KIND_msg_T .kind = FIELD_MSG, .message = &desc_T
 */

#include "proto/proto.h"

#define KIND_str .kind = FIELD_STR
#define KIND_bin .kind = FIELD_BIN
#define KIND_u32 .kind = FIELD_U32
#define KIND_u64 .kind = FIELD_U64
#define KIND_i64 .kind = FIELD_I64
#define KIND_boolean .kind = FIELD_BOOL
#define KIND_strs .kind = FIELD_STRS

/*
 * A FIELDS table hands only the field to its macro, and offsetof needs the struct too. So the macro's argument is not
 * one name but a beginning, `{ .offset = (size_t)&((struct T *)0) FIELD_REST`, which the field's parentheses then
 * complete.
 */
#define FIELD_REST(k, n, l, f, t) ->n, .name = #n, KIND_##k, .limit = l, .flags = f, .text = t },
#define MESSAGE_DESC(T, t)                                                                                             \
        static const struct field_desc fields_##T[] = { FIELDS_##T({ .offset = (size_t)&((struct T *)0) FIELD_REST) }; \
        const struct message_desc desc_##T = {                                                                         \
                .name = #T,                                                                                            \
                .text = t,                                                                                             \
                .size = sizeof(struct T),                                                                              \
                .fields = fields_##T,                                                                                  \
                .n_fields = sizeof(fields_##T) / sizeof(struct field_desc),                                            \
        };
