/* SPDX-License-Identifier: Apache-2.0 */
/* Help, for people and for shells: printed from the tables of options.h, and nothing else. */
#include <string.h>
#include "client/ctl/options.h"

static void print_options(FILE *f, const struct option_desc *table)
{
        for (; table && table->name; table++) {
                char left[64];
                int n = snprintf(left, sizeof(left), "%c%c%s --%s%s%s", table->letter ? '-' : ' ',
                                 table->letter ? table->letter : ' ', table->letter ? "," : " ", table->name,
                                 table->arg ? " " : "", table->arg ? table->arg : "");

                if (n <= 28)
                        fprintf(f, "  %-28s %s\n", left, table->text);
                else
                        fprintf(f, "  %s\n  %-28s %s\n", left, "", table->text);
        }
}

void help_program(FILE *f)
{
        fprintf(f,
                "Usage: sandboxctl [OPTIONS] VERB [OPTIONS] [ARGUMENTS]\n\n"
                "Runs and looks after the runc, crun and runsc sandboxes of this host, through sandboxd.\n\nVerbs:\n");
        for (const struct verb *const *v = verbs; *v; v++)
                fprintf(f, "  %-12s %s\n", (*v)->name, (*v)->summary);
        fprintf(f, "\nOptions (also after the verb):\n");
        print_options(f, global_options);
        fprintf(f, "\n'sandboxctl VERB --help' explains a verb. An id may be cut to a prefix that only one container "
                   "has.\n");
}

void help_verb(FILE *f, const struct verb *verb)
{
        fprintf(f, "Usage: sandboxctl %s %s%s%s\n\n%s\n", verb->name, verb->options ? "[OPTIONS]" : "",
                verb->options ? " " : "", verb->synopsis, verb->summary);
        if (verb->text)
                fprintf(f, "\n%s\n", verb->text);
        if (verb->aliases)
                fprintf(f, "\nAlso called: %s\n", verb->aliases);
        if (verb->options) {
                fprintf(f, "\nOptions:\n");
                print_options(f, verb->options);
        }
        fprintf(f, "\nOptions of every verb:\n");
        print_options(f, global_options);
}

void help_list_verbs(FILE *f)
{
        for (const struct verb *const *v = verbs; *v; v++)
                fprintf(f, "%s\t%s\t%s\n", (*v)->name, word_name((*v)->word), (*v)->summary);
}

static void list_options(FILE *f, const struct option_desc *table)
{
        for (; table && table->name; table++)
                fprintf(f, "--%s\t%c%c\t%s\t%s\n", table->name, '-', table->letter ? table->letter : '-',
                        table->arg ? word_name(table->word) : "-", table->text);
}

void help_list_options(FILE *f, const struct verb *verb)
{
        if (verb)
                list_options(f, verb->options);
        list_options(f, global_options);
}
