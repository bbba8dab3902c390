/* SPDX-License-Identifier: Apache-2.0 */

/* containerd-shim-sandboxd-v1: what containerd executes for each container (start, delete, -info, -v), and the front
 * that answers its calls (serve). A table says which is which. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "client/shim/shim.h"

static const struct action {
        const char *name;
        int (*run)(const struct shim_args *args);
        const char *text;
} actions[] = {
        { "start", stub_start, "make this containerd known to sandboxd, and print where its calls are answered" },
        { "delete", stub_delete, "remove what is left of a container, and print how it ended" },
        { "serve", front_main, "answer the Task calls of one containerd (sandboxd starts it)" },
};

static int usage(FILE *f)
{
        fputs("usage: containerd-shim-sandboxd-v1 [FLAGS] ACTION\n\ncontainerd executes this. The actions:\n", f);
        for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
                fprintf(f, "  %-8s %s\n", actions[i].name, actions[i].text);
        return f == stdout ? EXIT_SUCCESS : SHIM_EXIT_USAGE;
}

int main(int argc, char **argv)
{
        struct shim_args args;

        shim_args_parse(&args, argc, argv);
        if (args.help)
                return usage(stdout);
        if (args.version)
                return stub_version();
        if (args.info)
                return stub_info();
        for (size_t i = 0; args.action && i < ARRAY_SIZE(actions); i++)
                if (strcmp(args.action, actions[i].name) == 0)
                        return actions[i].run(&args);
        if (args.action)
                fprintf(stderr, "containerd-shim-sandboxd-v1: there is no action \"%s\"\n", args.action);
        return usage(stderr);
}
