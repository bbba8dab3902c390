/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The simulator: the daemon as it is, above a host that is played. A step lets one random thing happen: a request
 * comes, an operation goes on or ends (well or not), a process dies, a death is seen, a timer fires, a client goes
 * away, the daemon is killed. After each step the oracles look. Everything follows from one seed: time, pids and timers
 * are played too.
 *
 *   host.c     processes, time and timers: what base/ asks the kernel for (functions wrapped by the linker)
 *   driver.c   the runtimes: operations that end when the simulator says so
 *   wire.c     the clients: in place of transport.c
 *   oracle.c   what must hold: the event log, the records, the answers; and the disk, which can be frozen at any write,
 *              as a crash does
 *   main.c     the dice
 */

#include "base/clock.h"
#include "base/pidref.h"
#include "base/reaper.h"
#include "daemon/daemon.h"
#include "daemon/lifecycle.h"
#include "daemon/runtime.h"

#define KEYS 6
#define EXECS 3

struct sim {
        struct daemon *daemon;
        char root[64];
        uint64_t seed, random, step, trace;
        bool serving;   /* the daemon takes requests */
        bool frozen;    /* it is dead already: what it does changes nothing any more */
        unsigned freeze_after; /* disk operations until it dies; 0: it does not */
        bool kind;      /* everything succeeds: to come to an end */
        unsigned crashes, answered;
};
extern struct sim sim;

/* --- main.c --- */
uint32_t dice(uint32_t n);          /* 0 .. n - 1 */
bool percent(unsigned p);
_Noreturn void sim_fail(const char *fmt, ...) _printf_(1, 2);
void sim_trace(const char *fmt, ...) _printf_(1, 2);
void sim_settle(void);              /* the round ends */

/* --- host.c --- */
struct fake_process {
        struct fake_process *prev, *next;
        pid_t pid;
        uint64_t start_time, died_at;
        char key[CONTAINER_KEY_MAX];
        char exec_id[LIMIT_ID + 1]; /* "" init; "?" one that nobody knows; "!" a runtime command */
        bool alive, dying, seen;
        bool forgotten;             /* the daemon said that its record has the status */
        bool lost;                  /* nobody will ever know its status */
        int status;                 /* as of wait(2) */
        struct watch_pid *watch;
};
struct fake_process *host_spawn(const char *key, const char *exec_id);
struct fake_process *host_find(pid_t pid);
void host_die(struct fake_process *p);
void host_kill_all(const char *key, bool at_once); /* but no commands */
unsigned host_count(const char *key);              /* living ones, but no commands */
void host_fill_exit(const struct fake_process *p, struct exit_info *info);
bool host_step_dying(bool any); /* one that was killed, or any, dies */
bool host_step_seen(void);      /* one death is told */
bool host_step_timer(void);     /* the next timer fires */
size_t host_timers(void);
void host_daemon_died(void);    /* and its memory is freed */
void host_forget_dead(void);
void host_later(uint64_t ns);
struct fake_process *host_processes(void);

/* --- driver.c --- */
bool driver_step(void);         /* one operation or abandoned command goes on */
bool driver_orphans_step(void); /* one that an earlier daemon left behind ends */
void driver_oom(struct container *c);
void driver_daemon_died(void);
void driver_reset(void);
extern const char sim_config_json[], sim_process_json[];

/* --- wire.c --- */
void wire_random_request(void);
void wire_force_delete(const char *id);
void wire_disconnect(void);
void wire_lost(void);           /* the daemon died: what is open is not answered, and may be sent again */
void wire_repeat_lost(void);
bool wire_backlog_end(void);    /* the keeper has told all */
void wire_forget_old(void);
void wire_check_stuck(void);    /* nothing goes on any more: who waits still must have a reason */
size_t wire_open(void);
void wire_reset(void);

/* --- oracle.c --- */
struct exit_seen {
        struct exit_seen *next;
        pid_t pid;
        struct exit_info info;
        uint32_t status;
        bool known;
        uint64_t exited_at;
};
const struct exit_seen *oracle_exit(pid_t pid);
void oracle_step(void);         /* after each step */
void oracle_log(void);          /* the log as it can be read is what was written */
void oracle_gone(void);         /* nothing is left of any container */
void oracle_init(void);
bool oracle_has_started(const char *id, const char *exec_id, pid_t pid);
bool oracle_exists(const char *id); /* create without delete */
unsigned oracle_incarnation(const char *id);
void oracle_coverage(void);     /* says how much of the table was tried */
void oracle_reset(void);
