/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A keeper becomes the keeper that is on the disk now: it executes it, and so keeps its pid, its children, and what it
 * holds. What is not the kernel's goes along in a memory file, whose descriptor HANDOVER_ENV names: numbers of
 * descriptors, the stored ones with their names, and the statuses. A file of a newer version is not understood: then
 * the new keeper begins as if the old one had been killed, and the daemon, which runs on, finds it and stores again.
 */

#include <stdbool.h>
#include <stddef.h>
#include "keeper/loop.h"

#define HANDOVER_ENV "SANDBOXD_KEEPER_STATE"
#define HANDOVER_VERSION 1

/* Where our own program is; to be asked before it can have been replaced. */
void handover_remember_program(char *ret, size_t size);
/* Returns only when it fails: -errno, and all is as it was. */
int handover_exec(struct keeper *k, const char *program, char **argv);
/* True: k is what the keeper before was, apart from what main() opens. value: of HANDOVER_ENV, or NULL. */
bool handover_take(struct keeper *k, const char *value);
