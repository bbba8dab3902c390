/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bundle that we make is BUNDLES/NAMESPACE-ID, where BUNDLES is the daemon's: it removes the bundle with the
 * container. Until create has succeeded it is ours to remove.
 */
#include "client/ctl/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/atomicfile.h"
#include "base/fd.h"
#include "client/ctl/ending.h"
#include "client/ctl/terminal.h"

/* [ID] [COMMAND...]; "-- COMMAND..." leaves the id to us. */
static int take_id(struct launch *l, const struct args *args, char *const **ret_argv)
{
        struct error err = ERROR_NULL;
        int n = args->n_words > 0 && !args->dashes ? 1 : 0;

        if (n == 1)
                snprintf(l->id, sizeof(l->id), "%.*s", LIMIT_ID, args->words[0]);
        else
                ctl_random_id(l->id);
        *ret_argv = args->words + n;
        if (n == 1 && (id_check(args->words[0], "container id", &err) < 0)) {
                ctl_warn("%s", err.message);
                return -1;
        }
        return 0;
}

static int take_labels(struct launch *l, const struct args *args)
{
        _cleanup_(freep) const char **given = launch_values(args, "label");
        size_t n = 0;

        while (given[n])
                n++;
        l->labels = calloc(n + 1, sizeof(*l->labels));
        if (!l->labels)
                abort();
        for (size_t i = 0; i < n; i++) {
                char *equals = strchr(given[i], '=');

                if (!equals || equals == given[i]) {
                        ctl_warn("--label %s: wanted is KEY=VALUE", given[i]);
                        return -1;
                }
                l->labels[i].key = strndup(given[i], (size_t)(equals - given[i]));
                l->labels[i].value = equals + 1;
                l->params.labels = (struct list_kv){ l->labels, i + 1 };
        }
        return 0;
}

static int ask_daemon(struct launch *l, struct ctl *ctl, char bundles[LIMIT_PATH + 1])
{
        struct sandboxd_reply reply = SANDBOXD_REPLY_NULL;
        const struct info_result *info;

        if (ctl_call(ctl, METHOD_INFO, NULL, NULL, &reply) < 0) {
                sandboxd_reply_clear(&reply);
                return -1;
        }
        info = reply.result;
        l->event_seq = info->event_seq;
        snprintf(bundles, LIMIT_PATH + 1, "%s", info->bundles);
        sandboxd_reply_clear(&reply);
        return 0;
}

static int make_bundle(struct launch *l, const struct ctl *ctl, const struct args *args, const char *bundles,
                       char *const *argv)
{
        _cleanup_(freep) char *rootfs = ctl_realpath(ctl, args_get(args, "rootfs"));
        _cleanup_(freep) char *config = rootfs ? launch_config(ctl, args, l->id, rootfs, argv) : NULL;
        _cleanup_(fd_closep) int dir = -1;
        int r;

        if (!config)
                return -1;
        if (snprintf(l->bundle, sizeof(l->bundle), "%s/%s-%s", bundles, ctl->ns[0] ? ctl->ns : "default", l->id) >=
            (int)sizeof(l->bundle)) {
                ctl_warn("the path of the bundles, %s, is too long", bundles);
                return -1;
        }
        if (mkdir(l->bundle, 0700) < 0) {
                ctl_warn("cannot make the bundle %s: %s%s", l->bundle, strerror(errno),
                         errno == EEXIST ? " (a container of that id is or was there: 'sandboxctl delete' it, or "
                                           "remove the directory)"
                                         : "");
                return -1;
        }
        l->undo = true;
        dir = open(l->bundle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        r = dir < 0 ? -errno : atomicfile_write(dir, "config.json", config, strlen(config), 0600);
        if (r < 0) {
                ctl_warn("cannot write %s/config.json: %s", l->bundle, strerror(-r));
                return -1;
        }
        l->params.remove_bundle = true;
        return 0;
}

static int use_bundle(struct launch *l, const struct ctl *ctl, const struct args *args, char *const *argv)
{
        _cleanup_(freep) char *real = ctl_realpath(ctl, args_get(args, "bundle"));

        if (!real)
                return -1;
        if (*argv) {
                ctl_warn("a command is taken from the bundle's config.json: leave out '%s', or give --rootfs instead "
                         "of --bundle",
                         *argv);
                return -1;
        }
        snprintf(l->bundle, sizeof(l->bundle), "%s", real);
        return 0;
}

/* Where the output goes without FIFOs: nowhere, or to a file. */
static int use_log(struct launch *l, const struct args *args)
{
        const char *path = args_get(args, "log");
        _cleanup_(freep) char *cwd = NULL;

        if (!path)
                return 0;
        cwd = path[0] == '/' ? NULL : getcwd(NULL, 0);
        if (snprintf(l->log, sizeof(l->log), "file://%s%s%s", cwd ? cwd : "", cwd ? "/" : "", path) >=
            (int)sizeof(l->log)) {
                ctl_warn("--log: the path is too long");
                return -1;
        }
        l->params.stdout_path = l->log;
        if (!l->params.terminal)
                l->params.stderr_path = l->log;
        return 0;
}

static int use_fifos(struct launch *l, const char *bundles, bool in)
{
        struct error err = ERROR_NULL;
        char dir[LIMIT_PATH + 32], random[13];

        ctl_random_id(random);
        if (l->undo)
                snprintf(dir, sizeof(dir), "%s/io", l->bundle);
        else
                snprintf(dir, sizeof(dir), "%s/.io-%s", bundles, random);
        if (stdio_make(&l->stdio, dir, in, l->params.terminal, &err) < 0) {
                ctl_warn("%s", err.message);
                return -1;
        }
        l->params.stdin_path = l->stdio.in_path;
        l->params.stdout_path = l->stdio.out_path;
        l->params.stderr_path = l->stdio.err_path;
        return 0;
}

int launch_prepare(struct launch *l, struct ctl *ctl, const struct args *args, enum launch_stdio stdio)
{
        char bundles[LIMIT_PATH + 1];
        char *const *argv;

        *l = (struct launch){ .stdio = STDIO_NULL };
        if (args_has(args, "bundle") == args_has(args, "rootfs")) {
                ctl_usage(ctl, args->verb, "give one of --rootfs DIR and --bundle DIR");
                return -1;
        }
        if (take_id(l, args, &argv) < 0 || take_labels(l, args) < 0 || ask_daemon(l, ctl, bundles) < 0)
                return -1;
        l->runtime_args = launch_values(args, "runtime-arg");
        for (size_t n = 0; l->runtime_args[n]; n++)
                l->params.runtime_args = (struct strs){ l->runtime_args, n + 1 };
        l->params.owner = ctl->owner;
        l->params.ns = ctl->ns;
        l->params.id = l->id;
        l->params.bundle = l->bundle;
        l->params.runtime = args_get(args, "runtime");
        l->params.auto_remove = args_has(args, "rm");
        l->params.terminal = args_has(args, "tty");
        if (l->params.terminal)
                terminal_size(STDIN_FILENO, &l->params.console_width, &l->params.console_height);
        if ((args_has(args, "rootfs") ? make_bundle(l, ctl, args, bundles, argv) : use_bundle(l, ctl, args, argv)) < 0)
                return -1;
        return stdio == LAUNCH_NULL ? use_log(l, args) : use_fifos(l, bundles, stdio == LAUNCH_ALL);
}

int launch_create(struct launch *l, struct ctl *ctl, int *ret_status)
{
        struct sandboxd_reply reply = SANDBOXD_REPLY_NULL;
        int r = ctl_call(ctl, METHOD_CREATE, &l->params, l->id, &reply);

        if (r < 0)
                *ret_status = ctl->failure == EXIT_CTL ? ending_of_failure(&reply) : ctl->failure;
        /* Not known what the daemon did: then it may have the bundle. */
        if (r == 0 || reply.reason == REASON_DEADLINE || reply.reason == REASON_UNAVAILABLE ||
            reply.reason == REASON_IN_DOUBT)
                l->undo = false;
        sandboxd_reply_clear(&reply);
        if (r == 0)
                stdio_open_in(&l->stdio);
        return r;
}

void launch_deinit(struct launch *l)
{
        char path[LIMIT_PATH + 32];

        stdio_deinit(&l->stdio);
        if (l->undo) {
                snprintf(path, sizeof(path), "%s/config.json", l->bundle);
                unlink(path);
                rmdir(l->bundle);
        }
        for (size_t i = 0; i < l->params.labels.n; i++)
                free((void *)l->labels[i].key);
        free(l->labels);
        free(l->runtime_args);
}
