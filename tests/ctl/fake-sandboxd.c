/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake-sandboxd SOCKET BUNDLES: a daemon for tests of sandboxctl. "Containers" are plain processes: those of
 * config.json's args, with the FIFOs of create. No sandboxes, no root, nothing durable: what it is asked is what is
 * tested. A few canned containers exist from the start. What update, resize, pause and the rest were given is printed
 * on standard output.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/fd.h"
#include "client/frame.h"
#include "proto/codec.h"

#define MAX 32

static const struct empty nothing;
struct conn {
        int fd;
        bool greeted;
        struct buf in;
};

/* A container's process, or one that exec added. */
struct process {
        bool used, auto_remove;
        char id[77], ns[77], exec_id[77], bundle[4096];
        const char *status;
        char *args[64];
        char in_path[4096], out_path[4096], err_path[4096];
        int in, out, err; /* given to the process */
        int keep_in;      /* closed by close_io */
        int keep_out, keep_err; /* reading ends: a client may leave and come back */
        pid_t pid;
        int exit_status;
        bool oom;
};

struct waiter {
        bool used;
        struct conn *conn;
        uint32_t wire_id, rpc_id;
        struct process *process;
};

struct fake {
        const char *bundles;
        int listen_fd, signal_fd;
        struct conn conns[MAX];
        struct process processes[MAX];
        struct waiter waiters[MAX];
        struct event events[256];
        char event_ids[256][77], event_execs[256][77];
        size_t n_events;
};

struct call {
        struct fake *fake;
        struct conn *conn;
        uint32_t wire_id;
        struct rpc_request request;
};

static void send_payload(struct conn *conn, uint32_t wire_id, const struct buf *payload)
{
        _cleanup_(buf_deinit) struct buf out = BUF_NULL;

        frame_append(&out, wire_id, buf_head(payload), buf_len(payload));
        fd_write_all(conn->fd, buf_head(&out), buf_len(&out));
}

static void reply(const struct call *call, const void *result)
{
        _cleanup_(buf_deinit) struct buf payload = BUF_NULL;
        struct error err = ERROR_NULL;

        if (rpc_response_encode(call->request.id, call->request.method->result, result, &payload, &err) < 0)
                abort();
        send_payload(call->conn, call->wire_id, &payload);
}

static void refuse(const struct call *call, enum reason reason, const char *message)
{
        _cleanup_(buf_deinit) struct buf payload = BUF_NULL;
        struct error err;

        error_set(&err, (int)reason, "%s", message);
        rpc_response_encode_error(call->request.id, &err, &payload);
        send_payload(call->conn, call->wire_id, &payload);
}

static void add_event(struct fake *f, const char *kind, const struct process *p)
{
        size_t i = f->n_events++;

        strcpy(f->event_ids[i], p->id);
        strcpy(f->event_execs[i], p->exec_id);
        f->events[i] = (struct event){.seq = i + 1,
                                      .time = clock_realtime_ns(),
                                      .kind = kind,
                                      .ns = "default",
                                      .id = f->event_ids[i],
                                      .exec_id = f->event_execs[i],
                                      .exit_known = true,
                                      .exit_status = (uint32_t)p->exit_status};
}

static struct process *find(struct fake *f, const char *ns, const char *id, const char *exec_id)
{
        for (size_t i = 0; i < MAX; i++) {
                struct process *p = &f->processes[i];

                if (p->used && strcmp(p->id, id) == 0 && strcmp(p->exec_id, exec_id) == 0 &&
                    strcmp(p->ns, ns[0] ? ns : "default") == 0)
                        return p;
        }
        return NULL;
}

static struct process *add(struct fake *f, const char *ns, const char *id, const char *exec_id)
{
        for (size_t i = 0; i < MAX; i++) {
                struct process *p = &f->processes[i];

                if (p->used)
                        continue;
                *p = (struct process){.used = true,
                                      .status = "created",
                                      .in = -1,
                                      .out = -1,
                                      .err = -1,
                                      .keep_in = -1,
                                      .keep_out = -1,
                                      .keep_err = -1};
                strcpy(p->id, id);
                strcpy(p->exec_id, exec_id);
                strcpy(p->ns, ns[0] ? ns : "default");
                return p;
        }
        abort();
}

static void drop(struct process *p)
{
        for (size_t i = 0; p->args[i]; i++)
                free(p->args[i]);
        fd_close(p->in);
        fd_close(p->out);
        fd_close(p->err);
        fd_close(p->keep_in);
        fd_close(p->keep_out);
        fd_close(p->keep_err);
        p->used = false;
}

static void open_stdio(struct process *p, const char *in, const char *out, const char *err)
{
        snprintf(p->in_path, sizeof(p->in_path), "%s", in);
        snprintf(p->out_path, sizeof(p->out_path), "%s", out);
        snprintf(p->err_path, sizeof(p->err_path), "%s", err);
        if (in[0]) {
                p->in = open(in, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
                p->keep_in = open(in, O_WRONLY | O_CLOEXEC);
                fd_set_nonblock(p->in, false);
        } else {
                p->in = open("/dev/null", O_RDONLY | O_CLOEXEC);
        }
        p->keep_out = out[0] == '/' ? open(out, O_RDONLY | O_NONBLOCK | O_CLOEXEC) : -1;
        p->keep_err = err[0] == '/' ? open(err, O_RDONLY | O_NONBLOCK | O_CLOEXEC) : -1;
        if (strncmp(out, "file://", 7) == 0)
                p->out = open(out + 7, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        else
                p->out = open(out[0] ? out : "/dev/null", O_WRONLY | O_CLOEXEC);
        if (strcmp(out, err) == 0)
                p->err = fcntl(p->out, F_DUPFD_CLOEXEC, 3);
        else
                p->err = open(err[0] ? err : "/dev/null", O_WRONLY | O_CLOEXEC);
}

static void take_args(struct process *p, json_t *process)
{
        json_t *args = json_object_get(process, "args");

        for (size_t i = 0; i < json_array_size(args) && i < 63; i++)
                p->args[i] = strdup(json_string_value(json_array_get(args, i)));
}

static void tell_end(struct fake *f, struct process *p)
{
        struct exit_result result = {.pid = (uint32_t)p->pid,
                                     .exit_known = true,
                                     .exit_status = (uint32_t)p->exit_status,
                                     .exited_at = clock_realtime_ns(),
                                     .oom_killed = p->oom,
                                     .cause = p->oom ? "killed: container reached its memory limit of 16 MiB" : ""};

        for (size_t i = 0; i < MAX; i++) {
                struct waiter *w = &f->waiters[i];
                _cleanup_(buf_deinit) struct buf payload = BUF_NULL;
                struct error err;

                if (!w->used || w->process != p)
                        continue;
                rpc_response_encode(w->rpc_id, &desc_exit_result, &result, &payload, &err);
                send_payload(w->conn, w->wire_id, &payload);
                w->used = false;
        }
}

static void conn_close(struct fake *f, struct conn *conn)
{
        for (size_t i = 0; i < MAX; i++) {
                if (f->waiters[i].conn == conn)
                        f->waiters[i].used = false;
        }
        conn->fd = fd_close(conn->fd);
        conn->greeted = false;
        buf_deinit(&conn->in);
}

static void reap(struct fake *f)
{
        int status;
        pid_t pid;

        while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
                for (size_t i = 0; i < MAX; i++) {
                        struct process *p = &f->processes[i];

                        if (!p->used || p->pid != pid || strcmp(p->status, "stopped") == 0)
                                continue;
                        p->status = "stopped";
                        p->exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
                        if (strstr(p->id, "oom"))
                                p->oom = true;
                        add_event(f, p->exec_id[0] ? "exec-exit" : "exit", p);
                        if (!strstr(p->id, "lost"))
                                tell_end(f, p);
                        /* "lost": as if the daemon had died between the end and the answer */
                        for (size_t k = 0; strstr(p->id, "lost") && k < MAX; k++)
                                conn_close(f, &f->conns[k]);
                        if (p->auto_remove)
                                drop(p);
                }
        }
}

/* --- methods --- */

static void describe(const struct process *p, struct state_result *ret, struct process_state *init)
{
        *init = (struct process_state){.exec_id = p->exec_id,
                                       .status = p->status,
                                       .pid = (uint32_t)p->pid,
                                       .exit_known = true,
                                       .exit_status = (uint32_t)p->exit_status,
                                       .stdin_path = p->in_path,
                                       .stdout_path = p->out_path,
                                       .stderr_path = p->err_path,
                                       .exited_at = strcmp(p->status, "stopped") == 0 ? clock_realtime_ns() : 0};
        *ret = (struct state_result){.ns = p->ns,
                                     .id = p->id,
                                     .bundle = p->bundle,
                                     .runtime = "runc",
                                     .detail = p->status,
                                     .process = init,
                                     .oom_killed = p->oom,
                                     .created_at = clock_realtime_ns()};
}

static void do_list(struct call *call)
{
        const struct list_params *params = call->request.params;
        static struct state_result items[MAX];
        static struct process_state inits[MAX];
        struct list_result result = { { items, 0 } };

        for (size_t i = 0; i < MAX; i++) {
                const struct process *p = &call->fake->processes[i];

                if (!p->used || p->exec_id[0] || strncmp(p->id, params->id_prefix, strlen(params->id_prefix)) != 0 ||
                    (params->ns[0] && strcmp(p->ns, params->ns) != 0))
                        continue;
                describe(p, &items[result.containers.n], &inits[result.containers.n]);
                result.containers.n++;
        }
        reply(call, &result);
}

static void do_info(struct call *call)
{
        struct runtime_info runtimes[] = {
                {.name = "runc", .type = "oci", .path = "/usr/bin/runc", .is_default = true, .available = true},
                {.name = "runsc", .type = "runsc", .path = "/usr/bin/runsc"}};
        struct info_result result = { .version = "fake", .pid = (uint32_t)getpid(), .bundles = call->fake->bundles,
                                      .event_seq = call->fake->n_events, .runtimes = { runtimes, 2 } };

        reply(call, &result);
}

static void do_create(struct call *call)
{
        const struct create_params *params = call->request.params;
        char path[8192];
        json_t *config;
        struct process *p;

        if (find(call->fake, params->ns, params->id, "")) {
                refuse(call, REASON_ALREADY_EXISTS, "a container of that id exists");
                return;
        }
        snprintf(path, sizeof(path), "%s/config.json", params->bundle);
        config = json_load_file(path, 0, NULL);
        p = add(call->fake, params->ns, params->id, "");
        snprintf(p->bundle, sizeof(p->bundle), "%s", params->bundle);
        p->auto_remove = params->auto_remove;
        take_args(p, json_object_get(config, "process"));
        json_decref(config);
        if (p->args[0] && access(p->args[0], X_OK) < 0) {
                snprintf(path, sizeof(path), "runc create failed: exec: \"%s\": %s", p->args[0],
                         errno == EACCES ? "permission denied" : "stat: no such file or directory");
                drop(p);
                refuse(call, REASON_RUNTIME_FAILED, path);
                return;
        }
        open_stdio(p, params->stdin_path, params->stdout_path, params->stderr_path);
        add_event(call->fake, "create", p);
        reply(call, &(struct create_result){ .pid = 1 });
}

static void do_exec(struct call *call)
{
        const struct exec_params *params = call->request.params;
        json_t *spec = json_loadb((const char *)params->spec.data, params->spec.len, 0, NULL);
        struct process *p;

        if (!find(call->fake, params->ns, params->id, "")) {
                json_decref(spec);
                refuse(call, REASON_NOT_FOUND, "there is no such container");
                return;
        }
        p = add(call->fake, params->ns, params->id, params->exec_id);
        p->auto_remove = params->auto_remove;
        take_args(p, spec);
        json_decref(spec);
        open_stdio(p, params->stdin_path, params->stdout_path, params->stderr_path);
        reply(call, &nothing);
}

static void do_start(struct call *call, struct process *p)
{
        sigset_t none;

        p->pid = fork();
        if (p->pid == 0) {
                sigemptyset(&none);
                sigprocmask(SIG_SETMASK, &none, NULL);
                signal(SIGPIPE, SIG_DFL);
                dup2(p->in, 0);
                dup2(p->out, 1);
                dup2(p->err, 2);
                execv(p->args[0], p->args);
                _exit(127);
        }
        p->in = fd_close(p->in);
        p->out = fd_close(p->out);
        p->err = fd_close(p->err);
        p->status = "running";
        add_event(call->fake, p->exec_id[0] ? "exec-started" : "start", p);
        reply(call, &(struct start_result){ .pid = (uint32_t)p->pid });
}

static void do_wait(struct call *call, struct process *p)
{
        for (size_t i = 0; i < MAX; i++) {
                struct waiter *w = &call->fake->waiters[i];

                if (w->used)
                        continue;
                *w = (struct waiter){ true, call->conn, call->wire_id, call->request.id, p };
                break;
        }
        if (strcmp(p->status, "stopped") == 0)
                tell_end(call->fake, p);
}

static void do_kill(struct call *call, const struct process *p)
{
        const struct kill_params *params = call->request.params;

        printf("kill %s%s%s %u%s\n", p->id, p->exec_id[0] ? "/" : "", p->exec_id, params->signal,
               params->all ? " all" : "");
        if (p->pid > 0 && strcmp(p->status, "running") == 0)
                kill(p->pid, (int)params->signal);
        reply(call, &nothing);
}

static void do_delete(struct call *call, struct process *p)
{
        const struct delete_params *params = call->request.params;

        if (strcmp(p->status, "running") == 0 && !params->force) {
                refuse(call, REASON_STILL_RUNNING, "it is running");
                return;
        }
        if (p->pid > 0 && strcmp(p->status, "running") == 0)
                kill(p->pid, SIGKILL);
        reply(call, &(struct exit_result){ .exit_known = true, .exit_status = (uint32_t)p->exit_status, .cause = "" });
        drop(p);
}

static void do_stats(struct call *call, const struct process *p)
{
        struct mem_entry memory = { .usage = 8 << 20, .limit = 16 << 20 };
        uint64_t now = clock_realtime_ns();

        reply(call, &(struct stats_result){.id = p->id,
                                           .ns = p->ns,
                                           .read_at = now,
                                           .cpu_total_ns = now / 2,
                                           .memory = &memory,
                                           .pids_current = 3});
}

static void do_ps(struct call *call, const struct process *p)
{
        struct ps_row host = { .pid = (uint32_t)getpid() };
        struct ps_row inside = {
                .pid = 7, .ppid = 1, .uid = 5, .cmd = "nginx: worker", .tty = "?", .time = "1s", .stime = "10:00"};
        bool runsc = strcmp(p->id, "sandboxed") == 0;

        reply(call, &(struct ps_result){ .host = !runsc, .rows = { runsc ? &inside : &host, 1 } });
}

static void do_events(struct call *call)
{
        const struct events_params *params = call->request.params;
        size_t first = params->since > 0 ? params->since - 1 : 0, n = call->fake->n_events;
        struct events_result result = { .next = n + 1, .newest = n };

        if (first < n)
                result.events = (struct list_event){ call->fake->events + first, n - first };
        reply(call, &result);
}

static void on_process(struct call *call, struct process *p)
{
        struct state_result state;
        struct process_state init;

        switch (call->request.method->id) {
        case METHOD_STATE:
                describe(p, &state, &init);
                reply(call, &state);
                break;
        case METHOD_START:
                do_start(call, p);
                break;
        case METHOD_WAIT:
                do_wait(call, p);
                break;
        case METHOD_KILL:
                do_kill(call, p);
                break;
        case METHOD_DELETE:
                do_delete(call, p);
                break;
        case METHOD_STATS:
                do_stats(call, p);
                break;
        case METHOD_PS:
                do_ps(call, p);
                break;
        case METHOD_CLOSE_IO:
                p->keep_in = fd_close(p->keep_in);
                reply(call, &nothing);
                break;
        case METHOD_UPDATE:
                printf("update %s %.*s\n", p->id,
                       (int)((const struct update_params *)call->request.params)->resources.len,
                       (const char *)((const struct update_params *)call->request.params)->resources.data);
                reply(call, &nothing);
                break;
        case METHOD_PAUSE:
        case METHOD_RESUME:
                printf("%s %s\n", call->request.method->name, p->id);
                reply(call, &nothing);
                break;
        default:
                refuse(call, REASON_NOT_SUPPORTED, "the fake cannot do that");
        }
}

static void on_request(struct call *call)
{
        static void (*const without_process[METHOD_N])(struct call *) = {
                [METHOD_INFO] = do_info, [METHOD_LIST] = do_list,          [METHOD_CREATE] = do_create,
                [METHOD_EXEC] = do_exec, [METHOD_EVENTS_READ] = do_events,
        };
        enum method_id id = call->request.method->id;
        const struct target *target = call->request.params; /* so begin the parameters of the rest, but for exec_id */
        const char *exec_id;
        struct process *p;

        if (without_process[id]) {
                without_process[id](call);
                return;
        }
        exec_id = id == METHOD_UPDATE || id == METHOD_CHECKPOINT ? "" : target->exec_id;
        p = find(call->fake, target->ns, target->id, exec_id);
        if (!p)
                refuse(call, exec_id[0] ? REASON_PROCESS_NOT_FOUND : REASON_NOT_FOUND, "there is no such container");
        else
                on_process(call, p);
}

static void on_readable(struct fake *f, struct conn *conn)
{
        uint8_t *room = buf_reserve(&conn->in, 65536);
        ssize_t n = read(conn->fd, room, 65536);
        struct frame frame;

        if (n <= 0) {
                conn_close(f, conn);
                return;
        }
        buf_commit(&conn->in, (size_t)n);
        if (!conn->greeted && frame_greeted(&conn->in, FRAME_PROTOCOL_REQ) == 1) {
                conn->greeted = true;
                fd_write_all(conn->fd, "\0SP\0\0\x31\0\0", FRAME_GREETING);
        }
        while (conn->greeted && frame_next(&conn->in, LIMIT_MESSAGE, &frame) == 1) {
                _cleanup_(arena_freep) struct arena *a = arena_new();
                struct call call = { .fake = f, .conn = conn, .wire_id = frame.id };
                struct error err = ERROR_NULL;

                if (rpc_request_decode(frame.payload, frame.len, a, &call.request, &err) < 0)
                        refuse(&call, (enum reason)err.reason, err.message);
                else
                        on_request(&call);
                buf_consume(&conn->in, frame.size);
                fflush(stdout);
        }
}

static void turn(struct fake *f)
{
        struct pollfd p[MAX + 2] = {{.fd = f->listen_fd, .events = POLLIN}, {.fd = f->signal_fd, .events = POLLIN}};
        struct signalfd_siginfo info;

        for (size_t i = 0; i < MAX; i++)
                p[i + 2] = (struct pollfd){ .fd = f->conns[i].fd, .events = POLLIN };
        if (poll(p, MAX + 2, -1) < 0)
                return;
        if (p[1].revents && read(f->signal_fd, &info, sizeof(info)) > 0)
                reap(f);
        for (size_t i = 0; i < MAX; i++) {
                if (p[i + 2].revents)
                        on_readable(f, &f->conns[i]);
        }
        for (size_t i = 0; p[0].revents && i < MAX; i++) { /* as many as wait (the listener does not block) */
                if (f->conns[i].fd < 0)
                        f->conns[i].fd = accept4(f->listen_fd, NULL, NULL, SOCK_CLOEXEC);
        }
}

int main(int argc, char **argv)
{
        static struct fake f;
        sigset_t set;

        if (argc != 3)
                return 2;
        f.bundles = argv[2];
        f.listen_fd = fd_listen_unix(argv[1], 0600, 64);
        sigemptyset(&set);
        sigaddset(&set, SIGCHLD);
        sigprocmask(SIG_BLOCK, &set, NULL);
        signal(SIGPIPE, SIG_IGN);
        f.signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
        for (size_t i = 0; i < MAX; i++)
                f.conns[i].fd = -1;
        add(&f, "", "web-1", "")->status = "running";
        add(&f, "", "web-2", "")->status = "running";
        add(&f, "", "sandboxed", "")->status = "running";
        add(&f, "other", "far", "")->status = "running";
        for (;;)
                turn(&f);
}
