/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The command line, from tables: one row for an option, one struct for a verb. The parser, the help, the shell
 * completions and the check of the manual page all read them.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct ctl;
struct args;

/* What a word on the command line is: tells the shell how to complete it. */
enum word { WORD_ANY, WORD_ID, WORD_FILE, WORD_DIR, WORD_RUNTIME, WORD_SIGNAL, WORD_NAMESPACE, WORD_VERB, WORD_FORMAT };
const char *word_name(enum word word);

struct option_desc {
        char letter;      /* '\0': none */
        const char *name; /* of the long form; NULL ends a table */
        const char *arg;  /* what its value is called; NULL: it has none */
        enum word word;
        const char *text;
};

struct verb {
        const char *name;
        const char *aliases; /* with a space between two; NULL: none */
        const char *synopsis;
        const char *summary;
        const char *text; /* NULL: the summary says it all */
        const struct option_desc *options;
        int min_args, max_args; /* max_args -1: any number */
        enum word word;         /* of the positional arguments */
        bool command;           /* the first word that is not an option ends the options: the rest is a command line */
        int failure;            /* exit status for errors of our own; 0: 1 */
        int (*run)(struct ctl *ctl, const struct args *args); /* returns the exit status */
};

struct args {
        const struct verb *verb; /* NULL: none was named */
        struct given {
                const struct option_desc *option;
                const char *value;
        } *given;
        size_t n_given;
        char **words; /* the positional arguments */
        int n_words;
        bool dashes; /* of a command verb: "--" came before the first word */
};

extern const struct option_desc global_options[];
extern const struct verb *const verbs[]; /* ends with NULL */

const struct verb *verb_find(const char *name); /* by name or alias; NULL: none */

/* Parses options of the program and of the verb; the verb is the first word. 0, or -1 with a message in error. */
int args_parse(struct args *args, int argc, char **argv, char *error, size_t error_size);
void args_deinit(struct args *args);

/* The name must be one of the verb's options, or a global one. */
bool args_has(const struct args *args, const char *name);
const char *args_get(const struct args *args, const char *name); /* the last value, or NULL */
/* The next value of an option that may be repeated, in order: `size_t i = 0; while ((v = args_next(args, "env", &i)))`.
 */
const char *args_next(const struct args *args, const char *name, size_t *i);

void help_program(FILE *f);
void help_verb(FILE *f, const struct verb *verb);
/* For programs, one line each: "NAME<tab>WORD<tab>summary" of the verbs, or "--NAME<tab>-L<tab>WORD or -<tab>text" of a
 * verb's options. */
void help_list_verbs(FILE *f);
void help_list_options(FILE *f, const struct verb *verb);
