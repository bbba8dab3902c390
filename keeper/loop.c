/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Order matters in two places. Datagrams are read before a child is started: what the last one stored just before it
 * died must be there for the next. And a process is looked at (its start time) before it is
 * reaped, since only then is the pid still its own.
 */

#include "keeper/loop.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/pidref.h"

#define BATCH 256 /* of anything, in one round */
#define START_PATIENCE_NS (100 * NSEC_PER_MSEC)
#define REPLACE_PATIENCE_NS (15 * NSEC_PER_SEC) /* sandboxd itself gives its commands 5 */
#define HAND_OVER_ROUNDS 64 /* of BATCH datagrams each */
#define SCM_FDS_MAX 253 /* the kernel's SCM_MAX_FD */

void keeper_init(struct keeper *k, char **argv, size_t store_max)
{
        child_init(&k->children[CHILD_SANDBOXD], argv);
        statuses_init(&k->statuses, KEEPER_STATUSES_MAX);
        store_init(&k->store, store_max);
}

void keeper_deinit(struct keeper *k)
{
        if (k->notify_fd >= 0)
                unlink(k->notify_path);
        upstream_deinit(&k->upstream);
        store_deinit(&k->store);
        statuses_deinit(&k->statuses);
        free(k->polls);
        k->polls = NULL;
        k->link_fd = fd_close(k->link_fd);
        k->notify_fd = fd_close(k->notify_fd);
        k->signal_fd = fd_close(k->signal_fd);
        k->lock_fd = fd_close(k->lock_fd);
}

static void read_notify(struct keeper *k);

/* --- the pair: statuses to the daemon, FORGET from it --- */

static void link_close(struct keeper *k)
{
        k->link_fd = fd_close(k->link_fd);
}

static bool link_send(struct keeper *k, struct keeper_record *record)
{
        record->magic = KEEPER_MAGIC;
        record->version = KEEPER_VERSION;
        if (send(k->link_fd, record, sizeof(*record), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
                return true;
        if (errno != EAGAIN && errno != EINTR && errno != ENOBUFS)
                link_close(k);
        return false;
}

/* Tells what there is to tell, until the socket is full. True: something is left. */
static bool link_tell(struct keeper *k)
{
        const struct status *s;

        while (k->link_fd >= 0) {
                s = statuses_next(&k->statuses);
                if (!k->backlog_end_sent && statuses_backlog_told(&k->statuses)) {
                        struct keeper_record end = { .kind = KEEPER_END_OF_BACKLOG };

                        if (!link_send(k, &end))
                                return true;
                        k->backlog_end_sent = true;
                        continue;
                }
                if (!s)
                        return false;
                struct keeper_record record = { .kind = KEEPER_STATUS, .pid = s->pid, .wait_status = s->wait_status,
                                                .start_time = s->start_time, .realtime_ns = s->realtime_ns };

                if (!link_send(k, &record))
                        return true;
                statuses_told(&k->statuses);
        }
        return false;
}

/* What a front sent just before it died comes before what follows from its death. */
static void read_all_notify(struct keeper *k)
{
        for (int i = 0; i < HAND_OVER_ROUNDS && (i == 0 || k->more); i++) {
                k->more = false;
                read_notify(k);
        }
}

static void hand_over(struct keeper *k, const char *prefix, int sock)
{
        int r = store_hand_over(&k->store, prefix, sock);

        if (r < 0)
                log_error("hand over what %s* stored: %s", prefix, strerror(-r));
}

/* sock: what came with it, or -1. */
static void on_record(struct keeper *k, const struct keeper_record *record, int sock)
{
        char prefix[KEEPER_NAME_MAX + 1] = "";

        if (record->kind == KEEPER_FORGET) {
                statuses_forget(&k->statuses, record->pid, record->start_time);
                return;
        }
        if (record->kind == KEEPER_ASK) {
                k->statuses.backlog = k->statuses.n;
                k->backlog_end_sent = false;
                return;
        }
        if (record->kind == KEEPER_REMEMBER) {
                const struct status s = { .pid = record->pid, .start_time = record->start_time,
                                          .wait_status = record->wait_status, .realtime_ns = record->realtime_ns };

                statuses_add_told(&k->statuses, &s);
                return;
        }
        memcpy(prefix, record->prefix, KEEPER_NAME_MAX);
        read_all_notify(k);
        if (record->kind == KEEPER_HAND_OVER && sock >= 0 && prefix[0] == KEEPER_FRONT)
                hand_over(k, prefix, sock);
        else if (record->kind == KEEPER_DROP && prefix[0] == KEEPER_FRONT)
                store_remove_prefix(&k->store, prefix);
        else
                log_debug("a record of kind %u from sandboxd is not understood", record->kind);
}

static void link_read(struct keeper *k, unsigned max)
{
        for (unsigned i = 0; i < max && k->link_fd >= 0; i++) {
                struct keeper_record record;
                _cleanup_(fd_closep) int sock = -1;
                size_t n_fds = 1;
                ssize_t n = fd_recv(k->link_fd, &record, sizeof(record), &sock, &n_fds, MSG_DONTWAIT);

                if (n == -EAGAIN)
                        return;
                if (n <= 0 && n != -EMSGSIZE) { /* its end is closed: the daemon is dead, or will soon be */
                        link_close(k);
                        return;
                }
                if (n_fds == 0)
                        sock = -1;
                if (n != sizeof(record) || record.magic != KEEPER_MAGIC || record.version != KEEPER_VERSION)
                        log_debug("a record of %zd bytes from sandboxd is not understood", n);
                else
                        on_record(k, &record, sock);
        }
}

/* --- children --- */

static void start_sandboxd(struct keeper *k, struct child *c)
{
        uint64_t now = clock_monotonic_ns();
        int pair[2], r;

        link_close(k);
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
                r = -errno;
        } else {
                const struct child_passes passes = {
                        .notify_path = k->notify_path, .store = &k->store, .keeper_fd = pair[1], .nofile = k->nofile,
                        .watchdog_ns = k->watchdog.period_ns
                };

                r = child_start(c, &passes, now);
                fd_close(pair[1]);
                if (r < 0) {
                        fd_close(pair[0]);
                } else {
                        k->link_fd = pair[0];
                        watchdog_fed(&k->watchdog, now);
                        k->backlog_end_sent = false;
                        k->store_full_told = false;
                        statuses_rewind(&k->statuses);
                        log_info("%s started: pid %d, %zu stored descriptors, %zu statuses to tell", c->name,
                                 (int)c->pid, k->store.n, statuses_count(&k->statuses));
                }
        }
        if (r < 0) { /* as if it had died at once */
                c->started_ns = now;
                child_ended(c, 0x100, false, now);
                log_error("start %s: %s; again in %llu ms", c->name, strerror(-r),
                          (unsigned long long)((c->restart_ns - now) / NSEC_PER_MSEC));
        }
}

/* The keeper goes when one of its daemons has gone for good; the others are told to. */
static void begin_stop(struct keeper *k, int exit_status)
{
        if (!k->stopping)
                k->exit_status = exit_status;
        k->stopping = true;
        for (size_t i = 0; i < CHILDREN; i++) {
                k->children[i].restart_ns = 0;
                if (k->children[i].pid > 0)
                        kill(k->children[i].pid, SIGTERM);
        }
}

static void on_child_end(struct keeper *k, struct child *c, int wait_status)
{
        uint64_t now = clock_monotonic_ns();
        int status = child_exit_status(wait_status);

        child_ended(c, wait_status, k->stopping, now);
        if (c->final) {
                log_info("%s ended with %s %d", c->name, WIFEXITED(wait_status) ? "status" : "signal",
                         WIFEXITED(wait_status) ? status : WTERMSIG(wait_status));
                if (k->stopping && k->exit_status == 0)
                        k->exit_status = status;
                begin_stop(k, status);
        } else {
                log_warn("%s ended with %s %d; it is started again in %llu ms", c->name,
                         WIFEXITED(wait_status) ? "status" : "signal",
                         WIFEXITED(wait_status) ? status : WTERMSIG(wait_status),
                         (unsigned long long)((c->restart_ns - now) / NSEC_PER_MSEC));
        }
}

static void on_end(struct keeper *k, const struct status *s)
{
        uint64_t dropped = k->statuses.dropped;

        for (size_t i = 0; i < CHILDREN; i++) {
                if (k->children[i].pid != s->pid)
                        continue;
                on_child_end(k, &k->children[i], s->wait_status);
                return;
        }
        statuses_add(&k->statuses, s);
        if (k->statuses.dropped != dropped)
                log_warn("the table of statuses is full: the %llu oldest were dropped",
                         (unsigned long long)(k->statuses.dropped - dropped));
}

/* Looks at one zombie, then reaps it: never at two, for waitid() would show the same one again. */
static bool reap_one(struct keeper *k)
{
        struct proc_stat stat;
        struct status s;
        siginfo_t info = { .si_pid = 0 };
        int wait_status;

        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0)
                return false;
        s = (struct status){ .pid = info.si_pid };
        if (proc_stat_read(info.si_pid, &stat) == 0)
                s.start_time = stat.start_time;
        if (waitpid(info.si_pid, &wait_status, WNOHANG) != info.si_pid)
                return false;
        s.wait_status = wait_status;
        s.realtime_ns = clock_realtime_ns();
        on_end(k, &s);
        return true;
}

static void reap(struct keeper *k)
{
        for (int i = 0; i < BATCH; i++)
                if (!reap_one(k))
                        return;
        k->more = true;
}

/* --- notify --- */

static bool is_welcome(const struct keeper *k, const struct ucred *from)
{
        if (from->uid == 0 || from->uid == geteuid())
                return true;
        for (size_t i = 0; i < CHILDREN; i++)
                if (from->pid > 0 && from->pid == k->children[i].pid)
                        return true;
        return false;
}

/* A daemon of an earlier keeper stores what it has before it makes way (it ends after that). The one that was started
 * meanwhile has been given less than there is: it has not served yet, and is started again. */
static void stored_by_another(struct keeper *k, struct child *c)
{
        if (c->pid <= 0 || c->ready)
                return;
        log_info("an earlier %s stores what it has: %s is started once more", c->name, c->name);
        c->replacing = true;
        c->ready = true; /* no need to do it again */
        kill(c->pid, SIGKILL);
}

static void do_notify(struct keeper *k, const struct notify *n, int *fds, size_t n_fds)
{
        if (n->remove && n->name_ok)
                store_remove(&k->store, n->name);
        for (size_t i = 0; n->store && n->name_ok && i < n_fds; i++) {
                int r = store_add(&k->store, n->name, TAKE_FD(fds[i]), n->poll);

                if (r < 0 && !k->store_full_told)
                        log_warn("store a descriptor: %s (it has %zu)", strerror(-r), k->store.n);
                k->store_full_told |= r < 0;
        }
        if (!n->name_ok)
                log_debug("a stored descriptor's name is not 1 to %d letters and digits", KEEPER_NAME_MAX);
        if (!n->stopping || !k->children[CHILD_SANDBOXD].replacing) /* else it ends, and we do not */
                upstream_tell(&k->upstream, n);
        upstream_flush(&k->upstream);
}

struct notify_message {
        char text[NOTIFY_MAX];
        size_t len;
        struct ucred from;
        bool has_credentials;
        bool cut; /* descriptors were lost: we have too many */
        int fds[SCM_FDS_MAX];
        size_t n_fds;
};

static ssize_t receive_notify(int fd, struct notify_message *m)
{
        union {
                struct cmsghdr header;
                char room[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(sizeof(int) * SCM_FDS_MAX)];
        } control;
        struct iovec iov = { .iov_base = m->text, .iov_len = sizeof(m->text) };
        struct msghdr h = {
                .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
        };
        ssize_t n = recvmsg(fd, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

        m->n_fds = 0;
        m->has_credentials = false;
        m->cut = h.msg_flags & MSG_CTRUNC;
        if (n < 0)
                return -errno;
        m->len = (size_t)n;
        for (struct cmsghdr *c = CMSG_FIRSTHDR(&h); c; c = CMSG_NXTHDR(&h, c)) {
                if (c->cmsg_level != SOL_SOCKET)
                        continue;
                if (c->cmsg_type == SCM_RIGHTS) {
                        m->n_fds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
                        memcpy(m->fds, CMSG_DATA(c), m->n_fds * sizeof(int));
                } else if (c->cmsg_type == SCM_CREDENTIALS) {
                        memcpy(&m->from, CMSG_DATA(c), sizeof(m->from));
                        m->has_credentials = true;
                }
        }
        if (h.msg_flags & MSG_TRUNC)
                m->has_credentials = false; /* too long: not believed */
        return n;
}

static void read_notify(struct keeper *k)
{
        struct child *sandboxd = &k->children[CHILD_SANDBOXD];
        struct notify_message m;
        struct notify n;

        for (int i = 0; i < BATCH; i++) {
                ssize_t r = receive_notify(k->notify_fd, &m);

                if (r == -EINTR)
                        continue;
                if (r < 0)
                        return;
                if (m.has_credentials && is_welcome(k, &m.from)) {
                        notify_parse(&n, m.text, m.len);
                        if (m.from.pid == sandboxd->pid) {
                                sandboxd->ready |= n.ready;
                                if (n.watchdog)
                                        watchdog_fed(&k->watchdog, clock_monotonic_ns());
                        } else if (n.store && n.name_ok && n.name[0] != KEEPER_FRONT) {
                                stored_by_another(k, sandboxd);
                        }
                        do_notify(k, &n, m.fds, m.n_fds);
                        if (m.cut)
                                log_warn("a descriptor to store was lost: no more than %zu can be open here",
                                         k->store.n);
                } else {
                        log_debug("a datagram of %zu bytes from pid %d is ignored", m.len, (int)m.from.pid);
                }
                for (size_t f = 0; f < m.n_fds; f++)
                        fd_close(m.fds[f]);
        }
        k->more = true;
}

/* --- signals --- */

static void forward(struct keeper *k, int sig)
{
        bool runs = false;

        for (size_t i = 0; i < CHILDREN; i++) {
                if (k->children[i].pid <= 0)
                        continue;
                runs = true;
                kill(k->children[i].pid, sig);
        }
        if (sig != SIGTERM && sig != SIGINT)
                return;
        log_info("told to stop");
        k->stopping = true;
        for (size_t i = 0; i < CHILDREN; i++)
                k->children[i].restart_ns = 0;
        if (!runs)
                log_info("nothing runs");
}

static void read_signals(struct keeper *k)
{
        struct signalfd_siginfo info;

        while (read(k->signal_fd, &info, sizeof(info)) == sizeof(info)) {
                if (info.ssi_signo == SIGUSR2)
                        k->upgrade = !k->stopping;
                else if (info.ssi_signo != SIGCHLD) /* the dead are looked for in every round */
                        forward(k, (int)info.ssi_signo);
        }
}

/* --- what is due --- */

void keeper_replace_children(struct keeper *k)
{
        for (size_t i = 0; i < CHILDREN; i++) {
                struct child *c = &k->children[i];

                if (c->pid <= 0)
                        continue;
                c->replacing = true;
                c->kill_ns = clock_monotonic_ns() + REPLACE_PATIENCE_NS;
                kill(c->pid, SIGTERM);
        }
}

static void kill_due(struct keeper *k)
{
        struct child *sandboxd = &k->children[CHILD_SANDBOXD];
        uint64_t now = clock_monotonic_ns();

        if (watchdog_ping_due(&k->watchdog, now))
                upstream_alive(&k->upstream);
        if (sandboxd->pid > 0 && !k->more && watchdog_starved(&k->watchdog, now)) {
                log_error("%s has not said for %llu s that it lives: it is killed", sandboxd->name,
                          (unsigned long long)(k->watchdog.period_ns / NSEC_PER_SEC));
                kill(sandboxd->pid, SIGKILL);
        }
        for (size_t i = 0; i < CHILDREN; i++) {
                struct child *c = &k->children[i];

                if (c->pid <= 0 || !c->kill_ns || c->kill_ns > now)
                        continue;
                log_error("%s does not end: it is killed", c->name);
                c->kill_ns = 0;
                kill(c->pid, SIGKILL);
        }
}

/* --- the loop --- */

enum { POLL_SIGNALS, POLL_NOTIFY, POLL_LINK, POLL_UPSTREAM, POLL_FIXED };

static size_t fill_polls(struct keeper *k, bool untold)
{
        size_t n = POLL_FIXED;

        if (k->polls_size < POLL_FIXED + k->store.n_polled) {
                size_t size = POLL_FIXED + k->store.size;
                struct pollfd *polls = realloc(k->polls, size * sizeof(*polls));

                if (polls) {
                        k->polls = polls;
                        k->polls_size = size;
                }
        }
        k->polls[POLL_SIGNALS] = (struct pollfd){ .fd = k->signal_fd, .events = POLLIN };
        k->polls[POLL_NOTIFY] = (struct pollfd){ .fd = k->notify_fd, .events = POLLIN };
        k->polls[POLL_LINK] = (struct pollfd){ .fd = k->link_fd, .events = (short)(POLLIN | (untold ? POLLOUT : 0)) };
        k->polls[POLL_UPSTREAM] = (struct pollfd){ .fd = k->upstream.fd, .events = POLLOUT };
        for (size_t i = 0; k->store.n_polled > 0 && i < k->store.n && n < k->polls_size; i++)
                if (k->store.items[i].poll)
                        k->polls[n++] = (struct pollfd){ .fd = k->store.items[i].fd };
        return n;
}

/* Drops the stored descriptors that hung up. They have the order of the store. */
static void drop_hung_up(struct keeper *k, size_t n_polls)
{
        size_t p = n_polls;

        for (size_t i = k->store.n; i > 0 && p > POLL_FIXED; i--) {
                if (!k->store.items[i - 1].poll || k->store.items[i - 1].fd != k->polls[p - 1].fd)
                        continue;
                if (k->polls[--p].revents & (POLLHUP | POLLERR | POLLNVAL))
                        store_remove_at(&k->store, i - 1);
        }
}

static int poll_timeout(const struct keeper *k)
{
        uint64_t now = clock_monotonic_ns(), best;

        if (k->more)
                return 0;
        best = watchdog_next(&k->watchdog, k->children[CHILD_SANDBOXD].pid > 0);
        for (size_t i = 0; i < CHILDREN; i++) {
                const struct child *c = &k->children[i];

                if (c->restart_ns && c->restart_ns < best)
                        best = c->restart_ns;
                if (c->kill_ns && c->kill_ns < best)
                        best = c->kill_ns;
        }
        if (best == UINT64_MAX)
                return -1;
        return best <= now ? 0 : (int)((best - now + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC);
}

static void start_due(struct keeper *k)
{
        struct child *c = &k->children[CHILD_SANDBOXD];
        uint64_t now = clock_monotonic_ns();

        if (!c->restart_ns || c->restart_ns > now)
                return;
        if (k->more && now < c->restart_ns + START_PATIENCE_NS)
                return; /* what can be known is known to the next daemon from the beginning, unless it never ends */
        read_notify(k); /* what the last one stored between our reading and its death */
        link_read(k, UINT_MAX); /* and what it wanted to be remembered or forgotten */
        start_sandboxd(k, c);
}

static bool any_left(const struct keeper *k)
{
        for (size_t i = 0; i < CHILDREN; i++)
                if (k->children[i].pid > 0 || k->children[i].restart_ns)
                        return true;
        return false;
}

int keeper_run(struct keeper *k)
{
        if (!k->polls) {
                k->polls = calloc(POLL_FIXED, sizeof(*k->polls));
                k->polls_size = POLL_FIXED;
        }
        if (!k->polls)
                return EXIT_FAILURE;
        if (!k->children[CHILD_SANDBOXD].pid)
                k->children[CHILD_SANDBOXD].restart_ns = 1; /* long due */
        while (any_left(k)) {
                bool untold = link_tell(k);
                size_t n = fill_polls(k, untold);

                if (poll(k->polls, n, poll_timeout(k)) > 0) {
                        drop_hung_up(k, n);
                        upstream_flush(&k->upstream);
                        if (k->polls[POLL_UPSTREAM].revents)
                                upstream_flush(&k->upstream);
                        if (k->polls[POLL_LINK].revents & (POLLIN | POLLHUP | POLLERR))
                                link_read(k, BATCH);
                        read_signals(k);
                }
                k->more = false;
                read_notify(k);
                reap(k);
                start_due(k);
                kill_due(k);
                if (k->upgrade)
                        return -1;
        }
        return k->exit_status;
}
