/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Ownership of locals: a variable declared with _cleanup_(fn) is released by fn(&variable) when it goes out of scope.
 * TAKE() and TAKE_FD() move the value out (and evaluate their argument once), which is
 * the last act of a constructor. There is no goto in this code base.
 */

#include <stdlib.h>

#define _cleanup_(fn) __attribute__((cleanup(fn)))
#define _printf_(a, b) __attribute__((format(printf, a, b)))
#define _unused_ __attribute__((unused))
#define _must_check_ __attribute__((warn_unused_result))

#define TAKE(p)                                                                                                        \
        __extension__({                                                                                                \
                __typeof__(p) *_place_ = &(p);                                                                         \
                __typeof__(p) _taken_ = *_place_;                                                                      \
                *_place_ = NULL;                                                                                       \
                _taken_;                                                                                               \
        })

#define TAKE_FD(fd)                                                                                                    \
        __extension__({                                                                                                \
                int *_place_ = &(fd);                                                                                  \
                int _taken_ = *_place_;                                                                                \
                *_place_ = -1;                                                                                         \
                _taken_;                                                                                               \
        })

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define container_of(ptr, type, member)                                                                                \
        __extension__({                                                                                                \
                __typeof__(((type *)0)->member) *_m_ = (ptr);                                                          \
                (type *)(void *)((char *)_m_ - __builtin_offsetof(type, member));                                      \
        })

/* Defines a cleanup function xp(T *p) that calls fn(*p) when *p is not NULL. */
#define DEFINE_CLEANUP(type, fn)                                                                                       \
        static inline _unused_ void fn##p(type *p)                                                                     \
        {                                                                                                              \
                if (*p)                                                                                                \
                        fn(*p);                                                                                        \
        }

static inline _unused_ void freep(void *p)
{
        free(*(void **)p);
}
