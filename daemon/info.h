/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the daemon is and how it does: the answer of the method info, and of the metrics. */

#include "proto/codec.h"

struct daemon;
/* Memory comes from a or is the daemon's own, valid in this round. */
void daemon_describe(struct daemon *d, struct arena *a, struct info_result *ret);
