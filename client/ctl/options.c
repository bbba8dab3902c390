/* SPDX-License-Identifier: Apache-2.0 */
#include "client/ctl/options.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

const char *word_name(enum word word)
{
        static const char *const names[] = {
                [WORD_ANY] = "any",         [WORD_ID] = "id",         [WORD_FILE] = "file",
                [WORD_DIR] = "dir",         [WORD_RUNTIME] = "runtime", [WORD_SIGNAL] = "signal",
                [WORD_NAMESPACE] = "namespace", [WORD_VERB] = "verb",   [WORD_FORMAT] = "format",
        };

        return names[word];
}

static bool is_alias(const char *aliases, const char *name)
{
        size_t n = strlen(name);

        for (const char *p = aliases; p && *p && n > 0; p += strcspn(p, " "), p += strspn(p, " ")) {
                if (strcspn(p, " ") == n && strncmp(p, name, n) == 0)
                        return true;
        }
        return false;
}

const struct verb *verb_find(const char *name)
{
        for (const struct verb *const *v = verbs; *v; v++) {
                if (strcmp((*v)->name, name) == 0 || is_alias((*v)->aliases, name))
                        return *v;
        }
        return NULL;
}

static const struct option_desc *find_long(const struct option_desc *table, const char *name, size_t n)
{
        for (; table && table->name; table++) {
                if (strlen(table->name) == n && strncmp(table->name, name, n) == 0)
                        return table;
        }
        return NULL;
}

static const struct option_desc *find_letter(const struct option_desc *table, char letter)
{
        for (; table && table->name; table++) {
                if (table->letter == letter)
                        return table;
        }
        return NULL;
}

static const struct option_desc *own_options(const struct args *args)
{
        return args->verb ? args->verb->options : NULL;
}

/* --- parsing --- */

struct parser {
        struct args *args;
        char **argv; /* what is left */
        int argc;
        char *error;
        size_t error_size;
};

static int put(struct parser *p, const struct option_desc *option, const char *value)
{
        struct args *args = p->args;
        struct given *more = realloc(args->given, (args->n_given + 1) * sizeof(*more));

        if (!more) {
                snprintf(p->error, p->error_size, "out of memory");
                return -1;
        }
        args->given = more;
        more[args->n_given++] = (struct given){ option, value };
        return 0;
}

static int need_value(struct parser *p, const struct option_desc *option)
{
        p->argv++;
        p->argc--;
        if (p->argc == 0) {
                snprintf(p->error, p->error_size, "option --%s needs a value: %s", option->name, option->arg);
                return -1;
        }
        return put(p, option, p->argv[0]);
}

static int parse_long(struct parser *p)
{
        const char *name = p->argv[0] + 2;
        size_t n = strcspn(name, "=");
        const struct option_desc *option = find_long(own_options(p->args), name, n);

        if (!option)
                option = find_long(global_options, name, n);
        if (!option) {
                snprintf(p->error, p->error_size, "there is no option --%.*s%s%s", (int)(n < 100 ? n : 100), name,
                         p->args->verb ? " of " : "", p->args->verb ? p->args->verb->name : "");
                return -1;
        }
        if (!option->arg && name[n] == '=') {
                snprintf(p->error, p->error_size, "option --%s has no value", option->name);
                return -1;
        }
        if (name[n] == '=')
                return put(p, option, name + n + 1);
        return option->arg ? need_value(p, option) : put(p, option, NULL);
}

static int parse_letters(struct parser *p)
{
        for (const char *c = p->argv[0] + 1; *c; c++) {
                const struct option_desc *option = find_letter(own_options(p->args), *c);

                if (!option)
                        option = find_letter(global_options, *c);
                if (!option) {
                        snprintf(p->error, p->error_size, "there is no option -%c%s%s", *c, p->args->verb ? " of " : "",
                                 p->args->verb ? p->args->verb->name : "");
                        return -1;
                }
                if (!option->arg) {
                        if (put(p, option, NULL) < 0)
                                return -1;
                        continue;
                }
                return c[1] ? put(p, option, c[1] == '=' ? c + 2 : c + 1) : need_value(p, option);
        }
        return 0;
}

/* The first word names the verb; the others are collected in place at the front of words. */
static int parse_word(struct parser *p)
{
        struct args *args = p->args;

        if (args->verb) {
                args->words[args->n_words++] = p->argv[0];
                return 0;
        }
        args->verb = verb_find(p->argv[0]);
        if (!args->verb) {
                snprintf(p->error, p->error_size, "there is no verb '%.100s'; 'sandboxctl --help' lists them",
                         p->argv[0]);
                return -1;
        }
        return 0;
}

static void take_rest(struct parser *p)
{
        for (; p->argc > 0; p->argv++, p->argc--)
                p->args->words[p->args->n_words++] = p->argv[0];
}

int args_parse(struct args *args, int argc, char **argv, char *error, size_t error_size)
{
        struct parser p = {.args = args, .argv = argv + 1, .argc = argc - 1, .error = error, .error_size = error_size};

        *args = (struct args){ .words = calloc((size_t)argc + 1, sizeof(char *)) };
        if (!args->words) {
                snprintf(error, error_size, "out of memory");
                return -1;
        }
        for (; p.argc > 0; p.argv++, p.argc--) {
                const char *word = p.argv[0];
                int r;

                if (strcmp(word, "--") == 0) {
                        args->dashes = true;
                        p.argv++, p.argc--;
                        take_rest(&p);
                        break;
                }
                if (args->verb && args->verb->command && (word[0] != '-' || word[1] == '\0')) {
                        parse_word(&p);
                        p.argv++, p.argc--;
                        if (p.argc > 0 && strcmp(p.argv[0], "--") == 0) /* ID -- COMMAND */
                                p.argv++, p.argc--;
                        take_rest(&p);
                        break;
                }
                if (word[0] != '-' || word[1] == '\0')
                        r = parse_word(&p);
                else
                        r = word[1] == '-' ? parse_long(&p) : parse_letters(&p);
                if (r < 0)
                        return -1;
        }
        return 0;
}

void args_deinit(struct args *args)
{
        free(args->given);
        free(args->words);
        *args = (struct args){ 0 };
}

/* --- questions --- */

static const struct option_desc *known(const struct args *args, const char *name)
{
        const struct option_desc *option = find_long(own_options(args), name, strlen(name));

        if (!option)
                option = find_long(global_options, name, strlen(name));
        assert(option); /* a typo, in our own code */
        return option;
}

const char *args_next(const struct args *args, const char *name, size_t *i)
{
        const struct option_desc *option = known(args, name);

        while (*i < args->n_given) {
                const struct given *given = &args->given[(*i)++];

                if (given->option == option)
                        return given->value ? given->value : "";
        }
        return NULL;
}

const char *args_get(const struct args *args, const char *name)
{
        const char *value, *last = NULL;
        size_t i = 0;

        while ((value = args_next(args, name, &i)))
                last = value;
        return last;
}

bool args_has(const struct args *args, const char *name)
{
        return args_get(args, name) != NULL;
}
