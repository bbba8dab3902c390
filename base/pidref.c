/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A pidfd names one process for good, a pid only until it is reaped. So the order is always: have the pidfd, read what
 * /proc says about the number, then ask the pidfd whether its process was still there: if so, both were of one process.
 *
 * Where the kernel knows no pidfds (before Linux 5.3, and under valgrind) the number and the start time must do: a
 * number is given anew only after its process was reaped and all other numbers were used.
 */

#include "base/pidref.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <unistd.h>
#include "base/fd.h"

/* linux/pidfd.h of Linux 6.15; Debian 12's headers are older. This is the first published size (64 bytes), which every
 * later kernel takes. */
struct pidfd_info_v0 {
        uint64_t mask;
        uint64_t cgroupid;
        uint32_t pid, tgid, ppid;
        uint32_t ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
        int32_t exit_code;
};
#define PIDFD_GET_INFO_V0 _IOWR(0xFF, 11, struct pidfd_info_v0)
#define PIDFD_INFO_EXIT_BIT (UINT64_C(1) << 3)
_Static_assert(sizeof(struct pidfd_info_v0) == 64, "size is part of the ioctl's number");

int pidref_open(struct pidref *ret, pid_t pid)
{
        _cleanup_(fd_closep) int fd = -1;
        struct proc_stat st;
        int r;

        if (pid <= 0)
                return -ESRCH;
        fd = pidfd_open(pid, 0);
        if (fd < 0 && errno != ENOSYS)
                return -errno;
        r = proc_stat_read(pid, &st);
        if (r < 0)
                return r;
        if (fd >= 0 && pidfd_send_signal(fd, 0, NULL, 0) < 0 && errno == ESRCH)
                return -ESRCH; /* reaped meanwhile: the number may be another's already */
        *ret = (struct pidref){ .pid = pid, .start_time = st.start_time, .fd = TAKE_FD(fd) };
        return 0;
}

int pidref_open_checked(struct pidref *ret, pid_t pid, uint64_t start_time)
{
        struct pidref p = PIDREF_NULL;
        int r = pidref_open(&p, pid);

        if (r < 0)
                return r;
        if (p.start_time != start_time) {
                pidref_close(&p);
                return -ESRCH;
        }
        *ret = p;
        return 0;
}

void pidref_close(struct pidref *p)
{
        fd_close(p->fd);
        *p = PIDREF_NULL;
}

static int kill_by_number(const struct pidref *p, int signal)
{
        struct proc_stat st;
        int r;

        if (p->pid <= 0)
                return -EBADF;
        r = proc_stat_read(p->pid, &st);
        if (r < 0)
                return r;
        if (st.start_time != p->start_time)
                return -ESRCH;
        return kill(p->pid, signal) < 0 ? -errno : 0;
}

int pidref_kill(const struct pidref *p, int signal)
{
        if (p->fd < 0)
                return kill_by_number(p, signal);
        return pidfd_send_signal(p->fd, signal, NULL, 0) < 0 ? -errno : 0;
}

/* --- /proc/PID/stat --- */

int proc_stat_read(pid_t pid, struct proc_stat *ret)
{
        char path[32], text[1024];
        ssize_t n;

        snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
        n = fd_read_small(-1, path, text, sizeof(text));
        if (n == -ENOENT)
                return -ESRCH;
        if (n < 0)
                return (int)n;
        return proc_stat_parse(text, ret);
}

/* The fields that are read, by their numbers in proc(5). */
enum { F_PPID = 4, F_TTY_NR = 7, F_FLAGS = 9, F_UTIME = 14, F_STIME = 15, F_START_TIME = 22, F_EXIT_CODE = 52 };

static bool parse_field(int field, const char *p, char **end, struct proc_stat *st)
{
        bool negative = *p == '-';
        unsigned long long value;

        if (!negative && (*p < '0' || *p > '9'))
                return false;
        errno = 0;
        value = strtoull(negative ? p + 1 : p, end, 10);
        if (errno || *end == p + negative)
                return false;
        switch (field) {
        case F_PPID:
                st->ppid = (pid_t)value;
                break;
        case F_TTY_NR:
                st->tty_nr = negative ? -(int)value : (int)value;
                break;
        case F_FLAGS:
                st->flags = (unsigned)value;
                break;
        case F_UTIME:
                st->utime = value;
                break;
        case F_STIME:
                st->stime = value;
                break;
        case F_START_TIME:
                st->start_time = value;
                break;
        case F_EXIT_CODE:
                st->exit_code = (int)value;
                break;
        }
        return true;
}

int proc_stat_parse(const char *text, struct proc_stat *ret)
{
        struct proc_stat st = { 0 };
        /* comm ends at the last parenthesis: nothing after it can hold one */
        const char *open = strchr(text, '('), *close = strrchr(text, ')'), *p;
        size_t len;
        char *end;
        long pid;

        errno = 0;
        pid = strtol(text, &end, 10);
        if (errno || !open || !close || close < open || end == text || end + 1 != open || *end != ' ' || pid <= 0 ||
            pid > INT32_MAX)
                return -EBADMSG;
        st.pid = (pid_t)pid;
        len = (size_t)(close - open - 1);
        if (len >= sizeof(st.comm))
                len = sizeof(st.comm) - 1;
        memcpy(st.comm, open + 1, len);

        if (close[1] != ' ' || close[2] == '\0' || close[3] != ' ')
                return -EBADMSG;
        st.state = close[2];
        p = close + 4;
        for (int field = 4; field <= F_EXIT_CODE; field++) {
                if (!parse_field(field, p, &end, &st))
                        return -EBADMSG;
                if (field < F_EXIT_CODE && *end != ' ')
                        return -EBADMSG;
                p = end + 1;
        }
        *ret = st;
        return 0;
}

/* --- exit status of another's child --- */

/* What the kernel keeps with the pidfd once the process has been reaped. */
static bool reaped_status(int fd, int *ret)
{
        struct pidfd_info_v0 info = { .mask = PIDFD_INFO_EXIT_BIT };

        if (fd < 0 || ioctl(fd, PIDFD_GET_INFO_V0, &info) < 0 || !(info.mask & PIDFD_INFO_EXIT_BIT))
                return false;
        *ret = info.exit_code;
        return true;
}

/* Field 52 is 0 for those who may not see it. /proc/PID/exe is under the same rule, and says so: for a zombie it is
 * ENOENT if we may look, EACCES if not. */
static bool may_see_exit_code(pid_t pid)
{
        char path[32], target[1];

        snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
        return readlink(path, target, sizeof(target)) >= 0 || (errno != EACCES && errno != EPERM);
}

int pidref_exit_status(const struct pidref *p, int *ret_wait_status)
{
        struct proc_stat st;
        bool visible = false;
        int r;

        if (reaped_status(p->fd, ret_wait_status))
                return 0;
        if (p->fd >= 0) {
                struct pollfd poll_fd = { .fd = p->fd, .events = POLLIN };

                if (poll(&poll_fd, 1, 0) == 0)
                        return -EAGAIN;
        }
        r = proc_stat_read(p->pid, &st);
        if (r == 0 && st.start_time == p->start_time) {
                if (st.state != 'Z' && st.state != 'X')
                        return -EAGAIN;
                visible = st.exit_code != 0 || may_see_exit_code(p->pid);
        }
        /* Reaped while we looked? Then stat may have been of nobody, and exe of nobody or another. */
        if (reaped_status(p->fd, ret_wait_status))
                return 0;
        if (!visible)
                return -ENODATA;
        if (proc_stat_read(p->pid, &st) < 0 || st.start_time != p->start_time)
                return -ENODATA;
        *ret_wait_status = st.exit_code;
        return 0;
}
