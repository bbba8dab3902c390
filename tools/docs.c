/* SPDX-License-Identifier: Apache-2.0 */
/* Templates of documents: see docs.h. */

#include "tools/docs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"

static void file_closep(FILE **f)
{
        if (*f)
                fclose(*f);
}

void docs_cell(const char *text)
{
        for (; *text; text++) {
                if (strchr("|<>*_", *text))
                        putchar('\\');
                putchar(*text);
        }
}

/* A line "@name@\n": 1 if its section was written, 0 if it is none, -1 if there is no such section. */
static int write_section(const char *line, const struct docs_section *sections, size_t n)
{
        size_t len = strcspn(line, "\n");

        if (len < 3 || line[0] != '@' || line[len - 1] != '@')
                return 0;
        for (size_t i = 0; i < n; i++) {
                if (strlen(sections[i].name) == len - 2 && memcmp(sections[i].name, line + 1, len - 2) == 0) {
                        sections[i].write();
                        return 1;
                }
        }
        return -1;
}

int docs_main(int argc, char **argv, const struct docs_section *sections, size_t n)
{
        _cleanup_(file_closep) FILE *template = NULL;
        _cleanup_(freep) char *line = NULL;
        size_t room = 0;

        if (argc != 2) {
                fprintf(stderr, "usage: %s TEMPLATE\n", argv[0]);
                return 2;
        }
        template = fopen(argv[1], "re");
        if (!template) {
                perror(argv[1]);
                return 1;
        }
        while (getline(&line, &room, template) >= 0) {
                int r = write_section(line, sections, n);

                if (r < 0) {
                        fprintf(stderr, "%s: there is no section %s", argv[1], line);
                        return 1;
                }
                if (r == 0)
                        fputs(line, stdout);
        }
        return ferror(template) || fflush(stdout) != 0 || ferror(stdout) ? 1 : 0;
}
