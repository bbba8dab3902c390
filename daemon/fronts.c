/* SPDX-License-Identifier: Apache-2.0 */

/* The socket of a front is bound before an attach is answered, so its address takes connections from then on, also
 * while it is started again. */

#include "daemon/fronts.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>
#include "base/clock.h"
#include "base/log.h"
#include "daemon/container.h"
#include "daemon/daemon.h"
#include "daemon/keeper_link.h"
#include "proto/front.h"

#define GRACE_NS (30 * NSEC_PER_SEC) /* from an attach until its containerd has connected, on a busy machine */

struct fronts {
        struct daemon *daemon;
        struct owner_store *store; /* not ours */
        char *program;             /* NULL: not found */
        struct front *list;
        uint32_t last_slot;
        bool serving;
};

/* The name of its record, and of its socket. */
static const char *name_of(const struct front *f)
{
        return strrchr(f->address, '/') + 1;
}

static void save(struct front *f)
{
        struct fronts *fs = f->data;
        struct error err = ERROR_NULL;
        const struct front_record rec = {
                .version = OWNER_RECORD_VERSION,
                .owner = f->owner,
                .ns = f->ns,
                .group = f->group,
                .members = f->members,
                .pid = (uint32_t)f->pid,
                .start_time = f->start_time,
                .slot = f->slot,
                .cgroup = f->place.cgroup,
                .oom_score = f->place.oom_score,
                .sched_core = f->place.sched_core,
        };

        if (owner_store_save_front(fs->store, name_of(f), &rec, &err) < 0)
                log_warn("front %s: %s", f->address, err.message);
}

static size_t n_containers(const struct front *f)
{
        struct daemon *d = ((struct fronts *)f->data)->daemon;
        struct container *c, *tmp;
        size_t n = 0;

        for (size_t i = 0; i < f->members.n; i++)
                n += container_find(d, f->owner, f->ns, f->members.items[i]) != NULL;
        if (f->group[0])
                return n;
        HASH_ITER(hh, d->containers, c, tmp)
                n += strcmp(c->params->owner, f->owner) == 0 && strcmp(c->params->ns, f->ns) == 0;
        return n;
}

/* --- life --- */

static void answer(struct front *f, const struct error *err)
{
        struct owner_attach_result res = { .address = f->address, .pid = (uint32_t)f->pid };
        struct request *req, *tmp, *list = f->attaching;

        f->attaching = NULL;
        DL_FOREACH_SAFE2(list, req, tmp, park_next) {
                DL_DELETE2(list, req, park_prev, park_next);
                if (err)
                        request_fail(&req, err);
                else
                        request_reply(&req, &res);
        }
}

static void restart_later(struct front *f)
{
        watch_timer_arm(&f->restart, front_pause_ns(f));
}

/* Between two keepers nobody could give it the connections that the one before it had: that is for the next keeper's
 * sandboxd, or for us, should there be none. */
static int start(struct front *f, struct error *err)
{
        struct fronts *fs = f->data;
        const struct front_options options = { .program = fs->program, .socket = fs->daemon->config->socket };

        watch_timer_stop(&f->restart);
        if (!fs->program)
                return error_set(err, REASON_INTERNAL,
                                 "there is no program %s beside sandboxd, in %s or in %s: install it", FRONT_PROGRAM,
                                 BINDIR, CONFIG_BINARY_PATH);
        if (keeper_link_awaits_successor(fs->daemon->keeper)) {
                restart_later(f);
                return 0;
        }
        if (front_start(f, &options, err) < 0)
                return -1;
        save(f);
        front_release(f);
        return 0;
}

static void restart(struct front *f)
{
        struct error err = ERROR_NULL;

        if (start(f, &err) == 0)
                return;
        log_error("front %s: %s", f->address, err.message);
        restart_later(f);
}

static void on_restart(struct watch_timer *w)
{
        restart(container_of(w, struct front, restart));
}

static struct front *drop(struct front *f)
{
        struct fronts *fs = f->data;

        DL_DELETE(fs->list, f);
        watch_timer_stop(&f->restart);
        watch_timer_stop(&f->unused);
        front_deinit(f);
        free(f);
        return NULL;
}

static void forget(struct front *f)
{
        struct fronts *fs = f->data;

        front_stop(f);
        unlink(f->address);
        owner_store_remove_front(fs->store, name_of(f));
        drop(f);
}

/* Nobody is connected to it: is it to be forgotten, once a containerd that has its address had time to come? */
static void watch_unused(struct front *f)
{
        uint64_t age = clock_monotonic_ns() - f->attached_ns;

        if (f->group[0])
                watch_timer_arm(&f->unused, f->members.n > 0 && age < GRACE_NS ? GRACE_NS - age : 1);
}

static void on_unused(struct watch_timer *w)
{
        struct front *f = container_of(w, struct front, unused);

        if (front_runs(f) || f->attaching || n_containers(f) > 0)
                return;
        log_debug("front %s: group %s has no containers: forgotten", f->address, f->group);
        forget(f);
}

static void ready(struct front *f, const struct error *err)
{
        if (err)
                log_error("front %s: %s", f->address, err->message);
        else
                log_info("front %s: process %d, for namespace %s%s%s", f->address, (int)f->pid, f->ns,
                         f->group[0] ? ", group " : "", f->group);
        answer(f, err);
}

static void ended(struct front *f, const struct exit_info *info)
{
        struct fronts *fs = f->data;
        bool rests = info->known && info->wait_status == 0;

        if (rests)
                log_debug("front %s: nobody is connected", f->address);
        else
                log_warn("front %s: it has ended (wait status %d%s); it had %zu containers", f->address,
                         info->wait_status, info->known ? "" : ", not known", n_containers(f));
        save(f);
        if (rests) {
                front_rest(f);
                watch_unused(f);
        } else if (fs->serving) {
                restart_later(f);
        }
}

static const struct front_ops ops = { .on_ready = ready, .on_ended = ended, .on_wanted = restart };

/* --- coming --- */

static struct front *find(const struct fronts *fs, const char *owner, const char *ns, const char *group)
{
        struct front *f;

        DL_FOREACH(fs->list, f)
                if (strcmp(f->owner, owner) == 0 && strcmp(f->ns, ns) == 0 && strcmp(f->group, group) == 0)
                        return f;
        return NULL;
}

static bool slot_is_used(const struct fronts *fs, uint32_t slot)
{
        const struct front *f;

        DL_FOREACH(fs->list, f)
                if (f->slot == slot)
                        return true;
        return false;
}

static uint32_t free_slot(struct fronts *fs)
{
        do
                fs->last_slot = fs->last_slot % FRONT_SLOT_MAX + 1;
        while (slot_is_used(fs, fs->last_slot));
        return fs->last_slot;
}

/* Namespaces and groups are longer than the path of a socket has room for. */
static uint64_t hash(const char *ns, const char *group)
{
        uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

        for (; *ns; ns++)
                h = (h ^ (unsigned char)*ns) * UINT64_C(0x100000001b3);
        if (*group)
                h *= UINT64_C(0x100000001b3);
        for (; *group; group++)
                h = (h ^ (unsigned char)*group) * UINT64_C(0x100000001b3);
        return h;
}

/* slot 0: a new one. */
static int make(struct front **ret, struct fronts *fs, const char *owner, const char *ns, const char *group,
                uint32_t slot, struct error *err)
{
        const char *root = record_store_root(fs->daemon->store);
        struct front *f = calloc(1, sizeof(*f));
        int n;

        if (!f)
                return error_set(err, REASON_NO_RESOURCES, "no memory");
        front_init(f, fs->daemon->loop, fs->daemon->reaper, &ops, fs);
        watch_timer_init(&f->restart, fs->daemon->loop, on_restart);
        watch_timer_init(&f->unused, fs->daemon->loop, on_unused);
        DL_APPEND(fs->list, f);
        snprintf(f->owner, sizeof(f->owner), "%s", owner);
        snprintf(f->ns, sizeof(f->ns), "%s", ns);
        f->slot = slot ? slot : free_slot(fs);
        f->attached_ns = clock_monotonic_ns();
        n = snprintf(f->address, sizeof(f->address), "%s/front/%s-%016llx", root, owner,
                     (unsigned long long)hash(ns, group));
        if (n < 0 || (size_t)n >= sizeof(f->address))
                error_set(err, REASON_INVALID_ARGUMENT,
                          "the path of the front's socket below %s/front is longer than it can be", root);
        else if (front_set_group(f, group) < 0)
                error_set(err, REASON_NO_RESOURCES, "no memory");
        if (error_is_set(err)) {
                drop(f);
                return -1;
        }
        *ret = f;
        return 0;
}

void fronts_leave(struct fronts *fs, const char *owner, const char *ns, const char *id, const struct front *stays)
{
        struct front *f;

        DL_FOREACH(fs->list, f) {
                if (f == stays || strcmp(f->owner, owner) != 0 || strcmp(f->ns, ns) != 0 || !front_remove_member(f, id))
                        continue;
                save(f);
                if (!front_runs(f))
                        watch_unused(f);
        }
}

/* An id that is used again may be of another group than before. */
static int join(struct front *f, const struct owner_attach_params *x, struct error *err)
{
        int changed;

        fronts_leave(f->data, f->owner, f->ns, x->id, f);
        f->attached_ns = clock_monotonic_ns();
        watch_timer_stop(&f->unused);
        changed = front_set_place(f, &(struct front_place){ x->cgroup, x->oom_score, x->sched_core });
        if (changed >= 0 && f->group[0] && x->id[0])
                changed |= front_add_member(f, x->id);
        if (changed < 0)
                return error_set(err, REASON_NO_RESOURCES, "no memory");
        if (changed && front_runs(f))
                save(f);
        return 0;
}

/* The group that a container is in; NULL: its creator has to say. */
static const char *group_of(const struct fronts *fs, const struct owner_attach_params *x)
{
        const char *by = fs->daemon->config->front_group;

        if (strcmp(by, "host") == 0 || !x->id[0])
                return "";
        if (strcmp(by, "container") == 0)
                return x->id;
        return x->group[0] ? x->group : NULL;
}

/* NULL with *err. */
static struct front *front_for(struct fronts *fs, const struct owner_attach_params *x, const char *group,
                               struct error *err)
{
        const char *ns = ns_or_default(x->ns);
        struct front *f = find(fs, x->owner, ns, group);

        if (!f && make(&f, fs, x->owner, ns, group, 0, err) < 0)
                return NULL;
        if (join(f, x, err) < 0 || front_bind(f, fs->daemon->keeper, err) < 0)
                return NULL;
        if (!front_runs(f) && start(f, err) < 0)
                return NULL;
        return f;
}

void fronts_attach(struct fronts *fs, struct request *req)
{
        const char *group = group_of(fs, req->params);
        struct error err = ERROR_NULL;
        struct front *f;

        if (!group) {
                request_reply(&req, &(struct owner_attach_result){ .address = "", .needs_group = true });
                return;
        }
        f = front_for(fs, req->params, group, &err);
        if (!f) {
                request_fail(&req, &err);
                return;
        }
        DL_APPEND2(f->attaching, req, park_prev, park_next);
        if (f->ready)
                answer(f, NULL);
}

bool fronts_are_attaching(const struct fronts *fs, const char *owner)
{
        const struct front *f;

        DL_FOREACH(fs->list, f)
                if (f->attaching && strcmp(f->owner, owner) == 0)
                        return true;
        return false;
}

void fronts_forget(struct fronts *fs, const char *owner)
{
        struct front *f, *tmp;

        DL_FOREACH_SAFE(fs->list, f, tmp)
                if (strcmp(f->owner, owner) == 0)
                        forget(f);
}

/* --- all of them --- */

static int load(struct fronts *fs, const char *owner, const struct front_record *rec, struct front **ret)
{
        struct error err = ERROR_NULL;
        struct front *f;
        int r = 0;

        if (make(&f, fs, owner, rec->ns, rec->group, rec->slot, &err) < 0) {
                log_error("front of %s: %s", owner, err.message);
                return -1;
        }
        for (size_t i = 0; i < rec->members.n && r >= 0; i++)
                r = front_add_member(f, rec->members.items[i]);
        if (r >= 0)
                r = front_set_place(f, &(struct front_place){ rec->cgroup, rec->oom_score, rec->sched_core });
        if (r < 0)
                log_error("front %s: no memory for what its record says", f->address);
        f->died = !front_adopt(f, (pid_t)rec->pid, rec->start_time) && rec->pid;
        *ret = f;
        return 0;
}

static void load_one(void *data, const struct front_record *rec, const struct error *err)
{
        struct front *f;

        if (err)
                log_error("%s", err->message);
        else
                load(data, rec->owner, rec, &f);
}

void fronts_take(struct fronts *fs, const char *owner, const struct front_record *rec)
{
        struct front *f;

        if (!find(fs, owner, rec->ns, "") && load(fs, owner, rec, &f) == 0)
                save(f);
}

static void find_program(struct fronts *fs, struct arena *arena)
{
        const char *helper = fs->daemon->helper_path, *slash = strrchr(helper, '/'), *path;

        path = arena_printf(arena, "%.*s/" FRONT_PROGRAM, (int)(slash - helper), helper);
        if (!path || access(path, X_OK) < 0)
                path = BINDIR "/" FRONT_PROGRAM;
        if (access(path, X_OK) < 0)
                path = config_find_binary(arena, FRONT_PROGRAM);
        fs->program = path ? strdup(path) : NULL;
}

int fronts_new(struct fronts **ret, struct daemon *d, struct owner_store *store, struct error *err)
{
        _cleanup_(fronts_freep) struct fronts *fs = calloc(1, sizeof(*fs));
        _cleanup_(arena_freep) struct arena *arena = arena_new();

        if (!fs || !arena)
                return error_set(err, REASON_NO_RESOURCES, "no memory");
        fs->daemon = d;
        fs->store = store;
        find_program(fs, arena);
        if (owner_store_each_front(store, load_one, fs, err) < 0)
                return -1;
        *ret = TAKE(fs);
        return 0;
}

struct fronts *fronts_free(struct fronts *fs)
{
        if (!fs)
                return NULL;
        while (fs->list)
                drop(fs->list);
        free(fs->program);
        free(fs);
        return NULL;
}

void fronts_serve(struct fronts *fs)
{
        struct error err;
        struct front *f;

        fs->serving = true;
        DL_FOREACH(fs->list, f) {
                err = (struct error)ERROR_NULL;
                if (front_bind(f, fs->daemon->keeper, &err) < 0)
                        log_error("front %s: %s", f->address, err.message);
                if (front_runs(f))
                        front_greet(f);
                else if (f->died || n_containers(f) > 0)
                        restart(f);
                else
                        watch_unused(f);
        }
}

void fronts_keep_again(struct fronts *fs)
{
        struct front *f;

        DL_FOREACH(fs->list, f)
                front_keep_again(f);
}

void fronts_dump(const struct fronts *fs, const char *owner)
{
        const struct front *f;

        DL_FOREACH(fs->list, f)
                if (strcmp(f->owner, owner) == 0)
                        log_info("dump:   front %s: namespace %s%s%s, process %d", f->address, f->ns,
                                 f->group[0] ? ", group " : "", f->group, (int)f->pid);
}
