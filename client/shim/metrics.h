/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Statistics as containerd's metrics of cgroup v1 and v2. */

#include "proto/codec.h"
#include "proto/shim/common.pb-c.h"
#include "proto/shim/metrics.pb-c.h"

/* Packs *stats; memory for what the message points to is of the arena, any->value is the caller's to free. 0 or
 * -ENOMEM. */
int metrics_v1(Shim__Any *any, const struct stats_result *stats, struct arena *a);
int metrics_v2(Shim__Any *any, const struct stats_result *stats, struct arena *a);

/* Where a counter of memory.stat goes to: a member of uint64_t at an offset. */
struct metrics_counter {
        const char *name;
        size_t offset;
};
void metrics_fill(void *ret, const struct metrics_counter *table, size_t n, const struct list_kv *values);
/* *ret stays as it is if there is none. 0 or -ENOMEM. */
int metrics_rdma(Metrics__RdmaStat **ret, const struct stats_result *s, struct arena *a);
int metrics_network(Metrics__NetworkStat ***ret, size_t *ret_n, const struct stats_result *s, struct arena *a);
