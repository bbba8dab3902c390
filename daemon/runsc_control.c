/* SPDX-License-Identifier: Apache-2.0 */

/* See runsc_control.h. Each request has a connection of its own, which takes 0.1 ms and is closed with the reply: an
 * idle one would delay the end of the sandbox. */

#include "daemon/runsc_control.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <utlist.h>
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "daemon/daemon.h"
#include "daemon/runsc_netns.h"
#include "daemon/runsc_sub.h"
#include "daemon/runsc_usage.h"
#include "daemon/runtime_oci.h"
#include "daemon/spec_urpc.h"
#include "daemon/stats.h"

/* --- connecting --- */

char *runsc_state_text(const struct container *c, size_t *ret_len)
{
        _cleanup_(fd_closep) int dir = open(c->runtime->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        char name[2 * LIMIT_ID + 32];
        char *text;

        snprintf(name, sizeof(name), "%s_sandbox:%s.state", c->params->id, c->sandbox_id);
        if (dir < 0 || fd_read_file(dir, name, RUNSC_STATE_MAX, &text, ret_len) < 0)
                return NULL;
        return text;
}

static int try_connect(struct container *c, enum urpc_scheme scheme, const char *name)
{
        _cleanup_(fd_closep) int sock = runsc_netns_socket(c->daemon->runsc_netns);
        int r;

        if (sock < 0)
                return sock;
        r = urpc_connect(sock, scheme, name);
        if (r < 0)
                return r;
        c->control.scheme = scheme;
        return TAKE_FD(sock);
}

/* The state file names the socket of the releases that have a file for it. */
static int find_socket(struct container *c)
{
        static const enum urpc_scheme schemes[] = { URPC_ABSTRACT_NUL, URPC_ABSTRACT };
        _cleanup_(freep) char *text = NULL;
        struct runsc_state state = { .socket = "" };
        size_t len = 0;
        int fd = -ENOENT;

        text = runsc_state_text(c, &len);
        if (!text || spec_runsc_state(text, len, c->arena, &state, NULL) < 0)
                return -ENOENT;
        if (state.socket[0]) {
                c->control.name = state.socket;
                return try_connect(c, URPC_FILE, state.socket);
        }
        c->control.name = c->sandbox_id;
        for (size_t i = 0; i < ARRAY_SIZE(schemes) && fd < 0; i++)
                fd = try_connect(c, schemes[i], c->control.name);
        return fd;
}

int runsc_connect(struct container *c)
{
        if (c->control.scheme != URPC_UNKNOWN)
                return try_connect(c, c->control.scheme, c->control.name);
        return find_socket(c);
}

/* --- asking --- */

bool runsc_ask(struct op *op, const char *text, uint64_t timeout_ns, urpc_done_fn done)
{
        int fd = text ? runsc_connect(op->container) : -ENOMEM;

        if (fd < 0)
                return false;
        if (!op->urpc_used)
                urpc_init(&op->urpc, op->container->daemon->loop);
        op->urpc_used = op->asked = true;
        urpc_open(&op->urpc, fd);
        urpc_call(&op->urpc, text, strlen(text), NULL, 0, timeout_ns, done);
        return true;
}

bool runsc_no_reply(const struct urpc_reply *reply, struct error *err)
{
        if (reply->errnum == 0)
                return false;
        if (reply->errnum == -EPIPE)
                error_set(err, REASON_RUNTIME_FAILED, "the sandbox has ended");
        else if (reply->errnum == -ETIMEDOUT)
                error_set(err, REASON_RUNTIME_TIMEOUT, "the sandbox did not answer within %u s",
                          (unsigned)(RUNSC_CALL_NS / NSEC_PER_SEC));
        else
                error_set_errno(err, REASON_RUNTIME_FAILED, reply->errnum, "talking to the sandbox");
        return true;
}

void runsc_done_reply(const struct urpc_reply *reply, struct error *err)
{
        if (!runsc_no_reply(reply, err))
                spec_urpc_empty(reply->text, reply->len, err);
}

static void ask_or(struct op *op, const char *text, urpc_done_fn done)
{
        if (!runsc_ask(op, text, RUNSC_CALL_NS, done))
                op->other(op);
}

/* What it does not know is done otherwise. */
static void finish(struct op *op, const struct error *err)
{
        urpc_close(&op->urpc);
        op->asked = false;
        if (err->reason == REASON_NOT_SUPPORTED)
                op->other(op);
        else
                op_finish(op, error_is_set(err) ? err : NULL);
}

/* --- signals --- */

void runsc_kill_reply(const struct urpc_reply *reply, struct error *err)
{
        runsc_done_reply(reply, err);
        if (reply->errnum == -EPIPE || strstr(err->message, "no such process") || oci_says_not_there(err->message))
                error_set(err, REASON_PROCESS_FINISHED, "process already finished");
}

static void kill_replied(struct urpc *u, struct urpc_reply *reply)
{
        struct op *op = container_of(u, struct op, urpc);
        struct error err = ERROR_NULL;

        runsc_kill_reply(reply, &err);
        finish(op, &err);
}

/* SIGKILL of a sandbox's own container goes to the sandbox process: runtime_runsc.c. */
static bool begin_kill(struct op *op)
{
        const struct process *p = op->process;
        enum spec_urpc_mode mode = op->all ? URPC_SIGNAL_ALL
                                   : op->foreground ? URPC_SIGNAL_FOREGROUND
                                                    : URPC_SIGNAL_PROCESS;

        if (!p || p->ended || !p->pid || (!process_is_init(p) && !p->internal_pid) ||
            (op->signal == SIGKILL && process_is_init(p) && !runsc_is_sub(op->container)))
                return false;
        return runsc_ask(op,
                         spec_urpc_signal(op->arena, op->container->params->id, op->signal,
                                          process_is_init(p) ? 0 : p->internal_pid, mode),
                         RUNSC_CALL_NS, kill_replied);
}

/* --- processes --- */

static const char *exec_of(const struct container *c, uint32_t pid)
{
        const struct process *p;

        DL_FOREACH(c->execs, p)
                if (p->internal_pid == pid && !p->ended)
                        return p->exec_id;
        return "";
}

static void rows_to_pids(struct op *op)
{
        size_t n = op->ps.rows.n;
        struct pid_info *items = arena_alloc(op->arena, (n + 1) * sizeof(*items));

        if (!items)
                abort(); /* no memory: see op_new */
        for (size_t i = 0; i < n; i++)
                items[i] = (struct pid_info){ .pid = op->ps.rows.items[i].pid,
                                              .exec_id = op->ps.rows.items[i].exec_id };
        op->pids.processes.items = items;
        op->pids.processes.n = n;
}

static void ps_replied(struct urpc *u, struct urpc_reply *reply)
{
        struct op *op = container_of(u, struct op, urpc);
        struct error err = ERROR_NULL;

        if (!runsc_no_reply(reply, &err) &&
            spec_urpc_ps(reply->text, reply->len, op->arena, &op->ps, &err) == 0) {
                for (size_t i = 0; i < op->ps.rows.n; i++)
                        op->ps.rows.items[i].exec_id = exec_of(op->container, op->ps.rows.items[i].pid);
                rows_to_pids(op);
        }
        finish(op, &err);
}

static bool begin_ps(struct op *op)
{
        return runsc_ask(op, spec_urpc_str(op->arena, "containerManager.Processes", op->container->params->id),
                         RUNSC_CALL_NS, ps_replied);
}

/* --- statistics --- */

static uint64_t part(uint64_t whole, const struct spec_urpc_cpu *cpu)
{
        return spec_urpc_cpu_share(cpu, whole, true);
}

/* The sandbox counts what its containers do; the host counts what the sandbox costs. CPU time is the host's, split as
 * the sandbox says; limits, throttling and OOM kills are the host's; memory in use and processes are the sandbox's. */
static void add_host(struct op *op, const struct spec_urpc_cpu *cpu)
{
        struct cgroup *cgroup = runsc_cgroup(op->container);
        struct stats_result *s = &op->stats, host = { .owner = "", .ns = "", .id = "" };
        struct error err = ERROR_NULL;

        if (!cgroup || stats_read_sandbox(cgroup, op->arena, &host, &err) < 0 || !host.cpu_total_ns) {
                s->cpu_total_ns = spec_urpc_cpu_share(cpu, 0, false);
                return;
        }
        s->cpu_total_ns = part(host.cpu_total_ns, cpu);
        s->cpu_user_ns = part(host.cpu_user_ns, cpu);
        s->cpu_system_ns = part(host.cpu_system_ns, cpu);
        s->cpu_periods = host.cpu_periods;
        s->cpu_throttled_periods = host.cpu_throttled_periods;
        s->cpu_throttled_ns = host.cpu_throttled_ns;
        s->oom_kill_disable = host.oom_kill_disable;
        s->under_oom = host.under_oom;
        s->oom_kill = host.oom_kill;
        s->memory_events = host.memory_events;
        if (s->memory && host.memory && !s->memory->limit) {
                s->memory->limit = host.memory->limit;
                s->memory->failcnt = host.memory->failcnt;
        }
        if (!s->pids_limit)
                s->pids_limit = host.pids_limit;
}

/* Of a sandbox that must not be trusted: reading could block, were it another filesystem's. */
static bool is_memory(int fd)
{
        struct statfs fs;
        struct stat st;

        return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && fstatfs(fd, &fs) == 0 && fs.f_type == TMPFS_MAGIC;
}

static void usage_replied(struct urpc *u, struct urpc_reply *reply)
{
        struct op *op = container_of(u, struct op, urpc);
        struct container *c = op->container;
        struct error none = ERROR_NULL;

        if (reply->errnum == 0 && reply->n_fds == 2 && is_memory(reply->fds[0]) && is_memory(reply->fds[1]) &&
            !c->init.ended) {
                runsc_usage_drop(c);
                for (size_t i = 0; i < 2; i++)
                        c->control.usage_fds[i] = TAKE_FD(reply->fds[i]);
        }
        if (runsc_usage(c, &op->stats.sandbox_memory))
                log_debug("container %s: the sandbox has given its memory to be looked at", c->key);
        finish(op, &none);
}

static bool ask_usage(struct op *op)
{
        struct container *c = op->container;

        if (runsc_is_sub(c) || c->init.ended)
                return false;
        if (runsc_usage(c, &op->stats.sandbox_memory) || c->control.usage_asked)
                return false;
        c->control.usage_asked = true;
        urpc_close(&op->urpc);
        return runsc_ask(op, spec_urpc_usage_fd(op->arena), RUNSC_CALL_NS, usage_replied);
}

static void stats_replied(struct urpc *u, struct urpc_reply *reply)
{
        struct op *op = container_of(u, struct op, urpc);
        struct container *c = op->container;
        struct error err = ERROR_NULL;
        struct spec_urpc_cpu cpu;

        op->stats = (struct stats_result){ .owner = c->params->owner, .ns = c->params->ns, .id = c->params->id };
        op->stats.cgroup_version = cgroup_host_version(c->daemon->cgroups) == 2 ? 2 : 1;
        op->stats.read_at = clock_realtime_ns();
        if (!runsc_no_reply(reply, &err) && spec_urpc_stats(reply->text, reply->len, c->params->id, op->arena,
                                                            &op->stats, &cpu, &err) == 0) {
                add_host(op, &cpu);
                if (ask_usage(op))
                        return;
        } else if (!c->control.event_takes_null && strstr(err.message, "cannot unmarshal string")) {
                c->control.event_takes_null = true;
                urpc_close(&op->urpc);
                ask_or(op, spec_urpc_null(op->arena, "containerManager.Event"), stats_replied);
                return;
        }
        finish(op, &err);
}

static bool begin_stats(struct op *op)
{
        static const char method[] = "containerManager.Event";

        return runsc_ask(op,
                         op->container->control.event_takes_null
                                 ? spec_urpc_null(op->arena, method)
                                 : spec_urpc_str(op->arena, method, op->container->params->id),
                         RUNSC_CALL_NS, stats_replied);
}

/* --- stacks --- */

static void stacks_replied(struct urpc *u, struct urpc_reply *reply)
{
        struct op *op = container_of(u, struct op, urpc);
        struct error err = ERROR_NULL;

        if (!runsc_no_reply(reply, &err))
                spec_urpc_text(reply->text, reply->len, op->arena, &op->text, &err);
        finish(op, &err);
}

bool runsc_control_begin(struct op *op, void (*other)(struct op *op))
{
        op->other = other;
        switch (op->kind) {
        case OP_KILL:
                return begin_kill(op);
        case OP_PIDS:
        case OP_PS:
                return begin_ps(op);
        case OP_STATS:
                return begin_stats(op);
        case OP_STACKS:
                return runsc_ask(op, spec_urpc_null(op->arena, "debug.Stacks"), RUNSC_CALL_NS, stacks_replied);
        default:
                return false;
        }
}
