/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Start: a helper opens the client's FIFOs (that may hang) and gives them to us (where there are none, there is no
 * helper); they go to the sandbox with the request. The answer is looked at, the pid in it recorded, and only then is
 * it taken from the connection: killed in between, the next daemon finds it there. Then the wait is sent on the same
 * connection. So what may be on a connection that was kept follows from the record: without a pid the answer of the
 * start, with one that of the wait.
 *
 * Whether the wait was sent before we were killed is not known, so the next daemon asks on a new connection too, and
 * the first of both that tells a status is believed.
 */

#include "daemon/runsc_exec.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "daemon/daemon.h"
#include "daemon/lifecycle.h"
#include "daemon/runsc_control.h"
#include "daemon/runtime_oci.h"
#include "daemon/runtime_start.h"
#include "daemon/spec_urpc.h"

#define PATIENCE_NS (5 * NSEC_PER_SEC) /* for an answer that an earlier daemon may have asked for */

struct runsc_exec {
        struct process *process;
        int give_fd[2];      /* where we get the stdio, and the helper's end */
        struct urpc conn;    /* the start, then the wait */
        struct urpc again;   /* the wait, after a restart */
        bool conn_over, again_over;
        bool waited_for;     /* the wait was sent for certain */
        struct watch_timer patience;
};

static void patience_over(struct watch_timer *w);

static struct runsc_exec *exec_new(struct process *p)
{
        struct runsc_exec *x = calloc(1, sizeof(*x));

        if (!x)
                abort(); /* see op_new */
        x->process = p;
        x->give_fd[0] = x->give_fd[1] = -1;
        urpc_init(&x->conn, p->container->daemon->loop);
        urpc_init(&x->again, p->container->daemon->loop);
        watch_timer_init(&x->patience, p->container->daemon->loop, patience_over);
        p->runsc_exec = x;
        p->in_sandbox = true;
        return x;
}

void runsc_exec_free(struct process *p)
{
        struct runsc_exec *x = p->runsc_exec;

        if (!x)
                return;
        p->runsc_exec = NULL;
        fd_close(x->give_fd[0]);
        fd_close(x->give_fd[1]);
        urpc_close(&x->conn);
        urpc_close(&x->again);
        watch_timer_stop(&x->patience);
        free(x);
        process_keep(p); /* above us too: an open connection would hold up the end of the sandbox */
}

int runsc_exec_fd(const struct process *p)
{
        return p->runsc_exec ? p->runsc_exec->conn.fd : -1;
}

/* --- its end --- */

static void ended(struct process *p, bool known, int wait_status)
{
        const struct exit_info info = { .known = known,
                                        .wait_status = wait_status,
                                        .realtime_ns = clock_realtime_ns() };

        runsc_exec_free(p);
        process_ended(p, &info);
}

/* One of both connections will tell no more. */
static void one_over(struct runsc_exec *x)
{
        if (x->conn_over && x->again_over)
                ended(x->process, false, 0);
        else
                watch_timer_arm(&x->patience, PATIENCE_NS);
}

static void wait_told(struct runsc_exec *x, struct urpc *u, struct urpc_reply *reply)
{
        struct error err = ERROR_NULL;
        int64_t status = 0;

        if (reply->errnum == 0 && spec_urpc_number(reply->text, reply->len, &status, &err) == 0) {
                ended(x->process, true, (int)(status & 0xffff));
                return;
        }
        if (reply->errnum == -EPIPE && x->waited_for) { /* it ran for as long as its sandbox was there */
                ended(x->process, true, SIGKILL);
                return;
        }
        if (!runsc_no_reply(reply, &err) || reply->errnum != -EPIPE)
                log_info("container %s: process %s: %s", x->process->container->key, x->process->exec_id, err.message);
        urpc_close(u);
        x->conn_over |= u == &x->conn;
        x->again_over |= u == &x->again;
        one_over(x);
}

static void wait_replied(struct urpc *u, struct urpc_reply *reply)
{
        wait_told(container_of(u, struct runsc_exec, conn), u, reply);
}

static void again_replied(struct urpc *u, struct urpc_reply *reply)
{
        wait_told(container_of(u, struct runsc_exec, again), u, reply);
}

static void send_wait(struct runsc_exec *x, struct urpc *u, urpc_done_fn done)
{
        _cleanup_(arena_freep) struct arena *a = arena_new();
        const struct process *p = x->process;
        const char *text = a ? spec_urpc_wait_pid(a, p->container->params->id, p->internal_pid) : NULL;

        if (!text)
                abort(); /* see op_new */
        urpc_call(u, text, strlen(text), NULL, 0, 0, done);
}

/* --- its start --- */

static struct op *op_of(const struct process *p)
{
        struct op *op;

        DL_FOREACH(p->container->ops, op)
                if (op->kind == OP_EXEC && op->process == p)
                        return op;
        return NULL;
}

/* An op of ours waits for it, or nobody but the process itself: after a restart. */
static void start_over(struct process *p, const struct error *err)
{
        struct op *op = op_of(p);
        struct happening h = { .error = err };

        if (err)
                runsc_exec_free(p);
        if (op) {
                op->asked = false;
                op_finish(op, err);
                return;
        }
        process_event(p, err ? PEV_START_FAILED : PEV_START_OK, &h);
}

/* The answer is still on the connection. */
static void start_replied(struct urpc *u, struct urpc_reply *reply)
{
        struct runsc_exec *x = container_of(u, struct runsc_exec, conn);
        struct process *p = x->process;
        struct error err = ERROR_NULL;
        int64_t pid = 0;

        watch_timer_stop(&x->patience);
        if (!runsc_no_reply(reply, &err) && spec_urpc_number(reply->text, reply->len, &pid, &err) == 0 &&
            (pid <= 0 || pid > INT32_MAX))
                error_set(&err, REASON_RUNTIME_FAILED, "the sandbox told no pid");
        if (error_is_set(&err)) {
                error_wrap(&err, "OCI runtime exec failed");
                start_over(p, &err);
                return;
        }
        p->internal_pid = (uint32_t)pid;
        p->pid = p->container->init.pid; /* what the host sees of it */
        container_persist_now(p->container);
        urpc_consume(u);
        send_wait(x, &x->conn, wait_replied);
        x->waited_for = true;
        x->again_over = true;
        start_over(p, NULL);
}

/* --- its stdio --- */

static int take_given(struct runsc_exec *x, int fds[3], struct error *err)
{
        size_t n = 3;
        char byte;
        ssize_t r = fd_recv(x->give_fd[0], &byte, 1, fds, &n, MSG_DONTWAIT);

        x->give_fd[0] = fd_close(x->give_fd[0]);
        x->give_fd[1] = fd_close(x->give_fd[1]);
        if (r == 1 && n == 3)
                return 0;
        while (r >= 0 && n > 0)
                fd_close(fds[--n]);
        return error_set(err, REASON_INTERNAL, "the helper gave no descriptors");
}

static int make_terminal(struct process *p, int fds[3], struct error *err)
{
        int slave = stdio_make_terminal(&p->stdio);

        if (slave < 0)
                return error_set_errno(err, REASON_NO_RESOURCES, slave, "cannot make a terminal");
        process_keep(p);
        fd_close(fds[0]);
        fds[0] = slave;
        for (int i = 1; i < 3; i++)
                if (dup3(slave, fds[i], O_CLOEXEC) < 0)
                        return error_set_errno(err, REASON_NO_RESOURCES, errno, "cannot make a terminal");
        return 0;
}

static bool option_is_set(const struct runtime *rt, const char *name)
{
        bool set = false;

        for (size_t i = 0; i < rt->options.n; i++) {
                const char *option = rt->options.items[i] + strspn(rt->options.items[i], "-");
                size_t len = strlen(name);

                if (strncmp(option, name, len) == 0 && (!option[len] || option[len] == '='))
                        set = !option[len] || strcmp(option + len, "=true") == 0;
        }
        return set;
}

static const char *request_text(struct op *op, struct error *err)
{
        struct process *p = op->process;
        struct spec_urpc_exec x = {
                .id = op->container->params->id,
                .process = (const char *)p->spec.data,
                .process_len = p->spec.len,
                .terminal = p->paths.terminal,
                .net_raw = option_is_set(op->container->runtime, "net-raw"),
        };
        _cleanup_(freep) char *state = runsc_state_text(op->container, &x.state_len);
        const char *text;

        x.state = state;
        if (!state)
                x.state_len = 0;
        return spec_urpc_exec(op->arena, &x, &text, err) < 0 ? NULL : text;
}

/* fds: -1, or the process's own, which stay the caller's. */
static void send_start(struct op *op, const int fds[3], struct error *err)
{
        struct process *p = op->process;
        const char *text = error_is_set(err) ? NULL : request_text(op, err);

        op->asked = text != NULL;
        if (text) {
                urpc_call_peek(&p->runsc_exec->conn, text, strlen(text), fds, 3,
                               p->container->daemon->config->command_timeout_ns, start_replied);
                return;
        }
        if (p)
                runsc_exec_free(p);
        op_finish(op, err);
}

static void given(struct command *cmd, const struct command_result *res)
{
        struct op *op = cmd->data;
        struct process *p = op->process;
        struct runsc_exec *x = p ? p->runsc_exec : NULL;
        struct error err = ERROR_NULL;
        int fds[3] = { -1, -1, -1 };

        op->not_run = true;
        if (!x)
                error_set(&err, REASON_CANCELLED, "exec was given up");
        else if (!res->ok)
                command_error(res, "exec", &err);
        else if (take_given(x, fds, &err) == 0 && p->paths.terminal)
                make_terminal(p, fds, &err);
        send_start(op, fds, &err);
        for (int i = 0; i < 3; i++)
                fd_close(fds[i]);
}

/* Nothing of a client's has to be opened. And what is kept of it is with the keeper already, where it is found when we
 * are killed at the next instruction. */
static bool needs_nobody(const struct process *p)
{
        for (int i = 0; i < 3; i++)
                if (p->stdio.child[i].kind != SPAWN_STDIO_NULL)
                        return false;
        return !p->paths.terminal && keeper_link_queued(p->container->daemon->keeper) == 0;
}

static void begin_with_null(struct op *op)
{
        _cleanup_(fd_closep) int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        const int fds[3] = { null, null, null };
        struct error err = ERROR_NULL;

        op->not_run = true;
        container_persist_now(op->container); /* the connection is in it */
        if (null < 0)
                error_set_errno(&err, REASON_NO_RESOURCES, errno, "cannot open /dev/null");
        send_start(op, fds, &err);
}

static bool begin_with_helper(struct op *op)
{
        struct process *p = op->process;
        struct command *cmd = &op->command;
        struct spawn_inherit *inherit;
        int *give = p->runsc_exec->give_fd;

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, give) < 0) {
                runsc_exec_free(p);
                p->in_sandbox = false;
                return false;
        }
        oci_new_command(op, COMMAND_CONTROL);
        inherit = arena_alloc(op->arena, sizeof(*inherit));
        if (!inherit)
                abort(); /* see op_new */
        *inherit = (struct spawn_inherit){ .fd = give[1], .target = 3 };
        cmd->params.path = op->container->daemon->helper_path;
        cmd->params.inherit = inherit;
        cmd->params.n_inherit = 1;
        for (int i = 0; i < 3; i++)
                cmd->params.stdio[i] = p->stdio.child[i];
        cmd->on_ready = start_ready;
        command_arg(cmd, "sandboxd-helper");
        command_arg(cmd, "give");
        command_arg(cmd, "3");
        oci_submit(op, given);
        return true;
}

bool runsc_exec_begin(struct op *op)
{
        struct process *p = op->process;
        int fd = runsc_connect(op->container);

        if (fd < 0)
                return false;
        urpc_open(&exec_new(p)->conn, fd);
        process_keep(p);
        if (!needs_nobody(p))
                return begin_with_helper(op);
        begin_with_null(op);
        return true;
}

/* --- after a restart --- */

/* Nothing has come. */
static void patience_over(struct watch_timer *w)
{
        struct runsc_exec *x = container_of(w, struct runsc_exec, patience);
        struct error err = ERROR_NULL;

        if (x->process->internal_pid) {
                ended(x->process, false, 0);
                return;
        }
        error_set(&err, REASON_IN_DOUBT, "its start was interrupted by the end of the daemon");
        start_over(x->process, &err);
}

bool runsc_exec_adopt(struct process *p)
{
        struct container *c = p->container;
        int kept = process_kept_control(p), fd = p->internal_pid ? runsc_connect(c) : -1;
        struct runsc_exec *x;

        if (kept < 0 && fd < 0)
                return false;
        x = exec_new(p);
        urpc_open(&x->conn, kept);
        urpc_open(&x->again, fd);
        x->conn_over = kept < 0;
        x->again_over = fd < 0;
        if (kept >= 0 && !p->internal_pid) {
                urpc_await_peek(&x->conn, start_replied);
                watch_timer_arm(&x->patience, PATIENCE_NS);
                return true;
        }
        x->waited_for = p->state == PROCESS_RUNNING; /* written after the wait was sent */
        if (kept >= 0)
                urpc_await(&x->conn, 0, wait_replied);
        if (fd >= 0)
                send_wait(x, &x->again, again_replied);
        return true;
}
