/* SPDX-License-Identifier: Apache-2.0 */

/* What an owner is made of, and when it comes and goes. */

#include "daemon/owner.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/log.h"
#include "daemon/daemon.h"
#include "daemon/container.h"
#include "daemon/fronts.h"
#include "daemon/owner_record.h"

#define GONE_NS (10 * NSEC_PER_SEC) /* a containerd that is started again makes its socket anew in less */

struct owner {
        UT_hash_handle hh;
        struct owners *owners;
        char name[LIMIT_ID + 1];
        char *ttrpc_address, *grpc_address;
        struct outbox *outbox;
        struct watch_timer gone; /* containerd went away: is it to be forgotten? */
};

struct owners {
        struct daemon *daemon;
        struct owner_store *store;
        struct fronts *fronts;
        struct owner *table;
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
        const struct owner_record rec = {
                .version = OWNER_RECORD_VERSION,
                .owner = o->name,
                .ttrpc_address = o->ttrpc_address,
                .grpc_address = o->grpc_address,
                .cursor = outbox_cursor(o->outbox),
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

/* --- coming and going --- */

static struct owner *owner_free(struct owner *o)
{
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

        log_info("owner %s: containerd's socket %s is gone and there are no containers: forgotten", o->name,
                 o->ttrpc_address);
        fronts_forget(os->fronts, o->name);
        owner_store_remove(os->store, o->name);
        HASH_DEL(os->table, o);
        owner_free(o);
        keep_events(os);
}

static void on_gone(struct watch_timer *w)
{
        struct owner *o = container_of(w, struct owner, gone);
        struct stat st;

        if (!outbox_connected(o->outbox) && !fronts_are_attaching(o->owners->fronts, o->name) && n_containers(o) == 0 &&
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

void owners_attach(struct owners *os, struct request *req)
{
        struct error err = ERROR_NULL;

        if (check_attach(req->params, &err) < 0 || !find_or_make(os, req->params, &err))
                request_fail(&req, &err);
        else
                fronts_attach(os->fronts, req);
}

/* --- all of them --- */

static void load_one(void *data, const struct owner_record *rec, const struct error *err)
{
        struct error why = ERROR_NULL;
        struct owners *os = data;

        if (err) {
                log_error("%s", err->message);
                return;
        }
        if (!owner_new(os, rec, &why))
                log_error("owner %s: %s", rec->owner, why.message);
        for (size_t i = 0; i < rec->fronts.n; i++)
                fronts_take(os->fronts, rec->owner, &rec->fronts.items[i]);
}

int owners_new(struct owners **ret, struct daemon *d, struct error *err)
{
        _cleanup_(owners_freep) struct owners *os = calloc(1, sizeof(*os));

        if (!os)
                return error_set(err, REASON_NO_RESOURCES, "no memory");
        os->daemon = d;
        if (owner_store_open(&os->store, record_store_root(d->store), err) < 0 ||
            fronts_new(&os->fronts, d, os->store, err) < 0 ||
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
        fronts_free(os->fronts);
        owner_store_free(os->store);
        free(os);
        return NULL;
}

void owners_serve(struct owners *os)
{
        struct owner *o, *tmp;

        HASH_ITER(hh, os->table, o, tmp)
                if (n_containers(o) == 0)
                        watch_timer_arm(&o->gone, GONE_NS);
        fronts_serve(os->fronts);
}

void owners_left(struct owners *os, const char *owner, const char *ns, const char *id)
{
        fronts_leave(os->fronts, owner, ns_or_default(ns), id, NULL);
}

void owners_keep_again(struct owners *os)
{
        fronts_keep_again(os->fronts);
}

void owners_dump(const struct owners *os)
{
        const struct owner *o, *tmp;

        HASH_ITER(hh, os->table, o, tmp) {
                log_info("dump: owner %s: %s, %s, event %llu is next", o->name, o->ttrpc_address,
                         outbox_connected(o->outbox) ? "connected" : "not connected",
                         (unsigned long long)outbox_cursor(o->outbox));
                fronts_dump(os->fronts, o->name);
        }
}
