/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What an owner is made of, and when it comes and goes. An attach is answered when the front has been started: the
 * socket is bound before that, so the address takes connections from then on, also while a front is started again.
 */

#include "daemon/owner.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utlist.h>
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "daemon/daemon.h"
#include "daemon/container.h"
#include "daemon/owner_record.h"
#include "proto/front.h"

#define GONE_NS (10 * NSEC_PER_SEC) /* a containerd that is started again makes its socket anew in less */

struct owner {
        UT_hash_handle hh;
        struct owners *owners;
        char name[LIMIT_ID + 1];
        char *ttrpc_address, *grpc_address;
        struct outbox *outbox;
        struct front *fronts;    /* one for each namespace */
        struct watch_timer gone; /* containerd went away: is it to be forgotten? */
};

struct owners {
        struct daemon *daemon;
        struct owner_store *store;
        char *program; /* of the front; NULL: not found */
        struct owner *table;
        bool serving;
};

/* --- records --- */

static void keep_events(struct owners *os)
{
        uint64_t from = UINT64_MAX;
        struct owner *o, *tmp;

        HASH_ITER(hh, os->table, o, tmp)
        if (outbox_cursor(o->outbox) < from)
                from = outbox_cursor(o->outbox);
        eventlog_keep(os->daemon->events, from);
}

static int list_fronts(const struct owner *o, struct arena *a, struct list_front_record *ret)
{
        const struct front *f;
        size_t n = 0;

        DL_FOREACH(o->fronts, f)
                n++;
        ret->items = arena_alloc(a, (n + 1) * sizeof(*ret->items));
        if (!ret->items)
                return -ENOMEM;
        DL_FOREACH(o->fronts, f)
                ret->items[ret->n++] = (struct front_record){ f->ns, (uint32_t)f->pid, f->start_time, f->slot };
        return 0;
}

static void save(struct owner *o)
{
        _cleanup_(arena_freep) struct arena *arena = arena_new();
        struct owner_record rec = {
                .version = OWNER_RECORD_VERSION,
                .owner = o->name,
                .ttrpc_address = o->ttrpc_address,
                .grpc_address = o->grpc_address,
                .cursor = outbox_cursor(o->outbox),
        };
        struct error err = ERROR_NULL;

        if (!arena || list_fronts(o, arena, &rec.fronts) < 0)
                error_set(&err, REASON_NO_RESOURCES, "no memory");
        else
                owner_store_save(o->owners->store, &rec, &err);
        if (error_is_set(&err))
                log_warn("owner %s: %s", o->name, err.message);
}

/* ns NULL: of all namespaces. */
static size_t n_containers(const struct owner *o, const char *ns)
{
        struct container *c, *tmp;
        size_t n = 0;

        HASH_ITER(hh, o->owners->daemon->containers, c, tmp)
                n += strcmp(c->params->owner, o->name) == 0 && (!ns || strcmp(c->params->ns, ns) == 0);
        return n;
}

/* --- fronts --- */

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

static int start_front(struct front *f, struct error *err)
{
        struct owner *o = f->data;
        struct owners *os = o->owners;
        struct front_options options = { .program = os->program,
                                         .owner = o->name,
                                         .socket = os->daemon->config->socket };

        watch_timer_stop(&f->restart);
        if (!os->program)
                return error_set(err, REASON_INTERNAL,
                                 "there is no program %s beside sandboxd, in %s or in %s: install it", FRONT_PROGRAM,
                                 BINDIR, CONFIG_BINARY_PATH);
        if (front_start(f, &options, err) < 0)
                return -1;
        save(o);
        front_release(f);
        return 0;
}

static void restart_later(struct front *f)
{
        watch_timer_arm(&f->restart, front_pause_ns(f));
}

static void on_restart(struct watch_timer *w)
{
        struct front *f = container_of(w, struct front, restart);
        struct error err = ERROR_NULL;

        if (start_front(f, &err) == 0)
                return;
        log_error("front %s: %s", f->address, err.message);
        restart_later(f);
}

static void front_ready(struct front *f, const struct error *err)
{
        if (err)
                log_error("front %s: %s", f->address, err->message);
        else
                log_info("front %s: process %d, for namespace %s", f->address, (int)f->pid, f->ns);
        answer(f, err);
}

static void front_ended(struct front *f, const struct exit_info *info)
{
        struct owner *o = f->data;
        size_t n = n_containers(o, f->ns);
        bool rests = info->known && info->wait_status == 0;

        if (rests)
                log_debug("front %s: nobody is connected", f->address);
        else
                log_warn("front %s: it has ended (wait status %d%s); it had %zu containers", f->address,
                         info->wait_status, info->known ? "" : ", not known", n);
        save(o);
        if (rests)
                front_rest(f);
        else if (o->owners->serving)
                restart_later(f);
}

static void front_wanted(struct front *f)
{
        on_restart(&f->restart);
}

static const struct front_ops front_ops = { .on_ready = front_ready,
                                            .on_ended = front_ended,
                                            .on_wanted = front_wanted };

static struct front *front_free(struct owner *o, struct front *f)
{
        DL_DELETE(o->fronts, f);
        watch_timer_stop(&f->restart);
        front_deinit(f);
        free(f);
        return NULL;
}

static struct front *front_of(struct owner *o, const char *ns)
{
        struct front *f;

        DL_FOREACH(o->fronts, f)
                if (strcmp(f->ns, ns) == 0)
                        return f;
        return NULL;
}

/* Namespaces are longer than the path of a socket has room for. */
static uint64_t hash(const char *s)
{
        uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

        for (; *s; s++)
                h = (h ^ (unsigned char)*s) * UINT64_C(0x100000001b3);
        return h;
}

static bool slot_is_used(const struct owners *os, uint32_t slot)
{
        struct owner *o, *tmp;
        struct front *f;

        HASH_ITER(hh, os->table, o, tmp)
                DL_FOREACH(o->fronts, f)
                        if (f->slot == slot)
                                return true;
        return false;
}

static uint32_t free_slot(const struct owners *os)
{
        uint32_t slot = 1;

        while (slot_is_used(os, slot))
                slot++;
        return slot;
}

/* slot 0: a new one. */
static int front_new(struct front **ret, struct owner *o, const char *ns, uint32_t slot, struct error *err)
{
        struct daemon *d = o->owners->daemon;
        const char *root = record_store_root(d->store);
        struct front *f = calloc(1, sizeof(*f));
        int n;

        if (!f)
                return error_set(err, REASON_NO_RESOURCES, "no memory");
        front_init(f, d->loop, d->reaper, &front_ops, o);
        watch_timer_init(&f->restart, d->loop, on_restart);
        snprintf(f->ns, sizeof(f->ns), "%s", ns);
        f->slot = slot ? slot : free_slot(o->owners);
        n = snprintf(f->address, sizeof(f->address), "%s/front/%s-%016llx", root, o->name,
                     (unsigned long long)hash(ns));
        DL_APPEND(o->fronts, f);
        *ret = f;
        if (n < 0 || (size_t)n >= sizeof(f->address)) {
                front_free(o, f);
                return error_set(err, REASON_INVALID_ARGUMENT,
                                 "the path of the front's socket below %s/front is longer than it can be", root);
        }
        return 0;
}

/* --- coming and going --- */

static struct owner *owner_free(struct owner *o)
{
        while (o->fronts)
                front_free(o, o->fronts);
        watch_timer_stop(&o->gone);
        outbox_free(o->outbox);
        free(o->ttrpc_address);
        free(o->grpc_address);
        free(o);
        return NULL;
}

static void forget(struct owner *o)
{
        struct owners *os = o->owners;
        struct front *f;

        log_info("owner %s: containerd's socket %s is gone and there are no containers: forgotten", o->name,
                 o->ttrpc_address);
        DL_FOREACH(o->fronts, f) {
                front_stop(f);
                unlink(f->address);
        }
        owner_store_remove(os->store, o->name);
        HASH_DEL(os->table, o);
        owner_free(o);
        keep_events(os);
}

static bool is_attaching(const struct owner *o)
{
        const struct front *f;

        DL_FOREACH(o->fronts, f)
                if (f->attaching)
                        return true;
        return false;
}

static void on_gone(struct watch_timer *w)
{
        struct owner *o = container_of(w, struct owner, gone);
        struct stat st;

        if (!outbox_connected(o->outbox) && !is_attaching(o) && n_containers(o, NULL) == 0 &&
            stat(o->ttrpc_address, &st) < 0 && errno == ENOENT)
                forget(o);
}

static void on_settled(void *data, uint64_t cursor)
{
        struct owner *o = data;

        save(o);
        keep_events(o->owners);
}

static void on_refused(void *data, const struct event *ev, const char *message)
{
        struct owner *o = data;

        daemon_warn(o->owners->daemon, NULL,
                    "event %llu (%s of %s/%s) was refused by containerd (owner %s), and left out: %s",
                    (unsigned long long)ev->seq, ev->kind, ev->ns, ev->id, o->name, message);
}

static void on_away(void *data, int errnum)
{
        struct owner *o = data;

        log_debug("owner %s: no connection to %s: %s", o->name, o->ttrpc_address, strerrordesc_np(errnum));
        if (!watch_timer_active(&o->gone) && n_containers(o, NULL) == 0)
                watch_timer_arm(&o->gone, GONE_NS);
}

static const struct outbox_ops outbox_ops = { .on_settled = on_settled, .on_refused = on_refused, .on_away = on_away };

/* Into the table. NULL with *err: there is no memory, or the path of its socket is too long. */
static struct owner *owner_new(struct owners *os, const struct owner_record *rec, struct error *err)
{
        struct outbox_options options = {
                .loop = os->daemon->loop,
                .log = os->daemon->events,
                .owner = rec->owner,
                .address = rec->ttrpc_address,
                .cursor = rec->cursor,
                .ops = &outbox_ops,
        };
        struct owner *o = calloc(1, sizeof(*o));

        if (!o) {
                error_set(err, REASON_NO_RESOURCES, "no memory");
                return NULL;
        }
        o->owners = os;
        options.data = o;
        snprintf(o->name, sizeof(o->name), "%s", rec->owner);
        watch_timer_init(&o->gone, os->daemon->loop, on_gone);
        o->ttrpc_address = strdup(rec->ttrpc_address);
        o->grpc_address = strdup(rec->grpc_address);
        if (!o->ttrpc_address || !o->grpc_address)
                error_set(err, REASON_NO_RESOURCES, "no memory");
        else if (outbox_new(&o->outbox, &options, err) == 0) {
                HASH_ADD_STR(os->table, name, o);
                return o;
        }
        owner_free(o);
        return NULL;
}

/* --- the method --- */

static int check_attach(const struct owner_attach_params *x, struct error *err)
{
        if (id_check(x->owner, "owner", err) < 0 || (x->ns[0] && id_check(x->ns, "namespace", err) < 0))
                return -1;
        if (x->ttrpc_address[0] != '/' || strlen(x->ttrpc_address) > 107)
                return error_set(err, REASON_INVALID_ARGUMENT,
                                 "ttrpc_address: \"%s\" is not an absolute path of at most 107 bytes",
                                 x->ttrpc_address);
        return 0;
}

/* A known owner says that it is there. */
static int greet(struct owner *o, const struct owner_attach_params *x, struct error *err)
{
        char *copy;

        if (strcmp(o->grpc_address, x->grpc_address) != 0)
                return error_set(err, REASON_ALREADY_EXISTS, "owner %s is the containerd at \"%s\", not that at \"%s\"",
                                 o->name, o->grpc_address, x->grpc_address);
        watch_timer_stop(&o->gone);
        if (strcmp(o->ttrpc_address, x->ttrpc_address) != 0) {
                copy = strdup(x->ttrpc_address);
                if (!copy)
                        return error_set(err, REASON_NO_RESOURCES, "no memory");
                free(o->ttrpc_address);
                o->ttrpc_address = copy;
                save(o);
        }
        return outbox_hello(o->outbox, o->ttrpc_address) < 0 ? error_set(err, REASON_NO_RESOURCES, "no memory") : 0;
}

static struct owner *find_or_make(struct owners *os, const struct owner_attach_params *x, struct error *err)
{
        struct owner_record rec = {
                .owner = x->owner,
                .ttrpc_address = x->ttrpc_address,
                .grpc_address = x->grpc_address,
                .cursor = eventlog_newest(os->daemon->events) + 1,
        };
        struct owner *o;

        HASH_FIND_STR(os->table, x->owner, o);
        if (o)
                return greet(o, x, err) < 0 ? NULL : o;
        o = owner_new(os, &rec, err);
        if (o) {
                log_info("owner %s: containerd at %s, events to %s", o->name, o->grpc_address, o->ttrpc_address);
                save(o);
                keep_events(os);
        }
        return o;
}

/* NULL with *err. */
static struct front *front_for(struct owners *os, const struct owner_attach_params *x, struct error *err)
{
        const char *ns = ns_or_default(x->ns);
        struct owner *o;
        struct front *f;

        if (check_attach(x, err) < 0 || !(o = find_or_make(os, x, err)))
                return NULL;
        f = front_of(o, ns);
        if (!f && (front_new(&f, o, ns, 0, err) < 0 || front_bind(f, os->daemon->keeper, err) < 0))
                return NULL;
        if (!front_runs(f) && start_front(f, err) < 0)
                return NULL;
        return f;
}

void owners_attach(struct owners *os, struct request *req)
{
        struct error err = ERROR_NULL;
        struct front *f = front_for(os, req->params, &err);

        if (!f) {
                request_fail(&req, &err);
                return;
        }
        DL_APPEND2(f->attaching, req, park_prev, park_next);
        if (f->ready)
                answer(f, NULL);
}

/* --- all of them --- */

static void load_fronts(struct owner *o, const struct list_front_record *list)
{
        struct error err = ERROR_NULL;
        struct front *f;

        for (size_t i = 0; i < list->n; i++) {
                const struct front_record *rec = &list->items[i];

                if (front_new(&f, o, rec->ns, rec->slot, &err) < 0)
                        log_error("owner %s: %s", o->name, err.message);
                else
                        f->died = !front_adopt(f, (pid_t)rec->pid, rec->start_time) && rec->pid;
        }
}

static void load_one(void *data, const struct owner_record *rec, const struct error *err)
{
        struct error why = ERROR_NULL;
        struct owner *o;

        if (err) {
                log_error("%s", err->message);
                return;
        }
        o = owner_new(data, rec, &why);
        if (o)
                load_fronts(o, &rec->fronts);
        else
                log_error("owner %s: %s", rec->owner, why.message);
}

static int find_program(struct owners *os, struct error *err)
{
        _cleanup_(arena_freep) struct arena *arena = arena_new();
        const char *slash = strrchr(os->daemon->helper_path, '/'), *path;

        if (!arena)
                return error_set(err, REASON_NO_RESOURCES, "no memory");
        path = arena_printf(arena, "%.*s/" FRONT_PROGRAM, (int)(slash - os->daemon->helper_path),
                            os->daemon->helper_path);
        if (!path || access(path, X_OK) < 0)
                path = BINDIR "/" FRONT_PROGRAM;
        if (access(path, X_OK) < 0)
                path = config_find_binary(arena, FRONT_PROGRAM);
        os->program = path ? strdup(path) : NULL;
        return 0;
}

int owners_new(struct owners **ret, struct daemon *d, struct error *err)
{
        _cleanup_(owners_freep) struct owners *os = calloc(1, sizeof(*os));

        if (!os)
                return error_set(err, REASON_NO_RESOURCES, "no memory");
        os->daemon = d;
        if (find_program(os, err) < 0 || owner_store_open(&os->store, record_store_root(d->store), err) < 0 ||
            owner_store_each(os->store, load_one, os, err) < 0)
                return -1;
        keep_events(os);
        *ret = TAKE(os);
        return 0;
}

struct owners *owners_free(struct owners *os)
{
        struct owner *o, *tmp;

        if (!os)
                return NULL;
        HASH_ITER(hh, os->table, o, tmp)
        {
                HASH_DEL(os->table, o);
                owner_free(o);
        }
        owner_store_free(os->store);
        free(os->program);
        free(os);
        return NULL;
}

static void serve_front(struct front *f)
{
        struct owner *o = f->data;
        struct error err = ERROR_NULL;

        if (front_bind(f, o->owners->daemon->keeper, &err) < 0)
                log_error("front %s: %s", f->address, err.message);
        if (front_runs(f))
                front_greet(f);
        else if (f->died || n_containers(o, f->ns))
                on_restart(&f->restart);
}

void owners_serve(struct owners *os)
{
        struct owner *o, *tmp;
        struct front *f;

        os->serving = true;
        HASH_ITER(hh, os->table, o, tmp) {
                if (n_containers(o, NULL) == 0)
                        watch_timer_arm(&o->gone, GONE_NS);
                DL_FOREACH(o->fronts, f)
                        serve_front(f);
        }
}

void owners_keep_again(struct owners *os)
{
        struct owner *o, *tmp;
        struct front *f;

        HASH_ITER(hh, os->table, o, tmp)
                DL_FOREACH(o->fronts, f)
                        front_keep_again(f);
}

void owners_dump(const struct owners *os)
{
        const struct owner *o, *tmp;
        const struct front *f;

        HASH_ITER(hh, os->table, o, tmp) {
                log_info("dump: owner %s: %s, %s, event %llu is next", o->name, o->ttrpc_address,
                         outbox_connected(o->outbox) ? "connected" : "not connected",
                         (unsigned long long)outbox_cursor(o->outbox));
                DL_FOREACH(o->fronts, f)
                        log_info("dump:   front %s: namespace %s, process %d", f->address, f->ns, (int)f->pid);
        }
}
