/* SPDX-License-Identifier: Apache-2.0 */

/* From containerd's requests to our parameters. Texts are those of the message: they live as long as it does. */

#include <string.h>
#include "client/shim/options.h"
#include "client/shim/task.h"
#include "proto/shim/task.pb-c.h"

int task_ask_target(const struct task_asked *asked, const void *message, union task_params *ret, struct error *err)
{
        const Shim__StateRequest *m = message; /* as WaitRequest */

        ret->target = (struct target){ .owner = asked->owner, .ns = asked->ns, .id = m->id, .exec_id = m->exec_id };
        return 0;
}

int task_ask_whole(const struct task_asked *asked, const void *message, union task_params *ret, struct error *err)
{
        const Shim__PidsRequest *m = message; /* as StatsRequest, ConnectRequest */

        ret->target = (struct target){ .owner = asked->owner, .ns = asked->ns, .id = m->id };
        return 0;
}

int task_ask_action(const struct task_asked *asked, const void *message, union task_params *ret, struct error *err)
{
        const Shim__PauseRequest *m = message; /* as ResumeRequest */

        ret->action = (struct action_params){
                .owner = asked->owner, .ns = asked->ns, .id = m->id, .request_id = asked->request_id
        };
        return 0;
}

static int copy_mounts(struct list_mount *ret, Shim__Mount *const *mounts, size_t n, struct arena *a, struct error *err)
{
        ret->items = arena_alloc(a, (n + 1) * sizeof(*ret->items));
        if (!ret->items)
                return error_set(err, REASON_NO_RESOURCES, "no memory for the mounts");
        for (ret->n = 0; ret->n < n; ret->n++) {
                const Shim__Mount *m = mounts[ret->n];

                ret->items[ret->n] = (struct mount){
                        .type = m->type,
                        .source = m->source,
                        .target = m->target,
                        .options = { .items = (const char **)(void *)m->options, .n = m->n_options },
                };
        }
        return 0;
}

int task_ask_create(const struct task_asked *asked, const void *message, union task_params *ret, struct error *err)
{
        const Shim__CreateTaskRequest *m = message;

        ret->create = (struct create_params){
                .owner = asked->owner,
                .ns = asked->ns,
                .id = m->id,
                .request_id = asked->request_id,
                .bundle = m->bundle,
                .terminal = m->terminal,
                .stdin_path = m->stdin,
                .stdout_path = m->stdout,
                .stderr_path = m->stderr,
                .checkpoint = m->checkpoint,
        };
        if (copy_mounts(&ret->create.rootfs, m->rootfs, m->n_rootfs, asked->arena, err) < 0)
                return -1;
        return options_apply(m->options, &ret->create, asked->arena, err);
}

int task_ask_start(const struct task_asked *asked, const void *message, union task_params *ret, struct error *err)
{
        const Shim__StartRequest *m = message;

        ret->start = (struct start_params){ .owner = asked->owner,
                                            .ns = asked->ns,
                                            .id = m->id,
                                            .exec_id = m->exec_id,
                                            .request_id = asked->request_id };
        return 0;
}

int task_ask_delete(const struct task_asked *asked, const void *message, union task_params *ret, struct error *err)
{
        const Shim__DeleteRequest *m = message;

        ret->delete = (struct delete_params){ .owner = asked->owner,
                                              .ns = asked->ns,
                                              .id = m->id,
                                              .exec_id = m->exec_id,
                                              .request_id = asked->request_id };
        return 0;
}

int task_ask_checkpoint(const struct task_asked *asked, const void *message, union task_params *ret, struct error *err)
{
        const Shim__CheckpointTaskRequest *m = message;

        ret->checkpoint = (struct checkpoint_params){
                .owner = asked->owner, .ns = asked->ns, .id = m->id, .request_id = asked->request_id, .path = m->path
        };
        return options_apply_checkpoint(m->options, &ret->checkpoint, asked->arena, err);
}

int task_ask_kill(const struct task_asked *asked, const void *message, union task_params *ret, struct error *err)
{
        const Shim__KillRequest *m = message;

        ret->kill = (struct kill_params){
                .owner = asked->owner,
                .ns = asked->ns,
                .id = m->id,
                .exec_id = m->exec_id,
                .request_id = asked->request_id,
                .signal = m->signal,
                .all = m->all && !m->exec_id[0],
        };
        return 0;
}

int task_ask_exec(const struct task_asked *asked, const void *message, union task_params *ret, struct error *err)
{
        const Shim__ExecProcessRequest *m = message;

        if (!m->spec)
                return error_set(err, REASON_INVALID_ARGUMENT, "exec %s: the process has no spec", m->exec_id);
        ret->exec = (struct exec_params){
                .owner = asked->owner,
                .ns = asked->ns,
                .id = m->id,
                .exec_id = m->exec_id,
                .request_id = asked->request_id,
                .spec = { .data = m->spec->value.data, .len = m->spec->value.len },
                .terminal = m->terminal,
                .stdin_path = m->stdin,
                .stdout_path = m->stdout,
                .stderr_path = m->stderr,
        };
        return 0;
}

int task_ask_resize(const struct task_asked *asked, const void *message, union task_params *ret, struct error *err)
{
        const Shim__ResizePtyRequest *m = message;

        ret->resize = (struct resize_params){ .owner = asked->owner,
                                              .ns = asked->ns,
                                              .id = m->id,
                                              .exec_id = m->exec_id,
                                              .width = m->width,
                                              .height = m->height };
        return 0;
}

int task_ask_close_io(const struct task_asked *asked, const void *message, union task_params *ret, struct error *err)
{
        const Shim__CloseIORequest *m = message;

        ret->action = (struct action_params){ .owner = asked->owner,
                                              .ns = asked->ns,
                                              .id = m->id,
                                              .exec_id = m->exec_id,
                                              .request_id = asked->request_id };
        return m->stdin ? 0 : 1;
}

int task_ask_update(const struct task_asked *asked, const void *message, union task_params *ret, struct error *err)
{
        const Shim__UpdateTaskRequest *m = message;

        if (!m->resources)
                return error_set(err, REASON_INVALID_ARGUMENT, "update %s: there are no resources in it", m->id);
        ret->update = (struct update_params){
                .owner = asked->owner,
                .ns = asked->ns,
                .id = m->id,
                .request_id = asked->request_id,
                .resources = { .data = m->resources->value.data, .len = m->resources->value.len },
        };
        return 0;
}
