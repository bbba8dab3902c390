/* SPDX-License-Identifier: Apache-2.0 */

/* See adopt_process.h. */

#include "daemon/adopt_process.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "daemon/actions.h"
#include "daemon/daemon.h"
#include "daemon/keeper_link.h"
#include "daemon/publish.h"
#include "daemon/runsc_sub.h"

static void unknown_end(struct process *p)
{
        p->exit = (struct exit_info){ .known = false, .realtime_ns = clock_realtime_ns() };
}

/* The pidfd that was stored is of this process whatever has become of its number, and (Linux 6.15) tells how it ended
 * when no one else can. */
static bool find_by_pidfd(struct process *p, bool *alive)
{
        struct pidref ref = { .pid = p->pid, .start_time = p->start_time, .fd = process_kept_pidfd(p) };
        int r;

        if (ref.fd < 0)
                return false;
        r = pidref_exit_status(&ref, &p->exit.wait_status);
        p->exit.known = r == 0;
        *alive = r == -EAGAIN && process_attach(p, &ref) == 0;
        pidref_close(&ref);
        return r == 0 || *alive;
}

/* It has gone, and nobody has told of it. The keeper, if it is there, has reaped it since it told of the others. */
static bool expect_end(struct process *p, uint64_t since)
{
        return keeper_link_connected(p->container->daemon->keeper) && process_expect_end(p, since) == 0;
}

bool process_find_alive(struct reaper_hold *hold, struct process *p)
{
        struct pidref ref = PIDREF_NULL;
        uint64_t start_time;
        bool alive;

        if (p->ended || !p->pid || p->exit.known) /* known: process_find_made claimed it */
                return false;
        if (process_is_init(p) && runsc_is_sub(p->container)) {
                unknown_end(p);
                alive = pidref_open_checked(&ref, p->pid, p->start_time) == 0; /* its sandbox */
                pidref_close(&ref);
                if (!alive && p->container->runtime->driver->last_words)
                        p->container->runtime->driver->last_words(p, &p->exit);
                return alive;
        }
        if (reaper_claim(hold, p->pid, &start_time, &p->exit) && (start_time == p->start_time || !p->start_time))
                return false;
        unknown_end(p);
        if (find_by_pidfd(p, &alive))
                return alive;
        if (pidref_open_checked(&ref, p->pid, p->start_time) == 0)
                return process_attach(p, &ref) == 0;
        return expect_end(p, p->start_time);
}

static bool take_made(struct reaper_hold *hold, struct process *p, const struct record_command *cmd)
{
        struct pidref ref = PIDREF_NULL;
        struct error err = ERROR_NULL;

        if (process_is_init(p) && runsc_is_sub(p->container)) {
                if (runsc_sub_made(p->container, p->pid, &err) < 0)
                        log_info("container %s: %s", p->container->key, err.message);
                return true;
        }
        unknown_end(p);
        if (reaper_claim(hold, p->pid, &p->start_time, &p->exit))
                return true;
        /* the pid is of this process only if it is not older than the command */
        if (pidref_open(&ref, p->pid) == 0 && ref.start_time >= cmd->start_time)
                process_attach(p, &ref);
        else
                expect_end(p, cmd->start_time);
        pidref_close(&ref);
        return true;
}

static const struct record_command *command_of(const struct container_record *rec, const struct process *p)
{
        for (size_t i = 0; i < rec->commands.n; i++) {
                const struct record_command *cmd = &rec->commands.items[i];

                if (strcmp(cmd->exec_id, p->exec_id) != 0)
                        continue;
                if (strcmp(cmd->kind, "exec") == 0 ||
                    (process_is_init(p) && (strcmp(cmd->kind, "create") == 0 || strcmp(cmd->kind, "restore") == 0)))
                        return cmd;
        }
        return NULL;
}

bool process_find_made(struct reaper_hold *hold, const struct container_record *rec, struct process *p)
{
        const struct record_command *cmd = command_of(rec, p);
        char name[80], text[32];

        if (!cmd)
                return false;
        snprintf(name, sizeof(name), "%.48s.pid", cmd->log);
        if (fd_read_small(p->container->dirfd, name, text, sizeof(text)) <= 0)
                return false;
        p->pid = (pid_t)strtol(text, NULL, 10);
        if (p->pid <= 1) {
                p->pid = 0;
                return false;
        }
        return take_made(hold, p, cmd);
}

void process_take_back_ended(struct process *p)
{
        process_take_back(p);
        stdio_process_ended(&p->stdio);
}

static void interrupted(struct process *p)
{
        snprintf(p->cause, sizeof(p->cause), "its start was interrupted by the end of the daemon");
        p->exited_at = clock_realtime_ns();
        process_adopt_state(p, PROCESS_STOPPED);
        process_entry[PROCESS_STOPPED](p, NULL); /* who has asked meanwhile to wait for it is answered */
}

/* Only its sandbox can tell. */
static void decide_in_sandbox(struct process *p)
{
        struct exit_info told = p->exit;
        struct exit_info unknown = { .known = false, .realtime_ns = clock_realtime_ns() };
        const struct runtime_driver *driver = p->container->runtime->driver;
        bool waiting = !told.known && driver->adopt && driver->adopt(p);

        process_take_back(p);
        if (!p->internal_pid && waiting)
                return; /* STARTING, until it tells */
        if (!p->internal_pid && !told.known) {
                interrupted(p);
                return;
        }
        process_adopt_state(p, PROCESS_RUNNING);
        publish_start(p);
        if (!waiting)
                process_ended(p, told.known ? &told : &unknown);
}

/* Its command was still in the queue, or at its gate: the child that finds its daemon dead there ends with the status
 * of one that executed nothing (adopt.c), and the first that a runtime does is to open its log. */
static bool was_run(const struct container_record *rec, const struct process *p)
{
        const struct record_command *cmd = command_of(rec, p);
        char name[80];
        struct stat st;

        if (!cmd || !p->spec.len)
                return cmd || !p->spec.len;
        snprintf(name, sizeof(name), "%.48s.log", cmd->log);
        return cmd->pid || fstatat(p->container->dirfd, name, &st, 0) == 0;
}

/* Who asked for its start is in the record, and has it started anew. */
static void not_started(struct process *p)
{
        p->kept.slot = 0; /* what was kept of it is dropped with all that nobody takes */
        process_adopt_state(p, PROCESS_ADDED);
}

void process_decide(struct reaper_hold *hold, const struct container_record *rec, struct process *p)
{
        bool alive;

        if (p->state == PROCESS_STOPPED) {
                if (p->start_published)
                        publish_exit(p); /* the crash may have been between the record and the event */
                process_take_back_ended(p);
        }
        if (p->state != PROCESS_STARTING && p->state != PROCESS_RUNNING)
                return;
        if (p->in_sandbox) {
                decide_in_sandbox(p);
                return;
        }
        if (p->state == PROCESS_STARTING && !p->pid && !process_find_made(hold, rec, p)) {
                if (was_run(rec, p))
                        interrupted(p);
                else
                        not_started(p);
                return;
        }
        alive = p->watch.active || process_find_alive(hold, p);
        process_take_back(p);
        process_adopt_state(p, PROCESS_RUNNING);
        publish_start(p);
        if (!alive && !p->ended) {
                struct exit_info info = p->exit;

                process_ended(p, &info);
        }
}
