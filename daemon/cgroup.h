/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * cgroups of v1, hybrid and v2 hosts. libcgroup finds the hierarchies and removes; counters on the hot path are read
 * from the files directly. Nothing else includes libcgroup.
 */

#include <stdbool.h>
#include <sys/types.h>
#include "proto/codec.h"

enum cgroup_controller {
        CG_MEMORY, CG_CPU, CG_CPUACCT, CG_CPUSET, CG_PIDS, CG_FREEZER, CG_BLKIO, CG_HUGETLB, CG_RDMA, CG_DEVICES,
        CG_CONTROLLER_N
};

struct cgroup_host; /* what the host has, found once */
int cgroup_host_new(struct cgroup_host **ret, struct error *err);
struct cgroup_host *cgroup_host_free(struct cgroup_host *h);
DEFINE_CLEANUP(struct cgroup_host *, cgroup_host_free)
/* 1: pure v1; 12: hybrid (controllers on v1, a v2 tree beside); 2: pure v2. */
unsigned cgroup_host_version(const struct cgroup_host *h);

/* The cgroup of one container: its directory in each hierarchy. */
struct cgroup;
/* That of a process (its own leaf in each hierarchy). NOT_FOUND if the process is gone. */
int cgroup_of_pid(struct cgroup_host *h, pid_t pid, struct cgroup **ret, struct error *err);
/* By the path below the hierarchies, as cgroup_path() gave it (for adoption). */
int cgroup_of_path(struct cgroup_host *h, const char *path, struct cgroup **ret, struct error *err);
/* That which the cgroupsPath of a spec asks for; systemd: the runtime uses that driver, for which it is
 * "slice:prefix:name". INVALID_ARGUMENT if it is not of this form. The path of it is for the caller to free. */
int cgroup_of_spec(struct cgroup_host *h, const char *cgroups_path, bool systemd, struct cgroup **ret,
                   struct error *err);
int cgroup_path_of_spec(const struct cgroup_host *h, const char *cgroups_path, bool systemd, char **ret,
                        struct error *err);
/* With the systemd driver: *cg becomes the unit that was asked for, if it is one level below that. */
int cgroup_climb(struct cgroup_host *h, const char *cgroups_path, struct cgroup **cg, struct error *err);
/* libcgroup exports a cgroup_free() too, and calls it through its own symbol table: it would get ours. */
#define cgroup_free sandboxd_cgroup_free
struct cgroup *cgroup_free(struct cgroup *cg);
DEFINE_CLEANUP(struct cgroup *, cgroup_free)
/* Text that names it: the v2 path, or the memory (else the first) v1 hierarchy's path; if hierarchies differ, every one
 * is in it ("memory=/a,pids=/b"). cgroup_of_path understands it. */
const char *cgroup_path(const struct cgroup *cg);
/* Absolute directory in the hierarchy of a controller; NULL if the host has none, or if the container has no cgroup of
 * its own there (it is in the root, or in that of whoever started it). */
const char *cgroup_dir(const struct cgroup *cg, enum cgroup_controller c);
/* Whether that hierarchy is a v2 one. */
bool cgroup_is_v2(const struct cgroup *cg, enum cgroup_controller c);
/* Its own directory in the v2 tree, also where v1 has the controllers; NULL: none. */
const char *cgroup_unified_dir(const struct cgroup *cg);
/* False for a root cgroup, or one that this process or the daemon itself is in: it must not be killed, frozen or
 * removed. */
bool cgroup_is_private(const struct cgroup *cg);
bool cgroup_exists(const struct cgroup *cg);

/* All processes in it and below, ascending, no duplicates. CGROUP_NOT_FOUND if it is gone. */
int cgroup_pids(const struct cgroup *cg, struct arena *a, pid_t **ret, size_t *ret_n, struct error *err);
/* Asks for frozen or thawed; cgroup_frozen tells 1, 0 or -errno: it may take a while, ask again by a timer. */
int cgroup_freeze(const struct cgroup *cg, bool freeze, struct error *err);
int cgroup_frozen(const struct cgroup *cg);
/* v1: lets what is being frozen run for a moment. Now and then a freezing does not end without it, while new processes
 * come; what runs processes meanwhile is asked again. v2: nothing. */
void cgroup_freeze_anew(const struct cgroup *cg);
/* SIGKILL to all in it: cgroup.kill where the kernel has it, else frozen, every pid by pidfd, and thawed (call again
 * until cgroup_pids is empty). A signal other than SIGKILL: to every process by pidfd. */
int cgroup_signal_all(const struct cgroup *cg, int signal, struct error *err);
/* Removes it in every hierarchy, with empty children. 0, or -1 with the reason (busy). Already gone is fine. */
int cgroup_remove(const struct cgroup *cg, struct error *err);
