/* SPDX-License-Identifier: Apache-2.0 */

/* See runsc_usage.h. */

#include "daemon/runsc_usage.h"

#include <sys/stat.h>
#include <unistd.h>
#include "base/fd.h"
#include "daemon/container.h"

void runsc_usage_drop(struct container *c)
{
        for (size_t i = 0; i < ARRAY_SIZE(c->control.usage_fds); i++)
                c->control.usage_fds[i] = fd_close(c->control.usage_fds[i]);
}

/* The first says how much of other files is mapped, the second is the memory itself. */
bool runsc_usage(const struct container *c, uint64_t *ret)
{
        const int *fds = c->control.usage_fds;
        uint64_t mapped = 0;
        struct stat st;

        if (fds[0] < 0 || fds[1] < 0 || pread(fds[0], &mapped, sizeof(mapped), 0) != sizeof(mapped) ||
            fstat(fds[1], &st) < 0)
                return false;
        *ret = mapped + (uint64_t)st.st_blocks * 512;
        return true;
}
