/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What crosses the socket: the enums, names and structs that the .def tables say. A field of kind str is never NULL
 * once decoded; the memory of a decoded message belongs to its arena.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "proto/limits.h"
#include "proto/messages.def"

/* --- errors --- */
enum grpc_code { /* the 16 status codes of gRPC, and OK */
        CODE_OK = 0,
        CODE_CANCELLED = 1,
        CODE_UNKNOWN = 2,
        CODE_INVALID_ARGUMENT = 3,
        CODE_DEADLINE_EXCEEDED = 4,
        CODE_NOT_FOUND = 5,
        CODE_ALREADY_EXISTS = 6,
        CODE_PERMISSION_DENIED = 7,
        CODE_RESOURCE_EXHAUSTED = 8,
        CODE_FAILED_PRECONDITION = 9,
        CODE_ABORTED = 10,
        CODE_OUT_OF_RANGE = 11,
        CODE_UNIMPLEMENTED = 12,
        CODE_INTERNAL = 13,
        CODE_UNAVAILABLE = 14,
        CODE_DATA_LOSS = 15,
        CODE_UNAUTHENTICATED = 16,
};
enum reason {
        REASON_NONE = 0,
#define X(name, code, wire, text) REASON_##name,
#include "proto/errors.def"
#undef X
        REASON_N,
};
const char *reason_name(enum reason reason);   /* wire name; "internal" for an unknown one */
enum reason reason_parse(const char *wire);    /* REASON_NONE if unknown */
enum grpc_code reason_code(enum reason reason);
const char *reason_text(enum reason reason);
/* The reason for a negative or positive errno of a system call on our own behalf: ENOSPC, EMFILE, ENOMEM, EAGAIN ...
 * are NO_RESOURCES, the rest INTERNAL. */
enum reason reason_of_errno(int errnum);

/* --- states --- */
enum container_state {
#define CONTAINER_STATE(name, wire, public, text) CONTAINER_##name,
#include "proto/states.def"
#undef CONTAINER_STATE
        CONTAINER_STATE_N,
};
enum process_state_kind {
#define PROCESS_STATE(name, wire, public, text) PROCESS_##name,
#include "proto/states.def"
#undef PROCESS_STATE
        PROCESS_STATE_N,
};
const char *container_state_name(enum container_state s);   /* finer, wire */
const char *container_state_public(enum container_state s); /* creating, created, running ... */
const char *container_state_text(enum container_state s);
int container_state_parse(const char *wire);                /* or -EINVAL */
const char *process_state_name(enum process_state_kind s);
const char *process_state_public(enum process_state_kind s);
const char *process_state_text(enum process_state_kind s);
int process_state_parse(const char *wire); /* or -EINVAL */

/* --- events --- */
enum event_kind {
#define X(name, wire, text) EVENT_##name,
#include "proto/events.def"
#undef X
        EVENT_N,
};
const char *event_kind_name(enum event_kind kind);
const char *event_kind_text(enum event_kind kind);
int event_kind_parse(const char *wire); /* or -EINVAL */

/* --- messages --- */
struct blob {
        const uint8_t *data;
        size_t len;
};
struct strs {
        const char **items;
        size_t n;
};

#define REQUIRED 1U

/* struct T and struct list_T for every message. The kinds msgs_T and msg_T need T defined before: the order of
 * MESSAGES. */
#define FIELD_C_str(name) const char *name;
#define FIELD_C_bin(name) struct blob name;
#define FIELD_C_u32(name) uint32_t name;
#define FIELD_C_u64(name) uint64_t name;
#define FIELD_C_i64(name) int64_t name;
#define FIELD_C_boolean(name) bool name;
#define FIELD_C_strs(name) struct strs name;
#define FIELD_C_msg_mem_entry(name) struct mem_entry *name;
#define FIELD_C_msg_oom_info(name) struct oom_info *name;
#define FIELD_C_msg_pressure_info(name) struct pressure_info *name;
#define FIELD_C_msg_process_state(name) struct process_state *name;
#define FIELD_C_msgs_kv(name) struct list_kv name;
#define FIELD_C_msgs_mount(name) struct list_mount name;
#define FIELD_C_msgs_process_state(name) struct list_process_state name;
#define FIELD_C_msgs_state_result(name) struct list_state_result name;
#define FIELD_C_msgs_pid_info(name) struct list_pid_info name;
#define FIELD_C_msgs_ps_row(name) struct list_ps_row name;
#define FIELD_C_msgs_blkio_entry(name) struct list_blkio_entry name;
#define FIELD_C_msgs_hugetlb_entry(name) struct list_hugetlb_entry name;
#define FIELD_C_msgs_rdma_entry(name) struct list_rdma_entry name;
#define FIELD_C_msgs_net_entry(name) struct list_net_entry name;
#define FIELD_C_msgs_psi_entry(name) struct list_psi_entry name;
#define FIELD_C_msgs_stats_result(name) struct list_stats_result name;
#define FIELD_C_msgs_oom_victim(name) struct list_oom_victim name;
#define FIELD_C_msgs_event(name) struct list_event name;
#define FIELD_C_msgs_runtime_info(name) struct list_runtime_info name;

#define FIELD_C(kind, name, limit, flags, text) FIELD_C_##kind(name)
#define MESSAGE_C(T, text)                                                                                             \
        struct T {                                                                                                     \
                FIELDS_##T(FIELD_C)                                                                                    \
        };                                                                                                             \
        struct list_##T {                                                                                              \
                struct T *items;                                                                                       \
                size_t n;                                                                                              \
        };
MESSAGES(MESSAGE_C)

/* Descriptions of the messages, for the codec, the documentation and sandboxctl's printing. */
enum field_kind {
        FIELD_STR, FIELD_BIN, FIELD_U32, FIELD_U64, FIELD_I64, FIELD_BOOL, FIELD_STRS, FIELD_MSG, FIELD_MSGS
};
struct message_desc;
struct field_desc {
        const char *name;
        enum field_kind kind;
        size_t offset; /* in the struct */
        uint64_t limit;
        unsigned flags;
        const struct message_desc *message; /* FIELD_MSG, FIELD_MSGS */
        const char *text;
};
struct message_desc {
        const char *name;
        const char *text;
        size_t size;
        const struct field_desc *fields;
        size_t n_fields;
};
#define MESSAGE_DESC_DECL(T, text) extern const struct message_desc desc_##T;
MESSAGES(MESSAGE_DESC_DECL)
extern const struct message_desc *const message_table[]; /* all of them, in the order of the table; NULL at the end */

/* --- methods --- */
enum method_access { ACCESS_READ, ACCESS_WRITE };
enum method_id {
#define X(name, wire, access, params, result, text, reasons) METHOD_##name,
#include "proto/methods.def"
#undef X
        METHOD_N,
};
struct method_desc {
        enum method_id id;
        const char *name;
        enum method_access access;
        const struct message_desc *params, *result;
        const char *text;
        uint64_t reasons; /* bit (1 << reason) */
};
extern const struct method_desc method_table[METHOD_N];
const struct method_desc *method_find(const char *name); /* NULL if unknown */

/* --- ids and text --- */
/* [A-Za-z0-9]+([._-][A-Za-z0-9]+)*, 1 to 76 bytes: what containerd allows. what: "container id", for the message. */
int id_check(const char *id, const char *what, struct error *err);
/* UTF-8 without NUL: what a str may hold. */
bool text_valid(const char *s, size_t n);
/* Makes text of unknown origin fit for a message, in place: what is not UTF-8 becomes '?', and it is cut at a
 * character's end to at most max bytes. Returns s. */
char *text_clean(char *s, size_t max);
