/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The memory of answers to mutating requests, so that a repeat gets the first answer. Bounded: the answer that was
 * given or asked for least recently goes first. The key is the user's id and his request id, "1000/abc": nobody gets at
 * an answer of another user. It is what struct answer has as its request_id, and what a record keeps.
 *
 * An answer is kept as the encoded response [1, 0, error, result]; answer_with_id() puts the repeat's message id in.
 */

#include "base/buf.h"
#include "daemon/request.h"

#define ANSWER_KEY_MAX (LIMIT_REQUEST_ID + sizeof("4294967295/"))
void answer_key(char key[ANSWER_KEY_MAX], uid_t uid, const char *request_id);

struct answers;
struct answers *answers_new(unsigned max); /* NULL: no memory */
struct answers *answers_free(struct answers *a);
DEFINE_CLEANUP(struct answers *, answers_free)

/* Remembers a copy; replaces an older one of the same key. Returns what is kept, or NULL: no memory, or no answers are
 * to be kept. */
const struct answer *answers_put(struct answers *a, const struct answer *answer);
const struct answer *answers_find(struct answers *a, const char *key); /* NULL: not there. Counts as use. */
size_t answers_count(const struct answers *a);
unsigned answers_max(const struct answers *a);
/* As requests_each_answer. */
void answers_each(const struct answers *a, const char *container_key, unsigned max,
                  void (*fn)(void *data, const struct answer *answer), void *data);

/* Appends the response with the given id. 0, or -1 if it is not a response with id 0. */
int answer_with_id(const void *response, size_t len, uint32_t id, struct buf *ret);
