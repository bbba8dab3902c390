/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Descriptors: every one is close-on-exec from birth and is a field of exactly one struct. */

#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>
#include <sys/types.h>
#include "base/cleanup.h"

/* Closes fd if it is >= 0, keeps errno, returns -1: `x->fd = fd_close(x->fd);` */
int fd_close(int fd);
static inline _unused_ void fd_closep(int *fd)
{
        *fd = fd_close(*fd);
}

int fd_set_nonblock(int fd, bool on); /* 0 or -errno */
int fd_set_cloexec(int fd, bool on);  /* 0 or -errno */

/* Writes all of it, through EINTR and (for blocking descriptors) short writes. 0 or -errno (-EAGAIN with nothing or
 * only a part written on a non-blocking descriptor). */
int fd_write_all(int fd, const void *data, size_t len);

/* Reads a whole file below dirfd (AT_FDCWD allowed) of at most `max` bytes into a NUL-terminated heap buffer that the
 * caller frees. Returns 0, -EFBIG if it is larger, or -errno. O_NOFOLLOW, O_NONBLOCK, and only regular files. */
int fd_read_file(int dirfd, const char *path, size_t max, char **ret, size_t *ret_len);

/* Opens (or pread()s from offset 0) a small kernel file such as those in /proc and cgroupfs into buf, NUL-terminated.
 * Returns the length, or -errno; -E2BIG if it did not fit. */
ssize_t fd_read_small(int dirfd, const char *path, char *buf, size_t size);

/* One message with descriptors (SCM_RIGHTS) over a unix socket. n_fds <= FD_MSG_MAX. Descriptors are not consumed by
 * send. recv: returns bytes read (0 = end of file), or -errno; *n_fds in: room, out: received; all are close-on-exec;
 * what does not fit is closed and -EMSGSIZE returned. flags are those of sendmsg/recvmsg. */
#define FD_MSG_MAX 64
ssize_t fd_send(int sock, const void *data, size_t len, const int *fds, size_t n_fds, int flags);
ssize_t fd_recv(int sock, void *data, size_t len, int *fds, size_t *n_fds, int flags);

/* A listening SOCK_STREAM|SOCK_NONBLOCK unix socket at path (<= 107 bytes), created with mode; an old socket there is
 * removed first. Returns the descriptor or -errno. */
int fd_listen_unix(const char *path, mode_t mode, int backlog);

/* Number of open descriptors of this process (/proc/self/fd), or -errno. */
int fd_count(void);

/* Makes the kernel's table of this process's descriptors large enough for `n` of them, or as many as RLIMIT_NOFILE
 * allows if those are fewer. To be called before the first thread is made: once there are several, each doubling of
 * the table waits for an RCU grace period, 13 ms and more. 0 or -errno. */
int fd_reserve_table(int n);
