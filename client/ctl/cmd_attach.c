/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include "client/ctl/commands.h"
#include "client/ctl/session.h"

static const struct option_desc options[] = {
        { 0, "exec", "EXEC", WORD_ANY, "a process that exec added" },
        { 0, "no-stdin", NULL, WORD_ANY, "do not hand standard input on" },
        { 0, "detach-keys", "KEYS", WORD_ANY, "keys that leave a terminal; ctrl-p,ctrl-q" },
        { 0 },
};

int detach_keys(const struct args *args, struct detach *ret)
{
        const char *keys = args_get(args, "detach-keys");

        if (detach_parse(ret, keys ? keys : "ctrl-p,ctrl-q") == 0)
                return 0;
        ctl_warn("--detach-keys %s: wanted are characters and ctrl-X with a comma between two, such as ctrl-p,ctrl-q",
                 keys);
        return -1;
}

static int run(struct ctl *ctl, const struct args *args)
{
        char id[LIMIT_ID + 1];
        struct target target = { .owner = ctl->owner, .ns = ctl->ns, .id = id, .exec_id = args_get(args, "exec") };
        _cleanup_(stdio_deinitp) struct stdio stdio = STDIO_NULL;
        _cleanup_(session_deinitp) struct session session;
        struct sandboxd_reply reply = SANDBOXD_REPLY_NULL;
        const struct process_state *process;
        struct error err = ERROR_NULL;
        int r;

        session_init(&session, ctl, &target, &stdio);
        if (detach_keys(args, &session.detach) < 0 || ctl_resolve(ctl, args->words[0], id) < 0)
                return ctl->failure;
        r = ctl_call(ctl, METHOD_STATE, &target, id, &reply);
        process = r == 0 ? ((const struct state_result *)reply.result)->process : NULL;
        if (process) {
                session.terminal = process->terminal;
                r = stdio_use(&stdio, args_has(args, "no-stdin") ? "" : process->stdin_path, process->stdout_path,
                              process->stderr_path, &err);
                if (r < 0)
                        ctl_warn("%s", err.message);
                else if (stdio.out_fd < 0 && (r = -1))
                        ctl_warn("%s: its output does not go to FIFOs that can be opened here", id);
        }
        sandboxd_reply_clear(&reply);
        if (r < 0 || !process || session_begin(&session) < 0)
                return ctl->failure;
        stdio_open_in(&stdio);
        return session_loop(&session);
}

const struct verb verb_attach = {
        .name = "attach",
        .synopsis = "ID",
        .summary = "Come back to a process that run or exec left with its input and output open.",
        .options = options,
        .min_args = 1,
        .max_args = 1,
        .word = WORD_ID,
        .failure = EXIT_CTL,
        .run = run,
};
