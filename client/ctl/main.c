/* SPDX-License-Identifier: Apache-2.0 */
/* sandboxctl: the operator's command. Each verb is one call to the daemon, or a few. */
#include "config.h"

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "client/ctl/commands.h"

#define TIMEOUT_MS 120000    /* a runtime command may take its time */
#define PATIENCE_FIRST_MS 1000 /* a daemon that restarts right now is back by then */
#define EXIT_USAGE 2

static bool wants_color(void)
{
        const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

        return isatty(STDOUT_FILENO) && (!no_color || !*no_color) && (!term || strcmp(term, "dumb") != 0);
}

/* 0, or -1: printed. */
static int ctl_init(struct ctl *ctl, const struct args *args)
{
        const char *format = args_get(args, "format"), *socket = args_get(args, "socket");
        const char *ns = args_get(args, "namespace"), *owner = args_get(args, "owner");

        ctl->ns = ns ? ns : "default";
        ctl->owner = owner ? owner : "";
        ctl->color = wants_color();
        ctl->timeout_ms = TIMEOUT_MS;
        if (format && strcmp(format, "json") == 0)
                ctl->format = FORMAT_JSON;
        else if (format && strcmp(format, "table") != 0) {
                ctl_warn("--format %s: wanted is table or json", format);
                return -1;
        }
        if (ctl_option_duration(ctl, args, "timeout", &ctl->timeout_ms) < 0)
                return -1;
        if (!socket)
                socket = getenv("SANDBOXD_SOCKET");
        ctl->client = sandboxd_client_new(socket && *socket ? socket : NULL);
        if (!ctl->client) {
                ctl_warn("%s: %s", socket ? socket : SANDBOXD_SOCKET_DEFAULT, strerror(errno));
                return -1;
        }
        sandboxd_client_set_patience(ctl->client, PATIENCE_FIRST_MS);
        return 0;
}

static int check_words(const struct ctl *ctl, const struct args *args)
{
        const struct verb *verb = args->verb;

        if (args->n_words < verb->min_args) {
                ctl_usage(ctl, verb,
                          args->n_words == 0 && verb->word == WORD_ID ? "which container?" : "something is missing");
                return -1;
        }
        if (verb->max_args >= 0 && args->n_words > verb->max_args) {
                ctl_usage(ctl, verb, "'%s' is too much", args->words[verb->max_args]);
                return -1;
        }
        return 0;
}

/* What needs no daemon and no verb. Returns the exit status, or -1: go on. */
static int answer_at_once(const struct args *args)
{
        if (args_has(args, "version")) {
                printf("sandboxctl %s\n", PACKAGE_VERSION);
                return 0;
        }
        if (args_has(args, "help") || !args->verb) {
                FILE *f = args_has(args, "help") ? stdout : stderr;

                if (args->verb)
                        help_verb(f, args->verb);
                else
                        help_program(f);
                return f == stdout ? 0 : EXIT_USAGE;
        }
        return -1;
}

int main(int argc, char **argv)
{
        struct ctl ctl = { .failure = EXIT_USAGE };
        struct args args;
        char error[256];
        int status = EXIT_USAGE;

        setlocale(LC_CTYPE, ""); /* for the width of tables only: numbers are the same everywhere */
        if (args_parse(&args, argc, argv, error, sizeof(error)) < 0) {
                status = args.verb && args.verb->failure ? args.verb->failure : EXIT_USAGE;
                ctl_usage(&ctl, args.verb, "%s", error);
        } else if ((status = answer_at_once(&args)) < 0) {
                status = args.verb->failure ? args.verb->failure : EXIT_USAGE;
                if (check_words(&ctl, &args) == 0 && ctl_init(&ctl, &args) == 0) {
                        ctl.failure = args.verb->failure ? args.verb->failure : EXIT_FAILURE;
                        status = args.verb->run(&ctl, &args);
                }
        }
        sandboxd_client_free(ctl.client);
        args_deinit(&args);
        if (fflush(stdout) != 0 && status == 0)
                status = ctl_fail(&ctl, "cannot write: %s", strerror(errno));
        return status;
}
