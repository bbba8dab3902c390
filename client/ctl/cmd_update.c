/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/fd.h"
#include "client/ctl/commands.h"
#include "client/ctl/launch.h"

static const struct option_desc options[] = {
        OPTIONS_LIMITS,
        { 'r', "resources", "FILE", WORD_FILE, "all of linux.resources as JSON; -: from standard input" },
        { 0 },
};

static char *read_file(const struct ctl *ctl, const char *path)
{
        _cleanup_(fd_closep) int fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
        _cleanup_(buf_deinit) struct buf text = BUF_NULL;
        struct error err = ERROR_NULL;
        ssize_t n = fd < 0 ? -1 : 1;

        while (n > 0 && buf_len(&text) <= LIMIT_JSON) {
                uint8_t *room = buf_reserve(&text, 65536);

                n = room ? read(fd, room, 65536) : -1;
                buf_commit(&text, n > 0 ? (size_t)n : 0);
        }
        buf_append(&text, "", 1);
        if (n != 0 || text.failed)
                ctl_warn("%s: %s", path, n < 0 ? strerror(errno) : "more than 4 MiB");
        else if (spec_check((const char *)buf_head(&text), path, &err) < 0)
                ctl_warn("%s", err.message);
        else
                return strdup((const char *)buf_head(&text));
        return NULL;
}

static int one(struct ctl *ctl, const struct args *args, const char *id)
{
        struct update_params params = { .owner = ctl->owner, .ns = ctl->ns, .id = id };
        const char *path = args_get(args, "resources");
        _cleanup_(freep) char *resources = NULL;
        struct error err = ERROR_NULL;
        struct spec_limits limits;

        if (launch_limits(ctl, args, &limits) < 0)
                return ctl->failure;
        resources = path ? read_file(ctl, path) : spec_resources(&limits, &err);
        if (!resources)
                return ctl->failure;
        params.resources = (struct blob){ (const uint8_t *)resources, strlen(resources) };
        return ctl_do(ctl, METHOD_UPDATE, &params, id);
}

static int run(struct ctl *ctl, const struct args *args)
{
        if (args->n_given == 0)
                return ctl_usage(ctl, args->verb, "nothing to change: give a limit");
        return ctl_each_id(ctl, args, one);
}

const struct verb verb_update = {
        .name = "update",
        .synopsis = "ID...",
        .summary = "Change the limits of containers.",
        .options = options,
        .min_args = 1,
        .max_args = -1,
        .word = WORD_ID,
        .run = run,
};
