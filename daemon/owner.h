/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Owners: each is one containerd, told from others by its address. An owner has an outbox, which sends it the events of
 * its containers, and fronts, which answer its calls (daemon/fronts.h). What must outlive us is in ROOT/outbox/OWNER:
 * the addresses, and how far events were acknowledged. An owner with no containers whose socket is gone is forgotten.
 */

#include "daemon/outbox.h"
#include "daemon/request.h"

struct daemon;
struct owners;

/* Reads the records, finds the fronts that live, and begins to send what is owed. */
int owners_new(struct owners **ret, struct daemon *d, struct error *err);
/* Fronts go on without us. */
struct owners *owners_free(struct owners *o);
DEFINE_CLEANUP(struct owners *, owners_free)

/* Requests are served from now on: fronts that died are started again where there are containers. */
void owners_serve(struct owners *o);
/* The method owner.attach. Owns the request. */
void owners_attach(struct owners *o, struct request *req);
/* This container, which does not exist, will not come any more. */
void owners_left(struct owners *o, const char *owner, const char *ns, const char *id);
/* There is another keeper: it gets everything of the fronts. */
void owners_keep_again(struct owners *o);
/* To the log. */
void owners_dump(const struct owners *o);
