/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <uthash.h>
#include "base/cleanup.h"
#include "client/ctl/commands.h"
#include "client/ctl/stats_pages.h"
#include "client/ctl/terminal.h"
#include "client/ctl/units.h"

#define BAR 12 /* columns */

static const struct option_desc options[] = {
        { 's', "sort", "KEY", WORD_ANY, "cpu, memory, pids, block, net or id; cpu where none is given" },
        { 'i', "interval", "TIME", WORD_ANY, "how often; 2s where none is given" },
        { 'c', "count", "N", WORD_ANY, "end after so many pictures" },
        { 'A', "all-owners", NULL, WORD_ANY, "of every owner and namespace" },
        { 0 },
};

enum key { KEY_CPU, KEY_MEMORY, KEY_PIDS, KEY_BLOCK, KEY_NET, KEY_ID, KEY_N };
static const char *const key_names[] = { "cpu", "memory", "pids", "block", "net", "id" };

/* The counters of one container when they were read last: what is shown is the rate between two. */
struct before {
        char key[3 * LIMIT_ID + 3];
        uint64_t cpu_ns, read_at, block, net;
        unsigned round;
        UT_hash_handle hh;
};

struct row {
        const struct stats_result *stats;
        double cpu, block, net; /* percent of one CPU, bytes per second; negative: not known yet */
};

struct top {
        struct ctl *ctl;
        enum key key;
        struct before *before;
        unsigned round;
        double cpus;
};

static uint64_t sum_block(const struct stats_result *s)
{
        uint64_t sum = 0;

        for (size_t i = 0; i < s->blkio.n; i++) {
                const struct blkio_entry *e = &s->blkio.items[i];

                if (strcmp(e->op, "rbytes") == 0 || strcmp(e->op, "wbytes") == 0 ||
                    (strcmp(e->file, "io_service_bytes_recursive") == 0 &&
                     (strcmp(e->op, "Read") == 0 || strcmp(e->op, "Write") == 0)))
                        sum += e->value;
        }
        return sum;
}

static uint64_t sum_net(const struct stats_result *s)
{
        uint64_t sum = 0;

        for (size_t i = 0; i < s->network.n; i++)
                sum += s->network.items[i].rx_bytes + s->network.items[i].tx_bytes;
        return sum;
}

static double rate(uint64_t now, uint64_t before, double seconds)
{
        return seconds > 0 && now >= before ? (double)(now - before) / seconds : -1;
}

static void measure(struct top *t, const struct stats_result *s, struct row *row)
{
        struct before *b;
        char key[sizeof(b->key)];
        uint64_t block = sum_block(s), net = sum_net(s);
        double seconds;

        snprintf(key, sizeof(key), "%s/%s/%s", s->owner, s->ns, s->id);
        HASH_FIND_STR(t->before, key, b);
        *row = (struct row){ .stats = s, .cpu = -1, .block = -1, .net = -1 };
        if (b) {
                seconds = s->read_at > b->read_at ? (double)(s->read_at - b->read_at) / 1e9 : 0;
                row->cpu = rate(s->cpu_total_ns, b->cpu_ns, seconds);
                row->cpu = row->cpu < 0 ? -1 : row->cpu / 1e7;
                row->block = rate(block, b->block, seconds);
                row->net = rate(net, b->net, seconds);
        } else {
                b = calloc(1, sizeof(*b));
                if (!b)
                        abort();
                memcpy(b->key, key, sizeof(key));
                HASH_ADD_STR(t->before, key, b);
        }
        b->cpu_ns = s->cpu_total_ns;
        b->read_at = s->read_at;
        b->block = block;
        b->net = net;
        b->round = t->round;
}

/* Those that have gone. */
static void forget(struct top *t, bool all)
{
        struct before *b, *tmp;

        HASH_ITER(hh, t->before, b, tmp)
        {
                if (!all && b->round == t->round)
                        continue;
                HASH_DEL(t->before, b);
                free(b);
        }
}

static double value_of(const struct row *r, enum key key)
{
        switch (key) {
        case KEY_CPU:
                return r->cpu;
        case KEY_MEMORY:
                return r->stats->memory ? (double)r->stats->memory->usage : 0;
        case KEY_PIDS:
                return (double)r->stats->pids_current;
        case KEY_BLOCK:
                return r->block;
        case KEY_NET:
                return r->net;
        case KEY_ID:
        case KEY_N:
                break;
        }
        return 0;
}

static int compare(const void *a, const void *b, void *data)
{
        const struct row *x = a, *y = b;
        const struct top *t = data;
        double u = value_of(x, t->key), v = value_of(y, t->key);

        if (u != v)
                return u < v ? 1 : -1;
        return strcmp(x->stats->id, y->stats->id);
}

/* "[#####       ]" of a share between 0 and 1. */
static const char *bar(double share, char text[BAR + 3])
{
        int n = (int)(share * BAR + 0.5);

        n = n < 0 ? 0 : n > BAR ? BAR : n;
        text[0] = '[';
        memset(text + 1, '#', (size_t)n);
        memset(text + 1 + n, ' ', (size_t)(BAR - n));
        memcpy(text + 1 + BAR, "]", 2);
        return text;
}

static void cell_rate(struct table *table, double v)
{
        char text[UNITS_TEXT_MAX];

        if (v < 0)
                table_cell(table, "-");
        else
                table_cell(table, "%s/s", format_size((uint64_t)v, text));
}

static void print_row(struct top *t, struct table *table, const struct row *r)
{
        const struct mem_entry none = { 0 }, *memory = r->stats->memory ? r->stats->memory : &none;
        double share = memory->limit ? (double)memory->usage / (double)memory->limit : 0;
        char text[BAR + 3], usage[UNITS_TEXT_MAX], limit[UNITS_TEXT_MAX];

        table_row(table);
        table_cell(table, "%s", r->stats->id);
        table_cell(table, "%s", bar(r->cpu / 100 / t->cpus, text));
        if (r->cpu < 0)
                table_cell(table, "-");
        else
                table_cell(table, "%.1f", r->cpu);
        table_cell(table, "%s", memory->limit ? bar(share, text) : "");
        table_cell(table, "%s / %s", format_size(memory->usage, usage),
                   memory->limit ? format_size(memory->limit, limit) : "-");
        table_cell(table, "%" PRIu64, r->stats->pids_current);
        cell_rate(table, r->block);
        cell_rate(table, r->net);
        table_cell(table, "%" PRIu64, r->stats->oom_kill);
        if (share > 0.9 || r->stats->oom_kill)
                table_color(table, "red");
}

static size_t screen_rows(void)
{
        struct winsize w;

        return isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_row > 4
                       ? (size_t)w.ws_row - 3
                       : SIZE_MAX;
}

static int picture(struct top *t, const struct stats_all_result *all)
{
        static const struct column columns[] = {
                { "ID" },
                { "" },
                { "CPU %", .right = true },
                { "" },
                { "MEMORY / LIMIT", .right = true },
                { "PIDS", .right = true },
                { "BLOCK", .right = true },
                { "NET", .right = true },
                { "OOM", .right = true },
        };
        struct table *table = table_new(columns, ARRAY_SIZE(columns), t->ctl->color);
        _cleanup_(freep) struct row *rows = calloc(all->containers.n + 1, sizeof(*rows));
        size_t room = screen_rows();

        if (!table || !rows)
                abort();
        t->round++;
        for (size_t i = 0; i < all->containers.n; i++)
                measure(t, &all->containers.items[i], &rows[i]);
        forget(t, false);
        qsort_r(rows, all->containers.n, sizeof(*rows), compare, t);
        for (size_t i = 0; i < all->containers.n && i < room; i++)
                print_row(t, table, &rows[i]);
        if (isatty(STDOUT_FILENO))
                fputs("\033[H\033[J", stdout);
        printf("%zu containers run; read in %.1f ms; sorted by %s\n", all->containers.n, (double)all->took_ns / 1e6,
               key_names[t->key]);
        return ctl_print_table(t->ctl, table);
}

/* --- keys: the first letter of what to sort by; q --- */

/* Signals are keys too: so that the terminal is always given back as it was. */
static void keys_begin(struct terminal *t)
{
        struct termios keys;

        if (!isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO) || terminal_raw(t, STDIN_FILENO) < 0)
                return;
        keys = t->saved;
        keys.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG);
        (void)tcsetattr(STDIN_FILENO, TCSANOW, &keys);
}

/* Waits for the time of the next picture, or for a key. False: it was one to end with. */
static bool await(struct top *t, const struct terminal *keys, int ms)
{
        struct pollfd p = { .fd = keys->fd, .events = POLLIN }; /* -1: only the time */
        char key;

        if (poll(&p, 1, ms) <= 0)
                return true;
        if (read(keys->fd, &key, 1) <= 0 || key == 'q' || key == '\003')
                return false;
        for (int k = 0; k < KEY_N; k++)
                if (key == key_names[k][0])
                        t->key = (enum key)k;
        return true;
}

static int read_options(struct ctl *ctl, const struct args *args, struct top *t, int *interval, uint64_t *count)
{
        const char *sort = args_get(args, "sort");

        if (ctl_option_duration(ctl, args, "interval", interval) < 0 ||
            ctl_option_u64(ctl, args, "count", UINT32_MAX, count) < 0)
                return -1;
        for (int k = 0; sort && k < KEY_N; k++) {
                if (strcmp(sort, key_names[k]) == 0) {
                        t->key = (enum key)k;
                        sort = NULL;
                }
        }
        if (sort)
                ctl_fail(ctl, "cannot sort by \"%s\": give cpu, memory, pids, block, net or id", sort);
        return sort ? -1 : 0;
}

static int run(struct ctl *ctl, const struct args *args)
{
        bool all = args_has(args, "all-owners");
        const struct stats_all_params params = {
                .owner = ctl->owner, .ns = all ? "" : ctl->ns, .all_owners = all, .brief = true
        };
        long cpus = sysconf(_SC_NPROCESSORS_ONLN);
        struct top t = { .ctl = ctl, .cpus = cpus > 0 ? (double)cpus : 1 };
        uint64_t count = 0;
        struct terminal keys = TERMINAL_NULL;
        int interval = 2000, status = 0;

        if (read_options(ctl, args, &t, &interval, &count) < 0)
                return ctl->failure;
        keys_begin(&keys);
        for (uint64_t n = 0; status == 0 && (count == 0 || n < count); n++) {
                struct stats_pages pages = { 0 };

                /* the second picture is soon there: the first has no rates */
                if (n > 0 && !await(&t, &keys, n == 1 && interval > 500 ? 500 : interval))
                        break;
                if (ctl_stats_all(ctl, &params, &pages) < 0)
                        status = ctl->failure;
                else if (ctl->format == FORMAT_JSON)
                        ctl_print_json(&desc_stats_all_result, &pages.all);
                else
                        status = picture(&t, &pages.all);
                fflush(stdout);
                stats_pages_clear(&pages);
        }
        terminal_restore(&keys);
        forget(&t, true);
        return status;
}

const struct verb verb_top = {
        .name = "top",
        .synopsis = "",
        .summary = "Show which containers use most, again and again.",
        .text = "The first bar is the share of all CPUs, the second that of the memory limit. The counters are those\n"
                "of the host's cgroups, also for runsc: what the sandbox as a whole costs. A container without a\n"
                "cgroup of its own is not shown. In a terminal the first letter of a key sorts by it, and q ends.",
        .options = options,
        .run = run,
};
