#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Signals: to init, to all processes, by number and by name; and those that are refused.

. "$top_srcdir/tests/e2e/lib.sh"

ready() {
        eventually grep -q ready "$T/out/$ID"
}

# Init starts two children. TERM to init alone is handled by it, TERM to all ends the children.
one_or_all() {
        run sh -c 'sleep 1000 & one=$!; sleep 1000 & trap "echo term" TERM; echo ready
                wait $one; wait $one; wait $one; exit 5'
        ready
        must kill '{signal: 15}'
        eventually grep -q term "$T/out/$ID"
        ok $? "init got TERM"
        is "$(call pids && field '.processes | length')" 3 "its children did not"
        must kill '{signal: 15, all: true}'
        is "$(status_of)" 5 "TERM to all: the children ended, and init after them"
        must delete
}

all_killed() {
        run sh -c 'sleep 1000 & sleep 1000 & echo ready; wait'
        ready
        must kill '{signal: 9, all: true}'
        is "$(status_of)" 137 "KILL to all"
        must delete
}

by_name() {
        run sh -c 'trap "echo usr1" USR1; trap "echo hup; exit 4" HUP; echo ready; while :; do sleep 0.05; done'
        ready
        sbx kill -s USR1 "$ID" && eventually grep -q usr1 "$T/out/$ID"
        ok $? "sandboxctl kill -s USR1"
        sbx kill -s sighup "$ID"
        is "$(status_of)" 4 "sandboxctl kill -s sighup"
        must delete
        sbx kill -s NONSENSE "$ID" 2>/dev/null
        is $? 1 "a signal that does not exist is refused"
}

wrong() {
        sleeper
        refused invalid-argument "signal 0" kill '{signal: 0}'
        refused invalid-argument "signal 65" kill '{signal: 65}'
        refused process-not-found "an unknown process" kill '{signal: 9, exec_id: "none"}'
        must kill '{signal: 9}'
        call wait
        refused process-finished "one that has ended" kill '{signal: 9}'
        must delete
        refused not-found "one that is gone" kill '{signal: 9}'
}

created() {
        bundle . sleep 1000
        create
        must kill '{signal: 9}'
        is "$(status_of)" 137 "KILL before the start"
        refused stopped "then there is nothing to start" start
        must delete
}

e2e_start
for_each_runtime one_or_all all_killed by_name wrong created
e2e_done
