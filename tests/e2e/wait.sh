#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# wait: before the start, while it runs, after the end, by many, on execs; and when nothing is there to wait for.

. "$top_srcdir/tests/e2e/lib.sh"

waiter() { # FILE [JSON]: waits in the background
        (
                T=$(mktemp -d "$T/w.XXXXXX")
                status_of "${2-}" >"$T/../out/$1"
                rm -rf "$T"
        ) &
        waiters+=($!)
}

parked() { # are there so many open requests?
        [ "$(info .open_requests)" -gt "$1" ]
}

many() {
        local i waiters=()

        bundle . sh -c 'exit 11'
        create
        for i in 1 2 3 4 5 6; do
                waiter "$i"
        done
        eventually parked 5
        ok $? "six wait before the start"
        must start
        wait "${waiters[@]}"
        is "$(cat "$T"/out/[1-6] | sort | uniq -c | awk '{ print $1, $2 }')" "6 11" "all of them are told the status"
        rm -f "$T"/out/[1-6]
        is "$(status_of)" 11 "and who comes later"
        must delete
}

on_exec() {
        local waiters=()

        sleeper
        must exec '{exec_id: "e", spec: {"$bin": "{\"args\": [\"sh\", \"-c\", \"exit 12\"], \"cwd\": \"/\", \"env\": [\"PATH=/bin\"]}"}}'
        waiter e '{exec_id: "e"}'
        eventually parked 0
        must start '{exec_id: "e"}'
        wait "${waiters[@]}"
        is "$(cat "$T/out/e")" 12 "an exec that is awaited before its start"
        rm -f "$T/out/e"
        is "$(status_of '{exec_id: "e"}')" 12 "and after its end"
        kill_and_remove
}

nobody() {
        refused not-found "a container that does not exist" wait
        sleeper
        refused process-not-found "an exec that does not exist" wait '{exec_id: "e"}'
        kill_and_remove
        refused not-found "a container that is gone" wait
}

removed() {
        local waiters=()

        bundle . sleep 1000
        create
        waiter w
        eventually parked 0
        must delete
        wait "${waiters[@]}"
        is "$(cat "$T/out/w")" 137 "who waits for one that is never started is told when it is removed"
        rm -f "$T/out/w"
}

gone_client() { # one that waits and goes away costs nothing
        local before

        sleeper
        before=$(info .open_requests)
        RPC_TIMEOUT=1 call wait 2>/dev/null
        is $? 3 "a client gives up"
        eventually forgotten "$before"
        ok $? "its request is forgotten"
        kill_and_remove
}

forgotten() {
        [ "$(info .open_requests)" -le "$1" ]
}

e2e_start
for_each_runtime many on_exec nobody removed gone_client
e2e_done
