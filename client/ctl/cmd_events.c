/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "base/clock.h"
#include "client/ctl/commands.h"
#include "client/ctl/units.h"

#define POLL_MS 60000U

static const struct option_desc options[] = {
        { 's', "since", "N", WORD_ANY, "from the event of this number on; the oldest where none is given" },
        { 'f', "follow", NULL, WORD_ANY, "go on with events as they happen" },
        { 0, "limit", "N", WORD_ANY, "stop after so many" },
        { 'A', "all-owners", NULL, WORD_ANY, "of every owner and namespace" },
        { 0 },
};

static bool wanted(const struct ctl *ctl, const struct args *args, const struct event *e)
{
        bool all = args_has(args, "all-owners");

        if (e->id[0] && (!all || args_has(args, "namespace")) && strcmp(e->ns, ctl->ns[0] ? ctl->ns : "default") != 0)
                return false;
        for (int i = 0; i < args->n_words; i++) {
                if (strncmp(e->id, args->words[i], strlen(args->words[i])) == 0)
                        return true;
        }
        return args->n_words == 0;
}

static void print_oom(const struct oom_info *oom)
{
        char usage[UNITS_TEXT_MAX], limit[UNITS_TEXT_MAX];

        printf(" limit of %s reached in %s, usage %s", format_size_exact(oom->limit, limit),
               oom->cgroup[0] ? oom->cgroup : "the host", format_size(oom->usage, usage));
        if (oom->victim_pid)
                printf(", killed %s (%u)", oom->victim_name, oom->victim_pid);
}

static void print_event(const struct ctl *ctl, const struct event *e)
{
        char when[CLOCK_TEXT_MAX];
        bool bad = strcmp(e->kind, "oom") == 0 || strcmp(e->kind, "warning") == 0 || strcmp(e->kind, "gap") == 0 ||
                   (e->pressure && strcmp(e->pressure->level, "none") != 0);

        if (ctl->format == FORMAT_JSON) {
                out_message(stdout, &desc_event, e, -1);
                putchar('\n');
                return;
        }
        printf("%s %" PRIu64 " %s%s%s", clock_format_realtime(e->time, when), e->seq,
               ctl->color && bad ? "\033[31m" : "", e->kind, ctl->color && bad ? "\033[m" : "");
        if (e->id[0])
                printf(" %s/%s%s%s", e->ns, e->id, e->exec_id[0] ? "/" : "", e->exec_id);
        if (e->pid)
                printf(" pid %u", e->pid);
        if (strcmp(e->kind, "exit") == 0 || strcmp(e->kind, "exec-exit") == 0)
                printf(e->exit_known ? " status %u" : " status unknown (%u)", e->exit_status);
        if (e->oom)
                print_oom(e->oom);
        if (e->lost)
                printf(" %" PRIu64 " events are missing", e->lost);
        if (e->message[0])
                printf(": %s", e->message);
        putchar('\n');
}

static int run(struct ctl *ctl, const struct args *args)
{
        bool follow = args_has(args, "follow");
        struct events_params params = { .only_owner = !args_has(args, "all-owners"), .owner = ctl->owner };
        struct sandboxd_reply reply = SANDBOXD_REPLY_NULL;
        uint64_t limit = UINT64_MAX, n = 0;
        int status = 0;
        bool more = true;

        if (ctl_option_u64(ctl, args, "since", UINT64_MAX - 1, &params.since) < 0 ||
            ctl_option_u64(ctl, args, "limit", UINT64_MAX, &limit) < 0)
                return ctl->failure;
        while (more && n < limit && status == 0) {
                const struct events_result *result;

                if (ctl_call_timeout(ctl, METHOD_EVENTS_READ, &params, NULL, follow ? -1 : ctl->timeout_ms, &reply) <
                    0) {
                        status = ctl->failure;
                } else {
                        result = reply.result;
                        for (size_t i = 0; i < result->events.n && n < limit; i++) {
                                if (!wanted(ctl, args, &result->events.items[i]))
                                        continue;
                                print_event(ctl, &result->events.items[i]);
                                n++;
                        }
                        fflush(stdout);
                        params.since = result->next;
                        more = follow || result->next <= result->newest;
                        params.timeout_ms = follow ? POLL_MS : 0;
                }
                sandboxd_reply_clear(&reply);
        }
        return status;
}

const struct verb verb_events = {
        .name = "events",
        .synopsis = "[ID...]",
        .summary = "Show the event log of the host.",
        .text = "Each event has a number; none is missing, but where a line says so. With ids (or what they begin "
                "with): only\n"
                "events of these containers.",
        .options = options,
        .max_args = -1,
        .word = WORD_ID,
        .run = run,
};
