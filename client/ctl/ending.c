/* SPDX-License-Identifier: Apache-2.0 */
#include "client/ctl/ending.h"

#include <string.h>

static int say(const char *id, const struct exit_result *result)
{
        if (!result->exit_known)
                ctl_warn("%s: ended, and nobody knows how%s%s", id, result->cause[0] ? ": " : "", result->cause);
        else if (result->oom_killed)
                ctl_warn("%s: %s", id, result->cause[0] ? result->cause : "the kernel killed it for lack of memory");
        return (int)result->exit_status;
}

/* The exit in the log. true: found. */
static bool search(const struct events_result *events, const struct target *target, struct exit_result *ret)
{
        const char *kind = target->exec_id && target->exec_id[0] ? "exec-exit" : "exit";
        const char *ns = target->ns && target->ns[0] ? target->ns : "default";

        for (size_t i = 0; i < events->events.n; i++) {
                const struct event *e = &events->events.items[i];

                if (strcmp(e->kind, "oom") == 0 && strcmp(e->id, target->id) == 0)
                        ret->oom_killed = true;
                if (strcmp(e->kind, kind) != 0 || strcmp(e->id, target->id) != 0 ||
                    (strcmp(e->ns, ns) != 0 && e->ns[0]) ||
                    strcmp(e->exec_id, target->exec_id ? target->exec_id : "") != 0)
                        continue;
                ret->exit_known = e->exit_known;
                ret->exit_status = e->exit_status;
                ret->cause = e->message;
                return true;
        }
        return false;
}

static int status_from_log(struct ctl *ctl, const struct target *target, uint64_t since)
{
        struct events_params params = { .since = since, .only_owner = true, .owner = target->owner };
        struct sandboxd_reply reply = SANDBOXD_REPLY_NULL;
        struct exit_result result = { .cause = "" };

        for (;;) {
                const struct events_result *events;
                int status = -1;

                if (ctl_call(ctl, METHOD_EVENTS_READ, &params, target->id, &reply) < 0)
                        status = ctl->failure;
                events = reply.result;
                if (status < 0 && search(events, target, &result))
                        status = say(target->id, &result);
                else if (status < 0 && events->next > events->newest)
                        status = ctl_fail(ctl, "%s: it is gone, and the event log does not tell how it ended",
                                          target->id);
                else if (status < 0)
                        params.since = events->next;
                sandboxd_reply_clear(&reply);
                if (status >= 0)
                        return status;
        }
}

int ending_status(struct ctl *ctl, const struct target *target, const struct sandboxd_reply *end, uint64_t since)
{
        if (end->reason == 0)
                return say(target->id, end->result);
        if (since > 0 && (end->reason == REASON_NOT_FOUND || end->reason == REASON_PROCESS_NOT_FOUND ||
                          end->reason == REASON_CANCELLED))
                return status_from_log(ctl, target, since);
        return ctl_fail_reply(ctl, target->id, end);
}

int ending_of_failure(const struct sandboxd_reply *reply)
{
        if (reply->reason != REASON_RUNTIME_FAILED)
                return EXIT_CTL;
        if (strcasestr(reply->message, "not found in $PATH") ||
            strcasestr(reply->message, "no such file or directory") || strcasestr(reply->message, "not found"))
                return 127;
        if (strcasestr(reply->message, "permission denied") || strcasestr(reply->message, "exec format error") ||
            strcasestr(reply->message, "is a directory"))
                return 126;
        return EXIT_CTL;
}
