/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Memory pressure of the host, and of configured groups of cgroups: the kernel's PSI triggers become changes of a level
 * (pressure_level.h says when). A group is a path in the v2 tree, which need not be there: it is looked for when a
 * container has got a cgroup, and forgotten when it goes. A pure v1 host tells its own pressure only.
 */

#include "base/loop.h"
#include "daemon/cgroup.h"
#include "daemon/pressure_level.h"

struct pressure_options {
        bool host;                     /* watch /proc/pressure/memory */
        struct strs cgroups;           /* paths below the v2 tree */
        uint64_t some_us, full_us;     /* of window_us: the thresholds; 0: this level is not watched */
        uint64_t window_us;
        uint64_t calm_ns;              /* a level is over when it was not reported for so long */
};

struct pressure_change {
        const char *cgroup; /* "": the host */
        enum pressure_level from, to;
        uint64_t lasted_ns; /* how long the earlier level was there; 0 if that was none */
        bool gone;          /* the group is no more */
        struct list_psi_entry psi; /* what the file says now; empty: nothing */
};
typedef void (*pressure_fn)(void *data, const struct pressure_change *change); /* valid during the call */

struct pressure;
/* What cannot be watched is logged. options' texts must outlive it. NULL: no memory. */
struct pressure *pressure_new(struct loop *loop, const struct cgroup_host *h, const struct pressure_options *options,
                              pressure_fn fn, void *data);
struct pressure *pressure_free(struct pressure *p);
DEFINE_CLEANUP(struct pressure *, pressure_free)
/* Looks for groups that were not there; cheap if there are none. */
void pressure_find_groups(struct pressure *p);
/* How many are watched: host and groups. */
size_t pressure_n_watched(const struct pressure *p);

/* What is to be done about it beside telling: a row for each policy that a daemon can have. Called after the event was
 * published; it starts things and does not wait. */
struct daemon;
struct pressure_policy {
        const char *name;
        void (*changed)(struct daemon *d, const struct pressure_change *change);
};
extern const struct pressure_policy pressure_policy_none; /* nothing is done */
