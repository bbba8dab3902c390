/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A trigger is a descriptor of a pressure file with the threshold written to it; one descriptor holds one, so that each
 * level of each object has its own. No timer runs while there is no pressure.
 */

#include "daemon/pressure.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "daemon/cgparse.h"
#include "daemon/cgroup_internal.h"

struct trigger {
        struct object *object;
        enum pressure_level level;
        int fd;
        struct watch_priority watch;
};

struct object {
        struct pressure *pressure;
        const char *cgroup; /* "": the host */
        char *path;         /* of its pressure file */
        bool there;
        struct trigger triggers[PRESSURE_LEVEL_N]; /* NONE has none */
        struct pressure_state state;
        struct watch_timer calm;
};

struct pressure {
        struct loop *loop;
        struct pressure_options options;
        pressure_fn fn;
        void *data;
        size_t n;
        struct object objects[];
};

/* --- what has changed --- */

static void tell(struct object *o, enum pressure_level from, uint64_t since, bool gone)
{
        _cleanup_(arena_freep) struct arena *a = arena_new();
        struct pressure_change change = { .cgroup = o->cgroup, .from = from, .to = o->state.level, .gone = gone };
        char text[512];

        if (from != PRESSURE_NONE)
                change.lasted_ns = clock_monotonic_ns() - since;
        if (a && !gone && fd_read_small(-1, o->path, text, sizeof(text)) > 0)
                (void)cg_parse_psi(text, "memory", a, &change.psi);
        o->pressure->fn(o->pressure->data, &change);
}

static void arm(struct object *o)
{
        uint64_t at = pressure_next_look(&o->state, o->pressure->options.calm_ns), now = clock_monotonic_ns();

        if (at)
                watch_timer_arm(&o->calm, at > now ? at - now : 0);
}

static void on_calm(struct watch_timer *timer)
{
        struct object *o = container_of(timer, struct object, calm);
        struct pressure_state before = o->state;
        bool fell = pressure_look(&o->state, clock_monotonic_ns(), o->pressure->options.calm_ns);

        arm(o);
        if (fell)
                tell(o, before.level, before.since, false);
}

/* --- watching --- */

static void object_stop(struct object *o)
{
        watch_timer_stop(&o->calm);
        for (int l = PRESSURE_SOME; l < PRESSURE_LEVEL_N; l++) {
                watch_priority_stop(&o->triggers[l].watch);
                o->triggers[l].fd = fd_close(o->triggers[l].fd);
        }
        o->there = false;
}

static void on_trigger(struct watch_priority *w, bool gone)
{
        struct trigger *t = container_of(w, struct trigger, watch);
        struct object *o = t->object;
        struct pressure_state before = o->state;

        if (gone) {
                object_stop(o);
                o->state = (struct pressure_state){ 0 };
                if (before.level != PRESSURE_NONE)
                        tell(o, before.level, before.since, true);
                return;
        }
        if (!pressure_report(&o->state, t->level, clock_monotonic_ns()))
                return; /* the timer looks when it ends, and finds that it has been reported again */
        arm(o);
        tell(o, before.level, before.since, false);
}

/* 0 or -errno. */
static int trigger_start(struct trigger *t)
{
        const struct pressure_options *x = &t->object->pressure->options;
        uint64_t threshold = t->level == PRESSURE_SOME ? x->some_us : x->full_us;
        char text[64];
        int n, r;

        if (!threshold)
                return 0;
        t->fd = open(t->object->path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
        if (t->fd < 0)
                return -errno;
        n = snprintf(text, sizeof(text), "%s %" PRIu64 " %" PRIu64, pressure_level_name(t->level), threshold,
                     x->window_us);
        r = write(t->fd, text, (size_t)n + 1) < 0 ? -errno : 0;
        return r < 0 ? r : watch_priority_start(&t->watch, t->object->pressure->loop, t->fd, on_trigger);
}

/* 0 or -errno: then nothing of it is watched. */
static int object_start(struct object *o)
{
        for (int l = PRESSURE_SOME; l < PRESSURE_LEVEL_N; l++) {
                int r = trigger_start(&o->triggers[l]);

                if (r < 0) {
                        object_stop(o);
                        return r;
                }
        }
        o->there = true;
        return 0;
}

static void object_add(struct pressure *p, const char *cgroup, char *path)
{
        struct object *o = &p->objects[p->n++];
        int r;

        *o = (struct object){ .pressure = p, .cgroup = cgroup, .path = path };
        for (int l = PRESSURE_SOME; l < PRESSURE_LEVEL_N; l++)
                o->triggers[l] = (struct trigger){
                        .object = o, .level = (enum pressure_level)l, .fd = -1, .watch = WATCH_PRIORITY_NULL
                };
        watch_timer_init(&o->calm, p->loop, on_calm);
        r = object_start(o);
        if (r < 0)
                log_info("memory pressure of %s is not watched%s: %s: %s", *cgroup ? cgroup : "the host",
                         r == -ENOENT && *cgroup ? " yet" : "", path, strerrordesc_np(-r));
}

void pressure_find_groups(struct pressure *p)
{
        for (size_t i = 0; p && i < p->n; i++) {
                struct object *o = &p->objects[i];

                if (*o->cgroup && !o->there && object_start(o) == 0)
                        log_info("memory pressure of %s is watched", o->cgroup);
        }
}

size_t pressure_n_watched(const struct pressure *p)
{
        size_t n = 0;

        for (size_t i = 0; p && i < p->n; i++)
                n += p->objects[i].there;
        return n;
}

static const char *unified_mount(const struct cgroup_host *h)
{
        for (size_t i = 0; i < h->n; i++)
                if (h->hier[i].v2)
                        return h->hier[i].mount;
        return NULL;
}

struct pressure *pressure_new(struct loop *loop, const struct cgroup_host *h, const struct pressure_options *options,
                              pressure_fn fn, void *data)
{
        const char *mount = unified_mount(h);
        _cleanup_(pressure_freep) struct pressure *p =
                calloc(1, sizeof(*p) + (options->cgroups.n + 1) * sizeof(p->objects[0]));
        char *path;

        if (!p)
                return NULL;
        p->loop = loop;
        p->options = *options;
        p->fn = fn;
        p->data = data;
        if (options->host) {
                if (asprintf(&path, "%s/pressure/memory", h->proc) < 0)
                        return NULL;
                object_add(p, "", path);
        }
        if (options->cgroups.n && !mount)
                log_warn("memory pressure of groups is not watched: this host has no cgroup v2 tree");
        for (size_t i = 0; mount && i < options->cgroups.n; i++) {
                if (asprintf(&path, "%s%s/memory.pressure", mount, options->cgroups.items[i]) < 0)
                        return NULL;
                object_add(p, options->cgroups.items[i], path);
        }
        return TAKE(p);
}

struct pressure *pressure_free(struct pressure *p)
{
        if (!p)
                return NULL;
        for (size_t i = 0; i < p->n; i++) {
                object_stop(&p->objects[i]);
                free(p->objects[i].path);
        }
        free(p);
        return NULL;
}

/* --- the policy that does nothing --- */

static void none_changed(struct daemon *d, const struct pressure_change *change)
{
}

const struct pressure_policy pressure_policy_none = { .name = "none", .changed = none_changed };
