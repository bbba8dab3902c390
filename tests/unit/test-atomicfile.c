/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include "base/atomicfile.h"
#include "base/fd.h"

struct fixture {
        char path[32];
        int dirfd;
};

static int setup(void **state)
{
        static struct fixture f;

        unit_mkdir(f.path);
        f.dirfd = open(f.path, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
        *state = &f;
        return f.dirfd < 0;
}

static int teardown(void **state)
{
        struct fixture *f = *state;

        f->dirfd = fd_close(f->dirfd);
        unit_rmdir(f->path);
        return 0;
}

static size_t count_files(const char *path)
{
        DIR *dir = opendir(path);
        size_t n = 0;

        assert_non_null(dir);
        for (struct dirent *e = readdir(dir); e; e = readdir(dir))
                n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
        closedir(dir);
        return n;
}

static void assert_file(int dirfd, const char *name, const char *want)
{
        _cleanup_(freep) char *text = NULL;
        size_t len;

        assert_int_equal(fd_read_file(dirfd, name, 1 << 20, &text, &len), 0);
        assert_string_equal(text, want);
}

static void test_write(void **state)
{
        struct fixture *f = *state;
        struct stat st;
        mode_t mask = umask(0077);

        assert_int_equal(atomicfile_write(f->dirfd, "a", "old", 3, 0640), 0);
        assert_file(f->dirfd, "a", "old");
        assert_int_equal(atomicfile_write(f->dirfd, "a", "newer", 5, 0640), 0);
        umask(mask);
        assert_file(f->dirfd, "a", "newer");
        assert_int_equal(fstatat(f->dirfd, "a", &st, 0), 0);
        assert_int_equal(st.st_mode & 07777, 0640);
        assert_int_equal(atomicfile_write(f->dirfd, "a", NULL, 0, 0600), 0);
        assert_file(f->dirfd, "a", "");
        assert_int_equal(count_files(f->path), 1);
}

/* What a killed process left behind is in nobody's way, and a link in its place is not followed. */
static void test_leftover(void **state)
{
        struct fixture *f = *state;

        assert_int_equal(atomicfile_write(f->dirfd, "victim", "precious", 8, 0600), 0);
        assert_int_equal(symlinkat("victim", f->dirfd, ".a.tmp"), 0);
        assert_int_equal(atomicfile_write(f->dirfd, "a", "x", 1, 0600), 0);
        assert_file(f->dirfd, "victim", "precious");
        assert_file(f->dirfd, "a", "x");
        assert_int_equal(count_files(f->path), 2);
}

static void test_refused(void **state)
{
        struct fixture *f = *state;
        char name[300];

        memset(name, 'n', sizeof(name));
        name[255] = '\0';
        assert_int_equal(atomicfile_write(f->dirfd, name, "x", 1, 0600), -ENAMETOOLONG);
        assert_int_equal(atomicfile_write(f->dirfd, "no/such", "x", 1, 0600), -ENOENT);
        /* a directory of that name: the rename fails, and no temporary file is left */
        assert_int_equal(mkdirat(f->dirfd, "d", 0700), 0);
        assert_int_equal(atomicfile_write(f->dirfd, "d", "x", 1, 0600), -EISDIR);
        assert_int_equal(count_files(f->path), 1);
}

static void test_full(void **state)
{
        struct fixture *f = *state;
        _cleanup_(fd_closep) int dirfd = -1;
        static char big[256 * 1024];

        if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0)
                unit_skip("needs root and a mount namespace of its own");
        assert_int_equal(mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL), 0);
        assert_int_equal(mount("none", f->path, "tmpfs", 0, "size=64k"), 0);
        dirfd = open(f->path, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
        assert_true(dirfd >= 0);
        assert_int_equal(atomicfile_write(dirfd, "a", "old", 3, 0600), 0);
        assert_int_equal(atomicfile_write(dirfd, "a", big, sizeof(big), 0600), -ENOSPC);
        assert_file(dirfd, "a", "old");
        assert_int_equal(count_files(f->path), 1);
        /* what the failure took is free again */
        assert_int_equal(atomicfile_write(dirfd, "a", big, 32 * 1024, 0600), 0);
        assert_int_equal(mount("none", f->path, "tmpfs", MS_REMOUNT | MS_RDONLY, NULL), 0);
        assert_int_equal(atomicfile_write(dirfd, "a", "x", 1, 0600), -EROFS);
        dirfd = fd_close(dirfd);
        assert_int_equal(umount(f->path), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_write, setup, teardown),
                cmocka_unit_test_setup_teardown(test_leftover, setup, teardown),
                cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
                cmocka_unit_test_setup_teardown(test_full, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
