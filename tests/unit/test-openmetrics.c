/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

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

/* Each family once, its samples after it and nowhere else; every name ends as its type and unit say. */
static void test_form(void **state)
{
        struct stats_result two[] = { { .owner = "o", .ns = "n", .id = "a" }, { .owner = "", .ns = "n", .id = "b" } };
        struct stats_all_result all = { .containers = { two, 2 } };
        char *text = text_of(&info, &all), *save = NULL, family[128] = "", seen[8192] = " ";
        bool counter = false;

        for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
                char name[128], type[32], key[140];

                if (sscanf(line, "# TYPE %127s %31s", name, type) == 2) {
                        (void)snprintf(key, sizeof(key), " %s ", name);
                        assert_null(strstr(seen, key));
                        strcat(seen, key);
                        strcpy(family, name);
                        counter = strcmp(type, "counter") == 0;
                } else if (sscanf(line, "# UNIT %127s %31s", name, type) == 2) {
                        assert_string_equal(name, family);
                        assert_true(strlen(name) > strlen(type));
                        assert_string_equal(name + strlen(name) - strlen(type), type);
                } else if (*line != '#') {
                        line[strcspn(line, "{ ")] = '\0';
                        assert_int_equal(strncmp(line, family, strlen(family)), 0);
                        if (strcmp(family, "sandboxd") != 0)
                                assert_string_equal(line + strlen(family), counter ? "_total" : "");
                }
        }
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
