/* SPDX-License-Identifier: Apache-2.0 */
/* Any text as a TOML file: refused with a place and a reason, or a tree that every getter can read. */

#include "tests/fuzz/fuzz.h"

#include <string.h>
#include "proto/toml.h"

/* Asks for every key as every type. */
static void read_table(struct toml_table *table)
{
        const char *name, *text;
        struct toml_integers ints = { 0 };
        struct strs strs = { 0 };
        uint64_t u;
        bool b;

        for (size_t i = 0; (name = toml_key_name(table, i)); i++) {
                struct error err = ERROR_NULL;
                int found = 0;

                found += toml_get_string(table, name, &text, &err) == 1;
                found += toml_get_bool(table, name, &b, &err) == 1;
                found += toml_get_strings(table, name, &strs, &err) == 1;
                found += toml_get_integers(table, name, &ints, &err) == 1;
                if (toml_get_u64(table, name, 0, UINT64_MAX, &u, &err) == 1)
                        found++;
                else
                        FUZZ_CHECK(strncmp(err.message, "f:", 2) == 0);
                if (toml_get_text(table, name, &text, &err) == 1)
                        FUZZ_CHECK(text_valid(text, strlen(text)));
                for (size_t k = 0; k < strs.n; k++)
                        FUZZ_CHECK(text_valid(strs.items[k], strlen(strs.items[k])));
                FUZZ_CHECK(found <= 2); /* an empty array is of both kinds */
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_(toml_freep) struct toml *t = NULL;
        struct error err = ERROR_NULL;
        struct toml_table *table;

        if (toml_parse(&t, "f", (const char *)data, size, &err) < 0) {
                FUZZ_CHECK(!t && strncmp(err.message, "f:", 2) == 0);
                return 0;
        }
        table = toml_root(t);
        read_table(table);
        while ((table = toml_next_table(table, NULL))) /* down the first ones */
                read_table(table);
        toml_check_unused(t, &err);
        return 0;
}
