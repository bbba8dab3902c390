/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The process of a binary:// URI: gets the read ends of stdout and stderr as descriptors 3 and 4, and says that it is
 * ready by writing a byte to descriptor 5, or by closing it. Its environment is CONTAINER_ID and CONTAINER_NAMESPACE.
 *
 * It outlives its owner: once released it sees the end of its pipes; one that does not end by itself gets SIGTERM after
 * LOGGER_TERM_NS and SIGKILL after LOGGER_KILL_NS, and the object frees itself when the process has ended. (SIGTERM is
 * not sent at once, since most loggers would die of it with the last lines unread in their pipes.)
 */

#include "base/spawn.h"
#include "daemon/stdio_uri.h"

#define LOGGER_READY_NS (10 * NSEC_PER_SEC)
#define LOGGER_TERM_NS (2 * NSEC_PER_SEC)
#define LOGGER_KILL_NS (12 * NSEC_PER_SEC)

struct logger;
/* ready (NULL) or not; once, and never from inside logger_new */
typedef void (*logger_fn)(void *data, const struct error *err);

int logger_new(struct logger **ret, struct loop *loop, struct reaper *reaper, const struct stdio_uri *uri,
               const char *ns, const char *id, logger_fn fn, void *data, struct error *err);
/* The write ends for the process, i = 1 and 2; borrowed. */
int logger_output(const struct logger *l, int i);
/* The same, given away: -1 from then on. */
int logger_take_output(struct logger *l, int i);
/* The process has its copies: ours would keep the logger from seeing their end. */
void logger_close_outputs(struct logger *l);
/* The process has ended: the logger may end too. */
void logger_process_ended(struct logger *l);
/* The owner is done with it; returns NULL. */
struct logger *logger_release(struct logger *l);
