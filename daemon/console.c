/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Two directions, each with a buffer that exists only while it holds something: an idle terminal costs two watched
 * descriptors. One side is read only while nothing is left for the other: so a client that does not read stops the pty,
 * and the pty its process, as a real terminal would. What is watched follows from the state alone (console_watch).
 *
 * A read of the master fails with EIO while nobody has the slave open. A process may close its terminal and open it
 * again, and nothing wakes us when it does: so until the process has ended the master is looked at again, with growing
 * delays.
 *
 * The client's FIFOs are open for both reading and writing. When all is copied, the output FIFO is exchanged for a read
 * end: the client gets its end of file, and what it has not read yet is not lost if it is away just then.
 */

#include "daemon/console.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "proto/proto.h"

#define REOPEN_MIN_NS (10 * NSEC_PER_MSEC)
#define REOPEN_MAX_NS (2 * NSEC_PER_SEC)

/* One descriptor and what is watched of it. */
struct end {
        int fd;
        unsigned events;
        struct watch_fd watch;
};

struct console {
        struct loop *loop;
        char *path;
        struct end listener;    /* until the master is there */
        struct end peer;        /* the runtime */
        struct end master;
        struct end in, out;     /* the client's */
        struct buf to_master, to_client;
        struct watch_timer reopen;
        struct watch_timer linger; /* after console_release */
        uint64_t reopen_ns;     /* 0: the slave is open, as far as is known */
        uint32_t width, height; /* 0: not set */
        bool has_client;        /* console_set_client was called: before it nothing is read */
        bool closing_stdin, draining, ended, drained;
        console_fn on_drained, on_change;
        console_signal_fn on_signal;
        void *signal_data;
        void *data, *change_data;
        struct deferred tell;
};

/* --- ends --- */

static void end_init(struct end *e, struct loop *loop, watch_fd_fn fn)
{
        e->fd = -1;
        e->events = 0;
        watch_fd_init(&e->watch, loop, fn);
}

static void end_close(struct end *e)
{
        watch_fd_drop(&e->watch); /* the keeper's store may have a copy */
        e->events = 0;
        e->fd = fd_close(e->fd);
}

static void end_watch(struct end *e, unsigned events)
{
        if (e->fd < 0 || events == e->events)
                return;
        e->events = events;
        if (events)
                watch_fd_set(&e->watch, e->fd, events);
        else
                watch_fd_drop(&e->watch);
}

static void end_open(struct end *e, int fd)
{
        end_close(e);
        e->fd = fd;
        if (fd >= 0)
                fd_set_nonblock(fd, true);
}

/* --- copying --- */

static void console_watch(struct console *c)
{
        bool readable = c->has_client && !c->ended && c->reopen_ns == 0 && buf_len(&c->to_client) == 0;

        end_watch(&c->master, (readable ? LOOP_READ : 0) | (buf_len(&c->to_master) > 0 ? LOOP_WRITE : 0));
        end_watch(&c->in, c->master.fd >= 0 && !c->ended && buf_len(&c->to_master) == 0 ? LOOP_READ : 0);
        end_watch(&c->out, buf_len(&c->to_client) > 0 ? LOOP_WRITE : 0);
}

/* Fills b from fd, up to the budget of a turn. Returns 1 if there may be more, 0 if there is no more for now, or
 * -errno; end of file is -ENODATA. */
static int fill(struct buf *b, int fd)
{
        size_t budget = CONSOLE_BUDGET;

        while (budget > 0 && buf_len(b) < CONSOLE_BUFFER) {
                size_t want = CONSOLE_BUFFER - buf_len(b);
                uint8_t *room;
                ssize_t n;

                if (want > budget)
                        want = budget;
                room = buf_reserve(b, want);
                if (!room)
                        return -ENOMEM;
                n = read(fd, room, want);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return errno == EAGAIN ? 0 : -errno;
                if (n == 0)
                        return -ENODATA;
                buf_commit(b, (size_t)n);
                budget -= (size_t)n;
        }
        return 1;
}

/* Writes what fd takes; what it refuses for good is dropped. */
static void flush(struct buf *b, int fd)
{
        while (fd >= 0 && buf_len(b) > 0) {
                ssize_t n = write(fd, buf_head(b), buf_len(b));

                if (n < 0 && errno == EINTR)
                        continue;
                if (n == 0 || (n < 0 && errno == EAGAIN))
                        return;
                if (n < 0)
                        break;
                buf_consume(b, (size_t)n);
        }
        buf_deinit(b);
}

static void changed(struct console *c)
{
        if (c->on_change)
                c->on_change(c->change_data);
}

static void on_tell(struct deferred *d)
{
        struct console *c = container_of(d, struct console, tell);

        if (c->on_drained)
                c->on_drained(c->data); /* may free it */
}

/* Our write end goes, so that the client sees the end; a read end keeps what it has not read. */
static void out_finish(struct console *c)
{
        char path[64];
        int reader;

        if (c->out.fd < 0)
                return;
        snprintf(path, sizeof(path), "/proc/self/fd/%d", c->out.fd);
        reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
        end_close(&c->out);
        c->out.fd = reader;
}

static int signal_of_key(const struct termios *t, uint8_t key)
{
        if (!(t->c_lflag & ISIG) || key == _POSIX_VDISABLE)
                return 0;
        return key == t->c_cc[VINTR] ? SIGINT : key == t->c_cc[VQUIT] ? SIGQUIT : key == t->c_cc[VSUSP] ? SIGTSTP : 0;
}

static void echo_key(struct console *c, const struct termios *t, uint8_t key)
{
        const uint8_t shown[] = { '^', key ^ 0100 };

        if (!(t->c_lflag & ECHO))
                return;
        if ((t->c_lflag & ECHOCTL) && (key < ' ' || key == 0177))
                buf_append(&c->to_client, shown, sizeof(shown));
        else
                buf_append(&c->to_client, &key, 1);
        flush(&c->to_client, c->out.fd);
}

/* Keys that mean a signal inside of a sandbox do not reach the pty: its line discipline comes to them later, and would
 * throw away what the process has written when it got the signal. What else it does with them is done here. */
static void take_signals(struct console *c, size_t i)
{
        struct buf *b = &c->to_master;
        struct termios t;

        if (!c->on_signal || i == buf_len(b) || tcgetattr(c->master.fd, &t) < 0)
                return;
        while (i < buf_len(b)) {
                uint8_t *typed = b->data + b->start + i, key = *typed;
                int signal = signal_of_key(&t, key);

                if (!signal || !c->on_signal(c->signal_data, signal)) {
                        i++;
                        continue;
                }
                if (t.c_lflag & NOFLSH) {
                        memmove(typed, typed + 1, buf_len(b) - i - 1);
                        b->end--;
                } else { /* what was typed before is not for anybody any more */
                        buf_consume(b, i + 1);
                        tcflush(c->master.fd, TCOFLUSH);
                        i = 0;
                }
                echo_key(c, &t, key);
        }
}

static void copy_in(struct console *c)
{
        size_t before = buf_len(&c->to_master);
        int r = fill(&c->to_master, c->in.fd);

        take_signals(c, before);
        flush(&c->to_master, c->master.fd);
        /* a plain file was read to its end; or CloseIO was called, and this was all that the FIFO held */
        if ((r < 0 && r != -ENOMEM) || (r == 0 && c->closing_stdin)) {
                end_close(&c->in);
                changed(c);
        }
}

/* What follows from what has changed: the last act of every callback. */
static void console_settle(struct console *c)
{
        if (c->closing_stdin && c->in.fd >= 0 && c->master.fd >= 0 && buf_len(&c->to_master) == 0)
                copy_in(c); /* no event would tell that it is empty */
        if (c->ended && buf_len(&c->to_client) == 0 && c->draining && !c->drained) {
                end_close(&c->master);
                end_close(&c->in);
                out_finish(c);
                buf_deinit(&c->to_master);
                c->drained = true;
                changed(c);
                loop_defer(&c->tell);
        }
        if (!c->drained)
                console_watch(c);
}

/* Nobody has the slave open. */
static void hang_up(struct console *c)
{
        if (c->draining) {
                c->ended = true;
                return;
        }
        c->reopen_ns = c->reopen_ns ? c->reopen_ns * 2 : REOPEN_MIN_NS;
        if (c->reopen_ns > REOPEN_MAX_NS)
                c->reopen_ns = REOPEN_MAX_NS;
        watch_timer_arm(&c->reopen, c->reopen_ns);
}

static void copy_out(struct console *c)
{
        int r = fill(&c->to_client, c->master.fd);

        flush(&c->to_client, c->out.fd);
        c->reopen_ns = r < 0 ? c->reopen_ns : 0;
        if (r < 0 && r != -ENOMEM)
                hang_up(c);
}

static void on_master(struct watch_fd *w, unsigned events)
{
        struct console *c = container_of(w, struct console, master.watch);

        if (events & LOOP_WRITE)
                flush(&c->to_master, c->master.fd);
        if (events & LOOP_READ)
                copy_out(c);
        console_settle(c);
}

static void on_reopen(struct watch_timer *w)
{
        struct console *c = container_of(w, struct console, reopen);

        copy_out(c);
        console_settle(c);
}

static void on_in(struct watch_fd *w, unsigned events)
{
        struct console *c = container_of(w, struct console, in.watch);

        copy_in(c);
        console_settle(c);
}

static void on_out(struct watch_fd *w, unsigned events)
{
        struct console *c = container_of(w, struct console, out.watch);

        flush(&c->to_client, c->out.fd);
        console_settle(c);
}

/* --- the console socket --- */

static void socket_remove(struct console *c)
{
        end_close(&c->listener);
        end_close(&c->peer);
        unlink(c->path);
}

static void master_take(struct console *c, int fd)
{
        socket_remove(c);
        end_open(&c->master, fd);
        if (c->width || c->height)
                console_resize(c, c->width, c->height);
        changed(c);
}

static void on_peer(struct watch_fd *w, unsigned events)
{
        struct console *c = container_of(w, struct console, peer.watch);
        int fds[FD_MSG_MAX];
        size_t n = ARRAY_SIZE(fds);
        char name[4096]; /* of the terminal: not of interest */
        ssize_t r = fd_recv(c->peer.fd, name, sizeof(name), fds, &n, MSG_DONTWAIT);

        if (r == -EAGAIN || r == -EINTR)
                return;
        end_close(&c->peer);
        if (r <= 0)
                n = 0;
        for (size_t i = 0; i < n; i++) {
                if (c->master.fd < 0 && isatty(fds[i]))
                        master_take(c, TAKE_FD(fds[i]));
                fd_close(fds[i]);
        }
        if (c->master.fd < 0) {
                log_warn("%s: the runtime sent no terminal", c->path);
                end_watch(&c->listener, LOOP_READ);
        }
        console_settle(c);
}

static void on_listener(struct watch_fd *w, unsigned events)
{
        struct console *c = container_of(w, struct console, listener.watch);
        int fd = accept4(c->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd < 0)
                return;
        end_open(&c->peer, fd);
        end_watch(&c->listener, 0); /* one at a time */
        end_watch(&c->peer, LOOP_READ);
}

/* --- for the owner --- */

static void linger_over(struct watch_timer *w)
{
        console_free(container_of(w, struct console, linger));
}

static struct console *console_alloc(struct loop *loop, const char *path, struct error *err)
{
        struct console *c = calloc(1, sizeof(*c));

        if (c)
                c->path = strdup(path);
        if (!c || !c->path) {
                free(c);
                error_set(err, REASON_NO_RESOURCES, "no memory for a terminal");
                return NULL;
        }
        c->loop = loop;
        end_init(&c->listener, loop, on_listener);
        end_init(&c->peer, loop, on_peer);
        end_init(&c->master, loop, on_master);
        end_init(&c->in, loop, on_in);
        end_init(&c->out, loop, on_out);
        watch_timer_init(&c->reopen, loop, on_reopen);
        watch_timer_init(&c->linger, c->loop, linger_over);
        deferred_init(&c->tell, loop, on_tell);
        return c;
}

int console_new(struct console **ret, struct loop *loop, const char *path, uint32_t width, uint32_t height,
                struct error *err)
{
        _cleanup_(console_freep) struct console *c = console_alloc(loop, path, err);
        int fd;

        if (!c)
                return -1;
        c->width = width;
        c->height = height;
        fd = fd_listen_unix(path, 0600, 4);
        if (fd < 0)
                return error_set_errno(err, (int)reason_of_errno(fd), fd, "cannot listen at the console socket %s",
                                       path);
        end_open(&c->listener, fd);
        end_watch(&c->listener, LOOP_READ);
        *ret = TAKE(c);
        return 0;
}

int console_adopt(struct console **ret, struct loop *loop, int listener_in, int master_in, struct error *err)
{
        _cleanup_(fd_closep) int listener = listener_in, master = master_in;
        struct sockaddr_un address = { .sun_family = AF_UNSPEC };
        socklen_t len = sizeof(address) - 1; /* so that the path ends in NUL */
        struct console *c;

        if (listener >= 0 && getsockname(listener, (struct sockaddr *)&address, &len) < 0)
                return error_set_errno(err, REASON_INTERNAL, errno, "the name of a console socket");
        c = console_alloc(loop, listener >= 0 ? address.sun_path : "", err);
        if (!c)
                return -1;
        if (master >= 0) {
                end_open(&c->master, TAKE_FD(master));
                if (listener >= 0)
                        unlink(c->path);
        } else if (listener >= 0) {
                end_open(&c->listener, TAKE_FD(listener));
                end_watch(&c->listener, LOOP_READ);
        }
        *ret = c;
        return 0;
}

struct console *console_free(struct console *c)
{
        if (!c)
                return NULL;
        if (c->listener.fd >= 0)
                socket_remove(c);
        end_close(&c->master);
        end_close(&c->in);
        end_close(&c->out);
        watch_timer_stop(&c->reopen);
        watch_timer_stop(&c->linger);
        deferred_cancel(&c->tell);
        buf_deinit(&c->to_master);
        buf_deinit(&c->to_client);
        free(c->path);
        free(c);
        return NULL;
}

const char *console_path(const struct console *c)
{
        return c->path;
}

void console_set_client(struct console *c, int in_fd, int out_fd)
{
        c->has_client = true;
        end_open(&c->in, in_fd);
        end_open(&c->out, out_fd);
        console_settle(c);
}

bool console_has_master(const struct console *c)
{
        return c->master.fd >= 0;
}

int console_master(const struct console *c)
{
        return c->master.fd;
}

int console_listener(const struct console *c)
{
        return c->listener.fd;
}

int console_in(const struct console *c)
{
        return c->in.fd;
}

int console_out(const struct console *c)
{
        return c->out.fd;
}

int console_make_terminal(struct console *c)
{
        _cleanup_(fd_closep) int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), slave = -1;

        if (master < 0 || unlockpt(master) < 0)
                return -errno;
        slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
        if (slave < 0)
                return -errno;
        master_take(c, TAKE_FD(master));
        console_settle(c);
        return TAKE_FD(slave);
}

void console_on_signal(struct console *c, console_signal_fn fn, void *data)
{
        c->on_signal = fn;
        c->signal_data = data;
}

void console_on_change(struct console *c, console_fn fn, void *data)
{
        c->on_change = fn;
        c->change_data = data;
}

int console_resize(struct console *c, uint32_t width, uint32_t height)
{
        struct winsize size = {
                .ws_col = (unsigned short)(width < 65535 ? width : 65535),
                .ws_row = (unsigned short)(height < 65535 ? height : 65535),
        };

        c->width = width;
        c->height = height;
        if (c->master.fd < 0)
                return 0;
        return ioctl(c->master.fd, TIOCSWINSZ, &size) < 0 ? -errno : 0;
}

void console_close_stdin(struct console *c)
{
        c->closing_stdin = true;
        console_settle(c);
}

static void linger_drained(void *data)
{
        console_free(data);
}

void console_release(struct console *c)
{
        if (!c || c->drained || !c->draining) {
                console_free(c);
                return;
        }
        c->on_drained = linger_drained;
        c->on_change = NULL;
        c->on_signal = NULL;
        c->data = c;
        watch_timer_arm(&c->linger, CONSOLE_LINGER_NS);
}

void console_drain(struct console *c, console_fn fn, void *data)
{
        c->on_drained = fn;
        c->data = data;
        if (c->draining)
                return;
        c->draining = true;
        c->has_client = true; /* without one, all is thrown away */
        /* the runtime may have sent the master and ended before we looked */
        if (c->master.fd < 0 && c->listener.fd >= 0) {
                if (c->peer.fd < 0)
                        on_listener(&c->listener.watch, LOOP_READ);
                if (c->peer.fd >= 0)
                        on_peer(&c->peer.watch, LOOP_READ);
        }
        if (c->master.fd < 0)
                c->ended = true;
        else if (c->reopen_ns)
                copy_out(c);
        watch_timer_stop(&c->reopen);
        console_settle(c);
}

bool console_drained(const struct console *c)
{
        return c->drained;
}
