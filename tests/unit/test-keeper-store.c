/* SPDX-License-Identifier: Apache-2.0 */
/* The keeper's store: what belongs to a front is handed over whole, in messages that are understood, and dropped alone.
 */

#include "tests/unit/unit.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include "base/fd.h"
#include "keeper/store.h"

static void put(struct store *s, const char *name)
{
        assert_int_equal(store_add(s, name, open("/dev/null", O_RDONLY | O_CLOEXEC), false), 0);
}

static size_t receive(int sock, const char *prefix)
{
        char names[FD_MSG_MAX][KEEPER_NAME_MAX + 1];
        int fds[FD_MSG_MAX];
        size_t total = 0;
        bool ended = false;

        for (;;) {
                size_t n = FD_MSG_MAX;
                ssize_t len = fd_recv(sock, names, sizeof(names), fds, &n, MSG_DONTWAIT);
                struct stat st;

                if (len <= 0) {
                        assert_true(ended);
                        return total;
                }
                if (n == 0) {
                        assert_int_equal(len, sizeof(names[0]));
                        assert_int_equal(names[0][0], 0);
                        ended = true;
                        continue;
                }
                assert_false(ended);
                assert_int_equal(len, n * sizeof(names[0]));
                for (size_t i = 0; i < n; i++) {
                        char want[KEEPER_NAME_MAX + 1];

                        snprintf(want, sizeof(want), "%sc%03zu", prefix, total++);
                        assert_string_equal(names[i], want);
                        assert_int_equal(fstat(fds[i], &st), 0);
                        assert_true(S_ISCHR(st.st_mode));
                        fd_close(fds[i]);
                }
        }
}

static size_t handed_over(struct store *s, const char *prefix)
{
        int pair[2];
        size_t n;

        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
        assert_int_equal(store_hand_over(s, prefix, pair[0]), 0);
        fd_close(pair[0]);
        n = receive(pair[1], prefix);
        fd_close(pair[1]);
        return n;
}

static void fronts(void **state)
{
        struct store s;
        char name[16];

        store_init(&s, 1000);
        for (size_t i = 0; i < 200; i++) {
                snprintf(name, sizeof(name), "F001c%03zu", i);
                put(&s, name);
                snprintf(name, sizeof(name), "F002c%03zu", i);
                if (i < FD_MSG_MAX) /* one whole message */
                        put(&s, name);
                snprintf(name, sizeof(name), "p%07zu", i);
                put(&s, name);
        }
        put(&s, "L001");
        assert_int_equal(handed_over(&s, "F001"), 200);
        assert_int_equal(handed_over(&s, "F002"), FD_MSG_MAX);
        assert_int_equal(handed_over(&s, "F003"), 0);
        assert_int_equal(store_remove_prefix(&s, "F001"), 200);
        assert_int_equal(handed_over(&s, "F001"), 0);
        assert_int_equal(handed_over(&s, "F002"), FD_MSG_MAX);
        assert_int_equal(s.n, 200 + FD_MSG_MAX + 1);
        for (size_t i = 0; i < s.n; i++)
                assert_int_equal(store_is_of_front(&s.items[i]), s.items[i].name[0] == 'F');
        store_deinit(&s);
}

/* A socket that takes no more is an error, not a wait. */
static void no_room(void **state)
{
        struct store s;
        int pair[2], small = 1;
        char name[16];

        store_init(&s, 20000);
        for (size_t i = 0; i < 640; i++) {
                snprintf(name, sizeof(name), "F001c%03zu", i);
                put(&s, name);
        }
        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
        assert_int_equal(setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
        assert_true(store_hand_over(&s, "F001", pair[0]) < 0);
        fd_close(pair[0]);
        fd_close(pair[1]);
        store_deinit(&s);
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(fronts), cmocka_unit_test(no_room) };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
