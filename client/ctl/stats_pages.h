/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Statistics of all containers, however many answers they take. */

#include "client/ctl/ctl.h"

struct stats_pages { /* zeroed until read */
        struct stats_all_result all; /* of all answers; points into them */
        struct sandboxd_reply *replies;
        size_t n;
};
int ctl_stats_all(struct ctl *ctl, const struct stats_all_params *params, struct stats_pages *ret); /* -1: printed */
void stats_pages_clear(struct stats_pages *p);
