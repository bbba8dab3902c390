/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <sys/socket.h>
#include <utlist.h>
#include "base/fd.h"
#include "tests/lib/fake_rpc.h"

static void take_frames(struct fake_rpc *f)
{
        struct frame frame;

        if (!f->greeted && frame_greeted(&f->in, FRAME_PROTOCOL_REQ) == 1) {
                struct buf hello = BUF_NULL;

                f->greeted = true;
                frame_greet(&hello, FRAME_PROTOCOL_REP);
                assert_int_equal(fd_write_all(f->fd, buf_head(&hello), buf_len(&hello)), 0);
                buf_deinit(&hello);
        }
        while (f->greeted && frame_next(&f->in, LIMIT_MESSAGE, &frame) == 1) {
                struct fake_request *r = calloc(1, sizeof(*r));
                struct error err = ERROR_NULL;

                r->arena = arena_new();
                r->frame = frame.id;
                assert_int_equal(rpc_request_decode(frame.payload, frame.len, r->arena, &r->rpc, &err), 0);
                DL_APPEND(f->requests, r);
                buf_consume(&f->in, frame.size);
        }
}

static void on_ready(struct watch_fd *w, unsigned events)
{
        struct fake_rpc *f = container_of(w, struct fake_rpc, watch);
        uint8_t *room = buf_reserve(&f->in, 65536);
        ssize_t n = read(f->fd, room, 65536);

        if (n <= 0) {
                fake_rpc_hang_up(f);
                return;
        }
        buf_commit(&f->in, (size_t)n);
        take_frames(f);
}

static void on_listening(struct watch_fd *w, unsigned events)
{
        struct fake_rpc *f = container_of(w, struct fake_rpc, listening);

        fake_rpc_hang_up(f);
        f->fd = accept4(f->listen_fd, NULL, NULL, SOCK_CLOEXEC);
        if (f->fd >= 0)
                watch_fd_set(&f->watch, f->fd, LOOP_READ);
}

void fake_rpc_init(struct fake_rpc *f, struct loop *loop, const char *dir)
{
        *f = (struct fake_rpc){ .loop = loop, .fd = -1 };
        snprintf(f->path, sizeof(f->path), "%s/rpc.sock", dir);
        f->listen_fd = fd_listen_unix(f->path, 0600, 8);
        assert_true(f->listen_fd >= 0);
        watch_fd_init(&f->watch, loop, on_ready);
        watch_fd_init(&f->listening, loop, on_listening);
        watch_fd_set(&f->listening, f->listen_fd, LOOP_READ);
}

void fake_rpc_drop(struct fake_request *r)
{
        arena_free(r->arena);
        free(r);
}

void fake_rpc_hang_up(struct fake_rpc *f)
{
        struct fake_request *r, *next;

        DL_FOREACH_SAFE(f->requests, r, next) {
                DL_DELETE(f->requests, r);
                fake_rpc_drop(r);
        }
        watch_fd_stop(&f->watch);
        f->fd = fd_close(f->fd);
        f->greeted = false;
        buf_deinit(&f->in);
}

void fake_rpc_deinit(struct fake_rpc *f)
{
        fake_rpc_hang_up(f);
        watch_fd_stop(&f->listening);
        f->listen_fd = fd_close(f->listen_fd);
        unlink(f->path);
}

static struct fake_request *find(struct fake_rpc *f, enum method_id method)
{
        struct fake_request *r;

        DL_FOREACH(f->requests, r)
                if (r->rpc.method && r->rpc.method->id == method)
                        return r;
        return NULL;
}

struct fake_request *fake_rpc_take(struct fake_rpc *f, enum method_id method)
{
        struct fake_request *r;

        unit_run_until(f->loop, find(f, method));
        r = find(f, method);
        DL_DELETE(f->requests, r);
        return r;
}

static void reply(struct fake_rpc *f, struct fake_request *r, const struct buf *payload)
{
        struct buf out = BUF_NULL;

        frame_append(&out, r->frame, buf_head(payload), buf_len(payload));
        assert_int_equal(fd_write_all(f->fd, buf_head(&out), buf_len(&out)), 0);
        buf_deinit(&out);
        fake_rpc_drop(r);
}

void fake_rpc_answer(struct fake_rpc *f, struct fake_request *r, const void *result)
{
        struct buf payload = BUF_NULL;
        struct error err = ERROR_NULL;

        assert_int_equal(rpc_response_encode(r->rpc.id, r->rpc.method->result, result, &payload, &err), 0);
        reply(f, r, &payload);
        buf_deinit(&payload);
}

void fake_rpc_refuse(struct fake_rpc *f, struct fake_request *r, enum reason reason, const char *message)
{
        struct buf payload = BUF_NULL;
        struct error err = ERROR_NULL;

        error_set(&err, (int)reason, "%s", message);
        assert_int_equal(rpc_response_encode_error(r->rpc.id, &err, &payload), 0);
        reply(f, r, &payload);
        buf_deinit(&payload);
}
