/* SPDX-License-Identifier: Apache-2.0 */

/* What follows from a state without anybody asking: an end that came early, what `wanted` asks for, requests that were
 * put off or begun by an earlier daemon. */

#include <stdio.h>
#include <string.h>
#include <utlist.h>
#include "base/clock.h"
#include "base/log.h"
#include "daemon/actions.h"
#include "daemon/daemon.h"
#include "daemon/publish.h"
#include "daemon/runtime.h"

static unsigned count_live_execs(const struct container *c)
{
        const struct process *p;
        unsigned n = 0;

        DL_FOREACH(c->execs, p)
                n += p->state == PROCESS_STARTING || p->state == PROCESS_RUNNING;
        return n;
}

#define LOOK_FIRST_NS (1 * NSEC_PER_MSEC)
#define LOOK_DOUBLINGS 6 /* up to 64 ms between looks */

/* STOPPING: init has ended, or could not be started and is killed. Without a pid namespace of its own the rest of the
 * container lives on and is killed; execs of one with a pid namespace are killed by the kernel, and their ends arrive
 * one by one. */
void container_look(struct container *c)
{
        unsigned execs, rest = 0;

        if (c->state == CONTAINER_STOPPED)
                container_event(c, CEV_DEADLINE, NULL);
        if (c->state != CONTAINER_STOPPING)
                return;
        execs = count_live_execs(c);
        container_kill_everything(c);
        if (!c->private_pid_ns || (execs && c->looks > LOOK_DOUBLINGS))
                rest = (unsigned)c->runtime->driver->kill_rest(c);
        if (!execs && !rest && (c->init.ended || !c->init.pid))
                container_event(c, CEV_ALL_GONE, NULL);
        else if (clock_monotonic_ns() >= c->deadline)
                container_event(c, CEV_DEADLINE, NULL);
        else
                watch_timer_arm(&c->timer, LOOK_FIRST_NS << (c->looks < LOOK_DOUBLINGS ? c->looks : LOOK_DOUBLINGS));
        c->looks++;
}

static void settle_processes(struct container *c)
{
        struct process *p, *tmp;

        DL_FOREACH_SAFE(c->execs, p, tmp) {
                struct request *req, *rtmp, *list = p->deferred;

                if (p->state == PROCESS_RUNNING && p->ended)
                        process_event(p, PEV_EXITED, NULL);
                if (p->state == PROCESS_STARTING || (p->state == PROCESS_REMOVING && stdio_moves(&p->stdio)))
                        continue;
                p->deferred = NULL;
                if (list) {
                        char exec_id[LIMIT_ID + 1];

                        /* each of them may remove the process */
                        snprintf(exec_id, sizeof(exec_id), "%s", p->exec_id);
                        DL_FOREACH_SAFE2(list, req, rtmp, park_next) {
                                DL_DELETE2(list, req, park_prev, park_next);
                                container_request(c, req);
                        }
                        p = container_find_process(c, exec_id);
                }
                if (p && p->state == PROCESS_STOPPED && (p->auto_remove || p->wanted_gone))
                        process_event(p, PEV_REQ_DELETE, NULL);
                if (p && p->state == PROCESS_REMOVING && !stdio_moves(&p->stdio))
                        process_event(p, PEV_DRAINED, NULL);
        }
}

/* Returns true if the state was changed: then there is a kick to come. */
static bool settle_wanted(struct container *c)
{
        switch (c->state) {
        case CONTAINER_CREATED:
        case CONTAINER_RUNNING:
        case CONTAINER_PAUSED:
                if (c->wanted == WANTED_GONE && !c->init.pid)
                        c->init.ended = true; /* nothing was ever run: a restore that was not started */
                if (c->init.ended) {
                        container_event(c, CEV_INIT_EXITED, NULL);
                        return true;
                }
                if (c->wanted == WANTED_GONE)
                        container_kill_everything(c);
                return false;
        case CONTAINER_STOPPING:
                container_look(c);
                return c->state != CONTAINER_STOPPING;
        case CONTAINER_STOPPED:
                if (c->wanted != WANTED_GONE)
                        return false;
                container_event(c, CEV_WANTED_GONE, NULL);
                return true;
        default:
                return false;
        }
}

/* What was made is told of. What is undone is made anew once it has gone, if it was asked for again: if not, nobody
 * would know of it. */
static void settle_create(struct container *c, struct request *req)
{
        if (c->state >= CONTAINER_CREATED)
                request_reply(&req, &(struct create_result){ .pid = (uint32_t)c->init.pid });
        else if (req->followers)
                DL_APPEND2(c->after_gone, req, park_prev, park_next);
        else
                request_free(req);
}

/* A request that an earlier daemon had begun: what was done is answered, what was not is done. */
static void settle_revived(struct container *c, struct request *req)
{
        const char *exec_id = request_exec_id(req);
        struct process *p = container_find_process(c, exec_id);
        enum method_id m = req->method->id;

        if (m == METHOD_CREATE)
                settle_create(c, req);
        else if (m == METHOD_START && p && p->start_published)
                request_reply(&req, &(struct start_result){ .pid = (uint32_t)p->pid });
        else if (m == METHOD_START && p && p->exec_id[0] && p->state == PROCESS_STARTING && !p->start_request)
                p->start_request = req; /* the sandbox is still to tell */
        else if (m == METHOD_START && p && p->exec_id[0] && p->state == PROCESS_STOPPED)
                request_fail_reason(&req, REASON_IN_DOUBT, "%s", p->cause);
        else if (m == METHOD_KILL && p && p->ended)
                request_reply(&req, &(struct empty){});
        else if ((m == METHOD_PAUSE && c->state == CONTAINER_PAUSED) ||
                 (m == METHOD_RESUME && c->state == CONTAINER_RUNNING))
                request_reply(&req, &(struct empty){});
        else if (m == METHOD_DELETE && !exec_id[0] &&
                 (c->state == CONTAINER_DELETING || c->state == CONTAINER_CLEANING) && !c->delete_request)
                c->delete_request = req;
        else
                container_request(c, req);
}

void container_settle_create(struct container *c)
{
        struct request *req, *tmp;

        DL_FOREACH_SAFE2(c->revived, req, tmp, park_next) {
                if (req->method->id != METHOD_CREATE)
                        continue;
                DL_DELETE2(c->revived, req, park_prev, park_next);
                settle_create(c, req);
        }
}

void container_settle(struct container *c)
{
        struct request *req, *tmp, *list;

        if (c->state == CONTAINER_GONE || c->adopting)
                return;
        list = c->revived;
        c->revived = NULL;
        DL_FOREACH_SAFE2(list, req, tmp, park_next) {
                DL_DELETE2(list, req, park_prev, park_next);
                settle_revived(c, req);
        }
        if (c->state >= CONTAINER_CREATED && c->state < CONTAINER_DELETING)
                container_create_again(c); /* who waited for it to be undone learns that it was not */
        settle_processes(c);
        if (settle_wanted(c) || c->state == CONTAINER_GONE)
                return;
        list = c->deferred;
        c->deferred = NULL;
        DL_FOREACH_SAFE2(list, req, tmp, park_next) {
                DL_DELETE2(list, req, park_prev, park_next);
                container_request(c, req);
        }
}
