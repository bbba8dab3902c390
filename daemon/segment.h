/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One file of the event log: entries with ascending numbers, each with its length and a checksum. The name has the
 * number from which on its entries are, so that the numbering goes on after an empty file, too.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/cleanup.h"

/* Before each entry's data: length, CRC-32 (32 bits each) and number (64), little-endian. */
#define SEGMENT_HEADER    16
#define SEGMENT_ENTRY_MAX (1024 * 1024)       /* bytes of an entry's data */
#define SEGMENT_FILE_MAX  (256 * 1024 * 1024) /* a larger file is not read */
#define SEGMENT_NAME_SIZE 32

struct segment {
        uint64_t first;  /* as in the name */
        uint64_t oldest; /* number of its first entry; 0: it has none */
        uint64_t last;   /* number of its last entry; first - 1: it has none */
        uint64_t bytes;  /* of its entries */
        struct segment_mark {
                uint64_t seq, offset;
        } * marks; /* of some entries: where to begin reading */
        size_t n_marks, marks_room;
        unsigned unmarked; /* entries since the last mark */
        bool warned;       /* its damage was told */
};

enum segment_damage {
        SEGMENT_WHOLE,
        SEGMENT_TORN,    /* the last entry is not complete: its writer was killed, and told nobody of it */
        SEGMENT_CORRUPT, /* the rest cannot be read: entries that people may have seen are lost */
};

/* "seg-00000000000000000001", and back (false: another file). */
const char *segment_name(uint64_t first, char buf[SEGMENT_NAME_SIZE]);
bool segment_name_parse(const char *name, uint64_t *ret_first);

void segment_init(struct segment *s, uint64_t first);
void segment_deinit(struct segment *s);

/* Fills in s from the bytes of a file: its entries up to the first that is not good. *ret_resume: the next number that
 * was never used, as far as the bytes tell. */
enum segment_damage segment_scan(struct segment *s, const uint8_t *data, size_t size, uint64_t *ret_resume);
/* The same from the file. A file that cannot be read is corrupt. */
enum segment_damage segment_load(struct segment *s, int dirfd, uint64_t *ret_resume);

/* Fills in the header of an entry; the data (len bytes) is behind it already. */
void segment_seal(uint8_t *entry, uint64_t seq, size_t len);
/* Appends a sealed entry (header and data) to the file. 0 or -errno: then nothing was appended. */
int segment_append(struct segment *s, int fd, const uint8_t *entry, size_t size);

/* Reads entries from the one with number `seq` (or the next that there is) on. */
struct segment_cursor {
        const struct segment *segment;
        int fd;
        uint64_t offset; /* in the file, of the next entry */
        uint64_t seq;    /* entries before it are passed over */
        uint8_t *buf;
        uint64_t buf_offset;
        size_t buf_len, buf_size;
};
int segment_cursor_open(struct segment_cursor *c, const struct segment *s, int dirfd, uint64_t seq); /* 0 or -errno */
void segment_cursor_close(struct segment_cursor *c);
/* 1: an entry, valid until the next call; 0: the end; -errno (-EBADMSG: it is not what it was). */
int segment_cursor_next(struct segment_cursor *c, uint64_t *ret_seq, const uint8_t **ret_data, size_t *ret_len);
