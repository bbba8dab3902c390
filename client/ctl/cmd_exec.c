/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "base/fd.h"
#include "client/ctl/commands.h"
#include "client/ctl/ending.h"
#include "client/ctl/launch.h"
#include "client/ctl/session.h"

static const struct option_desc options[] = {
        { 'd', "detach", NULL, WORD_ANY, "leave it running, print its exec id" },
        { 'i', "interactive", NULL, WORD_ANY, "hand standard input on" },
        { 't', "tty", NULL, WORD_ANY, "give the process a terminal" },
        { 0, "detach-keys", "KEYS", WORD_ANY, "keys that leave a terminal; ctrl-p,ctrl-q" },
        { 0, "exec-id", "ID", WORD_ANY, "name of the process in the container; made up where none is given" },
        OPTIONS_PROCESS,
        { 0 },
};

/* Where the container is and what the newest event is, before it. */
struct place {
        char id[LIMIT_ID + 1], exec_id[LIMIT_ID + 1], io_dir[PATH_MAX];
        uint64_t event_seq;
        char *spec;
};

static int make_spec(struct ctl *ctl, const struct args *args, struct place *place)
{
        struct target target = { .owner = ctl->owner, .ns = ctl->ns, .id = place->id };
        _cleanup_(launch_process_deinitp) struct spec_process process = { 0 };
        struct sandboxd_reply reply = SANDBOXD_REPLY_NULL;
        _cleanup_(freep) char *config = NULL;
        const struct state_result *state;
        struct error err = ERROR_NULL;
        char path[LIMIT_PATH + 32];
        size_t len;

        if (ctl_call(ctl, METHOD_STATE, &target, place->id, &reply) < 0) {
                sandboxd_reply_clear(&reply);
                return -1;
        }
        state = reply.result;
        snprintf(path, sizeof(path), "%s/config.json", state->bundle);
        if (fd_read_file(AT_FDCWD, path, LIMIT_JSON, &config, &len) < 0)
                config = NULL; /* it may be gone, or not ours to read: then the defaults */
        launch_process(args, &process);
        process.argv = args->words + 1;
        place->spec = spec_exec(config, state->rootfs[0] ? state->rootfs : NULL, &process, &err);
        sandboxd_reply_clear(&reply);
        if (!place->spec)
                ctl_warn("%s: %s", place->id, err.message);
        return place->spec ? 0 : -1;
}

static int find_place(struct ctl *ctl, const struct args *args, struct place *place)
{
        struct sandboxd_reply reply = SANDBOXD_REPLY_NULL;
        const char *exec_id = args_get(args, "exec-id");
        const struct info_result *info;
        struct error err = ERROR_NULL;

        if (exec_id && id_check(exec_id, "exec id", &err) < 0) {
                ctl_warn("%s", err.message);
                return -1;
        }
        if (exec_id)
                snprintf(place->exec_id, sizeof(place->exec_id), "%s", exec_id);
        else
                ctl_random_id(place->exec_id);
        if (ctl_resolve(ctl, args->words[0], place->id) < 0 || ctl_call(ctl, METHOD_INFO, NULL, NULL, &reply) < 0) {
                sandboxd_reply_clear(&reply);
                return -1;
        }
        info = reply.result;
        place->event_seq = info->event_seq;
        snprintf(place->io_dir, sizeof(place->io_dir), "%s/.io-%s-%s", info->bundles, place->id, place->exec_id);
        sandboxd_reply_clear(&reply);
        return make_spec(ctl, args, place);
}

/* exec, then start. The end is asked for between them: then it cannot be missed. */
static int add_and_start(struct ctl *ctl, const struct exec_params *params, struct session *session)
{
        struct start_params start = {
                .owner = params->owner, .ns = params->ns, .id = params->id, .exec_id = params->exec_id};
        struct sandboxd_reply reply = SANDBOXD_REPLY_NULL;
        int r = ctl_call(ctl, METHOD_EXEC, params, params->id, &reply), status = 0;

        if (r == 0 && session)
                r = session_begin(session);
        if (r == 0)
                r = ctl_call(ctl, METHOD_START, &start, params->id, &reply);
        if (r == 0 && session)
                stdio_open_in(session->stdio); /* its reader comes with the start */
        if (r < 0)
                status = reply.reason ? ending_of_failure(&reply) : EXIT_CTL;
        sandboxd_reply_clear(&reply);
        return status;
}

static int exec_attached(struct ctl *ctl, const struct args *args, struct exec_params *params,
                         const struct place *place)
{
        struct target target = { .owner = ctl->owner, .ns = ctl->ns, .id = place->id, .exec_id = place->exec_id };
        _cleanup_(stdio_deinitp) struct stdio stdio = STDIO_NULL;
        _cleanup_(session_deinitp) struct session session;
        struct error err = ERROR_NULL;
        int status;

        session_init(&session, ctl, &target, &stdio);
        session.terminal = params->terminal;
        session.events_since = place->event_seq + 1;
        if (detach_keys(args, &session.detach) < 0)
                return EXIT_CTL;
        if (stdio_make(&stdio, place->io_dir, args_has(args, "interactive"), params->terminal, &err) < 0)
                return ctl_fail(ctl, "%s", err.message);
        params->stdin_path = stdio.in_path;
        params->stdout_path = stdio.out_path;
        params->stderr_path = stdio.err_path;
        status = add_and_start(ctl, params, &session);
        return status != 0 ? status : session_loop(&session);
}

static int run(struct ctl *ctl, const struct args *args)
{
        struct place place = { 0 };
        int r = find_place(ctl, args, &place);
        _cleanup_(freep) char *spec = place.spec;
        struct exec_params params = {
                .owner = ctl->owner, .ns = ctl->ns, .id = place.id, .exec_id = place.exec_id, .auto_remove = true,
                .terminal = args_has(args, "tty"),
        };

        if (r < 0)
                return EXIT_CTL;
        params.spec = (struct blob){ (const uint8_t *)spec, strlen(spec) };
        if (params.terminal)
                terminal_size(STDIN_FILENO, &params.console_width, &params.console_height);
        if (!args_has(args, "detach"))
                return exec_attached(ctl, args, &params, &place);
        r = add_and_start(ctl, &params, NULL);
        if (r == 0)
                printf("%s\n", place.exec_id);
        return r;
}

const struct verb verb_exec = {
        .name = "exec",
        .synopsis = "ID COMMAND [ARG...]",
        .summary = "Run a further process in a running container.",
        .text = "It has the environment, user, directory and capabilities of the container's own process, but for what "
                "options\n"
                "say. The exit status is as for run.",
        .options = options,
        .min_args = 2,
        .max_args = -1,
        .word = WORD_ID,
        .command = true,
        .failure = EXIT_CTL,
        .run = run,
};
