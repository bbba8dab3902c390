/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Writing the log. An event gets its number, goes to the newest segment, and stays in memory for the readers that keep
 * up, who are woken at the end of the round. What cannot be written is owed: it stays in memory, is read from there,
 * and is written with the next event or by a timer, in order. Nothing is owed and no timer runs in ordinary life.
 *
 * Gaps are not written: a number that is missing between two entries, or before the first, is what a reader is told of.
 * So it does not matter how events came to be lost; what must hold is that no number is given twice. (A crash while
 * events are owed is the exception: their numbers go with them.)
 */

#include "daemon/events.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utlist.h>
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "daemon/eventlog.h"
#include "daemon/record_store.h"

#define CACHE_EVENTS 512 /* written ones kept in memory */
#define CACHE_BYTES  (512 * 1024)
#define OWED_EVENTS  4096
#define OWED_BYTES   (4 * 1024 * 1024)
#define RETRY_NS     NSEC_PER_SEC

/* --- segments --- */
static struct segment *newest_segment(struct eventlog *l)
{
        return l->n_segments ? &l->segments[l->n_segments - 1] : NULL;
}

static struct segment *add_segment(struct eventlog *l, uint64_t first)
{
        if (l->n_segments == l->segments_room) {
                size_t room = l->segments_room ? l->segments_room * 2 : 8;
                struct segment *segments = reallocarray(l->segments, room, sizeof(*segments));

                if (!segments)
                        return NULL;
                l->segments = segments;
                l->segments_room = room;
        }
        segment_init(&l->segments[l->n_segments], first);
        return &l->segments[l->n_segments++];
}

/* Begins a new file for the entries from `first` on. 0 or -errno. */
static int begin_segment(struct eventlog *l, uint64_t first)
{
        _cleanup_(fd_closep) int fd = -1;
        char name[SEGMENT_NAME_SIZE];

        segment_name(first, name);
        fd = openat(l->dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        if (!add_segment(l, first)) {
                unlinkat(l->dir_fd, name, 0);
                return -ENOMEM;
        }
        fd_close(l->fd);
        l->fd = TAKE_FD(fd);
        return 0;
}

static void remove_oldest(struct eventlog *l)
{
        struct segment *s = &l->segments[0];
        char name[SEGMENT_NAME_SIZE];

        unlinkat(l->dir_fd, segment_name(s->first, name), 0);
        l->bytes -= s->bytes;
        segment_deinit(s);
        l->n_segments--;
        memmove(s, s + 1, l->n_segments * sizeof(*s));
}

static bool is_kept(const struct eventlog *l, const struct segment *s)
{
        return s->last >= l->keep_from && l->bytes / EVENTLOG_KEEP_FACTOR <= l->options.max_bytes;
}

static void trim(struct eventlog *l)
{
        while (l->bytes > l->options.max_bytes && l->n_segments > 1 && !is_kept(l, &l->segments[0]))
                remove_oldest(l);
}

void eventlog_keep(struct eventlog *l, uint64_t from)
{
        l->keep_from = from;
        trim(l);
}

static int write_entry(struct eventlog *l, const struct eventlog_entry *e)
{
        struct segment *s = newest_segment(l);
        int r;

        if (!s || l->fd < 0 || (s->bytes > 0 && s->bytes + e->size > l->options.segment_bytes)) {
                r = begin_segment(l, e->seq);
                if (r < 0)
                        return r;
                s = newest_segment(l);
        }
        r = segment_append(s, l->fd, e->bytes, e->size);
        if (r < 0)
                return r;
        l->bytes += e->size;
        trim(l);
        return 0;
}

/* --- memory --- */
static void forget(struct eventlog *l, struct eventlog_entry *e)
{
        DL_DELETE(l->memory, e);
        free(e);
}

static void forget_written(struct eventlog *l)
{
        l->n_written--;
        l->written_bytes -= l->memory->size;
        forget(l, l->memory);
}

static bool owed_too_much(const struct eventlog *l)
{
        return l->n_owed > OWED_EVENTS || (l->n_owed > 1 && l->owed_bytes > OWED_BYTES);
}

/* Keeps the memory within its bounds. */
static void bound_memory(struct eventlog *l)
{
        while (l->n_written > CACHE_EVENTS || (l->n_written > 1 && l->written_bytes > CACHE_BYTES))
                forget_written(l);
        while (owed_too_much(l)) {
                while (l->n_written)
                        forget_written(l);
                if (!l->dropped)
                        log_error("event log %s: it cannot be written, and there is no memory for more events: the "
                                  "oldest that "
                                  "are not written are dropped, from number %llu on",
                                  l->dir, (unsigned long long)l->owed->seq);
                l->dropped = true;
                l->owed = l->owed->next;
                l->n_owed--;
                l->owed_bytes -= l->memory->size;
                forget(l, l->memory);
        }
}

static void move_to_written(struct eventlog *l)
{
        struct eventlog_entry *e = l->owed;

        l->owed = e->next;
        l->n_owed--;
        l->owed_bytes -= e->size;
        l->n_written++;
        l->written_bytes += e->size;
}

/* Writes what is owed, as far as it goes. */
static void write_owed(struct eventlog *l)
{
        bool waited = watch_timer_active(&l->retry);
        int r = 0;

        while (l->owed) {
                r = write_entry(l, l->owed);
                if (r == 0) {
                        move_to_written(l);
                        continue;
                }
                if (!owed_too_much(l) || l->n_segments < 2)
                        break;
                remove_oldest(l); /* rather than what nobody can have read later */
        }
        bound_memory(l);
        if (!l->owed) {
                watch_timer_stop(&l->retry);
                l->dropped = false;
                if (waited)
                        log_info("event log %s: all that was owed is written", l->dir);
        } else if (!waited) {
                log_error("event log %s cannot be written: %s: events are kept in memory; make room", l->dir,
                          strerror(-r));
                watch_timer_arm(&l->retry, RETRY_NS);
        }
}

static void on_retry(struct watch_timer *w)
{
        struct eventlog *l = container_of(w, struct eventlog, retry);
        uint64_t owed = l->n_owed;

        write_owed(l);
        if (!l->owed)
                return;
        log_debug("event log %s: %llu of %llu events are still owed", l->dir, (unsigned long long)l->n_owed,
                  (unsigned long long)owed);
        watch_timer_arm(&l->retry, RETRY_NS);
}

/* --- appending --- */
static int encode(const struct event *ev, struct buf *ret, struct error *err)
{
        if (!buf_reserve(ret, SEGMENT_HEADER))
                return error_set(err, REASON_NO_RESOURCES, "no memory");
        buf_commit(ret, SEGMENT_HEADER);
        if (message_encode(&desc_event, ev, ret, err) < 0)
                return -1;
        if (buf_len(ret) - SEGMENT_HEADER > SEGMENT_ENTRY_MAX)
                return error_set(err, REASON_TOO_LARGE, "the event has %zu bytes: at most %d are allowed",
                                 buf_len(ret) - SEGMENT_HEADER, SEGMENT_ENTRY_MAX);
        return 0;
}

/* An event must not be lost because of what is in it: without what may be long or malformed it goes through. */
static int encode_somehow(const struct event *ev, struct buf *ret, struct error *err)
{
        struct event plain = *ev;
        struct error why = ERROR_NULL;

        if (encode(ev, ret, &why) == 0)
                return 0;
        log_warn("event %s of \"%s\": kept without its message and mounts: %s", ev->kind, ev->id ? ev->id : "",
                 why.message);
        plain.message = "";
        plain.rootfs = (struct list_mount){ 0 };
        buf_deinit(ret);
        return encode(&plain, ret, err);
}

int eventlog_append(struct eventlog *l, struct event *ev, struct error *err)
{
        _cleanup_(buf_deinit) struct buf text = BUF_NULL;
        struct eventlog_entry *e;
        struct event numbered = *ev;

        numbered.seq = l->newest + 1;
        if (!numbered.time)
                numbered.time = clock_realtime_ns();
        if (encode_somehow(&numbered, &text, err) < 0)
                return error_wrap(err, "event %s", ev->kind);
        e = malloc(sizeof(*e) + buf_len(&text));
        if (!e)
                return error_set(err, REASON_NO_RESOURCES, "no memory for an event");
        e->seq = numbered.seq;
        e->size = buf_len(&text);
        memcpy(e->bytes, buf_head(&text), e->size);
        segment_seal(e->bytes, e->seq, e->size - SEGMENT_HEADER);

        DL_APPEND(l->memory, e);
        l->n_owed++;
        l->owed_bytes += e->size;
        if (!l->owed)
                l->owed = e;
        l->newest = e->seq;
        ev->seq = numbered.seq;
        ev->time = numbered.time;
        write_owed(l);
        if (l->readers || l->listeners)
                loop_defer(&l->wake);
        return 0;
}

void eventlog_listen(struct eventlog *l, struct eventlog_listener *listener)
{
        DL_APPEND(l->listeners, listener);
}

void eventlog_unlisten(struct eventlog *l, struct eventlog_listener *listener)
{
        if (listener->prev) /* a linked one always has one */
                DL_DELETE(l->listeners, listener);
        listener->prev = listener->next = NULL;
}

uint64_t eventlog_newest(const struct eventlog *l)
{
        return l->newest;
}

/* --- opening --- */
static void cut(struct eventlog *l, const struct segment *s)
{
        _cleanup_(fd_closep) int fd = -1;
        char name[SEGMENT_NAME_SIZE];

        fd = openat(l->dir_fd, segment_name(s->first, name), O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (fd < 0 || ftruncate(fd, (off_t)s->bytes) < 0)
                log_warn("event log %s: cannot cut what is damaged from %s", l->dir, name);
}

static int load_segment(struct eventlog *l, uint64_t first, bool is_last)
{
        char name[SEGMENT_NAME_SIZE];
        enum segment_damage damage;
        struct segment *s;
        uint64_t resume;

        segment_name(first, name);
        if (first <= l->newest) {
                log_warn("event log %s: %s removed: its numbers belong to the file before it", l->dir, name);
                unlinkat(l->dir_fd, name, 0);
                return 0;
        }
        s = add_segment(l, first);
        if (!s)
                return -ENOMEM;
        damage = segment_load(s, l->dir_fd, &resume);
        l->bytes += s->bytes;
        l->newest = s->last;
        if (damage == SEGMENT_WHOLE)
                return 0;
        if (damage == SEGMENT_TORN)
                log_info("event log %s: %s: the last entry is not complete, and is dropped", l->dir, name);
        else
                log_warn("event log %s: %s is damaged after event %llu: what follows in it is lost", l->dir, name,
                         (unsigned long long)s->last);
        /* the numbering has to be safe in a new file's name before what tells it is cut off */
        if (damage == SEGMENT_CORRUPT && is_last) {
                l->newest = resume - 1;
                if (begin_segment(l, resume) < 0)
                        return 0;
                s = &l->segments[l->n_segments - 2];
        }
        cut(l, s);
        return 0;
}

static int compare_u64(const void *a, const void *b)
{
        uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

        return x < y ? -1 : x > y;
}

static int load_segments(struct eventlog *l)
{
        _cleanup_(freep) uint64_t *firsts = NULL;
        char **names;
        size_t n, n_firsts = 0;
        int r = record_names(l->dir_fd, &names, &n);

        if (r < 0)
                return r;
        firsts = calloc(n + 1, sizeof(*firsts));
        for (size_t i = 0; firsts && i < n; i++)
                n_firsts += segment_name_parse(names[i], &firsts[n_firsts]);
        record_names_free(names, n);
        if (!firsts)
                return -ENOMEM;
        qsort(firsts, n_firsts, sizeof(*firsts), compare_u64);
        for (size_t i = 0; i < n_firsts && r == 0; i++)
                r = load_segment(l, firsts[i], i + 1 == n_firsts);
        return r;
}

/* Goes on with the newest file, if that has room and is as long as its good entries. */
static void continue_newest(struct eventlog *l)
{
        struct segment *s = newest_segment(l);
        _cleanup_(fd_closep) int fd = -1;
        char name[SEGMENT_NAME_SIZE];
        struct stat st;

        if (!s || l->fd >= 0 || s->last != l->newest)
                return;
        fd = openat(l->dir_fd, segment_name(s->first, name), O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size == s->bytes)
                l->fd = TAKE_FD(fd);
        else if (!s->oldest)
                l->newest++; /* the next file must have another name than this empty one */
}

static void on_wake(struct deferred *d)
{
        struct eventlog *l = container_of(d, struct eventlog, wake);
        struct eventlog_listener *listener, *next;

        eventlog_readers_wake(l);
        DL_FOREACH_SAFE(l->listeners, listener, next)
                listener->fn(listener);
}

int eventlog_open(struct eventlog **ret, struct loop *loop, const char *dir, const struct eventlog_options *options,
                  struct error *err)
{
        _cleanup_(eventlog_freep) struct eventlog *l = calloc(1, sizeof(*l));
        int r;

        if (!l)
                return error_set(err, REASON_NO_RESOURCES, "no memory");
        l->loop = loop;
        l->options = *options;
        l->dir_fd = l->fd = -1;
        l->keep_from = UINT64_MAX;
        watch_timer_init(&l->retry, loop, on_retry);
        deferred_init(&l->wake, loop, on_wake);
        l->dir = strdup(dir);
        if (!l->dir)
                return error_set(err, REASON_NO_RESOURCES, "no memory");
        l->dir_fd = record_subdir(AT_FDCWD, dir, true);
        if (l->dir_fd < 0)
                return error_set_errno(err, reason_of_errno(l->dir_fd), l->dir_fd,
                                       "cannot open or make the directory %s", dir);
        r = load_segments(l);
        if (r < 0)
                return error_set_errno(err, reason_of_errno(r), r, "cannot read the event log in %s", dir);
        continue_newest(l);
        trim(l);
        *ret = TAKE(l);
        return 0;
}

struct eventlog *eventlog_free(struct eventlog *l)
{
        if (!l)
                return NULL;
        if (l->owed)
                write_owed(l);
        if (l->owed)
                log_error("event log %s: %zu events were never written", l->dir, l->n_owed);
        eventlog_readers_end(l);
        deferred_cancel(&l->wake);
        watch_timer_stop(&l->retry);
        while (l->memory)
                forget(l, l->memory);
        for (size_t i = 0; i < l->n_segments; i++)
                segment_deinit(&l->segments[i]);
        free(l->segments);
        l->fd = fd_close(l->fd);
        l->dir_fd = fd_close(l->dir_fd);
        free(l->dir);
        free(l);
        return NULL;
}
