/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What every verb has at hand: the connection, whose containers are meant, and how to print and to fail. */

#include <stdbool.h>
#include "client/client.h"
#include "client/ctl/options.h"
#include "client/ctl/output.h"
#include "proto/proto.h"

#define EXIT_CTL 125 /* of run and exec: the failure is ours, not the process's */

struct ctl {
        struct sandboxd_client *client;
        const char *ns, *owner;
        enum format format;
        bool color; /* of standard output */
        int timeout_ms;
        int failure; /* exit status for errors of our own */
        bool connected; /* an answer has come: from now on a restart of the daemon is waited for */
};

/* All print "sandboxctl: ..." on standard error and return ctl->failure, or with -1 in their name -1. */
int ctl_fail(const struct ctl *ctl, const char *fmt, ...) _printf_(2, 3);
int ctl_usage(const struct ctl *ctl, const struct verb *verb, const char *fmt, ...) _printf_(3, 4);
void ctl_warn(const char *fmt, ...) _printf_(1, 2);
/* An error of a call, with what to do about it. `what` names the object: "web". */
int ctl_fail_reply(const struct ctl *ctl, const char *what, const struct sandboxd_reply *reply);

/* A blocking call. On failure the error is printed, and -1 returned. */
int ctl_call(struct ctl *ctl, int method, const void *params, const char *what, struct sandboxd_reply *reply);
/* Likewise, without a deadline of its own (wait, events). timeout_ms: -1, or so much. */
int ctl_call_timeout(struct ctl *ctl, int method, const void *params, const char *what, int timeout_ms,
                     struct sandboxd_reply *reply);
/* A call whose result does not matter. Returns the exit status. */
int ctl_do(struct ctl *ctl, int method, const void *params, const char *what);

/* Makes a whole id of one that may be cut: the id itself, or the only one that begins so. -1: printed. */
int ctl_resolve(struct ctl *ctl, const char *given, char ret[LIMIT_ID + 1]);
/* Runs fn for each word as an id; the exit status is the last one that is not 0. */
int ctl_each_id(struct ctl *ctl, const struct args *args,
                int (*fn)(struct ctl *ctl, const struct args *args, const char *id));

/* Options with a number in them; 0, or -1 with the error printed. Without the option *ret is left. */
int ctl_option_size(const struct ctl *ctl, const struct args *args, const char *name, int64_t *ret);
int ctl_option_u64(const struct ctl *ctl, const struct args *args, const char *name, uint64_t max, uint64_t *ret);
int ctl_option_duration(const struct ctl *ctl, const struct args *args, const char *name, int *ret_ms);

/* Prints a message as JSON, with a newline. */
void ctl_print_json(const struct message_desc *desc, const void *msg);
/* Prints and frees a table. Returns the exit status. */
int ctl_print_table(const struct ctl *ctl, struct table *t);
/* Absolute form of a path, or NULL (printed): the file must be there. The caller frees. */
char *ctl_realpath(const struct ctl *ctl, const char *path);
/* 12 random hexadecimal digits. */
void ctl_random_id(char ret[13]);
