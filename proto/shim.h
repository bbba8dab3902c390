/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the two sides that speak with containerd (the front and the stub, and the daemon's outbox) share about its
 * messages: the names of its types, and its ideas of time. */

#include <stdbool.h>
#include <stdint.h>
#include "proto/shim/common.pb-c.h"

#define TYPE_RUNC_OPTIONS "containerd.runc.v1.Options"
#define TYPE_RUNC_CHECKPOINT_OPTIONS "containerd.runc.v1.CheckpointOptions"
#define TYPE_PROCESS_DETAILS "containerd.runc.v1.ProcessDetails"
#define TYPE_RUNTIME_OPTIONS "runtimeoptions.v1.Options"
#define TYPE_LINUX_CREATE_OPTIONS "containerd.linux.runc.CreateOptions"
#define TYPE_LINUX_CHECKPOINT_OPTIONS "containerd.linux.runc.CheckpointOptions"
#define TYPE_METRICS_V1 "io.containerd.cgroups.v1.Metrics"
#define TYPE_METRICS_V2 "io.containerd.cgroups.v2.Metrics"
#define TYPE_SPEC_PROCESS "types.containerd.io/opencontainers/runtime-spec/1/Process"
#define TYPE_SPEC_RESOURCES "types.containerd.io/opencontainers/runtime-spec/1/LinuxResources"
#define TYPE_EVENT(name) "containerd.events." name

/* Whether the value (NULL: none) is of a type; a prefix such as "type.googleapis.com/" does not matter. */
bool shim_any_is(const Shim__Any *any, const char *type);

/* Packs a message as a value of `type`. The memory of any->value is the caller's to free; 0 or -ENOMEM. */
int shim_any_pack(Shim__Any *any, const char *type, const ProtobufCMessage *message);

/* ns since 1970; 0: Go's zero time (year 1), which is what containerd means by "not ended". */
void shim_time(Shim__Timestamp *ret, uint64_t ns);
