/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A line is at most PIPE_BUF bytes and is written with one write(2), so that lines of several processes do not mix. A
 * sink that is not ready (a full pipe whose reader hangs) must not stop the loop: the line is dropped and counted, and
 * the first line after it says how many were lost.
 */

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/fd.h"

#define LINE_MAX_BYTES PIPE_BUF

static struct {
        int fd; /* -1: standard error */
        char *path;
        enum log_level level;
        unsigned long lost;
} sink = { .fd = -1, .level = LOG_LEVEL_INFO };

static const char *const level_names[LOG_LEVEL_N] = {
        [LOG_LEVEL_ERROR] = "error",
        [LOG_LEVEL_WARN] = "warn",
        [LOG_LEVEL_INFO] = "info",
        [LOG_LEVEL_DEBUG] = "debug",
};

static int open_sink(const char *path)
{
        /* O_NONBLOCK: a FIFO without a reader must not hang us */
        int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);

        return fd < 0 ? -errno : fd;
}

int log_open(const char *path)
{
        _cleanup_(freep) char *copy = NULL;
        int fd = -1;

        if (path && *path) {
                copy = strdup(path);
                if (!copy)
                        return -ENOMEM;
                fd = open_sink(path);
                if (fd < 0)
                        return fd;
        }
        log_close();
        sink.fd = fd;
        sink.path = TAKE(copy);
        return 0;
}

int log_reopen(void)
{
        int fd;

        if (!sink.path)
                return 0;
        fd = open_sink(sink.path);
        if (fd < 0)
                return fd;
        fd_close(sink.fd);
        sink.fd = fd;
        return 0;
}

void log_close(void)
{
        sink.fd = fd_close(sink.fd);
        free(sink.path);
        sink.path = NULL;
}

void log_set_level(enum log_level level)
{
        sink.level = level;
}

enum log_level log_get_level(void)
{
        return sink.level;
}

int log_level_parse(const char *text, enum log_level *ret)
{
        for (size_t i = 0; i < LOG_LEVEL_N; i++) {
                if (strcmp(text, level_names[i]) == 0) {
                        *ret = (enum log_level)i;
                        return 0;
                }
        }
        return -EINVAL;
}

/* How many bytes of s are a control character: 0, 1, or 2 for C1 (U+0080 to U+009F), which terminals obey too. */
static size_t control_len(const unsigned char *s)
{
        if (s[0] < 0x20 || s[0] == 0x7f)
                return 1;
        return s[0] == 0xc2 && s[1] >= 0x80 && s[1] <= 0x9f ? 2 : 0;
}

/* Appends text with control characters escaped; keeps one byte free for the newline. */
static size_t append_escaped(char *line, size_t len, const char *text)
{
        const unsigned char *s = (const unsigned char *)text;

        while (*s) {
                size_t n = control_len(s);

                if (len + 4 * n + 2 > LINE_MAX_BYTES)
                        break;
                if (n == 0)
                        line[len++] = (char)*s++;
                for (; n > 0; n--)
                        len += (size_t)sprintf(line + len, "\\x%02x", *s++);
        }
        return len;
}

static bool write_line(const char *line, size_t len)
{
        int fd = sink.fd >= 0 ? sink.fd : STDERR_FILENO;
        struct pollfd p = { .fd = fd, .events = POLLOUT };
        ssize_t n;

        if (poll(&p, 1, 0) != 1 || !(p.revents & POLLOUT))
                return false;
        do
                n = write(fd, line, len);
        while (n < 0 && errno == EINTR);
        return n == (ssize_t)len;
}

static size_t format_head(char *line, enum log_level level)
{
        char time[CLOCK_TEXT_MAX];

        clock_format_realtime(clock_realtime_ns(), time);
        return (size_t)snprintf(line, LINE_MAX_BYTES, "%s %s ", time, level_names[level]);
}

void log_write(enum log_level level, const char *fmt, ...)
{
        char message[LINE_MAX_BYTES], line[LINE_MAX_BYTES];
        int saved = errno;
        size_t len;
        va_list ap;

        if (level > sink.level)
                return;

        if (sink.lost) {
                len = format_head(line, LOG_LEVEL_WARN);
                len += (size_t)snprintf(line + len, sizeof(line) - len,
                                        "log: %lu lines lost, the sink did not take them\n", sink.lost);
                if (write_line(line, len))
                        sink.lost = 0;
        }

        va_start(ap, fmt);
        errno = saved; /* for %m */
        if (vsnprintf(message, sizeof(message), fmt, ap) < 0)
                message[0] = '\0';
        va_end(ap);

        len = append_escaped(line, format_head(line, level), message);
        line[len++] = '\n';
        if (!write_line(line, len))
                sink.lost++;
        errno = saved;
}
