/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The two functions of daemon/transport.h that the dispatcher calls, without a socket: a request is a struct here that
 * remembers what became of it.
 */

#include "base/buf.h"
#include "daemon/transport.h"

struct transport_request {
        bool answered, dropped;
        struct buf response;
};

void fake_request_deinit(struct transport_request *w);
