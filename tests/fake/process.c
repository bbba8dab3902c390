/* SPDX-License-Identifier: Apache-2.0 */

/* Begins processes: the container's init, which waits at a FIFO for `start` as runc's does, and execs. */

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tests/fake/fake.h"

struct plan {
        char **argv, **envp;
        const char *cwd;
        uid_t uid;
        gid_t gid;
        bool terminal;
        int slave;   /* the pty's, or -1 */
        int gate[2]; /* what the child says when it cannot go on */
};

static char **strings(json_t *array)
{
        char **v = calloc(json_array_size(array) + 1, sizeof(*v));
        json_t *item;
        size_t i;

        json_array_foreach (array, i, item)
                v[i] = strdup(json_is_string(item) ? json_string_value(item) : "");
        return v;
}

static const char *env_get(char **envp, const char *name)
{
        size_t n = strlen(name);

        for (; *envp; envp++)
                if (!strncmp(*envp, name, n) && (*envp)[n] == '=')
                        return *envp + n + 1;
        return NULL;
}

/* As runc does before it says that create succeeded. */
static void look_up(struct fake *f, struct plan *plan)
{
        const char *name = plan->argv[0], *path = env_get(plan->envp, "PATH");
        char *copy, *rest = NULL;

        if (strchr(name, '/')) {
                if (access(name, X_OK) < 0)
                        fake_fail(f, "unable to start container process: exec: \"%s\": %s: unknown", name,
                                  errno == ENOENT ? "stat: no such file or directory" : "permission denied");
                return;
        }
        copy = strdup(path ? path : "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        for (char *dir = strtok_r(copy, ":", &rest); dir; dir = strtok_r(NULL, ":", &rest)) {
                char full[PATH_MAX];

                snprintf(full, sizeof(full), "%s/%s", dir, name);
                if (access(full, X_OK))
                        continue;
                plan->argv[0] = strdup(full);
                return;
        }
        fake_fail(f, "unable to start container process: exec: \"%s\": executable file not found in $PATH: unknown",
                  name);
}

static void send_master(struct fake *f, int master)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        char control[CMSG_SPACE(sizeof(int))] = { 0 };
        struct iovec iov = { .iov_base = (void *)"/dev/ptmx", .iov_len = 9 };
        struct msghdr message = {
                .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
        };
        struct cmsghdr *c = CMSG_FIRSTHDR(&message);
        int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &master, sizeof(int));
        snprintf(address.sun_path, sizeof(address.sun_path), "%s", f->console_socket);
        if (connect(sock, (struct sockaddr *)&address, sizeof(address)) < 0)
                fake_fail(f, "dial unix %s: connect: %s", f->console_socket, strerror(errno));
        if (sendmsg(sock, &message, MSG_NOSIGNAL) < 0)
                fake_fail(f, "send console to %s: %s", f->console_socket, strerror(errno));
        close(sock);
}

static void open_console(struct fake *f, struct plan *plan)
{
        int master;

        plan->slave = -1;
        if (!plan->terminal) {
                if (f->console_socket)
                        fake_fail(f, "cannot use console socket if runc will not detach or allocate tty");
                return;
        }
        if (!f->console_socket)
                fake_fail(f, "cannot allocate tty if runc will detach without setting console socket");
        if (openpty(&master, &plan->slave, NULL, NULL, NULL) < 0)
                fake_fail(f, "open pty: %s", strerror(errno));
        fcntl(master, F_SETFD, FD_CLOEXEC);
        fcntl(plan->slave, F_SETFD, FD_CLOEXEC);
        if (!f->no_console)
                send_master(f, master);
        close(master);
}

static _Noreturn void child_failed(struct plan *plan, const char *what)
{
        dprintf(plan->gate[1], "%s: %s", what, strerror(errno));
        _exit(1);
}

/* Waits as runc's init does: opening the FIFO for writing blocks until `start` opens it for reading. */
static void wait_for_start(struct fake *f, struct plan *plan)
{
        char path[PATH_MAX + 16];
        int fd;

        snprintf(path, sizeof(path), "%s/exec.fifo", f->dir);
        do
                fd = open(path, O_WRONLY | O_CLOEXEC);
        while (fd < 0 && errno == EINTR);
        if (fd < 0 || write(fd, "0", 1) != 1)
                child_failed(plan, "exec.fifo");
        close(fd);
}

static _Noreturn void child(struct fake *f, struct plan *plan, enum fake_process kind)
{
        sigset_t none;

        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        setsid();
        if (f->exit_before_pid)
                _exit(f->exit_before_pid_status);
        if (plan->slave >= 0) {
                ioctl(plan->slave, TIOCSCTTY, 0);
                for (int fd = 0; fd < 3; fd++)
                        dup2(plan->slave, fd);
        }
        if (chdir(plan->cwd) < 0 && chdir("/") < 0)
                child_failed(plan, "chdir");
        if (kind == FAKE_INIT) {
                prctl(PR_SET_NAME, "fake-init");
                if (write(plan->gate[1], "", 1) != 1) /* an empty message: ready */
                        _exit(1);
                close(plan->gate[1]);
                wait_for_start(f, plan);
        }
        if (plan->gid && (setgroups(0, NULL) < 0 || setgid(plan->gid) < 0))
                child_failed(plan, "setgid");
        if (plan->uid && setuid(plan->uid) < 0)
                child_failed(plan, "setuid");
        execve(plan->argv[0], plan->argv, plan->envp);
        if (kind != FAKE_INIT)
                child_failed(plan, "exec");
        _exit(255);
}

static void write_pid_file(struct fake *f, pid_t pid)
{
        char text[32];
        const char *content = f->pid_file_text;
        int fd;

        if (!f->pid_file || f->no_pid_file)
                return;
        if (!content) {
                snprintf(text, sizeof(text), "%d", (int)pid);
                content = text;
        }
        fd = open(f->pid_file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        if (fd < 0 || write(fd, content, strlen(content)) < 0)
                fake_fail(f, "open %s: %s", f->pid_file, strerror(errno));
        close(fd);
}

static void plan_read(struct fake *f, struct plan *plan, json_t *process)
{
        json_t *user = json_object_get(process, "user");
        const char *cwd = json_string_value(json_object_get(process, "cwd"));

        if (!json_array_size(json_object_get(process, "args")))
                fake_fail(f, "process.args is missing or empty");
        plan->argv = strings(json_object_get(process, "args"));
        plan->envp = strings(json_object_get(process, "env"));
        plan->cwd = cwd ? cwd : "/";
        plan->uid = (uid_t)json_integer_value(json_object_get(user, "uid"));
        plan->gid = (gid_t)json_integer_value(json_object_get(user, "gid"));
        plan->terminal = json_is_true(json_object_get(process, "terminal")) || f->tty;
}

pid_t fake_process_start(struct fake *f, json_t *process, enum fake_process kind)
{
        struct plan plan = { 0 };
        char message[512];
        siginfo_t info;
        ssize_t n;
        pid_t pid;

        plan_read(f, &plan, process);
        look_up(f, &plan);
        open_console(f, &plan);
        fake_step(f, "before-fork");
        if (pipe2(plan.gate, O_CLOEXEC) < 0)
                fake_fail(f, "pipe: %s", strerror(errno));
        pid = fork();
        if (pid < 0)
                fake_fail(f, "fork: %s", strerror(errno));
        if (pid == 0)
                child(f, &plan, kind);
        close(plan.gate[1]);
        if (plan.slave >= 0)
                close(plan.slave);
        do
                n = read(plan.gate[0], message, sizeof(message) - 1);
        while (n < 0 && errno == EINTR);
        close(plan.gate[0]);
        if (n > 0 && message[0]) {
                message[n] = '\0';
                waitpid(pid, NULL, 0);
                fake_fail(f, "unable to start container process: %s: unknown", message);
        }
        if (f->exit_before_pid) /* it stays a zombie of ours until we are gone */
                waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
        fake_state_add_pid(f, pid, kind == FAKE_EXEC ? "exec" : "init");
        if (kind != FAKE_EXEC)
                fake_state_save(f, pid, f->bundle ? f->bundle : ".");
        fake_step(f, "before-pid-file");
        write_pid_file(f, pid);
        fake_step(f, "after-pid-file");
        return pid;
}
