/* SPDX-License-Identifier: Apache-2.0 */
#include "client/ctl/commands.h"

static const struct option_desc options[] = {
        {0, "list", NULL, WORD_ANY, "for programs: the verbs, or the options of a verb, with tabs between the columns"},
        {0},
};

static int run(struct ctl *ctl, const struct args *args)
{
        const struct verb *verb = args->n_words > 0 ? verb_find(args->words[0]) : NULL;

        if (args->n_words > 0 && !verb)
                return ctl_usage(ctl, args->verb, "there is no verb '%s'", args->words[0]);
        if (args_has(args, "list"))
                verb ? help_list_options(stdout, verb) : help_list_verbs(stdout);
        else
                verb ? help_verb(stdout, verb) : help_program(stdout);
        return 0;
}

const struct verb verb_help = {
        .name = "help",
        .synopsis = "[VERB]",
        .summary = "Explain a verb, or list them.",
        .options = options,
        .max_args = 1,
        .word = WORD_VERB,
        .run = run,
};
