/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The caller's terminal while a process has it: raw, and as it was afterwards; and the keys that leave the process
 * alone. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <termios.h>

struct terminal {
        int fd; /* not ours; -1: not raw */
        struct termios saved;
};
#define TERMINAL_NULL { .fd = -1 }

int terminal_raw(struct terminal *t, int fd); /* 0 or -errno */
void terminal_restore(struct terminal *t);    /* also when it never was raw */
/* 0 and the size, or -errno. */
int terminal_size(int fd, uint32_t *columns, uint32_t *rows);

#define DETACH_MAX 16
struct detach {
        uint8_t keys[DETACH_MAX];
        size_t n;       /* 0: nothing detaches */
        size_t matched; /* keys seen in a row, and held back */
};
/* "ctrl-p,ctrl-q", "ctrl-]", "a,ctrl-@"; "": none. 0 or -EINVAL. */
int detach_parse(struct detach *d, const char *text);
/* Copies what is to go on from in to out (room: n + DETACH_MAX); *ret_n bytes. True: the keys are complete. */
bool detach_filter(struct detach *d, const uint8_t *in, size_t n, uint8_t *out, size_t *ret_n);
