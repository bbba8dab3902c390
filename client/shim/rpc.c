/* SPDX-License-Identifier: Apache-2.0 */

/* After each call of the library its descriptor, events and timeout are asked for and watched: in one place,
 * adjust(). */

#include "client/shim/rpc.h"

#include <errno.h>
#include <poll.h>
#include "base/clock.h"

static void adjust(struct rpc *r)
{
        int fd = sandboxd_client_fd(r->client), timeout = sandboxd_client_timeout(r->client);
        short events = sandboxd_client_events(r->client);

        if (fd != r->fd || events != r->events) {
                watch_fd_set(&r->watch, fd,
                             fd < 0 ? 0 : (events & POLLIN ? LOOP_READ : 0) | (events & POLLOUT ? LOOP_WRITE : 0));
                r->fd = fd;
                r->events = events;
        }
        if (timeout >= 0)
                watch_timer_arm(&r->timer, (uint64_t)timeout * NSEC_PER_MSEC);
        else
                watch_timer_stop(&r->timer);
}

static void process(struct rpc *r, short revents)
{
        sandboxd_client_process(r->client, revents);
        adjust(r);
}

static void on_ready(struct watch_fd *w, unsigned events)
{
        process(container_of(w, struct rpc, watch),
                (short)((events & LOOP_READ ? POLLIN : 0) | (events & LOOP_WRITE ? POLLOUT : 0)));
}

static void on_time(struct watch_timer *w)
{
        process(container_of(w, struct rpc, timer), 0);
}

static void on_pump(struct deferred *d)
{
        process(container_of(d, struct rpc, pump), 0);
}

int rpc_init(struct rpc *r, struct loop *loop, const char *socket)
{
        *r = (struct rpc)RPC_NULL;
        r->client = sandboxd_client_new(socket[0] ? socket : NULL);
        if (!r->client)
                return -errno;
        sandboxd_client_set_patience(r->client, -1);
        watch_fd_init(&r->watch, loop, on_ready);
        watch_timer_init(&r->timer, loop, on_time);
        deferred_init(&r->pump, loop, on_pump);
        return 0;
}

void rpc_deinit(struct rpc *r)
{
        if (!r->client)
                return;
        watch_fd_stop(&r->watch);
        watch_timer_stop(&r->timer);
        deferred_cancel(&r->pump);
        r->client = sandboxd_client_free(r->client);
        r->fd = -1;
}

uint64_t rpc_submit(struct rpc *r, int method, const void *params, int timeout_ms, sandboxd_reply_fn fn, void *data)
{
        uint64_t call = sandboxd_submit(r->client, method, params, timeout_ms, fn, data);

        loop_defer(&r->pump);
        return call;
}

void rpc_cancel(struct rpc *r, uint64_t call)
{
        sandboxd_cancel(r->client, call);
        loop_defer(&r->pump);
}
