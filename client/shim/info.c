/* SPDX-License-Identifier: Apache-2.0 */

/* `-info`: what this runtime is, as containerd.types.RuntimeInfo. It needs no sandboxd. */

#include <stdio.h>
#include <unistd.h>
#include "base/fd.h"
#include "client/shim/shim.h"
#include "client/shim/stub.h"
#include "proto/shim/bootstrap.pb-c.h"

int stub_version(void)
{
        puts(FRONT_PROGRAM " " SANDBOXD_VERSION);
        return 0;
}

int stub_info(void)
{
        Shim__RuntimeInfo info = SHIM__RUNTIME_INFO__INIT;
        Shim__RuntimeVersion version = SHIM__RUNTIME_VERSION__INIT;
        uint8_t bytes[256];

        version.version = (char *)SANDBOXD_VERSION;
        info.name = (char *)"io.containerd.sandboxd.v1";
        info.version = &version;
        if (shim__runtime_info__get_packed_size(&info) > sizeof(bytes))
                return stub_fail("the answer is too large");
        return fd_write_all(STDOUT_FILENO, bytes, shim__runtime_info__pack(&info, bytes)) == 0 ? 0 : 1;
}
