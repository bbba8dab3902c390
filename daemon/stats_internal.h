/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the stats_*.c files share: reading one file after the other of one directory. */

#include "daemon/stats.h"

#define STATS_FILE_MAX (256 * 1024) /* bytes of one file: io.stat of some thousand devices */

struct stats_reader {
        struct arena *a;
        char *buf; /* STATS_FILE_MAX */
        int dirfd;
        bool no_memory;
};

/* Opens the directory of the files that follow; false: it is not there, or dir is NULL. */
bool stats_cd(struct stats_reader *r, const char *dir);
/* The text of a file, until the next call; NULL: it is not there, or cannot be read. */
const char *stats_text(struct stats_reader *r, const char *file);
/* A copy that lives as long as the arena, to be cut into a result. */
char *stats_copy(struct stats_reader *r, const char *file);
/* A number; none ("max", v1's largest) is 0. False: not there. */
bool stats_number(struct stats_reader *r, const char *file, uint64_t *ret);
/* Its copy in the arena. */
struct mem_entry *stats_entry(struct stats_reader *r, const struct mem_entry *e);
/* A parser's -ENOMEM. */
void stats_note(struct stats_reader *r, int result);

void stats_v1_cpu(struct stats_reader *r, struct stats_result *ret);     /* cpu.stat */
void stats_v1_cpuacct(struct stats_reader *r, struct stats_result *ret);
void stats_v1_cpu_time(struct stats_reader *r, struct stats_result *ret); /* of all CPUs together */
void stats_v1_memory_limit(struct stats_reader *r, struct stats_result *ret); /* and what became of it */
void stats_v1_memory(struct stats_reader *r, struct stats_result *ret);
void stats_v1_blkio(struct stats_reader *r, struct stats_result *ret);
void stats_v1_hugetlb(struct stats_reader *r, struct stats_result *ret);

void stats_v2_cpu(struct stats_reader *r, struct stats_result *ret);
void stats_v2_memory_limit(struct stats_reader *r, struct stats_result *ret);
void stats_v2_memory(struct stats_reader *r, struct stats_result *ret);
void stats_v2_io(struct stats_reader *r, struct stats_result *ret);
void stats_v2_hugetlb(struct stats_reader *r, struct stats_result *ret);
void stats_v2_pressure(struct stats_reader *r, struct stats_result *ret);

/* One entry for each page size, from the names of files "hugetlb.<size><suffix>". */
void stats_hugetlb_sizes(struct stats_reader *r, const char *suffix, struct list_hugetlb_entry *ret);
