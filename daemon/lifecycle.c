/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The transition tables, and the only functions that assign state.
 *
 * A transition: log, release what the new state may not hold, assign, persist, run the entry action (which publishes).
 * The record is written before the entry action: a crash between the two is found again by adoption, which enters the
 * state once more. Actions never dispatch further events themselves; what follows from a new state (requests put off,
 * an exit that came early, what `wanted` asks for) is looked at by the container's kick, in the same round.
 */

#include <assert.h>
#include <utlist.h>
#include "base/crash.h"
#include "base/log.h"
#include "daemon/actions.h"
#include "daemon/daemon.h"
#include "daemon/lifecycle.h"

#define GO(state, act) { .verdict = VERDICT_GO, .next = CONTAINER_##state, .action = (act) }
#define STAY(act) { .verdict = VERDICT_STAY, .action = (act) }
#define REFUSE(why, sentence) { .verdict = VERDICT_REFUSE, .reason = REASON_##why, .text = (sentence) }
#define DEFER { .verdict = VERDICT_DEFER }
#define IGNORE { .verdict = VERDICT_IGNORE }
#define BUG { .verdict = VERDICT_BUG }

/* Pairs of results of one operation, where they are all alike. */
#define PREPARE_RESULTS(cell) [CEV_PREPARE_OK] = cell, [CEV_PREPARE_FAILED] = cell
#define CREATE_RESULTS(cell) [CEV_CREATE_OK] = cell, [CEV_CREATE_FAILED] = cell
#define START_RESULTS(cell) [CEV_START_OK] = cell, [CEV_START_FAILED] = cell, [CEV_START_NOT_RUN] = cell
#define PAUSE_RESULTS(cell) [CEV_PAUSE_OK] = cell, [CEV_PAUSE_FAILED] = cell
#define RESUME_RESULTS(cell) [CEV_RESUME_OK] = cell, [CEV_RESUME_FAILED] = cell
#define CHECKPOINT_RESULTS(cell) [CEV_CHECKPOINT_OK] = cell, [CEV_CHECKPOINT_FAILED] = cell
#define DELETE_RESULTS(cell) [CEV_DELETE_OK] = cell, [CEV_DELETE_FAILED] = cell

/* While it is being made: what can be done later waits; what ends it is done. */
#define MAKING                                                                                                         \
        [CEV_REQ_CREATE] = BUG, [CEV_REQ_START] = DEFER, [CEV_REQ_KILL] = DEFER,                                       \
        [CEV_REQ_PAUSE] = REFUSE(WRONG_STATE, "cannot pause a container that is being created"),                       \
        [CEV_REQ_RESUME] = REFUSE(WRONG_STATE, "cannot resume a container that is being created"),                     \
        [CEV_REQ_EXEC] = DEFER, [CEV_REQ_EXEC_START] = DEFER, [CEV_REQ_UPDATE] = DEFER,                                \
        [CEV_REQ_CHECKPOINT] = REFUSE(WRONG_STATE, "cannot checkpoint a container that is being created"),             \
        [CEV_REQ_DELETE] = DEFER,                                                                                      \
        [CEV_REQ_QUERY] = REFUSE(WRONG_STATE, "the container is being created: it has no processes yet")

/* Once all processes have ended. */
#define ENDED                                                                                                          \
        [CEV_REQ_CREATE] = BUG, [CEV_REQ_START] = REFUSE(STOPPED, "cannot start a stopped container"),                 \
        [CEV_REQ_KILL] = REFUSE(PROCESS_FINISHED, "process already finished"),                                         \
        [CEV_REQ_PAUSE] = REFUSE(STOPPED, "cannot pause a stopped container"),                                         \
        [CEV_REQ_RESUME] = REFUSE(STOPPED, "cannot resume a stopped container"),                                       \
        [CEV_REQ_EXEC] = REFUSE(STOPPED, "cannot exec in a stopped state"),                                            \
        [CEV_REQ_EXEC_START] = REFUSE(STOPPED, "cannot exec in a stopped state"),                                      \
        [CEV_REQ_UPDATE] = REFUSE(STOPPED, "cannot update a stopped container"),                                       \
        [CEV_REQ_CHECKPOINT] = REFUSE(STOPPED, "cannot checkpoint a stopped container"),                               \
        [CEV_REQ_QUERY] = REFUSE(STOPPED, "the container has stopped: it has no processes any more")

/* Results that come after what they were asked for is over (init ended meanwhile). */
#define LATE_RESULTS PAUSE_RESULTS(IGNORE), RESUME_RESULTS(IGNORE), CHECKPOINT_RESULTS(IGNORE)

static const struct container_cell container_table[CONTAINER_STATE_N][CEV_N] = {
        [CONTAINER_NEW] = {
                [CEV_REQ_CREATE] = GO(PREPARING, action_create),
                [CEV_REQ_START] = DEFER, [CEV_REQ_KILL] = DEFER, [CEV_REQ_PAUSE] = DEFER, [CEV_REQ_RESUME] = DEFER,
                [CEV_REQ_EXEC] = DEFER, [CEV_REQ_EXEC_START] = DEFER, [CEV_REQ_UPDATE] = DEFER,
                [CEV_REQ_CHECKPOINT] = DEFER, [CEV_REQ_DELETE] = DEFER, [CEV_REQ_FORCE_DELETE] = DEFER,
                [CEV_REQ_QUERY] = DEFER,
                PREPARE_RESULTS(BUG), CREATE_RESULTS(BUG), START_RESULTS(BUG), PAUSE_RESULTS(BUG), RESUME_RESULTS(BUG),
                CHECKPOINT_RESULTS(BUG), DELETE_RESULTS(BUG), [CEV_UNDO_DONE] = BUG, [CEV_CLEAN_DONE] = BUG,
                [CEV_WANTED_GONE] = IGNORE,
                [CEV_INIT_EXITED] = IGNORE, [CEV_ALL_GONE] = IGNORE, [CEV_OOM] = IGNORE, [CEV_DEADLINE] = IGNORE,
        },
        [CONTAINER_PREPARING] = {
                MAKING, [CEV_REQ_FORCE_DELETE] = STAY(action_abort),
                [CEV_PREPARE_OK] = GO(CREATING, NULL),
                [CEV_PREPARE_FAILED] = GO(UNDOING, action_fail),
                CREATE_RESULTS(BUG), START_RESULTS(BUG), PAUSE_RESULTS(BUG), RESUME_RESULTS(BUG),
                CHECKPOINT_RESULTS(BUG), DELETE_RESULTS(BUG), [CEV_UNDO_DONE] = BUG, [CEV_CLEAN_DONE] = BUG,
                [CEV_WANTED_GONE] = IGNORE,
                [CEV_INIT_EXITED] = IGNORE, [CEV_ALL_GONE] = IGNORE, [CEV_OOM] = IGNORE, [CEV_DEADLINE] = IGNORE,
        },
        [CONTAINER_CREATING] = {
                MAKING, [CEV_REQ_FORCE_DELETE] = STAY(action_abort),
                [CEV_CREATE_OK] = GO(CREATED, NULL),
                [CEV_CREATE_FAILED] = GO(UNDOING, action_fail),
                PREPARE_RESULTS(BUG), START_RESULTS(BUG), PAUSE_RESULTS(BUG), RESUME_RESULTS(BUG),
                CHECKPOINT_RESULTS(BUG), DELETE_RESULTS(BUG), [CEV_UNDO_DONE] = BUG, [CEV_CLEAN_DONE] = BUG,
                [CEV_WANTED_GONE] = IGNORE,
                [CEV_INIT_EXITED] = IGNORE, /* remembered by the process; looked at in CREATED */
                [CEV_ALL_GONE] = IGNORE, [CEV_OOM] = STAY(action_oom), [CEV_DEADLINE] = IGNORE,
        },
        [CONTAINER_UNDOING] = {
                MAKING, [CEV_REQ_FORCE_DELETE] = DEFER,
                [CEV_UNDO_DONE] = GO(GONE, NULL),
                PREPARE_RESULTS(BUG), CREATE_RESULTS(BUG), START_RESULTS(BUG), PAUSE_RESULTS(BUG), RESUME_RESULTS(BUG),
                CHECKPOINT_RESULTS(BUG), DELETE_RESULTS(BUG), [CEV_CLEAN_DONE] = BUG, [CEV_WANTED_GONE] = IGNORE,
                [CEV_INIT_EXITED] = IGNORE, [CEV_ALL_GONE] = IGNORE, [CEV_OOM] = IGNORE, [CEV_DEADLINE] = IGNORE,
        },
        [CONTAINER_CREATED] = {
                [CEV_REQ_CREATE] = BUG,
                [CEV_REQ_START] = GO(STARTING, action_start),
                [CEV_REQ_KILL] = STAY(action_kill),
                [CEV_REQ_PAUSE] = REFUSE(WRONG_STATE, "cannot pause a container that was not started"),
                [CEV_REQ_RESUME] = REFUSE(WRONG_STATE, "cannot resume a container that was not started"),
                [CEV_REQ_EXEC] = STAY(action_exec),
                [CEV_REQ_EXEC_START] = STAY(action_exec_start),
                [CEV_REQ_UPDATE] = STAY(action_update),
                [CEV_REQ_CHECKPOINT] = REFUSE(WRONG_STATE, "cannot checkpoint a container that was not started"),
                [CEV_REQ_DELETE] = STAY(action_delete_created),
                [CEV_REQ_FORCE_DELETE] = STAY(action_force_delete),
                [CEV_REQ_QUERY] = STAY(action_query),
                PREPARE_RESULTS(BUG), CREATE_RESULTS(BUG), START_RESULTS(BUG), PAUSE_RESULTS(BUG), RESUME_RESULTS(BUG),
                CHECKPOINT_RESULTS(BUG), DELETE_RESULTS(BUG), [CEV_UNDO_DONE] = BUG, [CEV_CLEAN_DONE] = BUG,
                [CEV_WANTED_GONE] = IGNORE,
                [CEV_INIT_EXITED] = GO(STOPPING, NULL),
                [CEV_ALL_GONE] = IGNORE, [CEV_OOM] = STAY(action_oom), [CEV_DEADLINE] = IGNORE,
        },
        [CONTAINER_STARTING] = {
                [CEV_REQ_CREATE] = BUG,
                [CEV_REQ_START] = REFUSE(WRONG_STATE, "the container is being started already"),
                [CEV_REQ_KILL] = DEFER, [CEV_REQ_PAUSE] = DEFER, [CEV_REQ_RESUME] = DEFER,
                [CEV_REQ_EXEC] = STAY(action_exec),
                [CEV_REQ_EXEC_START] = DEFER, [CEV_REQ_UPDATE] = DEFER, [CEV_REQ_CHECKPOINT] = DEFER,
                [CEV_REQ_DELETE] = DEFER,
                [CEV_REQ_FORCE_DELETE] = STAY(action_force_delete),
                [CEV_REQ_QUERY] = STAY(action_query),
                [CEV_START_OK] = GO(RUNNING, NULL),
                [CEV_START_FAILED] = GO(STOPPING, action_fail_start),
                [CEV_START_NOT_RUN] = GO(CREATED, action_fail),
                PREPARE_RESULTS(BUG), CREATE_RESULTS(BUG), PAUSE_RESULTS(BUG), RESUME_RESULTS(BUG),
                CHECKPOINT_RESULTS(BUG), DELETE_RESULTS(BUG), [CEV_UNDO_DONE] = BUG, [CEV_CLEAN_DONE] = BUG,
                [CEV_WANTED_GONE] = IGNORE,
                [CEV_INIT_EXITED] = IGNORE, /* remembered: its start is published first */
                [CEV_ALL_GONE] = IGNORE, [CEV_OOM] = STAY(action_oom), [CEV_DEADLINE] = IGNORE,
        },
        [CONTAINER_RUNNING] = {
                [CEV_REQ_CREATE] = BUG,
                [CEV_REQ_START] = REFUSE(WRONG_STATE, "cannot start a running container"),
                [CEV_REQ_KILL] = STAY(action_kill),
                [CEV_REQ_PAUSE] = GO(PAUSING, action_pause),
                [CEV_REQ_RESUME] = REFUSE(WRONG_STATE, "cannot resume a running container"),
                [CEV_REQ_EXEC] = STAY(action_exec),
                [CEV_REQ_EXEC_START] = STAY(action_exec_start),
                [CEV_REQ_UPDATE] = STAY(action_update),
                [CEV_REQ_CHECKPOINT] = GO(CHECKPOINTING, action_checkpoint),
                [CEV_REQ_DELETE] = REFUSE(STILL_RUNNING, "cannot delete a running process"),
                [CEV_REQ_FORCE_DELETE] = STAY(action_force_delete),
                [CEV_REQ_QUERY] = STAY(action_query),
                PREPARE_RESULTS(BUG), CREATE_RESULTS(BUG), START_RESULTS(BUG), PAUSE_RESULTS(BUG), RESUME_RESULTS(BUG),
                CHECKPOINT_RESULTS(BUG), DELETE_RESULTS(BUG), [CEV_UNDO_DONE] = BUG, [CEV_CLEAN_DONE] = BUG,
                [CEV_WANTED_GONE] = IGNORE,
                [CEV_INIT_EXITED] = GO(STOPPING, NULL),
                [CEV_ALL_GONE] = IGNORE, [CEV_OOM] = STAY(action_oom), [CEV_DEADLINE] = IGNORE,
        },
        [CONTAINER_PAUSING] = {
                [CEV_REQ_CREATE] = BUG,
                [CEV_REQ_START] = REFUSE(WRONG_STATE, "cannot start a running container"),
                [CEV_REQ_KILL] = DEFER,
                [CEV_REQ_PAUSE] = REFUSE(WRONG_STATE, "the container is being paused already"),
                [CEV_REQ_RESUME] = DEFER, [CEV_REQ_EXEC] = DEFER, [CEV_REQ_EXEC_START] = DEFER,
                [CEV_REQ_UPDATE] = DEFER,
                [CEV_REQ_CHECKPOINT] = DEFER,
                [CEV_REQ_DELETE] = REFUSE(STILL_RUNNING, "cannot delete a running process"),
                [CEV_REQ_FORCE_DELETE] = DEFER,
                [CEV_REQ_QUERY] = STAY(action_query),
                [CEV_PAUSE_OK] = GO(PAUSED, NULL),
                [CEV_PAUSE_FAILED] = GO(RUNNING, action_fail),
                PREPARE_RESULTS(BUG), CREATE_RESULTS(BUG), START_RESULTS(BUG), RESUME_RESULTS(IGNORE),
                CHECKPOINT_RESULTS(BUG), DELETE_RESULTS(BUG), [CEV_UNDO_DONE] = BUG, [CEV_CLEAN_DONE] = BUG,
                [CEV_WANTED_GONE] = IGNORE,
                [CEV_INIT_EXITED] = GO(STOPPING, action_thaw),
                [CEV_ALL_GONE] = IGNORE, [CEV_OOM] = STAY(action_oom), [CEV_DEADLINE] = IGNORE,
        },
        [CONTAINER_PAUSED] = {
                [CEV_REQ_CREATE] = BUG,
                [CEV_REQ_START] = REFUSE(PAUSED, "cannot start a paused container"),
                [CEV_REQ_KILL] = STAY(action_kill),
                [CEV_REQ_PAUSE] = REFUSE(WRONG_STATE, "the container is paused already"),
                [CEV_REQ_RESUME] = GO(RESUMING, action_resume),
                [CEV_REQ_EXEC] = REFUSE(PAUSED, "cannot exec in a paused state"),
                [CEV_REQ_EXEC_START] = REFUSE(PAUSED, "cannot exec in a paused state"),
                [CEV_REQ_UPDATE] = STAY(action_update),
                [CEV_REQ_CHECKPOINT] = GO(CHECKPOINTING_PAUSED, action_checkpoint),
                [CEV_REQ_DELETE] = REFUSE(PAUSED, "cannot delete a paused process"),
                [CEV_REQ_FORCE_DELETE] = STAY(action_force_delete),
                [CEV_REQ_QUERY] = STAY(action_query),
                PREPARE_RESULTS(BUG), CREATE_RESULTS(BUG), START_RESULTS(BUG), PAUSE_RESULTS(IGNORE),
                RESUME_RESULTS(BUG),
                CHECKPOINT_RESULTS(BUG), DELETE_RESULTS(BUG), [CEV_UNDO_DONE] = BUG, [CEV_CLEAN_DONE] = BUG,
                [CEV_WANTED_GONE] = IGNORE,
                [CEV_INIT_EXITED] = GO(STOPPING, action_thaw),
                [CEV_ALL_GONE] = IGNORE, [CEV_OOM] = STAY(action_oom), [CEV_DEADLINE] = IGNORE,
        },
        [CONTAINER_RESUMING] = {
                [CEV_REQ_CREATE] = BUG,
                [CEV_REQ_START] = REFUSE(PAUSED, "cannot start a paused container"),
                [CEV_REQ_KILL] = DEFER, [CEV_REQ_PAUSE] = DEFER,
                [CEV_REQ_RESUME] = REFUSE(WRONG_STATE, "the container is being resumed already"),
                [CEV_REQ_EXEC] = DEFER, [CEV_REQ_EXEC_START] = DEFER, [CEV_REQ_UPDATE] = DEFER,
                [CEV_REQ_CHECKPOINT] = DEFER,
                [CEV_REQ_DELETE] = REFUSE(STILL_RUNNING, "cannot delete a running process"),
                [CEV_REQ_FORCE_DELETE] = DEFER,
                [CEV_REQ_QUERY] = STAY(action_query),
                [CEV_RESUME_OK] = GO(RUNNING, NULL),
                [CEV_RESUME_FAILED] = GO(PAUSED, action_fail),
                PREPARE_RESULTS(BUG), CREATE_RESULTS(BUG), START_RESULTS(BUG), PAUSE_RESULTS(IGNORE),
                CHECKPOINT_RESULTS(BUG), DELETE_RESULTS(BUG), [CEV_UNDO_DONE] = BUG, [CEV_CLEAN_DONE] = BUG,
                [CEV_WANTED_GONE] = IGNORE,
                [CEV_INIT_EXITED] = GO(STOPPING, action_thaw),
                [CEV_ALL_GONE] = IGNORE, [CEV_OOM] = STAY(action_oom), [CEV_DEADLINE] = IGNORE,
        },
        [CONTAINER_CHECKPOINTING] = {
                [CEV_REQ_CREATE] = BUG,
                [CEV_REQ_START] = REFUSE(WRONG_STATE, "cannot start a running container"),
                [CEV_REQ_KILL] = STAY(action_kill),
                [CEV_REQ_PAUSE] = DEFER, [CEV_REQ_RESUME] = DEFER, [CEV_REQ_EXEC] = DEFER, [CEV_REQ_EXEC_START] = DEFER,
                [CEV_REQ_UPDATE] = DEFER, [CEV_REQ_CHECKPOINT] = DEFER,
                [CEV_REQ_DELETE] = REFUSE(STILL_RUNNING, "cannot delete a running process"),
                [CEV_REQ_FORCE_DELETE] = STAY(action_force_delete),
                [CEV_REQ_QUERY] = STAY(action_query),
                [CEV_CHECKPOINT_OK] = GO(RUNNING, NULL),
                [CEV_CHECKPOINT_FAILED] = GO(RUNNING, action_fail),
                PREPARE_RESULTS(BUG), CREATE_RESULTS(BUG), START_RESULTS(BUG), PAUSE_RESULTS(IGNORE),
                RESUME_RESULTS(IGNORE),
                DELETE_RESULTS(BUG), [CEV_UNDO_DONE] = BUG, [CEV_CLEAN_DONE] = BUG, [CEV_WANTED_GONE] = IGNORE,
                [CEV_INIT_EXITED] = IGNORE, /* remembered: the checkpoint's result comes first */
                [CEV_ALL_GONE] = IGNORE, [CEV_OOM] = STAY(action_oom), [CEV_DEADLINE] = IGNORE,
        },
        [CONTAINER_CHECKPOINTING_PAUSED] = {
                [CEV_REQ_CREATE] = BUG,
                [CEV_REQ_START] = REFUSE(PAUSED, "cannot start a paused container"),
                [CEV_REQ_KILL] = STAY(action_kill),
                [CEV_REQ_PAUSE] = DEFER, [CEV_REQ_RESUME] = DEFER,
                [CEV_REQ_EXEC] = REFUSE(PAUSED, "cannot exec in a paused state"),
                [CEV_REQ_EXEC_START] = REFUSE(PAUSED, "cannot exec in a paused state"),
                [CEV_REQ_UPDATE] = DEFER, [CEV_REQ_CHECKPOINT] = DEFER,
                [CEV_REQ_DELETE] = REFUSE(PAUSED, "cannot delete a paused process"),
                [CEV_REQ_FORCE_DELETE] = STAY(action_force_delete),
                [CEV_REQ_QUERY] = STAY(action_query),
                [CEV_CHECKPOINT_OK] = GO(PAUSED, NULL),
                [CEV_CHECKPOINT_FAILED] = GO(PAUSED, action_fail),
                PREPARE_RESULTS(BUG), CREATE_RESULTS(BUG), START_RESULTS(BUG), PAUSE_RESULTS(IGNORE),
                RESUME_RESULTS(IGNORE),
                DELETE_RESULTS(BUG), [CEV_UNDO_DONE] = BUG, [CEV_CLEAN_DONE] = BUG, [CEV_WANTED_GONE] = IGNORE,
                [CEV_INIT_EXITED] = IGNORE, /* remembered: the checkpoint's result comes first */
                [CEV_ALL_GONE] = IGNORE, [CEV_OOM] = STAY(action_oom), [CEV_DEADLINE] = IGNORE,
        },
        [CONTAINER_STOPPING] = {
                [CEV_REQ_CREATE] = BUG,
                [CEV_REQ_START] = REFUSE(STOPPED, "cannot start a stopped container"),
                [CEV_REQ_KILL] = REFUSE(PROCESS_FINISHED, "process already finished"),
                [CEV_REQ_PAUSE] = REFUSE(STOPPED, "cannot pause a stopped container"),
                [CEV_REQ_RESUME] = REFUSE(STOPPED, "cannot resume a stopped container"),
                [CEV_REQ_EXEC] = REFUSE(STOPPED, "cannot exec in a stopped state"),
                [CEV_REQ_EXEC_START] = REFUSE(STOPPED, "cannot exec in a stopped state"),
                [CEV_REQ_UPDATE] = REFUSE(STOPPED, "cannot update a stopped container"),
                [CEV_REQ_CHECKPOINT] = REFUSE(STOPPED, "cannot checkpoint a stopped container"),
                [CEV_REQ_QUERY] = REFUSE(STOPPED, "the container has stopped: it has no processes any more"),
                [CEV_REQ_DELETE] = DEFER, [CEV_REQ_FORCE_DELETE] = DEFER,
                [CEV_ALL_GONE] = GO(STOPPED, NULL),
                [CEV_DEADLINE] = GO(STOPPED, action_give_up_waiting),
                PREPARE_RESULTS(BUG), CREATE_RESULTS(BUG), START_RESULTS(BUG), LATE_RESULTS,
                DELETE_RESULTS(BUG), [CEV_UNDO_DONE] = BUG, [CEV_CLEAN_DONE] = BUG, [CEV_WANTED_GONE] = IGNORE,
                [CEV_INIT_EXITED] = IGNORE, [CEV_OOM] = STAY(action_oom),
        },
        [CONTAINER_STOPPED] = {
                ENDED,
                [CEV_REQ_DELETE] = GO(DELETING, action_delete),
                [CEV_REQ_FORCE_DELETE] = GO(DELETING, action_delete),
                [CEV_WANTED_GONE] = GO(DELETING, NULL),
                PREPARE_RESULTS(BUG), CREATE_RESULTS(BUG), START_RESULTS(BUG), LATE_RESULTS,
                DELETE_RESULTS(BUG), [CEV_UNDO_DONE] = BUG, [CEV_CLEAN_DONE] = BUG,
                [CEV_INIT_EXITED] = IGNORE, [CEV_ALL_GONE] = IGNORE, [CEV_OOM] = IGNORE,
                [CEV_DEADLINE] = STAY(action_auto_remove),
        },
        [CONTAINER_DELETING] = {
                ENDED,
                [CEV_REQ_DELETE] = DEFER, [CEV_REQ_FORCE_DELETE] = DEFER,
                [CEV_DELETE_OK] = GO(CLEANING, NULL),
                [CEV_DELETE_FAILED] = GO(STOPPED, action_fail),
                PREPARE_RESULTS(BUG), CREATE_RESULTS(BUG), START_RESULTS(BUG), LATE_RESULTS,
                [CEV_UNDO_DONE] = BUG, [CEV_CLEAN_DONE] = BUG, [CEV_WANTED_GONE] = IGNORE,
                [CEV_INIT_EXITED] = IGNORE, [CEV_ALL_GONE] = IGNORE, [CEV_OOM] = IGNORE, [CEV_DEADLINE] = IGNORE,
        },
        [CONTAINER_CLEANING] = {
                ENDED,
                [CEV_REQ_DELETE] = DEFER, [CEV_REQ_FORCE_DELETE] = DEFER,
                [CEV_CLEAN_DONE] = GO(GONE, NULL),
                PREPARE_RESULTS(BUG), CREATE_RESULTS(BUG), START_RESULTS(BUG), LATE_RESULTS,
                DELETE_RESULTS(BUG), [CEV_UNDO_DONE] = BUG, [CEV_WANTED_GONE] = IGNORE,
                [CEV_INIT_EXITED] = IGNORE, [CEV_ALL_GONE] = IGNORE, [CEV_OOM] = IGNORE, [CEV_DEADLINE] = IGNORE,
        },
        [CONTAINER_GONE] = {
                ENDED,
                [CEV_REQ_DELETE] = REFUSE(NOT_FOUND, "the container was removed"),
                [CEV_REQ_FORCE_DELETE] = REFUSE(NOT_FOUND, "the container was removed"),
                PREPARE_RESULTS(IGNORE), CREATE_RESULTS(IGNORE), START_RESULTS(IGNORE), LATE_RESULTS,
                DELETE_RESULTS(IGNORE), [CEV_UNDO_DONE] = IGNORE, [CEV_CLEAN_DONE] = IGNORE, [CEV_WANTED_GONE] = IGNORE,
                [CEV_INIT_EXITED] = IGNORE, [CEV_ALL_GONE] = IGNORE, [CEV_OOM] = IGNORE, [CEV_DEADLINE] = IGNORE,
        },
};

#undef GO
#define GO(state, act) { .verdict = VERDICT_GO, .next = PROCESS_##state, .action = (act) }

static const struct process_cell process_table[PROCESS_STATE_N][PEV_N] = {
        [PROCESS_ADDED] = {
                [PEV_REQ_START] = GO(STARTING, action_process_start),
                [PEV_REQ_KILL] = REFUSE(NOT_STARTED, "process not created"),
                [PEV_REQ_DELETE] = GO(GONE, action_process_delete),
                [PEV_REQ_FORCE_DELETE] = GO(GONE, action_process_delete),
                [PEV_START_OK] = BUG, [PEV_START_FAILED] = BUG, [PEV_DRAINED] = BUG, [PEV_EXITED] = IGNORE,
        },
        [PROCESS_STARTING] = {
                [PEV_REQ_START] = REFUSE(WRONG_STATE, "the process is being started already"),
                [PEV_REQ_KILL] = DEFER, [PEV_REQ_DELETE] = DEFER, [PEV_REQ_FORCE_DELETE] = DEFER,
                [PEV_START_OK] = GO(RUNNING, NULL),
                [PEV_START_FAILED] = GO(STOPPED, action_process_fail), [PEV_DRAINED] = BUG,
                [PEV_EXITED] = IGNORE, /* remembered: its start is published first */
        },
        [PROCESS_RUNNING] = {
                [PEV_REQ_START] = REFUSE(WRONG_STATE, "the process runs already"),
                [PEV_REQ_KILL] = STAY(action_process_kill),
                [PEV_REQ_DELETE] = REFUSE(STILL_RUNNING, "cannot delete a running process"),
                [PEV_REQ_FORCE_DELETE] = STAY(action_process_force_delete),
                [PEV_START_OK] = BUG, [PEV_START_FAILED] = BUG, [PEV_DRAINED] = BUG,
                [PEV_EXITED] = GO(STOPPED, NULL),
        },
        [PROCESS_STOPPED] = {
                [PEV_REQ_START] = REFUSE(WRONG_STATE, "cannot start a process that has ended"),
                [PEV_REQ_KILL] = REFUSE(PROCESS_FINISHED, "process already finished"),
                [PEV_REQ_DELETE] = GO(REMOVING, action_process_delete),
                [PEV_REQ_FORCE_DELETE] = GO(REMOVING, action_process_delete),
                [PEV_START_OK] = BUG, [PEV_START_FAILED] = BUG, [PEV_DRAINED] = BUG, [PEV_EXITED] = IGNORE,
        },
        [PROCESS_REMOVING] = {
                [PEV_REQ_START] = REFUSE(WRONG_STATE, "cannot start a process that has ended"),
                [PEV_REQ_KILL] = REFUSE(PROCESS_FINISHED, "process already finished"),
                [PEV_REQ_DELETE] = DEFER, [PEV_REQ_FORCE_DELETE] = DEFER,
                [PEV_START_OK] = BUG, [PEV_START_FAILED] = BUG, [PEV_EXITED] = IGNORE,
                [PEV_DRAINED] = GO(GONE, NULL),
        },
        [PROCESS_GONE] = {
                [PEV_REQ_START] = REFUSE(PROCESS_NOT_FOUND, "the process was removed"),
                [PEV_REQ_KILL] = REFUSE(PROCESS_NOT_FOUND, "the process was removed"),
                [PEV_REQ_DELETE] = REFUSE(PROCESS_NOT_FOUND, "the process was removed"),
                [PEV_REQ_FORCE_DELETE] = REFUSE(PROCESS_NOT_FOUND, "the process was removed"),
                [PEV_START_OK] = IGNORE, [PEV_START_FAILED] = IGNORE, [PEV_DRAINED] = IGNORE, [PEV_EXITED] = IGNORE,
        },
};

const struct container_cell *container_cell_of(enum container_state s, enum container_event ev)
{
        return &container_table[s][ev];
}

const struct process_cell *process_cell_of(enum process_state_kind s, enum process_event ev)
{
        return &process_table[s][ev];
}

static const struct {
        const char *name;
        enum event_class class;
} container_events[CEV_N] = {
#define X(name, class) [CEV_##name] = { #name, CLASS_##class },
        CONTAINER_EVENTS(X)
#undef X
}, process_events[PEV_N] = {
#define X(name, class) [PEV_##name] = { #name, CLASS_##class },
        PROCESS_EVENTS(X)
#undef X
};

const char *container_event_name(enum container_event ev)
{
        return container_events[ev].name;
}

enum event_class container_event_class(enum container_event ev)
{
        return container_events[ev].class;
}

const char *process_event_name(enum process_event ev)
{
        return process_events[ev].name;
}

enum event_class process_event_class(enum process_event ev)
{
        return process_events[ev].class;
}

static void container_enter(struct container *c, enum container_state next, const char *cause)
{
        log_info("container %s: %s -> %s (%s)", c->key, container_state_name(c->state), container_state_name(next),
                 cause);
        container_leave(c, next);
        c->previous = c->state;
        c->state = next;
        crash_point2("state", container_state_name(next));
        container_persist(c);
        if (container_entry[next])
                container_entry[next](c, NULL);
        crash_point2("entered", container_state_name(next));
        loop_defer(&c->kick);
}

/*
 * A request that no action has taken: refused, or put off until the state changes. Anything else is a bug of ours, but
 * not the caller's: it is answered all the same.
 */
static void settle_request(struct happening *h, enum verdict verdict, enum reason reason, const char *text,
                           struct request **deferred)
{
        struct request *req = h->request ? *h->request : NULL;

        if (!req)
                return;
        if (verdict == VERDICT_DEFER) {
                *h->request = NULL;
                DL_APPEND2(*deferred, req, park_prev, park_next);
        } else if (verdict == VERDICT_REFUSE) {
                request_fail_reason(h->request, reason, "%s", text);
        } else {
                request_fail_reason(h->request, REASON_INTERNAL, "the request was not dealt with in its state");
        }
}

void container_event(struct container *c, enum container_event ev, struct happening *h)
{
        const struct container_cell *cell = &container_table[c->state][ev];
        struct happening none = { 0 };

        if (!h)
                h = &none;
        switch (cell->verdict) {
        case VERDICT_GO:
                if (cell->action)
                        cell->action(c, h);
                container_enter(c, cell->next, container_events[ev].name);
                break;
        case VERDICT_STAY:
                if (cell->action)
                        cell->action(c, h);
                break;
        case VERDICT_REFUSE:
        case VERDICT_DEFER:
        case VERDICT_IGNORE:
                break;
        case VERDICT_UNSET:
        case VERDICT_BUG:
                daemon_warn(c->daemon, c, "bug: event %s in state %s", container_events[ev].name,
                            container_state_name(c->state));
                break;
        }
        settle_request(h, cell->verdict, cell->reason, cell->text, &c->deferred);
}

static void process_enter(struct process *p, enum process_state_kind next, const char *cause)
{
        struct container *c = p->container;

        log_info("container %s: process %s: %s -> %s (%s)", c->key, p->exec_id, process_state_name(p->state),
                 process_state_name(next), cause);
        p->state = next;
        crash_point2("process", process_state_name(next));
        container_persist(c);
        if (process_entry[next])
                process_entry[next](p, NULL);
        crash_point2("process-entered", process_state_name(next));
        loop_defer(&c->kick);
}

void process_event(struct process *p, enum process_event ev, struct happening *h)
{
        const struct process_cell *cell = &process_table[p->state][ev];
        struct happening none = { 0 };

        assert(!process_is_init(p));
        if (!h)
                h = &none;
        switch (cell->verdict) {
        case VERDICT_GO:
                if (cell->action)
                        cell->action(p, h);
                process_enter(p, cell->next, process_events[ev].name);
                break;
        case VERDICT_STAY:
                if (cell->action)
                        cell->action(p, h);
                break;
        case VERDICT_REFUSE:
        case VERDICT_DEFER:
        case VERDICT_IGNORE:
                break;
        case VERDICT_UNSET:
        case VERDICT_BUG:
                daemon_warn(p->container->daemon, p->container, "bug: event %s of process %s in state %s",
                            process_events[ev].name, p->exec_id, process_state_name(p->state));
                break;
        }
        settle_request(h, cell->verdict, cell->reason, cell->text, &p->deferred);
}

void container_adopt_state(struct container *c, enum container_state s, bool enter)
{
        log_info("container %s: found %s, taken over as %s", c->key, container_state_name(c->state),
                 container_state_name(s));
        c->previous = c->state;
        c->state = s;
        container_persist(c);
        if (enter && container_entry[s])
                container_entry[s](c, NULL);
        loop_defer(&c->kick);
}

void process_adopt_state(struct process *p, enum process_state_kind s)
{
        p->state = s;
        loop_defer(&p->container->kick);
}
