/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The events of a container, as entries of the log. */

#include "daemon/container.h"
#include "daemon/pressure.h"

/* p NULL or init: of the container. Marks what is published only once (create, start, exit) and does not repeat it. */
void publish_create(struct container *c);
void publish_start(struct process *p);
void publish_exit(struct process *p);
void publish_simple(struct container *c, enum event_kind kind, const char *exec_id, const char *message);
void publish_delete(struct container *c);
void publish_oom(struct container *c, const struct oom_info *info);
/* Of one that is not among the containers: its record cannot be used. */
void publish_unusable(struct daemon *d, const char *owner, const char *ns, const char *id, const char *why);
/* Of the host, or of a group: no container's. */
void publish_pressure(struct daemon *d, const struct pressure_change *change);
