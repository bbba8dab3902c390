/* SPDX-License-Identifier: Apache-2.0 */

/* From our results to containerd's responses. */

#include <string.h>
#include <unistd.h>
#include "client/shim/metrics.h"
#include "client/shim/task.h"
#include "proto/shim.h"
#include "proto/shim/options.pb-c.h"
#include "proto/shim/task.pb-c.h"

static int send(const struct task_answered *to, const ProtobufCMessage *message)
{
        return ttrpc_append_response(to->out, to->stream, message);
}

int task_answer_done(const struct task_answered *to, const void *result)
{
        Shim__Empty m = SHIM__EMPTY__INIT;

        return send(to, &m.base);
}

/* Of a container whose create is not over containerd has not heard yet: false. */
static bool status_of(const char *ours, Shim__Status *ret)
{
        static const struct {
                const char *ours;
                Shim__Status status;
        } rows[] = {
                { "created", SHIM__STATUS__CREATED }, { "running", SHIM__STATUS__RUNNING },
                { "paused", SHIM__STATUS__PAUSED },   { "pausing", SHIM__STATUS__PAUSING },
                { "stopped", SHIM__STATUS__STOPPED },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
                if (strcmp(rows[i].ours, ours) == 0) {
                        *ret = rows[i].status;
                        return true;
                }
        return false;
}

int task_answer_state(const struct task_answered *to, const void *result)
{
        const struct state_result *s = result;
        const struct process_state *p = s->process;
        Shim__StateResponse m = SHIM__STATE_RESPONSE__INIT;
        Shim__Timestamp exited_at;

        if (!p || !status_of(p->status, &m.status))
                return task_answer_error(to, NULL, REASON_NOT_FOUND, CODE_NOT_FOUND, "container not created");
        m.id = (char *)s->id;
        m.bundle = (char *)s->bundle;
        m.pid = p->pid;
        m.stdin = (char *)p->stdin_path;
        m.stdout = (char *)p->stdout_path;
        m.stderr = (char *)p->stderr_path;
        m.terminal = p->terminal;
        m.exit_status = p->exit_status;
        shim_time(&exited_at, p->exited_at);
        m.exited_at = &exited_at;
        m.exec_id = (char *)p->exec_id;
        return send(to, &m.base);
}

int task_answer_create(const struct task_answered *to, const void *result)
{
        Shim__CreateTaskResponse m = SHIM__CREATE_TASK_RESPONSE__INIT;

        m.pid = ((const struct create_result *)result)->pid;
        return send(to, &m.base);
}

int task_answer_start(const struct task_answered *to, const void *result)
{
        Shim__StartResponse m = SHIM__START_RESPONSE__INIT;

        m.pid = ((const struct start_result *)result)->pid;
        return send(to, &m.base);
}

int task_answer_delete(const struct task_answered *to, const void *result)
{
        const struct exit_result *e = result;
        Shim__DeleteResponse m = SHIM__DELETE_RESPONSE__INIT;
        Shim__Timestamp exited_at;

        m.pid = e->pid;
        m.exit_status = e->exit_status;
        shim_time(&exited_at, e->exited_at);
        m.exited_at = &exited_at;
        return send(to, &m.base);
}

int task_answer_wait(const struct task_answered *to, const void *result)
{
        const struct exit_result *e = result;
        Shim__WaitResponse m = SHIM__WAIT_RESPONSE__INIT;
        Shim__Timestamp exited_at;

        m.exit_status = e->exit_status;
        shim_time(&exited_at, e->exited_at);
        m.exited_at = &exited_at;
        return send(to, &m.base);
}

/* --- pids: an added process is told by its info --- */

struct pid_row {
        Shim__ProcessInfo info;
        Shim__Any details;
};

/* containerd and its clients look a pid up in /proc: there, what is in a sandbox is the sandbox. */
static int fill_row(struct pid_row *row, const struct pid_info *p, const struct pids_result *all)
{
        Shim__ProcessDetails details = SHIM__PROCESS_DETAILS__INIT;

        shim__process_info__init(&row->info);
        shim__any__init(&row->details);
        row->info.pid = all->host ? p->pid : all->host_pid;
        if (!p->exec_id[0])
                return 0;
        details.exec_id = (char *)p->exec_id;
        row->info.info = &row->details;
        return shim_any_pack(&row->details, TYPE_PROCESS_DETAILS, &details.base);
}

int task_answer_pids(const struct task_answered *to, const void *result)
{
        const struct pids_result *pids = result;
        Shim__PidsResponse m = SHIM__PIDS_RESPONSE__INIT;
        size_t n = pids->processes.n;
        _cleanup_(freep) struct pid_row *rows = calloc(n + 1, sizeof(*rows));
        _cleanup_(freep) Shim__ProcessInfo **infos = calloc(n + 1, sizeof(*infos));
        int r = rows && infos ? 0 : -1;

        for (size_t i = 0; i < n && r == 0; i++) {
                r = fill_row(&rows[i], &pids->processes.items[i], pids);
                infos[i] = &rows[i].info;
        }
        m.n_processes = n;
        m.processes = infos;
        r = r == 0 ? send(to, &m.base)
                   : task_answer_error(to, NULL, REASON_NO_RESOURCES, CODE_RESOURCE_EXHAUSTED,
                                       "no memory for the pids");
        for (size_t i = 0; rows && i < n; i++)
                free(rows[i].details.value.data);
        return r;
}

int task_answer_stats(const struct task_answered *to, const void *result)
{
        const struct stats_result *stats = result;
        _cleanup_(arena_freep) struct arena *a = arena_new();
        Shim__StatsResponse m = SHIM__STATS_RESPONSE__INIT;
        Shim__Any any = SHIM__ANY__INIT;
        int r;

        if (!a || (stats->cgroup_version == 2 ? metrics_v2(&any, stats, a) : metrics_v1(&any, stats, a)) < 0)
                return task_answer_error(to, NULL, REASON_NO_RESOURCES, CODE_RESOURCE_EXHAUSTED,
                                         "no memory for the statistics");
        m.stats = &any;
        r = send(to, &m.base);
        free(any.value.data);
        return r;
}

/* --- Connect: the task's pid, or that there is none --- */

static int connected(const struct task_answered *to, uint32_t pid)
{
        Shim__ConnectResponse m = SHIM__CONNECT_RESPONSE__INIT;

        m.shim_pid = (uint32_t)getpid();
        m.task_pid = pid;
        return send(to, &m.base);
}

int task_answer_connect(const struct task_answered *to, const void *result)
{
        const struct state_result *s = result;

        return connected(to, s->process ? s->process->pid : 0);
}

bool task_forgive_connect(const struct task_answered *to, int reason)
{
        return (reason == REASON_NOT_FOUND || reason == REASON_PROCESS_NOT_FOUND) && connected(to, 0) == 0;
}
