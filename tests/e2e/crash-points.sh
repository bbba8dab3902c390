#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The daemon is killed at named points: on both sides of each write, rename, fork, send and reaping, and in each state. A
# client that repeats its calls, as the library does, sees every status; the log has every event once; nothing is left.
# A run without a crash tells which points a container's life passes, and how often. CRASH_SHARE=N takes each Nth,
# others each time (CRASH_SEED); `make check-crash` takes all.

RUNTIMES=${RUNTIMES:-fake runc}
. "$top_srcdir/tests/e2e/lib.sh"

SANDBOXD=$top_builddir/sandboxd-crash
declare -A share=([fake]=${CRASH_SHARE:-20} [runc]=${CRASH_SHARE:-60} [crun]=${CRASH_SHARE:-60} [runsc]=${CRASH_SHARE:-60})
seed=${CRASH_SEED:-$RANDOM}
C=$T/crash
export SANDBOXD_CRASH=$C
mkdir "$C"
serial=0 not_reached=0

# One life. What each step said is in $T/said, for when it is wrong.
said() { # COMMAND...
        echo "> $*" >>"$T/said"
        "$@" >>"$T/said" 2>&1
}

life() {
        local r

        : >"$T/said"
        mark
        bundle . sh -c "trap 'exit 31' TERM; echo >$ready; while :; do sleep 0.02; done"
        [ -z "$1" ] || { echo "$1 $2 $((++serial))" >"$C/.at" && mv "$C/.at" "$C/at"; }
        said sbx create --bundle "$BUNDLE" --runtime "$RUNTIME" "$ID" || return 1
        said sbx start "$ID" || return 2
        eventually test -e "$seen" || return 3
        rm -f "$seen"
        said sbx exec "$ID" -- sh -c 'exit 32'
        r=$?
        # an exec by gVisor's control socket that was cut short may have run, or not: its client is told so
        [ $r = 32 ] || { [ "$RUNTIME $r" = "runsc 125" ] && tail -n 2 "$T/said" | grep -q interrupted; } || return 4
        said sbx kill -s TERM "$ID" || return 5
        said sbx wait "$ID"
        [ "$(tail -n 1 "$T/said")" = 31 ] || return 6
        said sbx delete "$ID" || return 7
}

# Every event once and in order, whatever was repeated.
log_is_right() {
        local got

        got=$(kinds | sed -E 's/\b(adopted|cleaned|warning) ?//g; s/ $//')
        [ "$got" != "create start exec-added exec-started exec-exit exit delete" ] || return 0
        [ "$RUNTIME $got" != "runsc create start exec-added exit delete" ] || return 0
        echo "> events: $got" >>"$T/said"
        return 1
}

no_container() {
        [ "$(rpc list '{"all_owners": true}' | gojq '.containers | length')" = 0 ]
}

no_descriptor() { # is anything stored of a process that has gone?
        ! find "/proc/$keeper_pid/fd" -lname '*pidfd*' | grep -q .
}

try() { # NAME N
        local r

        ID=life-$serial
        life "$@"
        r=$?
        if [ -e "$C/at" ]; then # not by what we ask now
                rm -f "$C/at"
                not_reached=$((not_reached + 1))
        fi
        [ $r != 0 ] || eventually no_container || r=9 # the last answer may have been the death of the daemon
        [ $r != 0 ] || log_is_right || r=8
        [ $r != 0 ] || eventually no_descriptor || r=10
        if [ $r != 0 ]; then
                ok 1 "killed at $1, time $2: step $r"
                note <"$T/said"
                rpc events.read "{\"since\": $((MARK + 1))}" | gojq -c '.events[]? | [.kind, .exec_id, .exit_status, .message]' | note
                sweep
        fi
        rm -rf "${T:?}/b/$ID"
        return $r
}

points() {
        local name n i=0 done=0 wrong=0

        # the fake runtime's containers are processes of the host
        seen=$T/vol/ready ready=/vol/ready
        [ "$RUNTIME" != fake ] || ready=$seen
        : >"$C/trace"
        ID=first
        life ''
        ok $? "a life without a crash"
        mounts_before=$(our_mounts) # with what runsc's first command needs for good
        sort "$C/trace" | uniq -c >"$C/points"
        rm -f "$C/trace"
        rm -rf "$T/b/first"
        while read -r n name; do
                for ((k = 1; k <= n; k++)); do
                        ((++i % share[$RUNTIME] == seed % share[$RUNTIME])) || [ "$name $k" = "${CRASH_POINT-}" ] || continue
                        # the keeper's delays grow with each death: a new one has none
                        ((++done % 4)) || { stop && launch; }
                        try "$name" "$k" || wrong=$((wrong + 1))
                done
        done <"$C/points"
        is "$wrong" 0 "killed at $done of $i points ($(wc -l <"$C/points") names; seed $seed; $not_reached not reached): nothing is lost"
        ID=points
}

e2e_start
for RUNTIME in $RUNTIMES; do
        run_case points
done
e2e_done
