/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "base/fd.h"
#include "client/ctl/commands.h"
#include "client/ctl/launch.h"

static const struct option_desc options[] = {
        { 0, "rootfs", "DIR", WORD_DIR, "root filesystem; 'rootfs' below the bundle where none is given" },
        { 'b', "bundle", "DIR", WORD_DIR, "write DIR/config.json, which must not be there, instead of printing it" },
        { 0, "id", "ID", WORD_ANY, "for the host name and the cgroup; made up where none is given" },
        OPTIONS_SPEC,
        { 0 },
};

static int run(struct ctl *ctl, const struct args *args)
{
        const char *bundle = args_get(args, "bundle"), *given = args_get(args, "rootfs"), *id = args_get(args, "id");
        _cleanup_(freep) char *rootfs = given ? ctl_realpath(ctl, given) : strdup("rootfs");
        _cleanup_(freep) char *config = NULL;
        _cleanup_(fd_closep) int fd = -1;
        char random[13], path[LIMIT_PATH + 32];
        int r;

        ctl_random_id(random);
        if (rootfs)
                config = launch_config(ctl, args, id ? id : random, rootfs, args->words);
        if (!config)
                return ctl->failure;
        if (!bundle) {
                printf("%s\n", config);
                return 0;
        }
        snprintf(path, sizeof(path), "%s/config.json", bundle);
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        r = fd < 0 ? -errno : fd_write_all(fd, config, strlen(config));
        return r < 0 ? ctl_fail(ctl, "cannot write %s: %s", path, strerror(-r)) : 0;
}

const struct verb verb_spec = {
        .name = "spec",
        .synopsis = "[COMMAND [ARG...]]",
        .summary = "Print a config.json made from options.",
        .text = "It is what run and create use for --rootfs. This verb does not need sandboxd.",
        .options = options,
        .max_args = -1,
        .word = WORD_ANY,
        .command = true,
        .run = run,
};
