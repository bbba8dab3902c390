/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Numbers as people write and read them. Parsers return 0, or -EINVAL (not such a number) or -ERANGE. */

#include <stddef.h>
#include <stdint.h>

int parse_u64(const char *text, uint64_t max, uint64_t *ret);
int parse_size(const char *text, int64_t *ret); /* "512k", "16M", "1.5GiB", bytes without a unit; 1024 to the step */
int parse_cpus(const char *text, int64_t *ret_milli); /* "0.5" gives 500; at least 0.01 */
int parse_duration(const char *text, int *ret_ms);    /* "2", "1.5s", "200ms", "1m", "1h"; seconds without a unit */
int parse_signal(const char *text);                   /* "9", "KILL", "SIGkill", "RTMIN+3": its number */

#define UNITS_TEXT_MAX 32
const char *format_size(uint64_t bytes, char buf[UNITS_TEXT_MAX]);     /* "16.0 MiB" */
const char *format_size_exact(uint64_t bytes,
                              char buf[UNITS_TEXT_MAX]); /* "16 MiB" if it is so many, else as format_size */
const char *format_age(uint64_t seconds, char buf[UNITS_TEXT_MAX]);    /* "5 s", "3 min", "2 h", "4 d" */
const char *format_signal(int signal, char buf[UNITS_TEXT_MAX]);       /* "KILL"; a number for an unnamed one */
