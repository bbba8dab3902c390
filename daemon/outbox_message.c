/* SPDX-License-Identifier: Apache-2.0 */

/* A row for each kind of event that containerd knows: its topic, its type, and the function that fills the message in.
 */

#include "daemon/outbox_message.h"

#include <errno.h>
#include <string.h>
#include "base/clock.h"
#include "proto/codec.h"
#include "proto/shim.h"
#include "proto/shim/events.pb-c.h"
#include "proto/ttrpc.h"

#define EVENTS_SERVICE "containerd.services.events.ttrpc.v1.Events"

union message {
        ProtobufCMessage base;
        Shim__TaskCreate create;
        Shim__TaskStart start;
        Shim__TaskExit exit;
        Shim__TaskDelete del;
        Shim__TaskOOM oom;
        Shim__TaskExecAdded exec_added;
        Shim__TaskExecStarted exec_started;
        Shim__TaskPaused paused;
        Shim__TaskResumed resumed;
        Shim__TaskCheckpointed checkpointed;
};

/* What the messages point to. */
struct parts {
        struct arena *arena;
        Shim__Timestamp exited_at;
        Shim__TaskIO io;
};

static char *str(const char *s) /* protobuf-c's members are not const; packing does not write */
{
        return (char *)s;
}

static int fill_mounts(Shim__TaskCreate *m, const struct list_mount *mounts, struct arena *a)
{
        Shim__Mount *items = arena_alloc(a, (mounts->n + 1) * sizeof(*items));

        m->rootfs = arena_alloc(a, (mounts->n + 1) * sizeof(*m->rootfs));
        if (!items || !m->rootfs)
                return -ENOMEM;
        for (size_t i = 0; i < mounts->n; i++) {
                const struct mount *from = &mounts->items[i];

                shim__mount__init(&items[i]);
                items[i].type = str(from->type);
                items[i].source = str(from->source);
                items[i].target = str(from->target);
                items[i].options = (char **)from->options.items;
                items[i].n_options = from->options.n;
                m->rootfs[i] = &items[i];
        }
        m->n_rootfs = mounts->n;
        return 0;
}

static int fill_create(union message *m, const struct event *ev, struct parts *parts)
{
        shim__task_create__init(&m->create);
        shim__task_io__init(&parts->io);
        parts->io.stdin = str(ev->stdin_path);
        parts->io.stdout = str(ev->stdout_path);
        parts->io.stderr = str(ev->stderr_path);
        parts->io.terminal = ev->terminal;
        m->create.container_id = str(ev->id);
        m->create.bundle = str(ev->bundle);
        m->create.io = &parts->io;
        m->create.checkpoint = str(ev->checkpoint);
        m->create.pid = ev->pid;
        return fill_mounts(&m->create, &ev->rootfs, parts->arena);
}

static int fill_start(union message *m, const struct event *ev, struct parts *parts)
{
        shim__task_start__init(&m->start);
        m->start.container_id = str(ev->id);
        m->start.pid = ev->pid;
        return 0;
}

/* Of init and of added processes: the id is the process's, and init has that of its container. */
static int fill_exit(union message *m, const struct event *ev, struct parts *parts)
{
        shim__task_exit__init(&m->exit);
        shim_time(&parts->exited_at, ev->exited_at);
        m->exit.container_id = str(ev->id);
        m->exit.id = str(ev->exec_id[0] ? ev->exec_id : ev->id);
        m->exit.pid = ev->pid;
        m->exit.exit_status = ev->exit_status;
        m->exit.exited_at = &parts->exited_at;
        return 0;
}

static int fill_delete(union message *m, const struct event *ev, struct parts *parts)
{
        shim__task_delete__init(&m->del);
        shim_time(&parts->exited_at, ev->exited_at);
        m->del.container_id = str(ev->id);
        m->del.pid = ev->pid;
        m->del.exit_status = ev->exit_status;
        m->del.exited_at = &parts->exited_at;
        return 0;
}

static int fill_oom(union message *m, const struct event *ev, struct parts *parts)
{
        shim__task_oom__init(&m->oom);
        m->oom.container_id = str(ev->id);
        return 0;
}

static int fill_exec_added(union message *m, const struct event *ev, struct parts *parts)
{
        shim__task_exec_added__init(&m->exec_added);
        m->exec_added.container_id = str(ev->id);
        m->exec_added.exec_id = str(ev->exec_id);
        return 0;
}

static int fill_exec_started(union message *m, const struct event *ev, struct parts *parts)
{
        shim__task_exec_started__init(&m->exec_started);
        m->exec_started.container_id = str(ev->id);
        m->exec_started.exec_id = str(ev->exec_id);
        m->exec_started.pid = ev->pid;
        return 0;
}

static int fill_paused(union message *m, const struct event *ev, struct parts *parts)
{
        shim__task_paused__init(&m->paused);
        m->paused.container_id = str(ev->id);
        return 0;
}

static int fill_resumed(union message *m, const struct event *ev, struct parts *parts)
{
        shim__task_resumed__init(&m->resumed);
        m->resumed.container_id = str(ev->id);
        return 0;
}

static int fill_checkpointed(union message *m, const struct event *ev, struct parts *parts)
{
        shim__task_checkpointed__init(&m->checkpointed);
        m->checkpointed.container_id = str(ev->id);
        m->checkpointed.checkpoint = str(ev->checkpoint);
        return 0;
}

static const struct row {
        const char *topic, *type;
        int (*fill)(union message *m, const struct event *ev, struct parts *parts);
} rows[EVENT_N] = {
        [EVENT_CREATE] = { "/tasks/create", TYPE_EVENT("TaskCreate"), fill_create },
        [EVENT_START] = { "/tasks/start", TYPE_EVENT("TaskStart"), fill_start },
        [EVENT_EXIT] = { "/tasks/exit", TYPE_EVENT("TaskExit"), fill_exit },
        [EVENT_DELETE] = { "/tasks/delete", TYPE_EVENT("TaskDelete"), fill_delete },
        [EVENT_EXEC_ADDED] = { "/tasks/exec-added", TYPE_EVENT("TaskExecAdded"), fill_exec_added },
        [EVENT_EXEC_STARTED] = { "/tasks/exec-started", TYPE_EVENT("TaskExecStarted"), fill_exec_started },
        [EVENT_EXEC_EXIT] = { "/tasks/exit", TYPE_EVENT("TaskExit"), fill_exit },
        [EVENT_PAUSED] = { "/tasks/paused", TYPE_EVENT("TaskPaused"), fill_paused },
        [EVENT_RESUMED] = { "/tasks/resumed", TYPE_EVENT("TaskResumed"), fill_resumed },
        [EVENT_CHECKPOINTED] = { "/tasks/checkpointed", TYPE_EVENT("TaskCheckpointed"), fill_checkpointed },
        [EVENT_OOM] = { "/tasks/oom", TYPE_EVENT("TaskOOM"), fill_oom },
};

static int append_envelope(struct buf *out, uint32_t stream, const struct event *ev, const struct row *row,
                           Shim__Any *any)
{
        Shim__ForwardRequest request = SHIM__FORWARD_REQUEST__INIT;
        Shim__Envelope envelope = SHIM__ENVELOPE__INIT;
        Shim__Timestamp time = SHIM__TIMESTAMP__INIT;
        struct ttrpc_call call = { .service = EVENTS_SERVICE, .method = "Forward", .payload = &request.base };

        shim_time(&time, ev->time);
        envelope.timestamp = &time;
        envelope.namespace_ = str(ev->ns);
        envelope.topic = str(row->topic);
        envelope.event = any;
        request.envelope = &envelope;
        return ttrpc_append_request(out, stream, &call);
}

int outbox_append_event(struct buf *out, uint32_t stream, const struct event *ev)
{
        _cleanup_(arena_freep) struct arena *arena = NULL;
        int kind = event_kind_parse(ev->kind), r;
        Shim__Any any = SHIM__ANY__INIT;
        struct parts parts = { .exited_at = SHIM__TIMESTAMP__INIT };
        union message m;

        if (kind < 0 || !rows[kind].fill || !ev->id[0])
                return 0;
        arena = parts.arena = arena_new();
        if (!arena)
                return -ENOMEM;
        r = rows[kind].fill(&m, ev, &parts);
        if (r < 0)
                return r;
        r = shim_any_pack(&any, rows[kind].type, &m.base);
        if (r < 0)
                return r;
        r = append_envelope(out, stream, ev, &rows[kind], &any);
        free(any.value.data);
        return r < 0 ? r : 1;
}
