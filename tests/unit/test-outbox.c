/* SPDX-License-Identifier: Apache-2.0 */
/* The outbox with a containerd that takes events, refuses them, is slow, dies in the middle of a frame, and is away. */

#include "tests/unit/unit.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <utlist.h>
#include "base/fd.h"
#include "daemon/outbox.h"
#include "proto/shim/events.pb-c.h"
#include "proto/ttrpc.h"

#define SEEN_MAX 512

enum behaviour {
        TAKES,
        REFUSES,        /* with `code` */
        IS_SILENT,      /* reads, and does not answer */
        DIES_READING,   /* closes with half a request read */
        DIES_ANSWERING, /* sends half an answer and closes */
        DIES_ANSWERED,  /* closes once `answers_left` answers were sent */
};

struct seen {
        char topic[32], ns[32], type[48];
        uint8_t event[256];
        size_t len;
};

struct fixture {
        struct loop *loop;
        struct eventlog *log;
        struct outbox *outbox;
        char dir[32], path[64];
        uint64_t settled;
        unsigned n_away, n_refused;
        char refused[64];
        /* the server */
        enum behaviour behaviour;
        int code, answers_left;
        int listen_fd, fd;
        struct watch_fd listen_watch, watch;
        struct buf in, out;
        struct ttrpc_decoder decoder;
        struct seen seen[SEEN_MAX];
        size_t n_seen, n_open, n_open_max;
        uint32_t stream;
        unsigned n_connections;
};

/* --- the server --- */

static void hang_up(struct fixture *f)
{
        watch_fd_stop(&f->watch);
        f->fd = fd_close(f->fd);
        buf_deinit(&f->in);
        buf_deinit(&f->out);
        f->decoder = (struct ttrpc_decoder)TTRPC_DECODER_NULL;
        f->n_open = 0;
}

static void send_out(struct fixture *f, size_t len)
{
        assert_int_equal(fd_write_all(f->fd, buf_head(&f->out), len), 0);
        buf_consume(&f->out, buf_len(&f->out));
}

static void server_answer(struct fixture *f)
{
        Shim__Empty nothing = SHIM__EMPTY__INIT;

        f->n_open--;
        if (f->behaviour == REFUSES)
                ttrpc_append_error(&f->out, f->stream, f->code, "no");
        else
                ttrpc_append_response(&f->out, f->stream, &nothing.base);
        if (f->behaviour == DIES_ANSWERING) {
                send_out(f, buf_len(&f->out) / 2);
                hang_up(f);
                return;
        }
        send_out(f, buf_len(&f->out));
        if (f->behaviour == DIES_ANSWERED && --f->answers_left == 0)
                hang_up(f);
}

static void remember(struct fixture *f, const Shim__Envelope *e)
{
        struct seen *s = &f->seen[f->n_seen];

        assert_true(f->n_seen < SEEN_MAX);
        assert_true(e->timestamp->seconds > 1000000000);
        snprintf(s->topic, sizeof(s->topic), "%s", e->topic);
        snprintf(s->ns, sizeof(s->ns), "%s", e->namespace_);
        snprintf(s->type, sizeof(s->type), "%s", e->event->type_url);
        assert_true(e->event->value.len <= sizeof(s->event));
        memcpy(s->event, e->event->value.data, e->event->value.len);
        s->len = e->event->value.len;
        f->n_seen++;
}

static void server_request(struct fixture *f, const struct ttrpc_frame *frame)
{
        Ttrpc__Request *request = ttrpc__request__unpack(NULL, frame->len, frame->data);
        Shim__ForwardRequest *forward;

        assert_int_equal(frame->type, TTRPC_REQUEST);
        assert_int_equal(frame->stream, f->stream ? f->stream + 2 : 1);
        f->stream = frame->stream;
        assert_non_null(request);
        assert_string_equal(request->service, "containerd.services.events.ttrpc.v1.Events");
        assert_string_equal(request->method, "Forward");
        forward = shim__forward_request__unpack(NULL, request->payload.len, request->payload.data);
        assert_non_null(forward);
        remember(f, forward->envelope);
        shim__forward_request__free_unpacked(forward, NULL);
        ttrpc__request__free_unpacked(request, NULL);
        if (++f->n_open > f->n_open_max)
                f->n_open_max = f->n_open;
}

static void server_io(struct watch_fd *w, unsigned events)
{
        struct fixture *f = container_of(w, struct fixture, watch);
        struct ttrpc_frame frame;
        ssize_t n = recv(f->fd, buf_reserve(&f->in, 65536), f->behaviour == DIES_READING ? 7 : 65536, MSG_DONTWAIT);

        if (n <= 0 || f->behaviour == DIES_READING) {
                hang_up(f);
                return;
        }
        buf_commit(&f->in, (size_t)n);
        while (f->fd >= 0 && ttrpc_decode(&f->decoder, &f->in, &frame) == TTRPC_FRAME) {
                server_request(f, &frame);
                ttrpc_consume(&f->in, &frame);
                if (f->behaviour != IS_SILENT)
                        server_answer(f);
        }
}

static void server_accept(struct watch_fd *w, unsigned events)
{
        struct fixture *f = container_of(w, struct fixture, listen_watch);

        hang_up(f);
        f->fd = accept4(f->listen_fd, NULL, NULL, SOCK_CLOEXEC);
        assert_true(f->fd >= 0);
        f->stream = 0;
        f->n_connections++;
        watch_fd_set(&f->watch, f->fd, LOOP_READ);
}

static void server_start(struct fixture *f)
{
        f->listen_fd = fd_listen_unix(f->path, 0600, 16);
        assert_true(f->listen_fd >= 0);
        watch_fd_set(&f->listen_watch, f->listen_fd, LOOP_READ);
}

static void server_stop(struct fixture *f)
{
        hang_up(f);
        watch_fd_stop(&f->listen_watch);
        f->listen_fd = fd_close(f->listen_fd);
        unlink(f->path);
}

/* --- the outbox's owner --- */

static void on_settled(void *data, uint64_t cursor)
{
        struct fixture *f = data;

        assert_true(cursor > f->settled);
        f->settled = cursor;
}

static void on_refused(void *data, const struct event *ev, const char *message)
{
        struct fixture *f = data;

        f->n_refused++;
        snprintf(f->refused, sizeof(f->refused), "%s %s", ev->kind, message);
}

static void on_away(void *data, int errnum)
{
        assert_true(errnum > 0);
        ((struct fixture *)data)->n_away++;
}

static const struct outbox_ops ops = { .on_settled = on_settled, .on_refused = on_refused, .on_away = on_away };

static void outbox_start(struct fixture *f, uint64_t cursor)
{
        struct outbox_options options = { f->loop, f->log, "c1", f->path, cursor, &ops, f };
        struct error err = ERROR_NULL;

        f->settled = 0;
        assert_int_equal(outbox_new(&f->outbox, &options, &err), 0);
}

static void append(struct fixture *f, enum event_kind kind, const char *owner, const char *id, const char *exec_id,
                   uint32_t pid)
{
        struct event ev = {
                .kind = event_kind_name(kind), .owner = owner, .ns = "ns1", .id = id, .exec_id = exec_id, .pid = pid
        };
        struct error err = ERROR_NULL;

        if (kind == EVENT_EXIT || kind == EVENT_EXEC_EXIT || kind == EVENT_DELETE) {
                ev.exit_known = true;
                ev.exit_status = 7;
                ev.exited_at = UINT64_C(1700000000000000123);
        }
        assert_int_equal(eventlog_append(f->log, &ev, &err), 0);
}

/* Numbered, so that order and repetition can be seen. */
static void append_starts(struct fixture *f, uint32_t from, uint32_t to)
{
        for (uint32_t i = from; i <= to; i++)
                append(f, EVENT_START, "c1", "a", "", i);
}

static uint32_t start_pid(const struct seen *s)
{
        Shim__TaskStart *m = shim__task_start__unpack(NULL, s->len, s->event);
        uint32_t pid = m->pid;

        shim__task_start__free_unpacked(m, NULL);
        return pid;
}

static bool all_settled(const struct fixture *f)
{
        return f->settled == eventlog_newest(f->log) + 1;
}

static int setup(void **state)
{
        struct eventlog_options options = { .segment_bytes = 16384, .max_bytes = 65536 };
        struct fixture *f = calloc(1, sizeof(*f));
        struct error err = ERROR_NULL;
        char dir[64];

        f->fd = f->listen_fd = -1;
        assert_int_equal(loop_new(&f->loop), 0);
        unit_mkdir(f->dir);
        snprintf(f->path, sizeof(f->path), "%s/s.ttrpc", f->dir);
        snprintf(dir, sizeof(dir), "%s/events", f->dir);
        watch_fd_init(&f->watch, f->loop, server_io);
        watch_fd_init(&f->listen_watch, f->loop, server_accept);
        assert_int_equal(eventlog_open(&f->log, f->loop, dir, &options, &err), 0);
        *state = f;
        return 0;
}

static int teardown(void **state)
{
        struct fixture *f = *state;

        outbox_free(f->outbox);
        server_stop(f);
        eventlog_free(f->log);
        loop_free(f->loop);
        unit_rmdir(f->dir);
        free(f);
        return 0;
}

/* --- tests --- */

static void sends_in_order_one_by_one(void **state)
{
        struct fixture *f = *state;

        server_start(f);
        append_starts(f, 1, 3);
        outbox_start(f, 1);
        unit_run_until(f->loop, all_settled(f));
        append_starts(f, 4, 100);
        unit_run_until(f->loop, all_settled(f));
        assert_int_equal(f->n_seen, 100);
        for (size_t i = 0; i < f->n_seen; i++) {
                assert_string_equal(f->seen[i].topic, "/tasks/start");
                assert_string_equal(f->seen[i].ns, "ns1");
                assert_int_equal(start_pid(&f->seen[i]), i + 1);
        }
        assert_int_equal(f->n_open_max, 1);
        assert_int_equal(f->n_connections, 1);
        assert_int_equal(f->n_away, 0);
}

/* Every kind: what containerd knows arrives with its topic and type, and nothing else does. */
static void translates_every_kind(void **state)
{
        static const char *const topics[EVENT_N] = {
                [EVENT_CREATE] = "/tasks/create containerd.events.TaskCreate",
                [EVENT_START] = "/tasks/start containerd.events.TaskStart",
                [EVENT_EXIT] = "/tasks/exit containerd.events.TaskExit",
                [EVENT_DELETE] = "/tasks/delete containerd.events.TaskDelete",
                [EVENT_EXEC_ADDED] = "/tasks/exec-added containerd.events.TaskExecAdded",
                [EVENT_EXEC_STARTED] = "/tasks/exec-started containerd.events.TaskExecStarted",
                [EVENT_EXEC_EXIT] = "/tasks/exit containerd.events.TaskExit",
                [EVENT_PAUSED] = "/tasks/paused containerd.events.TaskPaused",
                [EVENT_RESUMED] = "/tasks/resumed containerd.events.TaskResumed",
                [EVENT_CHECKPOINTED] = "/tasks/checkpointed containerd.events.TaskCheckpointed",
                [EVENT_OOM] = "/tasks/oom containerd.events.TaskOOM",
        };
        struct fixture *f = *state;
        size_t n = 0;

        server_start(f);
        for (unsigned kind = 0; kind < EVENT_N; kind++)
                append(f, kind, "c1", "box",
                       kind == EVENT_EXEC_ADDED || kind == EVENT_EXEC_STARTED || kind == EVENT_EXEC_EXIT ? "e1" : "",
                       5);
        append(f, EVENT_START, "c1", "last", "", 0); /* something to wait for */
        outbox_start(f, 1);
        unit_run_until(f->loop, all_settled(f));
        for (unsigned kind = 0; kind < EVENT_N; kind++) {
                char text[96];

                if (!topics[kind])
                        continue;
                snprintf(text, sizeof(text), "%s %s", f->seen[n].topic, f->seen[n].type);
                assert_string_equal(text, topics[kind]);
                n++;
        }
        assert_int_equal(f->n_seen, n + 1);
}

static void tells_who_has_exited(void **state)
{
        struct fixture *f = *state;
        Shim__TaskExit *m;
        Shim__TaskDelete *d;

        server_start(f);
        append(f, EVENT_EXEC_EXIT, "c1", "box", "e1", 11);
        append(f, EVENT_EXIT, "c1", "box", "", 10);
        append(f, EVENT_DELETE, "c1", "box", "", 10);
        outbox_start(f, 1);
        unit_run_until(f->loop, all_settled(f));
        m = shim__task_exit__unpack(NULL, f->seen[0].len, f->seen[0].event);
        assert_string_equal(m->container_id, "box");
        assert_string_equal(m->id, "e1");
        assert_int_equal(m->pid, 11);
        assert_int_equal(m->exit_status, 7);
        assert_int_equal(m->exited_at->seconds, 1700000000);
        assert_int_equal(m->exited_at->nanos, 123);
        shim__task_exit__free_unpacked(m, NULL);
        m = shim__task_exit__unpack(NULL, f->seen[1].len, f->seen[1].event);
        assert_string_equal(m->id, "box");
        shim__task_exit__free_unpacked(m, NULL);
        d = shim__task_delete__unpack(NULL, f->seen[2].len, f->seen[2].event);
        assert_string_equal(d->container_id, "box");
        assert_string_equal(d->id, "");
        assert_int_equal(d->exit_status, 7);
        shim__task_delete__free_unpacked(d, NULL);
}

static void skips_what_is_not_its_own(void **state)
{
        struct fixture *f = *state;

        server_start(f);
        for (int i = 0; i < 200; i++)
                append(f, EVENT_START, i % 20 ? "" : "c2", "other", "", 1);
        append_starts(f, 1, 1);
        append(f, EVENT_START, "", "other", "", 1);
        outbox_start(f, 1);
        unit_run_until(f->loop, outbox_cursor(f->outbox) == eventlog_newest(f->log) + 1);
        assert_int_equal(f->n_seen, 1);
}

static void keeps_events_while_containerd_is_away(void **state)
{
        struct fixture *f = *state;

        outbox_start(f, 1);
        append_starts(f, 1, 50);
        unit_run_until(f->loop, f->n_away >= 3);
        assert_int_equal(f->settled, 0);
        server_start(f);
        unit_run_until(f->loop, all_settled(f));
        server_stop(f);
        append_starts(f, 51, 60);
        unit_run_until(f->loop, f->n_away >= 6);
        server_start(f);
        assert_int_equal(outbox_hello(f->outbox, f->path), 0); /* no waiting for the next try */
        unit_run_until(f->loop, all_settled(f));
        assert_int_equal(f->n_seen, 60);
        for (size_t i = 0; i < f->n_seen; i++)
                assert_int_equal(start_pid(&f->seen[i]), i + 1);
}

/* It hears that containerd has gone without having anything to say, and does not try again then. */
static void idle_it_has_no_timer(void **state)
{
        struct fixture *f = *state;
        uint64_t rounds;

        server_start(f);
        append_starts(f, 1, 1);
        outbox_start(f, 1);
        unit_run_until(f->loop, all_settled(f));
        assert_true(outbox_connected(f->outbox));
        server_stop(f);
        unit_run_until(f->loop, f->n_away == 1);
        rounds = loop_stats(f->loop)->rounds;
        unit_run_for(f->loop, 300 * NSEC_PER_MSEC);
        assert_int_equal(f->n_away, 1);
        assert_in_range(loop_stats(f->loop)->rounds - rounds, 0, 2); /* of the test's own timer */
}

static void waits_for_a_slow_one(void **state)
{
        struct fixture *f = *state;

        f->behaviour = IS_SILENT;
        server_start(f);
        append_starts(f, 1, 5);
        outbox_start(f, 1);
        unit_run_until(f->loop, f->n_seen == 1);
        append_starts(f, 6, 6);
        unit_run_for(f->loop, 300 * NSEC_PER_MSEC);
        assert_int_equal(f->n_seen, 1); /* neither again nor the next */
        f->behaviour = TAKES;
        server_answer(f);
        unit_run_until(f->loop, all_settled(f));
        assert_int_equal(f->n_seen, 6);
        assert_int_equal(f->n_connections, 1);
}

static void survives_a_death(struct fixture *f, enum behaviour behaviour)
{
        unsigned away = f->n_away;

        f->behaviour = behaviour;
        unit_run_until(f->loop, f->n_away >= away + 3);
        assert_int_equal(f->settled, 0);
        f->n_seen = 0;
        f->behaviour = TAKES;
        unit_run_until(f->loop, all_settled(f));
        assert_int_equal(f->n_seen, 4);
        for (size_t i = 0; i < f->n_seen; i++)
                assert_int_equal(start_pid(&f->seen[i]), i + 1);
}

static void survives_a_death_in_a_request(void **state)
{
        struct fixture *f = *state;

        server_start(f);
        append_starts(f, 1, 4);
        outbox_start(f, 1);
        survives_a_death(f, DIES_READING);
}

static void survives_a_death_in_an_answer(void **state)
{
        struct fixture *f = *state;

        server_start(f);
        append_starts(f, 1, 4);
        outbox_start(f, 1);
        survives_a_death(f, DIES_ANSWERING);
}

/* What was acknowledged is not sent again, whenever the connection ends. */
static void sends_nothing_twice_that_was_answered(void **state)
{
        struct fixture *f = *state;

        f->behaviour = DIES_ANSWERED;
        server_start(f);
        append_starts(f, 1, 40);
        outbox_start(f, 1);
        while (!all_settled(f)) {
                f->answers_left = 3;
                unit_run_until(f->loop, f->answers_left == 0 || all_settled(f));
        }
        assert_int_equal(f->n_seen, 40);
        for (size_t i = 0; i < f->n_seen; i++)
                assert_int_equal(start_pid(&f->seen[i]), i + 1);
        assert_true(f->n_connections > 5);
}

static void tries_again_where_containerd_is_not_ready(void **state)
{
        struct fixture *f = *state;

        f->behaviour = REFUSES;
        f->code = CODE_UNAVAILABLE;
        server_start(f);
        append_starts(f, 1, 2);
        outbox_start(f, 1);
        unit_run_until(f->loop, f->n_seen == 7);
        assert_int_equal(f->n_refused, 0);
        f->behaviour = TAKES;
        f->n_seen = 0;
        unit_run_until(f->loop, all_settled(f));
        assert_int_equal(f->n_seen, 2);
}

static void leaves_out_what_is_refused(void **state)
{
        struct fixture *f = *state;

        f->behaviour = REFUSES;
        f->code = CODE_INVALID_ARGUMENT;
        server_start(f);
        append_starts(f, 1, 1);
        outbox_start(f, 1);
        unit_run_until(f->loop, f->n_refused == 1);
        assert_string_equal(f->refused, "start no");
        assert_int_equal(f->n_seen, 5);
        assert_true(all_settled(f));
        f->behaviour = TAKES;
        append_starts(f, 2, 2);
        unit_run_until(f->loop, all_settled(f));
        assert_int_equal(start_pid(&f->seen[5]), 2);
}

static void goes_on_from_its_cursor(void **state)
{
        struct fixture *f = *state;
        uint64_t cursor;

        f->behaviour = DIES_ANSWERED;
        f->answers_left = 4;
        server_start(f);
        append_starts(f, 1, 10);
        outbox_start(f, 1);
        unit_run_until(f->loop, f->settled == 5);
        cursor = f->settled;
        f->outbox = outbox_free(f->outbox);
        f->behaviour = TAKES;
        outbox_start(f, cursor);
        unit_run_until(f->loop, all_settled(f));
        assert_int_equal(f->n_seen, 10);
        assert_int_equal(start_pid(&f->seen[9]), 10);
}

/* Events that are owed stay in the log beyond its size; and not beyond the hard limit. */
static void the_log_keeps_what_is_owed(void **state)
{
        struct events_params params = { .since = 1, .max = 1, .owner = "", .ns = "", .id = "" };
        struct events_result result = { 0 };
        struct error err = ERROR_NULL;
        struct fixture *f = *state;
        struct arena *a = arena_new();

        eventlog_keep(f->log, 1);
        for (int i = 0; i < 1500; i++) /* about 100 bytes each: more than 65536 */
                append(f, EVENT_EXIT, "c1", "0123456789-0123456789-0123456789", "", 1);
        assert_int_equal(eventlog_read(f->log, &params, a, &result, &err), 0);
        assert_string_equal(result.events.items[0].kind, "exit");
        for (int i = 0; i < 6000; i++)
                append(f, EVENT_EXIT, "c1", "0123456789-0123456789-0123456789", "", 1);
        assert_int_equal(eventlog_read(f->log, &params, a, &result, &err), 0);
        assert_string_equal(result.events.items[0].kind, "gap");
        arena_free(a);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
                TEST(sends_in_order_one_by_one),
                TEST(translates_every_kind),
                TEST(tells_who_has_exited),
                TEST(skips_what_is_not_its_own),
                TEST(keeps_events_while_containerd_is_away),
                TEST(idle_it_has_no_timer),
                TEST(waits_for_a_slow_one),
                TEST(survives_a_death_in_a_request),
                TEST(survives_a_death_in_an_answer),
                TEST(sends_nothing_twice_that_was_answered),
                TEST(tries_again_where_containerd_is_not_ready),
                TEST(leaves_out_what_is_refused),
                TEST(goes_on_from_its_cursor),
                TEST(the_log_keeps_what_is_owed),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
