/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Time in nanoseconds. Monotonic time for deadlines and durations, real time only for what people and containerd
 * read. */

#include <stdint.h>

#define NSEC_PER_SEC UINT64_C(1000000000)
#define NSEC_PER_MSEC UINT64_C(1000000)
#define NSEC_PER_USEC UINT64_C(1000)

uint64_t clock_monotonic_ns(void);
uint64_t clock_realtime_ns(void);

/* "2026-08-21T10:11:12.123456789Z" */
#define CLOCK_TEXT_MAX 40
const char *clock_format_realtime(uint64_t ns, char buf[CLOCK_TEXT_MAX]);
