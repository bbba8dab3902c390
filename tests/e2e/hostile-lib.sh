# SPDX-License-Identifier: Apache-2.0
# For tests in which the host is hostile; read instead of lib.sh, which it reads.

. "$top_srcdir/tests/e2e/crash-lib.sh"

die() { # of the daemon; its keeper starts the next one
        local old

        old=$(daemon_pid)
        kill -KILL "$old"
        eventually another "$old" || ok 1 "the next daemon answers"
}

# A container that runs until let_it_end, and ends with this status. (The fake runtime's are processes of the host.)
ends_when_told() { # STATUS
        local go=/vol/go.$ID

        rm -f "$T/vol/go.$ID"
        mkfifo "$T/vol/go.$ID"
        [ "$RUNTIME" != fake ] || go=$T/vol/go.$ID
        run sh -c "read -r x <$go; exit $1"
}

let_it_end() {
        timeout 30 bash -c 'echo >"$1"' - "$T/vol/go.$ID" || ok 1 "it waits for its end"
        rm -f "$T/vol/go.$ID"
}
