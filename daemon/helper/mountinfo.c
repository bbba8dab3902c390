/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/fd.h"
#include "daemon/helper/mountinfo.h"

void mountinfo_deinit(struct mountinfo *m)
{
        free(m->entries);
        free(m->text);
        *m = MOUNTINFO_NULL;
}

static bool is_octal(char c)
{
        return c >= '0' && c <= '7';
}

/* Blank, tab, newline and backslash are written as \ooo. */
static void unescape(char *text)
{
        char *to = text;

        for (const char *from = text; *from; to++) {
                if (from[0] == '\\' && is_octal(from[1]) && is_octal(from[2]) && is_octal(from[3])) {
                        *to = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0'));
                        from += 4;
                } else {
                        *to = *from++;
                }
        }
        *to = '\0';
}

/* "36 35 98:0 /mnt1 /mnt2 rw,noatime shared:1 master:2 - ext3 /dev/root rw": the optional fields end with "-". */
static int parse_line(char *line, struct mountinfo_entry *ret)
{
        char *rest = NULL, *word = strtok_r(line, " ", &rest);
        int field = 1;

        *ret = (struct mountinfo_entry){ 0 };
        for (; word; word = strtok_r(NULL, " ", &rest), field++) {
                if (field == 5)
                        ret->point = word;
                if (field > 6 && !strcmp(word, "-"))
                        break;
                if (field > 6 && !strncmp(word, "shared:", 7))
                        ret->shared = true;
        }
        if (!word || !ret->point)
                return -EBADMSG;
        unescape((char *)ret->point);
        return 0;
}

int mountinfo_parse(struct mountinfo *ret, char *text)
{
        _cleanup_(mountinfo_deinit) struct mountinfo m = { .text = text };
        char *rest = NULL;
        size_t lines = 1;

        for (const char *p = text; *p; p++)
                lines += *p == '\n';
        m.entries = calloc(lines, sizeof(*m.entries));
        if (!m.entries)
                return -ENOMEM;
        for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
                int r = parse_line(line, &m.entries[m.n]);

                if (r < 0)
                        return r;
                m.n++;
        }
        *ret = m;
        m = MOUNTINFO_NULL;
        return 0;
}

int mountinfo_read(struct mountinfo *ret)
{
        _cleanup_(fd_closep) int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
        _cleanup_(freep) char *text = NULL;
        size_t len = 0, size = 0;
        ssize_t n;

        if (fd < 0)
                return -errno;
        for (;;) {
                if (size - len < 65536) {
                        char *bigger = realloc(text, size + 262144);

                        if (!bigger)
                                return -ENOMEM;
                        text = bigger;
                        size += 262144;
                }
                n = read(fd, text + len, size - len - 1);
                if (n < 0 && errno != EINTR)
                        return -errno;
                if (n == 0)
                        break;
                if (n > 0)
                        len += (size_t)n;
        }
        text[len] = '\0';
        return mountinfo_parse(ret, TAKE(text));
}

bool mountinfo_is_below(const char *point, const char *path)
{
        size_t n = strlen(path);

        if (n == 1) /* "/" */
                return true;
        return !strncmp(point, path, n) && (point[n] == '\0' || point[n] == '/');
}

const struct mountinfo_entry *mountinfo_find(const struct mountinfo *m, const char *path)
{
        const struct mountinfo_entry *best = NULL;

        for (size_t i = 0; i < m->n; i++) {
                const struct mountinfo_entry *e = &m->entries[i];

                if (mountinfo_is_below(path, e->point) && (!best || strlen(e->point) >= strlen(best->point)))
                        best = e;
        }
        return best;
}
