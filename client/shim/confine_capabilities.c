/* SPDX-License-Identifier: Apache-2.0 */

/* The only file that uses libcap-ng. */

#include "client/shim/confine.h"

#include <cap-ng.h>
#include <errno.h>

int confine_capabilities(void)
{
        capng_select_t all = CAPNG_SELECT_CAPS | CAPNG_SELECT_AMBIENT;

        if (capng_get_caps_process() < 0)
                return -EPERM;
        /* Who may not reduce the bounding set is not root, and has nothing to give back. */
        if (capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP))
                all = CAPNG_SELECT_ALL;
        capng_clear(all);
        return capng_apply(all) < 0 ? -EPERM : 0;
}
