/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <unistd.h>
#include "client/ctl/commands.h"
#include "client/ctl/ending.h"
#include "client/ctl/launch.h"
#include "client/ctl/session.h"

static const struct option_desc options[] = {
        { 'd', "detach", NULL, WORD_ANY, "leave it running, print its id" },
        { 'i', "interactive", NULL, WORD_ANY, "hand standard input on" },
        { 0, "detach-keys", "KEYS", WORD_ANY, "keys that leave a terminal; ctrl-p,ctrl-q" },
        OPTIONS_LAUNCH,
        { 0 },
};

static int start(struct ctl *ctl, const struct launch *l, int *ret_status)
{
        struct start_params params = { .owner = ctl->owner, .ns = ctl->ns, .id = l->id };
        struct delete_params delete = { .owner = ctl->owner, .ns = ctl->ns, .id = l->id, .force = true };
        struct sandboxd_reply reply = SANDBOXD_REPLY_NULL;
        int r = ctl_call(ctl, METHOD_START, &params, l->id, &reply);

        if (r < 0) {
                *ret_status = ending_of_failure(&reply);
                /* what did not start leaves nothing behind; that it may be gone already is fine */
                sandboxd_call(ctl->client, METHOD_DELETE, &delete, ctl->timeout_ms, &reply);
        }
        sandboxd_reply_clear(&reply);
        return r;
}

/* The daemon removes it by itself; what comes after run is to find nothing of it. */
static void await_removal(struct ctl *ctl, const struct launch *l)
{
        struct delete_params params = { .owner = ctl->owner, .ns = ctl->ns, .id = l->id };
        struct sandboxd_reply reply = SANDBOXD_REPLY_NULL;

        if (sandboxd_call(ctl->client, METHOD_DELETE, &params, ctl->timeout_ms, &reply) < 0 &&
            reply.reason != REASON_NOT_FOUND)
                ctl_warn("%s: not removed: %s", l->id, reply.message);
        sandboxd_reply_clear(&reply);
}

static int run_attached(struct ctl *ctl, const struct args *args, struct launch *l)
{
        struct target target = { .owner = ctl->owner, .ns = ctl->ns, .id = l->id };
        _cleanup_(session_deinitp) struct session session;
        int status = EXIT_CTL;

        session_init(&session, ctl, &target, &l->stdio);
        session.terminal = l->params.terminal;
        session.events_since = l->event_seq + 1;
        if (detach_keys(args, &session.detach) < 0)
                return EXIT_CTL;
        if (launch_create(l, ctl, &status) < 0 || session_begin(&session) < 0 || start(ctl, l, &status) < 0)
                return status;
        status = session_loop(&session);
        if (l->params.auto_remove && !session.left)
                await_removal(ctl, l);
        return status;
}

static int run(struct ctl *ctl, const struct args *args)
{
        bool detach = args_has(args, "detach"), in = args_has(args, "interactive"), terminal = args_has(args, "tty");
        _cleanup_(launch_deinitp) struct launch l;
        enum launch_stdio stdio = in ? LAUNCH_ALL : detach && !terminal ? LAUNCH_NULL : LAUNCH_OUTPUT;
        int status = EXIT_CTL;

        if (launch_prepare(&l, ctl, args, stdio) < 0)
                return EXIT_CTL;
        if (!detach)
                return run_attached(ctl, args, &l);
        if (stdio != LAUNCH_NULL && !l.params.remove_bundle)
                return ctl_usage(ctl, args->verb, "--detach with --interactive or --tty needs --rootfs");
        if (launch_create(&l, ctl, &status) < 0 || start(ctl, &l, &status) < 0)
                return status;
        l.stdio.ours = false; /* they stay for attach, in the bundle */
        printf("%s\n", l.id);
        return 0;
}

const struct verb verb_run = {
        .name = "run",
        .synopsis = "{--rootfs DIR [ID] [-- COMMAND [ARG...]] | --bundle DIR [ID]}",
        .summary = "Create and start a container, and stay with it until it ends.",
        .text = "With --rootfs a bundle is made from the options, and removed with the container. With --bundle the\n"
                "options that make a config.json have no effect. Without ID one is made up.\n\n"
                "The exit status is that of the process; 125 if sandboxctl or sandboxd failed, 126 if the command "
                "cannot\n"
                "be executed, 127 if it cannot be found. TERM, INT, HUP, QUIT, USR1 and USR2 are handed on to the "
                "process,\n"
                "unless it has the terminal.",
        .options = options,
        .max_args = -1,
        .word = WORD_ANY,
        .command = true,
        .failure = EXIT_CTL,
        .run = run,
};
