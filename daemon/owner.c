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
        struct front front;
        char address[108];          /* of the front */
        struct watch_timer restart; /* of the front */
        struct watch_timer gone;    /* containerd went away: is it to be forgotten? */
        struct request *attaching;  /* wait for the front */
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

static void save(struct owner *o)
{
        struct owner_record rec = {
                .version = OWNER_RECORD_VERSION,
                .owner = o->name,
                .ttrpc_address = o->ttrpc_address,
                .grpc_address = o->grpc_address,
                .cursor = outbox_cursor(o->outbox),
                .front_pid = (uint32_t)o->front.pid,
                .front_start_time = o->front.start_time,
        };
        struct error err = ERROR_NULL;

        if (owner_store_save(o->owners->store, &rec, &err) < 0)
                log_warn("owner %s: %s", o->name, err.message);
}

static size_t n_containers(const struct owner *o)
{
        struct container *c, *tmp;
        size_t n = 0;

        HASH_ITER(hh, o->owners->daemon->containers, c, tmp)
        n += strcmp(c->params->owner, o->name) == 0;
        return n;
}

/* --- the front --- */

static void answer(struct owner *o, const struct error *err)
{
        struct owner_attach_result res = { .address = o->address };
        struct request *req, *tmp, *list = o->attaching;

        o->attaching = NULL;
        DL_FOREACH_SAFE2(list, req, tmp, park_next)
        {
                DL_DELETE2(list, req, park_prev, park_next);
                if (err)
                        request_fail(&req, err);
                else
                        request_reply(&req, &res);
        }
}

static int start_front(struct owner *o, struct error *err)
{
        struct owners *os = o->owners;
        struct front_options options = {
                .program = os->program, .owner = o->name, .address = o->address, .socket = os->daemon->config->socket
        };

        watch_timer_stop(&o->restart);
        if (!os->program)
                return error_set(err, REASON_INTERNAL,
                                 "there is no program %s beside sandboxd, in %s or in %s: install it", FRONT_PROGRAM,
                                 BINDIR, CONFIG_BINARY_PATH);
        if (front_start(&o->front, &options, err) < 0)
                return -1;
        save(o);
        front_release(&o->front);
        return 0;
}

static void restart_later(struct owner *o)
{
        uint64_t pause = front_pause_ns(&o->front);

        watch_timer_arm(&o->restart, pause);
}

static void on_restart(struct watch_timer *w)
{
        struct owner *o = container_of(w, struct owner, restart);
        struct error err = ERROR_NULL;

        if (start_front(o, &err) == 0)
                return;
        log_error("owner %s: %s", o->name, err.message);
        restart_later(o);
}

static void front_ready(void *data, const struct error *err)
{
        struct owner *o = data;

        if (err)
                log_error("owner %s: %s", o->name, err->message);
        else
                log_info("owner %s: the front is process %d and listens at %s", o->name, (int)o->front.pid, o->address);
        answer(o, err);
}

static void front_ended(void *data, const struct exit_info *info)
{
        struct owner *o = data;
        size_t n = n_containers(o);

        log_warn("owner %s: the front has ended (wait status %d%s); it has %zu containers", o->name, info->wait_status,
                 info->known ? "" : ", not known", n);
        save(o);
        if (n && o->owners->serving)
                restart_later(o);
}

static const struct front_ops front_ops = { .on_ready = front_ready, .on_ended = front_ended };

/* --- coming and going --- */

static struct owner *owner_free(struct owner *o)
{
        watch_timer_stop(&o->restart);
        watch_timer_stop(&o->gone);
        front_deinit(&o->front);
        outbox_free(o->outbox);
        free(o->ttrpc_address);
        free(o->grpc_address);
        free(o);
        return NULL;
}

static void forget(struct owner *o)
{
        struct owners *os = o->owners;

        log_info("owner %s: containerd's socket %s is gone and there are no containers: forgotten", o->name,
                 o->ttrpc_address);
        front_stop(&o->front);
        unlink(o->address);
        owner_store_remove(os->store, o->name);
        HASH_DEL(os->table, o);
        owner_free(o);
        keep_events(os);
}

static void on_gone(struct watch_timer *w)
{
        struct owner *o = container_of(w, struct owner, gone);
        struct stat st;

        if (!outbox_connected(o->outbox) && !o->attaching && n_containers(o) == 0 && stat(o->ttrpc_address, &st) < 0 &&
            errno == ENOENT)
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
        if (!watch_timer_active(&o->gone) && n_containers(o) == 0)
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
        front_init(&o->front, os->daemon->loop, os->daemon->reaper, &front_ops, o);
        watch_timer_init(&o->restart, os->daemon->loop, on_restart);
        watch_timer_init(&o->gone, os->daemon->loop, on_gone);
        o->ttrpc_address = strdup(rec->ttrpc_address);
        o->grpc_address = strdup(rec->grpc_address);
        if (!o->ttrpc_address || !o->grpc_address)
                error_set(err, REASON_NO_RESOURCES, "no memory");
        else if ((size_t)snprintf(o->address, sizeof(o->address), "%s/front/%s", record_store_root(os->daemon->store),
                                  o->name) >= sizeof(o->address))
                error_set(err, REASON_INVALID_ARGUMENT, "owner: %s/front/%s is longer than the path of a socket can be",
                          record_store_root(os->daemon->store), o->name);
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
        if (id_check(x->owner, "owner", err) < 0)
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

void owners_attach(struct owners *os, struct request *req)
{
        const struct owner_attach_params *x = req->params;
        struct error err = ERROR_NULL;
        struct owner *o;

        if (check_attach(x, &err) < 0 || !(o = find_or_make(os, x, &err)) ||
            (!front_runs(&o->front) && start_front(o, &err) < 0)) {
                request_fail(&req, &err);
                return;
        }
        DL_APPEND2(o->attaching, req, park_prev, park_next);
        if (o->front.ready)
                answer(o, NULL);
}

/* --- all of them --- */

static void load_one(void *data, const struct owner_record *rec, const struct error *err)
{
        struct owners *os = data;
        struct error why = ERROR_NULL;
        struct owner *o;

        if (err) {
                log_error("%s", err->message);
                return;
        }
        o = owner_new(os, rec, &why);
        if (!o)
                log_error("owner %s: %s", rec->owner, why.message);
        else if (!front_adopt(&o->front, (pid_t)rec->front_pid, rec->front_start_time))
                log_info("owner %s: the front does not run any more", o->name);
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

void owners_serve(struct owners *os)
{
        struct owner *o, *tmp;

        os->serving = true;
        HASH_ITER(hh, os->table, o, tmp)
        {
                if (n_containers(o) == 0)
                        watch_timer_arm(&o->gone, GONE_NS);
                else if (!front_runs(&o->front))
                        on_restart(&o->restart);
        }
}

void owners_dump(const struct owners *os)
{
        const struct owner *o, *tmp;

        HASH_ITER(hh, os->table, o, tmp)
        log_info("dump: owner %s: %s, %s, event %llu is next, front %d at %s", o->name, o->ttrpc_address,
                 outbox_connected(o->outbox) ? "connected" : "not connected",
                 (unsigned long long)outbox_cursor(o->outbox), (int)o->front.pid, o->address);
}
