/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include "base/atomicfile.h"
#include "base/fd.h"
#include "client/ctl/commands.h"
#include "client/ctl/stats_pages.h"
#include "proto/openmetrics.h"

static const struct option_desc options[] = {
        { 'o', "output", "FILE", WORD_FILE, "write to a file, which is replaced whole" },
        { 0 },
};

/* The textfile collector may read at any time: it sees the file as it was, or as it is. */
static int write_file(struct ctl *ctl, const char *file, const struct buf *text)
{
        const char *slash = strrchr(file, '/');
        _cleanup_(freep) char *dir = slash ? strndup(file, slash > file ? (size_t)(slash - file) : 1) : strdup(".");
        _cleanup_(fd_closep) int fd = dir ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
        int r = fd < 0 ? -errno
                       : atomicfile_write(fd, slash ? slash + 1 : file, buf_head(text), buf_len(text), 0644);

        return r < 0 ? ctl_fail(ctl, "cannot write %s: %s", file, strerror(-r)) : 0;
}

static int write_out(struct ctl *ctl, const struct args *args, const struct buf *text)
{
        const char *file = args_get(args, "output");

        if (file)
                return write_file(ctl, file, text);
        fwrite(buf_head(text), 1, buf_len(text), stdout);
        return fflush(stdout) == 0 ? 0 : ctl_fail(ctl, "cannot write the metrics: %m");
}

static int run(struct ctl *ctl, const struct args *args)
{
        const struct stats_all_params params = { .all_owners = true, .brief = true };
        struct sandboxd_reply info = SANDBOXD_REPLY_NULL;
        struct stats_pages stats = { 0 };
        _cleanup_(buf_deinit) struct buf text = BUF_NULL;
        int status = ctl->failure;

        if (ctl_stats_all(ctl, &params, &stats) == 0 &&
            ctl_call(ctl, METHOD_INFO, NULL, NULL, &info) == 0) {
                openmetrics_write(&text, info.result, &stats.all);
                status = text.failed ? ctl_fail(ctl, "no memory for the metrics") : write_out(ctl, args, &text);
        }
        sandboxd_reply_clear(&info);
        stats_pages_clear(&stats);
        return status;
}

const struct verb verb_metrics = {
        .name = "metrics",
        .synopsis = "",
        .summary = "Print the statistics of all containers and of the daemon as OpenMetrics text.",
        .text = "For Prometheus: run by a timer with --output, in the directory of its textfile collector.",
        .options = options,
        .run = run,
};
