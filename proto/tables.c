/* SPDX-License-Identifier: Apache-2.0 */
/* The .def tables as data. Nothing is said here that is not said there. */

#include "proto/desc.h"

#include <errno.h>
#include <string.h>

/* --- errors --- */
static const struct {
        const char *wire, *text;
        enum grpc_code code;
} reasons[REASON_N] = {
        [REASON_NONE] = { "", "no error", CODE_OK },
#define X(name, grpc, w, t) [REASON_##name] = { .wire = w, .text = t, .code = CODE_##grpc },
#include "proto/errors.def"
#undef X
};
_Static_assert(REASON_N <= 64, "a method's reasons are bits of a uint64_t");

static enum reason reason_known(enum reason reason)
{
        return (unsigned)reason < REASON_N ? reason : REASON_INTERNAL;
}

const char *reason_name(enum reason reason)
{
        return reasons[reason_known(reason)].wire;
}

enum grpc_code reason_code(enum reason reason)
{
        return reasons[reason_known(reason)].code;
}

const char *reason_text(enum reason reason)
{
        return reasons[reason_known(reason)].text;
}

enum reason reason_parse(const char *wire)
{
        for (unsigned i = REASON_NONE + 1; i < REASON_N; i++)
                if (strcmp(reasons[i].wire, wire) == 0)
                        return (enum reason)i;
        return REASON_NONE;
}

enum reason reason_of_errno(int errnum)
{
        switch (errnum < 0 ? -errnum : errnum) {
        case ENOSPC:
        case EROFS:
        case EDQUOT:
        case ENOMEM:
        case ENOBUFS:
        case EMFILE:
        case ENFILE:
        case EAGAIN:
                return REASON_NO_RESOURCES;
        default:
                return REASON_INTERNAL;
        }
}

/* --- states and event kinds: a wire name, and for states the public one --- */
struct name_row {
        const char *wire, *public;
        const char *text;
};

static const struct name_row container_states[CONTAINER_STATE_N] = {
#define CONTAINER_STATE(name, w, p, t) [CONTAINER_##name] = { .wire = w, .public = p, .text = t },
#include "proto/states.def"
#undef CONTAINER_STATE
};

static const struct name_row process_states[PROCESS_STATE_N] = {
#define PROCESS_STATE(name, w, p, t) [PROCESS_##name] = { .wire = w, .public = p, .text = t },
#include "proto/states.def"
#undef PROCESS_STATE
};

static const struct name_row event_kinds[EVENT_N] = {
#define X(name, w, t) [EVENT_##name] = { .wire = w, .text = t },
#include "proto/events.def"
#undef X
};

static int row_parse(const struct name_row *rows, unsigned n, const char *wire)
{
        for (unsigned i = 0; i < n; i++)
                if (strcmp(rows[i].wire, wire) == 0)
                        return (int)i;
        return -EINVAL;
}

const char *container_state_name(enum container_state s)
{
        return container_states[s].wire;
}

const char *container_state_public(enum container_state s)
{
        return container_states[s].public;
}

const char *container_state_text(enum container_state s)
{
        return container_states[s].text;
}

int container_state_parse(const char *wire)
{
        return row_parse(container_states, CONTAINER_STATE_N, wire);
}

const char *process_state_name(enum process_state_kind s)
{
        return process_states[s].wire;
}

const char *process_state_public(enum process_state_kind s)
{
        return process_states[s].public;
}

const char *process_state_text(enum process_state_kind s)
{
        return process_states[s].text;
}

int process_state_parse(const char *wire)
{
        return row_parse(process_states, PROCESS_STATE_N, wire);
}

const char *event_kind_name(enum event_kind kind)
{
        return event_kinds[kind].wire;
}

const char *event_kind_text(enum event_kind kind)
{
        return event_kinds[kind].text;
}

int event_kind_parse(const char *wire)
{
        return row_parse(event_kinds, EVENT_N, wire);
}

/* --- messages --- */
#define KIND_msg_mem_entry .kind = FIELD_MSG, .message = &desc_mem_entry
#define KIND_msg_oom_info .kind = FIELD_MSG, .message = &desc_oom_info
#define KIND_msg_pressure_info .kind = FIELD_MSG, .message = &desc_pressure_info
#define KIND_msg_process_state .kind = FIELD_MSG, .message = &desc_process_state
#define KIND_msgs_kv .kind = FIELD_MSGS, .message = &desc_kv
#define KIND_msgs_mount .kind = FIELD_MSGS, .message = &desc_mount
#define KIND_msgs_process_state .kind = FIELD_MSGS, .message = &desc_process_state
#define KIND_msgs_state_result .kind = FIELD_MSGS, .message = &desc_state_result
#define KIND_msgs_pid_info .kind = FIELD_MSGS, .message = &desc_pid_info
#define KIND_msgs_ps_row .kind = FIELD_MSGS, .message = &desc_ps_row
#define KIND_msgs_blkio_entry .kind = FIELD_MSGS, .message = &desc_blkio_entry
#define KIND_msgs_hugetlb_entry .kind = FIELD_MSGS, .message = &desc_hugetlb_entry
#define KIND_msgs_rdma_entry .kind = FIELD_MSGS, .message = &desc_rdma_entry
#define KIND_msgs_net_entry .kind = FIELD_MSGS, .message = &desc_net_entry
#define KIND_msgs_psi_entry .kind = FIELD_MSGS, .message = &desc_psi_entry
#define KIND_msgs_stats_result .kind = FIELD_MSGS, .message = &desc_stats_result
#define KIND_msgs_oom_victim .kind = FIELD_MSGS, .message = &desc_oom_victim
#define KIND_msgs_event .kind = FIELD_MSGS, .message = &desc_event
#define KIND_msgs_runtime_info .kind = FIELD_MSGS, .message = &desc_runtime_info

MESSAGES(MESSAGE_DESC)

#define MESSAGE_POINTER(T, t) &desc_##T,
const struct message_desc *const message_table[] = { MESSAGES(MESSAGE_POINTER) NULL };

/* --- methods --- */
#define R(n) | (UINT64_C(1) << REASON_##n)
#define REASONS(x) (0 x)
const struct method_desc method_table[METHOD_N] = {
#define X(m, w, a, p, r, t, bits)                                                                                      \
        [METHOD_##m] = { .id = METHOD_##m,                                                                             \
                         .name = w,                                                                                    \
                         .access = ACCESS_##a,                                                                         \
                         .params = &desc_##p,                                                                          \
                         .result = &desc_##r,                                                                          \
                         .text = t,                                                                                    \
                         .reasons = bits },
#include "proto/methods.def"
#undef X
};

const struct method_desc *method_find(const char *name)
{
        for (unsigned i = 0; i < METHOD_N; i++)
                if (strcmp(method_table[i].name, name) == 0)
                        return &method_table[i];
        return NULL;
}
