/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the stats_verify*.c files share: reading back a file of a cgroup. */

#include "daemon/stats.h"

struct verify {
        const struct cgroup *cg; /* NULL: the container has none */
        const struct spec_limits *limits;
        struct error *err;
        char text[4096]; /* of the file read last, without its last newline */
};

/* 0, or -1 with err: a file that is not there cannot have the limit. */
int verify_load(struct verify *v, enum cgroup_controller c, const char *file, const char *want);
/* -1 with err: wanted and found. */
int verify_differs(struct verify *v, enum cgroup_controller c, const char *file, const char *want);
bool verify_has_file(const struct verify *v, enum cgroup_controller c, const char *file);

int verify_io(struct verify *v);
