/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The records of owners and of their fronts: one file each, written whole. That of an owner is ROOT/outbox/OWNER, that
 * of a front ROOT/fronts/NAME, where ROOT/front/NAME is the socket at which it listens.
 */

#include "base/error.h"
#include "proto/proto.h"

#define OWNER_RECORD_VERSION 2 /* 1 had the fronts in the owner's record */

#define FIELDS_front_record(F)                                                                                         \
        F(str, ns, LIMIT_ID, REQUIRED, "namespace")                                                                    \
        F(u32, pid, 0, 0, "0: it does not run") F(u64, start_time, 0, 0, "clock ticks since boot")                     \
        F(u32, slot, 0, 0, "tells its descriptors in the keeper's store from others'")                                 \
        F(u32, version, 0, 0, "OWNER_RECORD_VERSION") F(str, owner, LIMIT_ID, 0, "its name")                           \
        F(str, group, LIMIT_PATH, 0, "empty: of all that have no other one")                                           \
        F(strs, members, LIMIT_LIST, 0, "containers of the group")                                                     \
        F(str, cgroup, LIMIT_PATH, 0, "that it is in; empty: ours") F(str, oom_score, LIMIT_ID, 0, "empty: ours")      \
        F(boolean, sched_core, 0, 0, "it shares a core only with its group")
#define FIELDS_owner_record(F)                                                                                         \
        F(u32, version, 0, REQUIRED, "OWNER_RECORD_VERSION") F(str, owner, LIMIT_ID, REQUIRED, "its name")             \
        F(str, ttrpc_address, LIMIT_PATH, REQUIRED, "takes events") F(str, grpc_address, LIMIT_PATH, 0, "its own")     \
        F(u64, cursor, 0, 0, "the first event that was not acknowledged")                                              \
        F(msgs_front_record, fronts, LIMIT_LIST, 0, "of version 1")

#define FIELD_C_msgs_front_record(name) struct list_front_record name;
MESSAGE_C(front_record, "a front")
MESSAGE_C(owner_record, "an owner")
MESSAGE_DESC_DECL(front_record, "")
MESSAGE_DESC_DECL(owner_record, "")

struct owner_store;

/* Opens (makes) the directories below the state directory. */
int owner_store_open(struct owner_store **ret, const char *root, struct error *err);
struct owner_store *owner_store_free(struct owner_store *s);

int owner_store_save(struct owner_store *s, const struct owner_record *rec, struct error *err);
void owner_store_remove(struct owner_store *s, const char *owner);
/* rec is NULL and err set for a file that cannot be read. */
typedef void (*owner_each_fn)(void *data, const struct owner_record *rec, const struct error *err);
int owner_store_each(struct owner_store *s, owner_each_fn fn, void *data, struct error *err);

/* The same for fronts. */
int owner_store_save_front(struct owner_store *s, const char *name, const struct front_record *rec, struct error *err);
void owner_store_remove_front(struct owner_store *s, const char *name);
typedef void (*front_each_fn)(void *data, const struct front_record *rec, const struct error *err);
int owner_store_each_front(struct owner_store *s, front_each_fn fn, void *data, struct error *err);
