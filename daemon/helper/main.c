/* SPDX-License-Identifier: Apache-2.0 */

/* The sub-commands, as a table. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/spawn_child.h"
#include "daemon/helper/helper.h"

static const struct {
        const char *name, *arg, *help;
        int (*run)(const char *path, struct error *err);
} commands[] = {
        { "umount", "DIR", "unmount everything at and below DIR", helper_umount },
        { "rmtree", "DIR", "remove a tree; leaves mounts alone", helper_rmtree },
        { "netns", "PATH", "make a network namespace and mount it to PATH", helper_netns },
        { "read", "FILE", "write a regular file to standard output", helper_read },
        { "image", "DIR", "make the file of a checkpoint and send it over descriptor 3", helper_image },
        { "write", "FILE", "replace FILE by standard input", helper_write },
        { "volumes", "DIR", "look for the patterns of standard input below DIR", helper_volumes },
        { "give", "FD", "send standard input, output and error over the socket FD", helper_give },
        { "netns-remove", "PATH", "unmount and remove it", helper_netns_remove },
};

static int usage(void)
{
        fprintf(stderr, "usage: sandboxd-helper");
        for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
                fprintf(stderr, "%s %s %s", i ? " |" : "", commands[i].name, commands[i].arg);
        fputc('\n', stderr);
        return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
        struct error err = ERROR_NULL;

        if (argc > 3 && strcmp(argv[1], "spawn") == 0) /* the daemon's own affair: base/spawn.h */
                spawn_child_main(atoi(argv[2]), argv + 3, environ);
        if (argc != 3)
                return usage();
        for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
                if (strcmp(commands[i].name, argv[1]))
                        continue;
                if (commands[i].run(argv[2], &err) == 0)
                        return EXIT_SUCCESS;
                fprintf(stderr, "%s\n", err.message);
                return EXIT_FAILURE;
        }
        return usage();
}
