/* SPDX-License-Identifier: Apache-2.0 */

/*
 * OOM kills of a container, none missed and none invented.
 *
 * The truth is the kernel's counter oom_kill: it is raised before the victim gets its SIGKILL, so that whoever sees the
 * victim's end sees the counter risen (oom_watch_check() before an exit is published). Everything else only says when
 * to look. On v1 the eventfd fires before the kill (11 ms were seen, while the kernel prints its report), in every
 * cgroup below the one whose limit was reached, whoever is killed then, and when the cgroup is removed; hence a look
 * that finds nothing is repeated a few times, and then given up. v1 counts in the victim's own cgroup only: those below
 * are added up. v2 counts in memory.events, for the whole tree, and tells by inotify.
 *
 * A cgroup that is removed together with its unread counter leaves one thing behind: how often the eventfd fired. Its
 * removal is one; a second one was an OOM, and if no limit above has been hit it was this cgroup's own.
 *
 * With memory.oom_control's oom_kill_disable nobody is killed; then the processes hang, and under_oom is reported once.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>
#include <uthash.h>
#include <utlist.h>

#include "base/clock.h"
#include "base/fd.h"
#include "daemon/cgparse.h"
#include "daemon/cgroup_internal.h"
#include "daemon/oom.h"
#include "daemon/oom_level.h"

#define LOOKS_MAX 11 /* after 1, 2, 4 ... 1024 ms: two seconds in all */

/* One inotify watch; containers that share a cgroup share it. */
struct oom_mark {
        int wd;
        struct oom_watch *watches;
        UT_hash_handle hh;
};

struct oom_hub {
        struct loop *loop;
        int fd; /* inotify, or -1 on v1 */
        struct watch_fd watch;
        struct oom_mark *marks;
};

struct oom_watch {
        struct oom_watch *prev, *next; /* in mark->watches */
        struct oom_hub *hub;
        struct oom_mark *mark; /* v2 */
        const struct cgroup *cg;
        const char *dir; /* of cg, NULL: it has no memory cgroup of its own */
        bool v2;
        int fd; /* v1: eventfd */
        struct watch_fd watch;
        struct watch_timer again;
        unsigned looks;
        uint64_t fired; /* signals of the eventfd that no counter has explained */
        uint64_t seen;
        bool hung; /* under_oom with oom_kill_disable was reported */
        struct oom_levels levels;
        oom_fn fn;
        void *data;
};

/* --- counters --- */

struct count {
        const char *file;
        uint64_t sum;
        bool found; /* the first directory was there: the container's own */
        bool hung;  /* v1: there nobody is killed, and processes wait for memory */
};

static int visit_count(int dirfd, void *data)
{
        struct count *c = data;
        char buf[1024];
        uint64_t v, disabled, under;

        if (fd_read_small(dirfd, c->file, buf, sizeof(buf)) <= 0 || !cg_find(buf, "oom_kill", &v))
                return c->found ? 0 : -ENOENT;
        if (!c->found)
                c->hung = cg_find(buf, "oom_kill_disable", &disabled) && disabled &&
                          cg_find(buf, "under_oom", &under) && under;
        c->found = true;
        c->sum += v;
        return 0;
}

/* c->found is false if the cgroup is gone. */
static void read_counters(const struct oom_watch *w, struct count *c)
{
        _cleanup_(fd_closep) int dirfd = -1;

        *c = (struct count){.file = w->v2 ? "memory.events" : "memory.oom_control"};
        if (!w->v2) {
                (void)cgroup_walk(w->dir, visit_count, c);
                return;
        }
        dirfd = open(w->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (dirfd >= 0)
                (void)visit_count(dirfd, c);
}

/* --- looking --- */

enum look { LOOK_NOTHING, LOOK_GONE, LOOK_NEWS };

/* Calls fn, after which the watch may be gone. */
static void report(struct oom_watch *w)
{
        struct oom_info info = {.cgroup = "", .victim_name = "", .oom_kill = w->seen};
        char name[OOM_NAME_MAX];

        oom_levels_find(&w->levels, &info, name);
        oom_levels_read(&w->levels);
        w->fn(w, &info);
}

static enum look look(struct oom_watch *w)
{
        bool was_hung = w->hung;
        uint64_t before = w->seen;
        struct count c;

        read_counters(w, &c);
        if (!c.found)
                return LOOK_GONE;
        /* Less than before: a v1 cgroup below was removed, and took its counter along. */
        w->seen = c.sum;
        w->hung = c.hung;
        return c.sum > before || (c.hung && !was_hung) ? LOOK_NEWS : LOOK_NOTHING;
}

/* The counter went with the cgroup: all that is left to know is how often the eventfd fired. */
static void gone(struct oom_watch *w)
{
        watch_timer_stop(&w->again);
        if (w->fired < 2)
                return; /* the signal of the removal itself may come later, from a kernel worker */
        watch_fd_stop(&w->watch);
        w->fired = 0;
        if (oom_levels_above_hit(&w->levels))
                return;
        w->seen++;
        report(w);
}

/* The eventfd fired `fired` times (0: a repeated look). */
static void look_and_report(struct oom_watch *w, uint64_t fired)
{
        enum look l;

        /* What is at its limit now need not be so after the kill. */
        if (fired)
                oom_levels_press(&w->levels);
        w->fired += fired;
        l = look(w);
        if (l == LOOK_GONE) {
                gone(w);
                return;
        }
        if (fired)
                w->looks = 0;
        /* Also after news: another one may be on its way. */
        if (w->looks < LOOKS_MAX)
                watch_timer_arm(&w->again, NSEC_PER_MSEC << w->looks++);
        else
                w->fired = 0;
        if (l == LOOK_NEWS) {
                w->fired = 0;
                report(w);
        }
}

static uint64_t drain(struct oom_watch *w)
{
        uint64_t fired;

        return w->fd >= 0 && read(w->fd, &fired, sizeof(fired)) == (ssize_t)sizeof(fired) ? fired : 0;
}

static void on_eventfd(struct watch_fd *watch, unsigned events)
{
        struct oom_watch *w = container_of(watch, struct oom_watch, watch);
        uint64_t fired = drain(w);

        if (fired)
                look_and_report(w, fired);
}

static void on_again(struct watch_timer *timer)
{
        look_and_report(container_of(timer, struct oom_watch, again), 0);
}

void oom_watch_check(struct oom_watch *w)
{
        uint64_t fired;

        if (!w->dir)
                return;
        fired = drain(w);
        if (fired) {
                look_and_report(w, fired);
        } else if (look(w) == LOOK_NEWS) {
                w->fired = 0;
                report(w);
        }
}

/* --- v2: one inotify descriptor --- */

static void mark_look(struct oom_mark *mark)
{
        struct oom_watch *w, *tmp;

        DL_FOREACH_SAFE(mark->watches, w, tmp)
        oom_watch_check(w);
}

static struct oom_mark *mark_find(struct oom_hub *hub, int wd)
{
        struct oom_mark *mark;

        HASH_FIND_INT(hub->marks, &wd, mark);
        return mark;
}

static void mark_all(struct oom_hub *hub)
{
        struct oom_mark *mark, *tmp;

        HASH_ITER(hh, hub->marks, mark, tmp)
        mark_look(mark);
}

static void on_inotify(struct watch_fd *watch, unsigned events)
{
        struct oom_hub *hub = container_of(watch, struct oom_hub, watch);
        union {
                struct inotify_event event;
                char bytes[4096];
        } buf;
        ssize_t n = read(hub->fd, &buf, sizeof(buf));

        for (ssize_t at = 0; at < n;) {
                struct inotify_event e;
                struct oom_mark *mark;

                memcpy(&e, buf.bytes + at, sizeof(e));
                at += (ssize_t)(sizeof(e) + e.len);
                mark = e.wd >= 0 ? mark_find(hub, e.wd) : NULL;
                if (e.mask & IN_Q_OVERFLOW)
                        mark_all(hub);
                else if (mark && !(e.mask & IN_IGNORED))
                        mark_look(mark);
        }
}

int oom_hub_new(struct oom_hub **ret, struct loop *loop, struct cgroup_host *h, struct error *err)
{
        _cleanup_(oom_hub_freep) struct oom_hub *hub = calloc(1, sizeof(*hub));
        int memory = h->of[CG_MEMORY];

        if (!hub)
                return error_set(err, REASON_NO_RESOURCES, "no memory for the OOM watch");
        hub->fd = -1;
        hub->loop = loop;
        watch_fd_init(&hub->watch, loop, on_inotify);
        if (memory >= 0 && h->hier[memory].v2) {
                hub->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
                if (hub->fd < 0)
                        return error_set_errno(
                                err, reason_of_errno(errno), errno,
                                "cannot watch for OOM kills (see /proc/sys/fs/inotify/max_user_instances)");
                watch_fd_set(&hub->watch, hub->fd, LOOP_READ);
        }
        *ret = TAKE(hub);
        return 0;
}

struct oom_hub *oom_hub_free(struct oom_hub *hub)
{
        if (!hub)
                return NULL;
        watch_fd_stop(&hub->watch);
        hub->fd = fd_close(hub->fd);
        free(hub);
        return NULL;
}

/* --- a watch --- */

static int mark_add(struct oom_watch *w, struct error *err)
{
        struct oom_hub *hub = w->hub;
        struct oom_mark *mark;
        char path[LIMIT_PATH + 32];
        int wd;

        (void)snprintf(path, sizeof(path), "%s/memory.events", w->dir);
        wd = inotify_add_watch(hub->fd, path, IN_MODIFY);
        if (wd < 0)
                return error_set_errno(err, errno == ENOENT ? REASON_CGROUP_NOT_FOUND : REASON_NO_RESOURCES, errno,
                                       "cannot watch %s", path);
        mark = mark_find(hub, wd);
        if (!mark) {
                mark = calloc(1, sizeof(*mark));
                if (!mark) {
                        (void)inotify_rm_watch(hub->fd, wd);
                        return error_set(err, REASON_NO_RESOURCES, "no memory for the OOM watch");
                }
                mark->wd = wd;
                HASH_ADD_INT(hub->marks, wd, mark);
        }
        DL_APPEND(mark->watches, w);
        w->mark = mark;
        return 0;
}

static int eventfd_add(struct oom_watch *w, struct error *err)
{
        _cleanup_(fd_closep) int dirfd = open(w->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
        _cleanup_(fd_closep) int oom = -1, control = -1;
        char text[32];
        int r;

        if (dirfd >= 0)
                oom = openat(dirfd, "memory.oom_control", O_RDONLY | O_CLOEXEC);
        if (oom >= 0)
                control = openat(dirfd, "cgroup.event_control", O_WRONLY | O_CLOEXEC);
        if (control < 0)
                return error_set_errno(err, errno == ENOENT ? REASON_CGROUP_NOT_FOUND : reason_of_errno(errno), errno,
                                       "cannot watch cgroup %s for OOM kills", w->dir);
        w->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (w->fd < 0)
                return error_set_errno(err, reason_of_errno(errno), errno, "cannot make an eventfd");
        (void)snprintf(text, sizeof(text), "%d %d", w->fd, oom);
        r = fd_write_all(control, text, strlen(text));
        if (r < 0)
                return error_set_errno(err, reason_of_errno(r), r, "cannot register at %s/cgroup.event_control",
                                       w->dir);
        watch_fd_set(&w->watch, w->fd, LOOP_READ);
        return 0;
}

int oom_watch_new(struct oom_watch **ret, struct oom_hub *hub, const struct cgroup *cg, uint64_t seen, oom_fn fn,
                  void *data, struct error *err)
{
        _cleanup_(oom_watch_freep) struct oom_watch *w = calloc(1, sizeof(*w));
        struct count c;

        if (!w)
                return error_set(err, REASON_NO_RESOURCES, "no memory for the OOM watch");
        *w = (struct oom_watch){.hub = hub,
                                .cg = cg,
                                .fd = -1,
                                .seen = seen,
                                .fn = fn,
                                .data = data,
                                .dir = cgroup_dir(cg, CG_MEMORY),
                                .v2 = cgroup_is_v2(cg, CG_MEMORY)};
        watch_fd_init(&w->watch, hub->loop, on_eventfd);
        watch_timer_init(&w->again, hub->loop, on_again);
        if (w->dir) {
                if ((w->v2 ? mark_add(w, err) : eventfd_add(w, err)) < 0)
                        return -1;
                oom_levels_init(&w->levels, cg);
                /* Killed before we looked (a restart of the daemon lies between, or a short-lived container): told in
                 * the next round, and what was hit before is unknown, so any limit that was ever hit counts. */
                read_counters(w, &c);
                if (c.sum > seen)
                        watch_timer_arm(&w->again, 0);
                else
                        oom_levels_read(&w->levels);
        }
        *ret = TAKE(w);
        return 0;
}

struct oom_watch *oom_watch_free(struct oom_watch *w)
{
        if (!w)
                return NULL;
        watch_timer_stop(&w->again);
        watch_fd_stop(&w->watch);
        w->fd = fd_close(w->fd);
        if (w->mark) {
                DL_DELETE(w->mark->watches, w);
                if (!w->mark->watches) {
                        (void)inotify_rm_watch(w->hub->fd,
                                               w->mark->wd); /* fails if the cgroup is gone: then it is done */
                        HASH_DEL(w->hub->marks, w->mark);
                        free(w->mark);
                }
        }
        free(w);
        return NULL;
}

void *oom_watch_data(const struct oom_watch *w)
{
        return w->data;
}

uint64_t oom_watch_seen(const struct oom_watch *w)
{
        return w->seen;
}

int oom_watch_fd(const struct oom_watch *w)
{
        return w->fd;
}
