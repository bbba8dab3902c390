/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the programs of a gVisor sandbox use of its memory. The sandbox has given two files, the first time that its
 * statistics were asked for: to look at them takes a microsecond. They hold the memory, also when the sandbox has
 * ended: so they are closed then.
 */

#include <stdbool.h>
#include <stdint.h>

struct container;

bool runsc_usage(const struct container *c, uint64_t *ret); /* false: not known */
void runsc_usage_drop(struct container *c);
