/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Statistics as OpenMetrics text, which Prometheus and its textfile collector read. doc/metrics.md lists the names. */

#include "base/buf.h"
#include "proto/codec.h"

/* Appends the whole text, to its "# EOF"; ret->failed tells of a lack of memory. stats may be NULL. */
void openmetrics_write(struct buf *ret, const struct info_result *info, const struct stats_all_result *stats);
/* The same in steps 0, 1, 2 ...: one family of all containers at a time, a microsecond for each. False: it was the
 * last. */
bool openmetrics_step(struct buf *ret, unsigned step, const struct info_result *info,
                      const struct stats_all_result *stats);
