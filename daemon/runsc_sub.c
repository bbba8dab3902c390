/* SPDX-License-Identifier: Apache-2.0 */

/* See runsc_sub.h. */

#include "daemon/runsc_sub.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "daemon/daemon.h"
#include "daemon/lifecycle.h"
#include "daemon/runsc_control.h"
#include "daemon/runsc_usage.h"
#include "daemon/runtime_oci.h"
#include "daemon/spec_urpc.h"
#include "daemon/stats.h"

#define WAIT_AGAIN_NS NSEC_PER_SEC
#define LAST_WORDS_NS (2 * NSEC_PER_SEC) /* for a wait to end by itself, once the sandbox has ended */

/* The container whose process the sandbox is; NULL: it has ended, or was never here. */
static struct container *sandbox_of(const struct container *c)
{
        struct container *box = container_find(c->daemon, c->params->owner, c->params->ns, c->sandbox_id);

        return box && box->init.pid && !box->init.ended ? box : NULL;
}

static bool is_in(const struct container *c, const struct container *box)
{
        return c != box && runsc_is_sub(c) && strcmp(c->sandbox_id, box->params->id) == 0 &&
               strcmp(c->params->ns, box->params->ns) == 0 && strcmp(c->params->owner, box->params->owner) == 0;
}

bool runsc_sandbox_lives(const struct container *c)
{
        return runsc_is_sub(c) ? sandbox_of(c) != NULL : c->init.pid && !c->init.ended;
}

struct cgroup *runsc_cgroup(const struct container *c)
{
        const struct container *box = runsc_is_sub(c) ? sandbox_of(c) : c;

        return box ? box->cgroup : NULL;
}

int runsc_sub_made(struct container *c, pid_t pid, struct error *err)
{
        const struct container *box = sandbox_of(c);
        struct error local = ERROR_NULL;

        if (!box || box->init.pid != pid)
                return error_set(err, REASON_RUNTIME_FAILED, "the sandbox %s has ended", c->sandbox_id);
        c->init.pid = pid;
        c->init.in_sandbox = true;
        c->init.start_time = box->init.start_time;
        if (c->spec && stats_verify_sandbox(box->cgroup, &c->spec->limits, &local) < 0)
                daemon_warn(c->daemon, c, "a limit is not in force: %s", local.message);
        return 0;
}

/* --- its end --- */

/* Whose wait was in flight until the sandbox ended was there until then. Of others only the sandbox knew. */
static void end_with_sandbox(struct container *c, bool was_there)
{
        struct exit_info info = { .known = was_there, .wait_status = SIGKILL, .realtime_ns = clock_realtime_ns() };

        if (!was_there)
                info.wait_status = 0;
        process_ended(&c->init, &info);
}

static void end_by(struct container *c, int signal)
{
        struct exit_info info = { .known = true, .wait_status = signal, .realtime_ns = clock_realtime_ns() };

        process_ended(&c->init, &info);
}

static void wait_over(struct op *op, const struct error *err)
{
        struct container *c = op->container;

        if (!err) {
                process_ended(&c->init, &op->exit);
                return;
        }
        log_info("container %s: %s: it has ended with its sandbox", c->key, err->message);
        end_with_sandbox(c, op->parked || !c->adopted);
}

/* In flight no timer runs, unless the sandbox has ended; else it is time to try again. */
static void wait_look(struct watch_timer *w)
{
        struct op *op = container_of(w, struct op, timer);
        struct error err = ERROR_NULL;

        if (sandbox_of(op->container)) {
                runsc_sub_wait(op);
        } else if (op->command_used && op->command.running) {
                command_cancel(&op->command);
        } else {
                if (op->urpc_used)
                        urpc_close(&op->urpc);
                error_set(&err, REASON_RUNTIME_FAILED, "the sandbox %s has ended", op->container->sandbox_id);
                op_finish(op, &err);
        }
}

static void wait_timer(struct op *op, uint64_t delay_ns)
{
        watch_timer_stop(&op->timer);
        watch_timer_init(&op->timer, op->container->daemon->loop, wait_look);
        watch_timer_arm(&op->timer, delay_ns);
}

/* The connection breaks some milliseconds before the end of the sandbox is seen, which ends this wait too. */
static void wait_failed(struct op *op, const struct error *err)
{
        watch_timer_stop(&op->timer);
        if (!sandbox_of(op->container)) {
                op_finish(op, err);
                return;
        }
        log_info("container %s: %s: its end is asked for again", op->container->key, err->message);
        wait_timer(op, WAIT_AGAIN_NS);
}

static void rest_killed(struct command *cmd, const struct command_result *res)
{
        op_finish(cmd->data, NULL);
}

static void rest_replied(struct urpc *u, struct urpc_reply *reply)
{
        struct op *op = container_of(u, struct op, urpc);

        urpc_close(u);
        op->asked = false;
        op_finish(op, NULL);
}

static void wait_told(struct op *op, int status)
{
        struct container *c = op->container;

        watch_timer_stop(&op->timer);
        op->exit = (struct exit_info){ .known = WIFEXITED(status) || WIFSIGNALED(status),
                                       .wait_status = status,
                                       .realtime_ns = clock_realtime_ns() };
        if (c->private_pid_ns || !sandbox_of(c)) {
                op_finish(op, NULL);
                return;
        }
        if (runsc_ask(op, spec_urpc_signal(op->arena, c->params->id, SIGKILL, 0, URPC_SIGNAL_ALL), RUNSC_CALL_NS,
                      rest_replied))
                return;
        oci_command(op, "kill", COMMAND_KILL);
        command_arg(&op->command, "--all");
        command_arg(&op->command, c->params->id);
        command_argf(&op->command, "%d", SIGKILL);
        oci_submit(op, rest_killed);
}

static void cli_waited(struct command *cmd, const struct command_result *res)
{
        struct op *op = cmd->data;
        struct error err = ERROR_NULL;
        uint32_t status = 0;

        if (!res->ok)
                command_error(res, "wait", &err);
        if (res->ok && spec_wait_parse(res->output, res->output_len, &status, &err) == 0)
                wait_told(op, (int)(status & 0xff) << 8);
        else
                wait_failed(op, &err);
}

static void wait_by_cli(struct op *op)
{
        oci_command(op, "wait", COMMAND_WAIT);
        command_arg(&op->command, op->container->params->id);
        oci_submit(op, cli_waited);
}

static void wait_replied(struct urpc *u, struct urpc_reply *reply)
{
        struct op *op = container_of(u, struct op, urpc);
        struct error err = ERROR_NULL;
        int64_t status = 0;
        bool told = !runsc_no_reply(reply, &err) && spec_urpc_number(reply->text, reply->len, &status, &err) == 0;

        urpc_close(u);
        op->asked = false;
        process_keep(&op->container->init);
        if (told)
                wait_told(op, (int)(status & 0xffff));
        else if (err.reason == REASON_NOT_SUPPORTED)
                wait_by_cli(op);
        else
                wait_failed(op, &err);
}

/* The request of an earlier daemon, on the connection that was kept. */
static bool wait_on(struct op *op)
{
        struct container *c = op->container;
        int fd = process_kept_control(&c->init);

        if (fd < 0)
                return false;
        urpc_init(&op->urpc, c->daemon->loop);
        op->urpc_used = op->asked = true;
        urpc_open(&op->urpc, fd);
        urpc_await(&op->urpc, 0, wait_replied);
        return true;
}

void runsc_sub_wait(struct op *op)
{
        struct container *c = op->container;
        const char *text = spec_urpc_str(op->arena, "containerManager.Wait", c->params->id);
        struct error err = ERROR_NULL;

        if (!op->urpc_used && wait_on(op)) {
                op->parked = true;
        } else if (!sandbox_of(c)) {
                error_set(&err, REASON_RUNTIME_FAILED, "the sandbox %s has ended", c->sandbox_id);
                op_finish(op, &err);
        } else if (runsc_ask(op, text, 0, wait_replied)) {
                op->parked = true;
                process_keep(&c->init); /* once it was sent: what was kept has been asked */
        } else {
                wait_by_cli(op);
        }
}

int runsc_sub_wait_fd(const struct process *p)
{
        const struct op *op = op_find(p->container, OP_WAIT);

        return op && op->asked && op->parked ? op->urpc.fd : -1;
}

void runsc_sub_last_words(struct process *p, struct exit_info *ret)
{
        _cleanup_(fd_closep) int fd = process_kept_control(p);
        struct error err = ERROR_NULL;
        int64_t status = SIGKILL;
        char text[1024];
        ssize_t n = -1;

        if (fd >= 0)
                n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);
        ret->known = n == 0 || (n < 0 && fd >= 0 && errno == ECONNRESET);
        if (n > 0) {
                text[n] = '\0';
                ret->known = spec_urpc_number(text, (size_t)n, &status, &err) == 0;
        }
        ret->known |= p->container->state == CONTAINER_CREATED; /* nothing was in it that could end before */
        ret->wait_status = ret->known ? (int)(status & 0xffff) : 0;
        ret->realtime_ns = clock_realtime_ns();
}

void runsc_sub_await(struct container *c)
{
        if (runsc_is_sub(c) && !c->init.ended && !op_find(c, OP_WAIT))
                op_begin(c, OP_WAIT, &c->init, wait_over);
}

/* --- signals before there is anybody to take them --- */

static void end_unstarted(struct watch_timer *w)
{
        struct op *op = container_of(w, struct op, timer);

        end_by(op->container, op->signal);
        op_finish(op, NULL);
}

static void failed_start_killed(struct command *cmd, const struct command_result *res)
{
        struct op *op = cmd->data;
        struct process *p = &op->container->init;
        struct exit_info unknown = { .known = false };

        if (!p->ended)
                snprintf(p->cause, sizeof(p->cause), "it could not be started");
        process_ended(p, &unknown);
        op_finish(op, NULL);
}

/* As a program that has not begun would take it: what ends it by default ends it. */
static bool ends(int signal)
{
        return signal == SIGKILL || signal == SIGTERM || signal == SIGINT || signal == SIGHUP || signal == SIGQUIT;
}

bool runsc_sub_kill_unstarted(struct op *op)
{
        struct container *c = op->container;

        if (c->state == CONTAINER_CREATED) {
                if (ends(op->signal)) {
                        watch_timer_init(&op->timer, c->daemon->loop, end_unstarted);
                        watch_timer_arm(&op->timer, 0);
                } else {
                        op_finish(op, NULL);
                }
                return true;
        }
        if (c->state != CONTAINER_STARTING && c->state != CONTAINER_STOPPING)
                return false;
        /* its start has failed, perhaps after something of it began to run */
        oci_command(op, "kill", COMMAND_KILL);
        command_arg(&op->command, "--all");
        command_arg(&op->command, c->params->id);
        command_argf(&op->command, "%d", SIGKILL);
        oci_submit(op, failed_start_killed);
        return true;
}

/* --- the sandbox --- */

static void ended_with_sandbox(struct container *c)
{
        struct op *wait = op_find(c, OP_WAIT);

        if (wait)
                wait->parked |= wait->command.running;
        if (wait) /* what is in flight may still tell how it ended */
                wait_timer(wait, wait->command.running || wait->urpc.done ? LAST_WORDS_NS : 0);
        else if (c->state == CONTAINER_CREATED)
                end_by(c, SIGKILL);
        /* what is being made or started fails by itself; one that is being taken over is looked at then */
}

void runsc_sandbox_ended(struct container *box)
{
        struct container *c, *tmp;

        if (runsc_is_sub(box))
                return;
        runsc_usage_drop(box);
        HASH_ITER(hh, box->daemon->containers, c, tmp)
                if (is_in(c, box) && c->init.pid && !c->init.ended && !c->adopting)
                        ended_with_sandbox(c);
}

void runsc_sandbox_oom(struct container *box, const struct oom_info *info)
{
        struct happening h = { .oom = info };
        struct container *c, *tmp;

        HASH_ITER(hh, box->daemon->containers, c, tmp)
                if (is_in(c, box))
                        container_event(c, CEV_OOM, &h);
}
