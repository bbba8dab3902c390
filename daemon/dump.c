/* SPDX-License-Identifier: Apache-2.0 */

/* See dump.h. */

#include "daemon/dump.h"

#include <string.h>
#include <utlist.h>
#include "base/fd.h"
#include "base/log.h"
#include "daemon/daemon.h"
#include "daemon/owner.h"
#include "daemon/runtime.h"

static void dump_process(const struct process *p, struct buf *out)
{
        buf_printf(out, "  process \"%s\": %s pid %d start %llu ended %d status %u fds in %d out %d err %d", p->exec_id,
                   process_is_init(p) ? "init" : process_state_name(p->state), (int)p->pid,
                   (unsigned long long)p->start_time, p->ended, process_exit_status(p), p->stdio.stdin_writer,
                   p->stdio.keep_out, p->stdio.keep_err);
        if (p->in_sandbox)
                buf_printf(out, ", in the sandbox %u, awaited on %d", p->internal_pid, process_control_fd(p));
        if (p->last_signal)
                buf_printf(out, ", was sent signal %d by uid %u pid %d", p->last_signal, (unsigned)p->last_signal_uid,
                           (int)p->last_signal_pid);
        buf_printf(out, "\n");
}

static void dump_sandbox(const struct container *c, struct buf *out)
{
        static const char *const schemes[] = {
                [URPC_UNKNOWN] = "not asked yet",
                [URPC_FILE] = "a file",
                [URPC_ABSTRACT_NUL] = "an abstract socket",
                [URPC_ABSTRACT] = "an abstract socket",
        };

        buf_printf(out, "  sandbox %s, control: %s %s, %s\n", c->sandbox_id, schemes[c->control.scheme],
                   c->control.name ? c->control.name : "", c->control.holds ? "held still" : "not held");
}

void dump_container(const struct container *c, struct buf *out)
{
        const struct process *p;
        const struct op *op;

        buf_printf(out, "container %s: %s, wanted %s, runtime %s, cgroup %s\n", c->key, container_state_name(c->state),
                   wanted_name(c->wanted), c->runtime ? c->runtime->name : "?",
                   c->cgroup ? cgroup_path(c->cgroup) : "none");
        if (c->runtime)
                buf_printf(out, "  runtime %s, its state in %s, ours in %s\n", c->runtime->path, c->runtime->root,
                           c->dir);
        if (c->runtime && c->runtime->driver->shares_sandboxes)
                dump_sandbox(c, out);
        dump_process(&c->init, out);
        DL_FOREACH(c->execs, p)
                dump_process(p, out);
        DL_FOREACH(c->ops, op)
                buf_printf(out, "  in flight: %s, pid %d%s\n", op_kind_name(op->kind),
                           (int)op->command.spawn.pid.pidref.pid, op->asked ? ", the sandbox was asked" : "");
        if (error_is_set(&c->failure))
                buf_printf(out, "  failure: %s\n", c->failure.message);
        if (c->adopting)
                buf_printf(out, "  being taken over: %u commands of an earlier daemon run\n", c->adopting);
}

static void log_lines(struct buf *b)
{
        char *line, *rest = (char *)buf_head(b);

        buf_append(b, "", 1);
        if (b->failed)
                return;
        rest = (char *)buf_head(b);
        while ((line = strsep(&rest, "\n")) && *line)
                log_info("dump: %s", line);
}

void daemon_dump(struct daemon *d)
{
        const struct loop_stats *ls = loop_stats(d->loop);
        struct container *c, *tmp;

        log_info("dump: %u containers, %zu open requests, commands %zu running %zu waiting, event %llu, loop rounds "
                 "%llu stalls %llu "
                 "longest %llu us, orphans %zu, descriptors %d",
                 (unsigned)HASH_COUNT(d->containers), requests_n_open(d->requests), command_queue_running(d->commands),
                 command_queue_waiting(d->commands), (unsigned long long)eventlog_newest(d->events),
                 (unsigned long long)ls->rounds, (unsigned long long)ls->stalls,
                 (unsigned long long)(ls->stall_max_ns / 1000), reaper_n_orphans(d->reaper), fd_count());
        owners_dump(d->owners);
        HASH_ITER(hh, d->containers, c, tmp) {
                _cleanup_(buf_deinit) struct buf b = BUF_NULL;

                dump_container(c, &b);
                log_lines(&b);
        }
}
