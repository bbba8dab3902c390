/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The text formats of cgroupfs and of the /proc files around it. No file is opened here. Functions that take `char *`
 * cut the text in place, and what they return points into it: the text must live as long as the result. What does not
 * have the expected form is skipped (the kernel adds lines and columns), or refused where a single value is expected.
 */

#include <sys/types.h>
#include "proto/codec.h"

/* Next line or next word (at spaces and tabs) of *cursor, NUL-terminated in place; NULL at the end. Empty ones are
 * skipped. */
char *cg_line(char **cursor);
char *cg_word(char **cursor);

/* A decimal number, with white space after it at most. 0, or -EBADMSG (also when it needs more than 64 bits). */
int cg_u64(const char *text, uint64_t *ret);
/* A limit; none ("max", -1, or v1's largest page counter) is 0. */
int cg_limit(const char *text, uint64_t *ret);
/* A piece of cgroup.procs, from which the next one goes on: *carry is 0 at the begin. Calls add for each number that is
 * whole, but 0 (a process of a pid namespace that we do not see) and beyond 2^22, the kernel's largest; 0, or what add
 * said when that was not 0. */
int cg_parse_pids(const char *piece, size_t len, pid_t *carry, int (*add)(void *data, pid_t pid), void *data);
/* Value of a "key value" line. */
bool cg_find(const char *text, const char *key, uint64_t *ret);
/* The limit of a device in lines "8:0 100" (key "") or "8:0 rbps=100 wbps=max" (its key). False: not there. */
bool cg_find_device(const char *text, uint64_t major, uint64_t minor, const char *key, uint64_t *ret);

/* Lists for the messages. 0, or -ENOMEM. At most LIMIT_LIST entries. Lists that have entries already are appended
 * to. */
int cg_parse_kv(char *text, struct arena *a, struct list_kv *ret);
int cg_parse_percpu(char *text, struct arena *a, struct list_kv *ret);
int cg_parse_blkio(char *text, const char *file, struct arena *a, struct list_blkio_entry *ret);
int cg_parse_io_stat(char *text, struct arena *a, struct list_blkio_entry *ret);
int cg_parse_psi(char *text, const char *resource, struct arena *a, struct list_psi_entry *ret);
int cg_parse_net_dev(char *text, struct arena *a, struct list_net_entry *ret); /* without lo */
/* rdma.current makes the entries, rdma.max fills in their limits; either may be NULL. */
int cg_parse_rdma(char *current, char *max, struct arena *a, struct list_rdma_entry *ret);

/* One line "5:memory:/a" or "0::/a" of /proc/PID/cgroup: the list of controllers ("" for v2, "name=x" for a named
 * hierarchy) and the path, without " (deleted)". 0 or -EBADMSG. */
int cg_parse_proc_line(char *line, char **ret_controllers, char **ret_path);
/* True if the comma separated list has the word. */
bool cg_list_has(const char *list, const char *word);
/* One line of /proc/PID/mountinfo: the mount point (unescaped), filesystem type and super options. 0 or -EBADMSG. */
int cg_parse_mount_line(char *line, char **ret_point, char **ret_type, char **ret_options);

/* 1 if two lists such as "0-3,5" name the same CPUs (or nodes), 0 if not, -EBADMSG if one is not such a list. */
int cg_cpuset_equal(const char *a, const char *b);
