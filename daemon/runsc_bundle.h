/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Before create: a config.json of Kubernetes becomes what runsc must find (spec_gvisor.h); where runsc's logs go. */

#include "daemon/runtime.h"

/* PREPARE, once config.json was read. */
void runsc_bundle_adjust(struct op *op);
/* Global arguments of create. */
void runsc_bundle_global(struct op *op);
/* Arguments of create itself. */
void runsc_bundle_create(struct op *op);
/* See runtime_driver: %ID% is the container's id; not kept is what is ours to say. */
const char *runsc_bundle_option(const char *option, const char *id, struct arena *a, bool *kept);
/* The sandbox is in the cgroup of its pod, which is not the container's to remove. */
bool runsc_bundle_cgroup_is_pods(const struct container *c);
