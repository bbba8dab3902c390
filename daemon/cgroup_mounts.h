/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What libcgroup knows of the host. */

#include "base/error.h"

/* 0, or -1 with err to stop. */
typedef int (*cgroup_mount_fn)(void *data, const char *controller, const char *mount, struct error *err);

/* Calls fn for each controller that is mounted, with its first mount point. */
int cgroup_mounts(cgroup_mount_fn fn, void *data, struct error *err);
