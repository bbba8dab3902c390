/* SPDX-License-Identifier: Apache-2.0 */
/* The event log: nothing lost, nothing twice, every gap told; over restarts, damage, a full disk; and the long poll. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "daemon/events.h"
#include "daemon/request.h"
#include "daemon/segment.h"
#include "tests/unit/unit.h"

struct fixture {
        char dir[64], log_dir[80];
        struct loop *loop;
        struct eventlog *log;
        struct eventlog_options options;
        bool mounted;
        struct watch_timer guard;
        bool guard_fired;
};

static void open_log(struct fixture *f)
{
        struct error err = ERROR_NULL;

        if (eventlog_open(&f->log, f->loop, f->log_dir, &f->options, &err) < 0)
                fail_msg("%s", err.message);
}

static void reopen(struct fixture *f)
{
        f->log = eventlog_free(f->log);
        open_log(f);
}

static void on_guard(struct watch_timer *w)
{
        container_of(w, struct fixture, guard)->guard_fired = true;
}

static int setup(void **state)
{
        struct fixture *f = calloc(1, sizeof(*f));

        f->options = (struct eventlog_options){ .segment_bytes = 4096, .max_bytes = 256 * 1024 };
        strcpy(f->dir, "/tmp/test-events.XXXXXX");
        assert_non_null(mkdtemp(f->dir));
        snprintf(f->log_dir, sizeof(f->log_dir), "%s/events", f->dir);
        assert_int_equal(loop_new(&f->loop), 0);
        watch_timer_init(&f->guard, f->loop, on_guard);
        open_log(f);
        *state = f;
        return 0;
}

static int teardown(void **state)
{
        struct fixture *f = *state;
        char command[128];

        eventlog_free(f->log);
        watch_timer_stop(&f->guard);
        loop_free(f->loop);
        if (f->mounted)
                umount2(f->log_dir, MNT_DETACH);
        snprintf(command, sizeof(command), "rm -rf %s", f->dir);
        if (system(command) != 0)
                return -1;
        free(f);
        return 0;
}

static uint64_t append(struct fixture *f, const char *owner, const char *id, const char *message)
{
        struct event ev = { .kind = "warning", .owner = owner, .ns = "default", .id = id, .message = message };
        struct error err = ERROR_NULL;

        if (eventlog_append(f->log, &ev, &err) < 0)
                fail_msg("%s", err.message);
        assert_true(ev.time > 0);
        return ev.seq;
}

/* Event n has the message "mN", and n % 200 more bytes. */
static void append_n(struct fixture *f, uint64_t from, uint64_t to)
{
        for (uint64_t n = from; n <= to; n++) {
                char message[256];
                int len = snprintf(message, sizeof(message), "m%llu ", (unsigned long long)n);

                memset(message + len, 'x', n % 200);
                message[len + (int)(n % 200)] = '\0';
                assert_int_equal(append(f, "", "c", message), n);
        }
}

static struct events_result read_from(struct fixture *f, struct events_params params, struct arena *a)
{
        struct events_result result;
        struct error err = ERROR_NULL;

        if (eventlog_read(f->log, &params, a, &result, &err) < 0)
                fail_msg("%s", err.message);
        assert_true(result.events.n <= LIMIT_EVENTS_MAX);
        return result;
}

/* Reads all from `since` on and checks it: every number once, in order, its message the one it was appended with, or in
 * a gap. Returns how many are in gaps. */
static uint64_t check_all(struct fixture *f, uint64_t since)
{
        uint64_t expected = since, lost = 0;

        for (unsigned turn = 0; expected <= eventlog_newest(f->log); turn++) {
                _cleanup_(arena_freep) struct arena *a = arena_new();
                struct events_result r =
                        read_from(f, (struct events_params){ .since = expected, .max = turn % 2 ? 0 : 7 }, a);

                assert_true(r.events.n > 0);
                for (size_t i = 0; i < r.events.n; i++) {
                        const struct event *ev = &r.events.items[i];
                        char message[32];

                        assert_int_equal(ev->seq, expected);
                        if (strcmp(ev->kind, "gap") == 0) {
                                assert_true(ev->lost > 0);
                                lost += ev->lost;
                                expected += ev->lost;
                                continue;
                        }
                        snprintf(message, sizeof(message), "m%llu ", (unsigned long long)expected);
                        if (strncmp(ev->message, message, strlen(message)) != 0)
                                fail_msg("event %llu has the message %s", (unsigned long long)expected, ev->message);
                        assert_int_equal(strlen(ev->message), strlen(message) + expected % 200);
                        expected++;
                }
                assert_int_equal(r.next, expected);
                assert_int_equal(r.newest, eventlog_newest(f->log));
        }
        assert_int_equal(expected, eventlog_newest(f->log) + 1);
        return lost;
}

static void numbers_go_on(void **state)
{
        struct fixture *f = *state;
        _cleanup_(arena_freep) struct arena *a = arena_new();
        struct events_result r;

        assert_int_equal(eventlog_newest(f->log), 0);
        r = read_from(f, (struct events_params){ 0 }, a);
        assert_int_equal(r.events.n, 0);
        assert_int_equal(r.next, 1);
        append_n(f, 1, 10);
        reopen(f);
        assert_int_equal(eventlog_newest(f->log), 10);
        append_n(f, 11, 20);
        assert_int_equal(check_all(f, 1), 0);
        reopen(f);
        assert_int_equal(check_all(f, 1), 0);
        /* beyond the newest: what comes next */
        r = read_from(f, (struct events_params){ .since = 500 }, a);
        assert_int_equal(r.events.n, 0);
        assert_int_equal(r.next, 21);
        r = read_from(f, (struct events_params){ .since = UINT64_MAX }, a);
        assert_int_equal(r.next, 21);
        r = read_from(f, (struct events_params){ .since = 20 }, a);
        assert_int_equal(r.events.n, 1);
        r = read_from(f, (struct events_params){ .since = 3, .max = 2 }, a);
        assert_int_equal(r.events.n, 2);
        assert_int_equal(r.events.items[0].seq, 3);
        assert_int_equal(r.next, 5);
}

static void every_field_is_kept(void **state)
{
        struct fixture *f = *state;
        _cleanup_(arena_freep) struct arena *a = arena_new();
        struct mount mounts[] = { { .type = "overlay", .source = "s" } };
        struct oom_info oom = { .cgroup = "/x", .limit = 5 };
        struct event ev = { .time = 42,
                            .kind = "oom",
                            .owner = "o",
                            .ns = "n",
                            .id = "i",
                            .exec_id = "e",
                            .pid = 7,
                            .exit_known = true,
                            .exit_status = 137,
                            .rootfs = { mounts, 1 },
                            .oom = &oom };
        struct error err = ERROR_NULL;
        const struct event *back;

        assert_int_equal(eventlog_append(f->log, &ev, &err), 0);
        reopen(f);
        back = &read_from(f, (struct events_params){ 0 }, a).events.items[0];
        assert_int_equal(back->time, 42);
        assert_string_equal(back->exec_id, "e");
        assert_int_equal(back->exit_status, 137);
        assert_string_equal(back->rootfs.items[0].type, "overlay");
        assert_int_equal(back->oom->limit, 5);
        assert_string_equal(back->message, "");
}

static void filters(void **state)
{
        struct fixture *f = *state;

        append(f, "", "a", "");
        append(f, "o1", "a", "");
        append(f, "o1", "b", "o2 a");
        append(f, "o2", "ab", "");
        for (int round = 0; round < 2; round++) {
                _cleanup_(arena_freep) struct arena *a = arena_new();
                struct events_result r = read_from(f, (struct events_params){ .only_owner = true, .owner = "" }, a);

                assert_int_equal(r.events.n, 1);
                assert_int_equal(r.events.items[0].seq, 1);
                assert_int_equal(r.next, 5);
                assert_int_equal(read_from(f, (struct events_params){ .only_owner = true, .owner = "o1" }, a).events.n,
                                 2);
                assert_int_equal(read_from(f, (struct events_params){ .owner = "o1" }, a).events.n, 4);
                assert_int_equal(read_from(f, (struct events_params){ .id = "a" }, a).events.n, 2);
                assert_int_equal(read_from(f, (struct events_params){ .id = "a", .only_owner = true, .owner = "o2" }, a)
                                         .events.n,
                                 0);
                assert_int_equal(read_from(f, (struct events_params){ .ns = "default" }, a).events.n, 4);
                assert_int_equal(read_from(f, (struct events_params){ .ns = "other" }, a).events.n, 0);
                r = read_from(f, (struct events_params){ .only_owner = true, .owner = "o1", .max = 1 }, a);
                assert_int_equal(r.next, 3);
                reopen(f);
        }
}

static void the_oldest_go(void **state)
{
        struct fixture *f = *state;
        _cleanup_(arena_freep) struct arena *a = arena_new();
        struct events_result r;
        uint64_t lost;

        append_n(f, 1, 6000);
        r = read_from(f, (struct events_params){ .since = 1, .max = 1 }, a);
        assert_string_equal(r.events.items[0].kind, "gap");
        assert_int_equal(r.events.items[0].seq, 1);
        lost = r.events.items[0].lost;
        assert_in_range(lost, 3500, 5500);
        assert_int_equal(r.next, lost + 1);
        assert_int_equal(check_all(f, 1), lost);
        r = read_from(f, (struct events_params){ .max = 1 }, a); /* 0: from the oldest, and no gap */
        assert_int_equal(r.events.items[0].seq, lost + 1);
        assert_string_equal(r.events.items[0].kind, "warning");
        reopen(f);
        assert_int_equal(check_all(f, 1), lost);
        for (uint64_t since = lost - 5; since < 6000; since += 13)
                check_all(f, since);
        append_n(f, 6001, 6100);
        check_all(f, 1);
}

static uint64_t newest_file(struct fixture *f, char *path, size_t size)
{
        char name[SEGMENT_NAME_SIZE];

        for (uint64_t first = eventlog_newest(f->log) + 1; first > 0; first--) {
                snprintf(path, size, "%s/%s", f->log_dir, segment_name(first, name));
                if (access(path, F_OK) == 0)
                        return first;
        }
        fail_msg("there is no file");
        return 0;
}

static void a_cut_at_every_byte(void **state)
{
        struct fixture *f = *state;
        struct stat before, after;
        char path[160];

        append_n(f, 1, 9);
        newest_file(f, path, sizeof(path));
        assert_int_equal(stat(path, &before), 0);
        append_n(f, 10, 10);
        assert_int_equal(stat(path, &after), 0);
        for (off_t len = after.st_size - 1; len >= before.st_size; len--) {
                f->log = eventlog_free(f->log);
                assert_int_equal(truncate(path, len), 0);
                open_log(f);
                assert_int_equal(eventlog_newest(f->log), 9);
                assert_int_equal(check_all(f, 1), 0);
                append_n(f, 10, 10); /* its number is given anew */
                assert_int_equal(check_all(f, 1), 0);
                reopen(f);
                assert_int_equal(check_all(f, 1), 0);
        }
}

static void flip(const char *path, off_t at)
{
        _cleanup_(fd_closep) int fd = open(path, O_RDWR | O_CLOEXEC);
        uint8_t byte;

        assert_int_equal(pread(fd, &byte, 1, at), 1);
        byte ^= 0x10;
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
}

static void damage_is_a_gap(void **state)
{
        struct fixture *f = *state;
        char path[160];
        uint64_t lost;

        append_n(f, 1, 10);
        newest_file(f, path, sizeof(path));
        f->log = eventlog_free(f->log);
        flip(path, 300);
        open_log(f);
        assert_int_equal(eventlog_newest(f->log), 10); /* no number is given twice */
        lost = check_all(f, 1);
        assert_in_range(lost, 1, 9);
        reopen(f); /* the same again, and the damage is cut off now */
        assert_int_equal(check_all(f, 1), lost);
        append_n(f, 11, 100);
        reopen(f);
        assert_int_equal(check_all(f, 1), lost);
        assert_int_equal(check_all(f, 11), 0);
}

static void damage_while_it_is_open(void **state)
{
        struct fixture *f = *state;
        char path[160], name[SEGMENT_NAME_SIZE];

        append_n(f, 1, 1500);
        newest_file(f, path, sizeof(path));
        for (uint64_t first = 1500; first > 0; first--) {
                snprintf(path, sizeof(path), "%s/%s", f->log_dir, segment_name(first, name));
                if (first < 600 && access(path, F_OK) == 0)
                        break;
        }
        assert_int_equal(access(path, F_OK), 0);
        {
                uint64_t lost = check_all(f, 1);

                flip(path, 1000);
                assert_true(check_all(f, 1) > lost);
                assert_int_equal(unlink(path), 0);
                assert_true(check_all(f, 1) > lost);
        }
}

static void anything_may_happen(void **state)
{
        struct fixture *f = *state;
        uint64_t x = 123456789, last = 0;

        for (int step = 0; step < 300; step++) {
                char path[160];
                struct stat st;

                x ^= x << 13;
                x ^= x >> 7;
                x ^= x << 17;
                append_n(f, last + 1, last + x % 60);
                last = eventlog_newest(f->log);
                if (x >> 20 & 1)
                        reopen(f);
                if ((x >> 24 & 3) == 0) {
                        newest_file(f, path, sizeof(path));
                        f->log = eventlog_free(f->log);
                        if (stat(path, &st) == 0 && st.st_size > 1) {
                                if (x >> 26 & 1)
                                        flip(path, (off_t)(x >> 30) % st.st_size);
                                else
                                        assert_int_equal(truncate(path, (off_t)(x >> 30) % st.st_size), 0);
                        }
                        open_log(f);
                        last = eventlog_newest(f->log);
                }
                if (step % 10 == 0 && last)
                        check_all(f, 1);
        }
        check_all(f, 1);
}

static void strangers_in_the_directory(void **state)
{
        struct fixture *f = *state;
        char command[512];

        append_n(f, 1, 10);
        f->log = eventlog_free(f->log);
        snprintf(
                command, sizeof(command),
                "cd %s && touch x seg-5 && echo rubbish >seg-00000000000000000005 && mkdir seg-00000000000000000020 && "
                "ln -s /etc/passwd seg-00000000000000000030",
                f->log_dir);
        assert_int_equal(system(command), 0);
        open_log(f);
        assert_int_equal(eventlog_newest(f->log), 30); /* the numbers of what cannot be read are not used again */
        append_n(f, 31, 35);
        assert_int_equal(check_all(f, 1), 20);
        reopen(f);
        assert_int_equal(check_all(f, 1), 20);
        assert_int_equal(access("/etc/passwd", F_OK), 0);
}

static void no_content_loses_an_event(void **state)
{
        struct fixture *f = *state;
        _cleanup_(arena_freep) struct arena *a = arena_new();
        _cleanup_(freep) char *option = malloc(60001);
        const char *options[20];
        struct mount mount = { .type = "overlay", .options = { options, 20 } };
        struct event ev = { .kind = "create", .id = "big", .rootfs = { &mount, 1 }, .bundle = "/b" };
        struct event bad = { .kind = "exit", .id = "bad", .message = "\xff\xfe", .exit_status = 3 };
        struct error err = ERROR_NULL;
        struct events_result r;

        memset(option, 'o', 60000);
        option[60000] = '\0';
        for (size_t i = 0; i < ARRAY_SIZE(options); i++)
                options[i] = option;
        assert_int_equal(eventlog_append(f->log, &ev, &err), 0);
        assert_int_equal(eventlog_append(f->log, &bad, &err), 0);
        r = read_from(f, (struct events_params){ 0 }, a);
        assert_int_equal(r.events.n, 2);
        assert_string_equal(r.events.items[0].bundle, "/b");
        assert_int_equal(r.events.items[0].rootfs.n, 0);
        assert_int_equal(r.events.items[1].exit_status, 3);
}

/* --- a full disk --- */
static bool tiny_disk(struct fixture *f, const char *options)
{
        f->log = eventlog_free(f->log);
        if (mount("tmpfs", f->log_dir, "tmpfs", 0, options) < 0) {
                open_log(f);
                return false;
        }
        f->mounted = true;
        open_log(f);
        return true;
}

static void fill_disk(struct fixture *f, bool full)
{
        char command[256];

        snprintf(command, sizeof(command),
                 full ? "dd if=/dev/zero of=%s/fill bs=4k count=1000 2>/dev/null; true" : "rm %s/fill", f->log_dir);
        assert_int_equal(system(command), 0);
}

static void run_until(struct fixture *f, bool (*done)(struct fixture *f))
{
        f->guard_fired = false;
        watch_timer_arm(&f->guard, 20 * NSEC_PER_SEC);
        while (!done(f) && !f->guard_fired)
                loop_run_once(f->loop, true);
        watch_timer_stop(&f->guard);
        assert_true(done(f));
}

/* Another reader of the same files finds all of them there. */
static bool all_written(struct fixture *f)
{
        struct eventlog *other;
        struct error err = ERROR_NULL;
        uint64_t newest;

        assert_int_equal(eventlog_open(&other, f->loop, f->log_dir, &f->options, &err), 0);
        newest = eventlog_newest(other);
        eventlog_free(other);
        return newest == eventlog_newest(f->log);
}

static void a_full_disk_loses_nothing(void **state)
{
        struct fixture *f = *state;

        if (!tiny_disk(f, "size=1m"))
                unit_skip("cannot mount a tmpfs: needs root");
        append_n(f, 1, 50);
        fill_disk(f, true);
        append_n(f, 51, 700); /* more than the cache holds */
        assert_false(all_written(f));
        assert_int_equal(check_all(f, 1), 0);
        fill_disk(f, false);
        run_until(f, all_written); /* the timer tries again without any new event */
        assert_int_equal(check_all(f, 651), 0);
        reopen(f);
        assert_int_equal(eventlog_newest(f->log), 700);
        check_all(f, 1);
}

static void what_is_owed_is_written_by_the_next(void **state)
{
        struct fixture *f = *state;

        if (!tiny_disk(f, "size=1m"))
                unit_skip("cannot mount a tmpfs: needs root");
        append_n(f, 1, 50);
        fill_disk(f, true);
        append_n(f, 51, 300);
        fill_disk(f, false);
        append_n(f, 301, 301);
        reopen(f);
        assert_int_equal(eventlog_newest(f->log), 301);
        assert_int_equal(check_all(f, 1), 0);
}

static void what_cannot_be_kept_is_a_gap(void **state)
{
        struct fixture *f = *state;
        uint64_t lost;

        if (!tiny_disk(f, "size=1m"))
                unit_skip("cannot mount a tmpfs: needs root");
        append_n(f, 1, 50);
        fill_disk(f, true);
        append_n(f, 51, 6000);
        lost = check_all(f, 1);
        assert_in_range(lost, 1000, 2000);
        fill_disk(f, false);
        append_n(f, 6001, 6001);
        assert_true(check_all(f, 1) >= lost);
        reopen(f);
        assert_true(check_all(f, 1) >= lost);
        assert_int_equal(check_all(f, 6001), 0);
}

static void the_oldest_make_room_for_what_is_owed(void **state)
{
        struct fixture *f = *state;

        /* the log may be larger than its disk */
        f->options.max_bytes = 64 * 1024 * 1024;
        if (!tiny_disk(f, "size=256k"))
                unit_skip("cannot mount a tmpfs: needs root");
        append_n(f, 1, 20000);
        assert_true(check_all(f, 1) > 10000);
        assert_int_equal(check_all(f, 20000 - 4000), 0);
}

/* --- the long poll; requests as daemon/request.c has them, without a wire --- */
struct answered {
        struct request req;
        struct events_params params;
        unsigned replies, fails, cancels;
        size_t n;
        uint64_t first, next;
};

static struct answered *answered_of(struct request *req)
{
        return container_of(req, struct answered, req);
}

void request_reply(struct request **req, const void *result)
{
        const struct events_result *r = result;
        struct answered *x = answered_of(*req);

        x->replies++;
        x->n = r->events.n;
        x->first = r->events.n ? r->events.items[0].seq : 0;
        x->next = r->next;
        x->req.arena = arena_free(x->req.arena);
        *req = NULL;
}

void request_fail(struct request **req, const struct error *err)
{
        answered_of(*req)->fails++;
        (*req)->arena = arena_free((*req)->arena);
        *req = NULL;
}

void request_fail_reason(struct request **req, enum reason reason, const char *fmt, ...)
{
        assert_int_equal(reason, REASON_UNAVAILABLE);
        request_fail(req, NULL);
}

struct request *request_free(struct request *req)
{
        answered_of(req)->cancels++;
        req->arena = arena_free(req->arena);
        return NULL;
}

static void serve(struct fixture *f, struct answered *x, struct events_params params)
{
        *x = (struct answered){ .params = params };
        x->params.owner = params.owner ? params.owner : "";
        x->params.ns = params.ns ? params.ns : "";
        x->params.id = params.id ? params.id : "";
        x->req.params = &x->params;
        x->req.arena = arena_new();
        eventlog_serve(f->log, &x->req);
}

static void answered_at_once(void **state)
{
        struct fixture *f = *state;
        struct answered x;

        serve(f, &x, (struct events_params){ 0 });
        assert_int_equal(x.replies, 1);
        assert_int_equal(x.n, 0);
        assert_int_equal(x.next, 1);
        append_n(f, 1, 5);
        serve(f, &x, (struct events_params){ .since = 2, .timeout_ms = 3600000 });
        assert_int_equal(x.replies, 1);
        assert_int_equal(x.n, 4);
        assert_int_equal(x.first, 2);
}

static void woken_by_an_event(void **state)
{
        struct fixture *f = *state;
        struct answered x, y, z;

        append_n(f, 1, 5);
        serve(f, &x, (struct events_params){ .since = 6, .timeout_ms = 3600000 });
        serve(f, &y, (struct events_params){ .since = 6, .timeout_ms = 3600000, .id = "other" });
        serve(f, &z, (struct events_params){ .since = 1000, .timeout_ms = 3600000 });
        assert_int_equal(x.replies, 0);
        append_n(f, 6, 8);
        assert_int_equal(x.replies, 0); /* never from inside append */
        loop_run_once(f->loop, true);
        assert_int_equal(x.replies, 1);
        assert_int_equal(x.n, 3); /* a batch */
        assert_int_equal(x.first, 6);
        assert_int_equal(z.replies, 1);
        assert_int_equal(z.first, 6);
        assert_int_equal(y.replies, 0);
        append(f, "", "other", "");
        loop_run_once(f->loop, true);
        assert_int_equal(y.replies, 1);
        assert_int_equal(y.first, 9);
        assert_int_equal(y.next, 10);
}

static struct answered *waiting;

static bool waiting_answered(struct fixture *f)
{
        return waiting->replies > 0;
}

static void the_time_is_over(void **state)
{
        struct fixture *f = *state;
        uint64_t begin = clock_monotonic_ns();
        struct answered x;

        append_n(f, 1, 3);
        serve(f, &x, (struct events_params){ .since = 1, .timeout_ms = 50, .id = "other" });
        assert_int_equal(x.replies, 0);
        waiting = &x;
        run_until(f, waiting_answered);
        assert_int_equal(x.replies, 1);
        assert_int_equal(x.n, 0);
        assert_int_equal(x.next, 4);
        assert_true(clock_monotonic_ns() - begin >= 50 * NSEC_PER_MSEC);
        assert_true(loop_stats(f->loop)->rounds < 20);
}

static void the_client_goes(void **state)
{
        struct fixture *f = *state;
        struct answered x, y;

        serve(f, &x, (struct events_params){ .timeout_ms = 3600000 });
        serve(f, &y, (struct events_params){ .timeout_ms = 3600000 });
        assert_non_null(x.req.on_cancel);
        x.req.on_cancel(&x.req);
        assert_int_equal(x.cancels, 1);
        append_n(f, 1, 1);
        loop_run_once(f->loop, true);
        assert_int_equal(x.replies, 0);
        assert_int_equal(y.replies, 1);
}

static void the_daemon_stops(void **state)
{
        struct fixture *f = *state;
        struct answered x, y;

        serve(f, &x, (struct events_params){ .timeout_ms = 3600000 });
        append_n(f, 1, 2);
        eventlog_flush_readers(f->log);
        assert_int_equal(x.replies, 1);
        assert_int_equal(x.n, 2);
        serve(f, &y, (struct events_params){ .since = 3, .timeout_ms = 3600000 });
        f->log = eventlog_free(f->log);
        assert_int_equal(y.fails, 1);
}

static void a_long_way_is_taken_in_steps(void **state)
{
        struct fixture *f = *state;
        struct answered x;

        f->options = (struct eventlog_options){ .segment_bytes = 1024 * 1024, .max_bytes = 64 * 1024 * 1024 };
        reopen(f);
        append_n(f, 1, 20000);
        append(f, "", "needle", "");
        serve(f, &x, (struct events_params){ .since = 1, .timeout_ms = 3600000, .id = "needle" });
        assert_int_equal(x.replies, 0);
        waiting = &x;
        run_until(f, waiting_answered);
        assert_int_equal(x.n, 1);
        assert_int_equal(x.first, 20001);
        assert_true(loop_stats(f->loop)->rounds >= 3);
}

static void thousands_of_readers(void **state)
{
        struct fixture *f = *state;
        struct answered *x = calloc(3000, sizeof(*x));
        char id[16];

        for (unsigned i = 0; i < 3000; i++) {
                snprintf(id, sizeof(id), "c%u", i);
                serve(f, &x[i],
                      (struct events_params){ .since = 1, .timeout_ms = 3600000, .id = i % 3 ? "none" : "c" });
        }
        append_n(f, 1, 20);
        loop_run_once(f->loop, true);
        for (unsigned i = 0; i < 3000; i++) {
                assert_int_equal(x[i].replies, i % 3 == 0);
                assert_int_equal(x[i].n, i % 3 ? 0 : 20);
        }
        f->log = eventlog_free(f->log);
        for (unsigned i = 0; i < 3000; i++)
                assert_int_equal(x[i].replies + x[i].fails, 1);
        free(x);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(numbers_go_on),
                TEST(every_field_is_kept),
                TEST(filters),
                TEST(the_oldest_go),
                TEST(a_cut_at_every_byte),
                TEST(damage_is_a_gap),
                TEST(damage_while_it_is_open),
                TEST(anything_may_happen),
                TEST(strangers_in_the_directory),
                TEST(no_content_loses_an_event),
                TEST(a_full_disk_loses_nothing),
                TEST(what_is_owed_is_written_by_the_next),
                TEST(what_cannot_be_kept_is_a_gap),
                TEST(the_oldest_make_room_for_what_is_owed),
                TEST(answered_at_once),
                TEST(woken_by_an_event),
                TEST(the_time_is_over),
                TEST(the_client_goes),
                TEST(the_daemon_stops),
                TEST(a_long_way_is_taken_in_steps),
                TEST(thousands_of_readers),
        };

        log_open("/dev/null"); /* warnings are part of the tests */
        return cmocka_run_group_tests(tests, NULL, NULL);
}
