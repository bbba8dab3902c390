/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A file that is either the old or the new one: written as .NAME.tmp in the same directory and renamed. No fsync: the
 * promise is about killed processes, not about power loss, and the state directory is a tmpfs.
 */

#include <stddef.h>
#include <sys/types.h>

/* dirfd: an open directory. Returns 0 or -errno (-ENOSPC, -EROFS ...); on failure the old file stays and no temporary
 * file is left. */
int atomicfile_write(int dirfd, const char *name, const void *data, size_t len, mode_t mode);
