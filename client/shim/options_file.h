/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * An option file: gVisor's, named by ConfigPath (binary_name, root, [runsc_config] ...), or the options table of a CRI
 * runtime as text (BinaryName, Root, SystemdCgroup ...). The two have different spellings of the same names and are
 * read as one.
 */

#include "proto/toml.h"
#include "proto/codec.h"

/* name: of the file, for messages. Unknown keys are passed over: they are those of a newer containerd. 0 or -1. */
int options_file_apply(const char *name, const char *text, size_t len, struct create_params *ret, struct arena *a,
                       struct error *err);
