/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Looks for directories: the patterns come on standard input, relative to the directory and each with a NUL at its end.
 * For each of them, the answer is how many there are, the path of the first one, and "empty" or "full", each with a
 * NUL. One that cannot be read is empty; so is one with nothing but what gVisor itself keeps in it.
 */

#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "daemon/helper/helper.h"

#define INPUT_MAX (1U << 20)
#define OWN ".gvisor.filestore."

static void dir_closep(DIR **d)
{
        if (*d)
                closedir(*d);
}

static bool is_empty(const char *path)
{
        _cleanup_(dir_closep) DIR *d = opendir(path);
        const struct dirent *e;
        unsigned own = 0;

        while (d && (e = readdir(d))) {
                if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
                        continue;
                if (strncmp(e->d_name, OWN, strlen(OWN)) != 0 || own++)
                        return false;
        }
        return true;
}

static int one(const char *dir, const char *pattern, struct error *err)
{
        _cleanup_(freep) char *whole = NULL;
        glob_t found = { 0 };
        const char *path;
        int r;

        if (asprintf(&whole, "%s/%s", dir, pattern) < 0)
                return error_set(err, HELPER_FAILED, "no memory");
        r = glob(whole, 0, NULL, &found);
        path = r == 0 && found.gl_pathc > 0 ? found.gl_pathv[0] : NULL;
        if (r == GLOB_NOSPACE)
                return error_set(err, HELPER_FAILED, "no memory");
        printf("%zu%c%s%c%s%c", path ? found.gl_pathc : 0, 0, path ? path : "", 0,
               !path || is_empty(path) ? "empty" : "full", 0);
        globfree(&found);
        return 0;
}

int helper_volumes(const char *dir, struct error *err)
{
        static char input[INPUT_MAX + 1];
        size_t n = fread(input, 1, INPUT_MAX, stdin);

        if (n == INPUT_MAX)
                return error_set(err, HELPER_FAILED, "too many patterns");
        for (const char *p = input; p < input + n; p += strlen(p) + 1)
                if (one(dir, p, err) < 0)
                        return -1;
        return fflush(stdout) ? error_set_errno(err, HELPER_FAILED, errno, "cannot answer") : 0;
}
