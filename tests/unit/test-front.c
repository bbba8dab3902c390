/* SPDX-License-Identifier: Apache-2.0 */
/* The front between a containerd and a sandboxd that the test plays both: what is asked, how it is answered, and what
 * happens to calls when either goes away. */

#include "tests/unit/unit.h"

#include <sys/socket.h>
#include <sys/un.h>
#include "base/fd.h"
#include "client/shim/front.h"
#include "client/shim/task.h"
#include "proto/shim.h"
#include "proto/shim/task.pb-c.h"
#include "tests/lib/fake_rpc.h"

#define GO_ZERO INT64_C(-62135596800)

struct rig {
        char dir[32], path[64];
        struct loop *loop;
        struct fake_rpc daemon;
        struct front front;
};

/* A connection of containerd's. */
struct peer {
        struct rig *rig;
        int fd;
        uint32_t stream;
        struct buf in;
        struct ttrpc_decoder decoder;
};

static int begin(void **state)
{
        static struct rig rig;
        struct error err = ERROR_NULL;

        unit_mkdir(rig.dir);
        snprintf(rig.path, sizeof(rig.path), "%s/front.sock", rig.dir);
        assert_int_equal(loop_new(&rig.loop), 0);
        fake_rpc_init(&rig.daemon, rig.loop, rig.dir);
        struct front_setup setup = FRONT_SETUP_NULL;

        setup.owner = "c01";
        setup.fd = fd_listen_unix(rig.path, 0600, 8);
        setup.socket = rig.daemon.path;
        assert_int_equal(front_init(&rig.front, rig.loop, &setup, &err), 0);
        *state = &rig;
        return 0;
}

static int end(void **state)
{
        struct rig *rig = *state;

        front_deinit(&rig->front);
        fake_rpc_deinit(&rig->daemon);
        loop_free(rig->loop);
        unit_rmdir(rig->dir);
        return 0;
}

static void peer_open(struct peer *p, struct rig *rig)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        *p = (struct peer){ .rig = rig, .fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) };
        strcpy(address.sun_path, rig->path);
        assert_int_equal(connect(p->fd, (struct sockaddr *)&address, sizeof(address)), 0);
}

static void peer_close(struct peer *p)
{
        fd_close(p->fd);
        buf_deinit(&p->in);
}

static uint32_t ask_of(struct peer *p, const char *service, const char *method, const ProtobufCMessage *message)
{
        struct ttrpc_call call = { service, method, message, 0, TASK_NAMESPACE_KEY, "ns1" };
        struct buf out = BUF_NULL;
        uint32_t stream = p->stream * 2 + 1;

        p->stream++;
        assert_int_equal(ttrpc_append_request(&out, stream, &call), 0);
        assert_int_equal(fd_write_all(p->fd, buf_head(&out), buf_len(&out)), 0);
        buf_deinit(&out);
        return stream;
}

static uint32_t ask(struct peer *p, const char *method, const ProtobufCMessage *message)
{
        return ask_of(p, TASK_SERVICE_V2, method, message);
}

static bool peer_has(struct peer *p, struct ttrpc_frame *ret)
{
        uint8_t *room = buf_reserve(&p->in, 65536);
        ssize_t n = recv(p->fd, room, 65536, MSG_DONTWAIT);

        if (n > 0)
                buf_commit(&p->in, (size_t)n);
        return ttrpc_decode(&p->decoder, &p->in, ret) == TTRPC_FRAME;
}

static Ttrpc__Response *await(struct peer *p, uint32_t stream)
{
        struct ttrpc_frame frame;
        Ttrpc__Response *response;
        struct watch_timer tick; /* the peer is not on the loop: look each millisecond */

        watch_timer_init(&tick, p->rig->loop, unit_set_flag);
        unit_run_until(p->rig->loop, (watch_timer_arm(&tick, NSEC_PER_MSEC), peer_has(p, &frame)));
        watch_timer_stop(&tick);
        assert_int_equal(frame.stream, stream);
        assert_int_equal(frame.type, TTRPC_RESPONSE);
        response = ttrpc__response__unpack(NULL, frame.len, frame.data);
        assert_non_null(response);
        ttrpc_consume(&p->in, &frame);
        return response;
}

static void await_error(struct peer *p, uint32_t stream, int code, const char *message)
{
        Ttrpc__Response *r = await(p, stream);

        assert_non_null(r->status);
        assert_int_equal(r->status->code, code);
        assert_string_equal(r->status->message, message);
        ttrpc__response__free_unpacked(r, NULL);
}

static void *await_message(struct peer *p, uint32_t stream, const ProtobufCMessageDescriptor *descriptor)
{
        Ttrpc__Response *r = await(p, stream);
        void *message;

        if (r->status && r->status->code != 0)
                fail_msg("%s", r->status->message);
        message = protobuf_c_message_unpack(descriptor, NULL, r->payload.len, r->payload.data);
        assert_non_null(message);
        ttrpc__response__free_unpacked(r, NULL);
        return message;
}

static void await_empty(struct peer *p, uint32_t stream)
{
        protobuf_c_message_free_unpacked(await_message(p, stream, &shim__empty__descriptor), NULL);
}

static uint32_t ask_state(struct peer *p, const char *id)
{
        Shim__StateRequest m = SHIM__STATE_REQUEST__INIT;

        m.id = (char *)id;
        return ask(p, "State", &m.base);
}

static uint32_t ask_start(struct peer *p, const char *id)
{
        Shim__StartRequest m = SHIM__START_REQUEST__INIT;

        m.id = (char *)id;
        return ask(p, "Start", &m.base);
}

static uint32_t ask_wait(struct peer *p, const char *id, const char *exec_id)
{
        Shim__WaitRequest m = SHIM__WAIT_REQUEST__INIT;

        m.id = (char *)id;
        m.exec_id = (char *)exec_id;
        return ask(p, "Wait", &m.base);
}

static void a_state(void **state)
{
        struct process_state process = { .status = "running", .pid = 7, .stdout_path = "/out", .terminal = true };
        struct state_result result = { .id = "a", .bundle = "/b", .process = &process };
        struct fake_request *r;
        const struct target *target;
        Shim__StateResponse *m;
        struct peer p;
        uint32_t stream;

        peer_open(&p, *state);
        stream = ask_state(&p, "a");
        r = fake_rpc_take(&p.rig->daemon, METHOD_STATE);
        target = r->rpc.params;
        assert_string_equal(target->owner, "c01");
        assert_string_equal(target->ns, "ns1");
        assert_string_equal(target->id, "a");
        fake_rpc_answer(&p.rig->daemon, r, &result);
        m = await_message(&p, stream, &shim__state_response__descriptor);
        assert_string_equal(m->id, "a");
        assert_string_equal(m->bundle, "/b");
        assert_string_equal(m->stdout, "/out");
        assert_int_equal(m->pid, 7);
        assert_int_equal(m->status, SHIM__STATUS__RUNNING);
        assert_true(m->terminal);
        assert_int_equal(m->exited_at->seconds, GO_ZERO);
        protobuf_c_message_free_unpacked(&m->base, NULL);

        process = (struct process_state){ .status = "creating" }; /* containerd has not heard of it yet */
        stream = ask_state(&p, "a");
        fake_rpc_answer(&p.rig->daemon, fake_rpc_take(&p.rig->daemon, METHOD_STATE), &result);
        await_error(&p, stream, CODE_NOT_FOUND, "container not created: not found");
        peer_close(&p);
}

static void what_is_not_served(void **state)
{
        static const uint8_t huge[] = { 0, 0x50, 0, 0, 0, 0, 0, 0x65, 1, 0 }; /* stream 101 of 5 MiB */
        static const uint8_t even[] = { 0, 0, 0, 0, 0, 0, 0, 2, 1, 0 };
        _cleanup_(freep) uint8_t *data = calloc(1, 0x500000);
        Shim__ShutdownRequest m = SHIM__SHUTDOWN_REQUEST__INIT;
        struct peer p;
        uint32_t stream;
        size_t sent = 0;

        peer_open(&p, *state);
        stream = ask_of(&p, "containerd.runtime.sandbox.v1.Sandbox", "Create", &m.base);
        await_error(&p, stream, CODE_UNIMPLEMENTED, "service containerd.runtime.sandbox.v1.Sandbox");
        stream = ask(&p, "Nothing", &m.base);
        await_error(&p, stream, CODE_UNIMPLEMENTED, "method Nothing");
        assert_int_equal(fd_write_all(p.fd, even, sizeof(even)), 0);
        await_error(&p, 2, CODE_INVALID_ARGUMENT, "StreamID must be odd for client initiated streams");
        assert_int_equal(fd_write_all(p.fd, huge, sizeof(huge)), 0);
        await_error(&p, 101, CODE_RESOURCE_EXHAUSTED, "message length exceeds the maximum of 4194304 bytes");
        while (sent < 0x500000) {
                ssize_t n = send(p.fd, data + sent, 0x500000 - sent, MSG_DONTWAIT);

                sent += n > 0 ? (size_t)n : 0;
                loop_run_once(p.rig->loop, false);
        }
        stream = ask_of(&p, TASK_SERVICE_V3, "Shutdown", &m.base); /* the connection goes on */
        await_empty(&p, stream);
        p.stream = 0;
        stream = ask(&p, "Shutdown", &m.base);
        await_error(&p, stream, CODE_INVALID_ARGUMENT, "StreamID cannot be re-used and must increment");
        peer_close(&p);
}

/* sandboxd dies with the call in flight: the call is repeated to the next one, as the same request. */
static void the_daemon_restarts(void **state)
{
        struct fake_request *r;
        char id[LIMIT_REQUEST_ID + 1];
        Shim__StartResponse *m;
        struct peer p;
        uint32_t stream;

        peer_open(&p, *state);
        stream = ask_start(&p, "a");
        r = fake_rpc_take(&p.rig->daemon, METHOD_START);
        strcpy(id, ((const struct start_params *)r->rpc.params)->request_id);
        assert_true(strlen(id) > 10);
        fake_rpc_drop(r);
        fake_rpc_hang_up(&p.rig->daemon);
        r = fake_rpc_take(&p.rig->daemon, METHOD_START);
        assert_string_equal(((const struct start_params *)r->rpc.params)->request_id, id);
        fake_rpc_refuse(&p.rig->daemon, r, REASON_UNAVAILABLE, "stopping"); /* this one stops in order */
        r = fake_rpc_take(&p.rig->daemon, METHOD_START);
        assert_string_equal(((const struct start_params *)r->rpc.params)->request_id, id);
        fake_rpc_answer(&p.rig->daemon, r, &(struct start_result){ .pid = 9 });
        m = await_message(&p, stream, &shim__start_response__descriptor);
        assert_int_equal(m->pid, 9);
        protobuf_c_message_free_unpacked(&m->base, NULL);
        peer_close(&p);
}

/* Two connections have different request ids for the same stream; the end of one leaves the other alone. */
static void connections_end(void **state)
{
        struct fake_request *r1, *r2;
        Shim__StartResponse *m;
        struct peer p, q;
        uint32_t stream;

        peer_open(&p, *state);
        peer_open(&q, *state);
        ask_start(&p, "a");
        r1 = fake_rpc_take(&p.rig->daemon, METHOD_START);
        stream = ask_start(&q, "a");
        r2 = fake_rpc_take(&p.rig->daemon, METHOD_START);
        assert_string_not_equal(((const struct start_params *)r1->rpc.params)->request_id,
                                ((const struct start_params *)r2->rpc.params)->request_id);
        ask_wait(&p, "a", "");
        peer_close(&p);
        unit_run_until(p.rig->loop, p.rig->front.conns && !p.rig->front.conns->next);
        fake_rpc_answer(&p.rig->daemon, r1, &(struct start_result){ .pid = 1 });
        fake_rpc_answer(&p.rig->daemon, r2, &(struct start_result){ .pid = 2 });
        m = await_message(&q, stream, &shim__start_response__descriptor);
        assert_int_equal(m->pid, 2);
        protobuf_c_message_free_unpacked(&m->base, NULL);
        peer_close(&q);
}

static void errors_in_containerds_words(void **state)
{
        Shim__PauseRequest pause = SHIM__PAUSE_REQUEST__INIT;
        Shim__KillRequest kill = SHIM__KILL_REQUEST__INIT;
        Shim__ConnectRequest connect = SHIM__CONNECT_REQUEST__INIT;
        Shim__CloseIORequest close_io = SHIM__CLOSE_IOREQUEST__INIT;
        Shim__ConnectResponse *m;
        struct peer p;
        uint32_t stream;

        peer_open(&p, *state);
        pause.id = kill.id = connect.id = close_io.id = (char *)"a";
        kill.signal = 9;
        stream = ask(&p, "Kill", &kill.base);
        fake_rpc_refuse(&p.rig->daemon, fake_rpc_take(&p.rig->daemon, METHOD_KILL), REASON_PROCESS_FINISHED,
                        "process already finished");
        await_error(&p, stream, CODE_NOT_FOUND, "process already finished: not found");
        stream = ask(&p, "Pause", &pause.base);
        fake_rpc_refuse(&p.rig->daemon, fake_rpc_take(&p.rig->daemon, METHOD_PAUSE), REASON_WRONG_STATE,
                        "cannot pause");
        await_error(&p, stream, CODE_UNKNOWN, "cannot pause");
        stream = ask_start(&p, "a");
        fake_rpc_refuse(&p.rig->daemon, fake_rpc_take(&p.rig->daemon, METHOD_START), REASON_RUNTIME_FAILED,
                        "OCI runtime start failed: x");
        await_error(&p, stream, CODE_UNKNOWN, "OCI runtime start failed: x");

        stream = ask(&p, "Connect", &connect.base); /* is answered whatever there is */
        fake_rpc_refuse(&p.rig->daemon, fake_rpc_take(&p.rig->daemon, METHOD_STATE), REASON_NOT_FOUND, "no");
        m = await_message(&p, stream, &shim__connect_response__descriptor);
        assert_int_equal(m->shim_pid, getpid());
        assert_int_equal(m->task_pid, 0);
        protobuf_c_message_free_unpacked(&m->base, NULL);
        stream = ask(&p, "CloseIO", &close_io.base); /* of no stream: nothing to do */
        await_empty(&p, stream);
        stream = ask(&p, "Update", &connect.base);
        await_error(&p, stream, CODE_INVALID_ARGUMENT, "update a: there are no resources in it: invalid argument");
        peer_close(&p);
}

/* --- waits --- */

static void answer_events(struct rig *rig, struct event *events, size_t n, uint64_t next)
{
        struct events_result result = { .events = { events, n }, .next = next, .newest = next - 1 };

        fake_rpc_answer(&rig->daemon, fake_rpc_take(&rig->daemon, METHOD_EVENTS_READ), &result);
}

static void answer_state(struct rig *rig, const char *status, uint32_t exit_status)
{
        struct process_state process = { .status = status,
                                         .exit_status = exit_status,
                                         .exited_at = exit_status ? NSEC_PER_SEC : 0 };
        struct state_result result = { .id = "a", .process = &process };

        fake_rpc_answer(&rig->daemon, fake_rpc_take(&rig->daemon, METHOD_STATE), &result);
}

static void await_exit(struct peer *p, uint32_t stream, uint32_t exit_status)
{
        Shim__WaitResponse *m = await_message(p, stream, &shim__wait_response__descriptor);

        assert_int_equal(m->exit_status, exit_status);
        assert_int_equal(m->exited_at->seconds, 1);
        protobuf_c_message_free_unpacked(&m->base, NULL);
}

static struct event ended = { .kind = "exit",
                              .owner = "c01",
                              .ns = "ns1",
                              .id = "a",
                              .exit_known = true,
                              .exit_status = 3,
                              .exited_at = NSEC_PER_SEC };

/* Nothing is asked before the cursor is known; an old event does not end the wait; the state behind a new one does, for
 * all that wait; and one poll is open at any time, none of it a wait. */
static void a_wait(void **state)
{
        struct fake_request *r;
        const struct events_params *params;
        struct peer p, q;
        uint32_t s1, s2;

        peer_open(&p, *state);
        peer_open(&q, *state);
        s1 = ask_wait(&p, "a", "");
        r = fake_rpc_take(&p.rig->daemon, METHOD_EVENTS_READ);
        params = r->rpc.params;
        assert_true(params->only_owner);
        assert_string_equal(params->owner, "c01");
        assert_int_equal(params->timeout_ms, 0);
        assert_null(p.rig->daemon.requests);
        fake_rpc_answer(&p.rig->daemon, r, &(struct events_result){ .next = 5, .newest = 4 });
        answer_state(p.rig, "running", 0);
        s2 = ask_wait(&q, "a", "");
        answer_state(p.rig, "running", 0);
        answer_events(p.rig, &ended, 1, 6); /* of an earlier container of that name */
        answer_state(p.rig, "running", 0);
        r = fake_rpc_take(&p.rig->daemon, METHOD_EVENTS_READ);
        params = r->rpc.params;
        assert_int_equal(params->since, 6);
        assert_true(params->timeout_ms > 60000);
        fake_rpc_answer(&p.rig->daemon, r, &(struct events_result){ .events = { &ended, 1 }, .next = 7, .newest = 6 });
        answer_state(p.rig, "stopped", 3);
        await_exit(&p, s1, 3);
        await_exit(&q, s2, 3);
        s1 = ask_wait(&p, "a", ""); /* at once, when it has ended already */
        answer_state(p.rig, "stopped", 3);
        await_exit(&p, s1, 3);
        peer_close(&p);
        peer_close(&q);
}

/* Deleted before its state could be asked for: then the event tells. Never seen at all: not found. */
static void a_wait_for_what_is_gone(void **state)
{
        struct peer p;
        uint32_t stream;

        peer_open(&p, *state);
        stream = ask_wait(&p, "a", "");
        answer_events(p.rig, NULL, 0, 5);
        answer_state(p.rig, "running", 0);
        answer_events(p.rig, &ended, 1, 6);
        fake_rpc_refuse(&p.rig->daemon, fake_rpc_take(&p.rig->daemon, METHOD_STATE), REASON_NOT_FOUND,
                        "container a: no");
        await_exit(&p, stream, 3);
        stream = ask_wait(&p, "b", "");
        fake_rpc_refuse(&p.rig->daemon, fake_rpc_take(&p.rig->daemon, METHOD_STATE), REASON_NOT_FOUND,
                        "container b: no");
        await_error(&p, stream, CODE_NOT_FOUND, "container b: no: not found");
        stream = ask_wait(&p, "../etc", "");
        assert_true(stream > 0);
        ttrpc__response__free_unpacked(await(&p, stream), NULL);
        peer_close(&p);
}

/* What ends a process without an event of it: a start that failed, a gap in the log. */
static void waits_look_again(void **state)
{
        struct event gap = { .kind = "gap", .lost = 3 };
        struct peer p;
        uint32_t s1, s2;

        peer_open(&p, *state);
        s1 = ask_wait(&p, "a", "e");
        answer_events(p.rig, NULL, 0, 5);
        answer_state(p.rig, "created", 0);
        s2 = ask_start(&p, "a");
        fake_rpc_refuse(&p.rig->daemon, fake_rpc_take(&p.rig->daemon, METHOD_START), REASON_RUNTIME_FAILED, "no");
        await_error(&p, s2, CODE_UNKNOWN, "no");
        answer_state(p.rig, "stopped", 255);
        await_exit(&p, s1, 255);

        s1 = ask_wait(&p, "a", "f");
        answer_state(p.rig, "running", 0);
        answer_events(p.rig, &gap, 1, 9);
        answer_state(p.rig, "stopped", 4);
        await_exit(&p, s1, 4);
        peer_close(&p);
}

/* A sandboxd that stops refuses both the poll and the state; the next one is asked both again, from the same cursor. */
static void waits_survive_a_stop(void **state)
{
        struct fake_request *r;
        struct peer p;
        uint32_t stream;

        peer_open(&p, *state);
        stream = ask_wait(&p, "a", "");
        answer_events(p.rig, NULL, 0, 5);
        fake_rpc_refuse(&p.rig->daemon, fake_rpc_take(&p.rig->daemon, METHOD_STATE), REASON_UNAVAILABLE, "stopping");
        fake_rpc_refuse(&p.rig->daemon, fake_rpc_take(&p.rig->daemon, METHOD_EVENTS_READ), REASON_UNAVAILABLE,
                        "stopping");
        fake_rpc_hang_up(&p.rig->daemon);
        answer_state(p.rig, "running", 0);
        r = fake_rpc_take(&p.rig->daemon, METHOD_EVENTS_READ);
        assert_int_equal(((const struct events_params *)r->rpc.params)->since, 5);
        fake_rpc_answer(&p.rig->daemon, r, &(struct events_result){ .events = { &ended, 1 }, .next = 6, .newest = 5 });
        answer_state(p.rig, "stopped", 3);
        await_exit(&p, stream, 3);
        peer_close(&p);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
int main(void)
{
        static const struct CMUnitTest tests[] = {
                TEST(a_state),
                TEST(what_is_not_served),
                TEST(the_daemon_restarts),
                TEST(connections_end),
                TEST(errors_in_containerds_words),
                TEST(a_wait),
                TEST(a_wait_for_what_is_gone),
                TEST(waits_look_again),
                TEST(waits_survive_a_stop),
        };

        return cmocka_run_group_tests_name("front", tests, NULL, NULL);
}
