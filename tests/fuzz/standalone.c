/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz target without libFuzzer, in every build: over all files of its corpus (tests/fuzz/corpus/X for the
 * program check-X, or the directory given), each as it is and with changes that are the same in every run. TAP.
 */

#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include "base/fd.h"

#define FILE_MAX (16 * 1024 * 1024)
#define ROUNDS 300U

static uint64_t next_random(uint64_t *seed)
{
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        return *seed;
}

/* A copy of exactly n bytes, so that a sanitizer sees a read beyond them. */
static void run(const uint8_t *data, size_t n)
{
        uint8_t *copy = malloc(n ? n : 1);

        FUZZ_CHECK(copy);
        if (n > 0)
                memcpy(copy, data, n);
        LLVMFuzzerTestOneInput(copy, n);
        free(copy);
}

static void run_changed(const uint8_t *data, size_t n, uint64_t seed)
{
        _cleanup_(freep) uint8_t *copy = malloc(n ? n : 1);

        FUZZ_CHECK(copy);
        for (unsigned i = 0; i < ROUNDS && n > 0; i++) {
                unsigned changes = 1 + (unsigned)(next_random(&seed) % 3);

                memcpy(copy, data, n);
                while (changes-- > 0)
                        copy[next_random(&seed) % n] = (uint8_t)next_random(&seed);
                run(copy, i % 3 == 0 ? next_random(&seed) % n : n);
        }
}

static int is_file(const struct dirent *entry)
{
        return entry->d_name[0] != '.';
}

int main(int argc, char **argv)
{
        struct dirent **names = NULL;
        const char *target = strstr(argv[0], "check-"), *top = getenv("top_srcdir");
        char dir[4096];
        int n;

        if (argc > 1)
                snprintf(dir, sizeof(dir), "%s", argv[1]);
        else
                snprintf(dir, sizeof(dir), "%s/tests/fuzz/corpus/%s", top ? top : ".", target ? target + 6 : "");
        n = scandir(dir, &names, is_file, alphasort);
        if (n <= 0) {
                printf("Bail out! no corpus in %s\n", dir);
                return 1;
        }
        printf("1..%d\n", n);
        for (int i = 0; i < n; i++) {
                _cleanup_(freep) char *text = NULL;
                char path[8192];
                size_t len;

                snprintf(path, sizeof(path), "%s/%s", dir, names[i]->d_name);
                printf("# %s\n", path);
                fflush(stdout); /* the name is there when the target aborts */
                if (fd_read_file(AT_FDCWD, path, FILE_MAX, &text, &len) < 0) {
                        printf("not ok %d - %s cannot be read\n", i + 1, names[i]->d_name);
                } else {
                        run((const uint8_t *)text, len);
                        run_changed((const uint8_t *)text, len, (uint64_t)i + 1);
                        printf("ok %d - %s\n", i + 1, names[i]->d_name);
                }
                free(names[i]);
        }
        free(names);
        return 0;
}
