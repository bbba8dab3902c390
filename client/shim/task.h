/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * containerd's Task service as a table: which of our methods answers which of theirs, and how the messages of one
 * become those of the other. Pure: from a message to parameters, from a result to a frame.
 */

#include "proto/codec.h"
#include "proto/ttrpc.h"

/* What a request says besides its message. */
struct task_asked {
        const char *owner, *ns, *request_id;
        struct arena *arena; /* for what the parameters point to beside the message */
};

union task_params {
        struct target target;
        struct create_params create;
        struct start_params start;
        struct exec_params exec;
        struct kill_params kill;
        struct action_params action;
        struct delete_params delete;
        struct resize_params resize;
        struct update_params update;
        struct checkpoint_params checkpoint;
};

/* Where an answer goes to. */
struct task_answered {
        struct buf *out;
        uint32_t stream;
};

enum task_kind {
        TASK_CALL, /* one of our methods answers it */
        TASK_WAIT, /* the waits do; the parameters are a target */
        TASK_ACK,  /* there is nothing to do */
};

struct task_method {
        const char *name;
        const ProtobufCMessageDescriptor *message;
        enum task_kind kind;
        int method; /* METHOD_x */
        /* 0; 1: there is nothing to do after all, the answer is Empty; -1 with *err. */
        int (*ask)(const struct task_asked *asked, const void *message, union task_params *ret, struct error *err);
        /* As ttrpc_append_response(). result: of our method; of a Wait, an exit_result. */
        int (*answer)(const struct task_answered *to, const void *result);
        /* May answer an error in its own way: returns true if it did. NULL: it does not. */
        bool (*forgive)(const struct task_answered *to, int reason);
        bool ends_waits; /* it can end a Wait without an event: a failed Start, a Delete of what never ran */
};

#define TASK_SERVICE_V2 "containerd.task.v2.Task"
#define TASK_SERVICE_V3 "containerd.task.v3.Task"
#define TASK_NAMESPACE_KEY "containerd-namespace-ttrpc"

const struct task_method *task_find(const char *name); /* NULL: unknown */

/* The error of a method in containerd's words: the code that its own shim gives, and the text of the class at its end,
 * which clients take off again. */
int task_answer_error(const struct task_answered *to, const struct task_method *method, int reason, int code,
                      const char *message);
int task_answer_empty(const struct task_answered *to);

/* --- the rows: asking (task_ask.c) and answering (task_answer.c) --- */
#define TASK_ASK(name)                                                                                                 \
        int task_ask_##name(const struct task_asked *, const void *, union task_params *, struct error *);
#define TASK_ANSWER(name) int task_answer_##name(const struct task_answered *, const void *);
TASK_ASK(create)
TASK_ASK(target) /* State, Wait: id, exec_id */
TASK_ASK(whole)  /* Pids, Stats, Connect: id */
TASK_ASK(start)
TASK_ASK(delete)
TASK_ASK(action) /* Pause, Resume */
TASK_ASK(checkpoint)
TASK_ASK(kill)
TASK_ASK(exec)
TASK_ASK(resize)
TASK_ASK(close_io)
TASK_ASK(update)
TASK_ANSWER(state)
TASK_ANSWER(create)
TASK_ANSWER(start)
TASK_ANSWER(delete)
TASK_ANSWER(wait)
TASK_ANSWER(pids)
TASK_ANSWER(stats)
TASK_ANSWER(connect)
TASK_ANSWER(done) /* Empty */
bool task_forgive_connect(const struct task_answered *to, int reason);
