/* SPDX-License-Identifier: Apache-2.0 */
#include "client/ctl/commands.h"
#include "client/ctl/units.h"

static const struct option_desc options[] = {
        { 's', "signal", "SIGNAL", WORD_SIGNAL, "name or number; TERM where none is given" },
        { 'a', "all", NULL, WORD_ANY, "to all processes of the container, not only its first" },
        { 0, "exec", "EXEC", WORD_ANY, "to a process that exec added" },
        { 0 },
};

static int one(struct ctl *ctl, const struct args *args, const char *id)
{
        const char *name = args_get(args, "signal");
        int signal = parse_signal(name ? name : "TERM");
        struct kill_params params = { .owner = ctl->owner, .ns = ctl->ns, .id = id, .exec_id = args_get(args, "exec"),
                                      .signal = (uint32_t)signal, .all = args_has(args, "all") };

        if (signal < 0)
                return ctl_usage(ctl, args->verb, "there is no signal '%s'; 'kill -l' lists them", name);
        return ctl_do(ctl, METHOD_KILL, &params, id);
}

static int run(struct ctl *ctl, const struct args *args)
{
        return ctl_each_id(ctl, args, one);
}

const struct verb verb_kill = {
        .name = "kill",
        .synopsis = "ID...",
        .summary = "Send a signal to containers.",
        .options = options,
        .min_args = 1,
        .max_args = -1,
        .word = WORD_ID,
        .run = run,
};
