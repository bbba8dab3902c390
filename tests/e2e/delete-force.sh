#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# delete --force ends and removes a container whatever it is doing.

. "$top_srcdir/tests/e2e/lib.sh"

force() {
        must delete '{force: true}'
}

created() {
        bundle . sleep 1000
        create && force
        is "$(kinds)" "create exit delete" "events"
}

running() {
        sleeper
        refused still-running "without force it is refused" delete
        force
        is "$(field .exit_status)" 137 "the answer tells that it was killed"
        is "$(kinds)" "create start exit delete" "events"
}

stopped() {
        run sh -c 'exit 6'
        call wait
        force
        is "$(field .exit_status)" 6 "the answer has the status that it had"
}

with_processes() {
        run sh -c 'sleep 1000 & sleep 1000 & wait'
        add_exec one '' sleep 1000
        add_exec two '' sh -c 'sleep 1000 & wait'
        force
        is "$(kinds)" "create start exec-added exec-started exec-added exec-started exec-exit exec-exit exit delete" "everything ends in order"
}

one_exec() {
        sleeper
        add_exec e '' sleep 1000
        must delete '{exec_id: "e", force: true}'
        is "$(field .exit_status)" 137 "an exec is removed by force"
        status_is running
        ok $? "the container runs on"
        kill_and_remove
}

ignoring() { # a process that ignores what can be ignored
        run sh -c 'trap "" TERM INT HUP; while :; do sleep 1; done'
        force
}

twice_at_once() {
        local pid

        sleeper
        rpc delete "$(gojq -nc --arg ns "$NS" --arg id "$ID" '{ns: $ns, id: $id, force: true}')" >"$T/out/second" &
        pid=$!
        call delete '{force: true}'
        wait "$pid"
        like "$(last; cat "$T/out/second")" '*"exit_status":137*' "two at once: at least one is answered with the end"
        like "$(field .reason)$(gojq -r '.reason // ""' "$T/out/second")" "@(|not-found|wrong-state)" "and the other one is told the same, or why not"
        rm -f "$T/out/second"
}

while_created() { # the create and its removal race
        local pid

        bundle . sleep 1000
        create >/dev/null &
        pid=$!
        eventually knows
        call delete '{force: true}'
        wait "$pid"
        like "$(kinds)" "@(|create exit delete)" "a create that is removed under way leaves nothing, or everything in order"
}

knows() {
        call state || [ "$(kinds)" != "" ]
}

nobody() {
        refused not-found "one that does not exist" delete '{force: true}'
        sbx delete --force "$ID"
        is $? 0 "for sandboxctl delete --force that is no error"
        sbx delete "$ID" 2>/dev/null
        is $? 1 "without --force it is"
}

e2e_start
for_each_runtime created running stopped with_processes one_exec ignoring twice_at_once while_created nobody
e2e_done
