/* SPDX-License-Identifier: Apache-2.0 */

/*
 * create, restore and exec. First the stdio is made ready (a logger may have to start), then the command runs with it,
 * then its pid file names the process that it left behind: alive, or dead already and remembered by the reaper, which
 * keeps the statuses of orphans for as long as the command is in flight.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>
#include "base/atomicfile.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "daemon/daemon.h"
#include "daemon/keeper_link.h"
#include "daemon/lifecycle.h"
#include "daemon/pressure.h"
#include "daemon/runsc_bundle.h"
#include "daemon/runsc_exec.h"
#include "daemon/runsc_sub.h"
#include "daemon/runtime_oci.h"
#include "daemon/runtime_start.h"
#include "daemon/stats.h"

/* --- the container's cgroup --- */

static void oom_seen(struct oom_watch *w, const struct oom_info *info)
{
        struct container *c = oom_watch_data(w);
        struct happening h = { .oom = info };

        container_event(c, CEV_OOM, &h);
        if (c->runtime->driver == &runtime_runsc)
                runsc_sandbox_oom(c, info);
}

void start_watch_oom(struct container *c)
{
        struct error err = ERROR_NULL;

        c->oom = oom_watch_free(c->oom);
        if (c->cgroup && oom_watch_new(&c->oom, c->daemon->oom, c->cgroup, c->oom_count, oom_seen, c, &err) < 0)
                daemon_warn(c->daemon, c, "OOM kills will not be reported: %s", err.message);
        if (c->cgroup)
                pressure_find_groups(c->daemon->pressure);
}

int start_verify_limits(struct container *c, const struct spec_limits *limits, struct error *err)
{
        struct error local = ERROR_NULL;

        if (stats_verify_limits(c->cgroup, limits, &local) == 0)
                return 0;
        if (c->cgroup && strcmp(c->daemon->config->limits, "warning") != 0) {
                *err = local;
                return -1;
        }
        daemon_warn(c->daemon, c, "a limit is not in force: %s", local.message);
        return 0;
}

/* What the spec asked for: as it was read, or, by an earlier daemon, recorded. */
static int asked_for(const struct container *c, struct arena *a, struct spec_limits *ret, struct error *err)
{
        *ret = c->spec ? c->spec->limits : (struct spec_limits){ .cpuset_cpus = "", .cpuset_mems = "" };
        return c->spec || !c->limits[0] ? 0 : spec_resources_parse(c->limits, strlen(c->limits), a, ret, err);
}

/* With the systemd driver the processes may be in a cgroup below that of the unit, as crun has it. Its 1.8 writes the
 * limits there, and the unit has some of them; should they be in the unit alone, that is the container's. */
static void climb(struct container *c, const struct spec_limits *limits)
{
        struct cgroup_host *h = c->daemon->cgroups;
        struct cgroup *unit = NULL;
        struct error local = ERROR_NULL;

        if (!c->params->systemd_cgroup || !c->cgroups_path[0] || !c->cgroup ||
            stats_verify_limits(c->cgroup, limits, &local) == 0)
                return;
        if (cgroup_of_path(h, cgroup_path(c->cgroup), &unit, &local) == 0 &&
            cgroup_climb(h, c->cgroups_path, &unit, &local) == 0 && stats_verify_limits(unit, limits, &local) == 0) {
                cgroup_free(c->cgroup);
                c->cgroup = unit;
                return;
        }
        log_info("container %s: %s", c->key, local.message);
        cgroup_free(unit);
}

int start_find_cgroup(struct container *c, pid_t pid, struct error *err)
{
        _cleanup_(arena_freep) struct arena *a = arena_new();
        struct error local = ERROR_NULL;
        struct spec_limits limits;

        c->oom = oom_watch_free(c->oom);
        c->cgroup = cgroup_free(c->cgroup);
        if (!a)
                return error_set(err, REASON_NO_RESOURCES, "no memory to verify limits");
        if (cgroup_of_pid(c->daemon->cgroups, pid, &c->cgroup, &local) < 0) {
                log_info("container %s: no cgroup: %s", c->key, local.message);
                return 0;
        }
        if (!cgroup_is_private(c->cgroup)) {
                log_info("container %s: it has no cgroup of its own (%s)", c->key, cgroup_path(c->cgroup));
                c->cgroup = cgroup_free(c->cgroup);
        }
        if (asked_for(c, a, &limits, err) < 0)
                return -1;
        climb(c, &limits);
        start_watch_oom(c);
        return start_verify_limits(c, &limits, err);
}

/* --- the process --- */

static int read_pid_file(struct op *op, const char *name, pid_t *ret, struct error *err)
{
        char text[32], *end;
        ssize_t n = fd_read_small(op->container->dirfd, name, text, sizeof(text));
        long pid;

        if (n < 0)
                return error_set_errno(err, REASON_RUNTIME_FAILED, (int)n, "OCI runtime %s left no pid file",
                                       op_kind_name(op->kind));
        errno = 0;
        pid = strtol(text, &end, 10);
        while (*end == '\n' || *end == ' ')
                end++;
        if (errno || end == text || *end || pid <= 1 || pid > 4194304)
                return error_set(err, REASON_RUNTIME_FAILED,
                                 "OCI runtime %s wrote a pid file that is not a pid: \"%.24s\"", op_kind_name(op->kind),
                                 text);
        *ret = (pid_t)pid;
        return 0;
}

/* The pid may be that of a process which has ended, and whose number may even be in use again. */
static void take_process(struct op *op, pid_t pid)
{
        struct process *p = op->process;
        struct pidref ref = PIDREF_NULL;
        struct exit_info info = { .known = false, .realtime_ns = clock_realtime_ns() };
        uint64_t start_time = 0;

        p->pid = pid;
        if (reaper_claim(&op->command.hold, pid, &start_time, &info)) {
                p->start_time = start_time;
                process_ended(p, &info);
                return;
        }
        if (pidref_open(&ref, pid) == 0 && ref.start_time >= op->command.hold.begin_ticks &&
            process_attach(p, &ref) == 0) {
                process_keep(p);
                return;
        }
        pidref_close(&ref);
        process_ended(p, &info);
}

static void drop_pid_file(struct process *p)
{
        if (p->pid_file[0])
                unlinkat(p->container->dirfd, p->pid_file, 0);
        p->pid_file[0] = '\0';
}

void start_drop_pid_files(struct container *c)
{
        struct process *p;

        drop_pid_file(&c->init);
        DL_FOREACH(c->execs, p)
                drop_pid_file(p);
}

static int process_made(struct op *op, struct error *err)
{
        struct container *c = op->container;
        struct process *p = op->process;
        pid_t pid, inner;
        char name[64];

        snprintf(p->pid_file, sizeof(p->pid_file), "%s.pid", op->name);
        if (read_pid_file(op, p->pid_file, &pid, err) < 0) {
                drop_pid_file(p);
                return -1;
        }
        snprintf(name, sizeof(name), "%s.inner", op->name);
        if (op->kind == OP_EXEC && c->runtime->driver == &runtime_runsc && read_pid_file(op, name, &inner, NULL) == 0)
                p->internal_pid = (uint32_t)inner;
        unlinkat(c->dirfd, name, 0);
        if (op->kind != OP_EXEC && runsc_is_sub(c))
                return runsc_sub_made(c, pid, err);
        take_process(op, pid);
        if (op->kind == OP_EXEC || op->process->ended)
                return 0;
        return start_find_cgroup(c, pid, err);
}

static void start_done(struct command *cmd, const struct command_result *res)
{
        struct op *op = cmd->data;
        struct error err = ERROR_NULL;
        char name[64];

        op->not_run = !res->spawned;
        if (op->kind == OP_EXEC) {
                snprintf(name, sizeof(name), "%s.json", op->name);
                unlinkat(op->container->dirfd, name, 0);
        }
        if (!op->process) /* cannot be: a process is not freed while it starts */
                error_set(&err, REASON_INTERNAL, "the process has gone");
        else if (!res->ok)
                command_error(res, op_kind_name(op->kind), &err);
        else if (op->kind != OP_START)
                process_made(op, &err);
        op_finish(op, error_is_set(&err) ? &err : NULL);
}

void start_ready(struct command *cmd, struct spawn_ready *ready)
{
        struct op *op = cmd->data;

        if (!ready->ok || !op->process)
                return;
        stdio_take(&op->process->stdio, ready);
        process_keep(op->process);
}

static void create_arguments(struct op *op)
{
        const struct container *c = op->container;
        struct command *cmd = &op->command;

        command_arg(cmd, "--bundle");
        command_arg(cmd, c->params->bundle);
        if (op->kind == OP_RESTORE) {
                command_argf(cmd, "--image-path=%s", c->params->checkpoint);
                command_arg(cmd, "--detach");
        }
        if (c->runtime->driver == &runtime_runsc) {
                runsc_bundle_create(op);
                return;
        }
        if (c->params->no_pivot_root)
                command_arg(cmd, "--no-pivot");
        if (c->params->no_new_keyring && op->kind == OP_CREATE)
                command_arg(cmd, "--no-new-keyring");
}

static int exec_arguments(struct op *op, struct error *err)
{
        struct container *c = op->container;
        struct process *p = op->process;
        struct command *cmd = &op->command;
        char name[64], *text;
        int r;

        snprintf(name, sizeof(name), "%s.json", op->name);
        if (spec_process_with_terminal((const char *)p->spec.data, p->spec.len, p->paths.terminal, op->arena, &text,
                                       err) < 0)
                return -1;
        r = atomicfile_write(c->dirfd, name, text, strlen(text), 0600);
        if (r < 0)
                return error_set_errno(err, REASON_NO_RESOURCES, r, "cannot write the process to %s/%s", c->dir, name);
        command_arg(cmd, "--process");
        command_argf(cmd, "%s/%s", c->dir, name);
        command_arg(cmd, "--detach");
        if (c->runtime->driver == &runtime_runsc) {
                command_arg(cmd, "--internal-pid-file");
                command_argf(cmd, "%s/%s.inner", c->dir, op->name);
        }
        return 0;
}

/* What joins a sandbox gets its stdio when it is started; but a terminal when it is created. */
static bool takes_stdio(const struct op *op)
{
        if (op->kind == OP_EXEC || !runsc_is_sub(op->container))
                return true;
        return (op->kind == OP_START) != op->process->paths.terminal;
}

static void run(struct op *op)
{
        struct container *c = op->container;
        struct stdio *io = &op->process->stdio;
        struct command *cmd = &op->command;
        struct error err = ERROR_NULL;

        process_watch_terminal(op->process);
        if (op->kind == OP_EXEC && c->runtime->driver == &runtime_runsc && runsc_exec_begin(op))
                return;
        oci_command(op, op_kind_name(op->kind),
                    op->kind == OP_EXEC || op->kind == OP_START ? COMMAND_CONTROL : COMMAND_CREATE);
        if (takes_stdio(op)) {
                /* the stdio is the process's own; the runtime's words are in its log */
                cmd->capture_output = cmd->capture_error = false;
                for (int i = 0; i < 3; i++)
                        cmd->params.stdio[i] = io->child[i];
                cmd->on_ready = start_ready;
        }
        if (op->kind == OP_START) {
                command_arg(cmd, c->params->id);
                oci_submit(op, start_done);
                return;
        }
        if (op->kind != OP_EXEC) {
                create_arguments(op);
        } else if (exec_arguments(op, &err) < 0) {
                op_finish(op, &err);
                return;
        }
        command_arg(cmd, "--pid-file");
        command_argf(cmd, "%s/%s.pid", c->dir, op->name);
        if (stdio_console_path(io)) {
                command_arg(cmd, "--console-socket");
                command_arg(cmd, stdio_console_path(io));
        }
        command_arg(cmd, c->params->id);
        oci_submit(op, start_done);
}

static void stdio_is_ready(struct stdio *s, const struct error *err)
{
        struct process *p = container_of(s, struct process, stdio);
        static const enum op_kind kinds[] = { OP_CREATE, OP_RESTORE, OP_START };
        struct op *op = NULL;

        if (!process_is_init(p)) {
                for (op = p->container->ops; op && (op->kind != OP_EXEC || op->process != p); op = op->next)
                        ;
        } else {
                for (size_t i = 0; !op && i < ARRAY_SIZE(kinds); i++)
                        op = op_find(p->container, kinds[i]);
        }
        if (!op)
                return; /* given up meanwhile */
        if (err)
                op_finish(op, err);
        else
                run(op);
}

void start_begin(struct op *op)
{
        struct container *c = op->container;
        struct error err = ERROR_NULL;
        const char *console = arena_printf(op->arena, "%s/c/%llx", record_store_root(c->daemon->store),
                                           (unsigned long long)++c->daemon->serial);

        /* without who keeps its pipes, an added process would lose its output with this daemon */
        op->process->stdio.relays = op->kind == OP_EXEC && keeper_link_can_notify(c->daemon->keeper);
        if (!takes_stdio(op))
                run(op);
        else if (stdio_prepare(&op->process->stdio, &op->process->paths, console, stdio_is_ready, &err) < 0) {
                op_finish(op, &err);
                return;
        }
        /* before the command is let through its gate: the record names the slot, and a console socket is stored */
        process_keep_begin(op->process);
        process_keep(op->process);
}
