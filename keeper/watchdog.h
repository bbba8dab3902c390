/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Two watchdogs with one period: the manager above wants to hear from us (at half the period), and we want to hear from
 * the daemon, which is told the period by the same variable (WATCHDOG_USEC). So one that hangs is killed and started
 * again by its own parent, and no container notices.
 */

#include <stdbool.h>
#include <stdint.h>

struct watchdog {
        uint64_t period_ns; /* 0: nobody watches */
        uint64_t ping_ns;   /* when the manager above is told next; 0: it does not want to know */
        uint64_t starved_ns; /* when the daemon is given up */
};

/* usec, pid: the values of the variables, or NULL; otherwise option_ns counts. */
void watchdog_init(struct watchdog *w, const char *usec, const char *pid, uint64_t option_ns);
/* The daemon was started, or has said that it lives. */
void watchdog_fed(struct watchdog *w, uint64_t now_ns);
bool watchdog_ping_due(struct watchdog *w, uint64_t now_ns); /* and the next one is set */
bool watchdog_starved(struct watchdog *w, uint64_t now_ns);  /* true once */
uint64_t watchdog_next(const struct watchdog *w, bool runs); /* when there is something to do; UINT64_MAX: never */
