/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "client/ctl/commands.h"
#include "client/ctl/stats_pages.h"
#include "client/ctl/units.h"

static const struct option_desc options[] = {
        { 'i', "interval", "TIME", WORD_ANY, "how often; 1s where none is given" },
        { 0, "no-stream", NULL, WORD_ANY, "once, and no more" },
        { 'A', "all-owners", NULL, WORD_ANY, "of every owner and namespace (without ids)" },
        { 0 },
};

/* What is needed of the sample before: CPU use is between two. */
struct sample {
        char owner[LIMIT_ID + 1], ns[LIMIT_ID + 1], id[LIMIT_ID + 1];
        uint64_t cpu_ns, read_at;
};
struct samples {
        struct sample *items;
        size_t n;
};

static struct sample *sample_of(struct samples *samples, const struct target *target)
{
        struct sample *more;

        for (size_t i = 0; i < samples->n; i++) {
                struct sample *s = &samples->items[i];

                if (strcmp(s->id, target->id) == 0 && strcmp(s->ns, target->ns) == 0 &&
                    strcmp(s->owner, target->owner) == 0)
                        return s;
        }
        more = realloc(samples->items, (samples->n + 1) * sizeof(*more));
        if (!more)
                abort();
        samples->items = more;
        more += samples->n++;
        *more = (struct sample){ 0 };
        snprintf(more->owner, sizeof(more->owner), "%s", target->owner);
        snprintf(more->ns, sizeof(more->ns), "%s", target->ns);
        snprintf(more->id, sizeof(more->id), "%s", target->id);
        return more;
}

static double cpu_percent(struct sample *last, const struct stats_result *stats)
{
        double percent = -1;

        if (last->read_at > 0 && stats->read_at > last->read_at && stats->cpu_total_ns >= last->cpu_ns)
                percent =
                        100.0 * (double)(stats->cpu_total_ns - last->cpu_ns) / (double)(stats->read_at - last->read_at);
        last->cpu_ns = stats->cpu_total_ns;
        last->read_at = stats->read_at;
        return percent;
}

static void print_io(struct table *t, uint64_t in, uint64_t out)
{
        char a[UNITS_TEXT_MAX], b[UNITS_TEXT_MAX];

        table_cell(t, "%s / %s", format_size(in, a), format_size(out, b));
}

static void block_io(const struct stats_result *stats, uint64_t *in, uint64_t *out)
{
        *in = *out = 0;
        for (size_t i = 0; i < stats->blkio.n; i++) {
                const struct blkio_entry *e = &stats->blkio.items[i];

                if (e->file[0] && strcmp(e->file, "io_service_bytes_recursive") != 0)
                        continue;
                if (strcmp(e->op, "Read") == 0 || strcmp(e->op, "rbytes") == 0)
                        *in += e->value;
                if (strcmp(e->op, "Write") == 0 || strcmp(e->op, "wbytes") == 0)
                        *out += e->value;
        }
}

static void row(struct table *t, const struct stats_result *stats, double percent)
{
        const struct mem_entry none = { 0 }, *memory = stats->memory ? stats->memory : &none;
        char usage[UNITS_TEXT_MAX], limit[UNITS_TEXT_MAX];
        uint64_t in, out;

        table_row(t);
        table_cell(t, "%s", stats->id);
        if (percent >= 0)
                table_cell(t, "%.1f", percent);
        else
                table_cell(t, "-");
        table_cell(t, "%.1f s", (double)stats->cpu_total_ns / 1e9);
        table_cell(t, "%s / %s", format_size(memory->usage, usage),
                   memory->limit ? format_size(memory->limit, limit) : "-");
        if (memory->limit)
                table_cell(t, "%.1f", 100.0 * (double)memory->usage / (double)memory->limit);
        else
                table_cell(t, "-");
        table_cell(t, stats->pids_limit ? "%" PRIu64 " / %" PRIu64 : "%" PRIu64, stats->pids_current,
                   stats->pids_limit);
        block_io(stats, &in, &out);
        print_io(t, in, out);
        in = out = 0;
        for (size_t i = 0; i < stats->network.n; i++) {
                in += stats->network.items[i].rx_bytes;
                out += stats->network.items[i].tx_bytes;
        }
        print_io(t, in, out);
        table_cell(t, "%" PRIu64, stats->oom_kill);
        if (stats->oom_kill > 0)
                table_color(t, "red");
}

/* t NULL: JSON, or only a first sample if quiet. */
static void show(const struct stats_result *stats, struct samples *samples, struct table *t, bool quiet)
{
        double percent = cpu_percent(
                sample_of(samples, &(struct target){ .owner = stats->owner, .ns = stats->ns, .id = stats->id }), stats);

        if (t) {
                row(t, stats, percent);
        } else if (!quiet) {
                out_message(stdout, &desc_stats_result, stats, -1);
                putchar('\n');
        }
}

static int one(struct ctl *ctl, const struct target *target, struct samples *samples, struct table *t, bool quiet)
{
        struct sandboxd_reply reply = SANDBOXD_REPLY_NULL;
        int r = sandboxd_call(ctl->client, METHOD_STATS, target, ctl->timeout_ms, &reply), status = 0;

        if (r < 0)
                status = ctl_fail_reply(ctl, target->id, &reply);
        else
                show(reply.result, samples, t, quiet);
        sandboxd_reply_clear(&reply);
        return status;
}

static int each(struct ctl *ctl, const struct args *args, struct samples *samples, struct table *t, bool quiet)
{
        bool all = args_has(args, "all-owners");
        struct stats_all_params params = {
                .owner = ctl->owner, .ns = all ? "" : ctl->ns, .all_owners = all, .brief = t || quiet
        };
        struct stats_pages pages = { 0 };
        int status = 0, r;

        for (int i = 0; i < args->n_words; i++) {
                char id[LIMIT_ID + 1];
                struct target target = { .owner = ctl->owner, .ns = ctl->ns, .id = id };

                r = ctl_resolve(ctl, args->words[i], id) < 0 ? ctl->failure : one(ctl, &target, samples, t, quiet);
                status = r ? r : status;
        }
        if (args->n_words > 0)
                return status;
        r = ctl_stats_all(ctl, &params, &pages);
        for (size_t i = 0; i < pages.all.containers.n; i++)
                show(&pages.all.containers.items[i], samples, t, quiet);
        stats_pages_clear(&pages);
        return r < 0 ? ctl->failure : 0;
}

static int round_of(struct ctl *ctl, const struct args *args, struct samples *samples)
{
        static const struct column columns[] = {
                {"ID"},
                {"CPU %", .right = true},
                {"CPU TIME", .right = true},
                {"MEMORY / LIMIT", .right = true},
                {"MEM %", .right = true},
                {"PIDS", .right = true},
                {"BLOCK READ / WRITTEN", .right = true},
                {"NET RECEIVED / SENT", .right = true},
                {"OOM", .right = true},
        };
        struct table *t = ctl->format == FORMAT_TABLE ? table_new(columns, ARRAY_SIZE(columns), ctl->color) : NULL;
        int status = each(ctl, args, samples, t, false), r = 0;

        if (ctl->format == FORMAT_TABLE) {
                if (isatty(STDOUT_FILENO) && !args_has(args, "no-stream"))
                        fputs("\033[H\033[J", stdout);
                r = ctl_print_table(ctl, t);
        }
        fflush(stdout);
        return status ? status : r;
}

static int run(struct ctl *ctl, const struct args *args)
{
        bool stream = !args_has(args, "no-stream");
        struct samples samples = { 0 };
        int interval = 1000, status;

        if (ctl_option_duration(ctl, args, "interval", &interval) < 0)
                return ctl->failure;
        status = ctl->format == FORMAT_TABLE ? each(ctl, args, &samples, NULL, true) : 0;
        if (status == 0 && ctl->format == FORMAT_TABLE)
                poll(NULL, 0, interval);
        while (status == 0) {
                status = round_of(ctl, args, &samples);
                if (!stream)
                        break;
                poll(NULL, 0, interval);
        }
        free(samples.items);
        return status;
}

const struct verb verb_stats = {
        .name = "stats",
        .synopsis = "[ID...]",
        .summary = "Show what containers use.",
        .text = "Of all running ones where no id is given. CPU % is measured over the interval. With --format json "
                "each sample is\n"
                "one line with every counter. Without ids the counters are those of the host's cgroups, also for "
                "runsc.",
        .options = options,
        .max_args = -1,
        .word = WORD_ID,
        .run = run,
};
