/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The driver for gVisor, by its command line. It differs from runc's in what a pid and a cgroup mean: the host sees one
 * sandbox process, whose end is the container's end; the container's own processes are known to runsc only. SIGKILL of
 * init goes to the sandbox process itself: that works in every state, also where runsc refuses (created, paused).
 */

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/atomicfile.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "daemon/daemon.h"
#include "daemon/runsc_bundle.h"
#include "daemon/runsc_checkpoint.h"
#include "daemon/runsc_control.h"
#include "daemon/runsc_exec.h"
#include "daemon/runsc_freeze.h"
#include "daemon/runsc_netns.h"
#include "daemon/runsc_root.h"
#include "daemon/runsc_sub.h"
#include "daemon/runtime_oci.h"
#include "daemon/runtime_start.h"
#include "daemon/stats.h"

static void finish_failed(struct op *op, const struct command_result *res)
{
        struct error err = ERROR_NULL;

        command_error(res, op_kind_name(op->kind), &err);
        op_finish(op, &err);
}

static void begin_simple(struct op *op, const char *verb, enum command_class class, const char *flag, const char *value,
                         command_done_fn done)
{
        oci_command(op, verb, class);
        if (flag)
                command_arg(&op->command, flag);
        if (value)
                command_arg(&op->command, value);
        command_arg(&op->command, op->container->params->id);
        oci_submit(op, done);
}

/* --- signals --- */

static void begin_kill(struct op *op);

static void resumed_for_kill(struct command *cmd, const struct command_result *res)
{
        struct op *op = cmd->data;

        if (!res->ok)
                log_info("container %s: resume: %s", op->container->key, res->error_text);
        op->container->control.holds = false;
        begin_kill(op);
}

static void kill_done(struct command *cmd, const struct command_result *res)
{
        struct op *op = cmd->data;
        struct error err = ERROR_NULL;

        if (res->ok) {
                op_finish(op, NULL);
                return;
        }
        command_error(res, "kill", &err);
        if (strstr(err.message, "not running") || strstr(err.message, "no such process") ||
            strstr(err.message, "is stopped") || oci_says_not_there(err.message))
                error_set(&err, REASON_PROCESS_FINISHED, "process already finished");
        op_finish(op, &err);
}

static void begin_kill(struct op *op)
{
        struct process *p = op->process;
        struct error err = ERROR_NULL;

        if (!p || p->ended || !p->pid ||
            (op->signal == SIGKILL && process_is_init(p) && !runsc_is_sub(op->container))) {
                oci_kill_by_pidfd(op);
                return;
        }
        if ((op->container->state == CONTAINER_PAUSED && !(op->signal == SIGKILL && process_is_init(p))) ||
            runsc_freeze_others_hold(op->container)) {
                error_set(&err, REASON_PAUSED, "a paused gVisor sandbox takes no signal but SIGKILL: resume it first");
                op_finish(op, &err);
                return;
        }
        if (op->container->control.holds) {
                oci_command(op, "resume", COMMAND_KILL);
                command_arg(&op->command, runsc_freeze_paused_by(op->container));
                oci_submit(op, resumed_for_kill);
                return;
        }
        if (!process_is_init(p) && !p->internal_pid) { /* without --pid it would be sent to init */
                error_set(&err, REASON_RUNTIME_FAILED, "the pid of %s inside of the sandbox is not known", p->exec_id);
                op_finish(op, &err);
                return;
        }
        oci_command(op, "kill", COMMAND_KILL);
        if (op->all)
                command_arg(&op->command, "--all");
        if (!process_is_init(p))
                command_argf(&op->command, "--pid=%u", p->internal_pid);
        command_arg(&op->command, op->container->params->id);
        command_argf(&op->command, "%d", op->signal);
        oci_submit(op, kill_done);
}

/* --- what the sandbox knows --- */

static void pids_done(struct command *cmd, const struct command_result *res)
{
        struct op *op = cmd->data;
        struct error err = ERROR_NULL;
        uint32_t *pids;
        size_t n;

        if (!res->ok) {
                finish_failed(op, res);
                return;
        }
        if (spec_pids_parse(res->output, res->output_len, op->arena, &pids, &n, &err) < 0) {
                op_finish(op, &err);
                return;
        }
        op->pids.processes.items = arena_alloc(op->arena, (n + 1) * sizeof(struct pid_info));
        if (!op->pids.processes.items)
                abort(); /* no memory: see op_new */
        for (size_t i = 0; i < n; i++) {
                const struct process *p;
                const char *exec_id = "";

                for (p = op->container->execs; p; p = p->next)
                        if (p->internal_pid == pids[i] && !p->ended)
                                exec_id = p->exec_id;
                op->pids.processes.items[i] = (struct pid_info){ .pid = pids[i], .exec_id = exec_id };
        }
        op->pids.processes.n = n;
        op_finish(op, NULL);
}

static char *next_word(char **text)
{
        char *word;

        while (isspace((unsigned char)**text) && **text != '\n')
                (*text)++;
        word = *text;
        while (**text && !isspace((unsigned char)**text))
                (*text)++;
        if (**text)
                *(*text)++ = '\0';
        return word;
}

/* Columns of runsc's table: UID PID PPID [PGID] C TTY STIME TIME CMD. */
static void parse_ps(struct op *op, char *text)
{
        size_t room = 1, n = 0;
        char *line, *save = NULL;
        bool header = true, pgid = strstr(text, "PGID") != NULL;

        for (const char *s = text; *s; s++)
                room += *s == '\n';
        op->ps.rows.items = arena_alloc(op->arena, (room + 1) * sizeof(struct ps_row));
        if (!op->ps.rows.items)
                abort(); /* no memory: see op_new */
        for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
                struct ps_row *row = &op->ps.rows.items[n];

                if (header) {
                        header = false;
                        continue;
                }
                row->uid = (uint32_t)strtoul(next_word(&line), NULL, 10);
                row->pid = (uint32_t)strtoul(next_word(&line), NULL, 10);
                row->ppid = (uint32_t)strtoul(next_word(&line), NULL, 10);
                if (pgid)
                        next_word(&line);
                row->cpu = (uint32_t)strtoul(next_word(&line), NULL, 10);
                row->tty = next_word(&line);
                row->stime = next_word(&line);
                row->time = next_word(&line);
                while (isspace((unsigned char)*line))
                        line++;
                row->cmd = line;
                row->exec_id = "";
                for (const struct process *p = op->container->execs; p; p = p->next)
                        if (p->internal_pid == row->pid && !p->ended)
                                row->exec_id = p->exec_id;
                n++;
        }
        op->ps.rows.n = n;
}

static void ps_done(struct command *cmd, const struct command_result *res)
{
        struct op *op = cmd->data;
        char *text;

        if (!res->ok) {
                finish_failed(op, res);
                return;
        }
        text = arena_strndup(op->arena, res->output, res->output_len);
        if (!text)
                abort(); /* no memory: see op_new */
        parse_ps(op, text);
        op_finish(op, NULL);
}

static void stats_done(struct command *cmd, const struct command_result *res)
{
        struct op *op = cmd->data;
        struct error err = ERROR_NULL;
        struct container *c = op->container;

        if (!res->ok) {
                finish_failed(op, res);
                return;
        }
        op->stats.owner = c->params->owner;
        op->stats.ns = c->params->ns;
        op->stats.id = c->params->id;
        op->stats.cgroup_version = cgroup_host_version(c->daemon->cgroups) == 2 ? 2 : 1;
        op->stats.read_at = clock_realtime_ns();
        spec_stats_parse(res->output, res->output_len, op->arena, &op->stats, &err);
        op_finish(op, error_is_set(&err) ? &err : NULL);
}

/* What its command line cannot do. */
static void not_asked(struct op *op)
{
        struct error err = ERROR_NULL;

        error_set(&err, REASON_NOT_SUPPORTED, "the sandbox cannot be asked at its control socket");
        op_finish(op, &err);
}

static void begin_cli(struct op *op)
{
        switch (op->kind) {
        case OP_KILL:
                begin_kill(op);
                break;
        case OP_PIDS:
                begin_simple(op, "ps", COMMAND_QUERY, "--format", "json", pids_done);
                break;
        case OP_PS:
                begin_simple(op, "ps", COMMAND_QUERY, "--format", "table", ps_done);
                break;
        case OP_STATS:
                begin_simple(op, "events", COMMAND_QUERY, "--stats", NULL, stats_done);
                break;
        case OP_START:
                if (runsc_is_sub(op->container))
                        start_begin(op);
                else
                        oci_begin(op);
                break;
        case OP_STACKS:
                not_asked(op);
                break;
        case OP_WAIT:
                runsc_sub_wait(op);
                break;
        case OP_DELETE:
                /* runsc panics when it finds that a sandbox which its state file calls paused has ended ("invalid state
                 * transition: paused => stopped"), and so could never remove it */
                runsc_freeze_forget(op->container, "stopped");
                oci_begin(op);
                break;
        default:
                oci_begin(op);
        }
}

/* --- the namespace first --- */

/* The sandbox is asked itself; else runsc's command line is. */
static void begin_any(struct op *op)
{
        const struct process *p = op->process;

        if (op->kind == OP_KILL && p && !p->ended && process_is_init(p) && runsc_is_sub(op->container) &&
            runsc_sub_kill_unstarted(op))
                return;
        if (!runsc_freeze_begin(op, begin_cli) && !runsc_checkpoint_begin(op) && !runsc_control_begin(op, begin_cli))
                begin_cli(op);
}

static void netns_ready(struct daemon *d, const struct error *err)
{
        struct container *c, *tmp;
        struct op *op, *otmp;

        HASH_ITER(hh, d->containers, c, tmp)
        {
                for (op = c->ops; op; op = otmp) {
                        otmp = op->next;
                        if (!op->waiting)
                                continue;
                        op->waiting = false;
                        if (err)
                                op_finish(op, err);
                        else
                                begin_any(op);
                }
        }
}

static void runsc_begin(struct op *op)
{
        struct runsc_netns *n = op->container->daemon->runsc_netns;
        struct error err = ERROR_NULL;

        if (op->kind == OP_CLEAN)
                runsc_root_leave(op->container);
        if ((op->kind == OP_CREATE || op->kind == OP_RESTORE) && runsc_root_choose(op->container, &err) < 0) {
                op_finish(op, &err);
        } else if (op->kind == OP_PREPARE || op->kind == OP_CLEAN) {
                oci_begin(op);
        } else if (runsc_netns_fd(n) >= 0) {
                begin_any(op);
        } else {
                op->waiting = true;
                runsc_netns_make(n, netns_ready);
        }
}

static void runsc_cancel(struct op *op)
{
        struct error err = ERROR_NULL;

        op->waiting = false;
        runsc_freeze_cancel(op);
        if (!op->asked) {
                oci_cancel(op);
                return;
        }
        op->asked = false;
        if (op->kind == OP_EXEC && op->process)
                runsc_exec_free(op->process);
        if (op->urpc_used)
                urpc_close(&op->urpc);
        error_set(&err, REASON_CANCELLED, "%s was given up", op_kind_name(op->kind));
        op_finish(op, &err);
}

/* The sandbox is the container: when its process has ended nothing is left but resident execs, which end with it. */
static int runsc_kill_rest(struct container *c)
{
        for (struct process *p = c->execs; p; p = p->next)
                if (p->pid && !p->ended)
                        pidref_kill(&p->watch.pidref, SIGKILL);
        return 0;
}

static void signal_sent(struct op *op, const struct error *err)
{
        if (err)
                log_debug("container %s: a signal from the terminal: %s", op->container->key, err->message);
}

/* The terminal of a sandbox's own process is known to the kernel: runsc gives it to the sandbox, which passes on what
 * it gets. Nobody has those of other processes. */
static bool runsc_terminal_signal(struct process *p, int signal)
{
        struct op *op;

        if (!p->in_sandbox || p->ended || !p->pid)
                return false;
        op = op_new(p->container, OP_KILL, p, signal_sent);
        op->signal = signal;
        op->foreground = true;
        op_start(op);
        return true;
}

static int runsc_control_fd(const struct process *p)
{
        if (!process_is_init(p))
                return runsc_exec_fd(p);
        return runsc_is_sub(p->container) ? runsc_sub_wait_fd(p) : runsc_freeze_fd(p);
}

const struct runtime_driver runtime_runsc = {
        .type = "runsc",
        .has_stacks = true,
        .shares_sandboxes = true,
        .option = runsc_bundle_option,
        .begin = runsc_begin,
        .adjust = runsc_bundle_adjust,
        .cancel = runsc_cancel,
        .kill_rest = runsc_kill_rest,
        .await = runsc_sub_await,
        .ended = runsc_sandbox_ended,
        .terminal_signal = runsc_terminal_signal,
        .adopt = runsc_exec_adopt,
        .control_fd = runsc_control_fd,
        .let_go = runsc_exec_free,
        .last_words = runsc_sub_last_words,
};
