/* SPDX-License-Identifier: Apache-2.0 */

/* Two names in the keeper's store: the slot's listening socket is ours; what begins with the front's prefix is put by
 * the front, and handed over to the next. */

#include "daemon/front.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "daemon/keeper_link.h"
#include "proto/keeper.h"
#include "proto/proto.h"

#define BACKLOG        1024
#define BACKOFF_MIN_NS (10 * NSEC_PER_MSEC)
#define BACKOFF_MAX_NS (500 * NSEC_PER_MSEC) /* containerd gives some calls 2 s */
#define LONG_LIFE_NS   (2 * NSEC_PER_SEC)
#define DIGITS         "0123456789abcdefghijklmnopqrstuvwxyz"

static void on_wanted(struct watch_fd *w, unsigned events)
{
        struct front *f = container_of(w, struct front, wanted);

        watch_fd_drop(&f->wanted);
        f->ops->on_wanted(f);
}

void front_init(struct front *f, struct loop *loop, struct reaper *reaper, const struct front_ops *ops, void *data)
{
        *f = (struct front){ .loop = loop, .reaper = reaper, .ops = ops, .data = data, .listen_fd = -1 };
        spawn_init(&f->spawn, loop);
        watch_pid_init(&f->adopted);
        watch_fd_init(&f->wanted, loop, on_wanted);
}

void front_deinit(struct front *f)
{
        if (!f->loop)
                return;
        if (spawn_active(&f->spawn))
                spawn_abandon(&f->spawn);
        watch_pid_stop(&f->adopted);
        watch_fd_drop(&f->wanted);
        f->listen_fd = fd_close(f->listen_fd);
        free(f->group);
        free((void *)f->place.cgroup);
        free((void *)f->place.oom_score);
        for (size_t i = 0; i < f->members.n; i++)
                free((void *)f->members.items[i]);
        free(f->members.items);
        f->loop = NULL;
}

/* --- for whom it is, and where --- */

/* An empty value is for the first time only. */
static int set_text(const char **text, const char *value)
{
        char *copy;

        if (*text && (!value[0] || strcmp(*text, value) == 0))
                return 0;
        copy = strdup(value);
        if (!copy)
                return -ENOMEM;
        free((void *)*text);
        *text = copy;
        return 1;
}

int front_set_group(struct front *f, const char *group)
{
        return set_text((const char **)&f->group, group);
}

int front_set_place(struct front *f, const struct front_place *place)
{
        int cgroup = set_text(&f->place.cgroup, place->cgroup);
        int score = set_text(&f->place.oom_score, place->oom_score);
        bool core = place->sched_core && !f->place.sched_core;

        f->place.sched_core |= place->sched_core;
        return cgroup < 0 || score < 0 ? -ENOMEM : cgroup || score || core;
}

static size_t find_member(const struct front *f, const char *id)
{
        size_t i = 0;

        while (i < f->members.n && strcmp(f->members.items[i], id) != 0)
                i++;
        return i;
}

int front_add_member(struct front *f, const char *id)
{
        const char **items, *copy = NULL;

        if (find_member(f, id) < f->members.n)
                return 0;
        items = realloc(f->members.items, (f->members.n + 1) * sizeof(*items));
        if (!items)
                return -ENOMEM;
        f->members.items = items;
        if (set_text(&copy, id) < 0)
                return -ENOMEM;
        items[f->members.n++] = copy;
        return 1;
}

bool front_remove_member(struct front *f, const char *id)
{
        size_t i = find_member(f, id);

        if (i == f->members.n)
                return false;
        free((void *)f->members.items[i]);
        f->members.items[i] = f->members.items[--f->members.n];
        return true;
}

/* --- its process --- */

bool front_runs(const struct front *f)
{
        return f->pid != 0;
}

static void ended(struct front *f, const struct exit_info *info)
{
        f->pid = 0;
        f->ready = false;
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

        /* killed before it had begun: the socket is there, and the next one, after its end, serves it */
        f->ready = ready->ok || ready->errnum == ECANCELED;
        if (!f->ready)
                error_set_errno(&err, REASON_INTERNAL, ready->errnum, "cannot run the front: %s", ready->step);
        f->ops->on_ready(f, f->ready ? NULL : &err);
}

static void on_exit_of(struct spawn *s, const struct exit_info *info)
{
        ended(container_of(s, struct front, spawn), info);
}

/* --- names in the store --- */

#define NAME_LEN (1 + FRONT_SLOT_LEN)

static void name_of(const struct front *f, char letter, char name[NAME_LEN + 1])
{
        uint32_t slot = f->slot;

        name[0] = letter;
        for (size_t i = FRONT_SLOT_LEN; i > 0; i--, slot /= 36)
                name[i] = DIGITS[slot % 36];
        name[NAME_LEN] = '\0';
}

static void drop(struct front *f)
{
        char prefix[NAME_LEN + 1];

        name_of(f, KEEPER_FRONT, prefix);
        keeper_link_drop(f->keeper, prefix);
}

/* --- the socket --- */

static bool listens_there(int fd, const char *address)
{
        struct sockaddr_un name = { .sun_family = AF_UNSPEC };
        socklen_t len = sizeof(name) - 1; /* so that the path ends in NUL */

        return getsockname(fd, (struct sockaddr *)&name, &len) == 0 && strcmp(name.sun_path, address) == 0;
}

/* -1: it did not come back. */
static int take_back(struct front *f)
{
        char name[NAME_LEN + 1];
        struct keeper_link_fd *fds;
        size_t n;

        name_of(f, FRONT_LISTENER, name);
        fds = keeper_link_fds(f->keeper, &n);
        for (size_t i = 0; i < n; i++) {
                if (strcmp(fds[i].name, name) != 0 || fds[i].fd < 0)
                        continue;
                if (listens_there(fds[i].fd, f->address) && access(f->address, F_OK) == 0)
                        return TAKE_FD(fds[i].fd);
                log_warn("front %s: the stored descriptor %s does not listen there: dropped", f->address, name);
                fds[i].fd = fd_close(fds[i].fd);
                keeper_link_unstore(f->keeper, name);
        }
        return -1;
}

static void store_listener(struct front *f)
{
        char name[NAME_LEN + 1];
        int r;

        name_of(f, FRONT_LISTENER, name);
        keeper_link_unstore(f->keeper, name);
        r = keeper_link_store(f->keeper, name, f->listen_fd);
        if (r < 0)
                log_warn("front %s: its socket will not outlive this daemon: %s", f->address, strerrordesc_np(-r));
}

static int bind_anew(struct front *f, struct error *err)
{
        f->listen_fd = fd_listen_unix(f->address, 0600, BACKLOG);
        if (f->listen_fd < 0)
                return error_set_errno(err, reason_of_errno(f->listen_fd), f->listen_fd, "cannot listen at %s",
                                       f->address);
        store_listener(f);
        return 0;
}

int front_bind(struct front *f, struct keeper_link *keeper, struct error *err)
{
        f->keeper = keeper;
        if (f->listen_fd < 0)
                f->listen_fd = take_back(f);
        /* A front that runs without our having its socket listens there itself. */
        if (f->listen_fd < 0 && !f->pid && bind_anew(f, err) < 0)
                return -1;
        if (!f->pid)
                watch_fd_set(&f->wanted, f->listen_fd, LOOP_READ);
        return 0;
}

/* --- running --- */

/* 0 or -errno. *ret: the front's end of a socket that has what the one before it kept; -1: there is no keeper. */
static int hand_over(struct front *f, const char *prefix, int *ret)
{
        int pair[2], r;

        *ret = -1;
        if (!keeper_link_notify_path(f->keeper))
                return 0;
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        r = keeper_link_hand_over(f->keeper, prefix, pair[0]);
        fd_close(pair[0]);
        if (r < 0)
                fd_close(pair[1]);
        else
                *ret = pair[1];
        return r;
}

#define ARGS_MAX 16

static void arg(char *argv[ARGS_MAX + 1], size_t *n, const char *flag, const char *value)
{
        if (!value[0])
                return;
        argv[(*n)++] = (char *)flag;
        argv[(*n)++] = (char *)value;
}

static int spawn_front(struct front *f, const struct front_options *o, const char *prefix, int kept)
{
        const struct spawn_inherit inherit[] = { { .fd = f->listen_fd, .target = FRONT_LISTEN_FD },
                                                 { .fd = kept, .target = FRONT_HAND_OVER_FD } };
        char *argv[ARGS_MAX + 1] = { (char *)FRONT_PROGRAM, (char *)"serve" };
        const char *path = keeper_link_notify_path(f->keeper);
        struct spawn_params params = SPAWN_PARAMS_NULL;
        char variable[sizeof("NOTIFY_SOCKET=") + 128];
        char *envp[] = { variable, NULL };
        size_t n = 2;

        snprintf(variable, sizeof(variable), "NOTIFY_SOCKET=%s", path ? path : "");
        arg(argv, &n, "-owner", f->owner);
        arg(argv, &n, "-namespace", f->ns);
        arg(argv, &n, "-socket", o->socket);
        arg(argv, &n, "-keep", kept < 0 ? "" : prefix);
        arg(argv, &n, "-cgroup", f->place.cgroup);
        arg(argv, &n, "-oom-score", f->place.oom_score);
        arg(argv, &n, "-sched-core", f->place.sched_core ? "true" : "");
        params.path = o->program;
        params.argv = argv;
        params.envp = kept < 0 ? NULL : envp;
        params.inherit = inherit;
        params.n_inherit = kept < 0 ? 1 : 2;
        params.new_session = true;
        params.stdio[2] = (struct spawn_stdio){ .kind = SPAWN_STDIO_FD, .fd = STDERR_FILENO };
        return spawn_start(&f->spawn, f->reaper, &params, on_ready, on_exit_of);
}

int front_start(struct front *f, const struct front_options *o, struct error *err)
{
        _cleanup_(fd_closep) int kept = -1;
        char prefix[NAME_LEN + 1];
        int r;

        if (f->listen_fd < 0 && bind_anew(f, err) < 0)
                return -1;
        name_of(f, KEEPER_FRONT, prefix);
        r = hand_over(f, prefix, &kept);
        if (r < 0)
                return error_set_errno(err, reason_of_errno(r), r, "cannot have handed over what the front kept");
        r = spawn_front(f, o, prefix, kept);
        if (r < 0)
                return error_set_errno(err, reason_of_errno(r), r, "cannot start the front");
        watch_fd_drop(&f->wanted);
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
        if (f->listen_fd >= 0) {
                char name[NAME_LEN + 1];

                name_of(f, FRONT_LISTENER, name);
                keeper_link_unstore(f->keeper, name);
        }
        drop(f);
}

void front_greet(struct front *f)
{
        if (spawn_active(&f->spawn))
                spawn_kill(&f->spawn, SIGHUP);
        else if (f->adopted.active)
                pidref_kill(&f->adopted.pidref, SIGHUP);
}

void front_rest(struct front *f)
{
        struct error err = ERROR_NULL;

        drop(f);
        f->backoff_ns = 0;
        if (f->listen_fd < 0 && bind_anew(f, &err) < 0)
                log_error("front %s: %s", f->address, err.message);
        else
                watch_fd_set(&f->wanted, f->listen_fd, LOOP_READ);
}

void front_keep_again(struct front *f)
{
        if (f->listen_fd >= 0)
                store_listener(f);
        front_greet(f);
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
