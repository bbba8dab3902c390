/* SPDX-License-Identifier: Apache-2.0 */

#include "daemon/stdio_uri.h"

#include <string.h>
#include <strings.h>

static int no_memory(struct error *err)
{
        return error_set(err, REASON_NO_RESOURCES, "no memory for a stdio URI");
}

static int hex(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* A decoded copy of len bytes, in the arena. In a query, '+' is a space. */
static int decode(const char *text, size_t len, bool query, const char *what, struct arena *a, const char **ret,
                  struct error *err)
{
        char *out = arena_strndup(a, text, len);
        size_t n = 0;

        if (!out)
                return no_memory(err);
        for (size_t i = 0; i < len; i++) {
                int high, low;

                if (text[i] != '%') {
                        out[n++] = query && text[i] == '+' ? ' ' : text[i];
                        continue;
                }
                high = len - i > 2 ? hex(text[i + 1]) : -1;
                low = len - i > 2 ? hex(text[i + 2]) : -1;
                if (high < 0 || low < 0 || high + low == 0)
                        return error_set(err, REASON_INVALID_ARGUMENT,
                                         "%s: \"%.*s\" has a %% that is not followed by two hexadecimal digits of a "
                                         "byte other than 0",
                                         what, (int)(len < 256 ? len : 256), text);
                out[n++] = (char)(high * 16 + low);
                i += 2;
        }
        out[n] = '\0';
        *ret = out;
        return 0;
}

static bool has_key(const struct strs *args, const char *key)
{
        for (size_t i = 0; i < args->n; i += 2) {
                if (strcmp(args->items[i], key) == 0)
                        return true;
        }
        return false;
}

static int parse_query(const char *query, size_t len, const char *what, struct arena *a, struct strs *ret,
                       struct error *err)
{
        const char *end = query + len;
        size_t n = 1;

        for (const char *p = query; p < end; p++)
                n += *p == '&';
        ret->n = 0;
        ret->items = arena_alloc(a, 2 * n * sizeof(*ret->items));
        if (!ret->items)
                return no_memory(err);
        while (query < end) {
                const char *stop = memchr(query, '&', (size_t)(end - query)), *equal, *key, *value;

                if (!stop)
                        stop = end;
                equal = memchr(query, '=', (size_t)(stop - query));
                if (!equal)
                        equal = stop;
                if (decode(query, (size_t)(equal - query), true, what, a, &key, err) < 0)
                        return -1;
                query = equal < stop ? equal + 1 : stop;
                if (decode(query, (size_t)(stop - query), true, what, a, &value, err) < 0)
                        return -1;
                if (key[0] && !has_key(ret, key)) {
                        ret->items[ret->n++] = key;
                        ret->items[ret->n++] = value;
                }
                query = stop < end ? stop + 1 : end;
        }
        return 0;
}

static int parse_scheme(const char *text, size_t len, const char *what, enum stdio_scheme *ret, struct error *err)
{
        static const struct {
                const char *name;
                enum stdio_scheme scheme;
        } schemes[] = { { "fifo", STDIO_FIFO }, { "file", STDIO_FILE }, { "binary", STDIO_BINARY } };

        for (size_t i = 0; i < ARRAY_SIZE(schemes); i++) {
                if (strlen(schemes[i].name) == len && strncasecmp(schemes[i].name, text, len) == 0) {
                        *ret = schemes[i].scheme;
                        return 0;
                }
        }
        return error_set(err, REASON_UNKNOWN_STDIO, "unknown STDIO scheme %.*s of %s: fifo, file and binary are known",
                         (int)(len < 64 ? len : 64), text, what);
}

static int need_absolute(const char *path, const char *what, struct error *err)
{
        return path[0] == '/'
                       ? 0
                       : error_set(err, REASON_INVALID_ARGUMENT, "%s: the path \"%.256s\" is not absolute", what, path);
}

int stdio_uri_parse(const char *text, const char *what, struct arena *a, struct stdio_uri *ret, struct error *err)
{
        const char *sep = strstr(text, "://"), *path;
        size_t len, rest;

        *ret = (struct stdio_uri){ .path = "" };
        if (!text[0])
                return 0;
        if (!sep || text[0] == '/') { /* a path: with whatever characters */
                ret->scheme = STDIO_FIFO;
                ret->path = arena_strdup(a, text);
                return ret->path ? need_absolute(ret->path, what, err) : no_memory(err);
        }
        if (parse_scheme(text, (size_t)(sep - text), what, &ret->scheme, err) < 0)
                return -1;
        path = sep + 3;
        rest = strcspn(path, "#");
        len = strcspn(path, "?#");
        if (decode(path, len, false, what, a, &ret->path, err) < 0 || need_absolute(ret->path, what, err) < 0)
                return -1;
        if (ret->scheme != STDIO_BINARY || len == rest)
                return 0;
        return parse_query(path + len + 1, rest - len - 1, what, a, &ret->args, err);
}
