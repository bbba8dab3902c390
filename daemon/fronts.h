/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The fronts of all owners: which there are, for whom, and when they come and go. A front is that of a namespace, and
 * of a group of its containers: of all that have no other one, of a pod, or of one container, as [front] group says.
 * What must outlive us is in ROOT/fronts/NAME (daemon/owner_record.h).
 *
 * A container is of a group from its attach, which is before it is made, until it leaves, when its shim's `delete`
 * finds it gone. The front of a group is forgotten when nobody is connected to it and none is left; after a while, if
 * there is none that exists.
 */

#include <sys/types.h>
#include "daemon/front.h"
#include "daemon/owner_record.h"

struct daemon;
struct fronts;

/* Reads the records, and finds the fronts that live. The store is not ours. */
int fronts_new(struct fronts **ret, struct daemon *d, struct owner_store *store, struct error *err);
/* They go on without us. */
struct fronts *fronts_free(struct fronts *fs);
DEFINE_CLEANUP(struct fronts *, fronts_free)
/* One that another record tells of: it has one of its own from now on. */
void fronts_take(struct fronts *fs, const char *owner, const struct front_record *rec);

/* Answers the request owner.attach of a known owner. Owns it. */
void fronts_attach(struct fronts *fs, struct request *req);
bool fronts_are_attaching(const struct fronts *fs, const char *owner);
/* The container is of no group but that of `stays` (NULL: of none). */
void fronts_leave(struct fronts *fs, const char *owner, const char *ns, const char *id, const struct front *stays);
/* The owner is no more. */
void fronts_forget(struct fronts *fs, const char *owner);

/* Requests are served from now on: those that died are started again where there are containers. */
void fronts_serve(struct fronts *fs);
void fronts_keep_again(struct fronts *fs); /* there is another keeper */
void fronts_dump(const struct fronts *fs, const char *owner);
