/* SPDX-License-Identifier: Apache-2.0 */

/* The only file that uses libseccomp. The list is what the front calls, by itself and through libev and the C library;
 * no process can be made, nothing executed, no file written that is not open, no socket but unix ones. */

#include "client/shim/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include "base/cleanup.h"

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif

#define WRITING (O_ACCMODE | O_CREAT | O_TRUNC)

static const int calls[] = {
        /* the loop */
        SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait),
        SCMP_SYS(epoll_pwait2), SCMP_SYS(eventfd2), SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_settime),
        SCMP_SYS(signalfd4), SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday),
        /* connections */
        SCMP_SYS(accept4), SCMP_SYS(connect), SCMP_SYS(recvfrom), SCMP_SYS(recvmsg), SCMP_SYS(sendto),
        SCMP_SYS(sendmsg), SCMP_SYS(sendfile), SCMP_SYS(shutdown), SCMP_SYS(getsockopt), SCMP_SYS(setsockopt),
        SCMP_SYS(getsockname),
        /* descriptors and the journal */
        SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(writev), SCMP_SYS(pread64), SCMP_SYS(lseek), SCMP_SYS(close),
        SCMP_SYS(fcntl), SCMP_SYS(fstat), SCMP_SYS(newfstatat), SCMP_SYS(stat), SCMP_SYS(statx), SCMP_SYS(memfd_create),
        SCMP_SYS(fallocate), SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(readlink),
        /* memory */
        SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(brk), SCMP_SYS(futex),
        /* oneself */
        SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(geteuid), SCMP_SYS(getuid), SCMP_SYS(getrandom),
        SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(sigaltstack),
        SCMP_SYS(tgkill), SCMP_SYS(restart_syscall), SCMP_SYS(prlimit64), SCMP_SYS(getrusage), SCMP_SYS(exit),
        SCMP_SYS(exit_group),
};

static const struct {
        int call;
        unsigned argument;
        uint64_t mask, value; /* allowed if what the mask leaves of the argument is this */
} limited[] = {
        { SCMP_SYS(socket), 0, UINT64_MAX, AF_UNIX },
        { SCMP_SYS(socketpair), 0, UINT64_MAX, AF_UNIX },
        { SCMP_SYS(open), 1, WRITING, O_RDONLY },
        { SCMP_SYS(openat), 2, WRITING, O_RDONLY },
        { SCMP_SYS(mmap), 2, PROT_EXEC, 0 },
        { SCMP_SYS(mprotect), 2, PROT_EXEC, 0 },
};

static int add_rules(scmp_filter_ctx filter)
{
        int r = 0;

        for (size_t i = 0; i < ARRAY_SIZE(calls) && r == 0; i++)
                r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
        for (size_t i = 0; i < ARRAY_SIZE(limited) && r == 0; i++)
                r = seccomp_rule_add(
                        filter, SCMP_ACT_ALLOW, limited[i].call, 1,
                        SCMP_CMP(limited[i].argument, SCMP_CMP_MASKED_EQ, limited[i].mask, limited[i].value));
        return r;
}

int confine_calls(void)
{
        scmp_filter_ctx filter;
        int r;

#ifdef SANITIZED
        return 0; /* the search for leaks makes a process and traces us */
#endif
        filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
        if (!filter)
                return -ENOMEM;
        r = add_rules(filter);
        if (r == 0)
                r = seccomp_load(filter); /* which forbids new privileges too */
        seccomp_release(filter);
        return r;
}
