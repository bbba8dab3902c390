/* SPDX-License-Identifier: Apache-2.0 */

/*
 * gVisor's control socket: what a call costs there by itself (a new connection each, as sandboxd does), through
 * sandboxd, and by runsc's command line; in turns. And the time until a new container's first byte is there.
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "tests/bench/bench.h"

#define ID "bench-gvisor"
#define PEER_ID "bench-gvisor-peer"
#define SPEC "{\"user\":{\"uid\":0,\"gid\":0},\"args\":[\"/bin/true\"],\"env\":[\"PATH=/bin\"],\"cwd\":\"/\"}"

/* --- the socket itself --- */

static struct {
        struct sockaddr_un address;
        socklen_t len;
        int ns, own_ns; /* -1: it is a file */
} control;

/* A file, or a name in the network namespace of sandboxd's runsc. */
static void control_find(const struct bench *b)
{
        char path[512];
        int n = snprintf(path, sizeof(path), "%s/root/runtime/runsc/default/runsc-" ID ".sock", b->dir);

        control.address.sun_family = AF_UNIX;
        control.len = sizeof(control.address);
        control.own_ns = control.ns = -1;
        if (n < (int)sizeof(control.address.sun_path) && access(path, F_OK) == 0) {
                memcpy(control.address.sun_path, path, (size_t)n + 1);
                return;
        }
        memcpy(control.address.sun_path + 1, "runsc-sandbox." ID, sizeof("runsc-sandbox." ID));
        control.len = offsetof(struct sockaddr_un, sun_path) + 1 + sizeof("runsc-sandbox." ID);
        snprintf(path, sizeof(path), "%s/root/netns/runsc", b->dir);
        control.ns = open(path, O_RDONLY | O_CLOEXEC);
        control.own_ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
        if (control.ns < 0 || control.own_ns < 0)
                die("%s: %s", path, strerror(errno));
}

static void send_request(int fd, const char *text, const int *fds, size_t n_fds)
{
        char room[CMSG_SPACE(3 * sizeof(int))] = { 0 };
        struct iovec iov = { .iov_base = (void *)text, .iov_len = strlen(text) };
        struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

        if (n_fds) {
                m.msg_control = room;
                m.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
                *CMSG_FIRSTHDR(&m) = (struct cmsghdr){ .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS,
                                                       .cmsg_len = CMSG_LEN(n_fds * sizeof(int)) };
                memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), fds, n_fds * sizeof(int));
        }
        if (sendmsg(fd, &m, 0) < 0)
                die("sendmsg: %s", strerror(errno));
}

/* Up to the end of the object; strings with brackets in them are not in the answers that are asked for here. */
static const char *receive(int fd)
{
        static char reply[1 << 20];
        size_t len = 0;
        int depth = 0;

        do {
                ssize_t n = read(fd, reply + len, sizeof(reply) - 1 - len);

                if (n <= 0)
                        die("the sandbox does not answer");
                for (ssize_t i = 0; i < n; i++, len++)
                        depth += reply[len] == '{' ? 1 : reply[len] == '}' ? -1 : 0;
        } while (depth > 0);
        reply[len] = '\0';
        if (!strstr(reply, "\"success\":true"))
                die("the sandbox says %s", reply);
        return reply;
}

static int control_connect(void)
{
        int fd;

        if (control.ns >= 0 && setns(control.ns, CLONE_NEWNET) < 0)
                die("setns: %s", strerror(errno));
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (control.ns >= 0 && setns(control.own_ns, CLONE_NEWNET) < 0)
                die("setns: %s", strerror(errno));
        if (fd < 0 || connect(fd, (struct sockaddr *)&control.address, control.len) < 0)
                die("the sandbox: %s", strerror(errno));
        return fd;
}

static void control_call(const char *text)
{
        int fd = control_connect();

        send_request(fd, text, NULL, 0);
        receive(fd);
        close(fd);
}

static bool control_knows(const char *text)
{
        char reply[4096] = "";
        int fd = control_connect();

        send_request(fd, text, NULL, 0);
        if (read(fd, reply, sizeof(reply) - 1) <= 0)
                die("the sandbox does not answer");
        close(fd);
        return !strstr(reply, "unknown method");
}

/* --- what is done --- */

static bool old_names, event_takes_id = true;

static void raw_pause(void)
{
        control_call(old_names ? "{\"method\":\"Lifecycle.Pause\",\"arg\":null}"
                               : "{\"method\":\"containerManager.Pause\",\"arg\":null}");
        control_call(old_names ? "{\"method\":\"Lifecycle.Resume\",\"arg\":null}"
                               : "{\"method\":\"containerManager.Resume\",\"arg\":null}");
}

static void raw_exec(void)
{
        int fd = control_connect(), null = open("/dev/null", O_RDWR | O_CLOEXEC), fds[3] = { null, null, null };
        char text[256];
        const char *pid;

        send_request(fd,
                     "{\"method\":\"containerManager.ExecuteAsync\",\"arg\":{\"argv\":[\"/bin/"
                     "true\"],\"envv\":[],\"wd\":\"/\","
                     "\"GuestFDs\":[0,1,2],\"ContainerID\":\"" ID "\"}}",
                     fds, 3);
        pid = strstr(receive(fd), "\"result\":");
        snprintf(text, sizeof(text),
                 "{\"method\":\"containerManager.WaitPID\",\"arg\":{\"PID\":%d,\"CID\":\"" ID "\"}}",
                 pid ? atoi(pid + 9) : 0);
        send_request(fd, text, NULL, 0);
        receive(fd);
        close(null);
        close(fd);
}

static void raw_ps(void)
{
        control_call("{\"method\":\"containerManager.Processes\",\"arg\":\"" ID "\"}");
}

static void raw_stats(void)
{
        control_call(event_takes_id ? "{\"method\":\"containerManager.Event\",\"arg\":\"" ID "\"}"
                                    : "{\"method\":\"containerManager.Event\",\"arg\":null}");
}

static void raw_kill(void)
{
        control_call("{\"method\":\"containerManager.Signal\",\"arg\":{\"CID\":\"" ID
                     "\",\"Signo\":28,\"PID\":0,\"Mode\":0}}");
}

static void ours_exec(struct bench *b)
{
        struct sandboxd_exec_params exec = { .id = ID,
                                             .exec_id = "e",
                                             .spec = { (const uint8_t *)SPEC, sizeof(SPEC) - 1 } };
        struct sandboxd_start_params start = { .id = ID, .exec_id = "e" };
        struct sandboxd_target target = { .id = ID, .exec_id = "e" };
        struct sandboxd_delete_params del = { .id = ID, .exec_id = "e" };

        call(b, SANDBOXD_METHOD_EXEC, &exec);
        call(b, SANDBOXD_METHOD_START, &start);
        call(b, SANDBOXD_METHOD_WAIT, &target);
        call(b, SANDBOXD_METHOD_DELETE, &del);
}

static const struct sandboxd_target target = { .id = ID };

static void ours_ps(struct bench *b)
{
        call(b, SANDBOXD_METHOD_PS, &target);
}

static void ours_stats(struct bench *b)
{
        call(b, SANDBOXD_METHOD_STATS, &target);
}

static void ours_kill(struct bench *b)
{
        struct sandboxd_kill_params winch = { .id = ID, .signal = SIGWINCH };

        call(b, SANDBOXD_METHOD_KILL, &winch);
}

static void ours_pause(struct bench *b)
{
        struct sandboxd_action_params x = { .id = ID };

        call(b, SANDBOXD_METHOD_PAUSE, &x);
        call(b, SANDBOXD_METHOD_RESUME, &x);
}

static void cli_exec(const struct peer *p)
{
        peer_run(p, false, "exec", PEER_ID, "/bin/true", NULL);
}

static void cli_ps(const struct peer *p)
{
        peer_run(p, false, "ps", "--format", "json", PEER_ID, NULL);
}

static void cli_stats(const struct peer *p)
{
        peer_run(p, false, "events", "--stats", PEER_ID, NULL);
}

static void cli_kill(const struct peer *p)
{
        peer_run(p, false, "kill", PEER_ID, "WINCH", NULL);
}

static void cli_pause(const struct peer *p)
{
        peer_run(p, false, "pause", PEER_ID, NULL);
        peer_run(p, false, "resume", PEER_ID, NULL);
}

static const struct {
        const char *name;
        void (*raw)(void);
        void (*ours)(struct bench *b);
        void (*cli)(const struct peer *p);
} ops[] = {
        { "kill", raw_kill, ours_kill, cli_kill },
        { "ps", raw_ps, ours_ps, cli_ps },
        { "stats", raw_stats, ours_stats, cli_stats },
        { "pause + resume", raw_pause, ours_pause, cli_pause },
        { "exec /bin/true until its end", raw_exec, ours_exec, cli_exec },
};

static void op_row(struct bench *b, const struct peer *p, size_t i, int n)
{
        struct series raw = { 0 }, ours = { 0 }, cli = { 0 };
        uint64_t t, cpu = cpu_ns(b->daemon);
        double r, o, c;

        for (int k = 0; k < n; k++) {
                for (int m = 0; m < 10; m++) {
                        t = now_ns();
                        ops[i].raw();
                        series_add(&raw, now_ns() - t);
                        t = now_ns();
                        ops[i].ours(b);
                        series_add(&ours, now_ns() - t);
                }
                t = now_ns();
                ops[i].cli(p);
                series_add(&cli, now_ns() - t);
        }
        cpu = (cpu_ns(b->daemon) - cpu) / (uint64_t)(10 * n);
        r = (double)series_at(&raw, 0.5) / (double)US;
        o = (double)series_at(&ours, 0.5) / (double)US;
        c = (double)series_at(&cli, 0.5) / (double)US;
        printf("| %s (sandboxd's own CPU: %" PRIu64
               " us) | %.0f (%.0f) us | %.0f (%.0f) us | %.0f (%.0f) us | %.2f | %.0f |\n",
               ops[i].name, cpu / US, r, (double)series_at(&raw, 0) / (double)US, o,
               (double)series_at(&ours, 0) / (double)US, c, (double)series_at(&cli, 0) / (double)US, o / r, c / o);
        series_free(&raw);
        series_free(&ours);
        series_free(&cli);
}

/* --- the first byte --- */

/* It has a writer always: without one it would be at its end. */
static int open_fifo(const char *path)
{
        int fd;

        unlink(path);
        if (mkfifo(path, 0600) < 0 || (fd = open(path, O_RDWR | O_CLOEXEC)) < 0)
                die("%s: %s", path, strerror(errno));
        return fd;
}

static uint64_t first_byte(int fd, uint64_t begin)
{
        char c[16];

        if (read(fd, c, sizeof(c)) < 1)
                die("nothing came");
        return now_ns() - begin;
}

static void cli_first(const struct peer *p, const char *bundle, const char *path, int fd, int i, struct series *cli)
{
        const char *args[16] = { p->path };
        char id[64];
        uint64_t t;
        size_t k = 1;
        pid_t pid;

        for (const char *const *o = p->options; *o; o++)
                args[k++] = *o;
        snprintf(id, sizeof(id), "bench-first-%d", i);
        args[k++] = "run";
        args[k++] = "--bundle";
        args[k++] = bundle;
        args[k++] = id;
        t = now_ns();
        pid = run_begin(args, path);
        series_add(cli, first_byte(fd, t));
        run_end(pid, "runsc run", false);
}

static void start_rows(struct bench *b, const struct peer *p, const char *bundle, int n)
{
        struct series ours = { 0 }, cli = { 0 };
        char path[512];

        snprintf(path, sizeof(path), "%s/first", b->dir);
        for (int i = 0; i < n; i++) {
                int fd = open_fifo(path);
                uint64_t t = now_ns();

                create_start(b, p->name, "bench-first", bundle, path);
                series_add(&ours, first_byte(fd, t));
                wait_delete(b, "bench-first");
                close(fd);
                fd = open_fifo(path);
                cli_first(p, bundle, path, fd, i, &cli);
                close(fd);
        }
        unlink(path);
        printf("| until the first byte of a new container | - | %.1f (%.1f) ms | %.1f (%.1f) ms | - | %.2f |\n",
               (double)series_at(&ours, 0.5) / (double)MS, (double)series_at(&ours, 0) / (double)MS,
               (double)series_at(&cli, 0.5) / (double)MS, (double)series_at(&cli, 0) / (double)MS,
               (double)series_at(&cli, 0.5) / (double)series_at(&ours, 0.5));
        series_free(&ours);
        series_free(&cli);
}

void bench_gvisor(struct bench *b, int argc, char **argv)
{
        struct peer p = peer_from(argc, argv);

        if (argc < 6)
                die("BUNDLE OF-ONE-THAT-WRITES COUNT are wanted");
        printf("| what | the socket itself | through sandboxd | by runsc's command line | sandboxd / socket | command "
               "line / sandboxd |\n"
               "|---|---|---|---|---|---|\n");
        start_rows(b, &p, argv[4], atoi(argv[5]));
        create_start(b, p.name, ID, argv[3], NULL);
        peer_start(&p, argv[3], PEER_ID);
        control_find(b);
        old_names = !control_knows("{\"method\":\"containerManager.Nothing\",\"arg\":null}") &&
                    control_knows("{\"method\":\"Lifecycle.Resume\"}");
        event_takes_id = !old_names;
        for (size_t i = 0; i < sizeof(ops) / sizeof(*ops); i++)
                op_row(b, &p, i, atoi(argv[5]));
        stop_delete(b, ID);
        peer_run(&p, false, "delete", "--force", PEER_ID, NULL);
}
