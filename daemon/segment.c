/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What may be in a file: good entries, then either nothing, or the beginning of an entry whose writer was killed (a
 * file grows byte by byte, so such an entry is always short), or damage. After damage nothing of the file is used, but
 * it is searched for entries that can still be recognised, so that no number which somebody was told is given to
 * another event.
 */

#include "daemon/segment.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include "base/crash.h"
#include "base/fd.h"

#define MARK_EVERY  64    /* entries */
#define READ_SIZE   65536 /* bytes read at once */
#define PREFIX      "seg-"
#define SEARCH_WORK 16                  /* after damage: at most so many times the file's bytes are summed */
#define SEARCH_JUMP (UINT64_C(1) << 32) /* a number so far ahead is not one of ours */

const char *segment_name(uint64_t first, char buf[SEGMENT_NAME_SIZE])
{
        snprintf(buf, SEGMENT_NAME_SIZE, PREFIX "%020" PRIu64, first);
        return buf;
}

bool segment_name_parse(const char *name, uint64_t *ret_first)
{
        char buf[SEGMENT_NAME_SIZE];

        if (strncmp(name, PREFIX, strlen(PREFIX)) != 0)
                return false;
        errno = 0;
        *ret_first = strtoull(name + strlen(PREFIX), NULL, 10);
        /* numbers near the end of the range would not leave room to count on */
        return errno == 0 && *ret_first > 0 && *ret_first < INT64_MAX &&
               strcmp(segment_name(*ret_first, buf), name) == 0;
}

void segment_init(struct segment *s, uint64_t first)
{
        *s = (struct segment){ .first = first, .last = first - 1, .unmarked = MARK_EVERY };
}

void segment_deinit(struct segment *s)
{
        free(s->marks);
        *s = (struct segment){ 0 };
}

/* --- entries --- */
struct header {
        uint32_t len, crc;
        uint64_t seq;
};
_Static_assert(sizeof(struct header) == SEGMENT_HEADER, "no padding");

static struct header header_read(const uint8_t *entry)
{
        struct header h;

        memcpy(&h, entry, sizeof(h));
        return (struct header){ .len = le32toh(h.len), .crc = le32toh(h.crc), .seq = le64toh(h.seq) };
}

/* Of everything but the checksum itself. */
static uint32_t entry_crc(const uint8_t *entry, size_t len)
{
        uLong crc = crc32(0, entry, sizeof(uint32_t));

        return (uint32_t)crc32(crc, entry + 8, (uInt)(SEGMENT_HEADER - 8 + len));
}

void segment_seal(uint8_t *entry, uint64_t seq, size_t len)
{
        struct header h = { .len = htole32((uint32_t)len), .seq = htole64(seq) };

        memcpy(entry, &h, sizeof(h));
        h.crc = htole32(entry_crc(entry, len));
        memcpy(entry, &h, sizeof(h));
}

enum entry_check { ENTRY_GOOD, ENTRY_SHORT, ENTRY_BAD };

/* Is there a good entry with a number above `after` at p? */
static enum entry_check entry_check(const uint8_t *p, size_t n, uint64_t after, struct header *ret)
{
        if (n < SEGMENT_HEADER)
                return ENTRY_SHORT;
        *ret = header_read(p);
        if (ret->len == 0 || ret->len > SEGMENT_ENTRY_MAX || ret->seq <= after || ret->seq >= INT64_MAX)
                return ENTRY_BAD;
        if (n - SEGMENT_HEADER < ret->len)
                return ENTRY_SHORT;
        return entry_crc(p, ret->len) == ret->crc ? ENTRY_GOOD : ENTRY_BAD;
}

static void add_mark(struct segment *s, uint64_t seq)
{
        if (s->n_marks == s->marks_room) {
                size_t room = s->marks_room ? s->marks_room * 2 : 16;
                struct segment_mark *marks = reallocarray(s->marks, room, sizeof(*marks));

                if (!marks)
                        return; /* then reading begins earlier */
                s->marks = marks;
                s->marks_room = room;
        }
        s->marks[s->n_marks++] = (struct segment_mark){ .seq = seq, .offset = s->bytes };
        s->unmarked = 0;
}

static void add_entry(struct segment *s, uint64_t seq, size_t size)
{
        if (s->unmarked >= MARK_EVERY)
                add_mark(s, seq);
        s->unmarked++;
        if (!s->oldest)
                s->oldest = seq;
        s->last = seq;
        s->bytes += size;
}

/* The highest number of an entry that can be recognised behind the damage, or `last`. */
static uint64_t search(const uint8_t *data, size_t size, uint64_t last)
{
        size_t work = size * SEARCH_WORK;
        uint64_t highest = last;
        struct header h;

        for (size_t at = 0; size - at > SEGMENT_HEADER;) {
                h = header_read(data + at);
                if (h.seq <= highest || h.seq - last >= SEARCH_JUMP || h.len == 0 ||
                    h.len > size - at - SEGMENT_HEADER) {
                        at++;
                        continue;
                }
                if (h.len > work)
                        break;
                work -= h.len;
                if (entry_check(data + at, size - at, highest, &h) == ENTRY_GOOD) {
                        highest = h.seq;
                        at += SEGMENT_HEADER + h.len;
                } else {
                        at++;
                }
        }
        return highest;
}

enum segment_damage segment_scan(struct segment *s, const uint8_t *data, size_t size, uint64_t *ret_resume)
{
        enum entry_check check;
        uint64_t highest;
        struct header h;
        size_t at = 0;

        for (; at < size; at += SEGMENT_HEADER + h.len) {
                check = entry_check(data + at, size - at, s->last, &h);
                if (check != ENTRY_GOOD)
                        break;
                add_entry(s, h.seq, SEGMENT_HEADER + h.len);
        }
        *ret_resume = s->last + 1;
        if (at >= size)
                return SEGMENT_WHOLE;
        highest = search(data + at, size - at, s->last);
        if (highest == s->last && check == ENTRY_SHORT)
                return SEGMENT_TORN;
        *ret_resume = (highest == s->last ? s->last + 1 : highest) + 1; /* one at least was lost */
        return SEGMENT_CORRUPT;
}

enum segment_damage segment_load(struct segment *s, int dirfd, uint64_t *ret_resume)
{
        _cleanup_(freep) char *data = NULL;
        char name[SEGMENT_NAME_SIZE];
        size_t size;

        if (fd_read_file(dirfd, segment_name(s->first, name), SEGMENT_FILE_MAX, &data, &size) < 0) {
                *ret_resume = s->first + 1;
                return SEGMENT_CORRUPT;
        }
        return segment_scan(s, (const uint8_t *)data, size, ret_resume);
}

int segment_append(struct segment *s, int fd, const uint8_t *entry, size_t size)
{
        size_t done = 0;

        crash_point("event.write");
        while (done < size) {
                ssize_t n = pwrite(fd, entry + done, size - done, (off_t)(s->bytes + done));
                int r = n < 0 ? -errno : 0;

                if (r == -EINTR)
                        continue;
                if (r < 0) {
                        /* what is left if this fails too is a torn entry, and the next try writes over it */
                        if (ftruncate(fd, (off_t)s->bytes) < 0)
                                return r;
                        return r;
                }
                done += (size_t)n;
        }
        crash_point("event.written");
        add_entry(s, header_read(entry).seq, size);
        return 0;
}

/* --- reading --- */
static uint64_t offset_of(const struct segment *s, uint64_t seq)
{
        size_t low = 0, high = s->n_marks; /* the last mark that is not behind seq is in [low - 1, high) */

        while (low < high) {
                size_t middle = (low + high) / 2;

                if (s->marks[middle].seq <= seq)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low ? s->marks[low - 1].offset : 0;
}

int segment_cursor_open(struct segment_cursor *c, const struct segment *s, int dirfd, uint64_t seq)
{
        char name[SEGMENT_NAME_SIZE];

        *c = (struct segment_cursor){ .segment = s, .seq = seq, .offset = offset_of(s, seq) };
        c->fd = openat(dirfd, segment_name(s->first, name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        return c->fd < 0 ? -errno : 0;
}

void segment_cursor_close(struct segment_cursor *c)
{
        c->fd = fd_close(c->fd);
        free(c->buf);
        c->buf = NULL;
}

/* Makes the `need` bytes at c->offset be in the buffer. */
static int fill(struct segment_cursor *c, size_t need)
{
        size_t have =
                c->buf_offset + c->buf_len - c->offset; /* the offset is never before the buffer or behind its end */
        size_t size = need > READ_SIZE ? need : READ_SIZE;

        if (have >= need)
                return 0;
        if (have)
                memmove(c->buf, c->buf + (c->buf_len - have), have);
        if (c->buf_size < size) {
                uint8_t *buf = realloc(c->buf, size);

                if (!buf)
                        return -ENOMEM;
                c->buf = buf;
                c->buf_size = size;
        }
        c->buf_offset = c->offset;
        c->buf_len = have;
        while (c->buf_len < need) {
                ssize_t n = pread(c->fd, c->buf + c->buf_len, c->buf_size - c->buf_len,
                                  (off_t)(c->buf_offset + c->buf_len));

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -EBADMSG; /* cut since it was scanned */
                c->buf_len += (size_t)n;
        }
        return 0;
}

int segment_cursor_next(struct segment_cursor *c, uint64_t *ret_seq, const uint8_t **ret_data, size_t *ret_len)
{
        if (!c->buf)
                c->buf_offset = c->offset;
        while (c->offset < c->segment->bytes) {
                const uint8_t *entry;
                struct header h;
                int r = fill(c, SEGMENT_HEADER);

                if (r < 0)
                        return r;
                h = header_read(c->buf + (c->offset - c->buf_offset));
                if (h.len > c->segment->bytes - c->offset - SEGMENT_HEADER)
                        return -EBADMSG;
                r = fill(c, SEGMENT_HEADER + h.len);
                if (r < 0)
                        return r;
                entry = c->buf + (c->offset - c->buf_offset);
                if (entry_check(entry, SEGMENT_HEADER + h.len, 0, &h) != ENTRY_GOOD)
                        return -EBADMSG;
                c->offset += SEGMENT_HEADER + h.len;
                if (h.seq < c->seq)
                        continue;
                *ret_seq = h.seq;
                *ret_data = entry + SEGMENT_HEADER;
                *ret_len = h.len;
                return 1;
        }
        return 0;
}
