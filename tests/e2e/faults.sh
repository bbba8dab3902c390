#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A clock that jumps. And, with FAULTS_SHARE=N (`make check-memory`), no memory: one allocation of sandboxd fails, each Nth
# and others each time, in the life of a container. A request fails with no-resources, or its connection is closed, and can be
# repeated, or sandboxd ends itself and the next one goes on; a container beside it never notices.

. "$top_srcdir/tests/e2e/hostile-lib.sh"

SANDBOXD=$top_builddir/sandboxd-faults
export SANDBOXD_FAULTS=$T/faults
offset=0

faults() { # ALLOCATION [SECONDS THAT THE CLOCK IS AHEAD]
        offset=${2-$offset}
        printf '%010d %+019d .' "$1" "$offset" | dd of="$SANDBOXD_FAULTS" conv=notrunc 2>/dev/null
}

was_hit() {
        [ "$(tail -c 1 "$SANDBOXD_FAULTS")" = '!' ]
}

# A request, once more if it fails: there is memory then. Requests that were done without an answer are done.
try() { # REASON WHEN IT IS DONE ALREADY, METHOD [JSON]
        local done=$1 status

        reason=
        shift
        call "$@" 2>/dev/null
        status=$?
        [ $status != 0 ] || return 0
        if [ $status = 1 ]; then
                reason=$(field .reason)
                refusals=$((refusals + 1))
                [[ $reason = @(no-resources|internal|runtime-failed|cancelled) ]] || { echo "> $*: $(last)" >>"$T/said"; return 1; }
        elif [ $status = 3 ]; then
                echo "> $*: no answer, and sandboxd goes on" >>"$T/said"
                return 1
        else
                eventually answers
        fi
        call "$@" 2>/dev/null && return 0
        [ -n "$done" ] && [ "$(field .reason)" = "$done" ] && return 0
        echo "> $* again, after ${reason:-no answer}: $(last)" >>"$T/said"
        return 1
}

life() {
        local spec='{"args": ["/bin/sh", "-c", "exit 32"], "env": ["PATH=/bin"], "cwd": "/", "user": {"uid": 0, "gid": 0}}'

        try already-exists create "{runtime: \"fake\", bundle: \"$BUNDLE\"}" || return 1
        try wrong-state start || { [ "$(field .reason)" = stopped ] && try not-found delete; return; }
        try already-exists exec "{exec_id: \"e\", spec: {\"\$bin\": $(gojq -nc --arg s "$spec" '$s')}}" || return 2
        try wrong-state start '{exec_id: "e"}' || return 3
        if [ -z "$reason" ]; then # one that could not be started has ended
                try '' wait '{exec_id: "e"}' && [ "$(field .exit_status)" = 32 ] || return 10
        fi
        try process-finished kill '{signal: 9}' || return 4
        try '' wait && [ "$(field .exit_status)" = 137 ] || return 5
        try not-found delete || return 6
}

once_each() { # what the log has of it
        local got

        got=$(kinds | sed -E 's/\b(adopted|cleaned|warning) ?//g')
        [ "$(tr ' ' '\n' <<<"$got" | sort | uniq -d)" = "" ] || { echo "> events: $got" >>"$T/said"; return 1; }
}

allocations() {
        local n=1 all=0 wrong=0 refusals=0 deaths=0 reached=0 beside daemon=$(daemon_pid) r

        sleeper
        beside=$ID
        ID=first
        bundle . sleep 1000
        while :; do # how many are there in a life?
                all=$((all + 500))
                faults "$all"
                mark
                life >/dev/null
                was_hit || break
        done
        refusals=0
        rm -rf "$T/b/first"
        daemon=$(daemon_pid)
        for ((n = 1 + seed % share; n <= all; n += share)); do
                ID=life-$n
                bundle . sleep 1000
                : >"$T/said"
                mark
                faults "$n"
                life
                r=$?
                ! was_hit || reached=$((reached + 1))
                faults 0
                [ "$daemon" = "$(daemon_pid)" ] || { deaths=$((deaths + 1)) && eventually answers && daemon=$(daemon_pid); }
                [ $r != 0 ] || eventually is_gone || r=7
                [ $r != 0 ] || once_each || r=8
                [ $r != 0 ] || (ID=$beside && status_is running) || r=9
                if [ $r != 0 ]; then
                        wrong=$((wrong + 1))
                        echo "# allocation $n fails: step $r" >&2
                        note <"$T/said"
                        call state && call delete '{force: true}'
                fi
                rm -rf "${T:?}/b/$ID"
                # the keeper's delays grow with each death: a new one has none
                [ $((deaths % 4)) != 3 ] || { stop && launch && daemon=$(daemon_pid) && deaths=$((deaths + 1)); }
        done
        ID=$beside
        is "$wrong" 0 "$reached of $all allocations have failed (seed $seed), $refusals requests were refused for it"
        status_is running
        ok $? "the container beside them runs on"
        kill_and_remove
        case_failed_before=$tap_failed
}

elapsed() { # of a long poll, in ms
        local from=${EPOCHREALTIME/./}

        rpc events.read "{\"since\": $(($(info .event_seq) + 1)), \"timeout_ms\": 1500}" >/dev/null
        echo $(((${EPOCHREALTIME/./} - from) / 1000)) >"$T/elapsed"
}

jumps() { # SECONDS
        local poll

        elapsed &
        poll=$!
        eventually requests 1
        faults 0 "$1"
        wait "$poll"
        ok "$([ "$(cat "$T/elapsed")" -ge 1400 ] && [ "$(cat "$T/elapsed")" -lt 20000 ]; echo $?)" "$1 s: a long poll lasts as long as it was asked to"
        script 'fake.exec.begin: once hang'
        add_exec e '' true
        is "$(field .reason)" runtime-timeout "$1 s: a command has its time, and no more"
        must delete '{exec_id: "e"}'
        status_is running
        ok $? "$1 s: what runs, runs on"
}

clock_jumps() {
        local year=31536000

        sleeper
        jumps +$year
        jumps -$((year * 10))
        die
        status_is running
        ok $? "the next daemon takes over what began in the future"
        call kill '{signal: 9}'
        is "$(status_of)" 137 "and tells how it ends"
        must delete
        is "$(kinds | sed -E 's/(exec-added|adopted) ?//g')" "create start exit delete" "each event once"
        is "$(events | gojq -s 'map(.seq) == (map(.seq) | sort)')" true "the order is that of the numbers"
        ok "$([ "$(events | gojq -s 'map(.time) | (.[0] > .[-1])')" = true ]; echo $?)" "not that of the times"
        faults 0 0
}

RPC_TIMEOUT=30
share=${FAULTS_SHARE-} seed=${FAULTS_SEED:-$RANDOM}
faults 0
write_config 'command_timeout = 2'
e2e_start
cases=(clock_jumps)
if [ -n "$share" ]; then cases+=(allocations); fi
for_runtime fake "${cases[@]}"
e2e_done
