/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Statistics of all containers, in slices, so that the loop goes on meanwhile. */

#include "daemon/request.h"

/* For one request: as many containers as fit into an answer, and where to go on. */
void stats_all_begin(struct daemon *d, struct request *req);

struct stats_pass;
/* result NULL: no memory. Its memory is the arena's. Called once, never from inside of stats_pass_new; the pass is to
 * be freed then or later. */
typedef void (*stats_pass_fn)(void *data, const struct stats_all_result *result);
/* max_bytes: of the encoded containers, 0 without a limit. NULL with err: INVALID_ARGUMENT, or no memory. x must live
 * as long as the pass. */
struct stats_pass *stats_pass_new(struct daemon *d, const struct stats_all_params *x, size_t max_bytes,
                                  struct arena *a, stats_pass_fn fn, void *data, struct error *err);
struct stats_pass *stats_pass_free(struct stats_pass *p); /* also before its end */
DEFINE_CLEANUP(struct stats_pass *, stats_pass_free)
