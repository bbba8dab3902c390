/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A segment of any bytes: what is taken from it can be read again, nothing else can, and the number to go on with is
 * above all that. The first byte tells whether the checksums are made right first, since no fuzzer guesses them.
 */

#include "tests/fuzz/fuzz.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "base/fd.h"
#include "daemon/segment.h"

static uint32_t le32(const uint8_t *p)
{
        return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* Seals the entries that are there by their lengths, up to `end` of them. Returns how many. */
static unsigned seal_entries(uint8_t *data, size_t size, unsigned end)
{
        unsigned n = 0;

        for (size_t at = 0; n < end && size - at > SEGMENT_HEADER; n++) {
                uint32_t len = le32(data + at);

                if (len == 0 || len > size - at - SEGMENT_HEADER)
                        break;
                segment_seal(data + at, le32(data + at + 8), len);
                at += SEGMENT_HEADER + len;
        }
        return n;
}

static void read_back(const struct segment *s, int dirfd, uint64_t from)
{
        struct segment_cursor c;
        const uint8_t *data;
        uint64_t seq, last = from - 1;
        size_t len;
        int r;

        FUZZ_CHECK(segment_cursor_open(&c, s, dirfd, from) == 0);
        while ((r = segment_cursor_next(&c, &seq, &data, &len)) == 1) {
                FUZZ_CHECK(seq > last && seq <= s->last && len > 0);
                if (from <= s->oldest && last < from)
                        FUZZ_CHECK(seq == s->oldest);
                last = seq;
        }
        FUZZ_CHECK(r == 0);
        FUZZ_CHECK(s->oldest == 0 || from > s->last || last == s->last);
        segment_cursor_close(&c);
}

static void try_file(const uint8_t *data, size_t size, int dirfd)
{
        char name[SEGMENT_NAME_SIZE];
        enum segment_damage damage;
        struct segment s;
        uint64_t resume;
        int fd = openat(dirfd, segment_name(1, name), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        FUZZ_CHECK(fd >= 0 && fd_write_all(fd, data, size) == 0);
        segment_init(&s, 1);
        damage = segment_load(&s, dirfd, &resume);
        FUZZ_CHECK(s.bytes <= size && (s.bytes == size) == (damage == SEGMENT_WHOLE));
        FUZZ_CHECK(resume > s.last && (damage == SEGMENT_CORRUPT || resume == s.last + 1));
        read_back(&s, dirfd, 1);
        read_back(&s, dirfd, s.last / 2 + 1);
        if (damage != SEGMENT_CORRUPT) { /* it goes on from there */
                uint8_t entry[SEGMENT_HEADER + 3] = { 0 };

                FUZZ_CHECK(ftruncate(fd, (off_t)s.bytes) == 0);
                segment_seal(entry, resume, 3);
                FUZZ_CHECK(segment_append(&s, fd, entry, sizeof(entry)) == 0);
                read_back(&s, dirfd, resume);
                segment_deinit(&s);
                segment_init(&s, 1);
                FUZZ_CHECK(segment_load(&s, dirfd, &resume) == SEGMENT_WHOLE);
        }
        segment_deinit(&s);
        fd_close(fd);
        unlinkat(dirfd, name, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_(freep) uint8_t *copy = malloc(size);
        _cleanup_(fd_closep) int dirfd = -1;
        char dir[] = "/tmp/fuzz-segment.XXXXXX";

        if (size == 0)
                return 0;
        FUZZ_CHECK(copy);
        memcpy(copy, data + 1, size - 1);
        seal_entries(copy, size - 1, data[0]);
        FUZZ_CHECK(mkdtemp(dir));
        dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        FUZZ_CHECK(dirfd >= 0);
        try_file(copy, size - 1, dirfd);
        rmdir(dir);
        return 0;
}
