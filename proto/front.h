/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * How sandboxd runs the front, and what the stub, the front and sandboxd agree on without asking each other.
 *
 *      containerd-shim-sandboxd-v1 serve -owner OWNER -namespace NAMESPACE -socket PATH [-keep PREFIX]
 *                                        [-cgroup PATH] [-oom-score NUMBER] [-sched-core]
 *
 * There is one for each namespace of a containerd, as containerd 1.6 does not say in its requests which one they are
 * about; or one for each group of containers there (owner.attach). It puts itself where containerd wants its shims to
 * be: into a cgroup, at an OOM score, into a group of processes that share a core with no others.
 * PATH is sandboxd's RPC socket. Descriptor FRONT_LISTEN_FD is a listening, non-blocking unix socket, bound by sandboxd
 * to the address that owner.attach answers: the front need not bind or unlink anything. Standard input and output are
 * /dev/null, standard error is sandboxd's log. The front runs in a session of its own, outlives sandboxd, and ends on
 * SIGTERM. When it ends with status 0 nothing is connected: sandboxd starts it again when somebody connects; when it
 * ends otherwise, at once.
 *
 * With a keeper above sandboxd the front outlives its own death: it stores its connections with the keeper
 * (NOTIFY_SOCKET in its environment) under names that begin with PREFIX, and descriptor FRONT_HAND_OVER_FD is a socket
 * that has what the front before it stored there (proto/keeper.h). Then containerd notices nothing. SIGHUP: there may
 * be another keeper.
 */

#define FRONT_PROGRAM "containerd-shim-sandboxd-v1"
#define FRONT_LISTEN_FD 3
#define FRONT_HAND_OVER_FD 4

/* PREFIX: KEEPER_FRONT and the front's slot in three characters; what follows in a name is the front's affair. sandboxd
 * keeps the listening socket under FRONT_LISTENER and the slot. */
#define FRONT_SLOT_LEN 3
#define FRONT_SLOT_MAX 46655U /* three digits of 36 */
#define FRONT_LISTENER 'L'

/* An owner is one containerd, and named after its gRPC address as `start` gets it: "c" and 16 hex digits. */
#define OWNER_NAME_MAX 18
