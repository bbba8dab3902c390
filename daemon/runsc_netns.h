/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The network namespace in which every runsc command runs. Some releases of runsc serve a sandbox's control on an
 * abstract socket that any local user of the same network namespace can drive; in a namespace of our own nobody else
 * reaches it. It is made by the helper at the first use, and kept by a bind mount at ROOT/netns/runsc, so that a
 * restarted daemon reaches the sandboxes of the last one. The network of the sandbox itself is that of its spec.
 */

#include "base/error.h"

struct daemon;
struct runsc_netns;

int runsc_netns_new(struct runsc_netns **ret, struct daemon *d);
struct runsc_netns *runsc_netns_free(struct runsc_netns *n); /* the namespace and its mount stay */
/* The descriptor, or -1: then it is being made, and `ready` (once for all who wait) comes later. */
int runsc_netns_fd(struct runsc_netns *n);
/* A non-blocking stream socket (AF_UNIX) of that namespace, in which abstract names are looked up: a descriptor, or
 * -errno. */
int runsc_netns_socket(struct runsc_netns *n);
void runsc_netns_make(struct runsc_netns *n, void (*ready)(struct daemon *d, const struct error *err));
/* Removes the mount, when no container is left that was made in it. */
void runsc_netns_remove(struct runsc_netns *n);
