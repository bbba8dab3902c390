/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Who may do what: root and the configured users everything, every other peer that the socket's mode lets connect may
 * only look (methods with access READ).
 */

#include <stddef.h>
#include <sys/types.h>
#include "proto/proto.h"

struct access_list {
        uid_t *write_uids; /* beside root; owned */
        size_t n_write_uids;
};
int access_list_init(struct access_list *a, const uid_t *write_uids, size_t n); /* 0 or -ENOMEM; copies */
void access_list_deinit(struct access_list *a);

/* 0, or -1 with PERMISSION. */
int access_check(const struct access_list *a, uid_t uid, const struct method_desc *method, struct error *err);
