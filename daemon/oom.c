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
#include "daemon/oom_log.h"

#define LOOKS_MAX    11 /* after 1, 2, 4 ... 1024 ms: two seconds in all */
#define NAME_WAIT_NS (5 * NSEC_PER_MSEC)

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
        struct oom_log log;
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
        bool unnamed; /* there is news, but not yet in the kernel's log: it is given a moment */
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

/* Where a cgroup of v2 or the host tells its pressure; the text of /proc is the host's. */
static void read_pressure(const struct oom_watch *w, struct arena *a, struct oom_info *info)
{
        const char *dir = cgroup_unified_dir(w->cg);
        char path[LIMIT_PATH + 32], text[512];
        char *kept; /* what is parsed points into it */
        ssize_t n = -1;

        if (dir) {
                (void)snprintf(path, sizeof(path), "%s/memory.pressure", dir);
                n = fd_read_small(-1, path, text, sizeof(text));
        }
        if (n <= 0) {
                (void)snprintf(path, sizeof(path), "%s/pressure/memory", w->cg->host->proc);
                n = fd_read_small(-1, path, text, sizeof(text));
        }
        kept = n > 0 ? arena_strdup(a, text) : NULL;
        if (kept)
                (void)cg_parse_psi(kept, "memory", a, &info->psi);
}

static void count_groups(const struct oom_watch *w, struct oom_info *info)
{
        char path[LIMIT_PATH + 32], text[1024];

        (void)snprintf(path, sizeof(path), "%s/memory.events", w->dir);
        if (w->v2 && fd_read_small(-1, path, text, sizeof(text)) > 0)
                (void)cg_find(text, "oom_group_kill", &info->oom_group_kill);
}

struct victims { /* taken out of the kernel's log */
        struct oom_log_entry entries[OOM_VICTIMS_MAX];
        struct oom_victim items[OOM_VICTIMS_MAX];
        size_t n;
};

static void victims_deinit(struct victims *v)
{
        for (size_t i = 0; i < v->n; i++)
                oom_log_entry_deinit(&v->entries[i]);
}

static void take_victims(struct oom_watch *w, pid_t ended, struct victims *v)
{
        const char *path = w->dir + w->levels.mount_len;

        oom_log_read(&w->hub->log);
        while (v->n < OOM_VICTIMS_MAX && oom_log_take(&w->hub->log, path, ended, &v->entries[v->n])) {
                const struct oom_log_entry *e = &v->entries[v->n];

                v->items[v->n++] = (struct oom_victim){.pid = (uint32_t)e->pid, .name = e->name, .rss = e->rss};
        }
}

static void forget_victims(struct oom_watch *w)
{
        _cleanup_(victims_deinit) struct victims v = {.n = 0};

        take_victims(w, 0, &v);
}

/* Calls fn, after which the watch may be gone. */
static void report(struct oom_watch *w, uint64_t before, struct victims *v)
{
        _cleanup_(arena_freep) struct arena *a = arena_new();
        struct oom_info info = {.cgroup = "",
                                .victim_name = "",
                                .pod = "",
                                .oom_kill = w->seen,
                                .oom_kill_before = before,
                                .victims = {.items = v->items, .n = v->n}};
        struct oom_told told = {0};
        char name[OOM_NAME_MAX];

        if (v->n) {
                info.victim_pid = v->items[0].pid;
                info.victim_name = v->items[0].name;
                told = (struct oom_told){.limit = v->entries[0].limit, .host = v->entries[0].host};
        }
        oom_levels_find(&w->levels, &told, &info, name);
        oom_levels_read(&w->levels);
        count_groups(w, &info);
        if (a)
                read_pressure(w, a, &info);
        w->unnamed = false;
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

/* The counter went with the cgroup: what is left to know is how often the eventfd fired, and what the kernel's log
 * says. */
static void gone(struct oom_watch *w, pid_t ended)
{
        _cleanup_(victims_deinit) struct victims v = {.n = 0};

        watch_timer_stop(&w->again);
        take_victims(w, ended, &v);
        if (!v.n && w->fired < 2)
                return; /* the signal of the removal itself may come later, from a kernel worker */
        watch_fd_stop(&w->watch);
        w->fired = 0;
        if (!v.n && oom_levels_above_hit(&w->levels))
                return;
        w->seen += v.n ? v.n : 1;
        report(w, w->seen - (v.n ? v.n : 1), &v);
}

/* News: told with the victim's name, for which the kernel is given a moment if there is one (a process that has ended
 * is told of at once). */
static void tell(struct oom_watch *w, uint64_t before, bool may_wait, pid_t ended)
{
        _cleanup_(victims_deinit) struct victims v = {.n = 0};

        take_victims(w, ended, &v);
        if (!v.n && may_wait && !w->unnamed && !w->hung && w->hub->log.fd >= 0) {
                w->unnamed = true;
                w->seen = before;
                watch_timer_arm(&w->again, NAME_WAIT_NS);
                return;
        }
        w->fired = 0;
        report(w, before, &v);
}

/* The eventfd fired `fired` times (0: a repeated look). */
static void look_and_report(struct oom_watch *w, uint64_t fired, bool may_wait, pid_t ended)
{
        uint64_t before = w->seen;
        enum look l;

        /* What is at its limit now need not be so after the kill. */
        if (fired)
                oom_levels_press(&w->levels);
        w->fired += fired;
        l = look(w);
        if (l == LOOK_GONE) {
                gone(w, ended);
                return;
        }
        if (fired)
                w->looks = 0;
        /* Also after news: another one may be on its way. */
        if (w->looks < LOOKS_MAX && !w->v2)
                watch_timer_arm(&w->again, NSEC_PER_MSEC << w->looks++);
        else
                w->fired = 0;
        if (l == LOOK_NEWS)
                tell(w, before, may_wait, ended);
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
                look_and_report(w, fired, true, 0);
}

static void on_again(struct watch_timer *timer)
{
        look_and_report(container_of(timer, struct oom_watch, again), 0, true, 0);
}

void oom_watch_check(struct oom_watch *w, pid_t ended)
{
        uint64_t before = w->seen, fired;

        if (!w->dir)
                return;
        fired = drain(w);
        if (fired) {
                look_and_report(w, fired, false, ended);
                return;
        }
        switch (look(w)) {
        case LOOK_NEWS:
                tell(w, before, false, ended);
                break;
        case LOOK_GONE:
                gone(w, ended);
                break;
        case LOOK_NOTHING:
                break;
        }
}

/* --- v2: one inotify descriptor --- */

static void mark_look(struct oom_mark *mark)
{
        struct oom_watch *w, *tmp;

        DL_FOREACH_SAFE(mark->watches, w, tmp)
        look_and_report(w, 0, true, 0);
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
        oom_log_init(&hub->log, h, h->fake ? "/dev/null" : "/dev/kmsg");
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
        oom_log_deinit(&hub->log);
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
                if (c.sum > seen) {
                        watch_timer_arm(&w->again, 0);
                } else {
                        oom_levels_read(&w->levels);
                        forget_victims(w); /* of an earlier cgroup of this name */
                }
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
