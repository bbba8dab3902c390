/* SPDX-License-Identifier: Apache-2.0 */

/* Writes doc/states.md: the tables of daemon/lifecycle.c as they are, and the states' sentences from proto/states.def.
 */

#include <ctype.h>
#include <stdio.h>
#include "daemon/lifecycle.h"
#include "tools/docs.h"

/* --- one cell --- */

static void write_verdict(enum verdict verdict, const char *next, bool action, enum reason reason, const char *text)
{
        switch (verdict) {
        case VERDICT_GO:
                printf("→ **%s**", next);
                break;
        case VERDICT_STAY:
                printf("%s", action ? "is done, stays" : "stays");
                break;
        case VERDICT_REFUSE:
                printf("refused: `%s`, \"", reason_name(reason));
                docs_cell(text);
                printf("\"");
                break;
        case VERDICT_DEFER:
                printf("put off until the state changes");
                break;
        case VERDICT_IGNORE:
                printf("passed over");
                break;
        case VERDICT_UNSET:
        case VERDICT_BUG:
                break;
        }
}

/* REQ_FORCE_DELETE -> request: force delete; INIT_EXITED -> fact: init exited */
static void write_event(enum event_class class, const char *name)
{
        static const char *const classes[] = { "request", "result", "fact" };

        if (class == CLASS_REQUEST)
                name += sizeof("REQ_") - 1;
        printf("| %s: ", classes[class]);
        for (; *name; name++)
                putchar(*name == '_' ? ' ' : tolower((unsigned char)*name));
        printf(" | ");
}

/* --- the sections --- */

static void write_container_states(void)
{
        printf("| state | shown as | meaning |\n|---|---|---|\n");
        for (int s = 0; s < CONTAINER_STATE_N; s++)
                printf("| **%s** | %s | %s |\n", container_state_name(s), container_state_public(s),
                       container_state_text(s));
}

static void write_process_states(void)
{
        printf("| state | shown as | meaning |\n|---|---|---|\n");
        for (int s = 0; s < PROCESS_STATE_N; s++)
                printf("| **%s** | %s | %s |\n", process_state_name(s), process_state_public(s), process_state_text(s));
}

static void write_container_table(void)
{
        for (int s = 0; s < CONTAINER_STATE_N; s++) {
                printf("%s### %s\n\n%s.\n\n| event | what happens |\n|---|---|\n", s ? "\n" : "",
                       container_state_name(s), container_state_text(s));
                for (int e = 0; e < CEV_N; e++) {
                        const struct container_cell *cell = container_cell_of(s, e);

                        if (cell->verdict == VERDICT_BUG)
                                continue;
                        write_event(container_event_class(e), container_event_name(e));
                        write_verdict(cell->verdict, container_state_name(cell->next), cell->action, cell->reason,
                                      cell->text);
                        printf(" |\n");
                }
        }
}

static void write_process_table(void)
{
        for (int s = 0; s < PROCESS_STATE_N; s++) {
                printf("%s### process: %s\n\n%s.\n\n| event | what happens |\n|---|---|\n", s ? "\n" : "",
                       process_state_name(s), process_state_text(s));
                for (int e = 0; e < PEV_N; e++) {
                        const struct process_cell *cell = process_cell_of(s, e);

                        if (cell->verdict == VERDICT_BUG)
                                continue;
                        write_event(process_event_class(e), process_event_name(e));
                        write_verdict(cell->verdict, process_state_name(cell->next), cell->action, cell->reason,
                                      cell->text);
                        printf(" |\n");
                }
        }
}

/* Only what leads to another state, for the eye. */
static void write_graph(void)
{
        printf("```\n");
        for (int s = 0; s < CONTAINER_STATE_N; s++)
                for (int e = 0; e < CEV_N; e++) {
                        const struct container_cell *cell = container_cell_of(s, e);

                        if (cell->verdict == VERDICT_GO)
                                printf("%-14s %-18s -> %s\n", container_state_name(s), container_event_name(e),
                                       container_state_name(cell->next));
                }
        printf("```\n");
}

int main(int argc, char **argv)
{
        static const struct docs_section sections[] = {
                { "container-states", write_container_states }, { "process-states", write_process_states },
                { "transitions", write_graph },                 { "container-table", write_container_table },
                { "process-table", write_process_table },
        };

        return docs_main(argc, argv, sections, sizeof(sections) / sizeof(sections[0]));
}
