/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The metrics of the daemon and of all containers, the same text that sandboxctl metrics prints, served where the
 * configuration says. */

#include <sys/types.h>

struct daemon;
/* That it cannot is told by a warning: containers matter more. gid: of a unix socket. */
void daemon_serve_metrics(struct daemon *d, gid_t gid);
void daemon_end_metrics(struct daemon *d);
