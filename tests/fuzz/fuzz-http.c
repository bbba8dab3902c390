/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a request for the metrics. Whatever pieces they come in, the verdict is that of the whole: so the first
 * one that is given for a part stays. */

#include "tests/fuzz/fuzz.h"

#include <string.h>
#include "daemon/metrics_http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        unsigned whole, part = 0;
        char *copy = malloc(size ? size : 1); /* of just this size: what is read behind it is found */

        if (!copy)
                return 0;
        memcpy(copy, data, size);
        whole = http_request_status(copy, size);
        FUZZ_CHECK(whole == 0 || strcmp(http_status_text(whole), "Error") != 0);
        FUZZ_CHECK(size < HTTP_HEAD_MAX || whole);
        for (size_t n = 0; n <= size && !part; n += 1 + size / 64)
                part = http_request_status(copy, n);
        FUZZ_CHECK(!part || part == whole);
        FUZZ_CHECK(whole != 200 || (memcmp(copy, "GET /metrics", 12) == 0 && memchr(copy, '\n', size)));
        free(copy);
        return 0;
}
