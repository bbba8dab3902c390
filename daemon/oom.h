/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * OOM notification. v1: an eventfd registered in cgroup.event_control with the memory.oom_control descriptor (it also
 * fires when the cgroup is removed, or when a limit above it kills somebody else: looked at, not believed). v2:
 * memory.events of all containers by one inotify descriptor of the host. The callback runs when the counter of killed
 * processes has risen (or, with v1's oom_kill_disable, when the processes have begun to hang), with what is known: who
 * it was is in the kernel's log (oom_log). It must not free a watch: put that off to the end of the round.
 */

#include "base/loop.h"
#include "daemon/cgroup.h"

struct oom_hub; /* the host's inotify descriptor */
int oom_hub_new(struct oom_hub **ret, struct loop *loop, struct cgroup_host *h, struct error *err);
struct oom_hub *oom_hub_free(struct oom_hub *hub);
DEFINE_CLEANUP(struct oom_hub *, oom_hub_free)

struct oom_watch;
typedef void (*oom_fn)(struct oom_watch *w, const struct oom_info *info); /* info is valid during the call */

/* Watches cg (which must outlive the watch). A container without a memory cgroup of its own has a watch that never
 * fires: what happens in a shared one is not its own. `seen` is the oom_kill counter already reported (0 for a new
 * container). */
int oom_watch_new(struct oom_watch **ret, struct oom_hub *hub, const struct cgroup *cg, uint64_t seen, oom_fn fn,
                  void *data, struct error *err);
struct oom_watch *oom_watch_free(struct oom_watch *w);
DEFINE_CLEANUP(struct oom_watch *, oom_watch_free)
void *oom_watch_data(const struct oom_watch *w);
/* Looks now, and calls fn if there is something new: before an exit is published, so that the OOM comes first. ended:
 * the process that has ended (0: none), which may be the victim. */
void oom_watch_check(struct oom_watch *w, pid_t ended);
uint64_t oom_watch_seen(const struct oom_watch *w);
int oom_watch_fd(const struct oom_watch *w); /* the eventfd, or -1 */
