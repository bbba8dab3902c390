/* SPDX-License-Identifier: Apache-2.0 */
#include "client/ctl/commands.h"

static const struct option_desc options[] = {
        { 'f', "force", NULL, WORD_ANY, "kill it first, whatever it is doing; that it is gone already is fine" },
        { 0, "exec", "EXEC", WORD_ANY, "remove a process that exec added, instead of the container" },
        { 0 },
};

static int one(struct ctl *ctl, const struct args *args, const char *id)
{
        struct delete_params params = { .owner = ctl->owner, .ns = ctl->ns, .id = id, .exec_id = args_get(args, "exec"),
                                        .force = args_has(args, "force") };
        struct sandboxd_reply reply = SANDBOXD_REPLY_NULL;
        int r = sandboxd_call(ctl->client, METHOD_DELETE, &params, ctl->timeout_ms, &reply), status = 0;

        if (r < 0 && !(params.force && reply.reason == REASON_NOT_FOUND))
                status = ctl_fail_reply(ctl, id, &reply);
        sandboxd_reply_clear(&reply);
        return status;
}

static int run(struct ctl *ctl, const struct args *args)
{
        return ctl_each_id(ctl, args, one);
}

const struct verb verb_delete = {
        .name = "delete",
        .aliases = "rm",
        .synopsis = "ID...",
        .summary = "Remove stopped or created containers.",
        .options = options,
        .min_args = 1,
        .max_args = -1,
        .word = WORD_ID,
        .run = run,
};
