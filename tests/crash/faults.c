/* SPDX-License-Identifier: Apache-2.0 */

/*
 * sandboxd-faults is sandboxd with these in the place of the C library's functions. SANDBOXD_FAULTS names a file of
 * text, which is mapped, and may be written at any time:
 *
 *      0000000012 +000000000000000000 .
 *
 * The first number: the allocation to fail, counted from when the number came, on the main thread alone; then the "."
 * becomes "!". The second: seconds by which the real time is ahead.
 */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NUMBER 10
#define CLOCK  11
#define DIGITS 19 /* with the sign */
#define MARK   31

static char *faults;
static pthread_t main_thread;

__attribute__((constructor)) static void begin(void)
{
        const char *path = getenv("SANDBOXD_FAULTS");
        int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
        char *p = fd < 0 ? MAP_FAILED : mmap(NULL, MARK + 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

        if (fd >= 0)
                close(fd);
        main_thread = pthread_self();
        faults = p == MAP_FAILED ? NULL : p;
}

/* No function of the library that may allocate. */
static int64_t number(const char *p, size_t n)
{
        int64_t value = 0;

        for (size_t i = 0; i < n; i++)
                if (p[i] >= '0' && p[i] <= '9')
                        value = value * 10 + (p[i] - '0');
        return p[0] == '-' ? -value : value;
}

/* The C library calls this one, and so do libev and nng. */
int clock_gettime(clockid_t id, struct timespec *ts)
{
        int r = (int)syscall(SYS_clock_gettime, id, ts);

        if (r == 0 && id == CLOCK_REALTIME && faults)
                ts->tv_sec += number(faults + CLOCK, DIGITS);
        return r;
}

#ifndef __SANITIZE_ADDRESS__ /* which has its own */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t size);

static bool fails(void)
{
        static char seen[NUMBER];
        static int64_t count;

        if (!faults || !pthread_equal(pthread_self(), main_thread))
                return false;
        if (memcmp(seen, faults, NUMBER) != 0) {
                memcpy(seen, faults, NUMBER);
                count = 0;
        }
        if (faults[MARK] == '!' || ++count != number(seen, NUMBER))
                return false;
        faults[MARK] = '!';
        errno = ENOMEM;
        return true;
}

void *malloc(size_t size)
{
        return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
        return fails() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
        return fails() ? NULL : __libc_realloc(p, size);
}
#endif
