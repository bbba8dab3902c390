/* SPDX-License-Identifier: Apache-2.0 */

#include "daemon/keeper_link.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <utlist.h>
#include "base/buf.h"
#include "base/clock.h"
#include "base/crash.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/sdnotify.h"
#include "proto/keeper.h"
#include "proto/proto.h"

#define BATCH 256         /* records read in one turn */
#define INHERITED_MAX 16384

#define SUCCESSOR_NS (10 * NSEC_PER_SEC) /* systemd waits 0.1 s before it starts the next keeper */
#define LOST_STEM "/keeper.notify" /* only so named sockets are looked for again */

struct keeper_link {
        struct reaper *reaper;
        struct keeper_link_ops ops;
        void *data;
        /* the pair */
        int fd;
        struct watch_fd watch;
        struct buf forgets; /* whole records that are not yet sent */
        struct deferred no_keeper;
        bool backlog_ended;
        bool asking, ask_again;
        uint64_t lost_ns; /* when the keeper went; 0: it has not */
        /* notify */
        struct sdnotify notify;
        struct keeper_link_wait *waits;
        uint64_t watchdog_ns; /* 0: nobody wants to know */
        struct watch_timer watchdog;
        /* once the keeper has gone */
        char notify_path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
        struct stat notify_stat; /* of its socket: one that is on its way out may still be connected to */
        int inotify_fd;
        struct watch_fd inotify_watch;
        struct keeper_link_fd *fds;
        size_t n_fds;
};

static void await_keeper(struct keeper_link *l);

static void ask(struct keeper_link *l);

/* --- the pair --- */

static void backlog_ended(struct keeper_link *l)
{
        if (l->backlog_ended)
                return;
        l->backlog_ended = true;
        l->ops.on_backlog_end(l->data);
}

static void on_no_keeper(struct deferred *d)
{
        backlog_ended(container_of(d, struct keeper_link, no_keeper));
}

static void lose(struct keeper_link *l)
{
        watch_fd_stop(&l->watch);
        l->fd = fd_close(l->fd);
        l->lost_ns = clock_monotonic_ns();
        buf_deinit(&l->forgets);
        backlog_ended(l); /* what has not come will not come */
        if (l->ops.on_lost)
                l->ops.on_lost(l->data);
        await_keeper(l);
}

static void on_record(struct keeper_link *l, const struct keeper_record *r)
{
        const struct exit_info info = { .known = true, .wait_status = r->wait_status, .realtime_ns = r->realtime_ns };

        if (r->kind == KEEPER_END_OF_BACKLOG) {
                if (l->asking)
                        reaper_answered(l->reaper);
                l->asking = false;
                backlog_ended(l);
                ask(l);
        } else if (r->kind == KEEPER_STATUS) {
                if (!reaper_told(l->reaper, r->pid, r->start_time, &info) && l->ops.on_status)
                        l->ops.on_status(l->data, r->pid, r->start_time, &info);
        }
}

static void read_records(struct keeper_link *l)
{
        for (int i = 0; i < BATCH && l->fd >= 0; i++) {
                struct keeper_record r;
                ssize_t n = recv(l->fd, &r, sizeof(r), MSG_DONTWAIT | MSG_TRUNC);

                if (n < 0 && (errno == EAGAIN || errno == EINTR))
                        return;
                if (n <= 0) {
                        lose(l);
                        return;
                }
                if (n == sizeof(r) && r.magic == KEEPER_MAGIC && r.version == KEEPER_VERSION)
                        on_record(l, &r);
        }
}

static void send_forgets(struct keeper_link *l)
{
        while (l->fd >= 0 && buf_len(&l->forgets) > 0) {
                ssize_t n;

                crash_point("forget.send");
                n = send(l->fd, buf_head(&l->forgets), sizeof(struct keeper_record), MSG_DONTWAIT | MSG_NOSIGNAL);
                crash_point("forget.sent");
                if (n < 0)
                        break; /* it is full, or gone, which reading tells */
                buf_consume(&l->forgets, sizeof(struct keeper_record));
        }
        if (l->fd >= 0)
                watch_fd_set(&l->watch, l->fd, LOOP_READ | (buf_len(&l->forgets) > 0 ? LOOP_WRITE : 0));
}

static void on_link(struct watch_fd *w, unsigned events)
{
        struct keeper_link *l = container_of(w, struct keeper_link, watch);

        if (events & LOOP_WRITE)
                send_forgets(l);
        if (events & LOOP_READ)
                read_records(l);
}

void keeper_link_remember(struct keeper_link *l, pid_t pid, uint64_t start_time, const struct exit_info *info)
{
        const struct keeper_record r = { .magic = KEEPER_MAGIC,
                                         .version = KEEPER_VERSION,
                                         .kind = KEEPER_REMEMBER,
                                         .pid = pid,
                                         .wait_status = info->wait_status,
                                         .start_time = start_time,
                                         .realtime_ns = info->realtime_ns };

        if (!l || l->fd < 0)
                return;
        buf_append(&l->forgets, &r, sizeof(r));
        send_forgets(l);
}

void keeper_link_forget(struct keeper_link *l, pid_t pid, uint64_t start_time)
{
        const struct keeper_record r = { .magic = KEEPER_MAGIC,
                                         .version = KEEPER_VERSION,
                                         .kind = KEEPER_FORGET,
                                         .pid = pid,
                                         .start_time = start_time };

        if (!l || l->fd < 0)
                return;
        buf_append(&l->forgets, &r, sizeof(r));
        send_forgets(l);
}

/* One question at a time, and none before the first answer, which nobody asks for. */
static void ask(struct keeper_link *l)
{
        const struct keeper_record r = { .magic = KEEPER_MAGIC, .version = KEEPER_VERSION, .kind = KEEPER_ASK };

        if (l->fd < 0 || !l->ask_again || l->asking || !l->backlog_ended)
                return;
        l->ask_again = false;
        l->asking = true;
        reaper_asked(l->reaper);
        buf_append(&l->forgets, &r, sizeof(r));
        send_forgets(l);
}

void keeper_link_ask(struct keeper_link *l)
{
        if (!l)
                return;
        l->ask_again = true;
        ask(l);
}

/* --- notify --- */

void keeper_link_when_sent(struct keeper_link *l, struct keeper_link_wait *w)
{
        w->link = l;
        DL_APPEND(l->waits, w);
}

void keeper_link_wait_cancel(struct keeper_link_wait *w)
{
        if (w->link)
                DL_DELETE(w->link->waits, w);
        w->link = NULL;
}

/* Those that come while these are told wait for what is queued then. */
static void on_drained(struct sdnotify *n)
{
        struct keeper_link *l = container_of(n, struct keeper_link, notify);

        while (l->waits && l->notify.n_queued == 0) {
                struct keeper_link_wait *w = l->waits;

                keeper_link_wait_cancel(w);
                w->fn(w);
        }
}

int keeper_link_notify(struct keeper_link *l, const char *state)
{
        return l ? sdnotify_send(&l->notify, state, -1) : 0;
}

int keeper_link_store(struct keeper_link *l, const char *name, int fd)
{
        return l ? sdnotify_store(&l->notify, name, fd, false) : 0;
}

int keeper_link_unstore(struct keeper_link *l, const char *name)
{
        return l ? sdnotify_unstore(&l->notify, name) : 0;
}

size_t keeper_link_queued(const struct keeper_link *l)
{
        return l ? l->notify.n_queued : 0;
}

/* --- what is stored by fronts --- */

const char *keeper_link_notify_path(const struct keeper_link *l)
{
        return l && l->fd >= 0 && l->notify.fd >= 0 && l->notify_path[0] ? l->notify_path : NULL;
}

static int send_prefix(struct keeper_link *l, uint16_t kind, const char *prefix, int sock)
{
        struct keeper_record r = { .magic = KEEPER_MAGIC, .version = KEEPER_VERSION, .kind = kind };
        size_t len = strlen(prefix);
        ssize_t n;

        if (!l || l->fd < 0)
                return -ENOTCONN;
        if (len == 0 || len > sizeof(r.prefix))
                return -EINVAL;
        memcpy(r.prefix, prefix, len);
        n = fd_send(l->fd, &r, sizeof(r), &sock, sock >= 0, MSG_DONTWAIT | MSG_NOSIGNAL);
        return n < 0 ? (int)n : 0;
}

int keeper_link_hand_over(struct keeper_link *l, const char *prefix, int sock)
{
        return send_prefix(l, KEEPER_HAND_OVER, prefix, sock);
}

int keeper_link_drop(struct keeper_link *l, const char *prefix)
{
        return send_prefix(l, KEEPER_DROP, prefix, -1);
}

/* --- the environment --- */

static int parse_number(const char *text, long max)
{
        char *end;
        long n;

        if (!text)
                return -1;
        errno = 0;
        n = strtol(text, &end, 10);
        return errno || end == text || *end || n < 0 || n > max ? -1 : (int)n;
}

static int open_notify(struct keeper_link *l, const char *path, struct error *err)
{
        int r;

        if (strlen(path) >= sizeof(l->notify_path))
                return error_set(err, REASON_INTERNAL, "NOTIFY_SOCKET=%s: not the name of a unix socket", path);
        strcpy(l->notify_path, path);
        r = sdnotify_connect(&l->notify, path);
        if (r < 0)
                return error_set_errno(err, REASON_INTERNAL, r, "connect to NOTIFY_SOCKET=%s", path);
        if (stat(path, &l->notify_stat) < 0)
                l->notify_stat.st_ino = 0;
        return 0;
}

/* --- the next keeper --- */

static void look_for_keeper(struct keeper_link *l)
{
        struct stat st;

        if (stat(l->notify_path, &st) < 0 ||
            (st.st_ino == l->notify_stat.st_ino && st.st_ctim.tv_sec == l->notify_stat.st_ctim.tv_sec &&
             st.st_ctim.tv_nsec == l->notify_stat.st_ctim.tv_nsec))
                return;
        if (sdnotify_connect(&l->notify, l->notify_path) < 0)
                return;
        watch_fd_stop(&l->inotify_watch);
        l->inotify_fd = fd_close(l->inotify_fd);
        if (l->ops.on_replaced)
                l->ops.on_replaced(l->data);
}

static void on_inotify(struct watch_fd *w, unsigned events)
{
        struct keeper_link *l = container_of(w, struct keeper_link, inotify_watch);
        char buf[4096];

        while (read(l->inotify_fd, buf, sizeof(buf)) > 0)
                ;
        look_for_keeper(l);
}

/* Its socket is made anew by its successor. */
static void await_keeper(struct keeper_link *l)
{
        char dir[sizeof(l->notify_path)];
        char *slash;

        snprintf(dir, sizeof(dir), "%s", l->notify_path);
        slash = strrchr(dir, '/');
        if (dir[0] != '/' || strcmp(slash, LOST_STEM) != 0)
                return;
        *slash = '\0';
        l->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        if (l->inotify_fd < 0 || inotify_add_watch(l->inotify_fd, dir, IN_CREATE) < 0) {
                log_warn("cannot watch %s: a new keeper will not be seen", dir);
                return;
        }
        watch_fd_set(&l->inotify_watch, l->inotify_fd, LOOP_READ);
        look_for_keeper(l); /* it may be there already */
}

/* --- the watchdog --- */

static void on_watchdog(struct watch_timer *w)
{
        struct keeper_link *l = container_of(w, struct keeper_link, watchdog);

        if (l->notify.n_queued == 0) /* else it does not read, and what it would read first says the same */
                keeper_link_notify(l, "WATCHDOG=1");
        watch_timer_arm(w, l->watchdog_ns / 2);
}

static void take_watchdog(struct keeper_link *l)
{
        const char *pid = getenv("WATCHDOG_PID"), *usec = getenv("WATCHDOG_USEC");
        unsigned long long n = usec ? strtoull(usec, NULL, 10) : 0;

        if (n < 1000 || n > UINT64_MAX / 1000 / 2 || (pid && parse_number(pid, INT_MAX) != getpid()))
                return;
        l->watchdog_ns = n * 1000;
        watch_timer_arm(&l->watchdog, 1);
}

static int take_fds(struct keeper_link *l, struct error *err)
{
        int pid = parse_number(getenv("LISTEN_PID"), INT_MAX), n = parse_number(getenv("LISTEN_FDS"), INHERITED_MAX);
        const char *names = getenv("LISTEN_FDNAMES");

        if (pid != getpid() || n <= 0)
                return 0;
        l->fds = calloc((size_t)n, sizeof(*l->fds));
        if (!l->fds)
                return error_set_errno(err, REASON_NO_RESOURCES, ENOMEM, "take %d descriptors", n);
        for (int i = 0; i < n; i++) {
                struct keeper_link_fd *f = &l->fds[l->n_fds];
                size_t len = names ? strcspn(names, ":") : 0;

                if (len < sizeof(f->name))
                        memcpy(f->name, names ? names : "", len);
                if (names)
                        names += len + (names[len] == ':');
                f->fd = 3 + i;
                if (fd_set_cloexec(f->fd, true) == 0)
                        l->n_fds++;
        }
        return 0;
}

static int take_environment(struct keeper_link *l, struct error *err)
{
        static const char *const names[] = { KEEPER_FD_ENV,    "NOTIFY_SOCKET", "LISTEN_FDS",  "LISTEN_PID",
                                             "LISTEN_FDNAMES", "WATCHDOG_USEC", "WATCHDOG_PID" };
        const char *keeper = getenv(KEEPER_FD_ENV), *path = getenv("NOTIFY_SOCKET");
        int r = 0, fd = parse_number(keeper, INT_MAX), type = 0;
        socklen_t len = sizeof(type);

        if (keeper && (fd < 3 || getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 || type != SOCK_SEQPACKET))
                r = error_set(err, REASON_INTERNAL, KEEPER_FD_ENV "=%s: not a descriptor from sandboxd-keeper", keeper);
        else if (keeper)
                l->fd = fd;
        if (r == 0 && l->fd >= 0 && (fd_set_cloexec(l->fd, true) < 0 || fd_set_nonblock(l->fd, true) < 0))
                r = error_set_errno(err, REASON_INTERNAL, errno, "take the descriptor from sandboxd-keeper");
        if (r == 0 && path && path[0])
                r = open_notify(l, path, err);
        if (r == 0)
                r = take_fds(l, err);
        if (r == 0)
                take_watchdog(l);
        for (size_t i = 0; i < ARRAY_SIZE(names); i++)
                unsetenv(names[i]);
        return r;
}

/* --- life --- */

int keeper_link_new(struct keeper_link **ret, struct loop *loop, struct reaper *reaper,
                    const struct keeper_link_ops *ops, void *data, struct error *err)
{
        _cleanup_(keeper_link_freep) struct keeper_link *l = calloc(1, sizeof(*l));

        if (!l)
                return error_set_errno(err, REASON_NO_RESOURCES, ENOMEM, "make the link to the keeper");
        l->reaper = reaper;
        l->ops = *ops;
        l->data = data;
        l->fd = -1;
        l->inotify_fd = -1;
        sdnotify_init(&l->notify, loop, on_drained);
        watch_timer_init(&l->watchdog, loop, on_watchdog);
        watch_fd_init(&l->inotify_watch, loop, on_inotify);
        watch_fd_init(&l->watch, loop, on_link);
        deferred_init(&l->no_keeper, loop, on_no_keeper);
        if (take_environment(l, err) < 0)
                return -1;
        if (l->fd >= 0)
                watch_fd_set(&l->watch, l->fd, LOOP_READ);
        else
                loop_defer(&l->no_keeper);
        *ret = TAKE(l);
        return 0;
}

struct keeper_link *keeper_link_free(struct keeper_link *l)
{
        if (!l)
                return NULL;
        deferred_cancel(&l->no_keeper);
        watch_fd_stop(&l->watch);
        watch_fd_stop(&l->inotify_watch);
        watch_timer_stop(&l->watchdog);
        l->inotify_fd = fd_close(l->inotify_fd);
        l->fd = fd_close(l->fd);
        buf_deinit(&l->forgets);
        while (l->waits)
                keeper_link_wait_cancel(l->waits);
        sdnotify_deinit(&l->notify);
        for (size_t i = 0; i < l->n_fds; i++)
                fd_close(l->fds[i].fd);
        free(l->fds);
        free(l);
        return NULL;
}

bool keeper_link_connected(const struct keeper_link *l)
{
        return l && l->fd >= 0;
}

bool keeper_link_awaits_successor(const struct keeper_link *l)
{
        return l && l->lost_ns && clock_monotonic_ns() - l->lost_ns < SUCCESSOR_NS;
}

bool keeper_link_can_notify(const struct keeper_link *l)
{
        return l && l->notify.fd >= 0;
}

struct keeper_link_fd *keeper_link_fds(struct keeper_link *l, size_t *ret_n)
{
        *ret_n = l ? l->n_fds : 0;
        return l ? l->fds : NULL;
}
