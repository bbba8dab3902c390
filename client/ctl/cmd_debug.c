/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include "client/ctl/commands.h"

/* What a sandbox has written goes to a terminal: control characters do not. */
static void print_plain(const char *text)
{
        for (; *text; text++)
                putchar((unsigned char)*text < ' ' && *text != '\n' && *text != '\t' ? '?' : *text);
}

static int one(struct ctl *ctl, const struct args *args, const char *id)
{
        struct target target = { .owner = ctl->owner, .ns = ctl->ns, .id = id };
        struct sandboxd_reply reply = SANDBOXD_REPLY_NULL;
        int r = ctl_call(ctl, METHOD_DEBUG, &target, id, &reply);

        if (r == 0 && ctl->format == FORMAT_JSON) {
                ctl_print_json(&desc_debug_result, reply.result);
        } else if (r == 0) {
                const struct debug_result *result = reply.result;

                print_plain(result->state);
                if (result->stacks[0])
                        printf("\nsandbox:\n");
                print_plain(result->stacks);
                if (result->no_stacks[0])
                        ctl_warn("%s: no stacks of the sandbox: %s", id, result->no_stacks);
        }
        sandboxd_reply_clear(&reply);
        return r < 0 ? ctl->failure : 0;
}

static int run(struct ctl *ctl, const struct args *args)
{
        return ctl_each_id(ctl, args, one);
}

const struct verb verb_debug = {
        .name = "debug",
        .synopsis = "ID...",
        .summary = "Show what the daemon knows of containers, and the stacks of their sandboxes.",
        .text = "For a bug report. The stacks are those of all goroutines of a gVisor sandbox that runs.",
        .min_args = 1,
        .max_args = -1,
        .word = WORD_ID,
        .run = run,
};
