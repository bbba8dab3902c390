/* SPDX-License-Identifier: Apache-2.0 */
#include "client/ctl/commands.h"

static const struct option_desc options[] = {
        { 0, "exec", "EXEC", WORD_ANY, "wait for a process that exec added" },
        { 0 },
};

static int one(struct ctl *ctl, const struct args *args, const char *id)
{
        struct target target = { .owner = ctl->owner, .ns = ctl->ns, .id = id, .exec_id = args_get(args, "exec") };
        struct sandboxd_reply reply = SANDBOXD_REPLY_NULL;
        int r = ctl_call_timeout(ctl, METHOD_WAIT, &target, id, args_has(args, "timeout") ? ctl->timeout_ms : -1,
                                 &reply);

        if (r == 0 && ctl->format == FORMAT_JSON) {
                ctl_print_json(&desc_exit_result, reply.result);
        } else if (r == 0) {
                const struct exit_result *result = reply.result;

                printf("%u\n", result->exit_status);
                if (!result->exit_known || result->oom_killed)
                        ctl_warn("%s: %s", id, result->cause);
        }
        sandboxd_reply_clear(&reply);
        return r < 0 ? ctl->failure : 0;
}

static int run(struct ctl *ctl, const struct args *args)
{
        return ctl_each_id(ctl, args, one);
}

const struct verb verb_wait = {
        .name = "wait",
        .synopsis = "ID...",
        .summary = "Wait until containers have ended, and print their exit statuses.",
        .text = "Without --timeout it waits for as long as it takes.",
        .options = options,
        .min_args = 1,
        .max_args = -1,
        .word = WORD_ID,
        .run = run,
};
