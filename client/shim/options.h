/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The options of a Create: whichever of containerd's types they are of, or the option file that they name, as the
 * parameters of our create. Options of a type that we do not know are not an error, what cannot be read in those that
 * we know is.
 */

#include "proto/codec.h"
#include "proto/shim/common.pb-c.h"

/* options may be NULL. Fills in the runtime, its root and flags, and the owner of the FIFOs; memory is of the arena. 0
 * or -1. */
int options_apply(const Shim__Any *options, struct create_params *ret, struct arena *a, struct error *err);

/* The checkpoint's flags and work path likewise. */
int options_apply_checkpoint(const Shim__Any *options, struct checkpoint_params *ret, struct arena *a,
                             struct error *err);
