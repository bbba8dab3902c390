/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The shape of a msgpack document, looked at before the library may build it: the library allocates what a header
 * claims, so nobody's claims reach it unchecked. Needs no memory and no recursion.
 */

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

/* Exactly one value, whole, without extension types, nested at most LIMIT_DEPTH deep, of at most max_values values
 * (0: as many as there are bytes), and nothing after it. Returns 0, or -1 with *err. */
int shape_check(const void *data, size_t len, size_t max_values, struct error *err);

/* Reads the type and id of an RPC message, [type, id, ...] with 4 elements, whatever follows. 0, or -1 if it is
 * none. */
int shape_peek(const void *data, size_t len, uint32_t *ret_type, uint32_t *ret_id);
