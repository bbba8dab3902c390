/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of doc/protocol.md that follow from the tables of proto/. */

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/codec.h"
#include "tools/docs.h"

static const char *const code_names[] = {
        "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
        "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
        "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
};

static void limits(void)
{
        printf("| bound | value |\n|---|---|\n");
#define ROW(macro, text) printf("| " text " | %d |\n", macro)
        ROW(LIMIT_MESSAGE, "bytes of one request");
        ROW(LIMIT_DEPTH, "nesting of maps and arrays, the message itself included");
        ROW(LIMIT_REQUEST_VALUES, "values (numbers, texts, arrays, maps) in one request");
        ROW(LIMIT_LIST, "entries of an array of str");
#undef ROW
        printf("\nThe bounds of single fields are in the tables of the [messages](#messages).\n");
}

/* --- messages --- */
static void field_type(const struct field_desc *f)
{
        switch (f->kind) {
        case FIELD_STR:
                printf("str");
                break;
        case FIELD_BIN:
                printf("bin");
                break;
        case FIELD_U32:
                printf("u32");
                break;
        case FIELD_U64:
                printf("u64");
                break;
        case FIELD_I64:
                printf("i64");
                break;
        case FIELD_BOOL:
                printf("boolean");
                break;
        case FIELD_STRS:
                printf("array of str");
                break;
        case FIELD_MSG:
                printf("[%s](#message-%s) or nil", f->message->name, f->message->name);
                break;
        case FIELD_MSGS:
                printf("array of [%s](#message-%s)", f->message->name, f->message->name);
                break;
        }
}

static void field_bound(const struct field_desc *f)
{
        if (f->kind == FIELD_STR || f->kind == FIELD_BIN)
                printf("%" PRIu64 " bytes", f->limit);
        else if (f->kind == FIELD_STRS)
                printf("%d entries, each %" PRIu64 " bytes", LIMIT_LIST, f->limit);
        else if (f->kind == FIELD_MSGS)
                printf("%" PRIu64 " entries", f->limit);
        else if (f->limit > 0)
                printf("at most %" PRIu64, f->limit);
}

static void messages(void)
{
        for (const struct message_desc *const *m = message_table; *m; m++) {
                printf("%s<a id=\"message-%s\"></a>\n### %s\n\n", m == message_table ? "" : "\n", (*m)->name,
                       (*m)->name);
                printf("%c%s.\n", toupper((unsigned char)(*m)->text[0]), (*m)->text + 1);
                if ((*m)->n_fields == 0) {
                        printf("\nThe empty map.\n");
                        continue;
                }
                printf("\n| field | type | bound | |\n|---|---|---|---|\n");
                for (size_t i = 0; i < (*m)->n_fields; i++) {
                        const struct field_desc *f = &(*m)->fields[i];

                        printf("| `%s` | ", f->name);
                        field_type(f);
                        printf(" | ");
                        field_bound(f);
                        printf(" | %s", f->flags & REQUIRED ? "**required**; " : "");
                        docs_cell(f->text);
                        printf(" |\n");
                }
        }
}

/* --- methods --- */
static void methods(void)
{
        for (unsigned i = 0; i < METHOD_N; i++) {
                const struct method_desc *m = &method_table[i];
                bool any = false;

                printf("%s### %s\n\n%s\n\n", i == 0 ? "" : "\n", m->name, m->text);
                printf("- access: %s\n", m->access == ACCESS_WRITE ? "WRITE" : "READ");
                printf("- params: [%s](#message-%s)\n", m->params->name, m->params->name);
                printf("- result: [%s](#message-%s)\n", m->result->name, m->result->name);
                printf("- errors of its own:");
                for (unsigned r = REASON_NONE + 1; r < REASON_N; r++) {
                        if (m->reasons & UINT64_C(1) << r) {
                                printf("%s `%s`", any ? "," : "", reason_name((enum reason)r));
                                any = true;
                        }
                }
                printf("%s\n", any ? "" : " none");
        }
}

static void errors(void)
{
        printf("| reason | code | | meaning |\n|---|---|---|---|\n");
        for (unsigned r = REASON_NONE + 1; r < REASON_N; r++) {
                printf("| `%s` | %d | %s | ", reason_name((enum reason)r), reason_code((enum reason)r),
                       code_names[reason_code((enum reason)r)]);
                docs_cell(reason_text((enum reason)r));
                printf(" |\n");
        }
}

static void container_states(void)
{
        printf("| detail | status | meaning |\n|---|---|---|\n");
        for (int i = 0; i < CONTAINER_STATE_N; i++) {
                printf("| `%s` | `%s` | ", container_state_name((enum container_state)i),
                       container_state_public((enum container_state)i));
                docs_cell(container_state_text((enum container_state)i));
                printf(" |\n");
        }
}

static void process_states(void)
{
        printf("| detail | status | meaning |\n|---|---|---|\n");
        for (int i = 0; i < PROCESS_STATE_N; i++) {
                printf("| `%s` | `%s` | ", process_state_name((enum process_state_kind)i),
                       process_state_public((enum process_state_kind)i));
                docs_cell(process_state_text((enum process_state_kind)i));
                printf(" |\n");
        }
}

static void events(void)
{
        printf("| kind | meaning |\n|---|---|\n");
        for (int i = 0; i < EVENT_N; i++) {
                printf("| `%s` | ", event_kind_name((enum event_kind)i));
                docs_cell(event_kind_text((enum event_kind)i));
                printf(" |\n");
        }
}

/* --- the example: encoded by the codec itself --- */
static void hex(const uint8_t *data, size_t len)
{
        for (size_t i = 0; i < len; i += 16) {
                printf("    ");
                for (size_t k = i; k < i + 16; k++)
                        printf(k < len ? "%02x " : "   ", k < len ? data[k] : 0);
                printf(" ");
                for (size_t k = i; k < i + 16 && k < len; k++)
                        putchar(isprint(data[k]) ? data[k] : '.');
                printf("\n");
        }
}

static void frame(const struct buf *payload, uint32_t id)
{
        uint8_t head[13] = { 1 };
        uint64_t len = 4 + buf_len(payload);

        for (unsigned i = 0; i < 8; i++)
                head[1 + i] = (uint8_t)(len >> (56 - 8 * i));
        for (unsigned i = 0; i < 4; i++)
                head[9 + i] = (uint8_t)((0x80000000U | id) >> (24 - 8 * i));
        hex(head, sizeof(head));
        hex(buf_head(payload), buf_len(payload));
}

static void must(int r, const struct error *err)
{
        if (r < 0) {
                fprintf(stderr, "gen-docs: %s\n", err->message);
                exit(1);
        }
}

static void example(void)
{
        struct info_result result = {
                .version = "0.1.0", .pid = 4242, .started_at = UINT64_C(1767225600000000000), .event_seq = 17
        };
        _cleanup_(buf_deinit) struct buf request = BUF_NULL, response = BUF_NULL, refusal = BUF_NULL;
        struct error err = ERROR_NULL;

        must(rpc_request_encode(1, &method_table[METHOD_INFO], &(struct empty){}, &request, &err), &err);
        must(rpc_response_encode(1, &desc_info_result, &result, &response, &err), &err);
        error_set(&err, REASON_UNKNOWN_METHOD, "there is no method \"inf\"");
        must(rpc_response_encode_error(1, &err, &refusal), &err);

        printf("The client's greeting, and the daemon's:\n\n");
        hex((const uint8_t *)"\0SP\0\0\x30\0\0", 8);
        hex((const uint8_t *)"\0SP\0\0\x31\0\0", 8);
        printf("\nThe request `[0, 1, \"info\", {}]`: the frame's head and request number 1, then the message.\n\n");
        frame(&request, 1);
        printf("\nAn answer, `[1, 1, nil, {\"version\": \"%s\", \"pid\": %u, \"started_at\": %" PRIu64
               ", \"event_seq\": %" PRIu64 "}]` (a real one has more fields):\n\n",
               result.version, result.pid, result.started_at, result.event_seq);
        frame(&response, 1);
        printf("\nHad the method been `inf`, the answer were `[1, 1, {\"code\": %d, \"reason\": \"%s\", \"message\": "
               "\"there is no "
               "method \\\"inf\\\"\"}, nil]`:\n\n",
               reason_code(REASON_UNKNOWN_METHOD), reason_name(REASON_UNKNOWN_METHOD));
        frame(&refusal, 1);
}

int main(int argc, char **argv)
{
        static const struct docs_section sections[] = {
                { "limits", limits },
                { "messages", messages },
                { "methods", methods },
                { "errors", errors },
                { "container-states", container_states },
                { "process-states", process_states },
                { "events", events },
                { "example", example },
        };

        return docs_main(argc, argv, sections, ARRAY_SIZE(sections));
}
