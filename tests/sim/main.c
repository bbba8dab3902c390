/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The dice, and the life of a run. SIM_SEED=n repeats the run of a seed, SIM_STEPS=n makes it longer or shorter,
 * SIM_LOG=debug shows the daemon's log and every step.
 */

#include <ftw.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>
#include <utlist.h>
#include "base/fd.h"
#include "base/log.h"
#include "daemon/adopt.h"
#include "tests/sim/sim.h"

#define STEPS 12000
#define FIXED_SEED 20260821
#define TRACE_LINES 200

struct sim sim;
static char trace[TRACE_LINES][160];
static const char *log_level;
static int test_n, fds;

/* --- tools --- */

uint32_t dice(uint32_t n)
{
        sim.random ^= sim.random << 13;
        sim.random ^= sim.random >> 7;
        sim.random ^= sim.random << 17;
        return (uint32_t)((sim.random >> 16) % n);
}

bool percent(unsigned p)
{
        return dice(100) < p;
}

void sim_trace(const char *fmt, ...)
{
        char *line = trace[sim.trace++ % TRACE_LINES];
        int n = snprintf(line, sizeof(trace[0]), "%" PRIu64 ": ", sim.step);
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(line + n, sizeof(trace[0]) - (size_t)n, fmt, ap);
        va_end(ap);
        if (log_level)
                fprintf(stderr, "%s\n", line);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
        return remove(path);
}

static void remove_root(void)
{
        nftw(sim.root, remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

_Noreturn void sim_fail(const char *fmt, ...)
{
        uint64_t first = sim.trace > TRACE_LINES ? sim.trace - TRACE_LINES : 0;
        va_list ap;

        printf("not ok %d - seed %" PRIu64 ", step %" PRIu64 "\n# ", ++test_n, sim.seed, sim.step);
        va_start(ap, fmt);
        vprintf(fmt, ap);
        va_end(ap);
        printf("\n# repeat it with SIM_SEED=%" PRIu64 " SIM_STEPS=%" PRIu64 "; the last steps:\n", sim.seed, sim.step);
        for (uint64_t i = first; i < sim.trace; i++)
                printf("#   %s\n", trace[i % TRACE_LINES]);
        printf("Bail out! the simulator found a bug\n");
        fflush(stdout);
        remove_root();
        _exit(1);
}

void sim_settle(void)
{
        loop_run_once(sim.daemon->loop, false);
}

/* --- the daemon's life --- */

static void serve(struct daemon *d)
{
        struct transport_options options = { .path = "" };
        struct event ev = { .kind = event_kind_name(EVENT_DAEMON_START) };
        struct error err = ERROR_NULL;

        if (transport_new(&d->transport, d->loop, &options, &requests_transport_handlers, d->requests, &err) < 0)
                sim_fail("%s", err.message);
        daemon_publish(d, &ev);
        sim.serving = true;
}

static void daemon_begin(void)
{
        struct daemon_options options = { .root = sim.root,
                                          .socket = "/nowhere",
                                          .log_level = log_level ? log_level : "error" };
        struct error err = ERROR_NULL;
        char path[sizeof(sim.root) + 16];

        snprintf(path, sizeof(path), "%s/sim.toml", sim.root);
        options.config_path = path;
        if (daemon_new(&sim.daemon, &options, &err) < 0)
                sim_fail("the daemon cannot begin: %s", err.message);
        sim.daemon->options.config_path = NULL;
        if (adoption_start(sim.daemon, serve, &err) < 0)
                sim_fail("the daemon cannot adopt: %s", err.message);
        sim_settle();
}

/* What it holds is freed; on the disk nothing changes any more. */
static void daemon_end(void)
{
        sim.frozen = true;
        sim.freeze_after = 0;
        sim.serving = false;
        sim.daemon = daemon_free(sim.daemon);
        host_daemon_died();
        driver_daemon_died();
        wire_lost();
        sim.frozen = false;
}

static void crash(void)
{
        sim_trace("*** crash");
        sim.crashes++;
        daemon_end();
        /* while there is none */
        for (uint32_t n = dice(4); n > 0; n--) {
                if (percent(50))
                        driver_orphans_step();
                else
                        host_step_dying(true);
        }
        daemon_begin();
        oracle_log();
}

/* --- a step --- */

static void oom(void)
{
        struct container *c, *tmp, *found = NULL;
        uint32_t n = 0;

        HASH_ITER(hh, sim.daemon->containers, c, tmp)
                if (!c->adopting && c->init.pid && dice(++n) == 0)
                        found = c;
        if (found)
                driver_oom(found);
}

static void step(void)
{
        uint32_t n = dice(1000);

        host_later(NSEC_PER_MSEC);
        if (n < 350)
                sim.serving ? wire_random_request() : (void)wire_backlog_end();
        else if (n < 650)
                driver_step();
        else if (n < 690)
                driver_orphans_step();
        else if (n < 790)
                host_step_dying(false);
        else if (n < 810)
                host_step_dying(true);
        else if (n < 900)
                host_step_seen();
        else if (n < 960)
                host_step_timer();
        else if (n < 975 && sim.serving) /* before, nothing is decided and no cgroup watched */
                oom();
        else if (n < 985 && sim.serving)
                wire_disconnect();
        else if (n < 988)
                host_later(11 * NSEC_PER_SEC);
        else if (n < 994 && sim.serving)
                wire_repeat_lost();
        else if (n < 997 && sim.serving && !sim.freeze_after)
                sim.freeze_after = 1 + dice(12);
}

/* Until nothing goes on any more. */
static void drain(void)
{
        for (unsigned n = 0;; n++) {
                if (n > 20000)
                        sim_fail("it does not come to rest");
                sim.step++;
                host_later(NSEC_PER_MSEC);
                if (sim.frozen)
                        crash();
                if (!(wire_backlog_end() || driver_orphans_step() || driver_step() || host_step_dying(false) ||
                      host_step_seen() || host_step_timer()))
                        break;
        }
        oracle_step();
        oracle_log();
        wire_check_stuck();
}

static void check_rest(void)
{
        struct container *c, *tmp;

        HASH_ITER(hh, sim.daemon->containers, c, tmp) {
                const struct process *p;

                if (c->state != CONTAINER_CREATED && c->state != CONTAINER_RUNNING && c->state != CONTAINER_PAUSED &&
                    c->state != CONTAINER_STOPPED)
                        sim_fail("%s rests in state %s", c->key, container_state_name(c->state));
                if (c->state != CONTAINER_STOPPED && (c->init.ended || c->wanted == WANTED_GONE))
                        sim_fail("%s rests in state %s, wanted %s, init ended %d", c->key,
                                 container_state_name(c->state), wanted_name(c->wanted), c->init.ended);
                DL_FOREACH(c->execs, p)
                        if ((p->state != PROCESS_ADDED && p->state != PROCESS_RUNNING && p->state != PROCESS_STOPPED) ||
                            (p->state == PROCESS_RUNNING && p->ended))
                                sim_fail("%s \"%s\" rests in state %s", c->key, p->exec_id,
                                         process_state_name(p->state));
        }
}

static void finish(void)
{
        sim.kind = true;
        sim.freeze_after = 0;
        drain();
        check_rest();
        while (sim.daemon->containers) {
                wire_force_delete(sim.daemon->containers->params->id);
                drain();
        }
        oracle_gone();
        if (wire_open())
                sim_fail("%zu requests are open", wire_open());
        if (requests_n_open(sim.daemon->requests))
                sim_fail("the daemon has %zu open requests", requests_n_open(sim.daemon->requests));
        if (fd_count() != fds)
                sim_fail("%d descriptors are open; there were %d at the start", fd_count(), fds);
        if (host_timers())
                sim_fail("%zu timers run for nothing", host_timers());
}

static void write_config(void)
{
        char path[sizeof(sim.root) + 16];
        FILE *f;

        snprintf(path, sizeof(path), "%s/sim.toml", sim.root);
        f = fopen(path, "we");
        fputs("[daemon]\ndefault_runtime = \"fake\"\n[events]\nmax_bytes = 1_000_000_000\n[runtimes.fake]\ntype = "
              "\"oci\"\npath = \"/bin/true\"\n",
              f);
        fclose(f);
}

static void run(uint64_t seed, uint64_t steps)
{
        sim = (struct sim){ .seed = seed, .random = seed * UINT64_C(0x9e3779b97f4a7c15) | 1 };
        strcpy(sim.root, "/tmp/sim-XXXXXX");
        if (!mkdtemp(sim.root))
                sim_fail("no directory");
        write_config();
        oracle_init();
        daemon_begin();
        wire_backlog_end();
        fds = fd_count();
        while (sim.step < steps) {
                sim.step++;
                step();
                if (sim.frozen)
                        crash();
                oracle_step();
                if (sim.step % 1000 == 0) {
                        drain();
                        check_rest();
                        wire_forget_old();
                        if (sim.step % 5000 == 0)
                                host_forget_dead();
                }
        }
        finish();
        daemon_end();
        driver_reset();
        wire_reset();
        host_forget_dead();
        oracle_reset();
        remove_root();
        printf("ok %d - seed %" PRIu64 ": %" PRIu64 " steps, %u answers, %u crashes, trace %" PRIu64 "\n", ++test_n,
               seed, sim.step, sim.answered, sim.crashes, sim.trace);
        fflush(stdout);
}

int main(int argc, char **argv)
{
        const char *seed = getenv("SIM_SEED"), *steps = getenv("SIM_STEPS");
        uint64_t n = steps ? strtoull(steps, NULL, 10) : STEPS, fresh;

        log_level = getenv("SIM_LOG");
        if (seed) {
                run(strtoull(seed, NULL, 10), n);
                oracle_coverage();
                printf("1..%d\n", test_n);
                return 0;
        }
        if (getrandom(&fresh, sizeof(fresh), 0) != sizeof(fresh))
                sim_fail("no random numbers");
        run(FIXED_SEED, n);
        run(fresh % 1000000000, n);
        oracle_coverage();
        printf("1..%d\n", test_n);
        return 0;
}
