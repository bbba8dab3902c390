/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One poll(2) loop over the connection, a signalfd, our standard input and the FIFOs. Nothing in it blocks: our own
 * standard output is written in pieces that poll(2) says it takes.
 */
#include "client/ctl/session.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/fd.h"
#include "client/ctl/ending.h"
#include "client/ctl/units.h"

#define COPY_SIZE 65536U
#define IN_MAX 65536U          /* of our standard input are read ahead */
#define QUIET_MS 200           /* after the end: a descendant may hold the FIFO open for ever */
#define QUIET_TERMINAL_MS 1000 /* the daemon still copies */

static const int handled_signals[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH };

void session_init(struct session *s, struct ctl *ctl, const struct target *target, struct stdio *stdio)
{
        *s = (struct session){ .ctl = ctl, .target = *target, .stdio = stdio, .signal_fd = -1, .tty = TERMINAL_NULL,
                               .end = SANDBOXD_REPLY_NULL };
        s->out = (struct stream){ .from = &stdio->out_fd, .path = stdio->out_path, .to = STDOUT_FILENO };
        s->err = (struct stream){ .from = &stdio->err_fd, .path = stdio->err_path, .to = STDERR_FILENO };
}

void session_deinit(struct session *s)
{
        terminal_restore(&s->tty);
        if (s->waiting)
                sandboxd_cancel(s->ctl->client, s->wait_call);
        s->waiting = false;
        if (s->signal_fd >= 0)
                sigprocmask(SIG_SETMASK, &s->old_mask, NULL);
        s->signal_fd = fd_close(s->signal_fd);
        sandboxd_reply_clear(&s->end);
        buf_deinit(&s->in);
}

static void on_end(void *data, struct sandboxd_reply *reply)
{
        struct session *s = data;

        s->end = *reply;
        *reply = (struct sandboxd_reply)SANDBOXD_REPLY_NULL;
        s->waiting = false;
}

static bool is_regular(int fd)
{
        struct stat st;

        return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

int session_begin(struct session *s)
{
        sigset_t set;

        s->out.ended = *s->out.from < 0;
        s->err.ended = *s->err.from < 0;
        s->out.regular = is_regular(s->out.to);
        s->err.regular = is_regular(s->err.to);
        s->in_open = s->stdio->in_path[0] != '\0';
        sigemptyset(&set);
        for (size_t i = 0; i < ARRAY_SIZE(handled_signals); i++)
                sigaddset(&set, handled_signals[i]);
        sigprocmask(SIG_BLOCK, &set, &s->old_mask);
        signal(SIGPIPE, SIG_IGN);
        s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
        s->wait_call = sandboxd_submit(s->ctl->client, METHOD_WAIT, &s->target, -1, on_end, s);
        s->waiting = s->wait_call != 0;
        if (s->signal_fd >= 0 && s->waiting)
                return 0;
        ctl_fail(s->ctl, "out of descriptors or memory");
        return -1;
}

/* --- calls whose answer does not matter --- */

static void on_ignored(void *data, struct sandboxd_reply *reply)
{
}

static void send_signal(struct session *s, int signal)
{
        struct kill_params params = {.owner = s->target.owner,
                                     .ns = s->target.ns,
                                     .id = s->target.id,
                                     .exec_id = s->target.exec_id,
                                     .signal = (uint32_t)signal};

        sandboxd_submit(s->ctl->client, METHOD_KILL, &params, s->ctl->timeout_ms, on_ignored, NULL);
}

static void send_size(struct session *s)
{
        struct resize_params params = {
                .owner = s->target.owner, .ns = s->target.ns, .id = s->target.id, .exec_id = s->target.exec_id};

        if (s->terminal && terminal_size(STDIN_FILENO, &params.width, &params.height) == 0)
                sandboxd_submit(s->ctl->client, METHOD_RESIZE, &params, s->ctl->timeout_ms, on_ignored, NULL);
}

static void send_end_of_input(struct session *s)
{
        struct action_params params = {
                .owner = s->target.owner, .ns = s->target.ns, .id = s->target.id, .exec_id = s->target.exec_id};

        s->stdio->in_fd = fd_close(s->stdio->in_fd);
        sandboxd_submit(s->ctl->client, METHOD_CLOSE_IO, &params, s->ctl->timeout_ms, on_ignored, NULL);
}

static void leave(struct session *s, int status)
{
        s->left = true;
        s->status = status;
}

/* --- signals --- */

/* Without a terminal they are the process's. With one they are ours: what the process should get is typed there. */
static void on_signal(struct session *s, int signal)
{
        char name[UNITS_TEXT_MAX];
        bool fatal = signal == SIGTERM || signal == SIGINT;

        if (signal == SIGWINCH) {
                send_size(s);
                return;
        }
        if (s->tty.fd >= 0) {
                leave(s, 128 + signal);
                return;
        }
        send_signal(s, signal);
        s->n_fatal = fatal ? s->n_fatal + 1 : 0;
        if (s->n_fatal < 3)
                return;
        ctl_warn("SIG%s three times: leaving %s as it is ('sandboxctl kill -s KILL %s' ends it)",
                 format_signal(signal, name), s->target.id, s->target.id);
        leave(s, 128 + signal);
}

static void read_signals(struct session *s)
{
        struct signalfd_siginfo info;

        while (read(s->signal_fd, &info, sizeof(info)) == sizeof(info))
                on_signal(s, (int)info.ssi_signo);
}

/* --- input --- */

static bool wants_input(const struct session *s)
{
        return s->in_open && s->stdio->in_fd >= 0 && buf_len(&s->in) < IN_MAX;
}

static void read_input(struct session *s)
{
        uint8_t bytes[4096];
        uint8_t *room = buf_reserve(&s->in, sizeof(bytes) + DETACH_MAX);
        ssize_t n = room ? read(STDIN_FILENO, bytes, sizeof(bytes)) : 0;
        size_t kept;

        if (n < 0 && (errno == EINTR || errno == EAGAIN))
                return;
        if (n <= 0) {
                s->in_open = false;
                return;
        }
        if (s->tty.fd >= 0) {
                if (detach_filter(&s->detach, bytes, (size_t)n, room, &kept))
                        leave(s, 0);
        } else {
                memcpy(room, bytes, (size_t)n);
                kept = (size_t)n;
        }
        buf_commit(&s->in, kept);
}

static void write_input(struct session *s)
{
        while (s->stdio->in_fd >= 0 && buf_len(&s->in) > 0) {
                ssize_t n = write(s->stdio->in_fd, buf_head(&s->in), buf_len(&s->in));

                if (n < 0 && (errno == EAGAIN || errno == EINTR))
                        return;
                if (n < 0) { /* the process has closed its standard input */
                        s->stdio->in_fd = fd_close(s->stdio->in_fd);
                        return;
                }
                buf_consume(&s->in, (size_t)n);
        }
        if (!s->in_open && s->stdio->in_fd >= 0)
                send_end_of_input(s);
}

/* --- output --- */

static bool can_write(int fd)
{
        struct pollfd p = { .fd = fd, .events = POLLOUT };

        return poll(&p, 1, 0) > 0;
}

/*
 * It is to go as if the process wrote there itself. But the first process of a container ignores what it does not
 * handle, so the signal may end nothing: that is not waited for.
 */
static void on_broken(struct session *s, struct stream *stream, int errnum)
{
        stream->broken = true;
        if (errnum != EPIPE) {
                ctl_warn("cannot write the output of %s: %s", s->target.id, strerror(errnum));
                return;
        }
        send_signal(s, SIGPIPE);
        leave(s, 128 + SIGPIPE);
}

static void write_output(struct session *s, struct stream *stream, const uint8_t *data, size_t len)
{
        while (len > 0 && !stream->broken) {
                size_t size = stream->regular || len < PIPE_BUF
                                      ? len
                                      : PIPE_BUF; /* a pipe that can be written takes so much */
                ssize_t n;

                while (!stream->regular && !can_write(stream->to)) {
                        struct pollfd p[2] = {{.fd = stream->to, .events = POLLOUT},
                                              {.fd = s->signal_fd, .events = POLLIN}};

                        if (poll(p, 2, -1) > 0 && p[1].revents)
                                read_signals(s);
                        if (s->left)
                                return;
                }
                n = write(stream->to, data, size);
                if (n < 0 && errno != EINTR && errno != EAGAIN)
                        on_broken(s, stream, errno);
                data += n > 0 ? n : 0;
                len -= n > 0 ? (size_t)n : 0;
        }
}

/*
 * End of file before the end of the process: its writers are gone for now (a daemon that copies a terminal is being
 * restarted). A FIFO that is opened anew waits for the next writer, without telling end of file all the time.
 */
static void await_writer(struct stream *stream)
{
        int fd = stdio_open_out(stream->path);

        stream->ended = fd < 0;
        fd_close(*stream->from);
        *stream->from = fd < 0 ? -1 : fd;
}

/* Returns true if there was something. */
static bool copy_output(struct session *s, struct stream *stream)
{
        uint8_t data[COPY_SIZE];
        ssize_t n;

        if (stream->ended)
                return false;
        n = read(*stream->from, data, sizeof(data));
        if (n > 0) {
                write_output(s, stream, data, (size_t)n);
                return true;
        }
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return false;
        if (s->waiting && n == 0)
                await_writer(stream);
        else
                stream->ended = true;
        return false;
}

/* --- the loop --- */

static void turn(struct session *s)
{
        struct sandboxd_client *c = s->ctl->client;
        struct pollfd p[] = {
                { .fd = sandboxd_client_fd(c), .events = sandboxd_client_events(c) },
                { .fd = s->signal_fd, .events = POLLIN },
                { .fd = wants_input(s) ? STDIN_FILENO : -1, .events = POLLIN },
                { .fd = buf_len(&s->in) > 0 ? s->stdio->in_fd : -1, .events = POLLOUT },
                { .fd = s->out.ended ? -1 : *s->out.from, .events = POLLIN },
                { .fd = s->err.ended ? -1 : *s->err.from, .events = POLLIN },
        };

        if (poll(p, ARRAY_SIZE(p), sandboxd_client_timeout(c)) < 0)
                memset(p, 0, sizeof(p)); /* EINTR; the events are still there */
        if (p[1].revents)
                read_signals(s);
        if (p[2].revents)
                read_input(s);
        write_input(s);
        if (p[4].revents)
                copy_output(s, &s->out);
        if (p[5].revents)
                copy_output(s, &s->err);
        sandboxd_client_process(c, p[0].revents);
}

/* The process has ended: what it wrote is in the FIFOs. Whoever else still has them open is not waited for for long. */
static void drain(struct session *s)
{
        while (!s->left && !(s->out.ended && s->err.ended)) {
                struct pollfd p[] = {
                        { .fd = s->out.ended ? -1 : *s->out.from, .events = POLLIN },
                        { .fd = s->err.ended ? -1 : *s->err.from, .events = POLLIN },
                };
                bool some = copy_output(s, &s->out);

                some = copy_output(s, &s->err) || some;
                if (!some && !(s->out.ended && s->err.ended) &&
                    poll(p, ARRAY_SIZE(p), s->terminal ? QUIET_TERMINAL_MS : QUIET_MS) == 0)
                        return;
        }
}

int session_loop(struct session *s)
{
        int status;

        if (s->terminal && s->in_open && isatty(STDIN_FILENO) && terminal_raw(&s->tty, STDIN_FILENO) < 0)
                ctl_warn("the terminal stays as it is: it cannot be made raw");
        send_size(s);
        while (s->waiting && !s->left)
                turn(s);
        if (!s->left)
                drain(s);
        terminal_restore(&s->tty);
        if (!s->left)
                return ending_status(s->ctl, &s->target, &s->end, s->events_since);
        status = s->status;
        if (status == 0)
                ctl_warn("detached; 'sandboxctl attach %s' comes back", s->target.id);
        s->stdio->ours = false; /* the process goes on with them */
        s->stdio->in_fd = fd_close(s->stdio->in_fd);
        s->in_open = false;
        while (sandboxd_client_open_calls(s->ctl->client) >
               1) /* signals and sizes that are on their way; not the wait */
                turn(s);
        return status;
}
