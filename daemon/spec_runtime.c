/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What the runtimes print: their logs, and the answers of ps, state and events. They are other people's programs of
 * many versions, so what is there is taken and what is absent is zero; only a wrong type is an error.
 */

#include "daemon/spec.h"

#include <inttypes.h>
#include <string.h>
#include "daemon/spec_json.h"

#define LOG_TAIL       (256 * 1024)                 /* only the end of a log is looked at */
#define LAST_WORDS_MAX 4000                         /* bytes of what is taken from it */
/* v1 counters without a limit are 2^63 - 1, rounded down to a page */
#define NO_LIMIT UINT64_C(0x7fffffffffff0000)

/* --- the log --- */
struct last_words {
        struct arena *arena;
        const char *text;
        bool is_error; /* text is of an error, or the head of a Go panic: only a later error may replace it */
};

/* Makes one line of it: control characters become spaces, none at the ends, not longer than people read. */
static const char *one_line(struct arena *a, const char *s, size_t n)
{
        char *line = arena_strndup(a, s, n < LAST_WORDS_MAX + 8 ? n : LAST_WORDS_MAX + 8);
        size_t len;

        if (!line)
                return "";
        text_clean(line, LAST_WORDS_MAX);
        for (char *p = line; *p; p++)
                if ((unsigned char)*p < ' ' || *p == 0x7f)
                        *p = ' ';
        for (len = strlen(line); len > 0 && line[len - 1] == ' '; len--)
                line[len - 1] = '\0';
        return line + strspn(line, " ");
}

static void say(struct last_words *w, const char *s, size_t n, bool is_error)
{
        const char *line;

        if (w->is_error && !is_error)
                return;
        line = one_line(w->arena, s, n);
        if (!*line)
                return;
        w->text = line;
        w->is_error = is_error;
}

static bool is_error_level(const char *level)
{
        return level && (strcmp(level, "error") == 0 || strcmp(level, "fatal") == 0 || strcmp(level, "panic") == 0);
}

/* The messages of the JSON objects at the beginning of a line (runsc ends none of them with a newline). Returns how
 * many bytes they are: 0 if the line is not JSON. */
static size_t read_messages(struct last_words *w, const char *line, size_t n)
{
        size_t used = 0;

        while (used < n && line[used] == '{') {
                json_error_t e;
                _cleanup_(json_decrefp) json_t *object = json_loadb(line + used, n - used, JSON_DISABLE_EOF_CHECK, &e);
                const json_t *msg;

                if (!object)
                        break;
                msg = json_object_get(object, "msg");
                if (json_is_string(msg))
                        say(w, json_string_value(msg), json_string_length(msg),
                            is_error_level(json_string_value(json_object_get(object, "level"))));
                used += (size_t)e.position;
                while (used < n && strchr(" \t\r", line[used]))
                        used++;
        }
        return used;
}

static bool begins(const char *line, size_t n, const char *prefix)
{
        return n >= strlen(prefix) && memcmp(line, prefix, strlen(prefix)) == 0;
}

const char *spec_runtime_error(const char *log, size_t len, struct arena *a)
{
        struct last_words w = { .arena = a, .text = "" };

        if (len > LOG_TAIL) {
                log += len - LOG_TAIL;
                len = LOG_TAIL;
        }
        while (len > 0) {
                const char *end = memchr(log, '\n', len);
                size_t n = end ? (size_t)(end - log) : len;
                size_t used = read_messages(&w, log, n);

                /* the last line of a Go program's traceback says nothing, the first says it all */
                if (used < n)
                        say(&w, log + used, n - used,
                            begins(log + used, n - used, "panic: ") || begins(log + used, n - used, "fatal error: "));
                n += end != NULL;
                log += n;
                len -= n;
        }
        return w.text;
}

/* --- ps and state --- */
int spec_pids_parse(const char *text, size_t len, struct arena *a, uint32_t **ret, size_t *ret_n, struct error *err)
{
        _cleanup_(json_decrefp) json_t *value =
                spec_load(text, len, REASON_RUNTIME_FAILED, "the runtime's list of processes", err);
        struct spec_node root = { .name = "the runtime's list of processes",
                                  .value = value,
                                  .reason = REASON_RUNTIME_FAILED };
        uint32_t *pids;
        size_t n;

        if (!value)
                return -1;
        n = json_array_size(value);
        if (!json_is_array(value) && !json_is_null(value)) /* null: an empty list of a Go program */
                return spec_wrong_type(&root, "an array", err);
        pids = arena_alloc(a, (n + 1) * sizeof(*pids));
        if (!pids)
                return spec_no_memory(err);
        for (size_t i = 0; i < n; i++) {
                struct spec_node entry = spec_entry(&root, i);
                json_int_t pid = json_integer_value(entry.value);

                if (!json_is_integer(entry.value) || pid <= 0 || pid > INT32_MAX)
                        return spec_wrong_type(&entry, "a process id", err);
                pids[i] = (uint32_t)pid;
        }
        *ret = pids;
        *ret_n = n;
        return 0;
}

int spec_state_parse(const char *text, size_t len, struct arena *a, const char **ret_status, int64_t *ret_pid,
                     struct error *err)
{
        _cleanup_(json_decrefp) json_t *value = spec_load(text, len, REASON_RUNTIME_FAILED, "the runtime's state", err);
        struct spec_node root = { .name = "the runtime's state", .value = value, .reason = REASON_RUNTIME_FAILED };
        json_int_t pid = 0;

        if (!value)
                return -1;
        if (spec_is_object(&root, err) < 0 || spec_get_str(&root, "status", a, ret_status, err) < 0 ||
            spec_get_int(&root, "pid", INT32_MIN, INT32_MAX, &pid, err) < 0)
                return -1;
        if (!**ret_status)
                return spec_missing(&root, "status", "created, running, paused or stopped", err);
        *ret_pid = pid;
        return 0;
}

int spec_wait_parse(const char *text, size_t len, uint32_t *ret, struct error *err)
{
        _cleanup_(json_decrefp) json_t *value =
                spec_load(text, len, REASON_RUNTIME_FAILED, "the runtime's exit status", err);
        struct spec_node root = { .name = "the runtime's exit status",
                                  .value = value,
                                  .reason = REASON_RUNTIME_FAILED };
        json_int_t status = -1;

        if (!value || spec_is_object(&root, err) < 0 || spec_get_int(&root, "exitStatus", 0, 255, &status, err) < 0)
                return -1;
        if (status < 0)
                return spec_missing(&root, "exitStatus", "a number from 0 to 255", err);
        *ret = (uint32_t)status;
        return 0;
}

/* --- statistics --- */
static uint64_t limit_or_zero(uint64_t limit)
{
        return limit >= NO_LIMIT ? 0 : limit;
}

static int read_mem(const struct spec_node *memory, const char *name, struct arena *a, struct mem_entry **ret,
                    struct error *err)
{
        struct spec_node node;
        struct mem_entry *m;

        if (spec_get_object(memory, name, &node, err) < 0)
                return -1;
        if (!node.value)
                return 0;
        m = arena_alloc(a, sizeof(*m));
        if (!m)
                return spec_no_memory(err);
        if (spec_get_u64(&node, "limit", &m->limit, err) < 0 || spec_get_u64(&node, "usage", &m->usage, err) < 0 ||
            spec_get_u64(&node, "max", &m->max, err) < 0 || spec_get_u64(&node, "failcnt", &m->failcnt, err) < 0)
                return -1;
        m->limit = limit_or_zero(m->limit);
        *ret = m;
        return 0;
}

static int add_kv(struct list_kv *list, const char *key, uint64_t value, struct arena *a, struct error *err)
{
        struct kv *kv = &list->items[list->n];

        kv->key = arena_strdup(a, key);
        kv->value = arena_printf(a, "%" PRIu64, value);
        if (!kv->key || !kv->value)
                return spec_no_memory(err);
        list->n++;
        return 0;
}

static size_t at_most(size_t n)
{
        return n < LIMIT_LIST ? n : LIMIT_LIST;
}

static int read_memory(const struct spec_node *data, struct arena *a, struct stats_result *ret, struct error *err)
{
        struct spec_node memory, raw;
        const char *key;
        json_t *value;

        if (spec_get_object(data, "memory", &memory, err) < 0 || read_mem(&memory, "usage", a, &ret->memory, err) < 0 ||
            read_mem(&memory, "swap", a, &ret->swap, err) < 0 ||
            read_mem(&memory, "kernel", a, &ret->kernel, err) < 0 ||
            read_mem(&memory, "kernelTCP", a, &ret->kernel_tcp, err) < 0 ||
            spec_get_object(&memory, "raw", &raw, err) < 0)
                return -1;
        ret->memory_stat.items = arena_alloc(a, at_most(json_object_size(raw.value)) * sizeof(struct kv));
        if (!ret->memory_stat.items)
                return spec_no_memory(err);
        json_object_foreach(raw.value, key, value)
        {
                uint64_t number;

                if (ret->memory_stat.n == LIMIT_LIST)
                        break;
                if (spec_get_u64(&raw, key, &number, err) < 0 || add_kv(&ret->memory_stat, key, number, a, err) < 0)
                        return -1;
        }
        return 0;
}

static int read_cpu(const struct spec_node *data, struct arena *a, struct stats_result *ret, struct error *err)
{
        struct spec_node cpu, usage, throttling, percpu;
        size_t n;

        if (spec_get_object(data, "cpu", &cpu, err) < 0 || spec_get_object(&cpu, "usage", &usage, err) < 0 ||
            spec_get_object(&cpu, "throttling", &throttling, err) < 0 ||
            spec_get_u64(&usage, "total", &ret->cpu_total_ns, err) < 0 ||
            spec_get_u64(&usage, "user", &ret->cpu_user_ns, err) < 0 ||
            spec_get_u64(&usage, "kernel", &ret->cpu_system_ns, err) < 0 ||
            spec_get_u64(&throttling, "periods", &ret->cpu_periods, err) < 0 ||
            spec_get_u64(&throttling, "throttledPeriods", &ret->cpu_throttled_periods, err) < 0 ||
            spec_get_u64(&throttling, "throttledTime", &ret->cpu_throttled_ns, err) < 0 ||
            spec_get_array(&usage, "percpu", &percpu, err) < 0)
                return -1;
        n = at_most(json_array_size(percpu.value));
        ret->cpu_per_cpu_ns.items = arena_alloc(a, n * sizeof(struct kv));
        if (!ret->cpu_per_cpu_ns.items)
                return spec_no_memory(err);
        for (size_t i = 0; i < n; i++) {
                struct spec_node entry = spec_entry(&percpu, i);
                char number[24];

                if (!json_is_integer(entry.value) || json_integer_value(entry.value) < 0)
                        return spec_wrong_type(&entry, "an integer that is not negative", err);
                snprintf(number, sizeof(number), "%zu", i);
                if (add_kv(&ret->cpu_per_cpu_ns, number, (uint64_t)json_integer_value(entry.value), a, err) < 0)
                        return -1;
        }
        return 0;
}

static int read_blkio_file(const struct spec_node *blkio, const char *name, const char *file, struct arena *a,
                           struct list_blkio_entry *list, struct error *err)
{
        struct spec_node array;

        if (spec_get_array(blkio, name, &array, err) < 0)
                return -1;
        for (size_t i = 0; i < json_array_size(array.value) && list->n < LIMIT_LIST; i++) {
                struct spec_node node = spec_entry(&array, i);
                struct blkio_entry *entry = &list->items[list->n];

                if (spec_is_object(&node, err) < 0 || spec_get_str(&node, "op", a, &entry->op, err) < 0 ||
                    spec_get_u64(&node, "major", &entry->major, err) < 0 ||
                    spec_get_u64(&node, "minor", &entry->minor, err) < 0 ||
                    spec_get_u64(&node, "value", &entry->value, err) < 0)
                        return -1;
                entry->file = file;
                list->n++;
        }
        return 0;
}

static int read_blkio(const struct spec_node *data, struct arena *a, struct list_blkio_entry *list, struct error *err)
{
        static const struct {
                const char *name, *file; /* in the statistics, in the cgroup */
        } files[] = {
                { "ioServiceBytesRecursive", "io_service_bytes_recursive" },
                { "ioServicedRecursive", "io_serviced_recursive" },
                { "ioQueueRecursive", "io_queued_recursive" },
                { "ioServiceTimeRecursive", "io_service_time_recursive" },
                { "ioWaitTimeRecursive", "io_wait_time_recursive" },
                { "ioMergedRecursive", "io_merged_recursive" },
                { "ioTimeRecursive", "time_recursive" },
                { "sectorsRecursive", "sectors_recursive" },
        };
        struct spec_node blkio;
        size_t n = 0;

        if (spec_get_object(data, "blkio", &blkio, err) < 0)
                return -1;
        for (size_t i = 0; i < ARRAY_SIZE(files); i++)
                n += json_array_size(json_object_get(blkio.value, files[i].name));
        list->items = arena_alloc(a, at_most(n) * sizeof(struct blkio_entry));
        if (!list->items)
                return spec_no_memory(err);
        for (size_t i = 0; i < ARRAY_SIZE(files); i++)
                if (read_blkio_file(&blkio, files[i].name, files[i].file, a, list, err) < 0)
                        return -1;
        return 0;
}

static int read_hugetlb(const struct spec_node *data, struct arena *a, struct list_hugetlb_entry *list,
                        struct error *err)
{
        struct spec_node hugetlb, node;
        const char *size;
        json_t *value;

        if (spec_get_object(data, "hugetlb", &hugetlb, err) < 0)
                return -1;
        list->items = arena_alloc(a, at_most(json_object_size(hugetlb.value)) * sizeof(struct hugetlb_entry));
        if (!list->items)
                return spec_no_memory(err);
        json_object_foreach(hugetlb.value, size, value)
        {
                struct hugetlb_entry *entry = &list->items[list->n];

                if (list->n == LIMIT_LIST)
                        break;
                entry->pagesize = arena_strdup(a, size);
                if (!entry->pagesize)
                        return spec_no_memory(err);
                if (spec_get_object(&hugetlb, size, &node, err) < 0 ||
                    spec_get_u64(&node, "usage", &entry->usage, err) < 0 ||
                    spec_get_u64(&node, "max", &entry->max, err) < 0 ||
                    spec_get_u64(&node, "failcnt", &entry->failcnt, err) < 0)
                        return -1;
                list->n++;
        }
        return 0;
}

static int read_interface(const struct spec_node *node, struct arena *a, struct net_entry *n, struct error *err)
{
        if (spec_is_object(node, err) < 0 || spec_get_str(node, "Name", a, &n->name, err) < 0 ||
            spec_get_u64(node, "RxBytes", &n->rx_bytes, err) < 0 ||
            spec_get_u64(node, "RxPackets", &n->rx_packets, err) < 0 ||
            spec_get_u64(node, "RxErrors", &n->rx_errors, err) < 0 ||
            spec_get_u64(node, "RxDropped", &n->rx_dropped, err) < 0 ||
            spec_get_u64(node, "TxBytes", &n->tx_bytes, err) < 0 ||
            spec_get_u64(node, "TxPackets", &n->tx_packets, err) < 0 ||
            spec_get_u64(node, "TxErrors", &n->tx_errors, err) < 0 ||
            spec_get_u64(node, "TxDropped", &n->tx_dropped, err) < 0)
                return -1;
        return 0;
}

static int read_network(const struct spec_node *data, struct arena *a, struct list_net_entry *list, struct error *err)
{
        struct spec_node interfaces;
        size_t n;

        if (spec_get_array(data, "network_interfaces", &interfaces, err) < 0)
                return -1;
        n = at_most(json_array_size(interfaces.value));
        list->items = arena_alloc(a, n * sizeof(struct net_entry));
        if (!list->items)
                return spec_no_memory(err);
        for (size_t i = 0; i < n; i++) {
                struct spec_node node = spec_entry(&interfaces, i);

                if (read_interface(&node, a, &list->items[i], err) < 0)
                        return -1;
                list->n++;
        }
        return 0;
}

int spec_stats_parse(const char *text, size_t len, struct arena *a, struct stats_result *ret, struct error *err)
{
        _cleanup_(json_decrefp) json_t *value =
                spec_load(text, len, REASON_RUNTIME_FAILED, "the runtime's statistics", err);
        struct spec_node root = { .name = "the runtime's statistics", .value = value, .reason = REASON_RUNTIME_FAILED };
        struct spec_node data, pids;

        if (!value)
                return -1;
        if (spec_is_object(&root, err) < 0 || spec_get_object(&root, "data", &data, err) < 0)
                return -1;
        if (!data.value) /* the data alone */
                data = root;
        if (read_cpu(&data, a, ret, err) < 0 || read_memory(&data, a, ret, err) < 0 ||
            spec_get_object(&data, "pids", &pids, err) < 0 ||
            spec_get_u64(&pids, "current", &ret->pids_current, err) < 0 ||
            spec_get_u64(&pids, "limit", &ret->pids_limit, err) < 0 || read_blkio(&data, a, &ret->blkio, err) < 0 ||
            read_hugetlb(&data, a, &ret->hugetlb, err) < 0 || read_network(&data, a, &ret->network, err) < 0)
                return -1;
        ret->pids_limit = limit_or_zero(ret->pids_limit);
        return 0;
}
