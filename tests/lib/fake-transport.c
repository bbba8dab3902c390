/* SPDX-License-Identifier: Apache-2.0 */

#include "tests/lib/fake-transport.h"

/* A request that is ended twice is a bug that must not go unseen, in the fuzzer too. */
static struct transport_request *take(struct transport_request **req)
{
        struct transport_request *w = TAKE(*req);

        if (w->answered || w->dropped)
                abort();
        return w;
}

void transport_reply(struct transport_request **req, const void *data, size_t len)
{
        struct transport_request *w = take(req);

        w->answered = true;
        buf_append(&w->response, data, len);
}

void transport_drop(struct transport_request **req)
{
        take(req)->dropped = true;
}

void fake_request_deinit(struct transport_request *w)
{
        buf_deinit(&w->response);
        *w = (struct transport_request){ 0 };
}
