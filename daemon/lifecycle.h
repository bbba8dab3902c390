/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * THE table: state x event -> verdict, next state, action; one for containers, one for added processes. The only writer
 * of state. Events are of three kinds: requests, which may be refused or put off; results of what we started; and facts
 * from the kernel, which are never refused.
 */

#include "daemon/container.h"

#define CONTAINER_EVENTS(X)                                                                                            \
        X(REQ_CREATE, REQUEST) X(REQ_START, REQUEST) X(REQ_KILL, REQUEST) X(REQ_PAUSE, REQUEST) X(REQ_RESUME, REQUEST) \
        X(REQ_EXEC, REQUEST) X(REQ_EXEC_START, REQUEST) X(REQ_UPDATE, REQUEST) X(REQ_CHECKPOINT, REQUEST)              \
        X(REQ_DELETE, REQUEST) X(REQ_FORCE_DELETE, REQUEST) X(REQ_QUERY, REQUEST)                                      \
        X(PREPARE_OK, RESULT) X(PREPARE_FAILED, RESULT) X(CREATE_OK, RESULT) X(CREATE_FAILED, RESULT)                  \
        X(UNDO_DONE, RESULT) X(START_OK, RESULT) X(START_FAILED, RESULT) X(START_NOT_RUN, RESULT)                      \
        X(PAUSE_OK, RESULT) X(PAUSE_FAILED, RESULT) X(RESUME_OK, RESULT) X(RESUME_FAILED, RESULT)                      \
        X(CHECKPOINT_OK, RESULT) X(CHECKPOINT_FAILED, RESULT) X(DELETE_OK, RESULT) X(DELETE_FAILED, RESULT)            \
        X(CLEAN_DONE, RESULT) X(WANTED_GONE, RESULT)                                                                   \
        X(INIT_EXITED, FACT) X(ALL_GONE, FACT) X(OOM, FACT) X(DEADLINE, FACT)

#define PROCESS_EVENTS(X)                                                                                              \
        X(REQ_START, REQUEST) X(REQ_KILL, REQUEST) X(REQ_DELETE, REQUEST) X(REQ_FORCE_DELETE, REQUEST)                 \
        X(START_OK, RESULT) X(START_FAILED, RESULT) X(DRAINED, RESULT) X(EXITED, FACT)

enum event_class { CLASS_REQUEST, CLASS_RESULT, CLASS_FACT };
enum container_event {
#define X(name, class) CEV_##name,
        CONTAINER_EVENTS(X)
#undef X
        CEV_N,
};
enum process_event {
#define X(name, class) PEV_##name,
        PROCESS_EVENTS(X)
#undef X
        PEV_N,
};

enum verdict {
        VERDICT_UNSET, /* a cell that nobody filled in: a bug that a unit test finds */
        VERDICT_GO,
        VERDICT_STAY,
        VERDICT_REFUSE,
        VERDICT_DEFER,  /* a request: again in the next state */
        VERDICT_IGNORE,
        VERDICT_BUG,    /* cannot happen: logged, and the daemon goes on */
};

struct happening { /* an event with what comes with it */
        struct request **request;    /* requests; the action takes it, or it is answered here */
        const struct error *error;   /* results that failed */
        struct process *process;     /* REQ_EXEC_START */
        const struct oom_info *oom;  /* OOM */
};

typedef void (*container_action)(struct container *c, struct happening *h);
typedef void (*process_action)(struct process *p, struct happening *h);

struct container_cell {
        enum verdict verdict;
        enum container_state next;
        enum reason reason;
        const char *text;
        container_action action; /* runs before the state is entered */
};
struct process_cell {
        enum verdict verdict;
        enum process_state_kind next;
        enum reason reason;
        const char *text;
        process_action action;
};

/* Looks into the table and does it. */
void container_event(struct container *c, enum container_event ev, struct happening *h);
void process_event(struct process *p, enum process_event ev, struct happening *h);

/* A state found at adoption: assigned without a transition, and then entered. */
void container_adopt_state(struct container *c, enum container_state s, bool enter);
void process_adopt_state(struct process *p, enum process_state_kind s);

/* For tests and the generated doc/states.md. */
const struct container_cell *container_cell_of(enum container_state s, enum container_event ev);
const struct process_cell *process_cell_of(enum process_state_kind s, enum process_event ev);
const char *container_event_name(enum container_event ev);
enum event_class container_event_class(enum container_event ev);
const char *process_event_name(enum process_event ev);
enum event_class process_event_class(enum process_event ev);
