/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the kernel's log tells of OOM kills: whom, and in which cgroup whose limit was reached. It is read only when a
 * counter has risen, so that a talkative kernel wakes nobody; the counters say that there was a kill, the log only who
 * it was. It may be closed to us, its summary line is rate-limited, and old lines are overwritten: then less is known.
 */

#include "daemon/cgroup.h"

#define OOM_VICTIMS_MAX 64 /* remembered; of more, the oldest are forgotten */
#define OOM_COMM_MAX    16

struct oom_log_entry {
        pid_t pid;
        char name[OOM_COMM_MAX * 4]; /* the kernel escapes what is not printable */
        char *cgroup;                /* of the victim in the hierarchy of the memory controller; NULL: not told */
        char *limit;                 /* the cgroup whose limit was reached; NULL: not told, or the host's memory */
        bool host;                   /* the host had no memory left */
        uint64_t rss;                /* bytes; 0: not told (yet) */
};

struct oom_log { /* -1 and zero until init */
        int fd;
        const struct cgroup_host *host;
        struct oom_log_entry entries[OOM_VICTIMS_MAX]; /* not told yet, the oldest first */
        size_t n;
        struct oom_log_entry partial; /* of a summary that the kernel has split */
};
#define OOM_LOG_NULL ((struct oom_log){.fd = -1})

/* Begins at the end of the log; a log that cannot be read has no entries. */
void oom_log_init(struct oom_log *l, const struct cgroup_host *h, const char *path);
void oom_log_deinit(struct oom_log *l);
/* Reads what is new. */
void oom_log_read(struct oom_log *l);
/* One record as /dev/kmsg has it; cuts. */
void oom_log_feed(struct oom_log *l, char *record);
/* The oldest victim in this cgroup or below it, or the one with this pid (0: none) if its cgroup is not known. Taken:
 * to be freed by oom_log_entry_deinit. */
bool oom_log_take(struct oom_log *l, const char *cgroup, pid_t pid, struct oom_log_entry *ret);
void oom_log_entry_deinit(struct oom_log_entry *e);
