/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Crash points: the places at which a daemon that is killed leaves something half done: on both sides of each write,
 * rename, fork, send and reaping, and in each state. Here they do nothing. A program for tests has a crash_point() of
 * its own, which kills the process where it is told to (tests/crash).
 */

void crash_point(const char *name);
/* The name is of two words. */
void crash_point2(const char *name, const char *more);
