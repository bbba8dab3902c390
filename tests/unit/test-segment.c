/* SPDX-License-Identifier: Apache-2.0 */
/* A segment's bytes, cut and damaged at every place. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/fd.h"
#include "daemon/segment.h"

#define N 5

/* N entries of different sizes; starts[i] is where the i-th begins, starts[N] the end. */
static size_t build(uint8_t *data, size_t starts[N + 1])
{
        size_t at = 0;

        for (unsigned i = 0; i < N; i++) {
                size_t len = 10 + 7 * i;

                starts[i] = at;
                memset(data + at + SEGMENT_HEADER, 'a' + (int)i, len);
                segment_seal(data + at, 100 + i, len);
                at += SEGMENT_HEADER + len;
        }
        starts[N] = at;
        return at;
}

static void names(void **state)
{
        char name[SEGMENT_NAME_SIZE];
        uint64_t first;

        assert_string_equal(segment_name(7, name), "seg-00000000000000000007");
        assert_true(segment_name_parse(name, &first));
        assert_int_equal(first, 7);
        assert_false(segment_name_parse("seg-7", &first));
        assert_false(segment_name_parse("seg-00000000000000000000", &first));
        assert_false(segment_name_parse("seg-00000000000000000007x", &first));
        assert_false(segment_name_parse("seg-99999999999999999999", &first));
        assert_false(segment_name_parse("seg--0000000000000000007", &first));
        assert_false(segment_name_parse("meta.json", &first));
}

static void whole(void **state)
{
        uint8_t data[1024];
        size_t starts[N + 1], size = build(data, starts);
        struct segment s;
        uint64_t resume;

        segment_init(&s, 100);
        assert_int_equal(segment_scan(&s, data, size, &resume), SEGMENT_WHOLE);
        assert_int_equal(resume, 105);
        assert_int_equal(s.oldest, 100);
        assert_int_equal(s.last, 104);
        assert_int_equal(s.bytes, size);
        segment_deinit(&s);
        segment_init(&s, 100);
        assert_int_equal(segment_scan(&s, data, 0, &resume), SEGMENT_WHOLE);
        assert_int_equal(resume, 100);
        segment_deinit(&s);
        /* numbers below those of the name are not its */
        segment_init(&s, 101);
        assert_int_equal(segment_scan(&s, data, size, &resume), SEGMENT_CORRUPT);
        assert_int_equal(s.bytes, 0);
        assert_int_equal(resume, 105);
        segment_deinit(&s);
}

static void cut_anywhere(void **state)
{
        uint8_t data[1024];
        size_t starts[N + 1], size = build(data, starts);

        for (size_t len = 0; len <= size; len++) {
                _cleanup_(freep) uint8_t *copy = malloc(len ? len : 1); /* so that a sanitizer sees reading behind it */
                enum segment_damage damage;
                struct segment s;
                uint64_t resume;
                unsigned i = 0;

                memcpy(copy, data, len);
                while (i < N && starts[i + 1] <= len)
                        i++;
                segment_init(&s, 100);
                damage = segment_scan(&s, copy, len, &resume);
                assert_int_equal(damage, starts[i] == len ? SEGMENT_WHOLE : SEGMENT_TORN);
                assert_int_equal(s.bytes, starts[i]);
                assert_int_equal(s.last, 99 + i);
                assert_int_equal(resume, 100 + i); /* its number is given anew */
                segment_deinit(&s);
        }
}

static void damaged_anywhere(void **state)
{
        uint8_t data[1024];
        size_t starts[N + 1], size = build(data, starts);

        for (size_t at = 0; at < size; at++) {
                for (unsigned bit = 0; bit < 8; bit++) {
                        enum segment_damage damage;
                        struct segment s;
                        uint64_t resume;
                        unsigned i = 0;

                        while (starts[i + 1] <= at)
                                i++;
                        data[at] ^= (uint8_t)(1U << bit);
                        segment_init(&s, 100);
                        damage = segment_scan(&s, data, size, &resume);
                        data[at] ^= (uint8_t)(1U << bit);
                        assert_int_equal(s.bytes, starts[i]);
                        assert_int_equal(s.last, 99 + i);
                        if (i + 1 < N) {
                                assert_int_equal(damage, SEGMENT_CORRUPT);
                                assert_int_equal(resume, 105); /* the later ones were recognised */
                        } else {
                                /* a length that reaches behind the end looks like a torn entry: nothing can tell */
                                assert_true(damage == SEGMENT_CORRUPT ? resume == 105
                                                                      : (resume == 104 && at < starts[4] + 4));
                        }
                        segment_deinit(&s);
                }
        }
}

static void rubbish(void **state)
{
        _cleanup_(freep) uint8_t *data = malloc(300000);
        uint64_t x = 88172645463325252U, resume;
        struct segment s;

        for (size_t i = 0; i < 300000; i++) {
                x ^= x << 13;
                x ^= x >> 7;
                x ^= x << 17;
                data[i] = i % 3 ? (uint8_t)x : 0;
        }
        segment_init(&s, 1);
        assert_int_equal(segment_scan(&s, data, 300000, &resume), SEGMENT_CORRUPT);
        assert_int_equal(s.bytes, 0);
        assert_int_equal(resume, 2);
        segment_deinit(&s);
}

static void reading_from_anywhere(void **state)
{
        char dir[] = "/tmp/test-segment.XXXXXX", name[SEGMENT_NAME_SIZE];
        _cleanup_(fd_closep) int dirfd = -1, fd = -1;
        static uint8_t entry[SEGMENT_HEADER + 70000];
        struct segment s;

        assert_non_null(mkdtemp(dir));
        dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        fd = openat(dirfd, segment_name(1, name), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        segment_init(&s, 1);
        for (uint64_t seq = 1; seq <= 1000; seq++) {
                size_t len = seq % 97 == 0 ? 70000 : seq; /* larger than what is read at once, too */

                if (seq % 10 == 3)
                        continue;
                memset(entry + SEGMENT_HEADER, (int)(seq & 255), len);
                segment_seal(entry, seq, len);
                assert_int_equal(segment_append(&s, fd, entry, SEGMENT_HEADER + len), 0);
        }
        for (uint64_t from = 1; from <= 1001; from++) {
                struct segment_cursor c;
                const uint8_t *data;
                uint64_t seq = 0, expected = from % 10 == 3 ? from + 1 : from;
                size_t len;

                assert_int_equal(segment_cursor_open(&c, &s, dirfd, from), 0);
                for (; expected <= 1000; expected += expected % 10 == 2 ? 2 : 1) {
                        assert_int_equal(segment_cursor_next(&c, &seq, &data, &len), 1);
                        assert_int_equal(seq, expected);
                        assert_int_equal(len, seq % 97 == 0 ? 70000 : seq);
                        assert_int_equal(data[len - 1], seq & 255);
                        if (from % 50 != 1 && seq > from + 3)
                                break;
                }
                if (expected > 1000)
                        assert_int_equal(segment_cursor_next(&c, &seq, &data, &len), 0);
                segment_cursor_close(&c);
        }
        /* changed behind our back */
        {
                struct segment_cursor c;
                const uint8_t *data;
                uint64_t seq;
                size_t len;
                int r = 1;

                assert_int_equal(ftruncate(fd, (off_t)s.bytes - 1), 0);
                assert_int_equal(segment_cursor_open(&c, &s, dirfd, 990), 0);
                while (r == 1)
                        r = segment_cursor_next(&c, &seq, &data, &len);
                assert_int_equal(r, -EBADMSG);
                assert_int_equal(seq, 999);
                segment_cursor_close(&c);
        }
        segment_deinit(&s);
        unlinkat(dirfd, name, 0);
        rmdir(dir);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(names),
                cmocka_unit_test(whole),
                cmocka_unit_test(cut_anywhere),
                cmocka_unit_test(damaged_anywhere),
                cmocka_unit_test(rubbish),
                cmocka_unit_test(reading_from_anywhere),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
