/* SPDX-License-Identifier: Apache-2.0 */
/* A program of somebody else's: only the installed headers and the library. Also compiled as C++. */
#include <sandboxd/client.h>
#include <sandboxd/methods.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
        struct sandboxd_client *c = sandboxd_client_new(argc > 1 ? argv[1] : NULL);
        struct sandboxd_reply reply = SANDBOXD_REPLY_NULL;
        struct sandboxd_target params;
        const struct sandboxd_state_result *state;

        memset(&params, 0, sizeof(params));
        params.id = "web";
        sandboxd_client_set_patience(c, 0);
        state = sandboxd_state(c, &params, 1000, &reply);
        printf("%s %s %d\n", state ? "result" : "error", sandboxd_reason_name(reply.reason), reply.code);
        sandboxd_reply_clear(&reply);
        sandboxd_client_free(c);
        return 0;
}
