/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs in the order of the help, and the options that every one has. */
#include "client/ctl/commands.h"

const struct option_desc global_options[] = {
        {'n', "namespace", "NAME", WORD_NAMESPACE, "namespace of the containers; default"},
        {0, "owner", "NAME", WORD_ANY,
         "owner of the containers: empty for those of sandboxctl, else a containerd's name"},
        {0, "socket", "PATH", WORD_FILE, "the daemon's socket; $SANDBOXD_SOCKET, " SANDBOXD_SOCKET_DEFAULT},
        {0, "format", "table|json", WORD_FORMAT, "how to print"},
        {0, "timeout", "TIME", WORD_ANY, "how long to wait for an answer; 2m"},
        {'h', "help", NULL, WORD_ANY, "explain the verb"},
        {0, "version", NULL, WORD_ANY, "print the version"},
        {0},
};

#define VERB_REF(name) &verb_##name,
const struct verb *const verbs[] = { VERBS(VERB_REF) NULL };
