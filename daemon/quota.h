/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the users of the socket have charged to them: open requests, and the bytes of those. A user is there while
 * something is charged. (Connections are counted where they are accepted, in transport.c.)
 */

#include <stddef.h>
#include <sys/types.h>
#include "base/error.h"

struct quota_user;
struct quota {
        struct quota_user *users; /* by uid */
        unsigned max_requests;
        size_t max_bytes;
};
#define QUOTA_INIT(requests, bytes) ((struct quota){ .max_requests = (requests), .max_bytes = (bytes) })
void quota_deinit(struct quota *q); /* asserts that all was given back */

/* 0, or -1 with QUOTA (or NO_RESOURCES) and nothing charged. */
int quota_charge(struct quota *q, uid_t uid, size_t bytes, struct error *err);
void quota_release(struct quota *q, uid_t uid, size_t bytes);
