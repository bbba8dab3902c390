/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Members of messages by their descriptions; for the codec. Structs of lists and pointers to messages differ in type
 * only, so they are read and written through memcpy.
 */

#include "proto/codec.h"

struct raw_list { /* what struct strs and every struct list_T look like */
        void *items;
        size_t n;
};

const void *field_of(const void *msg, const struct field_desc *f);
void *field_pointer(const void *from);
struct raw_list field_list(const void *from);
uint64_t field_number(const void *from, enum field_kind kind);
/* How much of it there is: bytes of text, entries of a list, or the number itself. 0: the field's zero value. */
uint64_t field_size(const void *from, enum field_kind kind);

/* Limits hold in both directions. size is that of field_size, or with FIELD_STR of one text of a strs. */
int field_check_limit(const struct field_desc *f, enum field_kind kind, uint64_t size, struct error *err);
int field_check_text(const struct field_desc *f, const char *text, size_t n, struct error *err);
int field_check_required(const struct field_desc *f, uint64_t size, struct error *err);

/* Sets what a decoded message must not leave NULL, and checks what it must have. */
int message_complete(const struct message_desc *desc, void *msg, struct error *err);
