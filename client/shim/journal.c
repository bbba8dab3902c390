/* SPDX-License-Identifier: Apache-2.0 */

#include "client/shim/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/fd.h"

#define MAGIC      UINT64_C(0x314c4e4a58425331) /* names the version too */
#define FIRST_SIZE 16384U
#define LENGTH_MAX (512U * 1024 * 1024)
#define HEADER     sizeof(uint64_t)

static uint64_t header(uint8_t kind, uint32_t conn, size_t len)
{
        return (uint64_t)len << 32 | (uint64_t)conn << 8 | kind;
}

static size_t padded(size_t len)
{
        return (len + HEADER - 1) & ~(HEADER - 1);
}

/* Memory that is promised by fallocate() cannot be missing later, when a store would mean SIGBUS. */
static int grow(struct journal *j, size_t size)
{
        void *map;

        if (fallocate(j->fd, 0, 0, (off_t)size) < 0)
                return -errno;
        map = j->map ? mremap(j->map, j->size, size, MREMAP_MAYMOVE)
                     : mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, j->fd, 0);
        if (map == MAP_FAILED)
                return -errno;
        j->map = map;
        j->size = size;
        return 0;
}

int journal_new(struct journal **ret)
{
        _cleanup_(journal_freep) struct journal *j = calloc(1, sizeof(*j));
        uint64_t magic = MAGIC;
        int r;

        if (!j)
                return -ENOMEM;
        j->fd = memfd_create("front-journal", MFD_CLOEXEC);
        if (j->fd < 0)
                return -errno;
        r = grow(j, FIRST_SIZE);
        if (r < 0)
                return r;
        memcpy(j->map, &magic, sizeof(magic));
        j->end = sizeof(magic);
        *ret = TAKE(j);
        return 0;
}

struct journal *journal_free(struct journal *j)
{
        if (!j)
                return NULL;
        if (j->map)
                munmap(j->map, j->size);
        fd_close(j->fd);
        free(j);
        return NULL;
}

int journal_append(struct journal *j, uint8_t kind, uint32_t conn, const void *data, size_t len)
{
        size_t need = j->end + HEADER + padded(len) + HEADER, size = j->size;

        if (len > UINT32_MAX || need > LENGTH_MAX)
                return -ENOSPC;
        while (size < need)
                size *= 2;
        if (size > j->size) {
                int r = grow(j, size);

                if (r < 0)
                        return r;
        }
        if (len > 0)
                memcpy(j->map + j->end + HEADER, data, len);
        __atomic_store_n((uint64_t *)(void *)(j->map + j->end), header(kind, conn, len), __ATOMIC_RELEASE);
        j->end += HEADER + padded(len);
        return 0;
}

static int walk(const uint8_t *map, size_t size, journal_fn fn, void *data)
{
        size_t at = sizeof(uint64_t);

        while (at + HEADER <= size) {
                uint64_t h;
                size_t len;
                int r;

                memcpy(&h, map + at, sizeof(h));
                if (h == 0)
                        return 0;
                len = (size_t)(h >> 32);
                at += HEADER;
                if (len > size - at)
                        return -EBADMSG;
                r = fn(data, (uint8_t)h, (uint32_t)(h >> 8) & JOURNAL_CONN_MAX, map + at, len);
                if (r != 0)
                        return r;
                at += padded(len);
        }
        return 0;
}

int journal_read(int fd, journal_fn fn, void *data)
{
        struct stat st;
        uint64_t magic;
        void *map;
        int r;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode) || st.st_size < (off_t)FIRST_SIZE)
                return -EBADMSG;
        map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
        if (map == MAP_FAILED)
                return -errno;
        memcpy(&magic, map, sizeof(magic));
        r = magic == MAGIC ? walk(map, (size_t)st.st_size, fn, data) : -EBADMSG;
        munmap(map, (size_t)st.st_size);
        return r;
}
