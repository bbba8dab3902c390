/* SPDX-License-Identifier: Apache-2.0 */

#include "keeper/notify.h"

#include <string.h>

bool notify_name(char ret[KEEPER_NAME_MAX + 1], const char *value, size_t len)
{
        if (len == 0 || len > KEEPER_NAME_MAX)
                return false;
        for (size_t i = 0; i < len; i++) {
                char c = value[i];

                if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')))
                        return false;
        }
        memcpy(ret, value, len);
        ret[len] = '\0';
        return true;
}

static bool is(const char *line, size_t len, const char *wanted)
{
        return len == strlen(wanted) && !memcmp(line, wanted, len);
}

static bool begins(const char *line, size_t len, const char *wanted)
{
        return len >= strlen(wanted) && !memcmp(line, wanted, strlen(wanted));
}

static void parse_line(struct notify *n, const char *line, size_t len)
{
        if (is(line, len, "READY=1")) {
                n->ready = true;
        } else if (is(line, len, "STOPPING=1")) {
                n->stopping = true;
        } else if (is(line, len, "WATCHDOG=1")) {
                n->watchdog = true;
        } else if (is(line, len, "FDSTORE=1")) {
                n->store = true;
        } else if (is(line, len, "FDSTOREREMOVE=1")) {
                n->remove = true;
        } else if (is(line, len, "FDPOLL=0")) {
                n->poll = false;
        } else if (begins(line, len, "FDNAME=")) {
                n->name_ok = notify_name(n->name, line + 7, len - 7);
        } else if (begins(line, len, "STATUS=")) {
                len -= 7;
                if (len > NOTIFY_STATUS_MAX - 1)
                        len = NOTIFY_STATUS_MAX - 1;
                for (size_t i = 0; i < len; i++) {
                        unsigned char c = (unsigned char)line[7 + i];

                        n->status[i] = (char)(c < 0x20 || c == 0x7f ? ' ' : c);
                }
                n->status[len] = '\0';
        }
}

void notify_parse(struct notify *ret, const char *text, size_t len)
{
        *ret = (struct notify){ .poll = true, .name_ok = true, .name = "stored" };
        while (len > 0) {
                const char *end = memchr(text, '\n', len);
                size_t n = end ? (size_t)(end - text) : len;

                parse_line(ret, text, n);
                n += end != NULL;
                text += n;
                len -= n;
        }
}
