/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What is above the daemon: sandboxd-keeper (statuses of processes that it reaped for us, proto/keeper.h), and whoever
 * listens at NOTIFY_SOCKET and stores descriptors (the keeper, or systemd itself). All of it is optional: without, the
 * calls do nothing and the backlog ends at once. The environment's variables are taken and unset, so that no child of
 * ours believes that they are meant for it. Nothing here blocks: what a socket does not take is queued.
 *
 * Whoever is above may want to hear from us (WATCHDOG_USEC): then it does, as long as the loop turns. When the keeper
 * has gone, its successor is recognised by its socket, which has the same path.
 */

#include <stdbool.h>
#include <stddef.h>
#include "base/error.h"
#include "base/loop.h"
#include "base/reaper.h"

struct keeper_link;

struct keeper_link_ops {
        /* All statuses from before our start were passed to reaper_told(): what is not known now is not known to the
         * keeper. Called once, in a later turn of the loop; without a keeper too. */
        void (*on_backlog_end)(void *data);
        /* After reaper_told() for this process, unless it is only remembered there. Optional. */
        void (*on_status)(void *data, pid_t pid, uint64_t start_time, const struct exit_info *info);
        /* The keeper has gone. Optional. */
        void (*on_lost)(void *data);
        /* There is a new one, which knows nothing yet: what is stored from now on goes there. It will start a daemon of
         * its own, as soon as this one is out of the way. Optional. */
        void (*on_replaced)(void *data);
};

/* A descriptor that was stored before, and comes back: closed with the link unless it was taken (set to -1). */
struct keeper_link_fd {
        char name[9];
        int fd;
};

int keeper_link_new(struct keeper_link **ret, struct loop *loop, struct reaper *reaper,
                    const struct keeper_link_ops *ops, void *data, struct error *err);
struct keeper_link *keeper_link_free(struct keeper_link *l);
DEFINE_CLEANUP(struct keeper_link *, keeper_link_free)

bool keeper_link_connected(const struct keeper_link *l); /* is there a keeper? */
/* It has gone a moment ago, and who started it will start another, with what it had stored. */
bool keeper_link_awaits_successor(const struct keeper_link *l);
bool keeper_link_can_notify(const struct keeper_link *l);

/* The status of this process is in our own record, or nobody will ever ask for it. NULL link is fine. */
void keeper_link_forget(struct keeper_link *l, pid_t pid, uint64_t start_time);

/* It is about to be reaped by us, and not yet known whose it is. In order with keeper_link_forget. NULL link is
 * fine. */
void keeper_link_remember(struct keeper_link *l, pid_t pid, uint64_t start_time, const struct exit_info *info);

/* Asks the keeper to tell all that it knows: reaper_asked() now, or as soon as an earlier question is answered, and
 * reaper_answered() when it has. NULL link is fine. */
void keeper_link_ask(struct keeper_link *l);

/* Sends lines of the notify protocol ("READY=1", "STATUS=..."). NULL link is fine. 0 or -errno (-ENOBUFS: the queue is
 * full). */
int keeper_link_notify(struct keeper_link *l, const char *state);
/* Stores a descriptor (which is not consumed) so that it survives us, hung up or not. The name is 1 to 8 letters and
 * digits; the same open file is stored once under a name, others are added. In order with all that is sent. */
int keeper_link_store(struct keeper_link *l, const char *name, int fd);
int keeper_link_unstore(struct keeper_link *l, const char *name);
/* For the fronts, which store by themselves: where they do so (NULL: there is no keeper, or it is too far away); that
 * the keeper puts all that is stored under a prefix into a socket (which is not consumed), or drops it
 * (proto/keeper.h). 0 or -errno. */
const char *keeper_link_notify_path(const struct keeper_link *l);
int keeper_link_hand_over(struct keeper_link *l, const char *prefix, int sock);
int keeper_link_drop(struct keeper_link *l, const char *prefix);
/* How many datagrams wait: 0 means that all that was stored will be there for the next daemon. */
size_t keeper_link_queued(const struct keeper_link *l);

/* Waits until all that was sent before has gone out: fn is called once, and not from inside. Only to be called
 * while something is queued. */
struct keeper_link_wait {
        struct keeper_link_wait *prev, *next;
        struct keeper_link *link;
        void (*fn)(struct keeper_link_wait *w);
};
void keeper_link_when_sent(struct keeper_link *l, struct keeper_link_wait *w);
void keeper_link_wait_cancel(struct keeper_link_wait *w); /* idempotent */

/* What came back, in the order in which it was stored. */
struct keeper_link_fd *keeper_link_fds(struct keeper_link *l, size_t *ret_n);
