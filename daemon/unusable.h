/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Containers whose record could not be read at the start: damaged, or of a newer daemon. Nothing of them is touched,
 * and they are not among the containers; but their ids are not free, and who asks for one is told why, for as long as
 * the record is there.
 */

#include "base/error.h"

struct daemon;

struct unusable;
/* Remembers, and tells it to all: the log, and an event of that container. Without memory it aborts: the keeper tries
 * again. */
void unusable_add(struct daemon *d, const char *owner, const char *ns, const char *id, const struct error *why);
/* -1 and the error for a request that is about such a container, else 0. */
int unusable_check(struct daemon *d, const char *owner, const char *ns, const char *id, struct error *err);
void unusable_free_all(struct daemon *d);
