/* SPDX-License-Identifier: Apache-2.0 */
/* The tables: wire names are unique and parse back, codes are gRPC's, descriptions fit the structs. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "proto/proto.h"

/* Of lower-case letters, digits and the given joints. */
static void wire_name_check(const char *name, const char *joints)
{
        assert_non_null(name);
        if (!*name || strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789") == 0)
                fail_msg("\"%s\" is no wire name", name);
        for (const char *p = name; *p; p++)
                if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789", *p) && !strchr(joints, *p))
                        fail_msg("\"%s\" is no wire name", name);
}

static void reasons_parse_back(void **state)
{
        for (int i = REASON_NONE + 1; i < REASON_N; i++) {
                enum reason r = (enum reason)i;

                wire_name_check(reason_name(r), "-");
                assert_int_equal(reason_parse(reason_name(r)), r);
                assert_in_range(reason_code(r), CODE_CANCELLED, CODE_UNAUTHENTICATED);
                assert_true(strlen(reason_text(r)) > 10);
        }
        assert_int_equal(reason_parse(""), REASON_NONE);
        assert_int_equal(reason_parse("no-such-reason"), REASON_NONE);
        assert_string_equal(reason_name((enum reason)REASON_N), "internal");
        assert_string_equal(reason_name((enum reason)-1), "internal");
        assert_int_equal(reason_code((enum reason)1000), CODE_INTERNAL);
}

static void errnos(void **state)
{
        static const int resources[] = { ENOSPC, EROFS, EDQUOT, EMFILE, ENFILE, ENOMEM, EAGAIN, ENOBUFS };

        for (size_t i = 0; i < ARRAY_SIZE(resources); i++) {
                assert_int_equal(reason_of_errno(resources[i]), REASON_NO_RESOURCES);
                assert_int_equal(reason_of_errno(-resources[i]), REASON_NO_RESOURCES);
        }
        assert_int_equal(reason_of_errno(EIO), REASON_INTERNAL);
        assert_int_equal(reason_of_errno(-EBADF), REASON_INTERNAL);
}

static void states_parse_back(void **state)
{
        static const char *const public[] = { "creating", "created", "running", "pausing", "paused", "stopped" };
        unsigned known = 0;

        for (int i = 0; i < CONTAINER_STATE_N; i++) {
                enum container_state s = (enum container_state)i;

                wire_name_check(container_state_name(s), "-");
                assert_int_equal(container_state_parse(container_state_name(s)), s);
                for (size_t k = 0; k < ARRAY_SIZE(public); k++)
                        known += strcmp(public[k], container_state_public(s)) == 0;
        }
        assert_int_equal(known, CONTAINER_STATE_N);
        known = 0;
        for (int i = 0; i < PROCESS_STATE_N; i++) {
                enum process_state_kind s = (enum process_state_kind)i;

                wire_name_check(process_state_name(s), "-");
                assert_int_equal(process_state_parse(process_state_name(s)), s);
                for (size_t k = 0; k < ARRAY_SIZE(public); k++)
                        known += strcmp(public[k], process_state_public(s)) == 0;
        }
        assert_int_equal(known, PROCESS_STATE_N);
        for (int i = 0; i < EVENT_N; i++) {
                wire_name_check(event_kind_name((enum event_kind)i), "-");
                assert_int_equal(event_kind_parse(event_kind_name((enum event_kind)i)), i);
                assert_non_null(event_kind_text((enum event_kind)i));
        }
        assert_int_equal(container_state_parse("x"), -EINVAL);
        assert_int_equal(process_state_parse(""), -EINVAL);
        assert_int_equal(event_kind_parse("Exit"), -EINVAL);
}

static size_t field_width(enum field_kind kind)
{
        switch (kind) {
        case FIELD_STR:
        case FIELD_MSG:
                return sizeof(char *);
        case FIELD_BIN:
                return sizeof(struct blob);
        case FIELD_U32:
                return sizeof(uint32_t);
        case FIELD_U64:
        case FIELD_I64:
                return sizeof(uint64_t);
        case FIELD_BOOL:
                return sizeof(bool);
        default:
                return sizeof(struct strs);
        }
}

/* Levels of maps and lists below and with this message. */
static unsigned depth_of(const struct message_desc *desc)
{
        unsigned deepest = 0;

        for (size_t i = 0; i < desc->n_fields; i++) {
                const struct field_desc *f = &desc->fields[i];
                unsigned below = f->kind == FIELD_STRS ? 1
                                 : f->message          ? depth_of(f->message) + (f->kind == FIELD_MSGS)
                                                       : 0;

                if (below > deepest)
                        deepest = below;
        }
        return deepest + 1;
}

static void descriptions_fit(void **state)
{
        for (const struct message_desc *const *m = message_table; *m; m++) {
                const struct message_desc *desc = *m;
                size_t end = 0;

                wire_name_check(desc->name, "_");
                assert_true(desc->n_fields <= 64); /* the decoder keeps a bit for each */
                for (size_t i = 0; i < desc->n_fields; i++) {
                        const struct field_desc *f = &desc->fields[i];

                        wire_name_check(f->name, "_");
                        if (f->offset < end || f->offset + field_width(f->kind) > desc->size)
                                fail_msg("%s.%s is not where the struct has it", desc->name, f->name);
                        end = f->offset + field_width(f->kind);
                        assert_true(!!f->message == (f->kind == FIELD_MSG || f->kind == FIELD_MSGS));
                        if (f->kind <= FIELD_BIN || f->kind >= FIELD_STRS)
                                assert_true(f->limit > 0 || f->kind == FIELD_MSG);
                        assert_true(strlen(f->text) > 0);
                        for (size_t k = 0; k < i; k++)
                                assert_string_not_equal(desc->fields[k].name, f->name);
                }
                assert_true(depth_of(desc) + 1 <= LIMIT_DEPTH); /* one is the envelope */
        }
        assert_int_equal(depth_of(&desc_create_params), 4);
        assert_int_equal(offsetof(struct kill_params, signal), desc_kill_params.fields[5].offset);
        assert_string_equal(desc_kill_params.fields[5].name, "signal");
}

static bool has_field(const struct message_desc *desc, const char *name)
{
        for (size_t i = 0; i < desc->n_fields; i++)
                if (strcmp(desc->fields[i].name, name) == 0)
                        return true;
        return false;
}

static void methods_parse_back(void **state)
{
        for (unsigned i = 0; i < METHOD_N; i++) {
                const struct method_desc *m = &method_table[i];

                wire_name_check(m->name, "._");
                assert_int_equal(m->id, i);
                assert_ptr_equal(method_find(m->name), m);
                assert_int_equal(m->reasons & 1, 0); /* REASON_NONE */
                assert_int_equal(m->reasons >> (REASON_N - 1) >> 1, 0);
                if (m->access == ACCESS_READ)
                        assert_false(has_field(m->params, "request_id"));
        }
        assert_true(method_table[METHOD_WAIT].reasons & UINT64_C(1) << REASON_CANCELLED);
        assert_int_equal(method_table[METHOD_INFO].reasons, 0);
        assert_null(method_find(""));
        assert_null(method_find("Info"));
        assert_null(method_find("events"));
}

static void ids(void **state)
{
        static const char *const good[] = { "a", "0", "a-b", "a.b_c-d", "0123456789ABCDEFxyz" };
        static const char *const bad[] = { "", "-", "a-", "-a", "a--b", "a._b", "a/b", "..", "a b", "\xc3\xa9", "a\n" };
        char longest[LIMIT_ID + 2];
        struct error err = ERROR_NULL;

        for (size_t i = 0; i < ARRAY_SIZE(good); i++)
                assert_int_equal(id_check(good[i], "id", &err), 0);
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                struct error e = ERROR_NULL;

                assert_int_equal(id_check(bad[i], "container id", &e), -1);
                assert_int_equal(e.reason, REASON_INVALID_ID);
                assert_non_null(strstr(e.message, "container id"));
        }
        memset(longest, 'a', sizeof(longest));
        longest[LIMIT_ID + 1] = '\0';
        assert_int_equal(id_check(longest, "id", &err), -1);
        longest[LIMIT_ID] = '\0';
        assert_int_equal(id_check(longest, "id", &err), 0);
}

static void text(void **state)
{
        char s[64];

        assert_true(text_valid("", 0));
        assert_true(text_valid("\xf4\x8f\xbf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80", 13));
        assert_false(text_valid("a\0b", 3));
        assert_false(text_valid("\xc3", 1));
        assert_false(text_valid("\xf0\x8f\xbf\xbf", 4));

        strcpy(s, "ok \xff\xc3\xa9\xe2\x82");
        assert_string_equal(text_clean(s, 63), "ok ?\xc3\xa9??");
        strcpy(s, "12\xe2\x82\xac");
        assert_string_equal(text_clean(s, 5), "12\xe2\x82\xac");
        assert_string_equal(text_clean(s, 4), "12");
        assert_string_equal(text_clean(s, 0), "");
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(reasons_parse_back), cmocka_unit_test(errnos), cmocka_unit_test(states_parse_back),
                cmocka_unit_test(descriptions_fit),   cmocka_unit_test(methods_parse_back),
                cmocka_unit_test(ids),                cmocka_unit_test(text),
        };

        return cmocka_run_group_tests_name("tables", tests, NULL, NULL);
}
