/* SPDX-License-Identifier: Apache-2.0 */

/*
 * `delete`: containerd has lost, or closed, its connection for a container, and wants it gone: killed, its mounts
 * undone. It is executed once for each container in ordinary life too, when there is nothing left to do, and killed
 * after 5 seconds.
 *
 * sandboxd does the work. If it cannot be reached for 4 seconds, and nobody had the lock of its state directory in all
 * that time, there is no sandboxd, not even one that is starting; then one is run for this container alone (sandboxd
 * --delete), which takes the lock and does what the daemon would have done, from the record. To act beside a daemon
 * that starts would kill a container that it is about to take over.
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/fd.h"
#include "client/shim/shim.h"
#include "client/shim/stub.h"
#include "proto/proto.h"
#include "proto/shim.h"
#include "proto/shim/task.pb-c.h"

#define WAIT_NS    (4 * NSEC_PER_SEC)     /* for sandboxd */
#define TOTAL_NS   (4800 * NSEC_PER_MSEC) /* containerd kills us after 5 s */
#define TRY_MS     50
#define KILLED     137 /* what a container has that was killed with nobody to see it */
#define MOUNTS_MAX 64

struct ending {
        uint32_t pid, status;
        uint64_t exited_at;
};

static int print(const struct ending *e)
{
        Shim__DeleteResponse response = SHIM__DELETE_RESPONSE__INIT;
        Shim__Timestamp at = SHIM__TIMESTAMP__INIT;
        uint8_t bytes[64]; /* three numbers and a time of two */
        size_t n;

        shim_time(&at, e->exited_at ? e->exited_at : clock_realtime_ns());
        response.pid = e->pid;
        response.exit_status = e->status;
        response.exited_at = &at;
        n = shim__delete_response__get_packed_size(&response);
        if (n > sizeof(bytes))
                return stub_fail("the answer is too large");
        shim__delete_response__pack(&response, bytes);
        return fd_write_all(STDOUT_FILENO, bytes, n) == 0 ? 0 : 1;
}

/* What containerd mounted, or we, and nobody took away. One that is busy goes when its last user does. */
static void unmount_rootfs(const char *bundle)
{
        char path[PATH_MAX];

        if ((size_t)snprintf(path, sizeof(path), "%s/rootfs", bundle) >= sizeof(path))
                return;
        for (int i = 0; i < MOUNTS_MAX && umount2(path, UMOUNT_NOFOLLOW | MNT_DETACH) == 0; i++)
                ;
}

static int root_file(const struct stub *s, const char *name, char path[PATH_MAX])
{
        return (size_t)snprintf(path, PATH_MAX, "%s/%s", s->root, name) < PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* Nobody has the lock of the state directory: no sandboxd runs or starts there. */
static bool lock_is_free(const struct stub *s)
{
        struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
        _cleanup_(fd_closep) int fd = -1;
        char path[PATH_MAX];

        if (root_file(s, "lock", path) < 0)
                return false;
        fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
        return fd >= 0 && fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type == F_UNLCK;
}

/* sandboxd never ran here. */
static bool no_state(const struct stub *s)
{
        char path[PATH_MAX];

        return root_file(s, "lock", path) == 0 && access(path, F_OK) < 0 && errno == ENOENT;
}

/* Beside us, or where it is installed. */
static const char *sandboxd_program(char path[PATH_MAX])
{
        ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 16);
        char *slash;

        if (n > 0) {
                path[n] = '\0';
                slash = strrchr(path, '/');
                strcpy(slash + 1, "sandboxd");
                if (access(path, X_OK) == 0)
                        return path;
        }
        return SBINDIR "/sandboxd";
}

/* Runs sandboxd for this container alone. Returns its pid, or 0; *ret_out: where it writes how the container ended. */
static pid_t run_sandboxd(const struct stub *s, int *ret_out)
{
        char program[PATH_MAX], key[3 * (LIMIT_ID + 1)];
        const char *const argv[] = { "sandboxd", "--root", s->root, "--socket", s->socket, "--delete", key, NULL };
        char *const envp[] = { NULL };
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attr;
        pid_t pid = 0;
        int out[2];

        snprintf(key, sizeof(key), "%s/%s/%s", s->owner, s->ns, s->id);
        if (pipe2(out, O_CLOEXEC) < 0)
                return 0;
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDWR, 0);
        posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_RDWR,
                                         0); /* ours is a pipe that containerd reads to its end */
        posix_spawnattr_init(&attr);
        posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSID);
        if (posix_spawn(&pid, sandboxd_program(program), &actions, &attr, (char *const *)argv, envp) != 0)
                pid = 0;
        posix_spawnattr_destroy(&attr);
        posix_spawn_file_actions_destroy(&actions);
        fd_close(out[1]);
        *ret_out = out[0];
        return pid;
}

/* "PID STATUS NANOSECONDS", once it is done. It goes on if we have no more time. */
static int delete_alone(const struct stub *s, uint64_t deadline, struct ending *e)
{
        _cleanup_(fd_closep) int out = -1;
        unsigned long long at = 0;
        char text[128];
        size_t len = 0;
        int status;
        pid_t pid;

        if (!(pid = run_sandboxd(s, &out)))
                return stub_fail("sandboxd does not run, and cannot be run to remove the container: %s",
                                 strerrordesc_np(errno));
        while (len < sizeof(text) - 1) {
                struct pollfd pfd = { .fd = out, .events = POLLIN };
                uint64_t now = clock_monotonic_ns();
                ssize_t n;

                if (now >= deadline || poll(&pfd, 1, (int)((deadline - now) / NSEC_PER_MSEC) + 1) == 0)
                        return 0; /* it is being killed */
                n = read(out, text + len, sizeof(text) - 1 - len);
                if (n <= 0)
                        break;
                len += (size_t)n;
        }
        text[len] = '\0';
        if (sscanf(text, "%u %u %llu", &e->pid, &e->status, &at) == 3) {
                e->exited_at = at;
                return 0;
        }
        if (waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0)
                return 0; /* it knows of no such container */
        return stub_fail("sandboxd does not run, and could not remove the container by itself");
}

static void take_result(const struct exit_result *result, struct ending *e)
{
        e->pid = result->pid;
        if (result->exit_known)
                e->status = result->exit_status;
        e->exited_at = result->exited_at;
}

/* 0: it is gone, or going. 1: said why not. */
static int delete_container(const struct stub *s, struct ending *e)
{
        const struct delete_params params = { .owner = s->owner, .ns = s->ns, .id = s->id, .force = true };
        struct sandboxd_reply reply = SANDBOXD_REPLY_NULL;
        uint64_t began = clock_monotonic_ns(), now = began;
        bool was_free = true;
        int r = 0;

        sandboxd_client_set_patience(s->client, TRY_MS);
        do {
                int left_ms = (int)((began + WAIT_NS - now) / NSEC_PER_MSEC) + 1;

                if (sandboxd_call(s->client, METHOD_DELETE, &params, left_ms, &reply) == 0) {
                        take_result(reply.result, e);
                        break;
                }
                if (reply.reason != REASON_UNAVAILABLE) {
                        /* at the deadline it has the request, and goes on */
                        r = reply.code == CODE_NOT_FOUND || reply.reason == REASON_DEADLINE
                                    ? 0
                                    : stub_fail("%s", reply.message);
                        break;
                }
                was_free = was_free && lock_is_free(s);
                now = clock_monotonic_ns();
        } while (now < began + WAIT_NS && !no_state(s));

        if (reply.reason == REASON_UNAVAILABLE && no_state(s))
                r = 0;
        else if (reply.reason == REASON_UNAVAILABLE && was_free)
                r = delete_alone(s, began + TOTAL_NS, e);
        else if (reply.reason == REASON_UNAVAILABLE)
                r = stub_fail("sandboxd is starting and did not answer within 4 seconds; it keeps container %s: remove "
                              "it with sandboxctl",
                              s->id);
        sandboxd_reply_clear(&reply);
        return r;
}

int stub_delete(const struct shim_args *args)
{
        struct ending e = { .status = KILLED };
        struct stub s;
        int r;

        if (stub_init(&s, args) < 0)
                return 1;
        r = delete_container(&s, &e);
        if (r == 0) {
                unmount_rootfs(s.bundle);
                r = print(&e);
        }
        stub_deinit(&s);
        return r;
}
