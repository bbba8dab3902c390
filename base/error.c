/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Messages have a fixed room. What does not fit is cut on a character boundary (a message must stay valid UTF-8, since
 * it ends up in msgpack strings and in JSON) and ends in "...".
 */

#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void cut(char *message)
{
        size_t end = ERROR_MESSAGE_MAX - 4;

        while (end > 0 && ((unsigned char)message[end] & 0xc0) == 0x80)
                end--;
        memcpy(message + end, "...", 4);
}

/* Appends to a message that is `len` long; returns the new length, which is never more than the room less one. */
static _printf_(3, 0) size_t append(char *message, size_t len, const char *fmt, va_list ap)
{
        int n = vsnprintf(message + len, ERROR_MESSAGE_MAX - len, fmt, ap);

        if (n < 0) {
                message[len] = '\0';
                return len;
        }
        if ((size_t)n >= ERROR_MESSAGE_MAX - len) {
                cut(message);
                return strlen(message);
        }
        return len + (size_t)n;
}

static size_t _printf_(3, 4) appendf(char *message, size_t len, const char *fmt, ...)
{
        va_list ap;

        va_start(ap, fmt);
        len = append(message, len, fmt, ap);
        va_end(ap);
        return len;
}

int error_set(struct error *err, int reason, const char *fmt, ...)
{
        char message[ERROR_MESSAGE_MAX];
        va_list ap;

        if (!err)
                return -1;
        va_start(ap, fmt);
        append(message, 0, fmt, ap); /* not in place: an argument may be the old message */
        va_end(ap);
        err->reason = reason;
        strcpy(err->message, message);
        return -1;
}

int error_set_errno(struct error *err, int reason, int errnum, const char *fmt, ...)
{
        char message[ERROR_MESSAGE_MAX], text[128];
        size_t len;
        va_list ap;

        if (!err)
                return -1;
        va_start(ap, fmt);
        len = append(message, 0, fmt, ap);
        va_end(ap);
        appendf(message, len, ": %s", strerror_r(errnum < 0 ? -errnum : errnum, text, sizeof(text)));
        err->reason = reason;
        strcpy(err->message, message);
        return -1;
}

int error_wrap(struct error *err, const char *fmt, ...)
{
        char message[ERROR_MESSAGE_MAX];
        size_t len;
        va_list ap;

        if (!err)
                return -1;
        va_start(ap, fmt);
        len = append(message, 0, fmt, ap);
        va_end(ap);
        appendf(message, len, ": %s", err->message);
        strcpy(err->message, message);
        return -1;
}

int error_copy(struct error *dst, const struct error *src)
{
        if (dst && src && dst != src) {
                dst->reason = src->reason;
                strcpy(dst->message, src->message);
        }
        return -1;
}
