/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Stands in for sandboxd in the keeper's tests: `stand-in DIR` does what the lines written to the FIFO DIR/ctl say, and
 * appends what happens to DIR/log, one line each. It speaks the protocols by itself, not with the daemon's code.
 *
 *   exit N | abort            ends
 *   on-term N                 SIGTERM makes it exit with N (at first 0)
 *   hold FIFO STATUS          a child of ours that waits until FIFO is opened for writing, then exits with STATUS
 *   orphans COUNT STATUS      that many orphans that exit at once
 *   deaf | hear               stops reading from the keeper, and starts again
 *   forget PID START | forget-all   (all that comes from now on)
 *   send BYTES-IN-HEX         a record of any kind to the keeper
 *   store NAME LINE KIND      LINE: more lines with | between, or "-"; KIND: hung (a pipe without a writer), or a path
 *   fill NAME COUNT           stores so many different pipes
 *   notify TEXT               with | for a newline
 *   garbage COUNT SEED        datagrams of random bytes, some with descriptors
 *   listen                    opens DIR/up, which the keeper has as its NOTIFY_SOCKET; "deaf" is for it too
 *   cat I                     what can be read from the I-th descriptor that was passed
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/fd.h"
#include "proto/keeper.h"

struct stand_in {
        const char *dir;
        int log, ctl, keeper, notify, signals, up;
        int on_term;
        bool deaf, forget_all;
};

static _printf_(2, 3) void say(struct stand_in *s, const char *fmt, ...)
{
        char line[8192];
        va_list ap;
        int n;

        va_start(ap, fmt);
        n = vsnprintf(line, sizeof(line) - 1, fmt, ap);
        va_end(ap);
        if (n > (int)sizeof(line) - 2)
                n = (int)sizeof(line) - 2;
        line[n] = '\n';
        if (write(s->log, line, (size_t)n + 1) < 0)
                abort();
}

static void forget(struct stand_in *s, int pid, uint64_t start_time)
{
        struct keeper_record r = { .magic = KEEPER_MAGIC, .version = KEEPER_VERSION, .kind = KEEPER_FORGET, .pid = pid,
                                   .start_time = start_time };

        if (send(s->keeper, &r, sizeof(r), MSG_NOSIGNAL) < 0)
                say(s, "forget: %s", strerror(errno));
}

static bool read_keeper(struct stand_in *s)
{
        struct keeper_record r;
        ssize_t n = recv(s->keeper, &r, sizeof(r), 0);

        if (n <= 0) {
                say(s, "keeper is gone");
                return false;
        }
        if (n != sizeof(r) || r.magic != KEEPER_MAGIC || r.version != KEEPER_VERSION)
                say(s, "bad record");
        else if (r.kind == KEEPER_END_OF_BACKLOG)
                say(s, "end-of-backlog");
        else
                say(s, "status %d %llu %d %s", r.pid, (unsigned long long)r.start_time, r.wait_status,
                    r.realtime_ns ? "dated" : "undated");
        if (r.kind == KEEPER_STATUS && s->forget_all)
                forget(s, r.pid, r.start_time);
        return true;
}

/* Blocks when the keeper's queue is full, which is what a test wants. */
static void notify(struct stand_in *s, const char *text, size_t len, int fd)
{
        ssize_t r = fd_send(s->notify, text, len, &fd, fd >= 0, MSG_NOSIGNAL);

        if (r < 0)
                say(s, "notify: %s", strerror((int)-r));
}

static void bars_to_newlines(char *text)
{
        for (char *p = text; *p; p++)
                if (*p == '|')
                        *p = '\n';
}

static void store(struct stand_in *s, const char *name, char *lines, const char *kind)
{
        _cleanup_(fd_closep) int fd = -1;
        char text[512];
        int ends[2];

        if (!strcmp(kind, "hung")) {
                if (pipe2(ends, O_CLOEXEC) < 0)
                        abort();
                fd = ends[0];
                close(ends[1]);
        } else {
                fd = open(kind, O_RDWR | O_NONBLOCK | O_CLOEXEC);
        }
        bars_to_newlines(lines);
        snprintf(text, sizeof(text), "FDSTORE=1\nFDNAME=%s\n%s", name, strcmp(lines, "-") ? lines : "");
        notify(s, text, strlen(text), fd);
        say(s, "stored");
}

static void fill(struct stand_in *s, const char *name, int count)
{
        char text[64];

        snprintf(text, sizeof(text), "FDSTORE=1\nFDPOLL=0\nFDNAME=%s", name);
        for (int i = 0; i < count; i++) {
                int ends[2];

                if (pipe2(ends, O_CLOEXEC) < 0)
                        abort();
                notify(s, text, strlen(text), ends[0]);
                close(ends[0]);
                close(ends[1]);
        }
        say(s, "filled");
}

static void garbage(struct stand_in *s, int count, unsigned seed)
{
        static const char *const words[] = { "FDSTORE=1", "FDNAME=", "FDPOLL=0", "\n", "READY=1", "STATUS=", "\0",
                                             "FDSTOREREMOVE=1", "MAINPID=1", "=", "abc", "WATCHDOG=1", "\xff\xfe" };

        srandom(seed);
        for (int i = 0; i < count; i++) {
                char text[6000];
                size_t len = 0, want = (size_t)random() % (random() % 16 ? 100 : sizeof(text));

                while (len < want) {
                        const char *word = words[(size_t)random() % ARRAY_SIZE(words)];

                        if (random() % 4 == 0)
                                text[len++] = (char)random();
                        for (; *word && len < want; word++)
                                text[len++] = *word;
                }
                notify(s, text, len, random() % 4 ? -1 : s->log);
        }
        say(s, "garbage sent");
}

static void hold(struct stand_in *s, const char *fifo, int status)
{
        pid_t pid = fork();

        if (pid == 0) {
                close(open(fifo, O_RDONLY | O_CLOEXEC));
                _exit(status);
        }
        say(s, "held %d", (int)pid);
}

static void orphans(struct stand_in *s, int count, int status)
{
        for (int i = 0; i < count; i++) {
                pid_t pid = fork();

                if (pid == 0)
                        _exit(fork() == 0 ? status : 0);
                if (pid < 0 || waitpid(pid, NULL, 0) != pid)
                        abort();
        }
        say(s, "orphans made");
}

static void send_hex(struct stand_in *s, const char *hex)
{
        unsigned char data[1024];
        size_t n = 0;

        for (; hex[0] && hex[1] && n < sizeof(data); hex += 2) {
                unsigned byte;

                if (sscanf(hex, "%2x", &byte) != 1)
                        break;
                data[n++] = (unsigned char)byte;
        }
        if (send(s->keeper, data, n, MSG_NOSIGNAL) < 0)
                say(s, "send: %s", strerror(errno));
}

static void listen_up(struct stand_in *s)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        s->up = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        snprintf(address.sun_path, sizeof(address.sun_path), "%s/up", s->dir);
        if (bind(s->up, (struct sockaddr *)&address, sizeof(address)) < 0)
                abort();
}

static void read_up(struct stand_in *s)
{
        char text[512];
        ssize_t n = recv(s->up, text, sizeof(text) - 1, 0);

        text[n > 0 ? n : 0] = '\0';
        say(s, "up %s", text);
}

static void do_line(struct stand_in *s, char *line)
{
        char *word[4] = { 0 }, *rest = NULL, text[512];

        snprintf(text, sizeof(text), "%s", line);
        for (size_t i = 0; i < 4; i++)
                word[i] = strtok_r(i ? NULL : line, " ", &rest);
        if (!word[0])
                return;
        for (size_t i = 1; i < 4; i++)
                if (!word[i])
                        word[i] = text + strlen(text); /* "" */
        if (!strcmp(word[0], "exit")) {
                exit(atoi(word[1]));
        } else if (!strcmp(word[0], "abort")) {
                raise(SIGKILL);
        } else if (!strcmp(word[0], "on-term")) {
                s->on_term = atoi(word[1]);
        } else if (!strcmp(word[0], "hold")) {
                hold(s, word[1], atoi(word[2]));
        } else if (!strcmp(word[0], "orphans")) {
                orphans(s, atoi(word[1]), atoi(word[2]));
        } else if (!strcmp(word[0], "deaf")) {
                s->deaf = true;
        } else if (!strcmp(word[0], "hear")) {
                s->deaf = false;
        } else if (!strcmp(word[0], "forget")) {
                forget(s, atoi(word[1]), strtoull(word[2], NULL, 10));
        } else if (!strcmp(word[0], "forget-all")) {
                s->forget_all = true;
        } else if (!strcmp(word[0], "send")) {
                send_hex(s, word[1]);
        } else if (!strcmp(word[0], "store")) {
                store(s, word[1], word[2], word[3]);
        } else if (!strcmp(word[0], "fill")) {
                fill(s, word[1], atoi(word[2]));
        } else if (!strcmp(word[0], "notify")) {
                bars_to_newlines(text);
                notify(s, text + 7, strlen(text + 7), -1);
        } else if (!strcmp(word[0], "garbage")) {
                garbage(s, atoi(word[1]), (unsigned)atoi(word[2]));
        } else if (!strcmp(word[0], "listen")) {
                listen_up(s);
        } else if (!strcmp(word[0], "cat")) {
                ssize_t n = read(3 + atoi(word[1]), text, sizeof(text) - 1);

                text[n > 0 ? n : 0] = '\0';
                say(s, "read %zd %s", n, text);
        }
        say(s, "done %s", word[0]);
}

static void read_ctl(struct stand_in *s)
{
        char text[4096], *rest = NULL;
        ssize_t n = read(s->ctl, text, sizeof(text) - 1);

        if (n <= 0)
                return;
        text[n] = '\0';
        for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
                do_line(s, line);
}

static void read_signal(struct stand_in *s)
{
        struct signalfd_siginfo info;

        if (read(s->signals, &info, sizeof(info)) != sizeof(info))
                return;
        say(s, "signal %s", sigabbrev_np((int)info.ssi_signo));
        if (info.ssi_signo == SIGTERM)
                exit(s->on_term);
}

static void open_all(struct stand_in *s)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        const char *path = getenv("NOTIFY_SOCKET"), *keeper = getenv(KEEPER_FD_ENV), *fds = getenv("LISTEN_FDS");
        const char *pid = getenv("LISTEN_PID"), *names = getenv("LISTEN_FDNAMES");
        char name[4096];
        sigset_t set, was;

        snprintf(name, sizeof(name), "%s/log", s->dir);
        s->log = open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        snprintf(name, sizeof(name), "%s/ctl", s->dir);
        s->ctl = open(name, O_RDWR | O_NONBLOCK | O_CLOEXEC);
        s->notify = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        snprintf(address.sun_path, sizeof(address.sun_path), "%s", path ? path : "");
        if (s->log < 0 || s->ctl < 0 || !keeper || connect(s->notify, (struct sockaddr *)&address, sizeof(address)) < 0)
                abort();
        s->keeper = atoi(keeper);
        sigprocmask(SIG_SETMASK, NULL, &was);
        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGINT);
        sigaddset(&set, SIGHUP);
        sigaddset(&set, SIGUSR1);
        sigprocmask(SIG_BLOCK, &set, NULL);
        s->signals = signalfd(-1, &set, SFD_CLOEXEC);
        say(s, "start %d fds=%s names=%s for-us=%d blocked=%d open=%d watchdog=%s", (int)getpid(), fds ? fds : "0",
            names ? names : "", pid && atoi(pid) == getpid(), sigismember(&was, SIGTERM) || sigismember(&was, SIGCHLD),
            fd_count() - 8 - (fds ? atoi(fds) : 0), getenv("WATCHDOG_USEC") ? getenv("WATCHDOG_USEC") : "none");
}

int main(int argc, char **argv)
{
        struct stand_in s = { .dir = argv[1], .up = -1 };

        if (argc != 2)
                return 2;
        open_all(&s);
        for (;;) {
                struct pollfd p[] = { { .fd = s.ctl, .events = POLLIN }, { .fd = s.signals, .events = POLLIN },
                                      { .fd = s.deaf ? -1 : s.keeper, .events = POLLIN },
                                      { .fd = s.deaf ? -1 : s.up, .events = POLLIN } };

                if (poll(p, 4, -1) < 0)
                        continue;
                if (p[1].revents)
                        read_signal(&s);
                if (p[2].revents && !read_keeper(&s))
                        return 1;
                if (p[3].revents)
                        read_up(&s);
                if (p[0].revents)
                        read_ctl(&s);
        }
}
