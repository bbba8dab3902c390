/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "proto/openmetrics.h"
#include "tests/unit/unit.h"

static char *text_of(const struct info_result *info, const struct stats_all_result *all)
{
        struct buf b = BUF_NULL;
        char *text;

        openmetrics_write(&b, info, all);
        assert_false(b.failed);
        text = strndup((const char *)buf_head(&b), buf_len(&b));
        assert_non_null(text);
        buf_deinit(&b);
        return text;
}

static void has(const char *text, const char *line)
{
        const char *at = text;

        while ((at = strstr(at, line))) {
                if ((at == text || at[-1] == '\n') && at[strlen(line)] == '\n')
                        return;
                at++;
        }
        print_error("no line %s in\n%s", line, text);
        fail();
}

static const struct info_result info = {
        .version = "1", .kernel = "6", .cgroup_version = 2, .loop_stall_max_ns = 1500000, .requests = 7, .fds = 12
};

static void test_values(void **state)
{
        struct mem_entry memory = { .usage = 10, .limit = 20 }, swap = { .usage = 1 };
        struct blkio_entry io[] = { { .file = "", .op = "rbytes", .major = 8, .minor = 1, .value = 5 },
                                    { .file = "io_serviced_recursive", .op = "Read", .major = 8, .value = 6 } };
        struct net_entry net = { .name = "eth0", .rx_bytes = 3, .tx_dropped = 4 };
        struct psi_entry psi = { .resource = "memory", .kind = "full", .total_us = 2000001 };
        struct stats_result one = {
                .owner = "", .ns = "", .id = "web", .cpu_total_ns = 1000000001, .memory = &memory, .swap = &swap,
                .oom_kill = 2, .blkio = { io, 2 }, .network = { &net, 1 }, .psi = { &psi, 1 }
        };
        struct stats_all_result all = { .containers = { &one, 1 }, .took_ns = 250000 };
        char *text = text_of(&info, &all);

        has(text, "sandboxd_info{version=\"1\",kernel=\"6\",cgroup=\"v2\"} 1");
        has(text, "sandboxd_requests_total 7");
        has(text, "sandboxd_loop_stall_max_seconds 0.001500000");
        has(text, "sandboxd_stats_read_seconds 0.000250000");
#define L "{namespace=\"default\",container=\"web\""
        has(text, "# TYPE sandboxd_container_cpu_seconds counter");
        has(text, "# UNIT sandboxd_container_cpu_seconds seconds");
        has(text, "sandboxd_container_cpu_seconds_total" L "} 1.000000001");
        has(text, "sandboxd_container_memory_usage_bytes" L "} 10");
        has(text, "sandboxd_container_memory_limit_bytes" L "} 20");
        has(text, "sandboxd_container_swap_usage_bytes" L "} 1");
        has(text, "sandboxd_container_oom_kills_total" L "} 2");
        has(text, "sandboxd_container_block_read_bytes_total" L ",device=\"8:1\"} 5");
        has(text, "sandboxd_container_block_reads_total" L ",device=\"8:0\"} 6");
        has(text, "sandboxd_container_network_receive_bytes_total" L ",interface=\"eth0\"} 3");
        has(text, "sandboxd_container_network_transmit_dropped_total" L ",interface=\"eth0\"} 4");
        has(text, "sandboxd_container_pressure_seconds_total" L ",resource=\"memory\",kind=\"full\"} 2.000001");
        /* no limit: no sample of one */
        assert_null(strstr(text, "sandboxd_container_pids_limit{"));
        assert_null(strstr(text, "sandboxd_container_swap_limit_bytes{"));
        assert_string_equal(text + strlen(text) - 6, "# EOF\n");
        free(text);
}

/* --- a strict reader ---
 *
 * Of OpenMetrics 1.0 what we write of it, and of Prometheus' conventions and its textfile collector (whose parser is
 * that of the older format) what they want beside: base units, no type but gauge and counter, no empty line. */

struct reader {
        const char *at;
        unsigned line;
        char family[128], type[16], unit[16];
        bool helped, sampled;
        char *families, *series; /* all that were seen, each between newlines */
};

#define MUST(r_, cond_)                                                                                                \
        do {                                                                                                           \
                if (!(cond_))                                                                                          \
                        fail_msg("line %u, before \"%.60s\": not so: %s", (r_)->line, (r_)->at, #cond_);               \
        } while (0)

static bool ends_with(const char *text, const char *end)
{
        size_t n = strlen(text), m = strlen(end);

        return n > m && strcmp(text + n - m, end) == 0;
}

static void word(struct reader *r, char *ret, size_t size, const char *more)
{
        size_t n = 0;

        for (; isalnum((unsigned char)*r->at) || (*r->at && strchr(more, *r->at)); r->at++) {
                MUST(r, n + 1 < size);
                ret[n++] = *r->at;
        }
        ret[n] = '\0';
        MUST(r, n > 0 && !isdigit((unsigned char)ret[0]));
}

static void exactly(struct reader *r, const char *text)
{
        MUST(r, strncmp(r->at, text, strlen(text)) == 0);
        r->at += strlen(text);
}

static bool take(struct reader *r, const char *text)
{
        if (strncmp(r->at, text, strlen(text)) != 0)
                return false;
        r->at += strlen(text);
        return true;
}

/* Once, and never again. */
static void once(struct reader *r, char **seen, const char *text, size_t len)
{
        char *key, *all;

        assert_true(asprintf(&key, "\n%.*s\n", (int)len, text) > 0);
        MUST(r, !*seen || !strstr(*seen, key));
        assert_true(asprintf(&all, "%s%s", *seen ? *seen : "", key) > 0);
        free(*seen);
        free(key);
        *seen = all;
}

static void read_metadata(struct reader *r, const char *keyword)
{
        static const char *const reserved[] = { "_total", "_created", "_sum", "_count", "_bucket" };
        char name[128];

        word(r, name, sizeof(name), "_:");
        exactly(r, " ");
        if (strcmp(keyword, "TYPE") == 0) {
                once(r, &r->families, name, strlen(name));
                strcpy(r->family, name);
                word(r, r->type, sizeof(r->type), "");
                MUST(r, strcmp(r->type, "gauge") == 0 || strcmp(r->type, "counter") == 0);
                for (size_t i = 0; i < ARRAY_SIZE(reserved); i++)
                        MUST(r, !ends_with(name, reserved[i]));
                MUST(r, strncmp(name, "sandboxd_", 9) == 0);
                r->unit[0] = '\0';
                r->helped = r->sampled = false;
                return;
        }
        MUST(r, strcmp(name, r->family) == 0 && !r->sampled && !r->helped);
        if (strcmp(keyword, "UNIT") == 0) {
                MUST(r, !r->unit[0]);
                word(r, r->unit, sizeof(r->unit), "");
                MUST(r, strcmp(r->unit, "seconds") == 0 || strcmp(r->unit, "bytes") == 0);
                MUST(r, ends_with(name, r->unit) && name[strlen(name) - strlen(r->unit) - 1] == '_');
                return;
        }
        r->helped = true;
        MUST(r, isupper((unsigned char)*r->at) || *r->at == 'g'); /* gVisor */
        for (; *r->at != '\n'; r->at++)
                MUST(r, (unsigned char)*r->at >= ' ' && *r->at != '\\');
        MUST(r, r->at[-1] == '.');
}

static void read_labels(struct reader *r)
{
        char name[64], *seen = NULL;

        do {
                word(r, name, sizeof(name), "_");
                once(r, &seen, name, strlen(name));
                MUST(r, strncmp(name, "__", 2) != 0);
                exactly(r, "=\"");
                for (; *r->at != '"'; r->at++) {
                        MUST(r, (unsigned char)*r->at >= ' ');
                        if (*r->at == '\\') {
                                r->at++;
                                MUST(r, *r->at == '\\' || *r->at == 'n' || *r->at == '"');
                        }
                }
                exactly(r, "\"");
        } while (take(r, ","));
        exactly(r, "}");
        free(seen);
}

static void read_sample(struct reader *r)
{
        bool counter = strcmp(r->type, "counter") == 0;
        const char *begin = r->at;

        MUST(r, r->helped);
        r->sampled = true;
        /* what is counted in a unit says so */
        MUST(r, !strstr(r->family, "_seconds") || strcmp(r->unit, "seconds") == 0);
        MUST(r, !strstr(r->family, "_bytes") || strcmp(r->unit, "bytes") == 0);
        exactly(r, r->family);
        if (counter)
                exactly(r, "_total");
        if (take(r, "{"))
                read_labels(r);
        once(r, &r->series, begin, (size_t)(r->at - begin));
        exactly(r, " ");
        MUST(r, isdigit((unsigned char)*r->at)); /* nothing of ours is negative */
        r->at += strspn(r->at, "0123456789");
        if (take(r, ".")) {
                MUST(r, isdigit((unsigned char)*r->at));
                r->at += strspn(r->at, "0123456789");
        }
}

/* The number of samples. */
static unsigned read_strictly(const char *text)
{
        struct reader r = { .at = text };
        unsigned samples = 0;
        char keyword[8];

        for (r.line = 1; !take(&r, "# EOF\n"); r.line++) {
                if (take(&r, "# ")) {
                        word(&r, keyword, sizeof(keyword), "");
                        exactly(&r, " ");
                        MUST(&r, strcmp(keyword, "TYPE") == 0 || strcmp(keyword, "UNIT") == 0 ||
                                         strcmp(keyword, "HELP") == 0);
                        read_metadata(&r, keyword);
                } else {
                        read_sample(&r);
                        samples++;
                }
                exactly(&r, "\n");
        }
        MUST(&r, *r.at == '\0');
        free(r.families);
        free(r.series);
        return samples;
}

/* Every family that there is, of two containers. */
static void test_form(void **state)
{
        struct mem_entry memory = { 1, 2, 3, 4 };
        struct blkio_entry io[] = { { .file = "", .op = "rbytes", .major = 8 },
                                    { .file = "", .op = "wbytes", .major = 8 },
                                    { .file = "", .op = "rios", .major = 8 },
                                    { .file = "", .op = "wios", .major = 9 } };
        struct net_entry net[] = { { .name = "eth0" }, { .name = "lo" } };
        struct psi_entry psi[] = { { .resource = "cpu", .kind = "some" }, { .resource = "io", .kind = "full" } };
        struct stats_result two[] = { { .owner = "o", .ns = "n", .id = "a" },
                                      { .owner = "", .ns = "n", .id = "b\"\\\n", .memory = &memory, .swap = &memory,
                                        .pids_limit = 1, .sandbox_memory = 1, .blkio = { io, ARRAY_SIZE(io) },
                                        .network = { net, 2 }, .psi = { psi, 2 } } };
        struct stats_all_result all = { .containers = { two, 2 } };
        char *text = text_of(&info, &all);
        unsigned families = 0;

        assert_true(read_strictly(text) > 70);
        for (const char *at = text; (at = strstr(at, "# TYPE ")); at++)
                families++;
        for (const char *at = text; (at = strstr(at, "# TYPE ")); at++) {
                char name[128], line[140];

                assert_int_equal(sscanf(at, "# TYPE %127s", name), 1);
                (void)snprintf(line, sizeof(line), "\n%s", name);
                assert_non_null(strstr(text, line)); /* a sample, too */
                families--;
        }
        assert_int_equal(families, 0);
        free(text);
        text = text_of(&info, NULL);
        (void)read_strictly(text);
        free(text);
}

static void test_labels(void **state)
{
        struct stats_result one = { .owner = "a\"b\\c\nd", .ns = "n", .id = "x" };
        struct stats_all_result all = { .containers = { &one, 1 } };
        char *text = text_of(&info, &all);

        assert_non_null(strstr(text, "owner=\"a\\\"b\\\\c\\nd\"}"));
        free(text);
        text = text_of(&info, NULL);
        assert_null(strstr(text, "sandboxd_container_"));
        free(text);
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(test_values), cmocka_unit_test(test_form),
                                            cmocka_unit_test(test_labels) };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
