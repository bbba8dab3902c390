/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Are the limits that a spec asked for in force? A limit that silently did not apply is an error; but what the kernel
 * rounds (memory to pages, shares to its range) and what runtimes convert for v2 is what was asked for. Zero means
 * "leave as it is" in a spec, as runtimes read it.
 */

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "base/fd.h"
#include "daemon/cgparse.h"
#include "daemon/cgroup_internal.h"
#include "daemon/stats_verify.h"

#define SHARES_MIN     2 /* the kernel's own range */
#define SHARES_MAX     262144
#define PERIOD_DEFAULT 100000

static bool is_v2(const struct verify *v, enum cgroup_controller c)
{
        return v->cg && cgroup_is_v2(v->cg, c);
}

int verify_differs(struct verify *v, enum cgroup_controller c, const char *file, const char *want)
{
        for (char *p = strchr(v->text, '\n'); p; p = strchr(p, '\n'))
                *p = ';';
        return error_set(v->err, REASON_LIMIT_NOT_APPLIED, "%s/%s: wanted %s, found %s", cgroup_dir(v->cg, c), file,
                         want, v->text);
}

/* 0, or -1 with err: a file that is not there cannot have the limit. */
int verify_load(struct verify *v, enum cgroup_controller c, const char *file, const char *want)
{
        _cleanup_(freep) char *path = NULL;
        const char *dir = v->cg ? cgroup_dir(v->cg, c) : NULL;
        ssize_t n;

        if (!dir)
                return error_set(v->err, REASON_LIMIT_NOT_APPLIED,
                                 "%s: wanted %s, but the container has no cgroup of its own for it", file, want);
        if (asprintf(&path, "%s/%s", dir, file) < 0) {
                path = NULL;
                return error_set(v->err, REASON_NO_RESOURCES, "no memory to verify limits");
        }
        n = fd_read_small(-1, path, v->text, sizeof(v->text));
        if (n < 0)
                return error_set_errno(v->err, REASON_LIMIT_NOT_APPLIED, (int)n, "%s: wanted %s, cannot read it", path,
                                       want);
        v->text[n > 0 && v->text[n - 1] == '\n' ? n - 1 : n] = '\0';
        return 0;
}

/* want <= 0: no limit. unit: what the kernel rounds down to. */
static int check_limit(struct verify *v, enum cgroup_controller c, const char *file, int64_t want, uint64_t unit)
{
        uint64_t rounded = want > 0 ? (uint64_t)want / unit * unit : 0, found = 0;
        char text[32];
        bool none;

        if (want > 0)
                (void)snprintf(text, sizeof(text), "%" PRIu64, rounded);
        else
                (void)snprintf(text, sizeof(text), "no limit");
        if (verify_load(v, c, file, text) < 0)
                return -1;
        if (cg_limit(v->text, &found) < 0)
                return verify_differs(v, c, file, text);
        /* cg_limit() says 0 for both: a limit of nothing, and none */
        none = found == 0 && v->text[0] != '0';
        if (found == rounded && none == (want <= 0))
                return 0;
        /* A limit beyond the largest that there is: none. */
        return want > 0 && none && rounded >= UINT64_C(0x7fffffffffff0000) ? 0 : verify_differs(v, c, file, text);
}

/* --- memory --- */

bool verify_has_file(const struct verify *v, enum cgroup_controller c, const char *file)
{
        _cleanup_(freep) char *path = NULL;
        const char *dir = v->cg ? cgroup_dir(v->cg, c) : NULL;

        if (!dir || asprintf(&path, "%s/%s", dir, file) < 0)
                path = NULL;
        return path && access(path, F_OK) == 0;
}

static bool host_has_swap(void)
{
        struct sysinfo si;

        return sysinfo(&si) < 0 || si.totalswap > 0;
}

/* The spec's swap is memory and swap together, as v1 has it; v2 limits swap alone. */
static int verify_swap(struct verify *v, uint64_t page)
{
        const struct spec_limits *l = v->limits;
        bool v2 = is_v2(v, CG_MEMORY);
        const char *file = v2 ? "memory.swap.max" : "memory.memsw.limit_in_bytes";
        int64_t want = l->swap;
        uint64_t found;

        if (v->cg && cgroup_dir(v->cg, CG_MEMORY) && !verify_has_file(v, CG_MEMORY, file)) {
                /* A kernel without swap accounting. Nothing is lost if no limit was asked for or nothing can be
                 * swapped. */
                if (want < 0 || !host_has_swap())
                        return 0;
                return verify_load(v, CG_MEMORY, file, "a limit");
        }
        if (!v2 || want < 0)
                return check_limit(v, CG_MEMORY, file, want, page);
        if (!l->has_memory || l->memory <= 0 || want < l->memory)
                return 0; /* cannot be told; runtimes refuse it */
        want -= l->memory;
        if (want > 0)
                return check_limit(v, CG_MEMORY, file, want, page);
        if (verify_load(v, CG_MEMORY, file, "0") < 0)
                return -1;
        return cg_u64(v->text, &found) == 0 && found == 0 ? 0 : verify_differs(v, CG_MEMORY, file, "0");
}

static int verify_memory(struct verify *v)
{
        const struct spec_limits *l = v->limits;
        bool v2 = is_v2(v, CG_MEMORY);
        uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

        if (l->has_memory && l->memory != 0 &&
            check_limit(v, CG_MEMORY, v2 ? "memory.max" : "memory.limit_in_bytes", l->memory, page) < 0)
                return -1;
        if (l->has_memory_reservation && l->memory_reservation != 0 &&
            check_limit(v, CG_MEMORY, v2 ? "memory.low" : "memory.soft_limit_in_bytes", l->memory_reservation, page) <
                    0)
                return -1;
        return l->has_swap && l->swap != 0 ? verify_swap(v, page) : 0;
}

/* --- cpu --- */

/* Runtimes know two conversions from shares to weight: the linear one, and (runc 1.3, crun 1.23) one that maps 1024 to
 * 100. */
static bool weight_is_of(uint64_t weight, uint64_t shares)
{
        double l = log2((double)shares), exponent = (l * l + 125 * l) / 612 - 7.0 / 34;
        uint64_t linear = 1 + (shares - SHARES_MIN) * 9999 / (SHARES_MAX - SHARES_MIN);
        uint64_t curved = (uint64_t)ceil(pow(10, exponent));

        return weight == linear || weight == curved;
}

static int verify_shares(struct verify *v)
{
        uint64_t want = v->limits->cpu_shares, found;
        char text[80];

        if (want < SHARES_MIN)
                want = SHARES_MIN;
        if (want > SHARES_MAX)
                want = SHARES_MAX;
        if (!is_v2(v, CG_CPU))
                return check_limit(v, CG_CPU, "cpu.shares", (int64_t)want, 1);
        (void)snprintf(text, sizeof(text), "the weight for %" PRIu64 " shares", want);
        if (verify_load(v, CG_CPU, "cpu.weight", text) < 0)
                return -1;
        return cg_u64(v->text, &found) == 0 && weight_is_of(found, want)
                       ? 0
                       : verify_differs(v, CG_CPU, "cpu.weight", text);
}

/* systemd rounds a quota up, to 1 % of a CPU. */
static bool quota_is_of(uint64_t found, uint64_t found_period, uint64_t want, uint64_t want_period)
{
        double f, w;

        if (!found || !found_period || !want_period)
                return false;
        f = (double)found / (double)found_period;
        w = (double)want / (double)want_period;
        return f >= w - 1e-6 && f <= w + 0.01;
}

static int verify_quota_v2(struct verify *v)
{
        const struct spec_limits *l = v->limits;
        uint64_t want_period = l->cpu_period ? l->cpu_period : PERIOD_DEFAULT, quota = 0, period = 0;
        char want[64], copy[128], *cursor = copy, *word;
        bool good;

        if (l->has_cpu_quota && l->cpu_quota > 0)
                (void)snprintf(want, sizeof(want), "%" PRId64 " %" PRIu64, l->cpu_quota, want_period);
        else
                (void)snprintf(want, sizeof(want), "max %" PRIu64, want_period);
        if (verify_load(v, CG_CPU, "cpu.max", want) < 0)
                return -1;
        (void)snprintf(copy, sizeof(copy), "%.127s", v->text);
        word = cg_word(&cursor);
        good = word && cg_limit(word, &quota) == 0;
        word = cg_word(&cursor);
        good = good && word && cg_u64(word, &period) == 0;
        if (good && l->has_cpu_quota && l->cpu_quota > 0)
                good = quota_is_of(quota, period, (uint64_t)l->cpu_quota, want_period);
        else if (good && l->has_cpu_quota && l->cpu_quota < 0)
                good = quota == 0;
        else if (good)
                good = quota != 0 || period == want_period; /* only a period was asked for */
        return good ? 0 : verify_differs(v, CG_CPU, "cpu.max", want);
}

static int verify_quota_v1(struct verify *v)
{
        const struct spec_limits *l = v->limits;
        uint64_t period = 0, quota = 0;
        char want[64];

        (void)snprintf(want, sizeof(want), "%" PRIu64, l->cpu_period ? l->cpu_period : PERIOD_DEFAULT);
        if (verify_load(v, CG_CPU, "cpu.cfs_period_us", want) < 0)
                return -1;
        if (cg_u64(v->text, &period) < 0)
                return verify_differs(v, CG_CPU, "cpu.cfs_period_us", want);
        if (!l->has_cpu_quota || l->cpu_quota == 0)
                return period == l->cpu_period ? 0 : verify_differs(v, CG_CPU, "cpu.cfs_period_us", want);
        if (l->cpu_quota < 0)
                return check_limit(v, CG_CPU, "cpu.cfs_quota_us", -1, 1);
        (void)snprintf(want, sizeof(want), "%" PRId64 " in a period of %" PRIu64, l->cpu_quota,
                       l->cpu_period ? l->cpu_period : period);
        if (verify_load(v, CG_CPU, "cpu.cfs_quota_us", want) < 0)
                return -1;
        if (cg_limit(v->text, &quota) == 0 &&
            quota_is_of(quota, period, (uint64_t)l->cpu_quota, l->cpu_period ? l->cpu_period : period))
                return 0;
        return verify_differs(v, CG_CPU, "cpu.cfs_quota_us", want);
}

static int verify_cpu(struct verify *v)
{
        const struct spec_limits *l = v->limits;

        if (l->has_cpu_shares && l->cpu_shares && verify_shares(v) < 0)
                return -1;
        if (!(l->has_cpu_quota && l->cpu_quota) && !l->cpu_period)
                return 0;
        return is_v2(v, CG_CPU) ? verify_quota_v2(v) : verify_quota_v1(v);
}

static int verify_cpuset(struct verify *v, const char *file, const char *want)
{
        if (!want || !*want)
                return 0;
        if (verify_load(v, CG_CPUSET, file, want) < 0)
                return -1;
        return cg_cpuset_equal(want, v->text) == 1 ? 0 : verify_differs(v, CG_CPUSET, file, want);
}

int stats_verify_limits(const struct cgroup *cg, const struct spec_limits *limits, struct error *err)
{
        struct verify v = {.cg = cg, .limits = limits, .err = err};

        if (verify_memory(&v) < 0 || verify_cpu(&v) < 0 || verify_cpuset(&v, "cpuset.cpus", limits->cpuset_cpus) < 0 ||
            verify_cpuset(&v, "cpuset.mems", limits->cpuset_mems) < 0)
                return -1;
        if (verify_io(&v) < 0)
                return -1;
        return limits->has_pids && limits->pids != 0 ? check_limit(&v, CG_PIDS, "pids.max", limits->pids, 1) : 0;
}

/* --- of a container in a sandbox --- */

/* Has the cgroup a limit, or one above it? The number is the first word of the file. */
static bool some_limit(const struct cgroup *cg, enum cgroup_controller c, const char *v1_file, const char *v2_file)
{
        const char *dir = cg ? cgroup_dir(cg, c) : NULL, *file = dir && cgroup_is_v2(cg, c) ? v2_file : v1_file;
        _cleanup_(freep) char *above = strdup(dir ? dir : "");
        uint64_t limit = 0;

        for (char *slash = above ? above + strlen(above) : NULL; slash && slash > above; slash = strrchr(above, '/')) {
                char path[LIMIT_PATH + 64], text[64];

                *slash = '\0';
                (void)snprintf(path, sizeof(path), "%s/%s", above, file);
                if (fd_read_small(-1, path, text, sizeof(text)) <= 0)
                        break; /* the root has none */
                text[strcspn(text, " \n")] = '\0';
                if (cg_limit(text, &limit) == 0 && limit)
                        return true;
        }
        return false;
}

int stats_verify_sandbox(const struct cgroup *sandbox, const struct spec_limits *l, struct error *err)
{
        const struct {
                const char *what;
                int64_t want;
                enum cgroup_controller controller;
                const char *v1, *v2;
        } all[] = {
                { "memory", l->has_memory ? l->memory : 0, CG_MEMORY, "memory.limit_in_bytes", "memory.max" },
                { "CPU quota", l->has_cpu_quota ? l->cpu_quota : 0, CG_CPU, "cpu.cfs_quota_us", "cpu.max" },
                { "pids", l->has_pids ? l->pids : 0, CG_PIDS, "pids.max", "pids.max" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(all); i++)
                if (all[i].want > 0 && !some_limit(sandbox, all[i].controller, all[i].v1, all[i].v2))
                        return error_set(err, REASON_LIMIT_NOT_APPLIED,
                                         "%s: wanted %" PRIi64
                                         ", but neither the cgroup of its sandbox nor one above it has a limit",
                                         all[i].what, all[i].want);
        return 0;
}
