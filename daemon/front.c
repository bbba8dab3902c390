/* SPDX-License-Identifier: Apache-2.0 */

/* The socket is bound anew at each start: connections that waited for a front that died are refused, and not left to
 * hang. */

#include "daemon/front.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/fd.h"
#include "proto/front.h"
#include "proto/proto.h"

#define BACKLOG        1024
#define BACKOFF_MIN_NS (10 * NSEC_PER_MSEC)
#define BACKOFF_MAX_NS (5 * NSEC_PER_SEC)
#define LONG_LIFE_NS   (10 * NSEC_PER_SEC)

void front_init(struct front *f, struct loop *loop, struct reaper *reaper, const struct front_ops *ops, void *data)
{
        *f = (struct front){ .loop = loop, .reaper = reaper, .ops = ops, .data = data, .listen_fd = -1 };
        spawn_init(&f->spawn, loop);
        watch_pid_init(&f->adopted);
}

void front_deinit(struct front *f)
{
        if (!f->loop)
                return;
        if (spawn_active(&f->spawn))
                spawn_abandon(&f->spawn);
        watch_pid_stop(&f->adopted);
        f->listen_fd = fd_close(f->listen_fd);
        f->loop = NULL;
}

bool front_runs(const struct front *f)
{
        return f->pid != 0;
}

static void ended(struct front *f, const struct exit_info *info)
{
        f->pid = 0;
        f->ready = false;
        f->listen_fd = fd_close(f->listen_fd);
        f->ops->on_ended(f, info);
}

static void adopted_ended(struct watch_pid *w, const struct exit_info *info)
{
        ended(container_of(w, struct front, adopted), info);
}

bool front_adopt(struct front *f, pid_t pid, uint64_t start_time)
{
        struct pidref ref = PIDREF_NULL;

        if (pid <= 1 || pidref_open_checked(&ref, pid, start_time) < 0)
                return false;
        if (watch_pid_start(&f->adopted, f->reaper, &ref, adopted_ended) < 0)
                return false;
        f->pid = pid;
        f->start_time = start_time;
        f->started_ns = clock_monotonic_ns();
        f->ready = true;
        return true;
}

static void on_ready(struct spawn *s, struct spawn_ready *ready)
{
        struct front *f = container_of(s, struct front, spawn);
        struct error err = ERROR_NULL;

        f->listen_fd = fd_close(f->listen_fd);
        f->ready = ready->ok;
        if (!ready->ok)
                error_set_errno(&err, REASON_INTERNAL, ready->errnum, "cannot run the front: %s", ready->step);
        f->ops->on_ready(f, ready->ok ? NULL : &err);
}

static void on_exit_of(struct spawn *s, const struct exit_info *info)
{
        ended(container_of(s, struct front, spawn), info);
}

int front_start(struct front *f, const struct front_options *o, struct error *err)
{
        const char *const argv[] = { FRONT_PROGRAM, "serve",   "-owner",  o->owner, "-namespace",
                                     f->ns,         "-socket", o->socket, NULL };
        struct spawn_inherit inherit = { .target = FRONT_LISTEN_FD };
        struct spawn_params params = SPAWN_PARAMS_NULL;
        int r;

        f->listen_fd = fd_close(f->listen_fd);
        f->listen_fd = fd_listen_unix(f->address, 0600, BACKLOG);
        if (f->listen_fd < 0)
                return error_set_errno(err, reason_of_errno(f->listen_fd), f->listen_fd, "cannot listen at %s",
                                       f->address);
        inherit.fd = f->listen_fd;
        params.path = o->program;
        params.argv = (char *const *)argv;
        params.inherit = &inherit;
        params.n_inherit = 1;
        params.new_session = true;
        params.stdio[2] = (struct spawn_stdio){ .kind = SPAWN_STDIO_FD, .fd = STDERR_FILENO };
        r = spawn_start(&f->spawn, f->reaper, &params, on_ready, on_exit_of);
        if (r < 0) {
                f->listen_fd = fd_close(f->listen_fd);
                return error_set_errno(err, reason_of_errno(r), r, "cannot start the front");
        }
        f->pid = f->spawn.pid.pidref.pid;
        f->start_time = f->spawn.pid.pidref.start_time;
        f->started_ns = clock_monotonic_ns();
        return 0;
}

void front_release(struct front *f)
{
        spawn_release(&f->spawn);
}

void front_stop(struct front *f)
{
        if (spawn_active(&f->spawn))
                spawn_kill(&f->spawn, SIGTERM);
        else if (f->pid)
                pidref_kill(&f->adopted.pidref, SIGTERM);
}

uint64_t front_pause_ns(struct front *f)
{
        uint64_t pause = f->backoff_ns;

        if (clock_monotonic_ns() - f->started_ns > LONG_LIFE_NS)
                pause = f->backoff_ns = 0;
        f->backoff_ns = f->backoff_ns ? f->backoff_ns * 2 : BACKOFF_MIN_NS;
        if (f->backoff_ns > BACKOFF_MAX_NS)
                f->backoff_ns = BACKOFF_MAX_NS;
        return pause;
}
