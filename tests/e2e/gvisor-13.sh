#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# gvisor.sh with the runsc of Debian 13 (20240729): its control sockets are files, and some methods have other names.

: "${top_srcdir:=.}" "${top_builddir:=.}"
. "$top_srcdir/tests/tap.sh"

programs=$(bash "$top_srcdir/tests/e2e/debian13.sh" "$top_builddir/tests/e2e/debian13" runsc) || {
        [ $? = 75 ] && skip_all "the mirror of Debian cannot be reached"
        echo "Bail out! the runsc of Debian 13 cannot be unpacked"
        exit 99
}
# what depends on the release; the rest is the same code
export CASES=${CASES:-no_resident_process statuses_and_streams over_a_restart exec_in_terminal by_the_socket left_running paused_over_a_restart statistics nobody_else}
E2E_RUNSC=$programs/runsc exec bash "$top_srcdir/tests/e2e/gvisor.sh"
