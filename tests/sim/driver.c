/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Both runtimes. An operation that needs a command is begun, then its command is started (the record tells), then it
 * ends; the others end at once. A command whose daemon died goes on, and ends when the dice say so: with its effect,
 * but nobody is told. What is true of a container is kept here, as a runtime does.
 */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>
#include "daemon/runsc_sub.h"
#include "daemon/runtime_start.h"
#include "tests/sim/sim.h"

#define JSON_REST                                                                                                      \
        "\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"rootfs\"},"                                                     \
        "\"process\":{\"terminal\":false,\"user\":{\"uid\":0,\"gid\":0},\"args\":[\"a\"],\"cwd\":\"/\"}"
const char sim_process_json[] = "{\"user\":{\"uid\":0,\"gid\":0},\"args\":[\"a\"],\"cwd\":\"/\"}";
static const char spec_shared[] = "{" JSON_REST "}";
static const char spec_private[] = "{" JSON_REST ",\"linux\":{\"namespaces\":[{\"type\":\"pid\"}]}}";

/* As the runtime knows it. */
struct fake_container {
        struct fake_container *prev, *next;
        char key[CONTAINER_KEY_MAX];
        bool private_pid_ns, started, frozen;
        struct fake_process *init; /* never freed before the container */
        pid_t init_pid;
};

/* A command that runs. */
struct fake_command {
        struct fake_command *prev, *next;
        struct fake_process *process;
        enum op_kind kind;
        char key[CONTAINER_KEY_MAX], exec_id[LIMIT_ID + 1], name[56], dir[200];
        bool orphan, private_pid_ns;
};

static struct fake_container *containers;
static struct fake_command *commands;

static struct fake_container *find(const char *key)
{
        struct fake_container *f;

        DL_FOREACH(containers, f)
                if (strcmp(f->key, key) == 0)
                        return f;
        return NULL;
}

static bool alive(pid_t pid)
{
        struct fake_process *p = host_find(pid);

        return p && p->alive;
}

/* --- what commands do, whoever is told --- */

static pid_t make_container(const char *key, bool private_pid_ns, bool started)
{
        struct fake_container *f = find(key);

        if (!f) {
                f = calloc(1, sizeof(*f));
                snprintf(f->key, sizeof(f->key), "%s", key);
                DL_APPEND(containers, f);
        }
        f->private_pid_ns = private_pid_ns;
        f->started = started;
        f->frozen = false;
        f->init_pid = host_spawn(key, "")->pid;
        return f->init_pid;
}

static void start_container(const char *key)
{
        struct fake_container *f = find(key);

        if (!f)
                return;
        f->started = true;
        if (!f->private_pid_ns && percent(50))
                host_spawn(key, "?");
}

static void delete_container(const char *key)
{
        struct fake_container *f = find(key);

        host_kill_all(key, true);
        if (!f)
                return;
        DL_DELETE(containers, f);
        free(f);
}

static void end_of_init(const struct fake_container *f)
{
        if (f->private_pid_ns && !alive(f->init_pid))
                host_kill_all(f->key, false);
}

static void set_frozen(const char *key, bool frozen)
{
        struct fake_container *f = find(key);

        if (f)
                f->frozen = frozen;
}

/* --- begin --- */

static bool needs_command(enum op_kind kind)
{
        return kind != OP_KILL && kind != OP_PIDS && kind != OP_PS && kind != OP_STATS;
}

static void fake_begin(struct op *op)
{
        sim_trace("%s of %s begins", op_kind_name(op->kind), op->container->key);
        op->waiting = true;
        if (sim.frozen)
                return;
        /* as the real one: what a kill does is done at once */
        if (op->kind == OP_KILL && !(percent(5) && !sim.kind)) {
                struct fake_process *p = op->process && op->process->pid ? host_find(op->process->pid) : NULL;

                if (!p || !p->alive) {
                        error_set(&op->error, REASON_PROCESS_FINISHED, "process already finished");
                        return;
                }
                p->dying |= op->signal == SIGKILL || percent(40);
                if (op->all && op->signal == SIGKILL)
                        host_kill_all(op->container->key, false);
                set_frozen(op->container->key, false);
        } else if (op->kind == OP_KILL) {
                error_set(&op->error, REASON_RUNTIME_FAILED, "the signal could not be sent");
        }
}

static void fake_cancel(struct op *op)
{
        struct error err = ERROR_NULL;

        if (!op->waiting)
                return;
        op->waiting = false;
        op->not_run = !op->command.data;
        error_set(&err, REASON_CANCELLED, "%s was given up", op_kind_name(op->kind));
        op_finish(op, &err);
}

static int fake_kill_rest(struct container *c)
{
        host_kill_all(c->key, false);
        return (int)host_count(c->key);
}

const struct runtime_driver runtime_oci = {
        .type = "oci", .begin = fake_begin, .cancel = fake_cancel, .kill_rest = fake_kill_rest
};
const struct runtime_driver runtime_runsc = {
        .type = "runsc", .begin = fake_begin, .cancel = fake_cancel, .kill_rest = fake_kill_rest
};

/* No cgroups here: an OOM is told by driver_oom(). */
void start_watch_oom(struct container *c)
{
}

int start_find_cgroup(struct container *c, pid_t pid, struct error *err)
{
        return 0;
}

/* Nobody shares a sandbox here. */
int runsc_sub_made(struct container *c, pid_t pid, struct error *err)
{
        return -1;
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

void driver_oom(struct container *c)
{
        struct oom_info info = { .cgroup = "/a", .limit = 4096, .usage = 4096, .victim_name = "" };
        struct happening h = { .oom = &info };

        container_event(c, CEV_OOM, &h);
        sim_settle();
}

/* --- end --- */

static void take(struct process *p, pid_t pid)
{
        struct pidref ref;
        struct exit_info info;

        p->pid = pid;
        if (percent(15)) {
                host_die(host_find(pid));
                host_find(pid)->seen = true;
        }
        if (pidref_open(&ref, pid) == 0) {
                process_attach(p, &ref);
                return;
        }
        host_fill_exit(host_find(pid), &info);
        p->start_time = host_find(pid)->start_time;
        process_ended(p, &info);
}

static void write_pid_file(const struct fake_command *cmd, pid_t pid)
{
        char path[sizeof(cmd->dir) + sizeof(cmd->name) + 1];
        FILE *f;

        snprintf(path, sizeof(path), "%s/%s", cmd->dir, cmd->name);
        f = fopen(path, "we");
        if (!f)
                return; /* its directory has gone */
        fprintf(f, "%d", (int)pid);
        fclose(f);
}

static pid_t effect(const struct fake_command *cmd)
{
        struct fake_container *f = find(cmd->key);

        switch (cmd->kind) {
        case OP_CREATE:
                return make_container(cmd->key, cmd->private_pid_ns, false);
        case OP_RESTORE:
                return make_container(cmd->key, cmd->private_pid_ns, true);
        case OP_START:
                start_container(cmd->key);
                return 0;
        case OP_EXEC:
                return f && alive(f->init_pid) ? host_spawn(cmd->key, cmd->exec_id)->pid : 0;
        case OP_PAUSE:
        case OP_RESUME:
                set_frozen(cmd->key, cmd->kind == OP_PAUSE);
                return 0;
        case OP_DELETE:
                delete_container(cmd->key);
                return 0;
        default:
                return 0;
        }
}

static void succeed(struct op *op, const struct fake_command *cmd)
{
        struct container *c = op->container;
        struct fake_container *f = find(c->key);
        pid_t pid = cmd ? effect(cmd) : 0;
        struct error err = ERROR_NULL;

        if (pid) {
                write_pid_file(cmd, pid);
                snprintf(op->process->pid_file, sizeof(op->process->pid_file), "%s", cmd->name);
                take(op->process, pid);
        }
        if (op->kind == OP_EXEC && !pid)
                error_set(&err, REASON_RUNTIME_FAILED, "cannot exec in a stopped container");
        if (op->kind == OP_PREPARE) {
                op->text = percent(60) ? spec_private : spec_shared;
                op->text_len = strlen(op->text);
        }
        if (op->kind == OP_STATE && f)
                op->status = !alive(f->init_pid) ? "stopped"
                             : f->frozen         ? "paused"
                             : f->started        ? "running"
                                                 : "created";
        if (op->kind == OP_STATS)
                op->stats = (struct stats_result){ .owner = "", .ns = c->params->ns, .id = c->params->id };
        if (op->kind == OP_DELETE)
                c->made = false;
        if (op->kind == OP_CLEAN)
                c->mounted = false;
        if (op->kind == OP_CHECKPOINT && ((const struct checkpoint_params *)c->checkpoint_request->params)->exit && f &&
            alive(f->init_pid))
                host_find(f->init_pid)->dying = true;
        op_finish(op, error_is_set(&err) ? &err : NULL);
}

static void fail(struct op *op, const struct fake_command *cmd)
{
        struct error err = ERROR_NULL;
        pid_t pid;

        if (percent(25)) {
                error_set(&err, REASON_RUNTIME_TIMEOUT, "OCI runtime %s took too long", op_kind_name(op->kind));
        } else {
                op->not_run = !cmd;
                error_set(&err, REASON_RUNTIME_FAILED, "OCI runtime %s failed", op_kind_name(op->kind));
        }
        if (cmd && op->kind != OP_DELETE && percent(40)) {
                pid = effect(cmd);
                if (pid && percent(50) && op->kind != OP_EXEC)
                        take(op->process, pid);
        }
        op_finish(op, &err);
}

static void start_command(struct op *op)
{
        struct fake_command *cmd = calloc(1, sizeof(*cmd));
        struct container *c = op->container;

        cmd->process = host_spawn(c->key, "!");
        cmd->kind = op->kind;
        cmd->private_pid_ns = c->private_pid_ns;
        snprintf(cmd->key, sizeof(cmd->key), "%s", c->key);
        snprintf(cmd->exec_id, sizeof(cmd->exec_id), "%s", op->process ? op->process->exec_id : "");
        snprintf(cmd->name, sizeof(cmd->name), "%s.pid", op->name);
        snprintf(cmd->dir, sizeof(cmd->dir), "%s", c->dir);
        op->command.data = cmd;
        op->command.spawn.pid.pidref =
                (struct pidref){ .pid = cmd->process->pid, .start_time = cmd->process->start_time, .fd = -1 };
        op->recorded = true;
        DL_APPEND(commands, cmd);
        container_persist_now(c);
        if (!sim.frozen)
                return;
        /* it waits at the gate until its record is written: never opened */
        host_die(cmd->process);
        DL_DELETE(commands, cmd);
        free(cmd);
        op->command.data = NULL;
}

static void command_free(struct fake_command *cmd)
{
        if (!cmd)
                return;
        host_die(cmd->process);
        DL_DELETE(commands, cmd);
        free(cmd);
}

static bool go_on(struct op *op)
{
        struct fake_command *cmd = op->command.data;

        if (needs_command(op->kind) && !cmd && !(percent(2) && !sim.kind)) {
                sim_trace("%s of %s runs", op_kind_name(op->kind), op->container->key);
                start_command(op);
                return true;
        }
        op->waiting = false;
        if (op->kind == OP_KILL)
                op_finish(op, error_is_set(&op->error) ? &op->error : NULL);
        else if (sim.kind || percent(85))
                succeed(op, cmd);
        else
                fail(op, cmd);
        sim_trace("%s of %s ends: %s", op_kind_name(op->kind), op->container->key, op->error.message);
        command_free(cmd);
        sim_settle();
        return true;
}

bool driver_step(void)
{
        struct container *c, *tmp;
        struct op *op, *found = NULL;
        struct fake_container *f;
        uint32_t n = 0;

        DL_FOREACH(containers, f)
                end_of_init(f);
        HASH_ITER(hh, sim.daemon->containers, c, tmp)
                DL_FOREACH(c->ops, op)
                        if (op->waiting && dice(++n) == 0)
                                found = op;
        return found && go_on(found);
}

/* --- commands whose daemon has died --- */

static void orphan_ends(struct fake_command *cmd)
{
        pid_t pid;

        sim_trace("%s of %s ends, of an earlier daemon", op_kind_name(cmd->kind), cmd->key);
        pid = percent(80) ? effect(cmd) : 0;
        if (pid)
                write_pid_file(cmd, pid);
        command_free(cmd);
}

/* Its operation was given up: its container has gone. */
static bool abandoned(const struct fake_command *cmd)
{
        struct container *c, *tmp;
        struct op *op;

        HASH_ITER(hh, sim.daemon->containers, c, tmp)
                DL_FOREACH(c->ops, op)
                        if (op->command.data == cmd)
                                return false;
        return true;
}

bool driver_orphans_step(void)
{
        struct fake_command *cmd, *found = NULL;
        uint32_t n = 0;

        DL_FOREACH(commands, cmd)
                if ((cmd->orphan || abandoned(cmd)) && dice(++n) == 0)
                        found = cmd;
        if (found)
                orphan_ends(found);
        return found;
}

void driver_daemon_died(void)
{
        struct fake_command *cmd;

        DL_FOREACH(commands, cmd)
                cmd->orphan = true;
}

void driver_reset(void)
{
        struct fake_command *cmd, *tmp;
        struct fake_container *f, *ftmp;

        DL_FOREACH_SAFE(commands, cmd, tmp)
                command_free(cmd);
        DL_FOREACH_SAFE(containers, f, ftmp) {
                DL_DELETE(containers, f);
                free(f);
        }
}
