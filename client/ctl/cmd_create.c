/* SPDX-License-Identifier: Apache-2.0 */
#include "client/ctl/commands.h"
#include "client/ctl/launch.h"

static const struct option_desc options[] = { OPTIONS_LAUNCH, { 0 } };

static int run(struct ctl *ctl, const struct args *args)
{
        _cleanup_(launch_deinitp) struct launch l;
        int status = ctl->failure;

        if (launch_prepare(&l, ctl, args, LAUNCH_NULL) < 0 || launch_create(&l, ctl, &status) < 0)
                return status;
        printf("%s\n", l.id);
        return 0;
}

const struct verb verb_create = {
        .name = "create",
        .synopsis = "{--rootfs DIR [ID] [-- COMMAND [ARG...]] | --bundle DIR [ID]}",
        .summary = "Create a container, for 'start' to start.",
        .text = "The options are those of run. Output is dropped, or goes to the file of --log.",
        .options = options,
        .max_args = -1,
        .word = WORD_ANY,
        .command = true,
        .run = run,
};
