/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What runsc must find in a config.json that Kubernetes' CRI has written, and which nobody but the shim puts there:
 * what the volumes of a pod are, as annotations of its sandbox and as types of the mounts of its containers; that
 * /dev/shm is the pod's; and that the sandbox belongs in the cgroup of the pod. As gVisor's own shim does it.
 *
 * What must be looked at on the host is done elsewhere: first the questions, then, with the answers, the new text.
 */

#include "proto/codec.h"

#define SPEC_GVISOR_PODS "/var/lib/kubelet/pods"

struct spec_gvisor_volume { /* what was found for a question */
        size_t n;         /* directories that match */
        const char *path; /* of the first one */
        bool empty;
};

/* Patterns as of glob(7), below SPEC_GVISOR_PODS; often none. */
int spec_gvisor_questions(const char *text, size_t len, struct arena *a, struct strs *ret, struct error *err);
/* volumes: one for each question, in their order. *ret NULL: nothing is to be changed. */
int spec_gvisor_rewrite(const char *text, size_t len, const struct spec_gvisor_volume *volumes, struct arena *a,
                        const char **ret, struct error *err);
