/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "client/ctl/commands.h"

static const struct option_desc options[] = {
        { 0, "exec", "EXEC", WORD_ANY, "of a process that exec added" },
        { 0 },
};

static void row(struct table *t, const char *name, const char *value)
{
        if (!value || !*value)
                return;
        table_row(t);
        table_cell(t, "%s", name);
        table_cell(t, "%s", value);
}

static void row_time(struct table *t, const char *name, uint64_t ns)
{
        char text[CLOCK_TEXT_MAX];

        if (ns > 0)
                row(t, name, clock_format_realtime(ns, text));
}

static void rows_of_process(struct table *t, const struct process_state *p, bool oom_killed)
{
        char text[64];

        row(t, "status", p->status);
        if (p->pid > 0) {
                snprintf(text, sizeof(text), "%u", p->pid);
                row(t, "pid", text);
        }
        row_time(t, "started", p->started_at);
        row_time(t, "ended", p->exited_at);
        if (p->exited_at > 0) {
                snprintf(text, sizeof(text), p->exit_known ? "%u" : "%u (unknown)", p->exit_status);
                row(t, "exit status", text);
        }
        if (oom_killed) {
                row(t, "out of memory", "yes");
                table_color(t, "red");
        }
        row(t, "cause", p->cause);
        row(t, "terminal", p->terminal ? "yes" : "");
        row(t, "stdin", p->stdin_path);
        row(t, "stdout", p->stdout_path);
        row(t, "stderr", p->stderr_path);
}

static int print_state(const struct ctl *ctl, const struct state_result *state)
{
        static const struct column columns[] = { { "" }, { "" } };
        struct table *t = table_new(columns, ARRAY_SIZE(columns), ctl->color);

        if (!t)
                return ctl_print_table(ctl, NULL);
        row(t, "owner", state->owner);
        row(t, "namespace", state->ns);
        row(t, "id", state->id);
        if (state->process)
                rows_of_process(t, state->process, state->oom_killed);
        row(t, "detail", state->detail);
        row(t, "runtime", state->runtime);
        row(t, "sandbox", state->sandbox);
        row(t, "bundle", state->bundle);
        row(t, "rootfs", state->rootfs);
        row(t, "cgroup", state->cgroup);
        row_time(t, "created", state->created_at);
        for (size_t i = 0; i < state->labels.n; i++) {
                table_row(t);
                table_cell(t, "label");
                table_cell(t, "%s=%s", state->labels.items[i].key, state->labels.items[i].value);
        }
        for (size_t i = 0; i < state->execs.n; i++) {
                table_row(t);
                table_cell(t, "exec");
                table_cell(t, "%s: %s, pid %u", state->execs.items[i].exec_id, state->execs.items[i].status,
                           state->execs.items[i].pid);
        }
        return ctl_print_table(ctl, t);
}

static int one(struct ctl *ctl, const struct args *args, const char *id)
{
        struct target target = { .owner = ctl->owner, .ns = ctl->ns, .id = id, .exec_id = args_get(args, "exec") };
        struct sandboxd_reply reply = SANDBOXD_REPLY_NULL;
        int status = ctl->failure;

        if (ctl_call(ctl, METHOD_STATE, &target, id, &reply) == 0) {
                status = 0;
                if (ctl->format == FORMAT_JSON)
                        ctl_print_json(&desc_state_result, reply.result);
                else
                        status = print_state(ctl, reply.result);
        }
        sandboxd_reply_clear(&reply);
        return status;
}

static int run(struct ctl *ctl, const struct args *args)
{
        return ctl_each_id(ctl, args, one);
}

const struct verb verb_state = {
        .name = "state",
        .aliases = "inspect",
        .synopsis = "ID...",
        .summary = "Show all that is known about containers.",
        .options = options,
        .min_args = 1,
        .max_args = -1,
        .word = WORD_ID,
        .run = run,
};
