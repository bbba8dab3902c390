/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include "base/clock.h"
#include "client/ctl/commands.h"
#include "client/ctl/units.h"

static void print_info(const struct info_result *info)
{
        char when[CLOCK_TEXT_MAX], stall[UNITS_TEXT_MAX];

        snprintf(stall, sizeof(stall), "%.1f ms", (double)info->loop_stall_max_ns / 1e6);
        printf("sandboxd       %s, pid %u, since %s%s\n", info->version, info->pid,
               clock_format_realtime(info->started_at, when), info->keeper ? "" : ", without keeper");
        printf("instance       %s\nroot           %s\nbundles        %s\n", info->instance, info->root, info->bundles);
        printf("kernel         %s, cgroup %s\n", info->kernel,
               info->cgroup_version == 12 ? "v1 (hybrid)" : info->cgroup_version == 2 ? "v2" : "v1");
        printf("containers     %" PRIu64 ", %" PRIu64 " processes\n", info->containers, info->processes);
        printf("connections    %" PRIu64 ", %" PRIu64 " open requests of %" PRIu64 "\n", info->connections,
               info->open_requests, info->requests);
        printf("commands       %" PRIu64 " running, %" PRIu64 " queued\n", info->commands_running,
               info->commands_queued);
        printf("loop           %" PRIu64 " rounds, %" PRIu64 " over 10 ms, the longest %s\n", info->loop_rounds,
               info->loop_stalls, stall);
        printf("descriptors    %" PRIu64 "\nnewest event   %" PRIu64 "\n\n", info->fds, info->event_seq);
        fflush(stdout);
}

static int print_runtimes(const struct ctl *ctl, const struct list_runtime_info *runtimes)
{
        static const struct column columns[] = {{"RUNTIME"}, {"TYPE"}, {"PATH"}, {"VERSION", .truncate = true}};
        struct table *t = table_new(columns, ARRAY_SIZE(columns), ctl->color);

        for (size_t i = 0; t && i < runtimes->n; i++) {
                const struct runtime_info *r = &runtimes->items[i];

                table_row(t);
                table_cell(t, "%s%s", r->name, r->is_default ? " (default)" : "");
                table_cell(t, "%s", r->type);
                table_cell(t, "%s", r->path);
                table_cell(t, "%s", r->available ? r->version : "not there");
                if (!r->available)
                        table_color(t, "red");
        }
        return ctl_print_table(ctl, t);
}

static int run(struct ctl *ctl, const struct args *args)
{
        struct sandboxd_reply reply = SANDBOXD_REPLY_NULL;
        int status = ctl->failure;

        if (ctl_call(ctl, METHOD_INFO, NULL, NULL, &reply) == 0) {
                const struct info_result *info = reply.result;

                status = 0;
                if (ctl->format == FORMAT_JSON) {
                        ctl_print_json(&desc_info_result, info);
                } else {
                        print_info(info);
                        status = print_runtimes(ctl, &info->runtimes);
                }
        }
        sandboxd_reply_clear(&reply);
        return status;
}

const struct verb verb_info = {
        .name = "info",
        .synopsis = "",
        .summary = "Show what the daemon is, how it does, and its runtimes.",
        .run = run,
};
