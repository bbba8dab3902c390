/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The functions named in the tables of lifecycle.c. They start things and never wait. */

#include "daemon/lifecycle.h"

/* Turns a request about a container or one of its processes into the event for the table. Consumes it. */
void container_request(struct container *c, struct request *req);

const char *request_exec_id(const struct request *req); /* "": about init, or the method knows no processes */
/* SIGKILL to all of it, for nobody in particular. */
void container_kill_everything(struct container *c);

/* --- before a state is entered --- */
void action_create(struct container *c, struct happening *h);
void action_prepared(struct container *c, struct happening *h);
void action_start(struct container *c, struct happening *h);
void action_kill(struct container *c, struct happening *h);
void action_pause(struct container *c, struct happening *h);
void action_resume(struct container *c, struct happening *h);
void action_exec(struct container *c, struct happening *h);
void action_exec_start(struct container *c, struct happening *h);
void action_update(struct container *c, struct happening *h);
void action_checkpoint(struct container *c, struct happening *h);
void action_query(struct container *c, struct happening *h);
void action_delete(struct container *c, struct happening *h);         /* of a stopped one */
void action_delete_created(struct container *c, struct happening *h); /* kill it first */
void action_force_delete(struct container *c, struct happening *h);   /* kill it first, whatever it does */
void action_abort(struct container *c, struct happening *h);          /* give up what is being created */
/* remember the error for the entry of the next state */
void action_fail(struct container *c, struct happening *h);
void action_fail_start(struct container *c, struct happening *h);     /* and end what is left of init */
void action_oom(struct container *c, struct happening *h);
void action_give_up_waiting(struct container *c, struct happening *h);
void action_auto_remove(struct container *c, struct happening *h);
void action_thaw(struct container *c, struct happening *h);

void action_process_start(struct process *p, struct happening *h);
void action_process_kill(struct process *p, struct happening *h);
void action_process_delete(struct process *p, struct happening *h);
void action_process_force_delete(struct process *p, struct happening *h);
void action_process_fail(struct process *p, struct happening *h);

/* --- when a state has been entered (and the record written) --- */
extern const container_action container_entry[CONTAINER_STATE_N]; /* NULL: nothing */
extern const process_action process_entry[PROCESS_STATE_N];

/* --- releasing what a state may not hold: before it is left --- */
void container_leave(struct container *c, enum container_state next);
/* The timer of the state fired. */
void container_look(struct container *c);
/* The kick, once a round after something has changed: an exit that came early, what `wanted` asks for, requests put
 * off. */
void container_settle(struct container *c);
/* The same, of a create that an earlier daemon had begun: once it is known whether it is undone. */
void container_settle_create(struct container *c);
/* Those who asked for a container of its name, and waited to see whether it goes, ask again. */
void container_create_again(struct container *c);
