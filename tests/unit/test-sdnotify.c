/* SPDX-License-Identifier: Apache-2.0 */
/* The client of the notify protocol: what does not fit waits, in order, and that it has gone is told once. */

#include "tests/unit/unit.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "base/fd.h"
#include "base/sdnotify.h"

struct rig {
        char dir[32], path[64];
        struct loop *loop;
        struct sdnotify n;
        int fd;
        unsigned drained;
};

static void on_drained(struct sdnotify *n)
{
        container_of(n, struct rig, n)->drained++;
}

static void listen_there(struct rig *r)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        r->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        strcpy(address.sun_path, r->path);
        assert_int_equal(bind(r->fd, (struct sockaddr *)&address, sizeof(address)), 0);
}

static int begin(void **state)
{
        static struct rig r;

        r = (struct rig){ .fd = -1 };
        unit_mkdir(r.dir);
        snprintf(r.path, sizeof(r.path), "%s/notify", r.dir);
        assert_int_equal(loop_new(&r.loop), 0);
        listen_there(&r);
        sdnotify_init(&r.n, r.loop, on_drained);
        assert_int_equal(sdnotify_connect(&r.n, r.path), 0);
        *state = &r;
        return 0;
}

static int end(void **state)
{
        struct rig *r = *state;

        sdnotify_deinit(&r->n);
        fd_close(r->fd);
        loop_free(r->loop);
        unit_rmdir(r->dir);
        return 0;
}

static unsigned fill(struct rig *r)
{
        unsigned n = 0;
        char text[32];

        while (r->n.n_queued < 3) {
                snprintf(text, sizeof(text), "STATUS=%u", n++);
                assert_int_equal(sdnotify_send(&r->n, text, -1), 0);
        }
        return n;
}

static bool take(struct rig *r, unsigned want)
{
        char text[32] = "", wanted[32];

        if (recv(r->fd, text, sizeof(text) - 1, MSG_DONTWAIT) < 0)
                return false;
        snprintf(wanted, sizeof(wanted), "STATUS=%u", want);
        assert_string_equal(text, wanted);
        return true;
}

static void waits_and_tells(void **state)
{
        struct rig *r = *state;
        unsigned n = fill(r), taken = 0;

        loop_run_once(r->loop, false);
        assert_int_equal(r->drained, 0);
        unit_run_until(r->loop, (taken += take(r, taken), taken == n || r->n.n_queued == 0));
        unit_run_until(r->loop, r->drained == 1);
        while (take(r, taken))
                taken++;
        assert_int_equal(taken, n);
}

/* It goes out with a later one, before the loop has seen that it can. */
static void tells_also_then(void **state)
{
        struct rig *r = *state;
        unsigned n = fill(r), taken = 0;
        char text[32];

        while (take(r, taken))
                taken++;
        snprintf(text, sizeof(text), "STATUS=%u", n);
        assert_int_equal(sdnotify_send(&r->n, text, -1), 0);
        assert_int_equal(r->n.n_queued, 0);
        assert_int_equal(r->drained, 0);
        unit_run_until(r->loop, r->drained == 1);
        unit_run_for(r->loop, 5 * NSEC_PER_MSEC);
        assert_int_equal(r->drained, 1);
}

static void nobody_there(void **state)
{
        struct rig *r = *state;

        fill(r);
        r->fd = fd_close(r->fd);
        unlink(r->path);
        unit_run_until(r->loop, r->drained == 1); /* they will never be sent */
        assert_int_equal(sdnotify_connect(&r->n, r->path), -ENOENT);
        assert_int_equal(sdnotify_send(&r->n, "X=1", -1), 0);
        assert_int_equal(sdnotify_connect(&r->n, "nonsense"), -EINVAL);
        listen_there(r);
        assert_int_equal(sdnotify_connect(&r->n, r->path), 0);
        assert_int_equal(sdnotify_send(&r->n, "STATUS=7", -1), 0);
        assert_true(take(r, 7));
}

static void descriptors(void **state)
{
        struct rig *r = *state;
        char text[128] = "", name[] = "toolong9x";
        int fds[2];
        size_t n = 2;

        assert_int_equal(sdnotify_store(&r->n, "abc", r->fd, true), 0);
        assert_true(fd_recv(r->fd, text, sizeof(text) - 1, fds, &n, MSG_DONTWAIT) > 0);
        assert_int_equal(n, 1);
        fd_close(fds[0]);
        assert_string_equal(text, "FDSTOREREMOVE=1\nFDSTORE=1\nFDPOLL=0\nFDNAME=abc");
        assert_int_equal(sdnotify_store(&r->n, name, r->fd, true), -EINVAL);
        assert_int_equal(sdnotify_store(&r->n, "abc", -1, true), -EINVAL);
        assert_int_equal(sdnotify_unstore(&r->n, "abc"), 0);
        memset(text, 0, sizeof(text));
        assert_true(recv(r->fd, text, sizeof(text) - 1, MSG_DONTWAIT) > 0);
        assert_string_equal(text, "FDSTOREREMOVE=1\nFDNAME=abc");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
        const struct CMUnitTest tests[] = { TEST(waits_and_tells), TEST(tells_also_then), TEST(nobody_there),
                                            TEST(descriptors) };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
