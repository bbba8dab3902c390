/* SPDX-License-Identifier: Apache-2.0 */

/* Weak: a program that defines them has its own. */

#include "base/crash.h"

__attribute__((weak)) void crash_point(const char *name)
{
}

__attribute__((weak)) void crash_point2(const char *name, const char *more)
{
}
