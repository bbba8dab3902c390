/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The clients, in place of transport.c. Each request is sent as bytes and its answer read as bytes; an answer must come
 * once, be one that the method may give, and agree with the event log.
 */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <errno.h>
#include <string.h>
#include <utlist.h>
#include "daemon/keeper_link.h"
#include "proto/codec.h"
#include "tests/sim/sim.h"

#define CONNECTIONS 8

enum fate { OPEN, ANSWERED, DROPPED, LOST };

struct transport_request {
        struct transport_request *prev, *next;
        uint32_t id, connection;
        const struct method_desc *method;
        char container[8], exec_id[8], request_id[32];
        struct buf message; /* as sent */
        struct buf answer;  /* as received, from the error on; of those with a request id */
        enum fate fate;
        bool force, repeat;
        unsigned crashes, incarnation; /* when it was answered */
        uint64_t step;
};

struct transport {
        const struct transport_handlers *handlers;
        void *data;
};

static struct transport transport;
static struct transport_request *requests;
static uint32_t last_id;

/* --- the transport that the daemon sees --- */

int transport_new(struct transport **ret, struct loop *loop, const struct transport_options *options,
                  const struct transport_handlers *handlers, void *data, struct error *err)
{
        transport = (struct transport){ .handlers = handlers, .data = data };
        *ret = &transport;
        return 0;
}

struct transport *transport_free(struct transport *t)
{
        return NULL;
}

void transport_stop_receiving(struct transport *t)
{
}

bool transport_drained(const struct transport *t)
{
        return true;
}

void transport_stats(const struct transport *t, struct transport_stats *ret)
{
        *ret = (struct transport_stats){ 0 };
}

static void check_exit(const struct transport_request *r, const struct exit_result *x)
{
        const struct exit_seen *seen = oracle_exit((pid_t)x->pid);

        if (!x->pid)
                return;
        if (!seen) {
                if (oracle_has_started(r->container, r->exec_id, (pid_t)x->pid) || (!r->exec_id[0] && !r->force))
                        sim_fail("%s of %s \"%s\" tells the end of %u, which is not in the log", r->method->name,
                                 r->container, r->exec_id, x->pid);
                return;
        }
        if (seen->known != x->exit_known || seen->status != x->exit_status || seen->exited_at != x->exited_at)
                sim_fail("%s of %s \"%s\" (pid %u): known %d status %u at %llu, but the log says known %d status %u at "
                         "%llu",
                         r->method->name, r->container, r->exec_id, x->pid, x->exit_known, x->exit_status,
                         (unsigned long long)x->exited_at, seen->known, seen->status,
                         (unsigned long long)seen->exited_at);
}

static bool may_fail_with(const struct method_desc *m, int reason)
{
        static const uint64_t any = UINT64_C(1) << REASON_MALFORMED | UINT64_C(1) << REASON_INVALID_ARGUMENT |
                                    UINT64_C(1) << REASON_INVALID_ID | UINT64_C(1) << REASON_TOO_LARGE |
                                    UINT64_C(1) << REASON_QUOTA | UINT64_C(1) << REASON_PERMISSION |
                                    UINT64_C(1) << REASON_NO_RESOURCES | UINT64_C(1) << REASON_UNAVAILABLE;

        return (m->reasons | any) >> reason & 1;
}

static void check_answer(const struct transport_request *r, const void *data, size_t len)
{
        struct arena *a = arena_new();
        struct rpc_response res = { 0 };
        struct error err = ERROR_NULL;

        if (rpc_response_decode(data, len, r->method, a, &res, &err) < 0)
                sim_fail("the answer of %s cannot be read: %s", r->method->name, err.message);
        if (res.id != r->id)
                sim_fail("the answer of %u has the id %u", r->id, res.id);
        sim_trace("%s of %s \"%s\" (%u) is answered: %s", r->method->name, r->container, r->exec_id, r->id,
                  res.error.reason ? res.error.message : "done");
        if (res.error.reason && !may_fail_with(r->method, res.error.reason))
                sim_fail("%s of %s \"%s\" failed with %s, which it may not: %s", r->method->name, r->container,
                         r->exec_id, reason_name((enum reason)res.error.reason), res.error.message);
        if (!res.error.reason && !r->repeat) {
                if (r->method->id == METHOD_WAIT || r->method->id == METHOD_DELETE)
                        check_exit(r, res.result);
                if (r->method->id == METHOD_DELETE && !r->exec_id[0] && oracle_exists(r->container))
                        sim_fail("delete of %s is answered, but it was not deleted", r->container);
                if (r->method->id == METHOD_START &&
                    !oracle_has_started(r->container, r->exec_id,
                                        (pid_t)((const struct start_result *)res.result)->pid))
                        sim_fail("start of %s \"%s\" is answered, but the log does not have it", r->container,
                                 r->exec_id);
        }
        arena_free(a);
}

/* Answers are remembered while the daemon lives, and across its death with the record: the last eight, while it is
 * there. */
static bool must_remember(const struct transport_request *r)
{
        const struct transport_request *later;
        unsigned n = 0;

        if (r->crashes == sim.crashes)
                return true;
        for (later = r->next; later; later = later->next)
                n += later->request_id[0] && strcmp(later->container, r->container) == 0;
        return n < 8 && oracle_exists(r->container) && r->incarnation == oracle_incarnation(r->container);
}

/* After [1, id: for the comparison with the answer to a repeat. */
static void keep_answer(struct transport_request *r, const uint8_t *data, size_t len)
{
        size_t skip = len > 2 && data[2] == 0xce   ? 7
                      : len > 2 && data[2] == 0xcd ? 5
                      : len > 2 && data[2] == 0xcc ? 4
                                                   : 3;
        struct transport_request *o;

        buf_append(&r->answer, data + skip, len - skip);
        DL_FOREACH(requests, o) {
                if (o == r || o->fate != ANSWERED || strcmp(o->request_id, r->request_id) != 0 || !must_remember(o))
                        continue;
                if (buf_len(&o->answer) != buf_len(&r->answer) ||
                    memcmp(buf_head(&o->answer), buf_head(&r->answer), buf_len(&r->answer)) != 0)
                        sim_fail("%s of %s \"%s\": a repeat of %s got another answer", r->method->name, r->container,
                                 r->exec_id, r->request_id);
        }
}

void transport_reply(struct transport_request **req, const void *data, size_t len)
{
        struct transport_request *r = TAKE(*req);

        if (sim.frozen)
                return; /* it stays open, until wire_lost() */
        if (r->fate != OPEN)
                sim_fail("%s of %s is answered, but it is not open", r->method->name, r->container);
        check_answer(r, data, len);
        if (r->request_id[0])
                keep_answer(r, data, len);
        r->fate = ANSWERED;
        r->crashes = sim.crashes;
        r->incarnation = oracle_incarnation(r->container);
        sim.answered++;
}

void transport_drop(struct transport_request **req)
{
        struct transport_request *r = TAKE(*req);

        if (r->fate == OPEN && !sim.frozen)
                sim_fail("%s of %s is dropped without need", r->method->name, r->container);
}

/* --- the keeper: what it tells is played in host.c --- */

static struct {
        const struct keeper_link_ops *ops;
        void *data;
} keeper;

int keeper_link_new(struct keeper_link **ret, struct loop *loop, struct reaper *reaper,
                    const struct keeper_link_ops *ops, void *data, struct error *err)
{
        keeper.ops = ops;
        keeper.data = data;
        *ret = NULL;
        return 0;
}

struct keeper_link *keeper_link_free(struct keeper_link *l)
{
        return NULL;
}

bool keeper_link_connected(const struct keeper_link *l)
{
        return true;
}

bool keeper_link_awaits_successor(const struct keeper_link *l)
{
        return false;
}

/* There is no other process that knows more. */
void keeper_link_ask(struct keeper_link *l)
{
}

bool keeper_link_can_notify(const struct keeper_link *l)
{
        return false;
}

void keeper_link_remember(struct keeper_link *l, pid_t pid, uint64_t start_time, const struct exit_info *info)
{
}

void keeper_link_forget(struct keeper_link *l, pid_t pid, uint64_t start_time)
{
        struct fake_process *p = host_find(pid);

        if (p && p->start_time == start_time && !sim.frozen)
                p->forgotten = true;
}

int keeper_link_notify(struct keeper_link *l, const char *state)
{
        return 0;
}

int keeper_link_store(struct keeper_link *l, const char *name, int fd)
{
        return 0;
}

int keeper_link_unstore(struct keeper_link *l, const char *name)
{
        return 0;
}

const char *keeper_link_notify_path(const struct keeper_link *l)
{
        return NULL;
}

int keeper_link_hand_over(struct keeper_link *l, const char *prefix, int sock)
{
        return -ENOTCONN;
}

int keeper_link_drop(struct keeper_link *l, const char *prefix)
{
        return 0;
}

size_t keeper_link_queued(const struct keeper_link *l)
{
        return 0;
}

void keeper_link_when_sent(struct keeper_link *l, struct keeper_link_wait *w)
{
}

void keeper_link_wait_cancel(struct keeper_link_wait *w)
{
}

struct keeper_link_fd *keeper_link_fds(struct keeper_link *l, size_t *ret_n)
{
        *ret_n = 0;
        return NULL;
}

bool wire_backlog_end(void)
{
        if (!keeper.ops)
                return false;
        keeper.ops->on_backlog_end(keeper.data);
        keeper.ops = NULL;
        sim_settle();
        return true;
}

/* --- requests --- */

static void request_deliver(struct transport_request *r)
{
        struct transport_peer peer = { .connection = r->connection, .uid = 0, .pid = 77 };

        DL_APPEND(requests, r);
        sim_trace("%s of %s \"%s\" (%u %s) comes", r->method->name, r->container, r->exec_id, r->id, r->request_id);
        transport.handlers->request(transport.data, r, &peer, buf_head(&r->message), buf_len(&r->message));
        sim_settle();
}

static struct transport_request *request_new(enum method_id id, const char *container, const char *exec_id)
{
        struct transport_request *r = calloc(1, sizeof(*r));

        r->id = ++last_id;
        r->connection = 1 + dice(CONNECTIONS);
        r->method = &method_table[id];
        r->step = sim.step;
        snprintf(r->container, sizeof(r->container), "%s", container);
        snprintf(r->exec_id, sizeof(r->exec_id), "%s", exec_id);
        if (r->method->access == ACCESS_WRITE && id != METHOD_RESIZE && percent(50))
                snprintf(r->request_id, sizeof(r->request_id), "r%u", r->id);
        return r;
}

static void request_send(struct transport_request *r, const void *params)
{
        struct error err = ERROR_NULL;

        if (rpc_request_encode(r->id, r->method, params, &r->message, &err) < 0)
                sim_fail("%s cannot be encoded: %s", r->method->name, err.message);
        request_deliver(r);
}

/* The same again, under another id of the message. */
static void request_repeat(const struct transport_request *old)
{
        struct transport_request *r = calloc(1, sizeof(*r));
        struct arena *a = arena_new();
        struct rpc_request decoded;
        struct error err = ERROR_NULL;

        *r = *old;
        r->message = r->answer = (struct buf)BUF_NULL;
        r->fate = OPEN;
        r->repeat = true;
        r->id = ++last_id;
        r->connection = 1 + dice(CONNECTIONS);
        if (rpc_request_decode(buf_head(&old->message), buf_len(&old->message), a, &decoded, &err) < 0)
                sim_fail("%s", err.message);
        request_send(r, decoded.params);
        arena_free(a);
}

static struct blob process_blob(void)
{
        return (struct blob){ .data = (const uint8_t *)sim_process_json, .len = strlen(sim_process_json) };
}

static void send_create(const char *id)
{
        struct transport_request *r = request_new(METHOD_CREATE, id, "");
        struct mount mount = { .type = "bind", .source = "/a", .target = "" };
        struct create_params x = {
                .id = id,
                .request_id = r->request_id,
                .bundle = "/bundle",
                .auto_remove = percent(15),
                .checkpoint = percent(10) ? "/checkpoint" : "",
        };

        if (percent(30)) {
                x.rootfs.items = &mount;
                x.rootfs.n = 1;
        }
        request_send(r, &x);
}

static void send_target(enum method_id method, const char *id, const char *exec_id)
{
        request_send(request_new(method, id, exec_id), &(struct target){ .id = id, .exec_id = exec_id });
}

static void send_start(const char *id, const char *exec_id)
{
        struct transport_request *r = request_new(METHOD_START, id, exec_id);

        request_send(r, &(struct start_params){ .id = id, .exec_id = exec_id, .request_id = r->request_id });
}

static void send_exec(const char *id, const char *exec_id)
{
        struct transport_request *r = request_new(METHOD_EXEC, id, exec_id);

        request_send(r, &(struct exec_params){ .id = id,
                                               .exec_id = exec_id,
                                               .request_id = r->request_id,
                                               .spec = process_blob(),
                                               .auto_remove = percent(15) });
}

static void send_kill(const char *id, const char *exec_id)
{
        struct transport_request *r = request_new(METHOD_KILL, id, exec_id);

        request_send(r, &(struct kill_params){ .id = id, .exec_id = exec_id, .request_id = r->request_id,
                                               .signal = percent(50) ? SIGKILL : SIGTERM, .all = percent(30) });
}

static void send_action(enum method_id method, const char *id, const char *exec_id)
{
        struct transport_request *r = request_new(method, id, exec_id);

        request_send(r, &(struct action_params){ .id = id, .exec_id = exec_id, .request_id = r->request_id });
}

static void send_delete(const char *id, const char *exec_id, bool force)
{
        struct transport_request *r = request_new(METHOD_DELETE, id, exec_id);

        r->force = force;
        request_send(r, &(struct delete_params){
                                .id = id, .exec_id = exec_id, .request_id = r->request_id, .force = force });
}

static void send_update(const char *id)
{
        static const char text[] = "{\"pids\":{\"limit\":5}}";
        struct transport_request *r = request_new(METHOD_UPDATE, id, "");

        request_send(r, &(struct update_params){ .id = id, .request_id = r->request_id,
                                                 .resources = { .data = (const uint8_t *)text, .len = strlen(text) } });
}

static void send_checkpoint(const char *id)
{
        struct transport_request *r = request_new(METHOD_CHECKPOINT, id, "");

        request_send(r, &(struct checkpoint_params){
                                .id = id, .request_id = r->request_id, .path = "/image", .exit = percent(50) });
}

static void send_events(const char *id)
{
        struct events_params x = { .since = percent(50) ? UINT64_MAX : eventlog_newest(sim.daemon->events),
                                   .timeout_ms = dice(2) * 1000,
                                   .id = percent(50) ? id : "" };

        request_send(request_new(METHOD_EVENTS_READ, id, ""), &x);
}

/* Something that makes sense more often than not. */
static void send_for(const struct container *c, const char *id, const char *exec_id)
{
        static const enum method_id queries[] = { METHOD_PIDS, METHOD_PS, METHOD_STATS, METHOD_STATE };
        const struct process *p = c ? container_find_process((struct container *)c, exec_id) : NULL;
        uint32_t n = dice(100);

        if (!c && n < 60)
                send_create(id);
        else if (c && c->state == CONTAINER_STOPPED && n < 40)
                send_delete(id, "", percent(20));
        else if (c && c->state < CONTAINER_STARTING && n < 30)
                send_start(id, "");
        else if (c && !p && n < 40)
                send_exec(id, exec_id);
        else if (p && exec_id[0] && p->state == PROCESS_ADDED && n < 60)
                send_start(id, exec_id);
        else if (n < 46)
                send_create(id);
        else if (n < 49)
                send_start(id, exec_id);
        else if (n < 56)
                send_exec(id, exec_id[0] ? exec_id : "e0");
        else if (n < 62)
                send_kill(id, exec_id);
        else if (n < 69)
                send_action(c && c->state == CONTAINER_PAUSED ? METHOD_RESUME : METHOD_PAUSE, id, "");
        else if (n < 71)
                send_action(METHOD_RESUME, id, "");
        else if (n < 74)
                send_update(id);
        else if (n < 77)
                send_checkpoint(id);
        else if (n < 82)
                send_delete(id, exec_id, false);
        else if (n < 84)
                send_delete(id, exec_id, true);
        else if (n < 92)
                send_target(METHOD_WAIT, id, exec_id);
        else if (n < 96)
                send_target(queries[dice(4)], id, exec_id);
        else if (n < 98)
                send_events(id);
        else
                send_action(METHOD_CLOSE_IO, id, exec_id);
}

void wire_random_request(void)
{
        static const char *const ids[KEYS] = { "c0", "c1", "c2", "c3", "c4", "c5" };
        static const char *const exec_ids[EXECS] = { "e0", "e1", "e2" };
        const char *id = ids[dice(KEYS)];
        struct transport_request *r;

        if (percent(5)) {
                uint32_t n = dice(30);

                for (r = requests ? requests->prev : NULL; r && n > 0 && r != requests; n--)
                        r = r->prev;
                if (r && r->request_id[0] && r->fate != DROPPED)
                        request_repeat(r);
                return;
        }
        send_for(container_find(sim.daemon, "", "", id), id, percent(50) ? "" : exec_ids[dice(EXECS)]);
}

void wire_force_delete(const char *id)
{
        send_delete(id, "", true);
}

void wire_disconnect(void)
{
        struct transport_peer peer = { .connection = 1 + dice(CONNECTIONS) };
        struct transport_request *r;

        sim_trace("connection %u ends", peer.connection);
        DL_FOREACH(requests, r)
                if (r->fate == OPEN && r->connection == peer.connection)
                        r->fate = DROPPED;
        transport.handlers->disconnected(transport.data, &peer);
        sim_settle();
}

void wire_lost(void)
{
        struct transport_request *r;

        keeper.ops = NULL;
        DL_FOREACH(requests, r)
                if (r->fate == OPEN)
                        r->fate = LOST;
}

/* What was open when the daemon died is sent again by most. */
void wire_repeat_lost(void)
{
        struct transport_request *r, *tmp;

        DL_FOREACH_SAFE(requests, r, tmp) {
                if (r->fate != LOST)
                        continue;
                r->fate = DROPPED;
                if ((r->request_id[0] || r->method->access == ACCESS_READ) && percent(70))
                        request_repeat(r);
        }
}

void wire_check_stuck(void)
{
        struct transport_request *r;

        DL_FOREACH(requests, r) {
                const struct container *c;
                struct process *p;

                if (r->fate != OPEN)
                        continue;
                c = container_find(sim.daemon, "", "", r->container);
                p = c ? container_find_process((struct container *)c, r->exec_id) : NULL;
                if (r->method->id == METHOD_WAIT && p && !p->ended && p->state != PROCESS_STOPPED &&
                    (r->exec_id[0] || c->state != CONTAINER_STOPPED))
                        continue;
                sim_fail("%s of %s \"%s\" (id %u, of step %llu) is never answered; the container is %s, the process %s",
                         r->method->name, r->container, r->exec_id, r->id, (unsigned long long)r->step,
                         c ? container_state_name(c->state) : "gone", p ? process_state_name(p->state) : "gone");
        }
}

static void request_forget(struct transport_request *r)
{
        DL_DELETE(requests, r);
        buf_deinit(&r->message);
        buf_deinit(&r->answer);
        free(r);
}

size_t wire_open(void)
{
        struct transport_request *r;
        size_t n = 0;

        DL_FOREACH(requests, r)
                n += r->fate == OPEN;
        return n;
}

/* Keeps the last few, for repeats. The daemon may not hold any other than the open ones. */
void wire_forget_old(void)
{
        struct transport_request *r, *tmp;
        size_t n;

        DL_COUNT(requests, r, n);
        DL_FOREACH_SAFE(requests, r, tmp) {
                if (n <= 40)
                        return;
                n--;
                if (r->fate != OPEN && r->fate != LOST)
                        request_forget(r);
        }
}

void wire_reset(void)
{
        struct transport_request *r, *tmp;

        DL_FOREACH_SAFE(requests, r, tmp)
                request_forget(r);
}
