/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The reaper: every exit of every process that we know of arrives here, once, and goes to its watcher.
 *
 * Three sources: SIGCHLD (reaper_drain: our children and, as we are a subreaper, orphans of the runtimes), the pidfd of
 * a watched process (also of one that is not our child: adopted after a restart), and the keeper (reaper_told). A
 * zombie that nobody watches is reaped at once, since runsc's delete waits for gofers that nobody reaped, and its
 * status is remembered for as long as a command is in flight that began before it ended: only such a command can still
 * name it in a pid file. Children are looked at with waitid(WNOWAIT) for status and start time, told to their watcher,
 * which records it, and then that one pid is reaped: killed in between, we leave a zombie whose next parent finds the
 * same status.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uthash.h>
#include "base/loop.h"
#include "base/pidref.h"

struct reaper;

struct exit_info {
        bool known;           /* false: the process ended and its status cannot be known */
        int wait_status;      /* as of wait(2) */
        uint64_t realtime_ns; /* when it was seen */
};

struct watch_pid;
/* called once; the watch has stopped */
typedef void (*watch_pid_fn)(struct watch_pid *w, const struct exit_info *info);
struct watch_pid {
        struct watch_fd watch;
        struct pidref pidref; /* owned by the watch while it is active, and still open in the callback; after it, only
                               * pid and start_time mean something */
        struct reaper *reaper;
        watch_pid_fn fn;
        uint64_t since; /* private: 0, or the start time is not known, and not earlier than this */
        uint64_t ask;   /* private: it has gone; which asking of the keeper is about it. 0: none */
        UT_hash_handle hh; /* by pid */
        bool active;
        unsigned polls; /* private: pidfd was readable and the status not yet there */
        struct watch_timer retry; /* private */
        struct exit_info told;    /* private: known at the start, reported in a later turn */
        bool has_told;
};

/* Makes this process a child subreaper (prctl(2), PR_SET_CHILD_SUBREAPER). The owner routes SIGCHLD to reaper_drain.
 * helper: the path of sandboxd-helper, with which base/spawn.h makes children; NULL: there will be none. */
int reaper_new(struct reaper **ret, struct loop *loop, const char *helper);
struct reaper *reaper_free(struct reaper *r);
DEFINE_CLEANUP(struct reaper *, reaper_free)
int reaper_helper(const struct reaper *r); /* borrowed; -1 */

/* Reaps all that there is now. Call on SIGCHLD. */
void reaper_drain(struct reaper *r);

/* The keeper says: it reaped this process. A status for an unknown process is remembered like that of an orphan: then
 * true. */
bool reaper_told(struct reaper *r, pid_t pid, uint64_t start_time, const struct exit_info *info);

void watch_pid_init(struct watch_pid *w);
/* Takes *p (also on failure). Without a pidfd (p->fd == -1) one is opened if the process is still there. The callback
 * never runs from inside this call. A process that has ended already, also one whose zombie was reaped before as an
 * orphan (see reaper_claim), is reported in a later turn of the loop. */
int watch_pid_start(struct watch_pid *w, struct reaper *r, struct pidref *p, watch_pid_fn fn);
/* Of a process that has gone, and whose end the keeper will tell, if anybody can: it reaped it already, and its words
 * are on their way. It started at `since` (clock ticks since boot) or later; when it is told, w->pidref says when. */
int watch_pid_expect(struct watch_pid *w, struct reaper *r, pid_t pid, uint64_t since, watch_pid_fn fn);
void watch_pid_stop(struct watch_pid *w); /* closes the pidfd; the process stays and becomes an orphan when it ends */

/* --- orphans --- */
/* While a hold exists, statuses of orphans that end from now on are kept. */
struct reaper_hold {
        struct reaper_hold *prev, *next;
        struct reaper *reaper;
        uint64_t seq;
        uint64_t begin_ticks; /* clock ticks since boot: what a pid file names cannot be older */
};
void reaper_hold(struct reaper *r, struct reaper_hold *hold);
/* remember: an orphan is about to be reaped, and its status is then known to us alone: whoever can keep it for the case
 * that we are killed does it now. forget: nobody has claimed it, and nobody will. (A claimed one is the claimer's.)
 * ask: a process that is watched has gone already; if the keeper was its parent, it has reaped it. Calls reaper_asked()
 * when that is asked, and reaper_answered() when it has told all that it knew then. Optional. */
struct reaper_orphan_ops {
        void (*remember)(void *data, pid_t pid, uint64_t start_time, const struct exit_info *info);
        void (*forget)(void *data, pid_t pid, uint64_t start_time);
        void (*ask)(void *data);
};
void reaper_on_orphan(struct reaper *r, const struct reaper_orphan_ops *ops, void *data);
void reaper_asked(struct reaper *r);
void reaper_answered(struct reaper *r); /* who had gone when it was asked, and was not told of, is of unknown status */
void reaper_unhold(struct reaper_hold *hold);
/* Finds and removes the remembered status of pid which started at or after the hold began. Returns true if there. */
bool reaper_claim(const struct reaper_hold *hold, pid_t pid, uint64_t *ret_start_time, struct exit_info *ret);
size_t reaper_n_orphans(const struct reaper *r); /* remembered ones */
