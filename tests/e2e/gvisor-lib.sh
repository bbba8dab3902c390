# SPDX-License-Identifier: Apache-2.0
# For tests of what gVisor can do; read instead of lib.sh, which it reads.

. "$top_srcdir/tests/e2e/lib.sh"

# A container that writes lines to its output.
counts() { # does it count on?
        local n

        n=$(wc -l <"$T/out/$ID")
        eventually counted_from "$n"
}

counted_from() {
        [ "$(wc -l <"$T/out/$ID")" -gt "$1" ]
}
