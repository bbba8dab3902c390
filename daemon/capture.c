/* SPDX-License-Identifier: Apache-2.0 */

/* Nothing here blocks: all files are memfds, or regular files in a directory of ours. */

#include "daemon/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/fd.h"
#include "daemon/spec.h"

#define LAST_WORDS_MAX 65536
/* A write that crosses the sealed size may be refused as a whole, up to one large page of it. */
#define SLACK (2UL * 1024 * 1024)

int capture_open(const char *name, size_t max)
{
        _cleanup_(fd_closep) int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
        size_t size = (max + 1 + SLACK + 4095) & ~(size_t)4095;

        if (fd < 0 || ftruncate(fd, (off_t)size) < 0 ||
            fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0)
                return -errno;
        return TAKE_FD(fd);
}

int capture_input(const void *data, size_t len)
{
        _cleanup_(fd_closep) int fd = memfd_create("stdin", MFD_CLOEXEC);
        int r;

        if (fd < 0)
                return -errno;
        r = fd_write_all(fd, data, len);
        if (r < 0)
                return r;
        if (lseek(fd, 0, SEEK_SET) < 0)
                return -errno;
        return TAKE_FD(fd);
}

/* pread(2) of [from, to) into a NUL-terminated heap buffer; NULL without memory. */
static char *read_range(int fd, off_t from, off_t to, size_t *ret_len)
{
        size_t want = (size_t)(to - from), len = 0;
        char *text = malloc(want + 1);

        while (text && len < want) {
                ssize_t n = pread(fd, text + len, want - len, from + (off_t)len);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        break;
                len += (size_t)n;
        }
        if (text)
                text[len] = '\0';
        *ret_len = text ? len : 0;
        return text;
}

char *capture_read(int fd, size_t max, size_t *ret_len, bool *ret_cut)
{
        off_t end = lseek(fd, 0, SEEK_CUR);

        *ret_len = 0;
        *ret_cut = end > (off_t)max;
        if (*ret_cut)
                end = (off_t)max;
        return end > 0 ? read_range(fd, 0, end, ret_len) : NULL;
}

static const char *words_before(int fd, off_t end, struct arena *a)
{
        off_t from = end > LAST_WORDS_MAX ? end - LAST_WORDS_MAX : 0;
        _cleanup_(freep) char *text = NULL;
        const char *start, *words;
        size_t len;

        if (end <= 0)
                return "";
        text = read_range(fd, from, end, &len);
        if (!text)
                return "";
        start = from > 0 ? memchr(text, '\n', len) : NULL; /* not from the middle of a line */
        start = start && start[1] ? start + 1 : text;
        words = spec_runtime_error(start, len - (size_t)(start - text), a);
        return words ? words : "";
}

const char *capture_last_words(int fd, struct arena *a)
{
        return words_before(fd, lseek(fd, 0, SEEK_CUR), a);
}

const char *capture_log_words(int dirfd, const char *name, struct arena *a)
{
        _cleanup_(fd_closep) int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
                return "";
        return words_before(fd, st.st_size, a);
}
