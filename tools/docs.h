/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Documents that have parts made from tables: a template in Markdown, in which a line "@name@" stands for what the
 * section of that name writes to standard output. A generator is a program with a table of sections, which calls
 * docs_main().
 */

#include <stddef.h>

struct docs_section {
        const char *name;
        void (*write)(void);
};

/* usage: PROGRAM TEMPLATE. Returns the exit status; a marker without a section is an error. */
int docs_main(int argc, char **argv, const struct docs_section *sections, size_t n);

/* Text in a cell of a table. */
void docs_cell(const char *text);
