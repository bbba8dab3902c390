/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The only creator of processes. An argument vector and an absolute path, never a shell; an explicit environment;
 * close-on-exec everywhere but for what is listed; a clean signal mask and dispositions.
 *
 * What is created by posix_spawn(3) is sandboxd-helper, small and static, which then does all else and becomes the
 * command: so what a process costs does not grow with our memory, as fork(2) does (measured: 0.9 ms for 4 MiB and 2.4
 * ms for 40 MiB, copies on later writes included, against 0.65 ms).
 *
 * The child waits before exec until spawn_release() (the caller first records its pid: a command in flight must be
 * known to the next daemon), and calls _exit if we die before: end of file on the gate. There is no PDEATHSIG.
 *
 * The child opens the client's stdio paths itself, because open() of a strange path may block; the ends that we keep
 * come back over the status socket with SCM_RIGHTS. The status socket also tells which step failed with which errno,
 * and that exec was done.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include "base/error.h"
#include "base/loop.h"
#include "base/reaper.h"

/* How the child comes by one of its descriptors 0, 1 or 2. */
enum spawn_stdio_kind {
        SPAWN_STDIO_NULL,      /* /dev/null */
        SPAWN_STDIO_FD,        /* dup of fd */
        SPAWN_STDIO_PATH,      /* opened by the child: a FIFO (see below), or a plain file (stdout/stderr: O_APPEND) */
        SPAWN_STDIO_FILE,      /* opened by the child: regular file, created 0644 with its directories 0755, O_APPEND
                                  (file://) */
        SPAWN_STDIO_SAME,      /* stderr only: the same open file as stdout */
        SPAWN_STDIO_HAND_BACK, /* opened by the child for us, non-blocking, a FIFO O_RDWR; the child itself gets
                                  /dev/null */
        SPAWN_STDIO_RELAY,     /* output: a FIFO is opened by the child for us, non-blocking, O_RDWR, and the child
                                  itself gets a dup of fd; what is no FIFO is as with SPAWN_STDIO_PATH */
};
/*
 * FIFO for output: the child opens it O_RDONLY|O_NONBLOCK (that end comes back to us, so that a reader that restarts
 * gives the process no EPIPE), then O_WRONLY for the process. FIFO for input: O_RDONLY|O_NONBLOCK for the process, made
 * blocking after, and O_WRONLY|O_NONBLOCK which comes back to us: closing it is CloseIO. Both are given to uid:gid
 * where `chown`.
 */
struct spawn_stdio {
        enum spawn_stdio_kind kind;
        int fd;           /* SPAWN_STDIO_FD, SPAWN_STDIO_RELAY; not consumed */
        const char *path; /* the others, but SPAWN_STDIO_NULL and SPAWN_STDIO_SAME; and SPAWN_STDIO_RELAY */
        bool chown;
        uid_t uid;
        gid_t gid;
};

struct spawn_inherit {
        int fd;     /* ours; not consumed */
        int target; /* number in the child, >= 3 */
};

struct spawn_params {
        const char *path;    /* absolute */
        char *const *argv;   /* NULL-terminated, argv[0] included */
        char *const *envp;   /* NULL-terminated; NULL: empty environment */
        const char *cwd;     /* NULL: "/" */
        struct spawn_stdio stdio[3];
        const struct spawn_inherit *inherit;
        size_t n_inherit;    /* <= 8 */
        int netns_fd;        /* setns(2) CLONE_NEWNET first; -1: none */
        int cgroup_procs_fd; /* an open cgroup.procs to which the child writes itself; -1: none */
        bool new_session;    /* setsid(2) */
        uint64_t fsize_max;  /* RLIMIT_FSIZE, 0: none: bounds what a captured command can write */
};
#define SPAWN_PARAMS_NULL ((struct spawn_params){ .netns_fd = -1, .cgroup_procs_fd = -1 })

struct spawn_ready {
        bool ok;             /* exec was done */
        const char *step;    /* not ok: what failed: "open stdout", "exec" ... */
        int errnum;          /* not ok: positive errno */
        int kept[3]; /* our ends of the FIFOs for 0, 1, 2, or -1. The callee takes those it wants and sets them to -1;
                      * the rest is closed after the call */
};

struct spawn;
typedef void (*spawn_ready_fn)(struct spawn *s, struct spawn_ready *ready); /* once; before exit */
typedef void (*spawn_exit_fn)(struct spawn *s, const struct exit_info *info); /* once; after ready; s is idle again */

struct spawn {
        struct loop *loop;
        struct watch_pid pid;       /* pid.pidref tells pid and start time */
        struct watch_fd status_watch;
        int status_fd; /* also the gate: our end. Closed before spawn_release, the child calls _exit */
        int kept[3];
        const char *step;
        int step_errno;
        bool active, ready_seen;
        struct exit_info exit;
        struct deferred exit_later; /* private: the exit came before ready */
        spawn_ready_fn on_ready;
        spawn_exit_fn on_exit;
};
void spawn_init(struct spawn *s, struct loop *loop);
/* Creates the child, which waits at the gate. 0 or -errno (-EAGAIN: no processes, -EMFILE, -ENOMEM ...). Callbacks
 * never run from inside this call. */
int spawn_start(struct spawn *s, struct reaper *r, const struct spawn_params *params, spawn_ready_fn on_ready,
                spawn_exit_fn on_exit);
void spawn_release(struct spawn *s); /* opens the gate */
int spawn_kill(struct spawn *s, int signal); /* 0 or -errno */
bool spawn_active(const struct spawn *s);
/* Forgets the child: it goes on and becomes an orphan. */
void spawn_abandon(struct spawn *s);
