#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A container's life: create, start, state, wait, delete; every way to end has its status.

. "$top_srcdir/tests/e2e/lib.sh"

life() {
        bundle . sh -c 'exit 42'
        create
        like "$(field .pid)" "[1-9]*" "create answers with a pid"
        is "$(state .process.status)" created "it is created"
        is "$(field .runtime)" "$RUNTIME" "by the runtime that was asked for"
        must start
        is "$(status_of)" 42 "wait tells the exit status"
        is "$(status_of)" 42 "and tells it again"
        is "$(state .process.status)" stopped "it is stopped"
        is "$(field .process.exit_status)" 42 "state has the status too"
        must delete
        is "$(field .exit_status)" 42 "and so has delete"
        is "$(kinds)" "create start exit delete" "four events, in order"
        refused not-found "then it is gone" state
}

statuses() {
        local status

        for status in 0 1 2 127 255; do
                ID=status-$status
                run sh -c "exit $status"
                is "$(status_of)" "$status" "exit $status"
                must delete
        done
        ID=statuses
}

# An init ignores the signals that it has no handler for, except KILL.
killed() {
        sleeper
        must kill '{signal: 9}'
        is "$(status_of)" 137 "ended by KILL: 137"
        like "$(field .cause)" "*SIGKILL*" "the cause names the signal"
        must delete
}

# In a runsc sandbox, and in the host's pid namespace, an init dies of any signal.
terminated() {
        if [ "$RUNTIME" = runsc ]; then
                run sh -c 'echo ready; exec sleep 1000'
        else
                bundle '.linux.namespaces |= map(select(.type != "pid"))' sh -c 'echo ready; exec sleep 1000'
                create '{stdout_path: "file://'"$T/out/$ID"'"}' && must start
        fi
        eventually grep -q ready "$T/out/$ID"
        must kill '{signal: 15}'
        is "$(status_of)" 143 "ended by TERM: 143"
        must delete
}

handler() {
        run sh -c 'trap "exit 7" TERM; echo ready; while :; do sleep 0.05; done'
        eventually grep -q ready "$T/out/$ID"
        must kill '{signal: 15}'
        is "$(status_of)" 7 "a process that handles TERM ends as it says"
        must delete
}

never_started() {
        bundle . sh -c 'exit 42'
        create
        must delete
        is "$(kinds)" "create exit delete" "one that was never started can be deleted"
}

restarted() {
        local i

        for i in 1 2 3; do
                run sh -c "exit $i"
                is "$(status_of)" "$i" "the same id, time $i"
                must delete
        done
}

at_once() { # an exit that is as early as can be
        local i

        for i in 1 2 3 4 5; do
                bundle . true
                create && must start
                is "$(status_of)" 0 "an exit at once, time $i"
                must delete
        done
        is "$(kinds)" "$(yes "create start exit delete" | head -n 5 | paste -sd' ')" "all its events are there, in order"
}

output_is_there() {
        run sh -c 'echo out; echo err >&2; exit 3'
        is "$(status_of)" 3 "it ends"
        is "$(output | sort | paste -sd' ')" "err out" "both streams are in the file"
        must delete
}

# sandboxctl does it all in one go.
in_one_go() {
        is "$(sbx run --runtime "$RUNTIME" --rm --rootfs "$ROOTFS" "$ID" -- sh -c 'echo hello; exit 5')" hello "run prints the output"
        sbx run --runtime "$RUNTIME" --rm --rootfs "$ROOTFS" "$ID" -- sh -c 'exit 5'
        is $? 5 "and has the status"
        await_event delete
}

e2e_start
for_each_runtime life statuses killed terminated handler never_started restarted at_once output_is_there in_one_go
e2e_done
