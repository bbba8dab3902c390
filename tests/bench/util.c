/* SPDX-License-Identifier: Apache-2.0 */

/* Clocks, series, programs to run. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "tests/bench/bench.h"

extern char **environ;

void die(const char *fmt, ...)
{
        va_list ap;

        fprintf(stderr, "bench: ");
        va_start(ap, fmt);
        vfprintf(stderr, fmt, ap);
        va_end(ap);
        fprintf(stderr, "\n");
        exit(1);
}

uint64_t now_ns(void)
{
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t)ts.tv_sec * UINT64_C(1000000000) + (uint64_t)ts.tv_nsec;
}

void nap_ms(unsigned ms)
{
        struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000L };

        while (nanosleep(&ts, &ts) < 0 && errno == EINTR)
                ;
}

/* --- processes --- */

/* Sums over the threads of a process the number after `label` in their file `name`. */
static uint64_t sum_threads(pid_t pid, const char *name, const char *label)
{
        char path[320], line[256];
        uint64_t sum = 0;
        struct dirent *e;
        DIR *d;

        snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
        d = opendir(path);
        if (!d)
                die("process %d is gone", (int)pid);
        while ((e = readdir(d))) {
                FILE *f;

                if (e->d_name[0] == '.')
                        continue;
                snprintf(path, sizeof(path), "/proc/%d/task/%s/%s", (int)pid, e->d_name, name);
                f = fopen(path, "re");
                while (f && fgets(line, sizeof(line), f)) {
                        if (strncmp(line, label, strlen(label)) == 0) {
                                sum += strtoull(line + strlen(label), NULL, 10);
                                break;
                        }
                }
                if (f)
                        fclose(f);
        }
        closedir(d);
        return sum;
}

uint64_t cpu_ns(pid_t pid)
{
        return sum_threads(pid, "schedstat", "");
}

uint64_t wakeups(pid_t pid)
{
        return sum_threads(pid, "status", "voluntary_ctxt_switches:");
}

pid_t run_begin(const char *const *argv, const char *stdout_path)
{
        posix_spawn_file_actions_t actions;
        pid_t pid;
        int r;

        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
        posix_spawn_file_actions_addopen(&actions, 1, stdout_path ? stdout_path : "/dev/null", O_WRONLY, 0);
        if (!getenv("BENCH_VERBOSE"))
                posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
        r = posix_spawn(&pid, argv[0], &actions, NULL, (char *const *)argv, environ);
        if (r)
                die("cannot run %s: %s", argv[0], strerror(r));
        posix_spawn_file_actions_destroy(&actions);
        return pid;
}

void run_end(pid_t pid, const char *name, bool may_fail)
{
        int status;
        pid_t got;

        /* whatever else ends meanwhile is what a runtime left behind: as a zombie it makes runsc wait for it, in
         * vain */
        while ((got = waitpid(-1, &status, 0)) != pid) {
                if (got < 0 && errno != EINTR)
                        die("cannot wait for %s", name);
        }
        if (status != 0 && !may_fail)
                die("%s failed: wait status 0x%x (set BENCH_VERBOSE=1 to see its words)", name, (unsigned)status);
}

void run(const char *const *argv, bool may_fail)
{
        run_end(run_begin(argv, NULL), argv[0], may_fail);
}

void peer_run(const struct peer *p, bool may_fail, ...)
{
        const char *argv[32], *arg;
        size_t n = 0;
        va_list ap;

        argv[n++] = p->path;
        for (size_t i = 0; p->options[i]; i++)
                argv[n++] = p->options[i];
        va_start(ap, may_fail);
        while ((arg = va_arg(ap, const char *)) && n + 1 < sizeof(argv) / sizeof(*argv))
                argv[n++] = arg;
        va_end(ap);
        argv[n] = NULL;
        run(argv, may_fail);
}

/* The bundle of a peer that lives beside ours is BUNDLE-peer: it has a cgroup of its own. */
void peer_start(const struct peer *p, const char *bundle, const char *id)
{
        char path[512];

        snprintf(path, sizeof(path), "%s-peer", bundle);
        peer_run(p, false, "create", "--bundle", path, id, NULL);
        peer_run(p, false, "start", id, NULL);
}

struct peer peer_from(int argc, char **argv)
{
        struct peer p = { 0 };
        size_t n = 0;

        if (argc < 3)
                die("RUNTIME PATH ROOT are wanted");
        p.name = argv[0];
        p.path = argv[1];
        if (strcmp(p.name, "runsc") == 0) {
                p.options[n++] = "--platform=ptrace";
                p.options[n++] = "--network=none";
        }
        p.options[n++] = "--root";
        p.options[n++] = argv[2];
        return p;
}

void wait_gone(pid_t pid)
{
        siginfo_t si;

        /* we are a subreaper: what a runtime leaves behind becomes our child, but only once the runtime has ended */
        while (waitid(P_PID, (id_t)pid, &si, WEXITED) < 0) {
                if (errno == ECHILD && kill(pid, 0) < 0)
                        return;
                if (errno == ECHILD)
                        nap_ms(1);
        }
}

void write_file(const char *path, const char *fmt, ...)
{
        FILE *f = fopen(path, "we");
        va_list ap;

        if (!f)
                die("cannot write %s: %s", path, strerror(errno));
        va_start(ap, fmt);
        vfprintf(f, fmt, ap);
        va_end(ap);
        if (fclose(f))
                die("cannot write %s: %s", path, strerror(errno));
}

uint64_t read_number(const char *path)
{
        FILE *f = fopen(path, "re");
        uint64_t v;

        if (!f || fscanf(f, "%" SCNu64, &v) != 1)
                die("there is no number in %s", path);
        fclose(f);
        return v;
}

/* --- series --- */

void series_add(struct series *s, uint64_t ns)
{
        if (s->n == s->size) {
                s->size = s->size ? s->size * 2 : 64;
                s->ns = realloc(s->ns, s->size * sizeof(*s->ns));
                if (!s->ns)
                        die("no memory");
        }
        s->ns[s->n++] = ns;
}

static int compare(const void *a, const void *b)
{
        uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

        return x < y ? -1 : x > y;
}

uint64_t series_at(struct series *s, double fraction)
{
        if (s->n == 0)
                die("nothing was measured");
        qsort(s->ns, s->n, sizeof(*s->ns), compare);
        return s->ns[(size_t)((double)(s->n - 1) * fraction + 0.5)];
}

void series_free(struct series *s)
{
        free(s->ns);
        *s = (struct series){ 0 };
}

/* --- the table --- */

static double ms(uint64_t ns)
{
        return (double)ns / (double)MS;
}

void row_text(const char *what, const char *fmt, ...)
{
        va_list ap;

        printf("| %s | ", what);
        va_start(ap, fmt);
        vprintf(fmt, ap);
        va_end(ap);
        printf(" |\n");
        fflush(stdout);
}

void row_pair(const char *what, struct series *ours, struct series *peer)
{
        double o = ms(series_at(ours, 0.5)), o_min = ms(series_at(ours, 0));
        double p = ms(series_at(peer, 0.5)), p_min = ms(series_at(peer, 0));

        row_text(what, "%.2f (%.2f) ms | %.2f (%.2f) ms | %+.2f (%+.2f) ms | %.2f", o, o_min, p, p_min, o - p,
                 o_min - p_min, p > 0 ? o / p : 0);
}
