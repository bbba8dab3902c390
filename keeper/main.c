/* SPDX-License-Identifier: Apache-2.0 */

/*
 * sandboxd-keeper: the parent that stays. It starts the daemon again when that dies, is a subreaper so that the dead
 * daemon's processes become its children, remembers how they ended, and keeps the descriptors that the daemon wants to
 * have again. It is made not to die: one thread, one poll(2), nothing that blocks, and nothing that it parses but the
 * lines of the notify protocol. Memory is bounded by the two tables.
 */

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "keeper/handover.h"
#include "keeper/loop.h"
#include "keeper/notify.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "0"
#endif

static const char usage_text[] =
        "usage: sandboxd-keeper [--root DIR] [--store-max N] [--watchdog S] -- PROGRAM [ARGUMENT...]\n"
        "  --root DIR     directory of keeper.notify and keeper.lock; default /run/sandboxd\n"
        "  --store-max N  at most so many stored descriptors; default 4096, up to 14000\n"
        "  --watchdog S   kill PROGRAM if it does not say WATCHDOG=1 for so many seconds;\n"
        "                 default 0, never, or what WATCHDOG_USEC says\n"
        "  --version      prints the version\n";

struct options {
        const char *root;
        size_t store_max;
        uint64_t watchdog_ns;
        char **argv;
};

/* 0, or the exit status plus one. */
static int parse_options(struct options *o, int argc, char **argv)
{
        static const struct option long_options[] = {
                { "root", required_argument, NULL, 'r' },
                { "store-max", required_argument, NULL, 's' },
                { "watchdog", required_argument, NULL, 'w' },
                { "version", no_argument, NULL, 'v' },
                { "help", no_argument, NULL, 'h' },
                { 0 },
        };
        char *end;
        int c;

        *o = (struct options){ .root = "/run/sandboxd", .store_max = STORE_MAX_DEFAULT };
        while ((c = getopt_long(argc, argv, "+", long_options, NULL)) != -1) {
                switch (c) {
                case 'r':
                        o->root = optarg;
                        break;
                case 's':
                        errno = 0;
                        o->store_max = strtoul(optarg, &end, 10);
                        if (errno || end == optarg || *end || optarg[0] == '-' || o->store_max > STORE_MAX_LIMIT) {
                                fprintf(stderr, "sandboxd-keeper: --store-max %s: not a number from 0 to %u\n", optarg,
                                        STORE_MAX_LIMIT);
                                return 2 + 1;
                        }
                        break;
                case 'w':
                        o->watchdog_ns = strtoull(optarg, &end, 10) * NSEC_PER_SEC;
                        if (end == optarg || *end || optarg[0] == '-' || o->watchdog_ns > 3600 * NSEC_PER_SEC) {
                                fprintf(stderr, "sandboxd-keeper: --watchdog %s: not a number from 0 to 3600\n",
                                        optarg);
                                return 2 + 1;
                        }
                        break;
                case 'v':
                        puts("sandboxd-keeper " PACKAGE_VERSION);
                        return 0 + 1;
                case 'h':
                        fputs(usage_text, stdout);
                        return 0 + 1;
                default:
                        fputs(usage_text, stderr);
                        return 2 + 1;
                }
        }
        if (optind >= argc || o->root[0] != '/') {
                fputs(optind >= argc ? usage_text : "sandboxd-keeper: --root: not an absolute path\n", stderr);
                return 2 + 1;
        }
        o->argv = argv + optind;
        return 0;
}

static int lock_root(struct keeper *k, const char *root)
{
        char path[PATH_MAX];

        if (mkdir(root, 0755) < 0 && errno != EEXIST) {
                log_error("mkdir %s: %s", root, strerror(errno));
                return -1;
        }
        snprintf(path, sizeof(path), "%s/keeper.lock", root);
        k->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (k->lock_fd < 0) {
                log_error("open %s: %s", path, strerror(errno));
                return -1;
        }
        if (flock(k->lock_fd, LOCK_EX | LOCK_NB) < 0) {
                log_error("%s: another sandboxd-keeper has this --root", path);
                return -1;
        }
        return 0;
}

static int open_notify(struct keeper *k, const char *root)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int one = 1;
        mode_t mask;
        int r;

        if ((size_t)snprintf(k->notify_path, sizeof(k->notify_path), "%s/keeper.notify", root) >=
            sizeof(address.sun_path)) {
                log_error("--root %s: too long for the name of a socket", root);
                return -1;
        }
        if (k->notify_fd >= 0)
                return 0; /* handed over, with all that is in its queue */
        memcpy(address.sun_path, k->notify_path, strlen(k->notify_path) + 1);
        k->notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (k->notify_fd < 0 || setsockopt(k->notify_fd, SOL_SOCKET, SO_PASSCRED, &one, sizeof(one)) < 0) {
                log_error("make the notify socket: %s", strerror(errno));
                return -1;
        }
        unlink(k->notify_path);
        mask = umask(0177);
        r = bind(k->notify_fd, (struct sockaddr *)&address, sizeof(address));
        umask(mask);
        if (r < 0) {
                log_error("bind %s: %s", k->notify_path, strerror(errno));
                return -1;
        }
        return 0;
}

/* A subreaper, signals as a descriptor, and room for what is stored. */
static int become_keeper(struct keeper *k)
{
        struct rlimit all;
        sigset_t set;

        if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0) {
                log_error("become a subreaper: %s", strerror(errno));
                return -1;
        }
        signal(SIGPIPE, SIG_IGN);
        signal(SIGCHLD, SIG_DFL); /* if it was ignored by whoever started us, there would be no statuses */
        sigemptyset(&set);
        sigaddset(&set, SIGCHLD);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGINT);
        sigaddset(&set, SIGHUP);
        sigaddset(&set, SIGUSR1);
        sigaddset(&set, SIGUSR2);
        if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
                return -1;
        k->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
        if (k->signal_fd < 0) {
                log_error("make a signalfd: %s", strerror(errno));
                return -1;
        }
        if (!k->nofile.rlim_max && getrlimit(RLIMIT_NOFILE, &k->nofile) < 0)
                return -1;
        all = (struct rlimit){ k->nofile.rlim_max, k->nofile.rlim_max };
        setrlimit(RLIMIT_NOFILE, &all);
        return 0;
}

/* What the manager above has of an earlier keeper. Returns the first descriptor that is of nobody. */
static int take_stored(struct keeper *k)
{
        const char *names = getenv("LISTEN_FDNAMES"), *pid = getenv("LISTEN_PID"), *n = getenv("LISTEN_FDS");
        int end = 3 + (n ? atoi(n) : 0);

        if (!names || !pid || atoi(pid) != getpid() || end < 3 || end > 3 + (int)STORE_MAX_LIMIT)
                return 3;
        for (int fd = 3; fd < end; fd++) {
                size_t len = strcspn(names, ":");
                char name[KEEPER_NAME_MAX + 1];

                if (fd_set_cloexec(fd, true) == 0) {
                        if (!notify_name(name, names, len))
                                fd_close(fd);
                        else if (store_add(&k->store, name, fd, false) < 0)
                                log_warn("the stored descriptor %s is dropped: no room", name);
                        else
                                k->store.items[k->store.n - 1].backed_up = true;
                }
                names += len + (names[len] == ':');
        }
        log_info("%zu descriptors of an earlier keeper are back", k->store.n);
        return end;
}

/* Takes what is meant for us, and leaves nothing of it to the daemon: neither variables nor descriptors. */
static void take_environment(struct keeper *k, const struct options *o)
{
        static const char *const ours[] = { "NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES",
                                            "WATCHDOG_USEC", "WATCHDOG_PID", KEEPER_FD_ENV, HANDOVER_ENV };
        int first = 3;

        if (upstream_init(&k->upstream, getenv("NOTIFY_SOCKET"), &k->store) < 0)
                log_warn("NOTIFY_SOCKET is not the name of a unix socket: nobody is notified");
        watchdog_init(&k->watchdog, getenv("WATCHDOG_USEC"), getenv("WATCHDOG_PID"), o->watchdog_ns);
        if (!handover_take(k, getenv(HANDOVER_ENV)))
                first = take_stored(k);
        else
                first = INT_MAX;
        for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
                unsetenv(ours[i]);
        if (first < INT_MAX)
                close_range((unsigned)first, UINT_MAX, 0);
}

/* The daemon's new program is started whether or not ours can be: they are replaced together, but one may be. */
static void upgrade(struct keeper *k, const char *program, char **argv)
{
        int r = handover_exec(k, program, argv);

        log_error("execute %s: %s; this keeper goes on", program, strerror(-r));
        k->upgrade = false;
        keeper_replace_children(k);
}

int main(int argc, char **argv)
{
        struct keeper k = KEEPER_NULL;
        char program[PATH_MAX];
        struct options o;
        bool replaced;
        int r = parse_options(&o, argc, argv);

        if (r > 0)
                return r - 1;
        handover_remember_program(program, sizeof(program));
        keeper_init(&k, o.argv, o.store_max);
        take_environment(&k, &o);
        replaced = k.notify_fd >= 0;
        if (lock_root(&k, o.root) < 0 || open_notify(&k, o.root) < 0 || become_keeper(&k) < 0) {
                r = EXIT_FAILURE;
        } else {
                if (replaced)
                        keeper_replace_children(&k);
                while ((r = keeper_run(&k)) < 0)
                        upgrade(&k, program, argv); /* returns only if it fails: then all goes on as before */
        }
        keeper_deinit(&k);
        return r;
}
