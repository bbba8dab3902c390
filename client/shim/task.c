/* SPDX-License-Identifier: Apache-2.0 */

#include "client/shim/task.h"

#include <stdio.h>
#include <string.h>
#include "proto/shim/task.pb-c.h"

#define ROW(name, message, kind, method, ask, answer) \
        { name, &shim__##message##__descriptor, kind, method, task_ask_##ask, task_answer_##answer, NULL, false }

static const struct task_method methods[] = {
        ROW("State", state_request, TASK_CALL, METHOD_STATE, target, state),
        ROW("Create", create_task_request, TASK_CALL, METHOD_CREATE, create, create),
        { "Start", &shim__start_request__descriptor, TASK_CALL, METHOD_START, task_ask_start, task_answer_start, NULL,
          true },
        { "Delete", &shim__delete_request__descriptor, TASK_CALL, METHOD_DELETE, task_ask_delete, task_answer_delete,
          NULL, true },
        ROW("Pids", pids_request, TASK_CALL, METHOD_PIDS, whole, pids),
        ROW("Pause", pause_request, TASK_CALL, METHOD_PAUSE, action, done),
        ROW("Resume", resume_request, TASK_CALL, METHOD_RESUME, action, done),
        ROW("Checkpoint", checkpoint_task_request, TASK_CALL, METHOD_CHECKPOINT, checkpoint, done),
        ROW("Kill", kill_request, TASK_CALL, METHOD_KILL, kill, done),
        ROW("Exec", exec_process_request, TASK_CALL, METHOD_EXEC, exec, done),
        ROW("ResizePty", resize_pty_request, TASK_CALL, METHOD_RESIZE, resize, done),
        ROW("CloseIO", close_iorequest, TASK_CALL, METHOD_CLOSE_IO, close_io, done),
        ROW("Update", update_task_request, TASK_CALL, METHOD_UPDATE, update, done),
        ROW("Wait", wait_request, TASK_WAIT, METHOD_WAIT, target, wait),
        ROW("Stats", stats_request, TASK_CALL, METHOD_STATS, whole, stats),
        { "Connect", &shim__connect_request__descriptor, TASK_CALL, METHOD_STATE, task_ask_whole, task_answer_connect,
          task_forgive_connect, false },
        { "Shutdown", &shim__shutdown_request__descriptor, TASK_ACK, METHOD_N, NULL, task_answer_done, NULL, false },
};

const struct task_method *task_find(const char *name)
{
        for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
                if (strcmp(methods[i].name, name) == 0)
                        return &methods[i];
        return NULL;
}

/* A request in the wrong state is told from other failures by nobody but Kill and Start, and FailedPrecondition would
 * mean to a client that there is nothing to be done any more. */
static int code_of(const struct task_method *method, int reason, int code)
{
        if (reason == REASON_WRONG_STATE && method->method != METHOD_KILL && method->method != METHOD_START)
                return CODE_UNKNOWN;
        if (reason == REASON_STOPPED && method->method == METHOD_START)
                return CODE_FAILED_PRECONDITION;
        return code;
}

static const char *class_of(int code)
{
        static const char *const texts[] = {
                [CODE_INVALID_ARGUMENT] = "invalid argument",       [CODE_NOT_FOUND] = "not found",
                [CODE_ALREADY_EXISTS] = "already exists",           [CODE_FAILED_PRECONDITION] = "failed precondition",
                [CODE_UNIMPLEMENTED] = "not implemented",           [CODE_UNAVAILABLE] = "unavailable",
        };

        return code >= 0 && (size_t)code < ARRAY_SIZE(texts) ? texts[code] : NULL;
}

int task_answer_error(const struct task_answered *to, const struct task_method *method, int reason, int code,
                      const char *message)
{
        char text[ERROR_MESSAGE_MAX + 64];
        int c = method ? code_of(method, reason, code) : code;
        const char *class = class_of(c);

        if (!class)
                return ttrpc_append_error(to->out, to->stream, c, message);
        snprintf(text, sizeof(text), "%.*s: %s", ERROR_MESSAGE_MAX, message, class);
        return ttrpc_append_error(to->out, to->stream, c, text);
}

int task_answer_empty(const struct task_answered *to)
{
        return task_answer_done(to, NULL);
}
