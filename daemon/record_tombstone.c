/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Tombstones: a ring of small files, numbered; the oldest goes when there are too many. A number is never used twice
 * while its file is there, so a file is written once and a reader needs no order but the names'.
 */

#include "daemon/record.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/atomicfile.h"
#include "base/fd.h"
#include "base/log.h"
#include "daemon/record_store.h"
#include "proto/desc.h"

#define NAME_SIZE 32 /* "00000000000000000001.json" */

#define KIND_msg_record_answer          .kind = FIELD_MSG, .message = &desc_record_answer
#define FIELD_C_msg_record_answer(name) struct record_answer *name;
#define FIELDS_record_tombstone(F)                                                                                     \
        F(str, container_key, LIMIT_PATH, REQUIRED, "OWNER/NS/ID")                                                     \
        F(msg_record_answer, answer, 0, REQUIRED, "the answer")
MESSAGE_C(record_tombstone, "an answer that outlives its container")
MESSAGE_DESC_DECL(record_tombstone, "")
MESSAGE_DESC(record_tombstone, "an answer that outlives its container")

static const char *tombstone_name(uint64_t number, char buf[NAME_SIZE])
{
        snprintf(buf, NAME_SIZE, "%020" PRIu64 ".json", number);
        return buf;
}

/* The number in a name that tombstone_name made; false: another file. */
static bool tombstone_number(const char *name, uint64_t *ret)
{
        char buf[NAME_SIZE];

        if (!isdigit((unsigned char)name[0]))
                return false;
        errno = 0;
        *ret = strtoull(name, NULL, 10);
        return errno == 0 && *ret < UINT64_MAX && strcmp(tombstone_name(*ret, buf), name) == 0;
}

static void trim(struct record_store *s)
{
        char name[NAME_SIZE];

        while (s->tombstone_next - s->tombstone_oldest > TOMBSTONES_MAX)
                unlinkat(s->tombstones_fd, tombstone_name(s->tombstone_oldest++, name), 0);
}

static int compare_names(const void *a, const void *b)
{
        return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort(char **names, size_t n)
{
        if (n) /* names is NULL otherwise */
                qsort(names, n, sizeof(*names), compare_names);
}

int record_tombstones_open(struct record_store *s)
{
        char **names;
        size_t n, kept = 0;
        int r = record_names(s->tombstones_fd, &names, &n);

        if (r < 0)
                return r;
        sort(names, n);
        /* from the newest: whatever is more than the ring holds goes, also where the numbers have holes */
        for (size_t i = n; i-- > 0;) {
                uint64_t number;

                if (!tombstone_number(names[i], &number))
                        continue;
                if (kept == 0)
                        s->tombstone_next = number + 1;
                if (s->tombstone_next - number > TOMBSTONES_MAX)
                        unlinkat(s->tombstones_fd, names[i], 0);
                else
                        s->tombstone_oldest = number;
                kept++;
        }
        record_names_free(names, n);
        return 0;
}

int record_tombstone_save(struct record_store *s, const char *container_key, const struct record_answer *answer,
                          struct error *err)
{
        struct record_answer copy = *answer;
        struct record_tombstone tombstone = { .container_key = container_key, .answer = &copy };
        _cleanup_(buf_deinit) struct buf text = { .max = RECORD_MAX };
        char name[NAME_SIZE];
        int r;

        if (json_encode(&desc_record_tombstone, &tombstone, &text, err) < 0)
                return error_wrap(err, "cannot keep an answer of %s", container_key);
        r = atomicfile_write(s->tombstones_fd, tombstone_name(s->tombstone_next, name), buf_head(&text), buf_len(&text),
                             0600);
        if (r < 0)
                return error_set_errno(err, reason_of_errno(r), r, "cannot keep an answer of %s in %s/tombstones",
                                       container_key, s->root);
        s->tombstone_next++;
        trim(s);
        return 0;
}

static int read_tombstone(struct record_store *s, const char *name, record_tombstone_fn fn, void *data,
                          struct error *err)
{
        _cleanup_(arena_freep) struct arena *a = arena_new();
        _cleanup_(freep) char *text = NULL;
        void *tombstone;
        size_t len;
        int r;

        if (!a)
                return error_set(err, REASON_NO_RESOURCES, "no memory");
        r = fd_read_file(s->tombstones_fd, name, RECORD_MAX, &text, &len);
        if (r < 0)
                return error_set_errno(err, reason_of_errno(r), r, "cannot read it");
        if (json_decode(&desc_record_tombstone, text, len, a, &tombstone, err) < 0)
                return -1;
        fn(data, ((struct record_tombstone *)tombstone)->container_key, ((struct record_tombstone *)tombstone)->answer);
        return 0;
}

int record_tombstone_each(struct record_store *s, record_tombstone_fn fn, void *data, struct error *err)
{
        char **names;
        size_t n;
        int r = record_names(s->tombstones_fd, &names, &n);

        if (r < 0)
                return error_set_errno(err, reason_of_errno(r), r, "cannot list %s/tombstones", s->root);
        sort(names, n); /* oldest first: the newest answer to a request id wins */
        for (size_t i = 0; i < n; i++) {
                struct error why = ERROR_NULL;
                uint64_t number;

                if (tombstone_number(names[i], &number) && read_tombstone(s, names[i], fn, data, &why) < 0)
                        log_warn("%s/tombstones/%s ignored: %s", s->root, names[i], why.message);
        }
        record_names_free(names, n);
        return 0;
}
