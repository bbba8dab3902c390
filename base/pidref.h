/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A process's identity: pid and start time (proc(5), /proc/PID/stat field 22, clock ticks since boot), and a pidfd
 * (Linux 5.3) where it is open. A bare pid_t is never kept across a turn of the loop: pids are reused.
 */

#include <stdint.h>
#include <sys/types.h>
#include "base/cleanup.h"

struct pidref {
        pid_t pid;           /* 0: none */
        uint64_t start_time; /* 0: not known */
        int fd;              /* pidfd, or -1: not open, or the kernel knows none */
};

#define PIDREF_NULL ((struct pidref){ .pid = 0, .start_time = 0, .fd = -1 })

/* Opens a pidfd for pid and reads its start time, and makes sure that both are of one process. Returns 0, -ESRCH if it
 * is gone (a zombie is not gone), or -errno. Without pidfds in the kernel: 0, and fd is -1. */
int pidref_open(struct pidref *ret, pid_t pid);

/* Like pidref_open, and -ESRCH unless the start time is the given one. */
int pidref_open_checked(struct pidref *ret, pid_t pid, uint64_t start_time);

void pidref_close(struct pidref *p); /* closes the pidfd and resets to PIDREF_NULL */

/* pidfd_send_signal(2). 0, -ESRCH if the process is gone or a zombie that was reaped, -EINVAL for a bad signal, -EBADF
 * for PIDREF_NULL. */
int pidref_kill(const struct pidref *p, int signal);

/* Fields of /proc/PID/stat. 0, -ESRCH if there is no such process, or -errno. */
struct proc_stat {
        pid_t pid, ppid;
        char state;          /* R S D Z T t X I ... */
        uint64_t start_time; /* field 22, clock ticks */
        int exit_code;       /* field 52: wait status once state is Z; needs CAP_SYS_PTRACE, else 0 */
        uint64_t utime, stime; /* clock ticks */
        int tty_nr;
        unsigned flags; /* PF_* */
        char comm[64];
};
int proc_stat_read(pid_t pid, struct proc_stat *ret);
/* Parses the text of /proc/PID/stat (comm may hold spaces and parentheses). 0 or -EBADMSG. */
int proc_stat_parse(const char *text, struct proc_stat *ret);

/* Exit status of a process that is not our child, if the kernel tells: PIDFD_GET_INFO with PIDFD_INFO_EXIT (Linux 6.15,
 * only once it has been reaped), else field 52 of the zombie's stat. Returns 0 and the wait(2) status, -EAGAIN if it
 * still runs, -ENODATA if it ended and cannot be known. */
int pidref_exit_status(const struct pidref *p, int *ret_wait_status);
