/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes <sandboxd/methods.h> from the tables of proto/: what other programs see of the protocol, as plain declarations
 * with a prefix. The structs have the layout of our own (tests/unit/test-methods-header.c compares each member).
 */
#include <stdio.h>
#include <string.h>
#include "proto/proto.h"

static const char head[] =
        "/* SPDX-License-Identifier: Apache-2.0 */\n"
        "/*\n"
        " * The methods of sandboxd, their parameters and results. Made from the tables of the protocol.\n"
        " *\n"
        " * A field that is absent has its zero value: \"\", 0, false, an empty list. A string in a result is never "
        "NULL.\n"
        " * A field of parameters marked \"required\" must be set. Members are only ever added, and then the library "
        "gets a new soname.\n"
        " */\n"
        "#ifndef SANDBOXD_METHODS_H\n#define SANDBOXD_METHODS_H\n\n"
        "#include <stdbool.h>\n#include <stddef.h>\n#include <stdint.h>\n#include \"client.h\"\n\n"
        "#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n";

static const char tail[] = "#ifdef __cplusplus\n}\n#endif\n#endif\n";

static void enums(void)
{
        printf("/* Codes of errors: those of gRPC. */\nenum sandboxd_code {\n        SANDBOXD_CODE_OK = 0,\n");
#define CODE(name) printf("        SANDBOXD_CODE_" #name " = %d,\n", CODE_##name);
        CODE(CANCELLED)
        CODE(UNKNOWN) CODE(INVALID_ARGUMENT) CODE(DEADLINE_EXCEEDED) CODE(NOT_FOUND) CODE(ALREADY_EXISTS)
                CODE(PERMISSION_DENIED) CODE(RESOURCE_EXHAUSTED) CODE(FAILED_PRECONDITION) CODE(ABORTED)
                        CODE(OUT_OF_RANGE) CODE(UNIMPLEMENTED) CODE(INTERNAL) CODE(UNAVAILABLE) CODE(DATA_LOSS)
                                CODE(UNAUTHENTICATED) printf("};\n\n/* Reasons of errors; each has one code. */\nenum "
                                                             "sandboxd_reason {\n        SANDBOXD_REASON_NONE = 0,\n");
#define X(name, code, wire, text)                                                                                      \
        printf("        SANDBOXD_REASON_" #name " = %d, /* \"%s\", " #code ": %s */\n", REASON_##name, wire, text);
#include "proto/errors.def"
#undef X
        printf("};\n\nenum sandboxd_method {\n");
#define X(name, wire, access, params, result, text, reasons)                                                           \
        printf("        SANDBOXD_METHOD_" #name " = %d, /* \"%s\": %s */\n", METHOD_##name, wire, text);
#include "proto/methods.def"
#undef X
        printf("};\n\n/* Kinds of events, as in sandboxd_event.kind. */\n");
#define X(name, wire, text) printf("#define SANDBOXD_EVENT_" #name " \"%s\" /* %s */\n", wire, text);
#include "proto/events.def"
#undef X
        printf("\n");
}

static void member(const struct field_desc *f)
{
        switch (f->kind) {
        case FIELD_STR:
                printf("        const char *%s;", f->name);
                break;
        case FIELD_BIN:
                printf("        struct sandboxd_blob %s;", f->name);
                break;
        case FIELD_U32:
                printf("        uint32_t %s;", f->name);
                break;
        case FIELD_U64:
                printf("        uint64_t %s;", f->name);
                break;
        case FIELD_I64:
                printf("        int64_t %s;", f->name);
                break;
        case FIELD_BOOL:
                printf("        bool %s;", f->name);
                break;
        case FIELD_STRS:
                printf("        struct sandboxd_strs %s;", f->name);
                break;
        case FIELD_MSG:
                printf("        struct sandboxd_%s *%s;", f->message->name, f->name);
                break;
        case FIELD_MSGS:
                printf("        struct sandboxd_list_%s %s;", f->message->name, f->name);
                break;
        }
        printf(" /* %s%s */\n", f->flags & REQUIRED ? "required: " : "", f->text);
}

static void message(const struct message_desc *desc)
{
        if (desc->n_fields == 0)
                return;
        printf("/* %s */\nstruct sandboxd_%s {\n", desc->text, desc->name);
        for (size_t i = 0; i < desc->n_fields; i++)
                member(&desc->fields[i]);
        printf("};\nstruct sandboxd_list_%s {\n        struct sandboxd_%s *items;\n        size_t n;\n};\n\n",
               desc->name, desc->name);
}

/* One typed function: the result, or NULL (for a method with an empty result: 0, or -1) with the error in *reply. */
static void method(const struct method_desc *m, const char *constant)
{
        bool has_params = m->params->n_fields > 0, has_result = m->result->n_fields > 0;
        char name[64];

        snprintf(name, sizeof(name), "%s", m->name);
        for (char *dot; (dot = strchr(name, '.'));)
                *dot = '_';
        printf("/* %s%s\n * Reasons:", m->text, m->access == ACCESS_WRITE ? "" : " For every peer.");
        for (int r = 1; r < REASON_N; r++) {
                if (m->reasons & UINT64_C(1) << r)
                        printf(" %s", reason_name((enum reason)r));
        }
        printf(" (and those that every method can give). */\n");
        if (has_result)
                printf("static inline const struct sandboxd_%s *", m->result->name);
        else
                printf("static inline int ");
        printf("sandboxd_%s(struct sandboxd_client *c, ", name);
        if (has_params)
                printf("const struct sandboxd_%s *params, ", m->params->name);
        printf("int timeout_ms, struct sandboxd_reply *reply)\n{\n");
        printf("        %ssandboxd_call(c, SANDBOXD_METHOD_%s, %s, timeout_ms, reply)", has_result ? "if (" : "return ",
               constant, has_params ? "params" : "NULL");
        if (has_result)
                printf(" < 0)\n                return NULL;\n        return (const struct sandboxd_%s *)reply->result",
                       m->result->name);
        printf(";\n}\n\n");
}

int main(void)
{
        fputs(head, stdout);
        enums();
        printf("/* Bytes; data is not ended by a NUL. */\nstruct sandboxd_blob {\n        const uint8_t *data;\n       "
               " size_t len;\n};\n"
               "struct sandboxd_strs {\n        const char **items;\n        size_t n;\n};\n\n");
#define ROW(T, text) message(&desc_##T);
        MESSAGES(ROW)
#define X(name, wire, access, params, result, text, reasons) method(&method_table[METHOD_##name], #name);
#include "proto/methods.def"
#undef X
        fputs(tail, stdout);
        return fflush(stdout) == 0 ? 0 : 1;
}
