/* SPDX-License-Identifier: Apache-2.0 */

/*
 * sandboxd-crash is sandboxd with these crash points. SANDBOXD_CRASH names a directory. Its file `trace`, if there,
 * gets a line for each point that is passed. Its file `at`, "NAME N", kills the process when the point is passed the
 * Nth time since the file came; it is removed just before, so that the next process lives.
 */

#include "base/crash.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/fd.h"

static unsigned passed; /* of the point that is armed */
static char armed[128]; /* what the file said when it was counted */

static void trace(const char *dir, const char *name)
{
        char path[256], line[128];
        int fd;

        snprintf(path, sizeof(path), "%s/trace", dir);
        fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
        if (fd < 0)
                return;
        snprintf(line, sizeof(line), "%s\n", name);
        fd_write_all(fd, line, strlen(line));
        close(fd);
}

void crash_point(const char *name)
{
        const char *dir = getenv("SANDBOXD_CRASH");
        char path[256], text[128], wanted[64];
        unsigned n;

        if (!dir)
                return;
        trace(dir, name);
        snprintf(path, sizeof(path), "%s/at", dir);
        if (fd_read_small(-1, path, text, sizeof(text)) <= 0 || sscanf(text, "%63s %u", wanted, &n) != 2)
                return;
        if (strcmp(text, armed) != 0) {
                passed = 0;
                snprintf(armed, sizeof(armed), "%s", text);
        }
        if (strcmp(wanted, name) != 0 || ++passed < n)
                return;
        unlink(path);
        raise(SIGKILL);
}

void crash_point2(const char *name, const char *more)
{
        char both[64];

        snprintf(both, sizeof(both), "%s.%s", name, more);
        crash_point(both);
}
