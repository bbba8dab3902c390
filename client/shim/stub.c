/* SPDX-License-Identifier: Apache-2.0 */

/*
 * sandboxd is found by SANDBOXD_SOCKET, else by its own configuration file, else at the default place. The file is read
 * for two keys; what else is in it is sandboxd's affair, and checked by it.
 */

#include "client/shim/stub.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/fd.h"
#include "proto/toml.h"

#define CONFIG         SYSCONFDIR "/sandboxd/sandboxd.toml"
#define STDIN_MAX      (4 * 1024 * 1024)
#define DEFAULT_ROOT   "/run/sandboxd"
#define DEFAULT_SOCKET "sandboxd.sock" /* in the root */

int stub_fail(const char *fmt, ...)
{
        va_list ap;

        fputs(FRONT_PROGRAM ": ", stderr);
        va_start(ap, fmt);
        vfprintf(stderr, fmt, ap);
        va_end(ap);
        fputc('\n', stderr);
        return 1;
}

int stub_read_stdin(struct buf *in)
{
        in->max = STDIN_MAX;
        if (isatty(STDIN_FILENO))
                return 0;
        for (;;) {
                uint8_t *room = buf_reserve(in, 4096);
                ssize_t n = room ? read(STDIN_FILENO, room, 4096) : -1;

                if (!room)
                        return -EFBIG;
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return errno == EBADF ? 0 : -errno;
                if (n == 0)
                        return 0;
                buf_commit(in, (size_t)n);
        }
}

const char *stub_path(const char *address)
{
        return strncmp(address, "unix://", 7) == 0 ? address + 7 : address;
}

/* 64 bits are enough to tell apart the few that run on a host; sandboxd notices when two have the same (owner.attach).
 */
void stub_owner(char name[OWNER_NAME_MAX], const char *address)
{
        uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

        for (const char *p = stub_path(address); *p; p++)
                hash = (hash ^ (unsigned char)*p) * UINT64_C(0x100000001b3);
        snprintf(name, OWNER_NAME_MAX, "c%016llx", (unsigned long long)hash);
}

static void copy(char to[PATH_MAX], const char *from)
{
        snprintf(to, PATH_MAX, "%s", from);
}

static void place_in_root(struct stub *s)
{
        int n = snprintf(s->socket, sizeof(s->socket), "%s/" DEFAULT_SOCKET, s->root);

        if (n < 0 || (size_t)n >= sizeof(s->socket))
                s->socket[0] = '\0'; /* no socket has so long a path: the client says so */
}

/* 0, or -1: there is a file and it cannot be used. */
static int read_config(struct stub *s)
{
        _cleanup_(toml_freep) struct toml *toml = NULL;
        _cleanup_(freep) char *text = NULL;
        struct error err = ERROR_NULL;
        struct toml_table *table;
        const char *value;
        size_t len;
        int r = fd_read_file(AT_FDCWD, CONFIG, TOML_MAX, &text, &len);

        if (r == -ENOENT || r == -ENOTDIR)
                return 0;
        if (r < 0) {
                stub_fail("cannot read %s: %s", CONFIG, strerrordesc_np(-r));
                return -1;
        }
        if (toml_parse(&toml, CONFIG, text, len, &err) < 0) {
                stub_fail("%s", err.message);
                return -1;
        }
        table = toml_find_table(toml_root(toml), "daemon");
        r = toml_get_string(table, "root", &value, &err);
        if (r > 0) {
                copy(s->root, value);
                place_in_root(s);
        }
        if (r >= 0 && (r = toml_get_string(table, "socket", &value, &err)) > 0)
                copy(s->socket, value);
        if (r < 0)
                stub_fail("%s", err.message);
        return r < 0 ? -1 : 0;
}

/* A private instance is named by its socket alone; its root is where that is, unless SANDBOXD_ROOT says otherwise. */
static void take_environment(struct stub *s, const char *socket)
{
        const char *root = getenv("SANDBOXD_ROOT");
        char *slash;

        copy(s->socket, socket);
        copy(s->root, root && *root ? root : socket);
        slash = strrchr(s->root, '/');
        if ((!root || !*root) && slash)
                *slash = '\0';
}

int stub_init(struct stub *s, const struct shim_args *args)
{
        const char *socket = getenv("SANDBOXD_SOCKET");

        *s = (struct stub){ .ns = args->ns, .id = args->id, .bundle = args->bundle[0] ? args->bundle : "." };
        if (!args->id[0] || !args->ns[0] || !args->address[0]) {
                stub_fail("-namespace, -id and -address are needed: containerd gives them");
                return -1;
        }
        stub_owner(s->owner, args->address);
        copy(s->root, DEFAULT_ROOT);
        place_in_root(s);
        if (socket && *socket)
                take_environment(s, socket);
        else if (read_config(s) < 0)
                return -1;
        s->client = sandboxd_client_new(s->socket);
        if (!s->client)
                stub_fail("the socket %s: %s", s->socket, strerrordesc_np(errno));
        return s->client ? 0 : -1;
}

void stub_deinit(struct stub *s)
{
        s->client = sandboxd_client_free(s->client);
}
