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
#include "client/shim/shim.h"
#include "proto/front.h"

#define RESUME_NS (100 * NSEC_PER_MSEC)
#define AGAIN_NS (50 * NSEC_PER_MSEC)

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

        watch_fd_set(&f->listening, f->fd, LOOP_READ);
}

static void on_again(struct watch_timer *w)
{
        struct front *f = container_of(w, struct front, again);
        struct conn *conn;
        struct call *call, *next;

        DL_FOREACH(f->conns, conn)
                DL_FOREACH_SAFE(conn->calls, call, next)
                        if (call->again)
                                call_repeat(call);
}

void front_again(struct front *f)
{
        if (!watch_timer_active(&f->again))
                watch_timer_arm(&f->again, AGAIN_NS);
}

int front_init(struct front *f, struct loop *loop, const char *owner, int fd, const char *socket, struct error *err)
{
        int r;

        *f = (struct front)FRONT_NULL;
        f->fd = fd;
        f->loop = loop;
        f->owner = owner;
        r = rpc_init(&f->rpc, loop, socket);
        if (r < 0) {
                front_deinit(f);
                return error_set_errno(err, REASON_INVALID_ARGUMENT, r, "sandboxd's socket %s", socket);
        }
        waits_init(&f->waits, loop, &f->rpc, owner);
        watch_timer_init(&f->resume, loop, on_resume);
        watch_timer_init(&f->again, loop, on_again);
        watch_fd_init(&f->listening, loop, on_listening);
        watch_fd_set(&f->listening, fd, LOOP_READ);
        return 0;
}

void front_deinit(struct front *f)
{
        struct conn *conn, *next;

        DL_FOREACH_SAFE(f->conns, conn, next)
                conn_free(conn);
        if (f->waits.rpc) {
                watch_timer_stop(&f->resume);
                watch_timer_stop(&f->again);
                watch_fd_stop(&f->listening);
        }
        waits_deinit(&f->waits);
        rpc_deinit(&f->rpc);
        f->fd = fd_close(f->fd);
}

/* --- serve --- */

static void on_signal(struct watch_signals *w, int signal)
{
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

static int serve(struct loop *loop, const struct shim_args *args)
{
        struct watch_signals signals = WATCH_SIGNALS_NULL;
        struct front front = FRONT_NULL;
        struct error err = ERROR_NULL;
        sigset_t set;
        int fd = open_socket(args);

        if (fd < 0)
                return EXIT_FAILURE;
        if (front_init(&front, loop, args->owner, fd, args->socket, &err) < 0) {
                log_error("%s", err.message);
                return EXIT_FAILURE;
        }
        if (args->ns[0])
                front.ns = args->ns;
        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGINT);
        if (watch_signals_start(&signals, loop, &set, on_signal) < 0) {
                front_deinit(&front);
                return EXIT_FAILURE;
        }
        log_info("front of %s, namespace %s, serves", args->owner, front.ns);
        loop_run(loop);
        log_info("front of %s, namespace %s, ends", args->owner, front.ns);
        watch_signals_stop(&signals);
        front_deinit(&front);
        return EXIT_SUCCESS;
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
        if (loop_new(&loop) < 0) {
                log_error("cannot make an event loop");
                return EXIT_FAILURE;
        }
        return serve(loop, args);
}
