/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Logging: one line per message, to one sink. The sink and the level are the only state at file scope of this program
 * (set once in main, and by SIGHUP).
 *
 * Levels have meanings. ERROR: something that an operator must act on. WARN: something went wrong and was dealt with.
 * INFO: a decision, one line per state transition. DEBUG: for developers. base/ and proto/ log at DEBUG only; each
 * event is logged once, by the layer that decides.
 */

#include "base/cleanup.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG, LOG_LEVEL_N };

/* Opens `path` (append, 0640) as the sink; NULL or "" means standard error. Returns 0 or a negative errno; on failure
 * the old sink stays. The path is remembered for log_reopen(). */
int log_open(const char *path);
/* Opens the same path again (after a rotation). */
int log_reopen(void);
void log_close(void);

void log_set_level(enum log_level level);
enum log_level log_get_level(void);
/* "error", "warn", "info", "debug"; returns 0 or -EINVAL. */
int log_level_parse(const char *text, enum log_level *ret);

/* One line "TIMESTAMP LEVEL message"; control characters in the message are written as \xNN. Never blocks for long and
 * never fails; keeps errno. */
void log_write(enum log_level level, const char *fmt, ...) _printf_(2, 3);

#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...) log_write(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)                                                                                                 \
        do {                                                                                                           \
                if (log_get_level() >= LOG_LEVEL_DEBUG)                                                                \
                        log_write(LOG_LEVEL_DEBUG, __VA_ARGS__);                                                       \
        } while (0)
