/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * OOM notification. v1: an eventfd registered in cgroup.event_control with the memory.oom_control descriptor (it also
 * fires when the cgroup is removed: looked at, not believed). v2: memory.events of all containers by one inotify
 * descriptor of the host. The callback runs when processes were really killed (or the eventfd fired in a live cgroup with
 * the failure counter risen), once per occurrence, with what is known.
 */

#include "base/loop.h"
#include "daemon/cgroup.h"

struct oom_hub; /* the host's inotify descriptor */
int oom_hub_new(struct oom_hub **ret, struct loop *loop, struct cgroup_host *h, struct error *err);
struct oom_hub *oom_hub_free(struct oom_hub *hub);
DEFINE_CLEANUP(struct oom_hub *, oom_hub_free)

struct oom_watch;
typedef void (*oom_fn)(struct oom_watch *w, const struct oom_info *info); /* info is valid during the call */

/* Watches cg (which must outlive the watch). `seen` is the oom_kill counter already reported (0 for a new container). */
int oom_watch_new(struct oom_watch **ret, struct oom_hub *hub, const struct cgroup *cg, uint64_t seen, oom_fn fn, void *data,
                  struct error *err);
struct oom_watch *oom_watch_free(struct oom_watch *w);
DEFINE_CLEANUP(struct oom_watch *, oom_watch_free)
void *oom_watch_data(const struct oom_watch *w);
/* Looks now, and calls fn if there is something new: before an exit is published, so that the OOM comes first. */
void oom_watch_check(struct oom_watch *w);
uint64_t oom_watch_seen(const struct oom_watch *w);
int oom_watch_fd(const struct oom_watch *w); /* the eventfd, or -1 */
