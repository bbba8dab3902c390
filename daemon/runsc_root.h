/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Which state directory of runsc a container's is in. runsc takes the beginning of an id for the id, also where it is
 * one of its own: as long as there are `web` and `web-2` in one directory, it refuses to do anything with `web` ("is
 * ambiguous"). So a container gets a directory of its own, ROOT/+ID, if its id begins with that of another one, or the
 * other way round. The containers of a pod must share that of their sandbox.
 */

#include "daemon/runtime.h"

/* Before create. INVALID_ID if there is no directory in which runsc could tell it from others. */
int runsc_root_choose(struct container *c, struct error *err);
/* After delete. */
void runsc_root_leave(const struct container *c);
