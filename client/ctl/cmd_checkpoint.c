/* SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>
#include <string.h>
#include <unistd.h>
#include "client/ctl/commands.h"

static const struct option_desc options[] = {
        { 0, "image", "DIR", WORD_DIR, "where the checkpoint is written; made if it is not there" },
        { 0, "work", "DIR", WORD_DIR, "criu's work directory" },
        { 0, "parent", "DIR", WORD_DIR, "an earlier checkpoint on which this one builds" },
        { 0, "exit", NULL, WORD_ANY, "end the container after it" },
        { 0, "tcp-established", NULL, WORD_ANY, "allow open TCP connections" },
        { 0, "ext-unix-sk", NULL, WORD_ANY, "allow unix sockets to outside of the container" },
        { 0, "shell-job", NULL, WORD_ANY, "allow a terminal" },
        { 0, "file-locks", NULL, WORD_ANY, "allow file locks" },
        { 0 },
};

/* Paths go to the daemon, whose working directory is another. */
static const char *absolute(const char *path, char buf[PATH_MAX + LIMIT_PATH])
{
        char cwd[PATH_MAX];

        if (!path || path[0] == '/' || !getcwd(cwd, sizeof(cwd)))
                return path;
        snprintf(buf, PATH_MAX + LIMIT_PATH, "%s/%s", cwd, path);
        return buf;
}

static int run(struct ctl *ctl, const struct args *args)
{
        char id[LIMIT_ID + 1], image[PATH_MAX + LIMIT_PATH], work[PATH_MAX + LIMIT_PATH], parent[PATH_MAX + LIMIT_PATH];
        struct checkpoint_params params = {
                .owner = ctl->owner, .ns = ctl->ns, .id = id,
                .path = absolute(args_get(args, "image"), image),
                .work_path = absolute(args_get(args, "work"), work),
                .parent_path = absolute(args_get(args, "parent"), parent),
                .exit = args_has(args, "exit"),
                .open_tcp = args_has(args, "tcp-established"),
                .external_unix_sockets = args_has(args, "ext-unix-sk"),
                .terminal = args_has(args, "shell-job"),
                .file_locks = args_has(args, "file-locks"),
        };

        if (!params.path)
                return ctl_usage(ctl, args->verb, "--image DIR is missing");
        if (ctl_resolve(ctl, args->words[0], id) < 0)
                return ctl->failure;
        return ctl_do(ctl, METHOD_CHECKPOINT, &params, id);
}

const struct verb verb_checkpoint = {
        .name = "checkpoint",
        .synopsis = "--image DIR ID",
        .summary = "Write a checkpoint of a running container.",
        .options = options,
        .min_args = 1,
        .max_args = 1,
        .word = WORD_ID,
        .run = run,
};
