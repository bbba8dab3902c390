/* SPDX-License-Identifier: Apache-2.0 */
/* A meta.json of any bytes: refused with a reason, or it comes back the same from an encoding of it. */

#include "tests/fuzz/fuzz.h"

#include <string.h>
#include "daemon/json.h"
#include "daemon/record.h"
#include "tests/lib/fill.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_(arena_freep) struct arena *a = arena_new();
        _cleanup_(buf_deinit) struct buf text = BUF_NULL;
        struct error err = ERROR_NULL;
        void *rec, *again;

        FUZZ_CHECK(a);
        if (json_decode(&desc_container_record, (const char *)data, size, a, &rec, &err) < 0) {
                FUZZ_CHECK(err.reason == REASON_CORRUPT && err.message[0]);
                FUZZ_CHECK(text_valid(err.message, strlen(err.message)));
                return 0;
        }
        FUZZ_CHECK(arena_size(a) <= 300 * size + 131072);
        FUZZ_CHECK(json_encode(&desc_container_record, rec, &text, &err) == 0);
        FUZZ_CHECK(json_decode(&desc_container_record, (const char *)buf_head(&text), buf_len(&text), a, &again,
                               &err) == 0);
        FUZZ_CHECK(!message_difference(&desc_container_record, rec, again));
        return 0;
}
