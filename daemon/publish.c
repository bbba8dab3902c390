/* SPDX-License-Identifier: Apache-2.0 */

/* Building the entries of the event log. The order is that of the calls: create < start < OOM < exit < delete. */

#include <inttypes.h>
#include <stdio.h>
#include <stdarg.h>
#include <string.h>
#include "base/log.h"
#include "daemon/daemon.h"
#include "daemon/publish.h"

void daemon_publish(struct daemon *d, struct event *ev)
{
        struct error err = ERROR_NULL;

        if (!d->events)
                return;
        if (eventlog_append(d->events, ev, &err) < 0)
                log_error("event %s of %s/%s/%s: %s", ev->kind, ev->owner, ev->ns, ev->id, err.message);
}

void daemon_warn(struct daemon *d, const struct container *c, const char *fmt, ...)
{
        struct event ev = { .kind = event_kind_name(EVENT_WARNING) };
        char text[1024];
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(text, sizeof(text), fmt, ap);
        va_end(ap);
        log_warn("%s%s%s%s", c ? "container " : "", c ? c->key : "", c ? ": " : "", text);
        ev.message = text_clean(text, sizeof(text) - 1);
        if (c) {
                ev.owner = c->params->owner;
                ev.ns = c->params->ns;
                ev.id = c->params->id;
        }
        daemon_publish(d, &ev);
}

void publish_unusable(struct daemon *d, const char *owner, const char *ns, const char *id, const char *why)
{
        struct event ev = { .kind = event_kind_name(EVENT_WARNING), .owner = owner, .ns = ns, .id = id };
        char text[ERROR_MESSAGE_MAX + 64];

        snprintf(text, sizeof(text), "its record cannot be used and is left as it is: %s", why);
        log_warn("container %s/%s/%s: %s", owner, ns, id, text);
        ev.message = text_clean(text, sizeof(text) - 1);
        daemon_publish(d, &ev);
}

static struct event event_of(const struct container *c, enum event_kind kind)
{
        return (struct event){
                .kind = event_kind_name(kind),
                .owner = c->params->owner,
                .ns = c->params->ns,
                .id = c->params->id,
        };
}

void publish_create(struct container *c)
{
        struct event ev = event_of(c, EVENT_CREATE);

        if (c->create_published)
                return;
        ev.pid = (uint32_t)c->init.pid;
        ev.bundle = c->params->bundle;
        ev.rootfs = c->params->rootfs;
        ev.terminal = c->params->terminal;
        ev.stdin_path = c->params->stdin_path;
        ev.stdout_path = c->params->stdout_path;
        ev.stderr_path = c->params->stderr_path;
        ev.checkpoint = c->params->checkpoint;
        daemon_publish(c->daemon, &ev);
        c->create_published = true;
}

void publish_start(struct process *p)
{
        struct event ev = event_of(p->container, process_is_init(p) ? EVENT_START : EVENT_EXEC_STARTED);

        if (p->start_published)
                return;
        ev.exec_id = p->exec_id;
        ev.pid = (uint32_t)p->pid;
        daemon_publish(p->container->daemon, &ev);
        p->start_published = true;
}

void publish_exit(struct process *p)
{
        struct event ev = event_of(p->container, process_is_init(p) ? EVENT_EXIT : EVENT_EXEC_EXIT);

        if (p->exit_published || !p->pid)
                return;
        ev.exec_id = p->exec_id;
        ev.pid = (uint32_t)p->pid;
        ev.exit_known = p->exit.known;
        ev.exit_status = process_exit_status(p);
        ev.exited_at = p->exited_at;
        ev.message = p->cause;
        daemon_publish(p->container->daemon, &ev);
        p->exit_published = true;
}

void publish_simple(struct container *c, enum event_kind kind, const char *exec_id, const char *message)
{
        struct event ev = event_of(c, kind);

        ev.exec_id = exec_id;
        ev.message = message;
        ev.pid = exec_id && *exec_id ? 0 : (uint32_t)c->init.pid;
        daemon_publish(c->daemon, &ev);
}

void publish_delete(struct container *c)
{
        struct event ev = event_of(c, EVENT_DELETE);

        ev.pid = (uint32_t)c->init.pid;
        ev.exit_known = c->init.exit.known;
        ev.exit_status = process_exit_status(&c->init);
        ev.exited_at = c->init.exited_at;
        daemon_publish(c->daemon, &ev);
}

/* In a pod the cgroup above a container's own is the pod's. */
static bool is_pods(const struct container *c, const struct oom_info *info)
{
        const char *path = c->cgroup ? cgroup_path(c->cgroup) : "", *slash = strrchr(path, '/');
        size_t len = slash ? (size_t)(slash - path) : 0;

        return info->level && strcmp(info->level, "above") == 0 && strcmp(c->sandbox_id, c->params->id) != 0 &&
               len > 0 && strncmp(info->cgroup, path, len) == 0 && info->cgroup[len] == '\0';
}

void publish_oom(struct container *c, const struct oom_info *info)
{
        struct event ev = event_of(c, EVENT_OOM);
        struct oom_info copy = *info;
        char victim[128] = "";

        c->oom_killed = true;
        if (is_pods(c, info)) {
                copy.level = "pod";
                copy.pod = c->sandbox_id;
        }
        if (info->victim_pid)
                snprintf(victim, sizeof(victim), "%s (%" PRIu32 ") was killed: ", info->victim_name, info->victim_pid);
        if (info->cgroup && *info->cgroup)
                snprintf(c->oom_text, sizeof(c->oom_text),
                         "%scgroup %s%s used %" PRIu64 " KiB of its limit of %" PRIu64 " KiB (highest %" PRIu64 " KiB)",
                         victim, info->cgroup, copy.pod && *copy.pod ? ", the pod's," : "", info->usage / 1024,
                         info->limit / 1024, info->max_usage / 1024);
        else
                snprintf(c->oom_text, sizeof(c->oom_text), "%sthe host had no memory left", victim);
        ev.message = text_clean(c->oom_text, sizeof(c->oom_text) - 1);
        ev.pid = (uint32_t)c->init.pid;
        ev.oom = &copy;
        daemon_publish(c->daemon, &ev);
}

/* Hundredths of a percent of the last ten seconds. */
static uint64_t waited(const struct pressure_change *change, const char *kind)
{
        for (size_t i = 0; i < change->psi.n; i++)
                if (strcmp(change->psi.items[i].kind, kind) == 0)
                        return change->psi.items[i].avg10_centi;
        return 0;
}

void publish_pressure(struct daemon *d, const struct pressure_change *change)
{
        struct event ev = { .kind = event_kind_name(EVENT_PRESSURE) };
        struct pressure_info info = { .cgroup = change->cgroup,
                                      .level = pressure_level_name(change->to),
                                      .before = pressure_level_name(change->from),
                                      .lasted_ns = change->lasted_ns,
                                      .gone = change->gone,
                                      .psi = change->psi };
        uint64_t some = waited(change, "some"), full = waited(change, "full");
        char text[LIMIT_PATH + 256];

        snprintf(text, sizeof(text),
                 "memory pressure of %s: %s, after %s; in the last 10 s some waited %" PRIu64 ".%02" PRIu64
                 " %% of the time, all %" PRIu64 ".%02" PRIu64 " %%",
                 *change->cgroup ? change->cgroup : "the host", info.level, info.before, some / 100, some % 100,
                 full / 100, full % 100);
        if (change->gone)
                snprintf(text, sizeof(text), "memory pressure of %s: the cgroup is no more, after %s", change->cgroup,
                         info.before);
        log_info("%s", text);
        ev.message = text_clean(text, LIMIT_TEXT);
        ev.pressure = &info;
        daemon_publish(d, &ev);
}
