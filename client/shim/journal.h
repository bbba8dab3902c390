/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What must not be lost when the front is killed between any two instructions: a log in a memfd, which the keeper has a
 * copy of. A record counts from the moment in which its header is there, one store of 8 bytes after its data; the
 * memory behind the last one is zero. Nothing is ever overwritten: what is no longer needed leaves when the log is
 * written anew. What the records mean is the affair of the connections.
 */

#include <stddef.h>
#include <stdint.h>
#include "base/cleanup.h"

#define JOURNAL_CONN_MAX 0xffffffU

struct journal {
        int fd;
        uint8_t *map;
        size_t size; /* of file and map */
        size_t end;  /* where the next record goes */
};

int journal_new(struct journal **ret); /* 0 or -errno */
struct journal *journal_free(struct journal *j);
DEFINE_CLEANUP(struct journal *, journal_free)

/* kind: 1 to 255, conn: 0 to JOURNAL_CONN_MAX. 0 or -errno: then nothing was appended. */
int journal_append(struct journal *j, uint8_t kind, uint32_t conn, const void *data, size_t len);

/* Calls fn for each record, in order, until it does not return 0. 0, fn's value, or -errno (-EBADMSG: it is not a
 * journal, or of a version that we do not know). fd is not consumed. */
typedef int (*journal_fn)(void *data, uint8_t kind, uint32_t conn, const uint8_t *bytes, size_t len);
int journal_read(int fd, journal_fn fn, void *data);
