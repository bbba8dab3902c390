/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The verbs: X(name), in the order of the help. One file each: cmd_<name>.c. */

#include "client/ctl/ctl.h"
#include "client/ctl/terminal.h"

#define VERBS(X)                                                                                                       \
        X(run)                                                                                                         \
        X(create) X(start) X(exec) X(attach) X(kill) X(wait) X(pause) X(resume) X(delete) X(list) X(state) X(ps)       \
                X(stats) X(top) X(metrics) X(events) X(update) X(checkpoint) X(restore) X(spec) X(info) X(debug) X(help)

#define VERB_DECL(name) extern const struct verb verb_##name;
VERBS(VERB_DECL)

int detach_keys(const struct args *args, struct detach *ret); /* of --detach-keys; 0, or -1 (printed) */
