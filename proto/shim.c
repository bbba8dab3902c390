/* SPDX-License-Identifier: Apache-2.0 */

/* containerd 2 reads an absent exited_at as 1970-01-01, so Go's zero time must be sent as what it is. */

#include "proto/shim.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"

#define GO_ZERO_TIME INT64_C(-62135596800)

bool shim_any_is(const Shim__Any *any, const char *type)
{
        size_t have, want = strlen(type);

        if (!any)
                return false;
        have = strlen(any->type_url);
        return have >= want && strcmp(any->type_url + have - want, type) == 0 &&
               (have == want || any->type_url[have - want - 1] == '/');
}

int shim_any_pack(Shim__Any *any, const char *type, const ProtobufCMessage *message)
{
        size_t len = protobuf_c_message_get_packed_size(message);
        uint8_t *data = malloc(len > 0 ? len : 1);

        if (!data)
                return -ENOMEM;
        protobuf_c_message_pack(message, data);
        any->type_url = (char *)type;
        any->value.data = data;
        any->value.len = len;
        return 0;
}

void shim_time(Shim__Timestamp *ret, uint64_t ns)
{
        shim__timestamp__init(ret);
        ret->seconds = ns > 0 ? (int64_t)(ns / NSEC_PER_SEC) : GO_ZERO_TIME;
        ret->nanos = (int32_t)(ns % NSEC_PER_SEC);
}
