/* SPDX-License-Identifier: Apache-2.0 */

/* sandboxd: arguments, and the exit status: 0 stopped in order, 1 failed, 2 wrong arguments or configuration (the
 * keeper does not start it again then). */

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/log.h"
#include "daemon/daemon.h"

#define EXIT_USAGE 2

static const char usage[] =
        "usage: sandboxd [--config FILE] [--root DIR] [--socket PATH] [--log-level LEVEL] [--delete KEY]\n"
        "\n"
        "Supervises all runc, crun and runsc containers of this host. Runs in the foreground.\n"
        "\n"
        "  --config FILE      configuration (default: " SYSCONFDIR "/sandboxd/sandboxd.toml, if it is there)\n"
        "  --root DIR         state directory (default: /run/sandboxd)\n"
        "  --socket PATH      RPC socket (default: sandboxd.sock in the state directory)\n"
        "  --log-level LEVEL  error, warn, info or debug (default: info)\n"
        "  --delete KEY       remove the container OWNER/NAMESPACE/ID by force, print its pid, exit status and time, "
        "and\n"
        "                     serve nobody: for when no sandboxd runs\n"
        "  --help             this text\n"
        "  --version          the version\n"
        "\n"
        "TERM, INT: stop serving and leave the containers running. HUP: read the configuration and open the log "
        "again.\n"
        "USR1: write the whole state to the log.\n";

/* 0: go on; else exit with *status. */
static int parse_arguments(int argc, char **argv, struct daemon_options *options, int *status)
{
        static const struct option long_options[] = {
                { "config", required_argument, NULL, 'c' },  { "root", required_argument, NULL, 'r' },
                { "socket", required_argument, NULL, 's' },  { "log-level", required_argument, NULL, 'l' },
                { "delete", required_argument, NULL, 'd' },
                { "help", no_argument, NULL, 'h' },          { "version", no_argument, NULL, 'v' },
                { 0 },
        };
        int c;

        while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
                switch (c) {
                case 'c':
                        options->config_path = optarg;
                        break;
                case 'r':
                        options->root = optarg;
                        break;
                case 's':
                        options->socket = optarg;
                        break;
                case 'l':
                        options->log_level = optarg;
                        break;
                case 'd':
                        options->delete_key = optarg;
                        break;
                case 'h':
                        fputs(usage, stdout);
                        *status = EXIT_SUCCESS;
                        return -1;
                case 'v':
                        puts("sandboxd " SANDBOXD_VERSION);
                        *status = EXIT_SUCCESS;
                        return -1;
                default:
                        fputs("try --help\n", stderr);
                        *status = EXIT_USAGE;
                        return -1;
                }
        }
        if (optind < argc) {
                fprintf(stderr, "sandboxd: unexpected argument \"%s\"; try --help\n", argv[optind]);
                *status = EXIT_USAGE;
                return -1;
        }
        return 0;
}

int main(int argc, char **argv)
{
        _cleanup_(daemon_freep) struct daemon *d = NULL;
        struct daemon_options options = { 0 };
        struct error err = ERROR_NULL;
        int status;

        if (parse_arguments(argc, argv, &options, &status) < 0)
                return status;
        if (daemon_new(&d, &options, &err) < 0) {
                log_error("%s", err.message);
                return err.reason == REASON_INVALID_ARGUMENT ? EXIT_USAGE : EXIT_FAILURE;
        }
        if (daemon_run(d, &err) < 0) {
                log_error("%s", err.message);
                return EXIT_FAILURE;
        }
        return EXIT_SUCCESS;
}
