/* SPDX-License-Identifier: Apache-2.0 */

/* The parts by name, and the calls that all of them make. The driver, run.sh, says which runs when. */

#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include "tests/bench/bench.h"

static const struct {
        const char *name, *arguments;
        void (*run)(struct bench *b, int argc, char **argv);
} parts[] = {
        { "rpc", "CALLS", bench_rpc },
        { "life", "RUNTIME PATH ROOT BUNDLE COUNT", bench_life },
        { "exec", "RUNTIME PATH ROOT BUNDLE COUNT", bench_exec },
        { "ops", "RUNTIME PATH ROOT BUNDLE COUNT", bench_ops },
        { "fleet", "start|stop RUNTIME PATH ROOT BUNDLES FIRST LAST ours|peer", bench_fleet },
        { "stats", "RUNTIME PATH ROOT COUNT TURNS", bench_stats },
        { "idle", "SECONDS KEEPER-PID", bench_idle },
        { "adopt", "COUNT", bench_adopt },
        { "fifo", "RUNTIME PATH ROOT BUNDLE BUSYBOX MIB COUNT", bench_fifo },
        { "gvisor", "RUNTIME PATH ROOT BUNDLE OF-ONE-THAT-WRITES COUNT", bench_gvisor },
};

void call(struct bench *b, int method, const void *params)
{
        if (sandboxd_call(b->client, method, params, CALL_MS, &b->reply) < 0)
                die("%s failed: %s", sandboxd_method_name(method), b->reply.message);
}

uint32_t create_start(struct bench *b, const char *runtime, const char *id, const char *bundle, const char *stdout_path)
{
        struct sandboxd_create_params create = {
                .id = id, .bundle = bundle, .runtime = runtime, .stdout_path = stdout_path
        };
        struct sandboxd_start_params start = { .id = id };

        call(b, SANDBOXD_METHOD_CREATE, &create);
        call(b, SANDBOXD_METHOD_START, &start);
        return ((const struct sandboxd_start_result *)b->reply.result)->pid;
}

void wait_delete(struct bench *b, const char *id)
{
        struct sandboxd_target target = { .id = id };
        struct sandboxd_delete_params del = { .id = id };

        call(b, SANDBOXD_METHOD_WAIT, &target);
        call(b, SANDBOXD_METHOD_DELETE, &del);
}

void stop_delete(struct bench *b, const char *id)
{
        struct sandboxd_delete_params del = { .id = id, .force = true };

        call(b, SANDBOXD_METHOD_DELETE, &del);
}

static void usage(void)
{
        for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
                fprintf(stderr, "%s SOCKET DIR %s %s\n", i ? "      " : "bench:", parts[i].name, parts[i].arguments);
        exit(2);
}

int main(int argc, char **argv)
{
        struct bench b = { .reply = SANDBOXD_REPLY_NULL };
        size_t i;

        if (argc < 4)
                usage();
        for (i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
                if (strcmp(argv[3], parts[i].name) == 0)
                        break;
        }
        if (i == sizeof(parts) / sizeof(*parts))
                usage();
        prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
        b.socket = argv[1];
        b.dir = argv[2];
        b.client = sandboxd_client_new(b.socket);
        if (!b.client)
                die("no client");
        call(&b, SANDBOXD_METHOD_INFO, NULL);
        b.daemon = (pid_t)((const struct sandboxd_info_result *)b.reply.result)->pid;
        parts[i].run(&b, argc - 4, argv + 4);
        sandboxd_reply_clear(&b.reply);
        sandboxd_client_free(b.client);
        return 0;
}
