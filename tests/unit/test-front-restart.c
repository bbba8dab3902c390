/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A front that is killed, and the next one, which gets what the first had stored with a keeper: the real store, and a
 * loop that reads the datagrams. The death is played by freeing all of the front's own at a point that the test
 * chooses, between any two system calls of a receive as well.
 */

#include "tests/unit/unit.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "base/fd.h"
#include "client/shim/front.h"
#include "client/shim/task.h"
#include "keeper/notify.h"
#include "keeper/store.h"
#include "proto/shim.h"
#include "proto/shim/task.pb-c.h"
#include "tests/lib/fake_rpc.h"

#define PREFIX "F001"

struct rig {
        char dir[32], path[64], notify_path[64];
        struct loop *loop;
        struct fake_rpc daemon;
        struct front front;
        int listen_fd, notify_fd;
        struct store store;
        struct watch_fd notify;
};

/* containerd's end of a connection. */
struct peer {
        struct rig *rig;
        int fd;
        uint32_t stream;
        struct buf in;
        struct ttrpc_decoder decoder;
};

/* --- the keeper --- */

static void read_notify(struct rig *rig)
{
        char text[NOTIFY_MAX];
        int fds[FD_MSG_MAX];

        for (;;) {
                size_t n_fds = FD_MSG_MAX;
                ssize_t len = fd_recv(rig->notify_fd, text, sizeof(text), fds, &n_fds, MSG_DONTWAIT);
                struct notify n;

                if (len < 0)
                        return;
                notify_parse(&n, text, (size_t)len);
                assert_true(n.name_ok);
                if (n.remove)
                        store_remove(&rig->store, n.name);
                for (size_t i = 0; i < n_fds; i++)
                        assert_int_equal(store_add(&rig->store, n.name, fds[i], n.poll), 0);
                assert_true(n_fds == 0 || n.store);
        }
}

static void on_notify(struct watch_fd *w, unsigned events)
{
        read_notify(container_of(w, struct rig, notify));
}

static size_t stored(struct rig *rig, const char *prefix)
{
        size_t n = 0;

        for (size_t i = 0; i < rig->store.n; i++)
                n += strncmp(rig->store.items[i].name, prefix, strlen(prefix)) == 0;
        return n;
}

/* --- the front --- */

static struct front_setup setup_of(const struct rig *rig, int hand_over_fd)
{
        struct front_setup setup = FRONT_SETUP_NULL;

        setup.owner = "c01";
        setup.fd = fcntl(rig->listen_fd, F_DUPFD_CLOEXEC, 3);
        setup.socket = rig->daemon.path;
        setup.keeper = rig->notify_path;
        setup.prefix = PREFIX;
        setup.hand_over_fd = hand_over_fd;
        return setup;
}

static void live(struct rig *rig)
{
        struct front_setup setup;
        struct error err = ERROR_NULL;
        int pair[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
        assert_int_equal(store_hand_over(&rig->store, PREFIX, pair[0]), 0);
        fd_close(pair[0]);
        setup = setup_of(rig, pair[1]);
        if (front_init(&rig->front, rig->loop, &setup, &err) < 0)
                fail_msg("%s", err.message);
}

/* What a keeper hands over that is killed in the middle: then nothing is begun, and nothing in the store is touched. */
static void cut_short(void **state)
{
        struct rig *rig = *state;
        struct front_setup setup;
        struct front front;
        int pair[2], fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

        unit_run_until(rig->loop, stored(rig, PREFIX "j") == 1);
        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
        assert_int_equal(fd_send(pair[0], PREFIX "c000", KEEPER_NAME_MAX + 1, &fd, 1, 0), KEEPER_NAME_MAX + 1);
        fd_close(pair[0]);
        fd_close(fd);
        setup = setup_of(rig, pair[1]);
        assert_int_equal(front_init(&front, rig->loop, &setup, NULL), -1);
        read_notify(rig);
        assert_int_equal(stored(rig, "F"), 1);
}

static void die(struct rig *rig)
{
        front_deinit(&rig->front);
        fake_rpc_hang_up(&rig->daemon);
        read_notify(rig);
}

static int begin(void **state)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        static struct rig rig;

        rig = (struct rig){ 0 };
        unit_mkdir(rig.dir);
        snprintf(rig.path, sizeof(rig.path), "%s/front.sock", rig.dir);
        snprintf(rig.notify_path, sizeof(rig.notify_path), "%s/notify", rig.dir);
        assert_int_equal(loop_new(&rig.loop), 0);
        fake_rpc_init(&rig.daemon, rig.loop, rig.dir);
        rig.listen_fd = fd_listen_unix(rig.path, 0600, 8);
        rig.notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        strcpy(address.sun_path, rig.notify_path);
        assert_int_equal(bind(rig.notify_fd, (struct sockaddr *)&address, sizeof(address)), 0);
        store_init(&rig.store, 1000);
        watch_fd_init(&rig.notify, rig.loop, on_notify);
        watch_fd_set(&rig.notify, rig.notify_fd, LOOP_READ);
        live(&rig);
        *state = &rig;
        return 0;
}

static int end(void **state)
{
        struct rig *rig = *state;

        front_deinit(&rig->front);
        fake_rpc_deinit(&rig->daemon);
        watch_fd_stop(&rig->notify);
        store_deinit(&rig->store);
        fd_close(rig->notify_fd);
        fd_close(rig->listen_fd);
        loop_free(rig->loop);
        unit_rmdir(rig->dir);
        return 0;
}

/* --- containerd --- */

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

static uint32_t pack(struct peer *p, struct buf *out, const char *method, const ProtobufCMessage *message)
{
        struct ttrpc_call call = { TASK_SERVICE_V2, method, message, 0, TASK_NAMESPACE_KEY, "ns1" };
        uint32_t stream = p->stream++ * 2 + 1;

        assert_int_equal(ttrpc_append_request(out, stream, &call), 0);
        return stream;
}

static uint32_t pack_start(struct peer *p, struct buf *out, const char *id)
{
        Shim__StartRequest m = SHIM__START_REQUEST__INIT;

        m.id = (char *)id;
        return pack(p, out, "Start", &m.base);
}

static void put(struct peer *p, const void *data, size_t len)
{
        assert_int_equal(fd_write_all(p->fd, data, len), 0);
}

static uint32_t start(struct peer *p, const char *id)
{
        _cleanup_(buf_deinit) struct buf out = BUF_NULL;
        uint32_t stream = pack_start(p, &out, id);

        put(p, buf_head(&out), buf_len(&out));
        return stream;
}

static bool peer_has(struct peer *p, struct ttrpc_frame *ret)
{
        uint8_t *room = buf_reserve(&p->in, 65536);
        ssize_t n = recv(p->fd, room, 65536, MSG_DONTWAIT);

        if (n > 0)
                buf_commit(&p->in, (size_t)n);
        return ttrpc_decode(&p->decoder, &p->in, ret) == TTRPC_FRAME;
}

/* Takes the next answer, which must be of this stream, and a success. */
static void *await(struct peer *p, uint32_t stream, const ProtobufCMessageDescriptor *descriptor)
{
        struct ttrpc_frame frame;
        Ttrpc__Response *r;
        struct watch_timer tick; /* the peer is not on the loop: look each millisecond */
        void *message;

        watch_timer_init(&tick, p->rig->loop, unit_set_flag);
        unit_run_until(p->rig->loop, (watch_timer_arm(&tick, NSEC_PER_MSEC), peer_has(p, &frame)));
        watch_timer_stop(&tick);
        assert_int_equal(frame.stream, stream);
        r = ttrpc__response__unpack(NULL, frame.len, frame.data);
        assert_non_null(r);
        ttrpc_consume(&p->in, &frame);
        if (r->status && r->status->code != 0)
                fail_msg("%s", r->status->message);
        message = protobuf_c_message_unpack(descriptor, NULL, r->payload.len, r->payload.data);
        assert_non_null(message);
        ttrpc__response__free_unpacked(r, NULL);
        return message;
}

static void await_start(struct peer *p, uint32_t stream, uint32_t pid)
{
        Shim__StartResponse *m = await(p, stream, &shim__start_response__descriptor);

        assert_int_equal(m->pid, pid);
        protobuf_c_message_free_unpacked(&m->base, NULL);
}

/* Nothing comes. */
static void silence(struct peer *p)
{
        struct ttrpc_frame frame;

        unit_run_for(p->rig->loop, 20 * NSEC_PER_MSEC);
        assert_false(peer_has(p, &frame));
}

/* The request for a start of this id arrives; its request id is in text, which is filled the first time. */
static struct fake_request *take_start(struct rig *rig, const char *id, char text[LIMIT_REQUEST_ID + 1])
{
        struct fake_request *r = fake_rpc_take(&rig->daemon, METHOD_START);
        const struct start_params *params = r->rpc.params;

        assert_string_equal(params->id, id);
        assert_string_equal(params->ns, "ns1");
        if (text[0])
                assert_string_equal(params->request_id, text);
        strcpy(text, params->request_id);
        return r;
}

static void serve_one(struct peer *p, const char *id, uint32_t pid)
{
        uint32_t stream = start(p, id);
        char text[LIMIT_REQUEST_ID + 1] = "";

        fake_rpc_answer(&p->rig->daemon, take_start(p->rig, id, text), &(struct start_result){ .pid = pid });
        await_start(p, stream, pid);
}

/* --- tests --- */

static void a_call_in_flight(void **state)
{
        struct rig *rig = *state;
        char text[LIMIT_REQUEST_ID + 1] = "";
        struct peer p;
        uint32_t stream;

        peer_open(&p, rig);
        serve_one(&p, "before", 3);
        stream = start(&p, "a");
        fake_rpc_drop(take_start(rig, "a", text));
        for (int i = 0; i < 5; i++) {
                die(rig);
                live(rig);
                fake_rpc_drop(take_start(rig, "a", text)); /* the same request */
        }
        die(rig);
        live(rig);
        fake_rpc_answer(&rig->daemon, take_start(rig, "a", text), &(struct start_result){ .pid = 9 });
        await_start(&p, stream, 9);
        die(rig);
        live(rig);
        silence(&p); /* what was answered is not answered again */
        serve_one(&p, "after", 4);
        peer_close(&p);
        unit_run_until(rig->loop, stored(rig, PREFIX "c") == 0);
}

static void a_wait(void **state)
{
        struct process_state running = { .status = "running", .pid = 7 },
                             stopped = { .status = "stopped", .exit_status = 5, .exited_at = 77 };
        struct state_result result = { .id = "a", .process = &running };
        struct events_result cursor = { .next = 10 };
        _cleanup_(buf_deinit) struct buf out = BUF_NULL;
        Shim__WaitRequest m = SHIM__WAIT_REQUEST__INIT;
        struct rig *rig = *state;
        Shim__WaitResponse *response;
        struct peer p;
        uint32_t stream;

        peer_open(&p, rig);
        m.id = (char *)"a";
        stream = pack(&p, &out, "Wait", &m.base);
        put(&p, buf_head(&out), buf_len(&out));
        fake_rpc_answer(&rig->daemon, fake_rpc_take(&rig->daemon, METHOD_EVENTS_READ), &cursor);
        fake_rpc_answer(&rig->daemon, fake_rpc_take(&rig->daemon, METHOD_STATE), &result);
        silence(&p);
        die(rig);
        live(rig);
        fake_rpc_answer(&rig->daemon, fake_rpc_take(&rig->daemon, METHOD_EVENTS_READ), &cursor);
        result.process = &stopped; /* it ended in between */
        fake_rpc_answer(&rig->daemon, fake_rpc_take(&rig->daemon, METHOD_STATE), &result);
        response = await(&p, stream, &shim__wait_response__descriptor);
        assert_int_equal(response->exit_status, 5);
        protobuf_c_message_free_unpacked(&response->base, NULL);
        peer_close(&p);
}

/* A frame that comes in three parts, with a death after each; the last one brings another frame's beginning. */
static void a_frame_in_parts(void **state)
{
        _cleanup_(buf_deinit) struct buf out = BUF_NULL;
        struct rig *rig = *state;
        char first_id[LIMIT_REQUEST_ID + 1] = "", second_id[LIMIT_REQUEST_ID + 1] = "";
        struct peer p;
        uint32_t first, second;
        const uint8_t *bytes;

        peer_open(&p, rig);
        first = pack_start(&p, &out, "a");
        second = pack_start(&p, &out, "b");
        bytes = buf_head(&out);
        put(&p, bytes, 5);
        silence(&p);
        die(rig);
        live(rig);
        put(&p, bytes + 5, 20);
        silence(&p);
        die(rig);
        put(&p, bytes + 25, buf_len(&out) - 28);
        live(rig);
        fake_rpc_drop(take_start(rig, "a", first_id));
        die(rig);
        live(rig);
        put(&p, bytes + buf_len(&out) - 3, 3);
        fake_rpc_answer(&rig->daemon, take_start(rig, "a", first_id), &(struct start_result){ .pid = 1 });
        await_start(&p, first, 1);
        fake_rpc_answer(&rig->daemon, take_start(rig, "b", second_id), &(struct start_result){ .pid = 2 });
        await_start(&p, second, 2);
        peer_close(&p);
}

/* Larger than what the socket holds, and than the journal's first size; the front dies again and again meanwhile. */
static void a_large_frame(void **state)
{
        _cleanup_(freep) uint8_t *spec = calloc(1, 3000000);
        _cleanup_(buf_deinit) struct buf out = BUF_NULL;
        Shim__ExecProcessRequest m = SHIM__EXEC_PROCESS_REQUEST__INIT;
        Shim__Any any = SHIM__ANY__INIT;
        struct rig *rig = *state;
        struct fake_request *r;
        const struct exec_params *params;
        size_t sent = 0;
        struct peer p;
        uint32_t stream;
        void *empty;

        for (size_t i = 0; i < 3000000; i++)
                spec[i] = (uint8_t)(i * 31 >> 3);
        peer_open(&p, rig);
        m.id = (char *)"a";
        m.exec_id = (char *)"e";
        any.type_url = (char *)"x";
        any.value = (ProtobufCBinaryData){ .len = 3000000, .data = spec };
        m.spec = &any;
        stream = pack(&p, &out, "Exec", &m.base);
        for (unsigned i = 0; sent < buf_len(&out); i++) {
                ssize_t n = send(p.fd, buf_head(&out) + sent, buf_len(&out) - sent, MSG_DONTWAIT);

                sent += n > 0 ? (size_t)n : 0;
                loop_run_once(rig->loop, false);
                if (i % 20 == 7) {
                        die(rig);
                        live(rig);
                }
        }
        r = fake_rpc_take(&rig->daemon, METHOD_EXEC);
        params = r->rpc.params;
        assert_int_equal(params->spec.len, 3000000);
        assert_memory_equal(params->spec.data, spec, 3000000);
        fake_rpc_answer(&rig->daemon, r, NULL);
        empty = await(&p, stream, &shim__empty__descriptor);
        protobuf_c_message_free_unpacked(empty, NULL);
        peer_close(&p);
}

/* An answer of some hundred KB to a peer that does not read: it is on its way when the front dies, twice. Another one
 * comes behind it. */
static void a_large_answer(void **state)
{
        enum { N = 6500 }; /* 170 KB of them come, 360 KB go out */
        _cleanup_(freep) struct pid_info *rows = calloc(N, sizeof(*rows));
        struct pids_result pids = { .host = true, .processes = { .items = rows, .n = N } };
        _cleanup_(buf_deinit) struct buf out = BUF_NULL;
        Shim__PidsRequest m = SHIM__PIDS_REQUEST__INIT;
        char text[LIMIT_REQUEST_ID + 1] = "";
        struct rig *rig = *state;
        Shim__PidsResponse *response;
        struct peer p;
        uint32_t stream, next;

        for (uint32_t i = 0; i < N; i++)
                rows[i] = (struct pid_info){ .pid = 1 + i, .exec_id = "e" };
        peer_open(&p, rig);
        m.id = (char *)"a";
        stream = pack(&p, &out, "Pids", &m.base);
        put(&p, buf_head(&out), buf_len(&out));
        next = start(&p, "b");
        fake_rpc_answer(&rig->daemon, fake_rpc_take(&rig->daemon, METHOD_PIDS), &pids);
        unit_run_until(rig->loop, rig->front.conns->answer_fd >= 0 && stored(rig, PREFIX "a") == 1 &&
                                          lseek(rig->front.conns->answer_fd, 0, SEEK_CUR) > 0);
        for (int i = 0; i < 2; i++) {
                struct ttrpc_frame frame;

                die(rig);
                live(rig);
                assert_false(peer_has(&p, &frame)); /* a part is read, so that some more fits in */
                unit_run_for(rig->loop, 5 * NSEC_PER_MSEC);
        }
        fake_rpc_answer(&rig->daemon, take_start(rig, "b", text), &(struct start_result){ .pid = 2 });
        response = await(&p, stream, &shim__pids_response__descriptor);
        assert_int_equal(response->n_processes, N);
        for (uint32_t i = 0; i < N; i++)
                assert_int_equal(response->processes[i]->pid, 1 + i);
        protobuf_c_message_free_unpacked(&response->base, NULL);
        await_start(&p, next, 2);
        unit_run_until(rig->loop, stored(rig, PREFIX "a") == 0);
        die(rig);
        live(rig);
        silence(&p);
        peer_close(&p);
}

/* The three places in a receive at which a front can die. */
static void between_the_steps(void **state)
{
        struct rig *rig = *state;
        struct peer p;

        for (int step = 0; step < 4; step++) {
                char text[LIMIT_REQUEST_ID + 1] = "";
                struct conn *conn;
                uint8_t bytes[512];
                uint32_t stream;
                ssize_t n;

                peer_open(&p, rig);
                serve_one(&p, "x", 1);
                stream = start(&p, "a");
                conn = rig->front.conns;
                while (conn->next)
                        conn = conn->next;
                n = recv(conn->fd, bytes, sizeof(bytes), MSG_PEEK);
                assert_true(n > 20);
                if (step >= 1)
                        assert_int_equal(conn_note(conn, CONN_BYTES, bytes, (size_t)n), 0);
                if (step >= 2)
                        assert_int_equal(conn_take_out(conn, (size_t)n - (step == 2 ? 10 : 0)), 0);
                die(rig);
                live(rig);
                fake_rpc_answer(&rig->daemon, take_start(rig, "a", text), &(struct start_result){ .pid = 8 });
                await_start(&p, stream, 8);
                silence(&p);
                serve_one(&p, "y", 9);
                peer_close(&p);
        }
}

/* Accepted, stored, and dead before the journal names it; and connected while there was no front at all. */
static void new_connections(void **state)
{
        struct rig *rig = *state;
        struct peer p, q;
        int fd;

        die(rig);
        peer_open(&p, rig);
        peer_open(&q, rig);
        fd = accept4(rig->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        assert_int_equal(store_add(&rig->store, PREFIX "c007", fd, false), 0);
        live(rig);
        serve_one(&p, "a", 1);
        serve_one(&q, "b", 2);
        peer_close(&p);
        peer_close(&q);
        unit_run_until(rig->loop, stored(rig, PREFIX "c") == 0);
}

/* A peer that hangs up while there is no front; and one that said something wrong. */
static void the_others(void **state)
{
        static const uint8_t even[] = { 0, 0, 0, 0, 0, 0, 0, 2, 1, 0 };
        struct ttrpc_frame frame = { 0 };
        struct watch_timer tick;
        struct rig *rig = *state;
        struct peer p, q;

        peer_open(&p, rig);
        peer_open(&q, rig);
        serve_one(&p, "a", 1);
        serve_one(&q, "b", 1);
        die(rig);
        peer_close(&p);
        put(&q, even, sizeof(even));
        live(rig);
        unit_run_until(rig->loop, stored(rig, PREFIX "c") == 1);
        watch_timer_init(&tick, rig->loop, unit_set_flag);
        unit_run_until(rig->loop, (watch_timer_arm(&tick, NSEC_PER_MSEC), peer_has(&q, &frame)));
        watch_timer_stop(&tick);
        assert_int_equal(frame.stream, 2);
        ttrpc_consume(&q.in, &frame);
        die(rig);
        live(rig);
        silence(&q);
        serve_one(&q, "c", 1);
        peer_close(&q);
}

/* The journal does not grow with what is over, and what is not over outlives its being written anew. */
static void the_journal_stays_small(void **state)
{
        struct rig *rig = *state;
        char text[LIMIT_REQUEST_ID + 1] = "";
        struct peer p, q;
        uint32_t stream;

        peer_open(&p, rig);
        peer_open(&q, rig);
        stream = start(&q, "long");
        fake_rpc_drop(take_start(rig, "long", text));
        for (int i = 0; i < 1500; i++)
                serve_one(&p, "a", 1);
        assert_true(rig->front.keep.journal->end < 150000);
        assert_int_equal(stored(rig, PREFIX "j"), 1);
        die(rig);
        live(rig);
        fake_rpc_answer(&rig->daemon, take_start(rig, "long", text), &(struct start_result){ .pid = 6 });
        await_start(&q, stream, 6);
        peer_close(&p);
        peer_close(&q);
}

/* What cannot be read is given up, in a way that containerd sees. */
static void a_bad_journal(void **state)
{
        struct rig *rig = *state;
        struct peer p;
        char byte;

        peer_open(&p, rig);
        serve_one(&p, "a", 1);
        memset(rig->front.keep.journal->map, 'x', 8);
        die(rig);
        live(rig);
        assert_int_equal(recv(p.fd, &byte, 1, 0), 0);
        peer_close(&p);
        unit_run_until(rig->loop, stored(rig, PREFIX "c") == 0);
        peer_open(&p, rig);
        serve_one(&p, "b", 1);
        peer_close(&p);
}

/* There is another keeper, at the same place, which has nothing. */
static void another_keeper(void **state)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        struct rig *rig = *state;
        struct peer p;

        peer_open(&p, rig);
        serve_one(&p, "a", 1);
        front_keep_again(&rig->front); /* it is the same one */
        assert_int_equal(rig->front.keep.notify.n_queued, 0);
        watch_fd_stop(&rig->notify);
        fd_close(rig->notify_fd);
        store_deinit(&rig->store);
        unlink(rig->notify_path);
        serve_one(&p, "b", 1); /* without a keeper it goes on */
        rig->notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        strcpy(address.sun_path, rig->notify_path);
        assert_int_equal(bind(rig->notify_fd, (struct sockaddr *)&address, sizeof(address)), 0);
        watch_fd_set(&rig->notify, rig->notify_fd, LOOP_READ);
        front_keep_again(&rig->front);
        unit_run_until(rig->loop, stored(rig, "F") == 2 && stored(rig, "L001") == 1);
        die(rig);
        live(rig);
        serve_one(&p, "c", 1);
        peer_close(&p);
}

/* Nobody is connected any more: it ends. */
static void nobody(void **state)
{
        struct rig *rig = *state;
        struct peer p;

        peer_open(&p, rig);
        serve_one(&p, "a", 1);
        unit_run_for(rig->loop, 400 * NSEC_PER_MSEC);
        assert_false(rig->front.over);
        peer_close(&p);
        unit_run_until(rig->loop, rig->front.over);
        assert_null(rig->front.conns);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(a_call_in_flight),
                TEST(a_wait),
                TEST(a_frame_in_parts),
                TEST(a_large_frame),
                TEST(a_large_answer),
                TEST(between_the_steps),
                TEST(new_connections),
                TEST(the_others),
                TEST(the_journal_stays_small),
                TEST(a_bad_journal),
                TEST(another_keeper),
                TEST(cut_short),
                TEST(nobody),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
