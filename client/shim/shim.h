/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What containerd-shim-sandboxd-v1 can be told to do. Each returns the exit status; usage is 2. */

#include "client/shim/args.h"

#define SHIM_EXIT_USAGE 2

int stub_start(const struct shim_args *args);  /* start */
int stub_delete(const struct shim_args *args); /* delete */
int stub_info(void);                           /* -info */
int stub_version(void);                        /* -v */
int front_main(const struct shim_args *args);  /* serve */
