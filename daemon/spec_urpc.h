/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What goes to the control server of a gVisor sandbox and comes from it (urpc.h), and runsc's state file. Replies are
 * those of an untrusted sandbox: what is absent is zero, a wrong type is an error, lists are bounded. */

#include "proto/codec.h"

/* --- requests; NULL: no memory --- */
enum spec_urpc_mode { URPC_SIGNAL_PROCESS = 0, URPC_SIGNAL_ALL = 1, URPC_SIGNAL_FOREGROUND = 2 };
/* Higher modes make an older sandbox panic: there are none here. */
const char *spec_urpc_null(struct arena *a, const char *method);
const char *spec_urpc_str(struct arena *a, const char *method, const char *arg);
const char *spec_urpc_signal(struct arena *a, const char *id, int signal, uint32_t pid, enum spec_urpc_mode mode);
const char *spec_urpc_checkpoint(struct arena *a);
const char *spec_urpc_usage_fd(struct arena *a);
const char *spec_urpc_wait_pid(struct arena *a, const char *id, uint32_t pid);

struct spec_urpc_exec {
        const char *id;               /* of the container */
        const char *process;          /* the OCI process object */
        size_t process_len;
        const char *state;            /* runsc's state file of the container: what the process object leaves open */
        size_t state_len;
        bool terminal, net_raw;
};
/* INVALID_SPEC if the process asks for what this call cannot do. */
int spec_urpc_exec(struct arena *a, const struct spec_urpc_exec *x, const char **ret, struct error *err);

/* --- replies. RUNTIME_FAILED with the sandbox's words; NOT_SUPPORTED: it does not know the method --- */
int spec_urpc_empty(const char *text, size_t len, struct error *err);
int spec_urpc_number(const char *text, size_t len, int64_t *ret, struct error *err);
int spec_urpc_text(const char *text, size_t len, struct arena *a, const char **ret, struct error *err);
int spec_urpc_ps(const char *text, size_t len, struct arena *a, struct ps_result *ret, struct error *err);
struct spec_urpc_cpu {
        uint64_t own_ns, all_ns; /* as the sandbox counts: of the container, of all containers */
        size_t n;                /* containers */
};
/* The share of a container in what the host's cgroup of its sandbox has used. */
uint64_t spec_urpc_cpu_share(const struct spec_urpc_cpu *cpu, uint64_t host_ns, bool has_host);
int spec_urpc_stats(const char *text, size_t len, const char *id, struct arena *a, struct stats_result *ret,
                    struct spec_urpc_cpu *cpu, struct error *err);

/* --- the state file --- */
#define RUNSC_STATE_MAX (4 * 1024 * 1024)
struct runsc_state {
        const char *socket;     /* path of the control socket; "": an abstract one */
        int64_t pid;            /* of the sandbox */
};
int spec_runsc_state(const char *text, size_t len, struct arena *a, struct runsc_state *ret, struct error *err);
