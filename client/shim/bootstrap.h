/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What containerd writes to the standard input of `start`, and the answer that it expects for that. Up to 2.2 these are
 * the options of the runtime, or nothing; the answer is a plain address, which every containerd understands, and
 * which means version 2 of the Task service. Since 2.3 it is a BootstrapParams, and the answer a BootstrapResult, which
 * can tell the version: it is 3. Those who write it as JSON get JSON.
 */

#include "base/buf.h"
#include "client/shim/args.h"
#include "proto/shim/bootstrap.pb-c.h"

enum bootstrap_form { BOOTSTRAP_PLAIN, BOOTSTRAP_PROTOBUF, BOOTSTRAP_JSON };

struct bootstrap {
        enum bootstrap_form form;
        Shim__BootstrapParams *params; /* BOOTSTRAP_PROTOBUF */
        Shim__Any *options;            /* BOOTSTRAP_PLAIN, may be NULL */
};

void bootstrap_parse(struct bootstrap *ret, const struct buf *in, const struct shim_args *args);
void bootstrap_deinit(struct bootstrap *b);

/* Where containerd takes events, if it says so: "" otherwise. */
const char *bootstrap_ttrpc_address(const struct bootstrap *b);
/* The cgroup for the shim (ShimCgroup of the options), or NULL. The caller frees it. */
char *bootstrap_cgroup(const struct bootstrap *b);

/* The answer for the socket at this path. */
void bootstrap_answer(const struct bootstrap *b, const char *address, struct buf *out);
