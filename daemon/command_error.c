/* SPDX-License-Identifier: Apache-2.0 */

/* What the failure of a command is called, for who asked for it. */

#include <string.h>
#include <sys/wait.h>
#include "daemon/command.h"
#include "proto/proto.h"

static int error_not_spawned(const struct command_result *res, const char *what, struct error *err)
{
        enum reason reason = reason_of_errno(res->spawn_errno);

        if (strcmp(res->spawn_step, "exec") == 0)
                reason = REASON_UNKNOWN_RUNTIME;
        else if (strncmp(res->spawn_step, "open ", 5) == 0 && reason != REASON_NO_RESOURCES)
                reason = REASON_INVALID_ARGUMENT; /* a path of the client */
        return error_set_errno(err, (int)reason, res->spawn_errno, "OCI runtime %s failed: could not %s", what,
                               res->spawn_step);
}

int command_error(const struct command_result *res, const char *what, struct error *err)
{
        const char *sep = res->error_text[0] ? ": " : "";

        if (res->refused) {
                error_copy(err, res->refused);
                return error_wrap(err, "OCI runtime %s was not begun", what);
        }
        if (res->cancelled)
                return error_set(err, REASON_CANCELLED, "OCI runtime %s was cancelled", what);
        if (res->timed_out)
                return error_set(err, REASON_RUNTIME_TIMEOUT,
                                 "OCI runtime %s did not end before its deadline and was killed%s%s", what, sep,
                                 res->error_text);
        if (!res->spawned)
                return error_not_spawned(res, what, err);
        if (res->error_text[0])
                return error_set(err, REASON_RUNTIME_FAILED, "OCI runtime %s failed: %s", what, res->error_text);
        if (!res->exit.known)
                return error_set(err, REASON_RUNTIME_FAILED, "OCI runtime %s failed: its exit status is not known",
                                 what);
        if (WIFSIGNALED(res->exit.wait_status))
                return error_set(err, REASON_RUNTIME_FAILED, "OCI runtime %s failed: killed by signal %d", what,
                                 WTERMSIG(res->exit.wait_status));
        return error_set(err, REASON_RUNTIME_FAILED, "OCI runtime %s failed: exit status %d and no message", what,
                         WEXITSTATUS(res->exit.wait_status));
}
