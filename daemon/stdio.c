/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What is chosen for each of the three follows from the paths alone (choose_*); nothing of the client's is opened here
 * but in stdio_reopen, after a restart, and there only what O_PATH has shown to be a FIFO, non-blocking.
 *
 * stdin_writer is what keeps a process from seeing an end of file while clients come and go; keep_out and keep_err are
 * what keeps it from EPIPE meanwhile, and what it wrote readable after its end.
 */

#include "daemon/stdio.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/fd.h"
#include "base/log.h"
#include "daemon/console.h"
#include "daemon/logger.h"
#include "daemon/relay.h"
#include "daemon/stdio_uri.h"

struct choice { /* what the three paths say */
        struct stdio_uri in, out, err;
        bool err_follows; /* stderr is the same as stdout */
};

static int choose_error(const struct stdio_paths *p, struct arena *a, struct choice *ret, struct error *err)
{
        if (p->terminal)
                return 0;
        if (stdio_uri_parse(p->err, "stderr", a, &ret->err, err) < 0)
                return -1;
        if (ret->err.scheme == STDIO_NONE)
                ret->err_follows = ret->out.scheme == STDIO_FILE || ret->out.scheme == STDIO_BINARY;
        else
                ret->err_follows = strcmp(p->out, p->err) == 0 ||
                                   (ret->err.scheme == ret->out.scheme && ret->err.scheme != STDIO_BINARY &&
                                    strcmp(ret->err.path, ret->out.path) == 0);
        if (!ret->err_follows && (ret->out.scheme == STDIO_BINARY || ret->err.scheme == STDIO_BINARY))
                return error_set(err, REASON_INVALID_ARGUMENT,
                                 "stderr: a binary:// logger takes both stdout and stderr: give the same URI for both");
        return 0;
}

static int choose(const struct stdio_paths *p, struct arena *a, struct choice *ret, struct error *err)
{
        *ret = (struct choice){ 0 };
        if (stdio_uri_parse(p->in, "stdin", a, &ret->in, err) < 0 ||
            stdio_uri_parse(p->out, "stdout", a, &ret->out, err) < 0)
                return -1;
        if (ret->in.scheme > STDIO_FIFO)
                return error_set(err, REASON_INVALID_ARGUMENT, "stdin: only a path or fifo:// can be read from");
        if (p->terminal && ret->out.scheme == STDIO_FILE)
                return error_set(err, REASON_INVALID_ARGUMENT,
                                 "stdout: file:// cannot be used with a terminal: give a FIFO or binary://");
        return choose_error(p, a, ret, err);
}

int stdio_check(const struct stdio_paths *p, struct error *err)
{
        _cleanup_(arena_freep) struct arena *a = arena_new();
        struct choice choice;

        if (!a)
                return error_set(err, REASON_NO_RESOURCES, "no memory for stdio");
        return choose(p, a, &choice, err);
}

/* --- before the process --- */

static void tell_ready(struct stdio *s, const struct error *err)
{
        stdio_ready_fn fn = s->on_ready;

        s->on_ready = NULL;
        if (fn)
                fn(s, err);
}

static void tell_drained(void *data)
{
        struct stdio *s = data;

        if (s->on_drained)
                s->on_drained(s);
}

static void tell_changed(void *data)
{
        struct stdio *s = data;

        if (s->on_change)
                s->on_change(s);
}

static bool tell_signal(void *data, int signal)
{
        struct stdio *s = data;

        return s->on_signal(s, signal);
}

void stdio_on_signal(struct stdio *s, bool (*fn)(struct stdio *s, int signal))
{
        s->on_signal = fn;
        if (s->console)
                console_on_signal(s->console, tell_signal, s);
}

static void on_later(struct deferred *d)
{
        struct stdio *s = container_of(d, struct stdio, later);

        if (s->ended)
                tell_drained(s);
        else
                tell_ready(s, NULL);
}

static void on_logger(void *data, const struct error *err)
{
        struct stdio *s = data;

        if (err)
                error_copy(&s->error, err);
        tell_ready(s, err ? &s->error : NULL);
}

void stdio_init(struct stdio *s, struct loop *loop, struct reaper *reaper)
{
        *s = (struct stdio){ .loop = loop, .reaper = reaper, .keep_out = -1, .keep_err = -1, .stdin_writer = -1 };
        deferred_init(&s->later, loop, on_later);
}

void stdio_deinit(struct stdio *s)
{
        if (!s->loop)
                return;
        deferred_cancel(&s->later);
        s->on_ready = NULL;
        s->keep_out = fd_close(s->keep_out);
        s->keep_err = fd_close(s->keep_err);
        s->stdin_writer = fd_close(s->stdin_writer);
        relay_release(TAKE(s->out_relay));
        relay_release(TAKE(s->err_relay));
        console_release(s->console);
        s->console = NULL;
        s->logger = logger_release(s->logger);
        s->arena = arena_free(s->arena);
}

static struct spawn_stdio of_uri(const struct stdio_paths *p, const struct stdio_uri *uri)
{
        struct spawn_stdio io = { .kind = SPAWN_STDIO_NULL, .fd = -1, .path = uri->path };

        if (uri->scheme == STDIO_FILE) {
                io.kind = SPAWN_STDIO_FILE;
        } else if (uri->scheme == STDIO_FIFO && p->terminal) {
                io.kind = SPAWN_STDIO_HAND_BACK;
        } else if (uri->scheme == STDIO_FIFO) {
                io.kind = SPAWN_STDIO_PATH;
                io.chown = p->uid != 0 || p->gid != 0; /* so that /dev/stdout can be opened again */
                io.uid = p->uid;
                io.gid = p->gid;
        }
        return io;
}

static void relay_changed(void *data)
{
        struct stdio *s = data;

        tell_changed(s);
        if (s->ended && stdio_drained(s))
                tell_drained(s);
}

/* io is what it would be without. */
static int make_relay(struct stdio *s, const struct stdio_paths *p, struct relay **ret, struct spawn_stdio *io,
                      struct error *err)
{
        *ret = relay_free(*ret);
        if (!s->relays || io->kind != SPAWN_STDIO_PATH)
                return 0;
        if (relay_new(ret, s->loop, p->uid, p->gid, relay_changed, s, err) < 0)
                return -1;
        *io = (struct spawn_stdio){ .kind = SPAWN_STDIO_RELAY, .fd = relay_writer(*ret), .path = io->path };
        return 0;
}

static void fill_child(struct stdio *s, const struct stdio_paths *p, const struct choice *choice)
{
        s->child[0] = of_uri(p, &choice->in);
        s->child[1] = of_uri(p, &choice->out);
        s->child[2] = of_uri(p, &choice->err);
        if (choice->err_follows)
                s->child[2] = (struct spawn_stdio){ .kind = SPAWN_STDIO_SAME, .fd = -1 };
        if (!s->logger || p->terminal)
                return;
        for (int i = 1; i < 3; i++)
                s->child[i] = (struct spawn_stdio){ .kind = SPAWN_STDIO_FD, .fd = logger_output(s->logger, i) };
}

int stdio_prepare(struct stdio *s, const struct stdio_paths *p, const char *console_path, stdio_ready_fn fn,
                  struct error *err)
{
        struct choice choice;

        s->arena = arena_free(s->arena);
        s->arena = arena_new();
        if (!s->arena)
                return error_set(err, REASON_NO_RESOURCES, "no memory for stdio");
        if (choose(p, s->arena, &choice, err) < 0)
                return -1;
        if (p->terminal && console_new(&s->console, s->loop, console_path, p->width, p->height, err) < 0)
                return -1;
        if (s->console)
                console_on_change(s->console, tell_changed, s);
        if (choice.out.scheme == STDIO_BINARY &&
            logger_new(&s->logger, s->loop, s->reaper, &choice.out, p->ns, p->id, on_logger, s, err) < 0)
                return -1;
        fill_child(s, p, &choice);
        if (make_relay(s, p, &s->out_relay, &s->child[1], err) < 0 ||
            make_relay(s, p, &s->err_relay, &s->child[2], err) < 0)
                return -1;
        s->on_ready = fn;
        if (!s->logger)
                loop_defer(&s->later);
        return 0;
}

const char *stdio_console_path(const struct stdio *s)
{
        return s->console ? console_path(s->console) : NULL;
}

/* --- with the process --- */

/* kept: the FIFO, if it was one. */
static void take_output(struct relay **relay, int *keep, int *kept)
{
        if (*relay && *kept >= 0) {
                relay_begin(*relay, TAKE_FD(*kept));
                return;
        }
        *relay = relay_free(*relay);
        *keep = TAKE_FD(*kept);
}

void stdio_take(struct stdio *s, struct spawn_ready *ready)
{
        if (s->console) {
                int out = s->logger ? logger_take_output(s->logger, 1) : TAKE_FD(ready->kept[1]);

                console_set_client(s->console, TAKE_FD(ready->kept[0]), out);
                if (s->closed_stdin)
                        console_close_stdin(s->console);
        } else {
                /* there are some already if an earlier daemon had created it, and this one starts it (runsc_sub.h) */
                fd_close(s->stdin_writer);
                fd_close(s->keep_out);
                fd_close(s->keep_err);
                s->stdin_writer = s->closed_stdin ? -1 : TAKE_FD(ready->kept[0]);
                take_output(&s->out_relay, &s->keep_out, &ready->kept[1]);
                take_output(&s->err_relay, &s->keep_err, &ready->kept[2]);
        }
        if (s->logger)
                logger_close_outputs(s->logger);
}

/* One end of a FIFO. What is no FIFO is never opened: opening it might block, or mean something. */
static int open_fifo(const char *path, int flags)
{
        _cleanup_(fd_closep) int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        char self[64];
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0 || !S_ISFIFO(st.st_mode))
                return -1;
        snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
        return open(self, flags | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
}

static void reopen_terminal(struct stdio *s, const struct choice *choice, struct stdio_kept *k)
{
        struct error err = ERROR_NULL;

        if (console_adopt(&s->console, s->loop, TAKE_FD(k->listener), TAKE_FD(k->master), &err) < 0) {
                log_error("a terminal is lost: %s", err.message);
                return;
        }
        console_on_change(s->console, tell_changed, s);
        if (s->on_signal)
                console_on_signal(s->console, tell_signal, s);
        /* both for reading and writing, as they were: so that a client may come and go */
        if (k->in < 0 && choice->in.scheme == STDIO_FIFO && !s->closed_stdin)
                k->in = open_fifo(choice->in.path, O_RDWR);
        if (k->out < 0 && choice->out.scheme == STDIO_FIFO)
                k->out = open_fifo(choice->out.path, O_RDWR);
        console_set_client(s->console, TAKE_FD(k->in), TAKE_FD(k->out));
        if (s->closed_stdin)
                console_close_stdin(s->console);
}

/* Consumes both. Without the FIFO (it is no more) there is nobody to write to. */
static void reopen_relay(struct stdio *s, struct relay **ret, const char *path, int source, int fifo)
{
        int sink = fifo >= 0 ? fifo : open_fifo(path, O_RDWR);

        if (*ret || sink < 0) {
                fd_close(source);
                fd_close(sink);
        } else if (relay_adopt(ret, s->loop, source, sink, relay_changed, s) < 0) {
                log_error("no memory for an output");
        }
}

static void kept_close(struct stdio_kept *k)
{
        k->master = fd_close(k->master);
        k->listener = fd_close(k->listener);
        k->in = fd_close(k->in);
        k->out = fd_close(k->out);
        k->err = fd_close(k->err);
        k->out_pipe = fd_close(k->out_pipe);
        k->err_pipe = fd_close(k->err_pipe);
}

void stdio_reopen(struct stdio *s, const struct stdio_paths *p, struct stdio_kept *kept, bool stdin_closed)
{
        _cleanup_(arena_freep) struct arena *a = arena_new();
        _cleanup_(kept_close) struct stdio_kept k = *kept;
        struct choice choice;

        s->closed_stdin = stdin_closed;
        if (!a || choose(p, a, &choice, NULL) < 0)
                return;
        if (p->terminal) {
                if (!s->console && (k.master >= 0 || k.listener >= 0))
                        reopen_terminal(s, &choice, &k);
                return;
        }
        if (!stdin_closed && s->stdin_writer < 0)
                s->stdin_writer = TAKE_FD(k.in);
        if (k.out_pipe >= 0)
                reopen_relay(s, &s->out_relay, choice.out.path, TAKE_FD(k.out_pipe), TAKE_FD(k.out));
        if (k.err_pipe >= 0)
                reopen_relay(s, &s->err_relay, choice.err.path, TAKE_FD(k.err_pipe), TAKE_FD(k.err));
        if (s->keep_out < 0)
                s->keep_out = TAKE_FD(k.out);
        if (s->keep_err < 0)
                s->keep_err = TAKE_FD(k.err);
        /* nobody reads it any more if the process is gone or has closed it: ENXIO, and nothing is lost */
        if (choice.in.scheme == STDIO_FIFO && !stdin_closed && s->stdin_writer < 0)
                s->stdin_writer = open_fifo(choice.in.path, O_WRONLY);
        if (choice.out.scheme == STDIO_FIFO && !s->out_relay && s->keep_out < 0)
                s->keep_out = open_fifo(choice.out.path, O_RDONLY);
        if (choice.err.scheme == STDIO_FIFO && !choice.err_follows && !s->err_relay && s->keep_err < 0)
                s->keep_err = open_fifo(choice.err.path, O_RDONLY);
}

void stdio_close_stdin(struct stdio *s)
{
        s->closed_stdin = true;
        s->stdin_writer = fd_close(s->stdin_writer);
        if (s->console)
                console_close_stdin(s->console);
}

static int output_fd(const struct relay *relay, int keep)
{
        return relay ? relay_sink(relay) : keep;
}

int stdio_fd(const struct stdio *s, enum stdio_end end)
{
        switch (end) {
        case STDIO_MASTER:
                return s->console ? console_master(s->console) : -1;
        case STDIO_LISTENER:
                return s->console ? console_listener(s->console) : -1;
        case STDIO_IN:
                return s->console ? console_in(s->console) : s->stdin_writer;
        case STDIO_OUT:
                return s->console ? console_out(s->console) : output_fd(s->out_relay, s->keep_out);
        case STDIO_ERR:
                return output_fd(s->err_relay, s->keep_err);
        case STDIO_OUT_PIPE:
                return s->out_relay ? relay_source(s->out_relay) : -1;
        case STDIO_ERR_PIPE:
                return s->err_relay ? relay_source(s->err_relay) : -1;
        }
        return -1;
}

int stdio_make_terminal(struct stdio *s)
{
        return s->console ? console_make_terminal(s->console) : -EINVAL;
}

int stdio_resize(struct stdio *s, uint32_t width, uint32_t height)
{
        return s->console ? console_resize(s->console, width, height) : 0;
}

/* --- after the process --- */

void stdio_process_ended(struct stdio *s)
{
        if (s->ended)
                return;
        s->ended = true;
        if (s->logger)
                logger_process_ended(s->logger);
        if (s->console)
                console_drain(s->console, tell_drained, s);
        else if (!stdio_moves(s))
                loop_defer(&s->later); /* the data is in the FIFOs: the client reads it, and then the end */
}

bool stdio_moves(const struct stdio *s)
{
        return (s->out_relay && relay_moves(s->out_relay)) || (s->err_relay && relay_moves(s->err_relay));
}

void stdio_cut(struct stdio *s)
{
        s->out_relay = relay_free(s->out_relay);
        s->err_relay = relay_free(s->err_relay);
}

bool stdio_drained(const struct stdio *s)
{
        return s->console ? console_drained(s->console) : !stdio_moves(s);
}
