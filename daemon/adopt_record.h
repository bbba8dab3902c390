/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* From the record to the container, at adoption (adopt.h): its fields, the answers to its requests, and the requests
 * that an earlier daemon had not answered. */

#include "base/error.h"
#include "daemon/container.h"
#include "daemon/record.h"

/* A container in the recorded state. -1 if the record cannot be used. */
int container_from_record(struct container **ret, struct daemon *d, struct container_record *rec, struct error *err);
void answers_from_record(struct daemon *d, const char *key, const struct list_record_answer *list);
/* They are c->revived then. */
void requests_from_record(struct container *c, const struct list_record_request *list);
