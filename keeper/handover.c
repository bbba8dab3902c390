/* SPDX-License-Identifier: Apache-2.0 */

/* The variables of the manager above are set again for the new program, as this one has taken them. */

#include "keeper/handover.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "proto/keeper.h"

#define MAGIC 0x484b4253U

struct head {
        uint32_t magic, version;
        int32_t notify_fd, link_fd;
        int32_t sandboxd;
        uint32_t backlog_end_sent;
        uint64_t started_ns, backoff_ns;
        uint64_t nofile_cur, nofile_max;
        uint64_t n_stored, n_statuses, cursor, backlog;
};

struct item {
        char name[KEEPER_NAME_MAX];
        int32_t fd;
        uint8_t poll, backed_up, unused[2];
};

void handover_remember_program(char *ret, size_t size)
{
        ssize_t n = readlink("/proc/self/exe", ret, size - 1);

        ret[n > 0 ? n : 0] = '\0';
}

/* --- out --- */

static int write_state(const struct keeper *k, int fd)
{
        const struct child *c = &k->children[CHILD_SANDBOXD];
        const struct statuses *t = &k->statuses;
        struct head head = {
                .magic = MAGIC,
                .version = HANDOVER_VERSION,
                .notify_fd = k->notify_fd,
                .link_fd = k->link_fd,
                .sandboxd = c->pid,
                .backlog_end_sent = k->backlog_end_sent,
                .started_ns = c->started_ns,
                .backoff_ns = c->backoff_ns,
                .nofile_cur = k->nofile.rlim_cur,
                .nofile_max = k->nofile.rlim_max,
                .n_stored = k->store.n,
        };
        int r;

        for (size_t i = 0; i < t->n; i++) {
                bool there = t->entries[i].pid != 0;

                head.n_statuses += there;
                head.cursor += there && i < t->cursor;
                head.backlog += there && i < t->backlog;
        }
        r = fd_write_all(fd, &head, sizeof(head));

        for (size_t i = 0; r == 0 && i < k->store.n; i++) {
                const struct stored *s = &k->store.items[i];
                struct item item = { .fd = s->fd, .poll = s->poll, .backed_up = s->backed_up };

                memcpy(item.name, s->name, sizeof(item.name));
                r = fd_write_all(fd, &item, sizeof(item));
        }
        for (size_t i = 0; r == 0 && i < t->n; i++)
                if (t->entries[i].pid != 0)
                        r = fd_write_all(fd, &t->entries[i], sizeof(*t->entries));
        return r == 0 && lseek(fd, 0, SEEK_SET) < 0 ? -errno : r;
}

static void set_inherited(const struct keeper *k, int state, bool inherited)
{
        fd_set_cloexec(state, !inherited);
        fd_set_cloexec(k->notify_fd, !inherited);
        if (k->link_fd >= 0)
                fd_set_cloexec(k->link_fd, !inherited);
        for (size_t i = 0; i < k->store.n; i++)
                fd_set_cloexec(k->store.items[i].fd, !inherited);
}

static int set_variables(const struct keeper *k, int state)
{
        char text[32], path[sizeof(k->upstream.address.sun_path) + 1] = "";

        snprintf(text, sizeof(text), "%d", state);
        if (setenv(HANDOVER_ENV, text, 1) < 0)
                return -errno;
        if (k->upstream.address_len > 0) {
                memcpy(path, k->upstream.address.sun_path, sizeof(k->upstream.address.sun_path));
                if (!path[0])
                        path[0] = '@';
                if (setenv("NOTIFY_SOCKET", path, 1) < 0)
                        return -errno;
        }
        if (k->watchdog.ping_ns) {
                snprintf(text, sizeof(text), "%llu", (unsigned long long)(k->watchdog.period_ns / 1000));
                if (setenv("WATCHDOG_USEC", text, 1) < 0)
                        return -errno;
        }
        return 0;
}

int handover_exec(struct keeper *k, const char *program, char **argv)
{
        _cleanup_(fd_closep) int state = memfd_create("sandboxd-keeper", MFD_CLOEXEC);
        int r;

        if (state < 0)
                return -errno;
        r = write_state(k, state);
        if (r < 0)
                return r;
        log_info("%s is executed in place of this keeper", program);
        set_inherited(k, state, true);
        r = set_variables(k, state);
        if (r == 0) {
                execv(program, argv); /* no new process: this one goes on */
                r = -errno;
        }
        set_inherited(k, state, false);
        unsetenv(HANDOVER_ENV);
        unsetenv("NOTIFY_SOCKET");
        unsetenv("WATCHDOG_USEC");
        return r;
}

/* --- in --- */

static bool read_all(int fd, void *data, size_t len)
{
        for (size_t at = 0; at < len;) {
                ssize_t n = read(fd, (char *)data + at, len - at);

                if (n <= 0)
                        return false;
                at += (size_t)n;
        }
        return true;
}

static bool read_store(struct keeper *k, int fd, uint64_t n)
{
        for (uint64_t i = 0; i < n; i++) {
                char name[KEEPER_NAME_MAX + 1] = "";
                struct item item;

                if (!read_all(fd, &item, sizeof(item)))
                        return false;
                memcpy(name, item.name, sizeof(item.name));
                fd_set_cloexec(item.fd, true);
                if (store_add(&k->store, name, item.fd, item.poll) == 0 && item.backed_up)
                        k->store.items[k->store.n - 1].backed_up = true;
        }
        return true;
}

static bool read_statuses(struct keeper *k, int fd, const struct head *head)
{
        struct statuses *t = &k->statuses;

        for (uint64_t i = 0; i < head->n_statuses; i++) {
                struct status s;

                if (!read_all(fd, &s, sizeof(s)))
                        return false;
                statuses_add(t, &s);
        }
        t->cursor = head->cursor < t->n ? head->cursor : t->n;
        t->backlog = head->backlog < t->n ? head->backlog : t->n;
        return true;
}

bool handover_take(struct keeper *k, const char *value)
{
        struct child *c = &k->children[CHILD_SANDBOXD];
        _cleanup_(fd_closep) int fd = value ? atoi(value) : -1;
        struct head head;

        if (fd < 3 || !read_all(fd, &head, sizeof(head)) || head.magic != MAGIC)
                return false;
        if (head.version > HANDOVER_VERSION) {
                log_warn("the keeper before this one was newer (its state has version %u, and %d is known): this one "
                         "begins anew",
                         head.version, HANDOVER_VERSION);
                return false;
        }
        k->notify_fd = head.notify_fd;
        fd_set_cloexec(k->notify_fd, true);
        k->link_fd = head.link_fd;
        if (k->link_fd >= 0)
                fd_set_cloexec(k->link_fd, true);
        k->backlog_end_sent = head.backlog_end_sent;
        k->nofile = (struct rlimit){ head.nofile_cur, head.nofile_max };
        c->pid = head.sandboxd;
        c->started_ns = head.started_ns;
        c->backoff_ns = head.backoff_ns;
        watchdog_fed(&k->watchdog, clock_monotonic_ns());
        if (!read_store(k, fd, head.n_stored) || !read_statuses(k, fd, &head))
                log_error("the state of the keeper before this one is cut short");
        log_info("in place of the keeper before: pid of sandboxd %d, %zu stored descriptors, %zu statuses", (int)c->pid,
                 k->store.n, statuses_count(&k->statuses));
        return true;
}
