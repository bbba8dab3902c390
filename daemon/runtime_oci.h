/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the drivers share: building and running a runtime's command line. */

#include "daemon/runtime.h"

/* Begins `op` as any runc-compatible CLI does it. */
void oci_begin(struct op *op);
void oci_cancel(struct op *op);
int oci_kill_rest(struct container *c);

/* Makes op->command ready for any program; the environment is a runtime's. */
void oci_new_command(struct op *op, enum command_class class);
/* sandboxd-helper, likewise; output and error captured. */
void oci_helper(struct op *op, const char *verb, const char *arg, enum command_class class);
/* runtime_prepare.c: PREPARE and CLEAN. */
void oci_prepare(struct op *op);
void oci_clean(struct op *op);
/* Makes op->command ready with the global arguments (--root, --log ...) and the sub-command; output and error captured.
 * More arguments by command_arg(&op->command, ...), then oci_submit. */
void oci_command(struct op *op, const char *verb, enum command_class class);
void oci_submit(struct op *op, command_done_fn done);
/* Signals the process itself by its pidfd and finishes the op. */
void oci_kill_by_pidfd(struct op *op);
/* A runc-compatible runtime says so when there is nothing of that id. */
bool oci_says_not_there(const char *error_text);
