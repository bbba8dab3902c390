/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Statistics of all containers for one request: in slices, so that the loop goes on meanwhile. */

#include "daemon/request.h"

void stats_all_begin(struct daemon *d, struct request *req);
