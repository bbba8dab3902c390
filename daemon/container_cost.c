/* SPDX-License-Identifier: Apache-2.0 */

/* Counted when it is asked for, from the objects themselves. Memory is that of the structs and arenas, without what the
 * heap adds; of a terminal, a logger and the kernel's side nothing is known here. */

#include "daemon/container_cost.h"

#include <utlist.h>
#include "daemon/runtime.h"

static uint64_t count_requests(const struct request *list)
{
        const struct request *req;
        uint64_t n = 0;

        DL_FOREACH2(list, req, park_next)
                n++;
        return n;
}

static void add_process(const struct process *p, struct stats_result *ret)
{
        const struct stdio *s = &p->stdio;
        const int fds[] = {
                stdio_fd(s, STDIO_MASTER), stdio_fd(s, STDIO_LISTENER), stdio_fd(s, STDIO_IN),
                stdio_fd(s, STDIO_OUT),    stdio_fd(s, STDIO_ERR),
        };

        for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
                ret->own_fds += fds[i] >= 0;
        ret->own_fds += p->watch.active && p->watch.pidref.fd >= 0;
        ret->own_requests += count_requests(p->waiters) + count_requests(p->deferred);
        ret->own_requests += (p->start_request != NULL) + (p->delete_request != NULL);
        if (s->arena)
                ret->own_bytes += arena_size(s->arena);
        if (p->arena)
                ret->own_bytes += arena_size(p->arena);
        if (!process_is_init(p)) /* init is a part of the container */
                ret->own_bytes += sizeof(*p);
}

void container_cost(const struct container *c, struct stats_result *ret)
{
        const struct request *const waiting[] = { c->create_request, c->start_request, c->pause_request,
                                                  c->checkpoint_request, c->delete_request };
        const struct process *p;
        const struct op *op;

        ret->own_bytes = sizeof(*c) + (c->arena ? arena_size(c->arena) : 0);
        ret->own_fds = (c->dirfd >= 0) + (c->oom && oom_watch_fd(c->oom) >= 0);
        ret->own_operations = 0;
        ret->own_requests = count_requests(c->deferred) + count_requests(c->after_gone);
        for (size_t i = 0; i < ARRAY_SIZE(waiting); i++)
                ret->own_requests += waiting[i] != NULL;
        add_process(&c->init, ret);
        DL_FOREACH(c->execs, p)
                add_process(p, ret);
        DL_FOREACH(c->ops, op) {
                ret->own_operations++;
                ret->own_requests += op->request != NULL;
                ret->own_bytes += sizeof(*op) + (op->arena ? arena_size(op->arena) : 0);
        }
}
