/* SPDX-License-Identifier: Apache-2.0 */
/* What ids and text on the wire may look like. */

#include "proto/proto.h"

#include <string.h>

static bool is_alnum(char c)
{
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_joint(char c)
{
        return c == '.' || c == '_' || c == '-';
}

int id_check(const char *id, const char *what, struct error *err)
{
        size_t n = strlen(id);

        if (n == 0)
                return error_set(err, REASON_INVALID_ID, "the %s is empty", what);
        if (n > LIMIT_ID)
                return error_set(err, REASON_INVALID_ID, "the %s \"%.32s...\" has %zu bytes: at most %d are allowed",
                                 what, id, n, LIMIT_ID);
        for (size_t i = 0; i < n; i++) {
                bool inside = i > 0 && i + 1 < n && is_alnum(id[i - 1]);

                if (is_alnum(id[i]) || (is_joint(id[i]) && inside))
                        continue;
                return error_set(err, REASON_INVALID_ID,
                                 "the %s \"%s\" is not valid at byte %zu: it must be of letters and digits, joined by "
                                 "single '.', '_' or '-'",
                                 what, id, i + 1);
        }
        return 0;
}

/* Bytes of the UTF-8 character at s (RFC 3629: no surrogates, no overlong forms, at most U+10FFFF); 0 if it is none. */
static size_t utf8_char(const unsigned char *s, size_t n)
{
        unsigned char low = 0x80, high = 0xbf; /* bounds of the second byte */
        size_t len;

        if (s[0] < 0x80)
                return s[0] != 0;
        if (s[0] < 0xc2 || s[0] > 0xf4)
                return 0;
        len = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
        if (n < len)
                return 0;
        if (s[0] == 0xe0)
                low = 0xa0;
        else if (s[0] == 0xed)
                high = 0x9f;
        else if (s[0] == 0xf0)
                low = 0x90;
        else if (s[0] == 0xf4)
                high = 0x8f;
        if (s[1] < low || s[1] > high)
                return 0;
        for (size_t i = 2; i < len; i++)
                if ((s[i] & 0xc0) != 0x80)
                        return 0;
        return len;
}

bool text_valid(const char *s, size_t n)
{
        for (size_t i = 0, len; i < n; i += len) {
                len = utf8_char((const unsigned char *)s + i, n - i);
                if (len == 0)
                        return false;
        }
        return true;
}

char *text_clean(char *s, size_t max)
{
        size_t n = strlen(s), i = 0;

        while (i < n) {
                size_t len = utf8_char((unsigned char *)s + i, n - i);

                if (i + (len ? len : 1) > max) {
                        s[i] = '\0';
                        break;
                }
                if (len == 0)
                        s[i] = '?';
                i += len ? len : 1;
        }
        return s;
}
