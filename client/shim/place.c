/* SPDX-License-Identifier: Apache-2.0 */

/* All a host's hierarchies are tried: those of version 1 have the cgroup at the same path, where it exists at all. */

#include "client/shim/place.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/fd.h"
#include "proto/shim.h"
#include "proto/shim/options.pb-c.h"

#define OOM_SCORE_MAX 1000

static char *copy(const char *s)
{
        return s[0] ? strdup(s) : NULL;
}

char *place_cgroup_of(const Shim__Any *options)
{
        char *ret = NULL;

        if (shim_any_is(options, TYPE_RUNC_OPTIONS)) {
                Shim__RuncOptions *o = shim__runc_options__unpack(NULL, options->value.len, options->value.data);

                ret = o ? copy(o->shim_cgroup) : NULL;
                shim__runc_options__free_unpacked(o, NULL);
        } else if (shim_any_is(options, TYPE_LINUX_CREATE_OPTIONS)) {
                Shim__LinuxCreateOptions *o =
                        shim__linux_create_options__unpack(NULL, options->value.len, options->value.data);

                ret = o ? copy(o->shim_cgroup) : NULL;
                shim__linux_create_options__free_unpacked(o, NULL);
        }
        return ret;
}

/* 0 or -errno. */
static int write_text(const char *path, const char *text)
{
        _cleanup_(fd_closep) int fd = open(path, O_WRONLY | O_CLOEXEC);

        return fd < 0 ? -errno : fd_write_all(fd, text, strlen(text));
}

int place_in_cgroup(pid_t front, const char *cgroup)
{
        FILE *mounts = fopen("/proc/self/mountinfo", "re");
        char line[PATH_MAX * 2], top[PATH_MAX], path[PATH_MAX * 2], type[32], number[16];
        int found = -ENOENT;

        if (!mounts)
                return -errno;
        snprintf(number, sizeof(number), "%d", (int)front);
        while (fgets(line, sizeof(line), mounts)) {
                const char *rest = strstr(line, " - ");
                int r;

                if (!rest || sscanf(line, "%*s %*s %*s %*s %4095s", top) != 1 ||
                    sscanf(rest, " - %31s", type) != 1 || strncmp(type, "cgroup", 6) != 0)
                        continue;
                snprintf(path, sizeof(path), "%s/%s/cgroup.procs", top, cgroup);
                r = write_text(path, number);
                if (r == 0)
                        found = 0;
                else if (r != -ENOENT && found != 0)
                        found = r;
        }
        fclose(mounts);
        return found;
}

void place_oom_score_of_shims(char ret[PLACE_SCORE_MAX])
{
        char path[64];
        _cleanup_(fd_closep) int fd = -1;
        long score;

        snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", (int)getppid());
        fd = open(path, O_RDONLY | O_CLOEXEC);
        memset(ret, 0, PLACE_SCORE_MAX);
        if (fd < 0 || read(fd, ret, PLACE_SCORE_MAX - 1) <= 0)
                return;
        score = strtol(ret, NULL, 10) + 1;
        snprintf(ret, PLACE_SCORE_MAX, "%ld", score < OOM_SCORE_MAX ? score : OOM_SCORE_MAX);
}

void place_oom_score(pid_t front, const char *score)
{
        char path[64];

        snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", (int)front);
        if (score[0])
                write_text(path, score); /* a host may forbid it */
}

int place_sched_core(void)
{
        return prctl(PR_SCHED_CORE, PR_SCHED_CORE_CREATE, 0, PR_SCHED_CORE_SCOPE_THREAD_GROUP, 0) < 0 ? -errno : 0;
}
