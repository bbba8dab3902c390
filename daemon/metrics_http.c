/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A head is a request line and lines of the form "name: value", to an empty line; each ends with a newline, which a
 * carriage return may precede. The fields are checked for their form and otherwise passed over: nothing in them changes
 * the answer. What is not of this form is refused as soon as it is seen.
 */

#include "daemon/metrics_http.h"

#include <stdbool.h>
#include <string.h>

static const struct {
        unsigned status;
        const char *text;
} texts[] = {
        { 200, "OK" },
        { 400, "Bad Request" },
        { 404, "Not Found" },
        { 405, "Method Not Allowed" },
        { 431, "Request Header Fields Too Large" },
        { 503, "Service Unavailable" },
        { 505, "HTTP Version Not Supported" },
};

const char *http_status_text(unsigned status)
{
        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
                if (texts[i].status == status)
                        return texts[i].text;
        return "Error";
}

/* A character of a method or of a field's name. */
static bool is_token(char c)
{
        return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
               (c && strchr("!#$%&'*+-.^_`|~", c));
}

static size_t token_length(const char *text, size_t len)
{
        size_t n = 0;

        while (n < len && is_token(text[n]))
                n++;
        return n;
}

static bool equals(const char *text, size_t len, const char *want)
{
        return len == strlen(want) && memcmp(text, want, len) == 0;
}

/* "GET /metrics HTTP/1.1", without its end. */
static unsigned request_line(const char *line, size_t len)
{
        size_t method = token_length(line, len), path = 0, version;
        const char *target = line + method + 1;

        if (!method || method >= len || line[method] != ' ')
                return 400;
        while (target + path < line + len && target[path] > ' ' && target[path] != 0x7f)
                path++;
        version = len - method - 1 - path;
        if (!path || !version || target[path] != ' ' || version - 1 != strlen("HTTP/1.1") ||
            memcmp(target + path + 1, "HTTP/", 5) != 0)
                return 400;
        if (memcmp(target + path + 6, "1.", 2) != 0)
                return 505;
        if (!equals(line, method, "GET"))
                return 405;
        return equals(target, path, "/metrics") || (path > 9 && memcmp(target, "/metrics?", 9) == 0) ? 200 : 404;
}

static bool field_is_good(const char *line, size_t len)
{
        size_t name = token_length(line, len);

        if (!name || name >= len || line[name] != ':')
                return false;
        for (size_t i = name + 1; i < len; i++)
                if (((unsigned char)line[i] < ' ' && line[i] != '\t') || line[i] == 0x7f)
                        return false;
        return true;
}

unsigned http_request_status(const void *data, size_t len)
{
        const char *text = data, *end;
        size_t room = len < HTTP_HEAD_MAX ? len : HTTP_HEAD_MAX;
        unsigned status = 0;

        for (size_t at = 0; (end = memchr(text + at, '\n', room - at));) {
                const char *line = text + at;
                size_t n = (size_t)(end - line);

                at += n + 1;
                n -= n && line[n - 1] == '\r';
                if (!status)
                        status = request_line(line, n);
                else if (!n)
                        return status;
                else if (!field_is_good(line, n))
                        return 400;
                if (status == 400 || status == 505)
                        return status;
        }
        return len >= HTTP_HEAD_MAX ? 431 : 0;
}
