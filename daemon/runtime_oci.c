/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The driver for runc, crun and every CLI like them. What the runtime must do is done by short commands; signals, pids,
 * freezing and statistics go to the kernel directly: forking a Go program for each of these is what makes shims slow.
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>
#include "base/atomicfile.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/pidref.h"
#include "daemon/config.h"
#include "daemon/daemon.h"
#include "daemon/runsc_bundle.h"
#include "daemon/runsc_netns.h"
#include "daemon/runtime_oci.h"
#include "daemon/runtime_start.h"
#include "daemon/stats.h"

#define FREEZE_DEADLINE_NS (10 * NSEC_PER_SEC)

/* --- commands --- */

/* What makes something is not let through its gate unless the record tells the next daemon of it. What ends something,
 * or only asks, is: else a full disk could not be helped. But a record on a read-only disk would be left of what is
 * not there any more. */
static bool needs_record(const struct op *op)
{
        const struct container *c = op->container;
        static const char probe[] = ".probe"; /* the kernel tells by the attempt alone */
        int fd;

        if (op->kind == OP_DELETE && c->state == CONTAINER_DELETING) {
                fd = openat(c->dirfd, probe, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
                if (fd < 0)
                        return errno == EROFS;
                fd_close(fd);
                unlinkat(c->dirfd, probe, 0);
                return false;
        }
        return op->kind == OP_PREPARE || op->kind == OP_CREATE || op->kind == OP_RESTORE || op->kind == OP_START ||
               op->kind == OP_EXEC || op->kind == OP_CHECKPOINT;
}

static void command_was_started(struct command *cmd)
{
        struct op *op = cmd->data;
        struct error err = ERROR_NULL;

        op->recorded = true;
        if (container_write(op->container, &err) < 0 && needs_record(op))
                command_refuse(cmd, &err);
}

void oci_new_command(struct op *op, enum command_class class)
{
        struct command *cmd = &op->command;

        if (op->command_used)
                command_deinit(cmd);
        if (command_init(cmd, op->container->daemon->commands) < 0)
                abort(); /* see op_new */
        op->command_used = true;
        cmd->class = class;
        snprintf(cmd->key, sizeof(cmd->key), "%s", op->container->params->ns);
        cmd->data = op;
        cmd->on_started = command_was_started;
        command_env(cmd, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        command_env(cmd, "HOME=/");
}

void oci_command(struct op *op, const char *verb, enum command_class class)
{
        struct container *c = op->container;
        const struct runtime *rt = c->runtime;
        struct command *cmd = &op->command;

        oci_new_command(op, class);
        cmd->params.path = rt->path;
        cmd->params.cwd = c->params->bundle;
        if (rt->driver == &runtime_runsc)
                cmd->params.netns_fd = runsc_netns_fd(c->daemon->runsc_netns);
        cmd->capture_output = cmd->capture_error = true;
        cmd->log_dirfd = c->dirfd;
        if (op->kind == OP_KILL)
                cmd->timeout_ns = c->daemon->config->kill_timeout_ns;
        snprintf(cmd->log_name, sizeof(cmd->log_name), "%s.log", op->name);
        command_arg(cmd, rt->name);
        command_arg(cmd, "--root");
        command_arg(cmd, rt->root);
        command_arg(cmd, "--log");
        command_argf(cmd, "%s/%s", c->dir, cmd->log_name);
        command_arg(cmd, "--log-format");
        command_arg(cmd, "json");
        if (c->params->systemd_cgroup)
                command_arg(cmd, "--systemd-cgroup");
        if (c->params->criu_path[0])
                command_argf(cmd, "--criu=%s", c->params->criu_path);
        for (size_t i = 0; i < rt->options.n; i++)
                command_arg(cmd, rt->options.items[i]);
        if (rt->driver == &runtime_runsc)
                runsc_bundle_global(op);
        command_arg(cmd, verb);
}

void oci_submit(struct op *op, command_done_fn done)
{
        op->command.on_done = done;
        command_submit(&op->command);
}

bool oci_says_not_there(const char *text)
{
        return strstr(text, "does not exist") || strstr(text, "not found") || strstr(text, "no such file");
}

/* Most commands: success is exit status 0. */
static void plain_done(struct command *cmd, const struct command_result *res)
{
        struct op *op = cmd->data;
        struct error err = ERROR_NULL;

        op->not_run = !res->spawned;
        if (!res->ok)
                command_error(res, op_kind_name(op->kind), &err);
        op_finish(op, res->ok ? NULL : &err);
}

/* --- delete, state, update, checkpoint --- */

#define CGROUP_PATIENCE_NS (2 * NSEC_PER_SEC)

/* A create that was killed on its way may have made the cgroup and not yet written down that it did: then the runtime's
 * own delete finds nothing to remove. Only what is empty goes. */
static int remove_cgroup(struct container *c, struct error *err)
{
        if (c->state == CONTAINER_UNDOING && !c->cgroup && c->cgroups_path[0])
                (void)cgroup_of_spec(c->daemon->cgroups, c->cgroups_path, c->params->systemd_cgroup, &c->cgroup, NULL);
        if (!c->cgroup || !cgroup_exists(c->cgroup))
                return 0;
        if (c->runtime->driver == &runtime_runsc && runsc_bundle_cgroup_is_pods(c))
                return 0;
        return cgroup_remove(c->cgroup, err);
}

/* What a killed create of runsc had begun, of which its delete knows nothing. With a wrong path in the spec the cgroup
 * could be somebody else's, so only what was made for this container is killed: its command line names a log in the
 * container's directory. */
static void kill_begun(struct container *c)
{
        _cleanup_(arena_freep) struct arena *a = arena_new();
        char *want = a ? arena_printf(a, "--log=%s/", c->dir) : NULL;
        struct error err = ERROR_NULL;
        pid_t *pids;
        size_t n;

        if (!want || !c->cgroup || cgroup_pids(c->cgroup, a, &pids, &n, &err) < 0)
                return;
        for (size_t i = 0; i < n; i++) {
                _cleanup_(pidref_close) struct pidref ref = PIDREF_NULL;
                char path[64], line[4096];
                ssize_t len;

                snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pids[i]);
                if (pidref_open(&ref, pids[i]) < 0)
                        continue;
                len = fd_read_small(-1, path, line, sizeof(line));
                if (len > 0 && memmem(line, (size_t)len, want, strlen(want)))
                        (void)pidref_kill(&ref, SIGKILL);
        }
}

/* What the killed create had begun may take a moment to die. */
static void cgroup_look(struct watch_timer *w)
{
        struct op *op = container_of(w, struct op, timer);
        struct container *c = op->container;
        struct error err = ERROR_NULL;

        if (remove_cgroup(c, &err) < 0) {
                if (c->state == CONTAINER_UNDOING && clock_monotonic_ns() < op->deadline) {
                        kill_begun(c);
                        watch_timer_arm(w, 10 * NSEC_PER_MSEC);
                        return;
                }
                log_info("container %s: %s", c->key, err.message);
        }
        op_finish(op, NULL);
}

static void delete_done(struct command *cmd, const struct command_result *res)
{
        struct op *op = cmd->data;
        struct error err = ERROR_NULL;

        if (!res->ok && !(res->spawned && oci_says_not_there(res->error_text))) {
                command_error(res, "delete", &err);
                op_finish(op, &err);
                return;
        }
        op->container->made = false;
        op->deadline = clock_monotonic_ns() + CGROUP_PATIENCE_NS;
        watch_timer_init(&op->timer, op->container->daemon->loop, cgroup_look);
        cgroup_look(&op->timer);
}

static void begin_delete(struct op *op)
{
        oci_command(op, "delete", COMMAND_DELETE);
        if (op->force)
                command_arg(&op->command, "--force");
        command_arg(&op->command, op->container->params->id);
        oci_submit(op, delete_done);
}

static void state_done(struct command *cmd, const struct command_result *res)
{
        struct op *op = cmd->data;
        struct error err = ERROR_NULL;
        int64_t pid;

        if (!res->ok && res->spawned && !res->timed_out && !res->cancelled) {
                op_finish(op, NULL); /* status stays "" */
                return;
        }
        if (!res->ok)
                command_error(res, "state", &err);
        else
                spec_state_parse(res->output, res->output_len, op->arena, &op->status, &pid, &err);
        op_finish(op, error_is_set(&err) ? &err : NULL);
}

static void begin_state(struct op *op)
{
        oci_command(op, "state", COMMAND_QUERY);
        command_arg(&op->command, op->container->params->id);
        oci_submit(op, state_done);
}

static void update_done(struct command *cmd, const struct command_result *res)
{
        struct op *op = cmd->data;
        const struct update_params *params = op->request ? op->request->params : NULL;
        struct error err = ERROR_NULL;
        struct spec_limits limits;

        unlinkat(op->container->dirfd, op->name, 0);
        if (!res->ok)
                command_error(res, "update", &err);
        else if (params && op->container->cgroup &&
                 spec_resources_parse((const char *)params->resources.data, params->resources.len, op->arena, &limits,
                                      &err) == 0)
                (void)start_verify_limits(op->container, &limits, &err);
        if (strstr(err.message, "unknown command") || strstr(err.message, "Subcommand"))
                error_set(&err, REASON_NOT_SUPPORTED, "this release of %s cannot update the limits of a container",
                          op->container->runtime->name);
        op_finish(op, error_is_set(&err) ? &err : NULL);
}

static void begin_update(struct op *op)
{
        const struct update_params *params = op->request->params;
        struct container *c = op->container;
        struct error err = ERROR_NULL;
        int r = atomicfile_write(c->dirfd, op->name, params->resources.data, params->resources.len, 0600);

        if (r < 0) {
                error_set_errno(&err, REASON_NO_RESOURCES, r, "cannot write the limits to %s/%s", c->dir, op->name);
                op_finish(op, &err);
                return;
        }
        oci_command(op, "update", COMMAND_CONTROL);
        command_arg(&op->command, "--resources");
        command_argf(&op->command, "%s/%s", c->dir, op->name);
        command_arg(&op->command, c->params->id);
        oci_submit(op, update_done);
}

static void begin_checkpoint(struct op *op)
{
        const struct container *c = op->container;
        const struct checkpoint_params *x = c->checkpoint_request->params;
        bool criu = c->runtime->driver != &runtime_runsc;
        struct command *cmd = &op->command;
        struct error err = ERROR_NULL;

        if (!criu && c->state == CONTAINER_CHECKPOINTING_PAUSED) { /* its sandbox would be saved, and never end */
                error_set(&err, REASON_NOT_SUPPORTED,
                          "gVisor cannot write a checkpoint of a paused sandbox: resume it first");
                op_finish(op, &err);
                return;
        }
        oci_command(op, "checkpoint", COMMAND_CONTROL);
        command_argf(cmd, "--image-path=%s", x->path);
        if (!x->exit)
                command_arg(cmd, "--leave-running");
        if (criu && x->work_path[0])
                command_argf(cmd, "--work-path=%s", x->work_path);
        if (criu && x->parent_path[0])
                command_argf(cmd, "--parent-path=%s", x->parent_path);
        if (criu && x->open_tcp)
                command_arg(cmd, "--tcp-established");
        if (criu && x->external_unix_sockets)
                command_arg(cmd, "--ext-unix-sk");
        if (criu && x->terminal)
                command_arg(cmd, "--shell-job");
        if (criu && x->file_locks)
                command_arg(cmd, "--file-locks");
        for (size_t i = 0; criu && i < x->empty_namespaces.n; i++)
                command_argf(cmd, "--empty-ns=%s", x->empty_namespaces.items[i]);
        if (criu && x->cgroups_mode[0])
                command_argf(cmd, "--manage-cgroups-mode=%s", x->cgroups_mode);
        command_arg(cmd, c->params->id);
        oci_submit(op, plain_done);
}

static void begin_start(struct op *op)
{
        oci_command(op, "start", COMMAND_CONTROL);
        command_arg(&op->command, op->container->params->id);
        oci_submit(op, plain_done);
}

/* --- what needs no command --- */

void oci_kill_by_pidfd(struct op *op)
{
        struct error err = ERROR_NULL;
        int r;

        if (!op->process || op->process->ended) {
                error_set(&err, REASON_PROCESS_FINISHED, "process already finished");
        } else if (!op->process->pid) {
                error_set(&err, REASON_NOT_STARTED, "process not created");
        } else {
                r = pidref_kill(&op->process->watch.pidref, op->signal);
                if (r == -ESRCH)
                        error_set(&err, REASON_PROCESS_FINISHED, "process already finished");
                else if (r == -EINVAL)
                        error_set(&err, REASON_INVALID_ARGUMENT, "signal %d: the kernel knows no such signal",
                                  op->signal);
                else if (r < 0)
                        error_set_errno(&err, REASON_INTERNAL, r, "cannot send signal %d", op->signal);
        }
        op_finish(op, error_is_set(&err) ? &err : NULL);
}

static void begin_kill(struct op *op)
{
        struct container *c = op->container;
        struct error err = ERROR_NULL;

        if (op->all && c->cgroup && !c->init.ended && cgroup_signal_all(c->cgroup, op->signal, &err) < 0)
                log_info("container %s: %s", c->key, err.message);
        oci_kill_by_pidfd(op);
        /* v1: what is frozen dies only when it is thawed */
        if (op->signal == SIGKILL && c->cgroup && cgroup_frozen(c->cgroup) == 1)
                cgroup_freeze(c->cgroup, false, &err);
}

static void freeze_look(struct watch_timer *w)
{
        struct op *op = container_of(w, struct op, timer);
        bool freeze = op->kind == OP_PAUSE;
        int is = cgroup_frozen(op->container->cgroup);
        struct error err = ERROR_NULL;

        if (is == (int)freeze) {
                op_finish(op, NULL);
        } else if (is < 0) {
                error_set_errno(&err, REASON_RUNTIME_FAILED, is, "cannot read the state of the freezer");
                op_finish(op, &err);
        } else if (clock_monotonic_ns() > op->deadline) {
                error_set(&err, REASON_RUNTIME_TIMEOUT, "cgroup %s was not %s within %u s",
                          cgroup_path(op->container->cgroup), freeze ? "frozen" : "thawed",
                          (unsigned)(FREEZE_DEADLINE_NS / NSEC_PER_SEC));
                if (freeze)
                        cgroup_freeze(op->container->cgroup, false, NULL);
                op_finish(op, &err);
        } else {
                if (freeze && ++op->looks % 50 == 0)
                        cgroup_freeze_anew(op->container->cgroup);
                watch_timer_arm(w, NSEC_PER_MSEC);
        }
}

static void begin_freeze(struct op *op)
{
        struct container *c = op->container;
        struct error err = ERROR_NULL;

        if (!c->cgroup) {
                oci_command(op, op_kind_name(op->kind), COMMAND_CONTROL);
                command_arg(&op->command, c->params->id);
                oci_submit(op, plain_done);
                return;
        }
        if (cgroup_freeze(c->cgroup, op->kind == OP_PAUSE, &err) < 0) {
                op_finish(op, &err);
                return;
        }
        watch_timer_init(&op->timer, c->daemon->loop, freeze_look);
        op->deadline = clock_monotonic_ns() + FREEZE_DEADLINE_NS;
        freeze_look(&op->timer);
}

static const char *exec_of_pid(const struct container *c, pid_t pid)
{
        const struct process *p;

        DL_FOREACH(c->execs, p)
                if (p->pid == pid && !p->ended)
                        return p->exec_id;
        return "";
}

static int list_pids(struct op *op, struct error *err)
{
        struct container *c = op->container;
        pid_t *pids;
        size_t n;

        if (!c->cgroup)
                return error_set(err, REASON_CGROUP_NOT_FOUND,
                                 "the container has no cgroup of its own: its processes cannot be told from others");
        if (cgroup_pids(c->cgroup, op->arena, &pids, &n, err) < 0)
                return -1;
        op->pids.host = op->ps.host = true;
        op->pids.processes.items = arena_alloc(op->arena, (n + 1) * sizeof(struct pid_info));
        op->ps.rows.items = arena_alloc(op->arena, (n + 1) * sizeof(struct ps_row));
        if (!op->pids.processes.items || !op->ps.rows.items)
                return error_set(err, REASON_NO_RESOURCES, "no memory");
        for (size_t i = 0; i < n; i++) {
                op->pids.processes.items[i] =
                        (struct pid_info){ .pid = (uint32_t)pids[i], .exec_id = exec_of_pid(c, pids[i]) };
                op->ps.rows.items[i] =
                        (struct ps_row){ .pid = (uint32_t)pids[i], .exec_id = op->pids.processes.items[i].exec_id };
        }
        op->pids.processes.n = op->ps.rows.n = n;
        return 0;
}

static void begin_pids(struct op *op)
{
        struct error err = ERROR_NULL;

        op_finish(op, list_pids(op, &err) < 0 ? &err : NULL);
}

static void begin_stats(struct op *op)
{
        struct container *c = op->container;
        struct error err = ERROR_NULL;

        op->stats.owner = c->params->owner;
        op->stats.ns = c->params->ns;
        op->stats.id = c->params->id;
        if (!c->cgroup)
                error_set(&err, REASON_CGROUP_NOT_FOUND, "cgroup does not exist: the container has none of its own");
        else
                stats_read(c->cgroup, c->init.ended ? 0 : c->init.pid, op->arena, &op->stats, &err);
        op_finish(op, error_is_set(&err) ? &err : NULL);
}

int oci_kill_rest(struct container *c)
{
        _cleanup_(arena_freep) struct arena *a = arena_new();
        struct error err = ERROR_NULL;
        struct process *p;
        pid_t *pids;
        size_t n = 0;

        DL_FOREACH(c->execs, p)
                if (p->pid && !p->ended)
                        pidref_kill(&p->watch.pidref, SIGKILL);
        if (!c->cgroup || !a)
                return 0;
        if (cgroup_signal_all(c->cgroup, SIGKILL, &err) < 0 && err.reason != REASON_CGROUP_NOT_FOUND)
                log_info("container %s: %s", c->key, err.message);
        if (cgroup_pids(c->cgroup, a, &pids, &n, &err) < 0)
                return 0;
        return (int)n;
}

typedef void (*begin_fn)(struct op *op);

static const begin_fn begin_table[OP_N] = {
        [OP_PREPARE] = oci_prepare,
        [OP_CREATE] = start_begin, /* those that make a process: runtime_start.c */
        [OP_RESTORE] = start_begin,
        [OP_EXEC] = start_begin,
        [OP_START] = begin_start,
        [OP_KILL] = begin_kill,
        [OP_PAUSE] = begin_freeze,
        [OP_RESUME] = begin_freeze,
        [OP_UPDATE] = begin_update,
        [OP_CHECKPOINT] = begin_checkpoint,
        [OP_DELETE] = begin_delete,
        [OP_CLEAN] = oci_clean,
        [OP_STATE] = begin_state,
        [OP_PIDS] = begin_pids,
        [OP_PS] = begin_pids,
        [OP_STATS] = begin_stats,
};

void oci_begin(struct op *op)
{
        begin_table[op->kind](op);
}

void oci_cancel(struct op *op)
{
        struct error err = ERROR_NULL;

        if (op->command_used) {
                command_cancel(&op->command);
                return;
        }
        watch_timer_stop(&op->timer);
        error_set(&err, REASON_CANCELLED, "%s was given up", op_kind_name(op->kind));
        op_finish(op, &err);
}

const struct runtime_driver runtime_oci = {
        .type = "oci",
        .begin = oci_begin,
        .cancel = oci_cancel,
        .kill_rest = oci_kill_rest,
};
