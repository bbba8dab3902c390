/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The keeper's one parser: a datagram of the notify protocol (sd_notify(3)), lines of NAME=VALUE. */

#include <stdbool.h>
#include <stddef.h>
#include "proto/keeper.h"

#define NOTIFY_MAX 4096 /* bytes of a datagram; longer ones are ignored */
#define NOTIFY_STATUS_MAX 256

struct notify {
        bool ready, stopping, watchdog;
        bool store, remove;
        bool poll; /* drop a stored descriptor that hangs up: the default, FDPOLL=0 keeps it */
        bool name_ok; /* no FDNAME is fine: then it is "stored" */
        char name[KEEPER_NAME_MAX + 1];
        char status[NOTIFY_STATUS_MAX]; /* "": none was sent; control characters are blanks */
};

/* The name of a stored descriptor. False: it is not a good one. */
bool notify_name(char ret[KEEPER_NAME_MAX + 1], const char *value, size_t len);
/* Unknown lines are ignored, as the protocol wants. `text` need not end in NUL. */
void notify_parse(struct notify *ret, const char *text, size_t len);
