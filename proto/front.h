/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * How sandboxd runs the front, and what the stub, the front and sandboxd agree on without asking each other.
 *
 *      containerd-shim-sandboxd-v1 serve -owner OWNER -namespace NAMESPACE -socket PATH
 *
 * There is one for each namespace of a containerd, as containerd 1.6 does not say in its requests which one they are
 * about.
 * PATH is sandboxd's RPC socket. Descriptor FRONT_LISTEN_FD is a listening, non-blocking unix socket, bound by sandboxd
 * to the address that owner.attach answers: the front need not bind or unlink anything. Standard input and output are
 * /dev/null, standard error is sandboxd's log. The front runs in a session of its own, outlives sandboxd, and ends on
 * SIGTERM. When it ends otherwise sandboxd starts it again.
 */

#define FRONT_PROGRAM "containerd-shim-sandboxd-v1"
#define FRONT_LISTEN_FD 3

/* An owner is one containerd, and named after its gRPC address as `start` gets it: "c" and 16 hex digits. */
#define OWNER_NAME_MAX 18
