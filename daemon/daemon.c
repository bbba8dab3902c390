/* SPDX-License-Identifier: Apache-2.0 */

/* The root object: made in order, released in reverse, and the few signals that steer it. */

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utlist.h>
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "daemon/adopt.h"
#include "daemon/daemon.h"
#include "daemon/keeper_link.h"
#include "daemon/kept.h"
#include "daemon/metrics_text.h"
#include "daemon/owner.h"
#include "daemon/pressure.h"
#include "daemon/publish.h"
#include "daemon/runsc_netns.h"
#include "daemon/runtime.h"
#include "daemon/unusable.h"

#define RESERVED_FDS 16384 /* 128 KiB of the kernel's memory */
#define STOP_LOOK_NS (5 * NSEC_PER_MSEC)

/* --- signals --- */

static void reload(struct daemon *d)
{
        struct config *config = NULL;
        struct config *old = d->config;
        struct error err = ERROR_NULL;
        int r = log_reopen();

        if (r < 0)
                log_error("cannot open the log again: %s", strerrordesc_np(-r));
        if (config_load(d->options.config_path, &config, &err) < 0 ||
            config_override(config, d->options.root, d->options.socket, d->options.log_level, &err) < 0) {
                log_error("the configuration was not reloaded: %s", err.message);
                config_free(config);
                return;
        }
        d->config = config;
        if (runtimes_load(d, &err) < 0) {
                log_error("the configuration was not reloaded: %s", err.message);
                d->config = old;
                config_free(config);
                return;
        }
        config_free(old);
        log_set_level(d->config->log_level);
        log_info("configuration reloaded; the socket, the state directory, the quotas, the pressure and the metrics "
                 "change at the next start");
}

/* Nothing new is begun; what is in flight may end, and answers may go out. Containers are left running. */
static void stop_look(struct watch_timer *w)
{
        struct daemon *d = container_of(w, struct daemon, stop_timer);
        bool quiet = command_queue_running(d->commands) + command_queue_waiting(d->commands) == 0 &&
                     (!d->transport || transport_drained(d->transport)) && keeper_link_queued(d->keeper) == 0;

        if (quiet || clock_monotonic_ns() > d->stop_deadline)
                loop_stop(d->loop);
        else
                watch_timer_arm(w, STOP_LOOK_NS);
}

static void stop(struct daemon *d)
{
        if (d->stopping)
                return;
        d->stopping = true;
        log_info("stopping; %u containers are left as they are", (unsigned)HASH_COUNT(d->containers));
        if (!d->replaced)
                keeper_link_notify(d->keeper, "STOPPING=1");
        daemon_end_metrics(d);
        if (d->transport)
                transport_stop_receiving(d->transport);
        eventlog_flush_readers(d->events);
        d->stop_deadline = clock_monotonic_ns() + d->config->stop_timeout_ns;
        watch_timer_arm(&d->stop_timer, 1);
}

static void on_signal(struct watch_signals *w, int signal)
{
        struct daemon *d = container_of(w, struct daemon, signals);

        switch (signal) {
        case SIGCHLD:
                reaper_drain(d->reaper);
                break;
        case SIGTERM:
        case SIGINT:
                stop(d);
                break;
        case SIGHUP:
                reload(d);
                break;
        case SIGUSR1:
                daemon_dump(d);
                break;
        }
}

static void on_stall(void *data, const struct loop_stall *stall)
{
        log_warn("the loop was held up for %llu ms (%llu us on the processor, slept %llu times, preempted %llu times)",
                 (unsigned long long)(stall->ns / NSEC_PER_MSEC), (unsigned long long)(stall->cpu_ns / 1000),
                 (unsigned long long)stall->blocked, (unsigned long long)stall->preempted);
}

/* --- making --- */

/* --delete: it is gone; whoever asked reads how it ended. */
static void deleted(struct daemon *d, const struct process *init)
{
        struct exit_result res;

        process_describe_exit(init, &res);
        printf("%u %u %llu\n", (unsigned)res.pid, (unsigned)res.exit_status, (unsigned long long)res.exited_at);
        fflush(stdout);
        loop_stop(d->loop);
}

static void reap_gone(struct deferred *def)
{
        struct daemon *d = container_of(def, struct daemon, reap);
        struct container *c;

        while ((c = d->gone)) {
                d->gone = c->gone_next;
                if (d->options.delete_key && strcmp(c->key, d->options.delete_key) == 0)
                        deleted(d, &c->init);
                container_free(c);
        }
}

static void answer_remembered(void *data, const struct answer *answer)
{
        struct daemon *d = data;
        struct container *c = NULL;
        struct record_answer rec = {
                .request_id = answer->request_id,
                .method = answer->method,
                .answered_at = answer->answered_at,
                .data = { .data = answer->data, .len = answer->len },
        };
        struct error err = ERROR_NULL;

        HASH_FIND_STR(d->containers, answer->container_key, c);
        if (!c || c->state == CONTAINER_GONE || c->dirfd < 0) {
                if (record_tombstone_save(d->store, answer->container_key, &rec, &err) < 0)
                        log_warn("the answer to request %s will not outlive this daemon: %s", answer->request_id,
                                 err.message);
        } else if (strcmp(answer->method, "kill") == 0) {
                container_persist(c); /* after the answer: until then the request is in the record */
        } else {
                container_persist_now(c);
        }
}

static int set_up_signals(struct daemon *d, struct error *err)
{
        sigset_t set;
        int r;

        sigemptyset(&set);
        sigaddset(&set, SIGCHLD);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGINT);
        sigaddset(&set, SIGHUP);
        sigaddset(&set, SIGUSR1);
        sigaddset(&set, SIGPIPE);
        r = watch_signals_start(&d->signals, d->loop, &set, on_signal);
        return r < 0 ? error_set_errno(err, REASON_INTERNAL, r, "signalfd") : 0;
}

static int set_up_base(struct daemon *d, struct error *err)
{
        int r;

        if ((r = fd_reserve_table(RESERVED_FDS)) < 0)
                log_warn("cannot make the table of descriptors larger: %s", strerror(-r));
        if ((r = loop_new(&d->loop)) < 0)
                return error_set_errno(err, REASON_NO_RESOURCES, r, "cannot make the event loop");
        loop_on_stall(d->loop, on_stall, d);
        deferred_init(&d->reap, d->loop, reap_gone);
        watch_timer_init(&d->stop_timer, d->loop, stop_look);
        watch_timer_init(&d->owed_timer, d->loop, containers_persist_owed);
        if (set_up_signals(d, err) < 0)
                return -1;
        if ((r = reaper_new(&d->reaper, d->loop, d->helper_path)) < 0)
                return error_set_errno(err, REASON_INTERNAL, r, "cannot become a subreaper, or open %s",
                                       d->helper_path);
        return 0;
}

static int make_directories(struct daemon *d, struct error *err)
{
        static const struct {
                const char *name;
                mode_t mode;
        } dirs[] = { { "bundles", 0711 }, { "c", 0700 }, { "netns", 0700 }, { "runtime", 0700 }, { "events", 0700 } };
        char path[PATH_MAX];

        for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
                snprintf(path, sizeof(path), "%s/%s", record_store_root(d->store), dirs[i].name);
                if (mkdir(path, dirs[i].mode) < 0 && errno != EEXIST)
                        return error_set_errno(err, reason_of_errno(errno), errno, "cannot make %s", path);
        }
        return 0;
}

/* A program of ours: beside this one, as in a build tree, or where it is installed. */
static int find_program(char **ret, const char *name, struct error *err)
{
        char path[PATH_MAX];
        ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 32);
        char *slash;

        path[n > 0 ? n : 0] = '\0';
        slash = strrchr(path, '/');
        if (slash)
                snprintf(slash + 1, 32, "%s", name);
        if (!slash || access(path, X_OK) < 0)
                snprintf(path, sizeof(path), "%s/%s", LIBEXECDIR, name);
        if (access(path, X_OK) < 0)
                return error_set_errno(err, REASON_INTERNAL, errno, "no program %s, nor one beside sandboxd itself",
                                       path);
        *ret = strdup(path);
        return *ret ? 0 : error_set(err, REASON_NO_RESOURCES, "no memory");
}

static int read_identity(struct daemon *d, struct error *err)
{
        uint8_t random[16];
        ssize_t n = fd_read_small(AT_FDCWD, "/proc/sys/kernel/random/boot_id", d->boot_id, sizeof(d->boot_id));

        if (n < 0)
                return error_set_errno(err, REASON_INTERNAL, (int)n, "cannot read the boot id");
        d->boot_id[strcspn(d->boot_id, "\n")] = '\0';
        if (getrandom(random, sizeof(random), 0) != sizeof(random))
                return error_set_errno(err, REASON_INTERNAL, errno, "getrandom");
        for (size_t i = 0; i < sizeof(random); i++)
                sprintf(d->instance + 2 * i, "%02x", random[i]);
        d->started_at = clock_realtime_ns();
        /* names of private files differ from those of the last daemon, also when the real time was set back */
        d->serial = clock_monotonic_ns() / NSEC_PER_MSEC;
        return 0;
}

static int set_up_rooms(struct daemon *d, struct error *err)
{
        struct eventlog_options events = { .segment_bytes = d->config->events_segment_bytes,
                                           .max_bytes = d->config->events_max_bytes };
        struct command_queue_options commands = {
                .max_running = (unsigned)d->config->max_commands,
                .max_urgent = (unsigned)d->config->max_urgent_commands,
                .default_timeout_ns = d->config->command_timeout_ns,
        };
        struct requests_options requests = {
                .write_uids = d->config->uids,
                .n_write_uids = d->config->n_uids,
                .max_open_per_uid = (unsigned)d->config->requests,
                .max_open_bytes_per_uid = d->config->bytes,
                .max_answers = (unsigned)d->config->answers,
        };
        char dir[PATH_MAX];

        if (record_store_open(&d->store, d->config->root, err) < 0 || make_directories(d, err) < 0)
                return -1;
        snprintf(dir, sizeof(dir), "%s/events", record_store_root(d->store));
        if (eventlog_open(&d->events, d->loop, dir, &events, err) < 0)
                return -1;
        if (cgroup_host_new(&d->cgroups, err) < 0 || oom_hub_new(&d->oom, d->loop, d->cgroups, err) < 0)
                return -1;
        if (command_queue_new(&d->commands, d->loop, d->reaper, &commands) < 0 ||
            runsc_netns_new(&d->runsc_netns, d) < 0 || requests_new(&d->requests, d, method_handlers, &requests) < 0)
                return error_set(err, REASON_NO_RESOURCES, "no memory");
        requests_on_answer(d->requests, answer_remembered, d);
        return runtimes_load(d, err) < 0 ? -1 : owners_new(&d->owners, d, err);
}

static void backlog_told(void *data)
{
        adoption_backlog_told(((struct daemon *)data)->adoption);
}

/* The status has gone to whom it concerns, and into a record. During adoption it waits for its container to be decided
 * on. */
static void keeper_told(void *data, pid_t pid, uint64_t start_time, const struct exit_info *info)
{
        struct daemon *d = data;

        if (!d->adoption)
                keeper_link_forget(d->keeper, pid, start_time);
}

/* Between the reaping of an orphan and the record that has its status, the keeper is the one who knows it too. */
static void orphan_remembered(void *data, pid_t pid, uint64_t start_time, const struct exit_info *info)
{
        keeper_link_remember(((struct daemon *)data)->keeper, pid, start_time, info);
}

static void orphan_forgotten(void *data, pid_t pid, uint64_t start_time)
{
        keeper_link_forget(((struct daemon *)data)->keeper, pid, start_time);
}

static void ask_keeper(void *data)
{
        keeper_link_ask(((struct daemon *)data)->keeper);
}

static const struct reaper_orphan_ops orphan_ops = { .remember = orphan_remembered,
                                                     .forget = orphan_forgotten,
                                                     .ask = ask_keeper };

static void keeper_lost(void *data)
{
        log_warn("the keeper has gone: what ends while no daemon runs will be of unknown status");
}

/* The new keeper is not our parent, and cannot be. Its own daemon goes on where we end. */
static void keeper_replaced(void *data)
{
        struct daemon *d = data;

        log_info("there is a new keeper: all is stored with it, then its own daemon takes over");
        d->replaced = true;
        daemon_keep_again(d);
        owners_keep_again(d->owners);
        stop(d);
}

static const struct keeper_link_ops keeper_ops = {
        .on_replaced = keeper_replaced,
        .on_backlog_end = backlog_told,
        .on_status = keeper_told,
        .on_lost = keeper_lost,
};

int daemon_new(struct daemon **ret, const struct daemon_options *options, struct error *err)
{
        _cleanup_(daemon_freep) struct daemon *d = calloc(1, sizeof(*d));
        int r;

        if (!d)
                return error_set(err, REASON_NO_RESOURCES, "no memory");
        d->signals.fd = -1;
        d->options = *options;
        if (config_load(options->config_path, &d->config, err) < 0 ||
            config_override(d->config, options->root, options->socket, options->log_level, err) < 0)
                return -1;
        log_set_level(d->config->log_level);
        if ((r = log_open(d->config->log_file)) < 0)
                return error_set_errno(err, REASON_INVALID_ARGUMENT, r, "cannot open the log %s", d->config->log_file);
        if (read_identity(d, err) < 0)
                return -1;
        if (find_program(&d->helper_path, "sandboxd-helper", err) < 0 ||
            find_program(&d->mount_path, "sandboxd-mount", err) < 0)
                return -1;
        if (set_up_base(d, err) < 0 || set_up_rooms(d, err) < 0)
                return -1;
        if (keeper_link_new(&d->keeper, d->loop, d->reaper, &keeper_ops, d, err) < 0 ||
            kept_store_new(&d->kept, d->keeper, err) < 0)
                return -1;
        reaper_on_orphan(d->reaper, &orphan_ops, d);
        *ret = TAKE(d);
        return 0;
}

static void runsc_netns_leave(struct daemon *d)
{
        struct container *c, *tmp;

        if (!d->runsc_netns)
                return;
        HASH_ITER(hh, d->containers, c, tmp)
                if (c->runtime && c->runtime->driver == &runtime_runsc)
                        return;
        runsc_netns_remove(d->runsc_netns);
}

/* Open requests go without an answer: their clients repeat them to the next daemon. So nobody may answer them any more.
 */
static void free_requests(struct daemon *d)
{
        struct container *c, *tmp;
        struct op *op;

        daemon_end_metrics(d);
        if (d->loop)
                reap_gone(&d->reap);
        HASH_ITER(hh, d->containers, c, tmp)
                DL_FOREACH(c->ops, op)
                        op->request = NULL;
        d->requests = requests_free(d->requests);
        d->transport = transport_free(d->transport);
}

struct daemon *daemon_free(struct daemon *d)
{
        struct container *c, *tmp;

        if (!d)
                return NULL;
        free_requests(d);
        d->owners = owners_free(d->owners);
        d->adoption = adoption_free(d->adoption);
        HASH_ITER(hh, d->containers, c, tmp) {
                HASH_DEL(d->containers, c);
                container_free(c);
        }
        unusable_free_all(d);
        if (d->reaper)
                reaper_on_orphan(d->reaper, NULL, NULL);
        d->kept = kept_store_free(d->kept);
        d->keeper = keeper_link_free(d->keeper);
        runsc_netns_free(d->runsc_netns);
        command_queue_free(d->commands);
        runtimes_free(d->runtimes);
        pressure_free(d->pressure);
        oom_hub_free(d->oom);
        cgroup_host_free(d->cgroups);
        eventlog_free(d->events);
        record_store_free(d->store);
        if (d->loop) {
                watch_timer_stop(&d->stop_timer);
                watch_timer_stop(&d->owed_timer);
                deferred_cancel(&d->reap);
                watch_signals_stop(&d->signals);
        }
        reaper_free(d->reaper);
        loop_free(d->loop);
        config_free(d->config);
        free(d->helper_path);
        free(d->mount_path);
        free(d);
        return NULL;
}

/* --- running --- */

static gid_t socket_group(const struct config *config)
{
        const struct group *g = config->group[0] ? getgrnam(config->group) : NULL;

        if (config->group[0] && !g)
                log_info("there is no group \"%s\": only root reaches the socket", config->group);
        return g ? g->gr_gid : (gid_t)-1;
}

static void pressure_changed(void *data, const struct pressure_change *change)
{
        struct daemon *d = data;

        publish_pressure(d, change);
        d->pressure_policy->changed(d, change);
}

static void watch_pressure(struct daemon *d)
{
        const struct config *c = d->config;
        struct pressure_options options = {
                .host = c->pressure_host,
                .cgroups = c->pressure_cgroups,
                .some_us = c->pressure_some_ms * 1000,
                .full_us = c->pressure_full_ms * 1000,
                .window_us = c->pressure_window_ms * 1000,
                .calm_ns = c->pressure_calm_ns,
        };

        d->pressure_policy = &pressure_policy_none;
        d->pressure = pressure_new(d->loop, d->cgroups, &options, pressure_changed, d);
        if (!d->pressure)
                log_warn("memory pressure is not watched: no memory");
}

static void serve(struct daemon *d)
{
        struct transport_options options = {
                .path = d->config->socket,
                .gid = socket_group(d->config),
                .max_requests = (unsigned)d->config->total_requests,
                .max_connections_per_uid = (unsigned)d->config->connections,
                .max_message = LIMIT_MESSAGE,
        };
        struct event ev = { .kind = event_kind_name(EVENT_DAEMON_START), .message = SANDBOXD_VERSION };

        if (transport_new(&d->transport, d->loop, &options, &requests_transport_handlers, d->requests,
                          &d->failure) < 0) {
                loop_stop(d->loop);
                return;
        }
        daemon_publish(d, &ev);
        owners_serve(d->owners);
        watch_pressure(d);
        daemon_serve_metrics(d, options.gid);
        keeper_link_notify(d->keeper, "READY=1");
        log_info("sandboxd %s serves %s; state in %s; %u containers", SANDBOXD_VERSION, d->config->socket,
                 record_store_root(d->store), (unsigned)HASH_COUNT(d->containers));
}

/* --delete: in place of serve. */
static void delete_one(struct daemon *d)
{
        struct container *c;

        HASH_FIND_STR(d->containers, d->options.delete_key, c);
        if (!c) {
                loop_stop(d->loop);
                return;
        }
        c->wanted = WANTED_GONE;
        loop_defer(&c->kick);
}

int daemon_run(struct daemon *d, struct error *err)
{
        struct event ev = { .kind = event_kind_name(EVENT_DAEMON_STOP) };

        if (adoption_start(d, d->options.delete_key ? delete_one : serve, err) < 0)
                return -1;
        loop_run(d->loop);
        if (error_is_set(&d->failure))
                return error_copy(err, &d->failure);
        runsc_netns_leave(d);
        daemon_publish(d, &ev);
        if (d->replaced) /* not 0: that would be the end of a keeper too */
                return error_set(err, REASON_INTERNAL, "ended to make way for the daemon of a new keeper");
        return 0;
}
