/* SPDX-License-Identifier: Apache-2.0 */

/* What came back is sorted by name once; taking is a search. A name that is not one of ours is left to whoever put it
 * there: the store above may have other users. */

#include "daemon/kept.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utlist.h>
#include "base/fd.h"
#include "base/log.h"
#include "daemon/daemon.h"
#include "daemon/container.h"
#include "daemon/keeper_link.h"
#include "daemon/runtime.h"

#define NAME_LEN 8
#define DIGITS "0123456789abcdefghijklmnopqrstuvwxyz"

static const struct {
        char letter;
        const char *name;
        mode_t type; /* 0: not looked at */
} roles[KEPT_N] = {
        [KEPT_PID] = { 'p', "pidfd", 0 },
        [KEPT_CONTROL] = { 'u', "connection to its sandbox", S_IFSOCK },
        [KEPT_MASTER] = { 'm', "terminal", S_IFCHR },
        [KEPT_LISTENER] = { 'l', "console socket", S_IFSOCK },
        [KEPT_IN] = { 'i', "end of stdin", 0 }, /* with a terminal, a client may have given a file */
        [KEPT_OUT] = { 'o', "end of stdout", S_IFIFO },
        [KEPT_ERR] = { 'e', "end of stderr", S_IFIFO },
        [KEPT_OUT_PIPE] = { 'x', "pipe of stdout", S_IFIFO },
        [KEPT_ERR_PIPE] = { 'y', "pipe of stderr", S_IFIFO },
};

struct kept_store {
        struct keeper_link *link;
        struct keeper_link_fd *fds; /* the link's, sorted by name */
        size_t n;
        uint32_t newest; /* slot */
};

void kept_init(struct kept *k)
{
        *k = (struct kept){ 0 };
        for (int i = 0; i < KEPT_N; i++)
                k->fds[i] = -1;
}

/* --- names --- */

static void make_name(char name[NAME_LEN + 1], enum kept_role role, uint32_t slot)
{
        name[0] = roles[role].letter;
        for (int i = NAME_LEN - 1; i > 0; i--, slot /= 36)
                name[i] = DIGITS[slot % 36];
        name[NAME_LEN] = '\0';
}

/* Is it a name that make_name() makes? Its slot, or 0. */
static uint32_t slot_of(const char *name)
{
        uint64_t slot = 0;
        bool role = false;

        for (size_t i = 0; i < ARRAY_SIZE(roles); i++)
                role |= name[0] == roles[i].letter;
        if (!role || strlen(name) != NAME_LEN)
                return 0;
        for (int i = 1; i < NAME_LEN; i++) {
                const char *digit = strchr(DIGITS, name[i]);

                if (!digit)
                        return 0;
                slot = slot * 36 + (uint64_t)(digit - DIGITS);
        }
        return slot <= UINT32_MAX ? (uint32_t)slot : 0;
}

static int by_name(const void *a, const void *b)
{
        return strcmp(((const struct keeper_link_fd *)a)->name, ((const struct keeper_link_fd *)b)->name);
}

/* --- what came back --- */

int kept_store_new(struct kept_store **ret, struct keeper_link *link, struct error *err)
{
        struct kept_store *s = calloc(1, sizeof(*s));

        if (!s)
                return error_set(err, REASON_NO_RESOURCES, "no memory");
        s->link = link;
        s->fds = keeper_link_fds(link, &s->n);
        if (s->n > 0)
                qsort(s->fds, s->n, sizeof(*s->fds), by_name);
        for (size_t i = 0; i < s->n; i++)
                kept_store_used(s, slot_of(s->fds[i].name));
        *ret = s;
        return 0;
}

struct kept_store *kept_store_free(struct kept_store *s)
{
        free(s);
        return NULL;
}

void kept_store_used(struct kept_store *s, uint32_t slot)
{
        if (slot > s->newest)
                s->newest = slot;
}

size_t kept_store_left(const struct kept_store *s)
{
        size_t n = 0;

        for (size_t i = 0; i < s->n; i++)
                n += s->fds[i].fd >= 0 && slot_of(s->fds[i].name);
        return n;
}

void kept_store_sweep(struct kept_store *s)
{
        for (size_t i = 0; i < s->n; i++) {
                if (s->fds[i].fd < 0 || !slot_of(s->fds[i].name))
                        continue;
                log_debug("the stored descriptor %s is of no process: dropped", s->fds[i].name);
                s->fds[i].fd = fd_close(s->fds[i].fd);
                keeper_link_unstore(s->link, s->fds[i].name);
        }
}

static int take(struct kept_store *s, enum kept_role role, uint32_t slot)
{
        struct keeper_link_fd key = { .fd = -1 }, *found;

        make_name(key.name, role, slot);
        found = s->n ? bsearch(&key, s->fds, s->n, sizeof(*s->fds), by_name) : NULL;
        return found ? TAKE_FD(found->fd) : -1;
}

/* --- what a descriptor is --- */

/* 0: not known. */
static uint64_t identity(enum kept_role role, int fd)
{
        struct stat st;
        unsigned int number;

        if (role == KEPT_MASTER)
                return ioctl(fd, TIOCGPTN, &number) == 0 ? (uint64_t)number + 1 : 0;
        return fstat(fd, &st) == 0 ? st.st_ino : 0;
}

/* NULL: it is what it should be. */
static const char *what_is_wrong(const struct process *p, enum kept_role role, int fd)
{
        uint64_t want = p->kept.ids[role];
        struct stat st;

        if (fstat(fd, &st) < 0)
                return "it cannot be looked at";
        if (roles[role].type && (st.st_mode & S_IFMT) != roles[role].type)
                return "it is of another kind";
        if (identity(role, fd) == 0)
                return "it is of another kind";
        if (want && identity(role, fd) != want)
                return "it is not the one that the record names";
        return NULL;
}

/* --- of a process --- */

static struct kept_store *store_of(const struct process *p)
{
        return p->container->daemon->kept;
}

/* What it has now. */
static int current(const struct process *p, enum kept_role role)
{
        switch (role) {
        case KEPT_PID:
                return p->watch.active ? p->watch.pidref.fd : -1;
        case KEPT_CONTROL:
                return process_control_fd(p);
        case KEPT_MASTER:
                return stdio_fd(&p->stdio, STDIO_MASTER);
        case KEPT_LISTENER:
                return stdio_fd(&p->stdio, STDIO_LISTENER);
        case KEPT_IN:
                return stdio_fd(&p->stdio, STDIO_IN);
        case KEPT_OUT:
                return stdio_fd(&p->stdio, STDIO_OUT);
        case KEPT_ERR:
                return stdio_fd(&p->stdio, STDIO_ERR);
        case KEPT_OUT_PIPE:
                return stdio_fd(&p->stdio, STDIO_OUT_PIPE);
        case KEPT_ERR_PIPE:
                return stdio_fd(&p->stdio, STDIO_ERR_PIPE);
        default:
                return -1;
        }
}

void process_keep_begin(struct process *p)
{
        struct kept_store *s = store_of(p);

        if (!s || p->kept.slot)
                return;
        if (s->newest < UINT32_MAX) /* else nothing is kept: after four thousand million processes in one boot */
                p->kept.slot = ++s->newest;
}

static void put(struct process *p, enum kept_role role, int fd)
{
        char name[NAME_LEN + 1];
        int r;

        make_name(name, role, p->kept.slot);
        r = fd >= 0 ? keeper_link_store(store_of(p)->link, name, fd) :
                      keeper_link_unstore(store_of(p)->link, name);
        if (r < 0)
                log_warn("container %s: the %s of \"%s\" will not outlive this daemon: %s", p->container->key,
                         roles[role].name, p->exec_id, strerrordesc_np(-r));
        p->kept.fds[role] = fd;
        p->kept.ids[role] = fd >= 0 ? identity(role, fd) : 0;
}

void process_keep(struct process *p)
{
        if (!store_of(p) || !p->kept.slot)
                return;
        for (int i = 0; i < KEPT_N; i++) {
                int fd = current(p, (enum kept_role)i);

                if (fd == p->kept.fds[i])
                        continue;
                if (p->kept.fds[i] >= 0)
                        put(p, (enum kept_role)i, -1);
                if (fd >= 0)
                        put(p, (enum kept_role)i, fd);
        }
}

void process_unkeep(struct process *p)
{
        if (!store_of(p) || !p->kept.slot)
                return;
        for (int i = 0; i < KEPT_N; i++)
                if (p->kept.fds[i] >= 0)
                        put(p, (enum kept_role)i, -1);
        p->kept.slot = 0; /* whatever it still does, nothing of it is kept */
}

/* --- back again --- */

static int take_back(struct process *p, enum kept_role role)
{
        _cleanup_(fd_closep) int fd = take(store_of(p), role, p->kept.slot);
        char name[NAME_LEN + 1];
        const char *wrong;

        if (fd < 0)
                return -1;
        wrong = what_is_wrong(p, role, fd);
        if (wrong) {
                make_name(name, role, p->kept.slot);
                daemon_warn(p->container->daemon, p->container,
                            "the stored descriptor %s is not taken for the %s of \"%s\": %s", name, roles[role].name,
                            p->exec_id, wrong);
                keeper_link_unstore(store_of(p)->link, name);
                return -1;
        }
        p->kept.fds[role] = fd;
        return TAKE_FD(fd);
}

void process_take_back(struct process *p)
{
        struct stdio_kept k = STDIO_KEPT_NULL;

        if (store_of(p) && p->kept.slot) {
                k.master = take_back(p, KEPT_MASTER);
                k.listener = take_back(p, KEPT_LISTENER);
                k.in = take_back(p, KEPT_IN);
                k.out = take_back(p, KEPT_OUT);
                k.err = take_back(p, KEPT_ERR);
                k.out_pipe = take_back(p, KEPT_OUT_PIPE);
                k.err_pipe = take_back(p, KEPT_ERR_PIPE);
        }
        stdio_reopen(&p->stdio, &p->paths, &k, p->stdin_closed);
        process_watch_terminal(p);
        process_keep_begin(p);
        process_keep(p);
}

int process_kept_pidfd(struct process *p)
{
        int fd = store_of(p) && p->kept.slot ? take_back(p, KEPT_PID) : -1;

        return fd;
}

int process_kept_control(struct process *p)
{
        return store_of(p) && p->kept.slot ? take_back(p, KEPT_CONTROL) : -1;
}

void daemon_keep_again(struct daemon *d)
{
        struct container *c, *tmp;
        struct process *p;

        HASH_ITER(hh, d->containers, c, tmp) {
                for (int i = 0; i < KEPT_N; i++)
                        c->init.kept.fds[i] = -1;
                process_keep(&c->init);
                DL_FOREACH(c->execs, p) {
                        for (int i = 0; i < KEPT_N; i++)
                                p->kept.fds[i] = -1;
                        process_keep(p);
                }
        }
}
