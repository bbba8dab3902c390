/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* How spec.c and spec_runtime.c look at JSON: a node knows its path, so that an error can say where it is. */

#include <jansson.h>
#include "proto/codec.h"

#define SPEC_MAX (16 * 1024 * 1024) /* bytes of a document */

struct spec_node {
        const struct spec_node *parent;
        const char *name; /* of the member; of the document for the root; NULL: an entry of an array */
        size_t index;
        json_t *value;      /* NULL: absent (or null); reading members of it gives absent ones */
        enum reason reason; /* root: of the errors */
};

/* Parses a document; `what` names it in errors. Integers beyond 64 bits with sign become reals. NULL on failure. */
json_t *spec_load(const char *text, size_t len, enum reason reason, const char *what, struct error *err);

int spec_no_memory(struct error *err);
int spec_wrong_type(const struct spec_node *node, const char *expected, struct error *err);
/* The member is needed, and absent or empty. what: what belongs there. */
int spec_missing(const struct spec_node *object, const char *name, const char *what, struct error *err);

int spec_is_object(const struct spec_node *node, struct error *err);
struct spec_node spec_entry(const struct spec_node *array, size_t i);
/* The text of a node that must be a string. */
int spec_str(const struct spec_node *node, struct arena *a, const char **ret, struct error *err);

/* Members. An absent one (or null) gives NULL, "", false, and leaves *ret of get_int as it is. */
int spec_get_object(const struct spec_node *object, const char *name, struct spec_node *ret, struct error *err);
int spec_get_array(const struct spec_node *object, const char *name, struct spec_node *ret, struct error *err);
int spec_get_str(const struct spec_node *object, const char *name, struct arena *a, const char **ret,
                 struct error *err);
int spec_get_bool(const struct spec_node *object, const char *name, bool *ret, struct error *err);
int spec_get_int(const struct spec_node *object, const char *name, json_int_t min, json_int_t max, json_int_t *ret,
                 struct error *err);
/* A counter: a number that is not negative; what is beyond 64 bits is the largest. */
int spec_get_u64(const struct spec_node *object, const char *name, uint64_t *ret, struct error *err);
