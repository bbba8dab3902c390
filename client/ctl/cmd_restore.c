/* SPDX-License-Identifier: Apache-2.0 */
#include "client/ctl/commands.h"
#include "client/ctl/launch.h"

static const struct option_desc options[] = {
        { 0, "image", "DIR", WORD_DIR, "directory of the checkpoint" },
        OPTIONS_LAUNCH,
        { 0 },
};

static int run(struct ctl *ctl, const struct args *args)
{
        const char *path = args_get(args, "image");
        _cleanup_(freep) char *image = path ? ctl_realpath(ctl, path) : NULL;
        _cleanup_(launch_deinitp) struct launch l = { .stdio = STDIO_NULL };
        struct start_params start = { .owner = ctl->owner, .ns = ctl->ns };
        int status = ctl->failure;

        if (!path)
                return ctl_usage(ctl, args->verb, "--image DIR is missing");
        if (!image || launch_prepare(&l, ctl, args, LAUNCH_NULL) < 0)
                return ctl->failure;
        l.params.checkpoint = image;
        if (launch_create(&l, ctl, &status) < 0)
                return status;
        start.id = l.id;
        status = ctl_do(ctl, METHOD_START, &start, l.id);
        if (status == 0)
                printf("%s\n", l.id);
        return status;
}

const struct verb verb_restore = {
        .name = "restore",
        .synopsis = "--image DIR {--rootfs DIR [ID] [-- COMMAND [ARG...]] | --bundle DIR [ID]}",
        .summary = "Create a container from a checkpoint, and start it.",
        .text = "The bundle must be as it was. Output is dropped, or goes to the file of --log.",
        .options = options,
        .max_args = -1,
        .word = WORD_ANY,
        .command = true,
        .run = run,
};
