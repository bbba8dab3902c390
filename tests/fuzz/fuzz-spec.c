/* SPDX-License-Identifier: Apache-2.0 */
/* Documents of clients and of runtimes; the first byte says which. */

#include "tests/fuzz/fuzz.h"

#include <string.h>
#include "daemon/spec.h"
#include "daemon/spec_gvisor.h"

static void check_refusal(const struct error *err, enum reason reason)
{
        FUZZ_CHECK(err->reason == (int)reason);
        FUZZ_CHECK(err->message[0] && text_valid(err->message, strlen(err->message)));
}

static void check_limits(const struct spec_limits *l)
{
        FUZZ_CHECK(l->cpuset_cpus && l->cpuset_mems);
        FUZZ_CHECK(l->has_memory == (l->memory != 0) && l->memory >= -1);
        FUZZ_CHECK(l->has_pids == (l->pids != 0) && l->pids >= -1);
        FUZZ_CHECK(l->has_cpu_shares == (l->cpu_shares != 0));
}

static void try_config(const char *text, size_t len, struct arena *a)
{
        struct error err = ERROR_NULL;
        struct spec *s;

        if (spec_parse(text, len, a, &s, &err) < 0) {
                check_refusal(&err, REASON_INVALID_SPEC);
                return;
        }
        FUZZ_CHECK(*s->oci_version && *s->root_path && s->cgroups_path && s->netns_path);
        check_limits(&s->limits);
        for (size_t i = 0; i < s->annotations.n; i++)
                FUZZ_CHECK(spec_annotation(s, s->annotations.items[i].key));
}

/* What is rewritten stays what it is when it is rewritten again, and is still a config.json. */
static void try_kubernetes(const char *text, size_t len, struct arena *a)
{
        struct spec_gvisor_volume *volumes;
        struct error err = ERROR_NULL;
        const char *out, *again;
        struct strs questions;
        struct spec *s;

        if (spec_gvisor_questions(text, len, a, &questions, &err) < 0) {
                check_refusal(&err, REASON_INVALID_SPEC);
                return;
        }
        volumes = arena_alloc(a, (questions.n + 1) * sizeof(*volumes));
        FUZZ_CHECK(volumes);
        for (size_t i = 0; i < questions.n; i++)
                volumes[i] = (struct spec_gvisor_volume){ .n = 1, .path = "/x/kubernetes.io~empty-dir/y",
                                                          .empty = (len + i) % 2 };
        if (spec_gvisor_rewrite(text, len, volumes, a, &out, &err) < 0) {
                check_refusal(&err, REASON_INVALID_SPEC);
                return;
        }
        if (!out)
                return;
        if (spec_parse(text, len, a, &s, &err) == 0)
                FUZZ_CHECK(spec_parse(out, strlen(out), a, &s, &err) == 0);
        FUZZ_CHECK(spec_gvisor_questions(out, strlen(out), a, &questions, &err) == 0);
        FUZZ_CHECK(spec_gvisor_rewrite(out, strlen(out), volumes, a, &again, &err) == 0);
}

/* Whatever is accepted must still be accepted with its terminal changed, and have it changed; nothing else. */
static void try_process(const char *text, size_t len, struct arena *a)
{
        struct error err = ERROR_NULL;
        struct spec_process *p, *again;
        char *edited;

        if (spec_process_parse(text, len, a, &p, &err) < 0) {
                check_refusal(&err, REASON_INVALID_SPEC);
                return;
        }
        FUZZ_CHECK(p->args.n > 0);
        if (spec_process_with_terminal(text, len, !p->terminal, a, &edited, &err) < 0) {
                check_refusal(&err, REASON_INVALID_SPEC); /* its name has escapes */
                return;
        }
        if (spec_process_parse(edited, strlen(edited), a, &again, &err) < 0) {
                fprintf(stderr, "%s: %s\n", edited, err.message);
                abort();
        }
        FUZZ_CHECK(again->args.n == p->args.n && again->uid == p->uid && again->gid == p->gid);
        FUZZ_CHECK(again->terminal == !p->terminal);
}

static void try_log(const char *text, size_t len, struct arena *a)
{
        const char *words = spec_runtime_error(text, len, a);

        FUZZ_CHECK(strlen(words) <= LIMIT_TEXT && text_valid(words, strlen(words)));
        for (const char *c = words; *c; c++)
                FUZZ_CHECK((unsigned char)*c >= ' ' && *c != 0x7f);
}

static void try_answer(unsigned what, const char *text, size_t len, struct arena *a)
{
        struct stats_result stats = { 0 };
        struct error err = ERROR_NULL;
        const char *status;
        uint32_t *pids;
        int64_t pid;
        size_t n;
        int r;

        if (what == 0)
                r = spec_pids_parse(text, len, a, &pids, &n, &err);
        else if (what == 1)
                r = spec_state_parse(text, len, a, &status, &pid, &err);
        else
                r = spec_stats_parse(text, len, a, &stats, &err);
        if (r < 0)
                check_refusal(&err, REASON_RUNTIME_FAILED);
        for (size_t i = 0; r == 0 && what == 0 && i < n; i++)
                FUZZ_CHECK(pids[i] > 0);
        for (size_t i = 0; r == 0 && i < stats.memory_stat.n; i++)
                FUZZ_CHECK(stats.memory_stat.items[i].value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_(arena_freep) struct arena *a = arena_new();
        struct spec_limits limits;
        struct error err = ERROR_NULL;
        const char *text = (const char *)data + 1;

        FUZZ_CHECK(a);
        if (size == 0)
                return 0;
        switch (data[0]) {
        case 'c':
                try_config(text, size - 1, a);
                try_kubernetes(text, size - 1, a);
                break;
        case 'p':
                try_process(text, size - 1, a);
                break;
        case 'r':
                if (spec_resources_parse(text, size - 1, a, &limits, &err) < 0)
                        check_refusal(&err, REASON_INVALID_SPEC);
                else
                        check_limits(&limits);
                break;
        case 'l':
                try_log(text, size - 1, a);
                break;
        default:
                try_answer(data[0] % 3, text, size - 1, a);
        }
        return 0;
}
