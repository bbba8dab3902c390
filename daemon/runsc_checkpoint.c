/* SPDX-License-Identifier: Apache-2.0 */

/* See runsc_checkpoint.h. */

#include "daemon/runsc_checkpoint.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include "base/clock.h"
#include "base/fd.h"
#include "daemon/daemon.h"
#include "daemon/runsc_control.h"
#include "daemon/runsc_sub.h"
#include "daemon/runtime_oci.h"
#include "daemon/spec_urpc.h"

static void close_pair(struct op *op)
{
        op->give_fd[0] = fd_close(op->give_fd[0]);
        op->give_fd[1] = fd_close(op->give_fd[1]);
}

/* The connection has done its work; err: what the sandbox says against it. */
static struct op *take_reply(struct urpc *u, const struct urpc_reply *reply, struct error *err)
{
        struct op *op = container_of(u, struct op, urpc);

        runsc_done_reply(reply, err);
        urpc_close(u);
        op->asked = false;
        return op;
}

static void written(struct urpc *u, struct urpc_reply *reply)
{
        struct error err = ERROR_NULL;
        struct op *op = take_reply(u, reply, &err);

        if (error_is_set(&err))
                error_wrap(&err, "OCI runtime checkpoint failed");
        op_finish(op, error_is_set(&err) ? &err : NULL);
}

static int take_given(struct op *op)
{
        size_t n = 1;
        int fd = -1;
        char byte;

        if (fd_recv(op->give_fd[0], &byte, 1, &fd, &n, MSG_DONTWAIT) != 1 || n != 1)
                return -EPROTO;
        return fd;
}

static void given(struct command *cmd, const struct command_result *res)
{
        struct op *op = cmd->data;
        _cleanup_(fd_closep) int file = res->ok ? take_given(op) : -1;
        const char *text = spec_urpc_checkpoint(op->arena);
        struct error err = ERROR_NULL;
        int sock = -1;

        close_pair(op);
        if (!res->ok)
                command_error(res, "checkpoint", &err);
        else if (file < 0 || !text)
                error_set(&err, REASON_INTERNAL, "the helper gave no file");
        else if ((sock = runsc_connect(op->container)) < 0)
                error_set_errno(&err, REASON_RUNTIME_FAILED, sock, "the sandbox cannot be asked");
        if (error_is_set(&err)) {
                op_finish(op, &err);
                return;
        }
        if (!op->urpc_used)
                urpc_init(&op->urpc, op->container->daemon->loop);
        op->urpc_used = op->asked = true;
        urpc_open(&op->urpc, sock);
        urpc_call(&op->urpc, text, strlen(text), &file, 1, op->container->daemon->config->command_timeout_ns, written);
}

/* --- one that is to go on --- */

static void refuse_to_end_it(struct op *op)
{
        struct error err = ERROR_NULL;

        error_set(&err, REASON_NOT_SUPPORTED,
                  "this release of gVisor cannot leave a sandbox running of which it writes a checkpoint: "
                  "let the checkpoint end it, or use a later release");
        op_finish(op, &err);
}

static void probed(struct urpc *u, struct urpc_reply *reply)
{
        struct error err = ERROR_NULL;
        struct op *op = take_reply(u, reply, &err);

        if (reply->errnum)
                op_finish(op, &err);
        else if (err.reason == REASON_NOT_SUPPORTED)
                refuse_to_end_it(op);
        else
                oci_begin(op);
}

static void begin_leaving_running(struct op *op)
{
        const char *id = op->container->params->id;

        if (!runsc_ask(op, spec_urpc_str(op->arena, "containerManager.ContainerRuntimeState", id), RUNSC_CALL_NS,
                       probed))
                refuse_to_end_it(op);
}

bool runsc_checkpoint_begin(struct op *op)
{
        const struct container *c = op->container;
        const struct checkpoint_params *x = c->checkpoint_request ? c->checkpoint_request->params : NULL;
        struct spawn_inherit *inherit;
        int probe;

        if (op->kind != OP_CHECKPOINT || !x || c->state != CONTAINER_CHECKPOINTING || runsc_is_sub(c))
                return false;
        if (!x->exit) {
                begin_leaving_running(op);
                return true;
        }
        probe = runsc_connect(op->container);
        if (probe < 0)
                return false;
        fd_close(probe);
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, op->give_fd) < 0)
                return false;
        oci_helper(op, "image", x->path, COMMAND_CONTROL);
        inherit = arena_alloc(op->arena, sizeof(*inherit));
        if (!inherit)
                abort(); /* see op_new */
        *inherit = (struct spawn_inherit){ .fd = op->give_fd[1], .target = 3 };
        op->command.params.inherit = inherit;
        op->command.params.n_inherit = 1;
        oci_submit(op, given);
        return true;
}
