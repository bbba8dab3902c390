/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include "base/clock.h"
#include "client/ctl/commands.h"
#include "client/ctl/units.h"

static const struct option_desc options[] = {
        { 'A', "all-owners", NULL, WORD_ANY, "of every owner and namespace" },
        { 'q', "quiet", NULL, WORD_ANY, "ids only" },
        { 'l', "label", "KEY[=VALUE]", WORD_ANY, "only those with this label" },
        { 0 },
};

static bool has_label(const struct state_result *c, const char *wanted)
{
        size_t n = strcspn(wanted, "=");

        for (size_t i = 0; i < c->labels.n; i++) {
                const struct kv *label = &c->labels.items[i];

                if (strlen(label->key) == n && strncmp(label->key, wanted, n) == 0 &&
                    (!wanted[n] || strcmp(label->value, wanted + n + 1) == 0))
                        return true;
        }
        return false;
}

static void status_cell(struct table *t, const struct state_result *c)
{
        const struct process_state *p = c->process;
        char age[UNITS_TEXT_MAX];
        uint64_t now = clock_realtime_ns();

        if (!p) {
                table_cell(t, "%s", c->detail);
        } else if (strcmp(p->status, "stopped") == 0) {
                format_age(p->exited_at && now > p->exited_at ? (now - p->exited_at) / NSEC_PER_SEC : 0, age);
                if (!p->exit_known)
                        table_cell(t, "stopped (unknown) %s ago", age);
                else
                        table_cell(t, "stopped (%u%s) %s ago", p->exit_status, c->oom_killed ? ", out of memory" : "",
                                   age);
                if (c->oom_killed || !p->exit_known)
                        table_color(t, "red");
        } else {
                table_cell(t, "%s%s", p->status, c->oom_killed ? " (was out of memory)" : "");
                table_color(t, strcmp(p->status, "running") == 0 ? "green" : "yellow");
        }
}

static int print_table_of(const struct ctl *ctl, const struct list_result *list, bool all)
{
        static const struct column columns[] = {
                { "OWNER" }, { "NAMESPACE" }, { "ID" }, { "PID", .right = true }, { "STATUS" }, { "RUNTIME" },
                { "CREATED", .right = true }, { "BUNDLE", .truncate = true },
        };
        size_t skip = all ? 0 : 2;
        struct table *t = table_new(columns + skip, ARRAY_SIZE(columns) - skip, ctl->color);
        uint64_t now = clock_realtime_ns();

        for (size_t i = 0; t && i < list->containers.n; i++) {
                const struct state_result *c = &list->containers.items[i];
                char age[UNITS_TEXT_MAX];

                table_row(t);
                if (all) {
                        table_cell(t, "%s", c->owner[0] ? c->owner : "-");
                        table_cell(t, "%s", c->ns);
                }
                table_cell(t, "%s", c->id);
                table_cell(t, "%u", c->process ? c->process->pid : 0);
                status_cell(t, c);
                table_cell(t, "%s", c->runtime);
                table_cell(t, "%s", format_age(now > c->created_at ? (now - c->created_at) / NSEC_PER_SEC : 0, age));
                table_cell(t, "%s", c->bundle);
        }
        return ctl_print_table(ctl, t);
}

static int run(struct ctl *ctl, const struct args *args)
{
        bool all = args_has(args, "all-owners");
        struct list_params params = {
                .owner = ctl->owner, .ns = all && !args_has(args, "namespace") ? "" : ctl->ns, .all_owners = all};
        struct sandboxd_reply reply = SANDBOXD_REPLY_NULL;
        const char *label;
        struct list_result *list;
        size_t n = 0, next = 0;
        int status = 0;

        if (ctl_call(ctl, METHOD_LIST, &params, NULL, &reply) < 0) {
                sandboxd_reply_clear(&reply);
                return ctl->failure;
        }
        list = (struct list_result *)reply.result; /* ours: the reply's memory is */
        for (size_t i = 0; i < list->containers.n; i++) {
                bool keep = true;

                for (next = 0; (label = args_next(args, "label", &next));)
                        keep = keep && has_label(&list->containers.items[i], label);
                if (keep)
                        list->containers.items[n++] = list->containers.items[i];
        }
        list->containers.n = n;
        if (args_has(args, "quiet")) {
                for (size_t i = 0; i < n; i++)
                        printf("%s\n", list->containers.items[i].id);
        } else if (ctl->format == FORMAT_JSON) {
                out_list(stdout, &desc_state_result, list->containers.items, n, 0);
                putchar('\n');
        } else {
                status = print_table_of(ctl, list, all);
        }
        sandboxd_reply_clear(&reply);
        return status;
}

const struct verb verb_list = {
        .name = "list",
        .aliases = "ls",
        .synopsis = "",
        .summary = "List the containers.",
        .options = options,
        .run = run,
};
