/* SPDX-License-Identifier: Apache-2.0 */
#include "client/ctl/terminal.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>

int terminal_raw(struct terminal *t, int fd)
{
        struct termios raw;

        if (tcgetattr(fd, &t->saved) < 0)
                return -errno;
        raw = t->saved;
        cfmakeraw(&raw);
        raw.c_cc[VMIN] = 1;
        raw.c_cc[VTIME] = 0;
        if (tcsetattr(fd, TCSADRAIN, &raw) < 0)
                return -errno;
        t->fd = fd;
        return 0;
}

void terminal_restore(struct terminal *t)
{
        if (t->fd >= 0)
                tcsetattr(t->fd, TCSADRAIN, &t->saved);
        t->fd = -1;
}

int terminal_size(int fd, uint32_t *columns, uint32_t *rows)
{
        struct winsize size;

        if (ioctl(fd, TIOCGWINSZ, &size) < 0)
                return -errno;
        *columns = size.ws_col;
        *rows = size.ws_row;
        return 0;
}

static int key(const char *text, size_t n, uint8_t *ret)
{
        int c;

        if (n == 1) {
                *ret = (uint8_t)text[0];
                return 0;
        }
        if (n != 6 || strncasecmp(text, "ctrl-", 5) != 0)
                return -EINVAL;
        c = toupper((unsigned char)text[5]);
        if (c < '@' || c > '_')
                return -EINVAL;
        *ret = (uint8_t)(c - '@');
        return 0;
}

int detach_parse(struct detach *d, const char *text)
{
        *d = (struct detach){ 0 };
        while (*text) {
                size_t n = strcspn(text, ",");

                if (d->n == DETACH_MAX || key(text, n, &d->keys[d->n]) < 0)
                        return -EINVAL;
                d->n++;
                text += n;
                if (*text == ',' && *++text == '\0')
                        return -EINVAL;
        }
        return 0;
}

/* After a wrong key: what was held back goes on, but for the longest end of it that begins the keys again. */
static size_t fall_back(struct detach *d, uint8_t last, uint8_t *out)
{
        uint8_t seen[DETACH_MAX + 1];
        size_t n = d->matched + 1, keep = d->matched;

        memcpy(seen, d->keys, d->matched);
        seen[d->matched] = last;
        while (keep > 0 && memcmp(seen + n - keep, d->keys, keep) != 0)
                keep--;
        memcpy(out, seen, n - keep);
        d->matched = keep;
        return n - keep;
}

bool detach_filter(struct detach *d, const uint8_t *in, size_t n, uint8_t *out, size_t *ret_n)
{
        *ret_n = 0;
        for (size_t i = 0; i < n; i++) {
                if (d->n > 0 && in[i] == d->keys[d->matched]) {
                        if (++d->matched == d->n)
                                return true;
                        continue;
                }
                *ret_n += fall_back(d, in[i], out + *ret_n);
        }
        return false;
}
