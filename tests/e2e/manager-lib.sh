# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# For tests below a service manager (tests/keeper/manager.py), which starts the keeper again and gives back what it has
# stored; read after lib.sh. $keeper_pid is then the manager's.

export MANAGER_DIR=$T/manager MANAGER_KEEPER=$KEEPER
KEEPER=$top_srcdir/tests/keeper/manager.py

the_keeper() {
        cat "$MANAGER_DIR/keeper" 2>/dev/null
}

daemon_pid() { # of the sandboxd that runs now
        local pid keeper

        keeper=$(the_keeper)
        for pid in $(cat "/proc/$keeper/task/$keeper/children" 2>/dev/null); do
                [ "$(readlink "/proc/$pid/exe")" != "$daemon_exe" ] || echo "$pid"
        done
}

below() { # does a sandboxd answer that is a child of a keeper other than this one?
        local now

        now=$(daemon_pid)
        [ -n "$now" ] && [ "$(the_keeper)" != "$1" ] && [ "$(info .pid)" = "$now" ]
}

stored() { # names of what is kept of containers: the fronts' own are left out
        tr ' ' '\n' <"$MANAGER_DIR/stored" | grep -v '^[LF]'
}

nothing_stored() {
        [ -z "$(stored)" ]
}
