/* SPDX-License-Identifier: Apache-2.0 */

#include "client/shim/front.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "client/shim/call.h"
#include "client/shim/confine.h"
#include "client/shim/place.h"
#include "client/shim/shim.h"
#include "proto/front.h"

#define RESUME_NS (100 * NSEC_PER_MSEC)
#define AGAIN_NS (50 * NSEC_PER_MSEC)
#define IDLE_NS (250 * NSEC_PER_MSEC)  /* between two containers of a client that makes one after the other */
#define BEGIN_NS (2 * NSEC_PER_SEC)    /* until the one comes for whom we were started */

/* Only root and ourselves: who may connect can do everything to the containers. */
static bool peer_may(int fd)
{
        struct ucred peer;
        socklen_t len = sizeof(peer);

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
                return false;
        if (peer.uid == 0 || peer.uid == geteuid())
                return true;
        log_warn("a connection of pid %d, uid %u was refused", (int)peer.pid, (unsigned)peer.uid);
        return false;
}

static void on_listening(struct watch_fd *w, unsigned events)
{
        struct front *f = container_of(w, struct front, listening);
        struct conn *conn;
        int fd;

        while ((fd = accept4(f->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
                if (!peer_may(fd))
                        fd_close(fd);
                else if (conn_new(&conn, f, fd) < 0)
                        log_warn("no memory for another connection");
        }
        if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
                return;
        log_error("cannot accept connections: %s", strerrordesc_np(errno));
        watch_fd_stop(&f->listening);
        watch_timer_arm(&f->resume, RESUME_NS);
}

static void on_resume(struct watch_timer *w)
{
        struct front *f = container_of(w, struct front, resume);

        struct conn *conn;

        watch_fd_set(&f->listening, f->fd, LOOP_READ);
        DL_FOREACH(f->conns, conn)
                conn_resume(conn);
}

static void make_again(struct front *f)
{
        struct conn *conn;
        struct call *call, *next;

        DL_FOREACH(f->conns, conn)
                DL_FOREACH_SAFE(conn->calls, call, next)
                        if (call->again)
                                call_repeat(call);
}

static void on_again(struct watch_timer *w)
{
        make_again(container_of(w, struct front, again));
}

void front_again(struct front *f)
{
        if (!watch_timer_active(&f->again))
                watch_timer_arm(&f->again, AGAIN_NS);
}

/* --- what is kept --- */

static void on_drained(struct sdnotify *n)
{
        struct front *f = container_of(n, struct front, keep.notify);
        struct conn *conn;

        DL_FOREACH(f->conns, conn)
                conn_settled(conn);
}

static void on_tidy(struct deferred *d)
{
        struct front *f = container_of(d, struct front, tidy);
        int r = keep_journal_is_old(&f->keep) ? front_write_journal(f) : 0;

        if (r < 0)
                log_warn("the journal could not be written anew: %s", strerrordesc_np(-r));
}

void front_noted(struct front *f)
{
        if (keep_journal_is_old(&f->keep))
                loop_defer(&f->tidy);
}

void front_full(struct front *f)
{
        if (!watch_timer_active(&f->resume))
                watch_timer_arm(&f->resume, RESUME_NS);
}

static bool is_used(const struct front *f, const struct conn *self, uint32_t number)
{
        const struct conn *conn;

        DL_FOREACH(f->conns, conn)
                if (conn != self && conn->index == number)
                        return true;
        return false;
}

int front_number(struct front *f, struct conn *conn)
{
        for (uint32_t i = 0; i < KEEP_CONNS_MAX; i++) {
                uint32_t number = f->next++ % KEEP_CONNS_MAX;

                if (is_used(f, conn, number))
                        continue;
                conn->index = number;
                return 0;
        }
        return -ENOSPC;
}

void front_keep_again(struct front *f)
{
        struct conn *conn;

        if (!keep_active(&f->keep) || !keep_is_new(&f->keep))
                return;
        log_info("there is another keeper: it gets everything");
        keep_listener(&f->keep, f->fd);
        keep_store(&f->keep, KEEP_JOURNAL, 0, f->keep.journal->fd);
        DL_FOREACH(f->conns, conn) {
                keep_store(&f->keep, KEEP_CONN, conn->index, conn->fd);
                if (conn->answer_fd >= 0)
                        keep_store(&f->keep, KEEP_ANSWER, conn->index, conn->answer_fd);
        }
}

static int take_over(struct front *f, const struct front_setup *setup, struct error *err)
{
        _cleanup_(fd_closep) int sock = setup->hand_over_fd;
        _cleanup_(keep_fds_deinit) struct keep_fds fds = { 0 };
        int r;

        if (!setup->keeper)
                return 0;
        r = sock >= 0 ? keep_receive(&f->keep, sock, &fds) : 0;
        if (r == 0)
                r = front_restore(f, &fds);
        if (r < 0)
                return error_set_errno(err, REASON_INTERNAL, r, "take over from the front before");
        watch_timer_arm(&f->idle, BEGIN_NS);
        make_again(f);
        return 0;
}

/* Nobody is connected: there is nothing that we know and nobody else does. sandboxd watches the socket from then on. */
static void on_idle(struct watch_timer *w)
{
        struct front *f = container_of(w, struct front, idle);

        if (f->conns)
                return;
        f->over = true;
        loop_stop(f->loop);
}

void front_conn_gone(struct front *f)
{
        if (!f->conns && keep_active(&f->keep))
                watch_timer_arm(&f->idle, IDLE_NS);
}

/* --- life --- */

static void start_watches(struct front *f)
{
        waits_init(&f->waits, f->loop, &f->rpc, f->owner);
        watch_timer_init(&f->resume, f->loop, on_resume);
        watch_timer_init(&f->again, f->loop, on_again);
        watch_timer_init(&f->idle, f->loop, on_idle);
        deferred_init(&f->tidy, f->loop, on_tidy);
        watch_fd_init(&f->listening, f->loop, on_listening);
        watch_fd_set(&f->listening, f->fd, LOOP_READ);
}

int front_init(struct front *f, struct loop *loop, const struct front_setup *setup, struct error *err)
{
        int r;

        *f = (struct front)FRONT_NULL;
        f->fd = setup->fd;
        f->loop = loop;
        f->owner = setup->owner;
        f->ns = setup->ns;
        keep_init(&f->keep, loop, setup->keeper, setup->prefix, on_drained);
        r = rpc_init(&f->rpc, loop, setup->socket);
        if (r < 0) {
                fd_close(setup->hand_over_fd);
                front_deinit(f);
                return error_set_errno(err, REASON_INVALID_ARGUMENT, r, "sandboxd's socket %s", setup->socket);
        }
        start_watches(f);
        if (take_over(f, setup, err) == 0)
                return 0;
        front_deinit(f);
        return -1;
}

void front_deinit(struct front *f)
{
        struct conn *conn, *next;

        DL_FOREACH_SAFE(f->conns, conn, next)
                conn_free(conn);
        if (f->waits.rpc) {
                watch_timer_stop(&f->resume);
                watch_timer_stop(&f->again);
                watch_timer_stop(&f->idle);
                deferred_cancel(&f->tidy);
                watch_fd_drop(&f->listening);
        }
        waits_deinit(&f->waits);
        rpc_deinit(&f->rpc);
        keep_deinit(&f->keep);
        f->fd = fd_close(f->fd);
}

/* --- serve --- */

struct serving {
        struct watch_signals signals;
        struct front front;
};

static void on_signal(struct watch_signals *w, int signal)
{
        struct serving *s = container_of(w, struct serving, signals);

        if (signal == SIGHUP)
                front_keep_again(&s->front);
        else
                loop_stop(w->watch.loop);
}

/* A connection for each container. */
static void raise_limit(void)
{
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
                return;
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
}

/* Where containerd wants its shims to be. That a cgroup is there was seen by the stub; a front that goes on for another
 * one is better at the wrong place than not at all. */
static void place(const struct shim_args *args)
{
        int r = args->cgroup[0] ? place_in_cgroup(getpid(), args->cgroup) : 0;

        if (r < 0)
                log_warn("cannot move to the cgroup %s: %s", args->cgroup, strerrordesc_np(-r));
        place_oom_score(getpid(), args->oom_score);
        r = args->sched_core ? place_sched_core() : 0;
        if (r < 0)
                log_info("no core scheduling: %s", strerrordesc_np(-r));
}

/* After what needs root. */
static int confine(void)
{
        int r = confine_capabilities();

        if (r == 0)
                r = confine_calls();
        if (r < 0)
                log_error("cannot give up what the front does not need: %s", strerrordesc_np(-r));
        return r;
}

static int open_socket(const struct shim_args *args)
{
        int fd, listens = 0;
        socklen_t len = sizeof(listens);

        if (args->listen[0]) {
                fd = fd_listen_unix(args->listen, 0600, SOMAXCONN);
                if (fd < 0)
                        log_error("cannot listen at %s: %s", args->listen, strerrordesc_np(-fd));
                return fd;
        }
        if (getsockopt(FRONT_LISTEN_FD, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) < 0 || !listens) {
                log_error("descriptor %d is not a listening socket: sandboxd starts this program, or use -listen PATH",
                          FRONT_LISTEN_FD);
                return -1;
        }
        fd_set_cloexec(FRONT_LISTEN_FD, true);
        fd_set_nonblock(FRONT_LISTEN_FD, true);
        return FRONT_LISTEN_FD;
}

/* The environment and the descriptors of a front that sandboxd has started. */
static void get_setup(struct front_setup *setup, const struct shim_args *args, int fd)
{
        *setup = (struct front_setup)FRONT_SETUP_NULL;
        setup->owner = args->owner;
        setup->fd = fd;
        setup->socket = args->socket;
        if (args->ns[0])
                setup->ns = args->ns;
        if (!args->keep[0])
                return;
        setup->keeper = getenv("NOTIFY_SOCKET");
        setup->prefix = args->keep;
        if (fd_set_cloexec(FRONT_HAND_OVER_FD, true) == 0)
                setup->hand_over_fd = FRONT_HAND_OVER_FD;
}

/* Status 0 says that there is nothing to go on with; after a signal the next front goes on where this one was. */
static int run(struct serving *s, const struct shim_args *args)
{
        sigset_t set;

        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGINT);
        sigaddset(&set, SIGHUP);
        if (watch_signals_start(&s->signals, s->front.loop, &set, on_signal) < 0)
                return EXIT_FAILURE;
        log_info("front of %s, namespace %s, serves", args->owner, s->front.ns);
        loop_run(s->front.loop);
        log_info("front of %s, namespace %s, ends", args->owner, s->front.ns);
        watch_signals_stop(&s->signals);
        if (!keep_active(&s->front.keep))
                return EXIT_SUCCESS;
        return s->front.over && !s->front.conns ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int serve(struct loop *loop, const struct shim_args *args)
{
        struct serving s = { .signals = WATCH_SIGNALS_NULL, .front = FRONT_NULL };
        struct error err = ERROR_NULL;
        struct front_setup setup;
        int fd = open_socket(args), r;

        if (fd < 0)
                return EXIT_FAILURE;
        get_setup(&setup, args, fd);
        if (front_init(&s.front, loop, &setup, &err) < 0) {
                log_error("%s", err.message);
                return EXIT_FAILURE;
        }
        r = run(&s, args);
        front_deinit(&s.front);
        return r;
}

int front_main(const struct shim_args *args)
{
        _cleanup_(loop_freep) struct loop *loop = NULL;
        struct error err = ERROR_NULL;

        log_set_level(args->debug ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
        if (id_check(args->owner, "owner", &err) < 0 || (args->ns[0] && id_check(args->ns, "namespace", &err) < 0)) {
                fprintf(stderr, "%s: %s: use serve -owner OWNER [-namespace NS] [-socket PATH] [-listen PATH]\n",
                        FRONT_PROGRAM, err.message);
                return SHIM_EXIT_USAGE;
        }
        raise_limit();
        place(args);
        if (confine() < 0)
                return EXIT_FAILURE;
        if (loop_new(&loop) < 0) {
                log_error("cannot make an event loop");
                return EXIT_FAILURE;
        }
        return serve(loop, args);
}
