/* SPDX-License-Identifier: Apache-2.0 */
/* The front's journal: what was appended is read back, also by another process's copy, and after growing; what was not
 * finished does not count. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>
#include "base/fd.h"
#include "client/shim/journal.h"

struct seen {
        size_t n, bytes;
        uint32_t sum;
        int stop_at;
};

static int see(void *data, uint8_t kind, uint32_t conn, const uint8_t *bytes, size_t len)
{
        struct seen *s = data;

        assert_int_equal(kind, 1 + s->n % 255);
        assert_int_equal(conn, s->n * 3 & JOURNAL_CONN_MAX);
        assert_int_equal(len, s->n * 7);
        for (size_t i = 0; i < len; i++)
                assert_int_equal(bytes[i], (uint8_t)s->n);
        s->n++;
        s->bytes += len;
        return s->stop_at > 0 && s->n == (size_t)s->stop_at ? 17 : 0;
}

static void fill(struct journal *j, size_t from, size_t to)
{
        for (size_t i = from; i < to; i++) {
                uint8_t bytes[7 * 512];

                memset(bytes, (int)i, sizeof(bytes));
                assert_int_equal(journal_append(j, (uint8_t)(1 + i % 255), (uint32_t)(i * 3), bytes, i * 7), 0);
        }
}

static void reads_back(void **state)
{
        _cleanup_(journal_freep) struct journal *j = NULL;
        struct seen s = { 0 };
        int copy;

        assert_int_equal(journal_new(&j), 0);
        assert_int_equal(journal_read(j->fd, see, &s), 0);
        assert_int_equal(s.n, 0);
        fill(j, 0, 512); /* 900 KiB: it grew */
        copy = dup(j->fd);
        j = journal_free(j);
        assert_int_equal(journal_read(copy, see, &s), 0);
        assert_int_equal(s.n, 512);
        s = (struct seen){ .stop_at = 9 };
        assert_int_equal(journal_read(copy, see, &s), 17);
        assert_int_equal(s.n, 9);
        fd_close(copy);
}

/* Killed at each store of an append: the data are there and the header is not. */
static void unfinished(void **state)
{
        _cleanup_(journal_freep) struct journal *j = NULL;
        struct seen s = { 0 };
        size_t end;

        assert_int_equal(journal_new(&j), 0);
        fill(j, 0, 5);
        end = j->end;
        fill(j, 5, 6);
        memset(j->map + end, 0, 8);
        assert_int_equal(journal_read(j->fd, see, &s), 0);
        assert_int_equal(s.n, 5);
}

static void not_a_journal(void **state)
{
        _cleanup_(journal_freep) struct journal *j = NULL;
        struct seen s = { 0 };
        int fd = memfd_create("x", 0);
        uint64_t wild = UINT64_C(0xffffffff00000101);

        assert_int_equal(journal_read(fd, see, &s), -EBADMSG);
        assert_int_equal(ftruncate(fd, 65536), 0);
        assert_int_equal(journal_read(fd, see, &s), -EBADMSG);
        fd_close(fd);
        assert_int_equal(journal_new(&j), 0);
        memcpy(j->map + j->end, &wild, sizeof(wild)); /* longer than the file */
        assert_int_equal(journal_read(j->fd, see, &s), -EBADMSG);
        assert_int_equal(s.n, 0);
}

static void no_room(void **state)
{
        _cleanup_(journal_freep) struct journal *j = NULL;
        size_t end;

        assert_int_equal(journal_new(&j), 0);
        end = j->end;
        assert_int_equal(journal_append(j, 1, 0, NULL, (size_t)600 * 1024 * 1024), -ENOSPC);
        assert_int_equal(j->end, end);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(reads_back),
                cmocka_unit_test(unfinished),
                cmocka_unit_test(not_a_journal),
                cmocka_unit_test(no_room),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
