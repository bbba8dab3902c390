/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the daemon itself spends on a container. */

#include "daemon/container.h"

/* Fills in the own_ members: memory and descriptors that it and its processes have, what is under way, who waits. */
void container_cost(const struct container *c, struct stats_result *ret);
