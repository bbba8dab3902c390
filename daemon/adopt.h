/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Adoption: at its start the daemon takes over what an earlier one left. The truth comes from the kernel and the
 * runtime; the record only says what to look for. Commands of the earlier daemon that are still in flight are awaited
 * (each holds up its own container only), and what they made is taken; a create that made nothing is undone, half-done
 * deletes are done, and what died meanwhile is reported with the status that the keeper or the kernel tells, or as
 * unknown.
 */

#include "base/error.h"

struct adoption;
struct daemon;

/* Reads all records, and decides on them once the keeper has told what it knows. `done` is called, later, when requests
 * can be served. */
int adoption_start(struct daemon *d, void (*done)(struct daemon *d), struct error *err);
struct adoption *adoption_free(struct adoption *a);
/* The keeper has told all that it remembers (without a keeper: nothing). */
void adoption_backlog_told(struct adoption *a);
