/* SPDX-License-Identifier: Apache-2.0 */
#include "client/ctl/commands.h"

static int one(struct ctl *ctl, const struct args *args, const char *id)
{
        struct start_params params = { .owner = ctl->owner, .ns = ctl->ns, .id = id };

        return ctl_do(ctl, METHOD_START, &params, id);
}

static int run(struct ctl *ctl, const struct args *args)
{
        return ctl_each_id(ctl, args, one);
}

const struct verb verb_start = {
        .name = "start",
        .synopsis = "ID...",
        .summary = "Start created containers.",
        .min_args = 1,
        .max_args = -1,
        .word = WORD_ID,
        .run = run,
};
