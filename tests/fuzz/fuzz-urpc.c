/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an untrusted sandbox may answer, and what may be in runsc's files. The first byte tells how much comes at once:
 * the end of an object is found at the same place whatever it is. The text then goes to every reader of answers.
 */

#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <string.h>
#include "daemon/runsc_freeze.h"
#include "daemon/spec_urpc.h"
#include "daemon/urpc.h"

static void scan(const uint8_t *data, size_t size, size_t step)
{
        struct urpc_scan whole = { 0 }, parts = { 0 };
        int expected = urpc_scan(&whole, data, size), r = 0;

        for (size_t at = 0; at < size && r >= 0; at += step)
                r = urpc_scan(&parts, data + at, size - at < step ? size - at : step);
        FUZZ_CHECK(r == expected);
        FUZZ_CHECK(parts.depth <= URPC_DEPTH_MAX + 1);
}

static void read_answers(const char *text, size_t len)
{
        struct arena *a = arena_new();
        struct error err = ERROR_NULL;
        struct ps_result ps = { 0 };
        struct stats_result stats = { .owner = "", .ns = "", .id = "" };
        struct spec_urpc_cpu cpu = { 0 };
        struct runsc_state state;
        const char *word;
        int64_t number;

        FUZZ_CHECK(a);
        spec_urpc_empty(text, len, &err);
        spec_urpc_number(text, len, &number, &err);
        if (spec_urpc_text(text, len, a, &word, &err) == 0)
                (void)runsc_freeze_in_stacks(word);
        if (spec_urpc_ps(text, len, a, &ps, &err) == 0)
                for (size_t i = 0; i < ps.rows.n; i++)
                        FUZZ_CHECK(strlen(ps.rows.items[i].cmd) <= LIMIT_PATH);
        if (spec_urpc_stats(text, len, "c1", a, &stats, &cpu, &err) == 0) {
                FUZZ_CHECK(cpu.n > 0 || cpu.own_ns == 0);
                spec_urpc_cpu_share(&cpu, 1000000, true);
        }
        spec_runsc_state(text, len, a, &state, &err);
        arena_free(a);
}

/* As the process that is to be executed, and as the state file that it is completed from. */
static void make_request(const char *text, size_t len)
{
        static const char process[] = "{\"args\":[\"true\"]}";
        struct spec_urpc_exec x = { .id = "c1", .process = text, .process_len = len };
        struct arena *a = arena_new();
        struct error err = ERROR_NULL;
        struct urpc_scan s = { 0 };
        const char *request;

        FUZZ_CHECK(a);
        if (spec_urpc_exec(a, &x, &request, &err) == 0)
                FUZZ_CHECK(urpc_scan(&s, request, strlen(request)) == 1 || s.depth > URPC_DEPTH_MAX);
        x = (struct spec_urpc_exec){ .id = "c1", .process = process, .process_len = sizeof(process) - 1,
                                     .state = text, .state_len = len };
        spec_urpc_exec(a, &x, &request, &err);
        arena_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        char *text;

        if (size == 0)
                return 0;
        text = malloc(size);
        FUZZ_CHECK(text);
        memcpy(text, data + 1, size - 1);
        text[size - 1] = '\0';
        scan((const uint8_t *)text, size - 1, 1 + data[0] % 7);
        read_answers(text, size - 1);
        make_request(text, size - 1);
        free(text);
        return 0;
}
