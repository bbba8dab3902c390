/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Thin wrappers. fd_send is also called between fork and exec (base/spawn.c), so it must stay async-signal-safe: system
 * calls and memory only.
 */

#include "base/fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

int fd_close(int fd)
{
        int saved = errno;

        if (fd >= 0)
                close(fd); /* EINTR too means closed, on Linux */
        errno = saved;
        return -1;
}

int fd_set_nonblock(int fd, bool on)
{
        int flags = fcntl(fd, F_GETFL);

        if (flags < 0)
                return -errno;
        if (fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK) < 0)
                return -errno;
        return 0;
}

int fd_set_cloexec(int fd, bool on)
{
        int flags = fcntl(fd, F_GETFD);

        if (flags < 0)
                return -errno;
        if (fcntl(fd, F_SETFD, on ? flags | FD_CLOEXEC : flags & ~FD_CLOEXEC) < 0)
                return -errno;
        return 0;
}

int fd_write_all(int fd, const void *data, size_t len)
{
        const char *p = data;

        while (len > 0) {
                ssize_t n = write(fd, p, len);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                p += n;
                len -= (size_t)n;
        }
        return 0;
}

/* Reads until the end of the file or `size` bytes. */
static ssize_t read_up_to(int fd, char *buf, size_t size)
{
        size_t len = 0;

        while (len < size) {
                ssize_t n = read(fd, buf + len, size - len);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                len += (size_t)n;
        }
        return (ssize_t)len;
}

/* Reads all of a file into *buf (which the caller frees, also on failure), with room for a NUL. */
static ssize_t read_growing(int fd, size_t max, size_t guess, char **buf)
{
        size_t room = guess < 4095 ? 4095 : guess, len = 0;

        for (;;) {
                ssize_t n;
                char *p;

                if (room > max)
                        room = max;
                p = realloc(*buf, room + 1);
                if (!p)
                        return -ENOMEM;
                *buf = p;
                n = read_up_to(fd, p + len, room + 1 - len);
                if (n < 0)
                        return n;
                len += (size_t)n;
                if (len <= room) /* a byte was left over: this was the end of the file */
                        return (ssize_t)len;
                if (room >= max)
                        return -EFBIG;
                room = room > max / 2 ? max : room * 2;
        }
}

int fd_read_file(int dirfd, const char *path, size_t max, char **ret, size_t *ret_len)
{
        _cleanup_(fd_closep) int fd = -1;
        _cleanup_(freep) char *buf = NULL;
        struct stat st;
        ssize_t n;

        fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK);
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (S_ISDIR(st.st_mode))
                return -EISDIR;
        if (!S_ISREG(st.st_mode))
                return -EINVAL;
        if (st.st_size > 0 && (uintmax_t)st.st_size > max)
                return -EFBIG;

        n = read_growing(fd, max, (size_t)st.st_size, &buf);
        if (n < 0)
                return (int)n;
        buf[n] = '\0';
        if (ret_len)
                *ret_len = (size_t)n;
        *ret = TAKE(buf);
        return 0;
}

static ssize_t pread_up_to(int fd, char *buf, size_t size)
{
        size_t len = 0;

        while (len < size) {
                ssize_t n = pread(fd, buf + len, size - len, (off_t)len);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                len += (size_t)n;
        }
        return (ssize_t)len;
}

ssize_t fd_read_small(int dirfd, const char *path, char *buf, size_t size)
{
        _cleanup_(fd_closep) int fd = -1;
        ssize_t n;

        if (path) {
                fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
                if (fd < 0)
                        return -errno;
        }
        n = pread_up_to(path ? fd : dirfd, buf, size);
        if (n < 0)
                return n;
        if ((size_t)n >= size)
                return -E2BIG;
        buf[n] = '\0';
        return n;
}

/* --- messages with descriptors --- */

union control {
        struct cmsghdr header; /* for the alignment */
        /* room for credentials too: the socket may have SO_PASSCRED */
        char room[CMSG_SPACE(sizeof(int) * FD_MSG_MAX) + CMSG_SPACE(sizeof(struct ucred))];
};

ssize_t fd_send(int sock, const void *data, size_t len, const int *fds, size_t n_fds, int flags)
{
        struct iovec iov = { .iov_base = (void *)data, .iov_len = len };
        struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
        union control control;
        ssize_t n;

        if (n_fds > FD_MSG_MAX)
                return -EINVAL;
        if (n_fds > 0) {
                struct cmsghdr *c;

                memset(&control, 0, sizeof(control));
                msg.msg_control = &control;
                msg.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
                c = CMSG_FIRSTHDR(&msg);
                c->cmsg_level = SOL_SOCKET;
                c->cmsg_type = SCM_RIGHTS;
                c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
                memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
        }
        do
                n = sendmsg(sock, &msg, flags);
        while (n < 0 && errno == EINTR);
        return n < 0 ? -errno : n;
}

/* Moves the descriptors of a message to fds; returns how many there were. What is beyond `room` is closed. */
static size_t collect_fds(struct msghdr *msg, int *fds, size_t room)
{
        size_t n = 0;

        for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
                size_t count;

                if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
                        continue;
                count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
                for (size_t i = 0; i < count; i++) {
                        int fd;

                        memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
                        if (n < room)
                                fds[n] = fd;
                        else
                                fd_close(fd);
                        n++;
                }
        }
        return n;
}

ssize_t fd_recv(int sock, void *data, size_t len, int *fds, size_t *n_fds, int flags)
{
        struct iovec iov = { .iov_base = data, .iov_len = len };
        union control control;
        struct msghdr msg = {
                .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
        };
        size_t room = n_fds ? *n_fds : 0, got;
        ssize_t n;

        if (n_fds)
                *n_fds = 0;
        do
                n = recvmsg(sock, &msg, flags | MSG_CMSG_CLOEXEC);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return -errno;

        got = collect_fds(&msg, fds, room);
        if (got > room || (msg.msg_flags & (MSG_CTRUNC | MSG_TRUNC))) {
                for (size_t i = 0; i < got && i < room; i++)
                        fds[i] = fd_close(fds[i]);
                return -EMSGSIZE;
        }
        if (n_fds)
                *n_fds = got;
        return n;
}

int fd_listen_unix(const char *path, mode_t mode, int backlog)
{
        struct sockaddr_un addr = { .sun_family = AF_UNIX };
        _cleanup_(fd_closep) int fd = -1;
        size_t len = strlen(path);
        struct stat st;

        if (len == 0 || len >= sizeof(addr.sun_path))
                return -ENAMETOOLONG;
        memcpy(addr.sun_path, path, len);

        if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode) && unlink(path) < 0 && errno != ENOENT)
                return -errno;
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        /* fchmod before bind: the socket is never there with a wider mode than asked for. chmod after: the umask took
         * bits */
        if (fchmod(fd, mode) < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
                return -errno;
        if (chmod(path, mode) < 0 || listen(fd, backlog) < 0) {
                int r = -errno;

                unlink(path);
                return r;
        }
        return TAKE_FD(fd);
}

int fd_count(void)
{
        DIR *dir = opendir("/proc/self/fd");
        int n = 0;

        if (!dir)
                return -errno;
        for (struct dirent *e = readdir(dir); e; e = readdir(dir))
                n += e->d_name[0] != '.';
        closedir(dir);
        return n - 1; /* not the one of the directory */
}

int fd_reserve_table(int n)
{
        struct rlimit limit;
        int fd, high;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
                return -errno;
        if (limit.rlim_cur < (rlim_t)n)
                n = (int)limit.rlim_cur;
        fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        high = fcntl(fd, F_DUPFD_CLOEXEC, n - 1);
        if (high < 0)
                high = -errno;
        fd_close(fd);
        if (high < 0)
                return high;
        fd_close(high); /* a table never gets smaller */
        return 0;
}
