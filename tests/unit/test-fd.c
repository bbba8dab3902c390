/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include "base/fd.h"

static void make_pair(int pair[2], int type)
{
        assert_int_equal(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair), 0);
}

static void close_pair(int pair[2])
{
        pair[0] = fd_close(pair[0]);
        pair[1] = fd_close(pair[1]);
}

static void test_flags(void **state)
{
        _cleanup_(fd_closep) int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

        assert_int_equal(fd_set_nonblock(fd, true), 0);
        assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
        assert_int_equal(fd_set_nonblock(fd, false), 0);
        assert_false(fcntl(fd, F_GETFL) & O_NONBLOCK);
        assert_int_equal(fd_set_cloexec(fd, false), 0);
        assert_false(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        assert_int_equal(fd_set_cloexec(-1, false), -EBADF);
        errno = EXDEV;
        assert_int_equal(fd_close(-1), -1);
        assert_int_equal(errno, EXDEV);
}

static void test_pass(void **state)
{
        int pair[2], fds[FD_MSG_MAX + 1], got[FD_MSG_MAX], before;
        size_t n;
        char byte;

        make_pair(pair, SOCK_SEQPACKET);
        for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
                fds[i] = pair[0];
        before = fd_count();
        assert_int_equal(fd_send(pair[0], "x", 1, fds, FD_MSG_MAX, 0), 1);
        assert_int_equal(fd_send(pair[0], "x", 1, fds, FD_MSG_MAX + 1, 0), -EINVAL);
        n = FD_MSG_MAX;
        assert_int_equal(fd_recv(pair[1], &byte, 1, got, &n, 0), 1);
        assert_int_equal(n, FD_MSG_MAX);
        assert_int_equal(fd_count(), before + FD_MSG_MAX);
        for (size_t i = 0; i < n; i++) {
                assert_true(fcntl(got[i], F_GETFD) & FD_CLOEXEC);
                fd_close(got[i]);
        }
        /* no descriptors, no room for any, end of file */
        assert_int_equal(fd_send(pair[0], "x", 1, NULL, 0, 0), 1);
        n = 0;
        assert_int_equal(fd_recv(pair[1], &byte, 1, NULL, &n, 0), 1);
        assert_int_equal(fd_recv(pair[1], &byte, 1, NULL, NULL, MSG_DONTWAIT), -EAGAIN);
        pair[0] = fd_close(pair[0]);
        assert_int_equal(fd_recv(pair[1], &byte, 1, NULL, &n, 0), 0);
        close_pair(pair);
}

/* More than there is room for: refused as a whole, and nothing leaks. */
static void test_pass_too_many(void **state)
{
        union {
                struct cmsghdr header;
                char room[CMSG_SPACE(sizeof(int) * 2 * FD_MSG_MAX)];
        } control;
        char byte = 'x';
        struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
        struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control };
        int pair[2], fds[2 * FD_MSG_MAX], got[FD_MSG_MAX], before;
        struct cmsghdr *c;
        size_t n = 2;

        make_pair(pair, SOCK_STREAM);
        before = fd_count();
        for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
                fds[i] = pair[0];
        assert_int_equal(fd_send(pair[0], "x", 1, fds, 5, 0), 1);
        assert_int_equal(fd_recv(pair[1], &byte, 1, got, &n, 0), -EMSGSIZE);
        assert_int_equal(n, 0);
        assert_int_equal(fd_count(), before);

        memset(&control, 0, sizeof(control));
        msg.msg_controllen = sizeof(control);
        c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(fds));
        memcpy(CMSG_DATA(c), fds, sizeof(fds));
        assert_int_equal(sendmsg(pair[0], &msg, 0), 1);
        n = FD_MSG_MAX;
        assert_int_equal(fd_recv(pair[1], &byte, 1, got, &n, 0), -EMSGSIZE);
        assert_int_equal(fd_count(), before);
        close_pair(pair);
}

/* With SO_PASSCRED the kernel adds credentials: they do not displace the descriptors. */
static void test_pass_with_credentials(void **state)
{
        int pair[2], got[FD_MSG_MAX], fds[FD_MSG_MAX], on = 1;
        size_t n = FD_MSG_MAX;
        char byte;

        make_pair(pair, SOCK_SEQPACKET);
        assert_int_equal(setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)), 0);
        for (size_t i = 0; i < FD_MSG_MAX; i++)
                fds[i] = pair[0];
        assert_int_equal(fd_send(pair[0], "x", 1, fds, FD_MSG_MAX, 0), 1);
        assert_int_equal(fd_recv(pair[1], &byte, 1, got, &n, 0), 1);
        assert_int_equal(n, FD_MSG_MAX);
        for (size_t i = 0; i < n; i++)
                fd_close(got[i]);
        close_pair(pair);
}

static void test_write_all(void **state)
{
        static char big[1 << 20];
        int pair[2];

        make_pair(pair, SOCK_STREAM);
        assert_int_equal(fd_set_nonblock(pair[0], true), 0);
        assert_int_equal(fd_write_all(pair[0], big, sizeof(big)), -EAGAIN);
        close_pair(pair);
        assert_int_equal(fd_write_all(-1, "x", 1), -EBADF);
        assert_int_equal(fd_write_all(-1, "x", 0), 0);
}

static void write_file(const char *path, size_t len)
{
        FILE *f = fopen(path, "we");

        assert_non_null(f);
        for (size_t i = 0; i < len; i++)
                fputc('a' + (int)(i % 26), f);
        fclose(f);
}

static void test_read_file(void **state)
{
        char dir[32], path[64], link[64];
        char *text = NULL;
        size_t len;

        unit_mkdir(dir);
        snprintf(path, sizeof(path), "%s/f", dir);
        snprintf(link, sizeof(link), "%s/l", dir);
        for (size_t size = 0; size < 20000; size = size * 2 + 1) {
                write_file(path, size);
                assert_int_equal(fd_read_file(AT_FDCWD, path, size, &text, &len), 0);
                assert_int_equal(len, size);
                assert_int_equal(strlen(text), size);
                free(text);
                if (size > 0)
                        assert_int_equal(fd_read_file(AT_FDCWD, path, size - 1, &text, &len), -EFBIG);
        }
        assert_int_equal(symlink(path, link), 0);
        assert_int_equal(fd_read_file(AT_FDCWD, link, 100000, &text, &len), -ELOOP);
        assert_int_equal(fd_read_file(AT_FDCWD, dir, 100000, &text, &len), -EISDIR);
        unlink(link);
        assert_int_equal(mkfifo(link, 0600), 0);
        assert_int_equal(fd_read_file(AT_FDCWD, link, 100000, &text, &len), -EINVAL);
        assert_int_equal(fd_read_file(AT_FDCWD, "/dev/zero", 100000, &text, &len), -EINVAL);
        assert_int_equal(fd_read_file(AT_FDCWD, "/nonexistent", 100000, &text, &len), -ENOENT);
        /* of size 0 for stat(2), and longer than the first guess */
        assert_int_equal(fd_read_file(AT_FDCWD, "/proc/kallsyms", 64 << 20, &text, &len), 0);
        assert_true(len > 100000);
        free(text);
        assert_int_equal(fd_read_file(AT_FDCWD, "/proc/kallsyms", 100000, &text, &len), -EFBIG);
        unit_rmdir(dir);
}

static void test_read_small(void **state)
{
        char buf[5000], dir[32], path[64];
        _cleanup_(fd_closep) int fd = -1;

        assert_true(fd_read_small(AT_FDCWD, "/proc/self/stat", buf, sizeof(buf)) > 100);
        fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
        for (int i = 0; i < 2; i++) { /* from offset 0 each time */
                assert_true(fd_read_small(fd, NULL, buf, sizeof(buf)) > 100);
                assert_int_equal(atoi(buf), getpid());
        }
        unit_mkdir(dir);
        snprintf(path, sizeof(path), "%s/f", dir);
        write_file(path, 10);
        assert_int_equal(fd_read_small(AT_FDCWD, path, buf, 11), 10);
        assert_string_equal(buf, "abcdefghij");
        assert_int_equal(fd_read_small(AT_FDCWD, path, buf, 10), -E2BIG);
        assert_int_equal(fd_read_small(AT_FDCWD, "/nonexistent", buf, 10), -ENOENT);
        unit_rmdir(dir);
}

static void test_listen(void **state)
{
        struct sockaddr_un addr = { .sun_family = AF_UNIX };
        _cleanup_(fd_closep) int a = -1, b = -1, client = -1;
        char dir[32], path[64], longer[200];
        struct stat st;
        mode_t mask = umask(0077);

        unit_mkdir(dir);
        snprintf(path, sizeof(path), "%s/s", dir);
        a = fd_listen_unix(path, 0660, 8);
        assert_true(a >= 0);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0660);
        assert_true(fcntl(a, F_GETFL) & O_NONBLOCK);
        b = fd_listen_unix(path, 0600, 8); /* the old socket makes room */
        umask(mask);
        assert_true(b >= 0);
        strcpy(addr.sun_path, path);
        client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(client, (struct sockaddr *)&addr, sizeof(addr)), 0);
        assert_int_equal(accept4(a, NULL, NULL, SOCK_CLOEXEC), -1);
        fd_close(accept4(b, NULL, NULL, SOCK_CLOEXEC));

        /* what is no socket is not removed */
        unlink(path);
        write_file(path, 3);
        assert_int_equal(fd_listen_unix(path, 0600, 8), -EADDRINUSE);
        assert_int_equal(stat(path, &st), 0);
        memset(longer, 'x', sizeof(longer) - 1);
        longer[0] = '/';
        longer[108] = '\0';
        assert_int_equal(fd_listen_unix(longer, 0600, 8), -ENAMETOOLONG);
        assert_int_equal(fd_listen_unix("/nonexistent/s", 0600, 8), -ENOENT);
        unit_rmdir(dir);
}

static void test_count(void **state)
{
        int n = fd_count(), pair[2];

        assert_true(n >= 3);
        make_pair(pair, SOCK_STREAM);
        assert_int_equal(fd_count(), n + 2);
        close_pair(pair);
        assert_int_equal(fd_count(), n);
}

/* "FDSize" of /proc/self/status */
static long table_size(void)
{
        char text[4096];
        const char *line;

        assert_true(fd_read_small(AT_FDCWD, "/proc/self/status", text, sizeof(text)) > 0);
        line = strstr(text, "FDSize:");
        assert_non_null(line);
        return strtol(line + strlen("FDSize:"), NULL, 10);
}

static void test_reserve_table(void **state)
{
        struct rlimit old, low;
        int n = fd_count();

        assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
        low = (struct rlimit){ .rlim_cur = 500, .rlim_max = old.rlim_max };
        assert_true(table_size() < 500);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
        assert_int_equal(fd_reserve_table(100000), 0); /* more than allowed: what is allowed */
        assert_true(table_size() >= 500);
        assert_int_equal(fd_count(), n);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_flags),
                cmocka_unit_test(test_pass),
                cmocka_unit_test(test_pass_too_many),
                cmocka_unit_test(test_pass_with_credentials),
                cmocka_unit_test(test_write_all),
                cmocka_unit_test(test_read_file),
                cmocka_unit_test(test_read_small),
                cmocka_unit_test(test_listen),
                cmocka_unit_test(test_count),
                cmocka_unit_test(test_reserve_table),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
