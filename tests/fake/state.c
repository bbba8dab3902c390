/* SPDX-License-Identifier: Apache-2.0 */

/* What is below --root: ID/state.json (init and bundle), ID/exec.fifo while created, ID/paused, ID/pids (one line
 * "PID START-TIME KIND" per process that was begun), and ROOT/pids.log with the same lines for all containers. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "tests/fake/fake.h"

json_t *fake_load_json(const char *path)
{
        return json_load_file(path, 0, NULL);
}

uint64_t fake_start_time(pid_t pid, char *ret_state, pid_t *ret_session)
{
        char path[64], text[1024], state, *p;
        unsigned long long start;
        int session;
        FILE *file;
        size_t n;

        snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
        file = fopen(path, "re");
        if (!file)
                return 0;
        n = fread(text, 1, sizeof(text) - 1, file);
        fclose(file);
        text[n] = '\0';
        p = strrchr(text, ')');
        if (!p || sscanf(p + 1, " %c %*d %*d %d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
                         &state, &session, &start) != 3)
                return 0;
        if (ret_state)
                *ret_state = state;
        if (ret_session)
                *ret_session = session;
        return start;
}

static bool alive(pid_t pid, uint64_t start_time)
{
        char state;

        return pid > 0 && fake_start_time(pid, &state, NULL) == start_time && state != 'Z' && state != 'X';
}

void fake_state_free(struct fake_state *s)
{
        free(s->bundle);
        free(s->created);
        *s = (struct fake_state){ 0 };
}

void fake_state_create(struct fake *f)
{
        char path[PATH_MAX + 16];

        if (mkdir(f->dir, 0711) < 0) {
                if (errno == EEXIST)
                        fake_fail(f, "container with given ID already exists");
                fake_fail(f, "mkdir %s: %s", f->dir, strerror(errno));
        }
        f->created = true;
        snprintf(path, sizeof(path), "%s/exec.fifo", f->dir);
        if (strcmp(f->command, "restore") && mkfifo(path, 0622) < 0)
                fake_fail(f, "mkfifo %s: %s", path, strerror(errno));
}

void fake_state_save(struct fake *f, pid_t pid, const char *bundle)
{
        char path[PATH_MAX + 16], tmp[PATH_MAX + 16], real[PATH_MAX], now[64];
        time_t t = time(NULL);
        struct tm tm;
        json_t *j;

        if (!realpath(bundle, real))
                snprintf(real, sizeof(real), "%s", bundle);
        strftime(now, sizeof(now), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&t, &tm));
        snprintf(path, sizeof(path), "%s/state.json", f->dir);
        snprintf(tmp, sizeof(tmp), "%s/state.tmp", f->dir);
        j = json_pack("{s:s, s:i, s:I, s:s, s:s}", "id", f->id, "pid", (int)pid, "start_time",
                      (json_int_t)fake_start_time(pid, NULL, NULL), "bundle", real, "created", now);
        if (json_dump_file(j, tmp, JSON_COMPACT) < 0 || rename(tmp, path) < 0)
                fake_fail(f, "write %s: %s", path, strerror(errno));
        json_decref(j);
}

bool fake_state_load(struct fake *f, struct fake_state *ret)
{
        char path[PATH_MAX + 16];
        const char *bundle, *created;
        json_t *j;

        snprintf(path, sizeof(path), "%s/%s/state.json", f->root, f->id);
        j = fake_load_json(path);
        if (!j)
                return false;
        *ret = (struct fake_state){ .status = "running" };
        ret->pid = (pid_t)json_integer_value(json_object_get(j, "pid"));
        ret->start_time = (uint64_t)json_integer_value(json_object_get(j, "start_time"));
        bundle = json_string_value(json_object_get(j, "bundle"));
        created = json_string_value(json_object_get(j, "created"));
        ret->bundle = strdup(bundle ? bundle : "");
        ret->created = strdup(created ? created : "");
        json_decref(j);
        if (!alive(ret->pid, ret->start_time)) {
                ret->pid = 0;
                ret->status = "stopped";
                return true;
        }
        snprintf(path, sizeof(path), "%s/%s/paused", f->root, f->id);
        if (!access(path, F_OK))
                ret->status = "paused";
        snprintf(path, sizeof(path), "%s/%s/exec.fifo", f->root, f->id);
        if (!access(path, F_OK))
                ret->status = "created";
        return true;
}

void fake_state_remove(struct fake *f)
{
        DIR *dir = opendir(f->dir);
        struct dirent *e;

        while (dir && (e = readdir(dir)))
                if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
                        unlinkat(dirfd(dir), e->d_name, 0);
        if (dir)
                closedir(dir);
        rmdir(f->dir);
}

void fake_state_add_pid(struct fake *f, pid_t pid, const char *kind)
{
        char line[128];

        snprintf(line, sizeof(line), "%d %llu %s\n", (int)pid, (unsigned long long)fake_start_time(pid, NULL, NULL),
                 kind);
        fake_append(f->root, "pids.log", line);
        if (strcmp(kind, "stray") && f->dir[0])
                fake_append(f->dir, "pids", line);
}

/* The sessions that the container's processes began: their leaders' pids. */
static size_t sessions(struct fake *f, pid_t *pids, size_t max)
{
        char path[PATH_MAX + 16];
        unsigned long long start;
        size_t n = 0;
        FILE *file;
        int pid;

        snprintf(path, sizeof(path), "%s/pids", f->dir);
        file = fopen(path, "re");
        if (!file)
                return 0;
        while (n < max && fscanf(file, "%d %llu %*s", &pid, &start) == 2) {
                uint64_t now = fake_start_time(pid, NULL, NULL);

                /* A session outlives its leader, and its number is not given anew while it does. */
                if (now == 0 || now == start)
                        pids[n++] = pid;
        }
        fclose(file);
        return n;
}

size_t fake_pids(struct fake *f, pid_t *pids, size_t max)
{
        pid_t leaders[4096];
        size_t n_leaders = sessions(f, leaders, ARRAY_SIZE(leaders)), n = 0;
        DIR *proc = opendir("/proc");
        struct dirent *e;

        while (proc && n < max && (e = readdir(proc))) {
                pid_t pid = atoi(e->d_name), session = 0;
                char state;

                if (pid <= 0 || !fake_start_time(pid, &state, &session) || state == 'Z' || state == 'X')
                        continue;
                for (size_t i = 0; i < n_leaders; i++) {
                        if (leaders[i] != session)
                                continue;
                        pids[n++] = pid;
                        break;
                }
        }
        if (proc)
                closedir(proc);
        return n;
}

void fake_signal_all(struct fake *f, int sig)
{
        pid_t pids[4096];
        size_t n = fake_pids(f, pids, ARRAY_SIZE(pids));

        for (size_t i = 0; i < n; i++)
                kill(pids[i], sig);
}

/* Until all of the container's processes have ended; a zombie has. */
void fake_wait_gone(struct fake *f)
{
        pid_t pids[4096];
        size_t n;

        while ((n = fake_pids(f, pids, ARRAY_SIZE(pids))) > 0) {
                for (size_t i = 0; i < n; i++) {
                        struct pollfd p = { .fd = pidfd_open(pids[i], 0), .events = POLLIN };

                        if (p.fd < 0)
                                continue;
                        kill(pids[i], SIGKILL);
                        poll(&p, 1, 10000);
                        close(p.fd);
                }
        }
}
