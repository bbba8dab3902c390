/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Two lines of the kernel (mm/oom_kill.c) are read. The summary comes before the kill, at most ten times in five
 * seconds:
 *
 *   oom-kill:constraint=CONSTRAINT_MEMCG,...,oom_memcg=/pod,task_memcg=/pod/c1,task=dd,pid=42,uid=0
 *
 * and this one for every victim, just after it got its SIGKILL:
 *
 *   Memory cgroup out of memory: Killed process 42 (dd) total-vm:...kB, anon-rss:...kB, file-rss:...
 *
 * Names of cgroups and of processes are chosen by containers: the last match counts, since what follows the names is
 * the kernel's. Only the kernel's own records are read: others write to /dev/kmsg too.
 */

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "daemon/cgroup_internal.h"
#include "daemon/oom_log.h"

#define RECORD_MAX  8192 /* what the kernel asks readers to offer */
#define RECORDS_MAX 4096 /* at once: some milliseconds; the rest at the next look */

void oom_log_entry_deinit(struct oom_log_entry *e)
{
        free(e->cgroup);
        free(e->limit);
        *e = (struct oom_log_entry){0};
}

void oom_log_init(struct oom_log *l, const struct cgroup_host *h, const char *path)
{
        *l = OOM_LOG_NULL;
        l->host = h;
        l->fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
        if (l->fd >= 0)
                (void)lseek(l->fd, 0, SEEK_END);
}

void oom_log_deinit(struct oom_log *l)
{
        for (size_t i = 0; i < l->n; i++)
                oom_log_entry_deinit(&l->entries[i]);
        l->n = 0;
        oom_log_entry_deinit(&l->partial);
        l->fd = fd_close(l->fd);
}

static char *find_last(char *text, const char *what)
{
        char *found = NULL, *next = text;

        while ((next = strstr(next, what)))
                found = next++;
        return found;
}

static bool read_pid(const char *text, pid_t *ret)
{
        char *end;
        unsigned long v;

        if (!isdigit((unsigned char)*text))
                return false;
        errno = 0;
        v = strtoul(text, &end, 10);
        if (errno || v < 1 || v > 4194304 || end == text)
                return false;
        *ret = (pid_t)v;
        return true;
}

static void add(struct oom_log *l, struct oom_log_entry *e)
{
        if (l->n == OOM_VICTIMS_MAX) {
                oom_log_entry_deinit(&l->entries[0]);
                memmove(&l->entries[0], &l->entries[1], --l->n * sizeof(l->entries[0]));
        }
        l->entries[l->n++] = *e;
        *e = (struct oom_log_entry){0};
}

/* Cuts from the end: what the kernel wrote after a name cannot be part of it. */
static void feed_summary(struct oom_log *l, char *text)
{
        struct oom_log_entry *e = &l->partial;
        char *pid = find_last(text, ",pid="), *name, *cgroup, *limit;

        if (strncmp(text, "oom-kill:", 9) == 0)
                oom_log_entry_deinit(e);
        if (pid)
                *pid = '\0';
        name = find_last(text, ",task=");
        if (name)
                *name = '\0';
        cgroup = find_last(text, ",task_memcg=");
        if (cgroup)
                *cgroup = '\0';
        limit = find_last(text, ",oom_memcg=");
        if (!e->limit && limit)
                e->limit = strdup(limit + strlen(",oom_memcg="));
        e->host = e->host || (!limit && find_last(text, ",global_oom"));
        if (!e->cgroup && cgroup)
                e->cgroup = strdup(cgroup + strlen(",task_memcg="));
        if (name)
                (void)snprintf(e->name, sizeof(e->name), "%s", name + strlen(",task="));
        if (pid && read_pid(pid + strlen(",pid="), &e->pid))
                add(l, e);
}

/* The cgroup of a victim whose summary was held back, if it still has one. */
static char *cgroup_of_victim(const struct oom_log *l, pid_t pid)
{
        struct cgroup_self self;
        char text[16];
        int memory = l->host ? l->host->of[CG_MEMORY] : -1;

        (void)snprintf(text, sizeof(text), "%d", (int)pid);
        if (memory < 0 || cgroup_self_read(l->host, text, &self, NULL) < 0 || !self.path[memory] ||
            strcmp(self.path[memory], "/") == 0)
                return NULL;
        return strdup(self.path[memory]);
}

static void feed_kill(struct oom_log *l, char *text)
{
        struct oom_log_entry e = {0}, *known = NULL;
        char *name = strstr(text, " ("), *end = find_last(text, ") total-vm:"), *rss;
        pid_t pid;

        if (!read_pid(text, &pid) || !name || !end || end < name)
                return;
        rss = strstr(end, "anon-rss:");
        for (size_t i = 0; i < l->n; i++)
                if (l->entries[i].pid == pid && !l->entries[i].rss)
                        known = &l->entries[i];
        if (!known) {
                e.pid = pid;
                e.cgroup = cgroup_of_victim(l, pid);
                *end = '\0';
                (void)snprintf(e.name, sizeof(e.name), "%s", name + 2);
                add(l, &e);
                known = &l->entries[l->n - 1];
        }
        if (rss)
                known->rss = strtoull(rss + strlen("anon-rss:"), NULL, 10) * 1024;
}

void oom_log_feed(struct oom_log *l, char *record)
{
        static const char killed[] = ": Killed process ";
        char *text = strchr(record, ';'), *at;

        if (!text || !isdigit((unsigned char)*record) || strtoul(record, NULL, 10) > 7)
                return;
        *text++ = '\0';
        text[strcspn(text, "\n")] = '\0';
        at = strstr(text, killed);
        if (strncmp(text, "oom-kill:", 9) == 0 || (l->partial.limit && strncmp(text, ",task", 5) == 0))
                feed_summary(l, text);
        else if (at &&
                 (strncmp(text, "Memory cgroup out of memory", 27) == 0 || strncmp(text, "Out of memory", 13) == 0))
                feed_kill(l, at + strlen(killed));
}

void oom_log_read(struct oom_log *l)
{
        char record[RECORD_MAX + 1];

        for (unsigned i = 0; i < RECORDS_MAX && l->fd >= 0; i++) {
                ssize_t n = read(l->fd, record, RECORD_MAX);

                if (n < 0 && errno == EPIPE)
                        continue; /* records were overwritten before we came: the next one is there */
                if (n <= 0)
                        return;
                record[n] = '\0';
                oom_log_feed(l, record);
        }
}

static bool is_below(const char *path, const char *cgroup)
{
        size_t len = strlen(cgroup);

        return strncmp(path, cgroup, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

bool oom_log_take(struct oom_log *l, const char *cgroup, pid_t pid, struct oom_log_entry *ret)
{
        for (size_t i = 0; i < l->n; i++) {
                struct oom_log_entry *e = &l->entries[i];

                if (e->cgroup ? !is_below(e->cgroup, cgroup) : e->pid != pid)
                        continue;
                *ret = *e;
                memmove(e, e + 1, (--l->n - i) * sizeof(*e));
                return true;
        }
        return false;
}
