/* SPDX-License-Identifier: Apache-2.0 */

/* Sends its own standard input, output and error to the daemon: they were opened in this process, where that may hang.
 */

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include "base/fd.h"
#include "daemon/helper/helper.h"

int helper_give(const char *socket, struct error *err)
{
        static const int fds[] = { 0, 1, 2 };
        ssize_t n = fd_send(atoi(socket), "", 1, fds, ARRAY_SIZE(fds), MSG_NOSIGNAL);

        return n < 0 ? error_set_errno(err, HELPER_FAILED, (int)n, "cannot give the descriptors") : 0;
}
