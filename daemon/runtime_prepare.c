/* SPDX-License-Identifier: Apache-2.0 */

/* Before the runtime and after it: the root filesystem is mounted, config.json read, and all of it undone. By helper
 * programs, as every one of these calls may block on a client's filesystem. */

#include <stdlib.h>
#include <string.h>
#include "base/buf.h"
#include "daemon/daemon.h"
#include "daemon/runtime_oci.h"

static void program_command(struct op *op, const char *path, enum command_class class)
{
        struct command *cmd = &op->command;

        oci_new_command(op, class);
        cmd->params.path = path;
        cmd->capture_output = cmd->capture_error = true;
        command_arg(cmd, path);
}

void oci_helper(struct op *op, const char *verb, const char *arg, enum command_class class)
{
        program_command(op, op->container->daemon->helper_path, class);
        command_arg(&op->command, verb);
        command_arg(&op->command, arg);
}

static void read_done(struct command *cmd, const struct command_result *res)
{
        struct op *op = cmd->data;
        struct error err = ERROR_NULL;

        if (!res->ok && res->spawned && !res->timed_out && !res->cancelled) {
                error_set(&err, REASON_INVALID_SPEC, "%s", res->error_text);
                op_finish(op, &err);
                return;
        }
        if (!res->ok) {
                command_error(res, "prepare", &err);
                op_finish(op, &err);
                return;
        }
        op->text = arena_strndup(op->arena, res->output, res->output_len);
        op->text_len = res->output_len;
        if (op->text && op->container->runtime->driver->adjust)
                op->container->runtime->driver->adjust(op);
        else
                op_finish(op, NULL);
}

static void read_spec(struct op *op)
{
        const char *path = arena_printf(op->arena, "%s/config.json", op->container->params->bundle);

        oci_helper(op, "read", path, COMMAND_CREATE);
        oci_submit(op, read_done);
}

static void mount_done(struct command *cmd, const struct command_result *res)
{
        struct op *op = cmd->data;
        struct error err = ERROR_NULL;

        if (res->ok) {
                read_spec(op);
                return;
        }
        command_error(res, "mount", &err);
        op_finish(op, &err);
}

static void mount_input(struct op *op)
{
        const struct list_mount *mounts = &op->container->params->rootfs;
        struct buf b = BUF_NULL;
        void *copy;

        for (size_t i = 0; i < mounts->n; i++) {
                const struct mount *m = &mounts->items[i];

                buf_append(&b, m->type, strlen(m->type) + 1);
                buf_append(&b, m->source, strlen(m->source) + 1);
                buf_append(&b, m->target, strlen(m->target) + 1);
                for (size_t k = 0; k < m->options.n; k++)
                        buf_printf(&b, "%s%s", k ? "," : "", m->options.items[k]);
                buf_append(&b, "", 1);
        }
        copy = arena_alloc(op->arena, buf_len(&b) + 1);
        if (!copy || b.failed)
                abort(); /* see op_new */
        memcpy(copy, buf_head(&b), buf_len(&b));
        op->command.input = copy;
        op->command.input_len = buf_len(&b);
        buf_deinit(&b);
}

void oci_prepare(struct op *op)
{
        const struct container *c = op->container;

        if (!c->params->rootfs.n) {
                read_spec(op);
                return;
        }
        program_command(op, c->daemon->mount_path, COMMAND_CREATE);
        command_argf(&op->command, "%s/rootfs", c->params->bundle);
        mount_input(op);
        oci_submit(op, mount_done);
}

static void bundle_done(struct command *cmd, const struct command_result *res)
{
        struct op *op = cmd->data;
        struct error err = ERROR_NULL;

        if (!res->ok)
                command_error(res, "cleaning", &err);
        op_finish(op, res->ok ? NULL : &err);
}

static void clean_bundle(struct op *op)
{
        const struct container *c = op->container;

        /* of a create that failed it is still the client's, who may try again */
        if (!c->params->remove_bundle || !c->create_published) {
                op_finish(op, NULL);
                return;
        }
        oci_helper(op, "rmtree", c->params->bundle, COMMAND_DELETE);
        oci_submit(op, bundle_done);
}

static void umount_done(struct command *cmd, const struct command_result *res)
{
        struct op *op = cmd->data;
        struct error err = ERROR_NULL;

        if (res->ok) {
                op->container->mounted = false;
                clean_bundle(op);
                return;
        }
        command_error(res, "unmount", &err);
        op_finish(op, &err);
}

void oci_clean(struct op *op)
{
        const struct container *c = op->container;

        if (!c->mounted) {
                clean_bundle(op);
                return;
        }
        oci_helper(op, "umount", arena_printf(op->arena, "%s/rootfs", c->params->bundle), COMMAND_DELETE);
        oci_submit(op, umount_done);
}
