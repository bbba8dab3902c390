#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The containerd of Debian 13 (1.7): it asks for more than 1.6 does. Pids at its restart, -info, and so on.

. "$top_srcdir/tests/e2e/ctr-lib.sh"

programs=$(bash "$top_srcdir/tests/e2e/debian13.sh" "$top_builddir/tests/e2e/debian13" containerd) || {
        [ $? = 75 ] && skip_all "Debian's mirror can't be reached"
        echo "Bail out! containerd of Debian 13 cannot be unpacked"
        exit 99
}

core() { # RUNTIME
        local out id=$1 CTR_OPTIONS=

        # ctr looks at the exact name of the runtime before it takes --runc-binary, so the options are a file
        printf 'BinaryName = "%s"\n' "$1" >"$CD/$1.toml"
        [ "$1" != runsc ] || printf '[runsc_config]\nplatform = "ptrace"\nnetwork = "none"\n' >>"$CD/$1.toml"
        [ "$1" = runc ] || CTR_OPTIONS="--runtime-config-path $CD/$1.toml"
        out=$(CTR_OPTIONS="$CTR_OPTIONS --rm" ctr_run "$id-1" sh -c 'echo hello; exit 3')
        is "$? $out" "3 hello" "run --rm"
        CTR_OPTIONS="$CTR_OPTIONS -d" ctr_run "$id" sleep 100000 | note
        task_is "$id" RUNNING
        ok $? "run -d"
        out=$(ctr task exec --exec-id e "$id" sh -c 'echo inside; exit 4' 2>&1)
        is "$? $out" "4 inside" "exec"
        ctr task pause "$id" && task_is "$id" PAUSED && ctr task resume "$id" && task_is "$id" RUNNING
        ok $? "pause and resume"
        like "$(ctr task metrics "$id" 2>&1)" "*memory.usage_in_bytes*" "metrics"
        like "$(ctr task ps "$id" 2>&1)" "PID*[0-9]*" "ps"
}

restart_of_containerd() { # RUNTIME
        local pid

        CTR_OPTIONS=-d ctr_run ends sleep 100000 | note
        pid=$(task_pid ends)
        kill "$events_pid" 2>/dev/null
        stop_containerd KILL
        kill -KILL "$pid"
        launch_containerd
        watch_events
        task_is "$1" RUNNING
        ok $? "it is taken up again after containerd was killed"
        is "$(ctr task exec --exec-id after "$1" echo still here 2>&1)" "still here" "and takes an exec"
        eventually eval '[ "$(task_status ends)" != RUNNING ]'
        ok $? "what ended meanwhile is not said to run"
        ctr task delete -f ends >/dev/null 2>&1
        ctr container delete ends
        ok $? "and can be removed"
}

end_of() { # RUNTIME
        ctr task kill -s KILL "$1" && eventually task_is "$1" STOPPED
        ok $? "kill"
        like "$(ctr task delete "$1" 2>&1)" "*exit code 137*" "delete"
        ctr container delete "$1"
        eventually saw "$1" delete
        ok $? "its events come"
}

ctr_start "$programs"
for RUNTIME in ${RUNTIMES/crun/}; do # crun of Debian 12 does not know the version of the specification that 1.7 writes
        tap_prefix="$RUNTIME: "
        core "$RUNTIME"
        [ "$RUNTIME" != runc ] || restart_of_containerd "$RUNTIME"
        end_of "$RUNTIME"
done
tap_prefix=
ctr_done
