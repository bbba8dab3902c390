# SPDX-License-Identifier: Apache-2.0
# For tests in which daemons come and go; read instead of lib.sh, which it reads.

. "$top_srcdir/tests/e2e/lib.sh"

another() { # answers another daemon than $1?
        local now

        now=$(rpc info 2>/dev/null | gojq -r .pid)
        [ -n "$now" ] && [ "$now" != "$1" ]
}

# The keeper stands still for as long as this: so that what happens meanwhile happens without any daemon.
without_daemon() { # COMMAND...
        local old

        old=$(daemon_pid)
        kill -STOP "$keeper_pid"
        kill -KILL "$old"
        "$@"
        kill -CONT "$keeper_pid"
        eventually another "$old"
}

let_end() {
        echo >"$T/vol/go"
        eventually gone "$1"
}

gone() { # is the process a zombie of the keeper, or reaped?
        ! grep -qsE '^State:\s+[^ZX]' "/proc/$1/status"
}

let_exec_end() { # there may be no process of it to be seen here
        echo >"$T/vol/go"
        eventually [ -e "$T/vol/ends" ]
}
