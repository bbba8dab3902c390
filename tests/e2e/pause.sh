#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Pause and resume: nothing moves in between; and what can be done meanwhile.

. "$top_srcdir/tests/e2e/lib.sh"

counter() {
        run sh -c 'i=0; while :; do i=$((i + 1)); echo $i; sleep 0.01; done'
        eventually grep -q 3 "$T/out/$ID"
}

lines() {
        wc -l <"$T/out/$ID"
}

moved() { # is there more than $1 lines?
        [ "$(lines)" -gt "$1" ]
}

stands_and_goes_on() {
        local before

        counter
        must pause
        is "$(state .process.status)" paused "it is paused"
        before=$(lines)
        call pids; call state # a moment that a process that runs would use
        sbx list >/dev/null
        is "$(lines)" "$before" "nothing moves"
        must resume
        is "$(state .process.status)" running "it runs again"
        eventually moved "$before"
        ok $? "and moves"
        kill_and_remove
        is "$(kinds)" "create start paused resumed exit delete" "events of both"
}

refusals() {
        counter
        refused wrong-state "resume of one that runs" resume
        must pause
        refused wrong-state "pause of one that is paused" pause
        refused paused "exec" exec '{exec_id: "e", spec: {"$bin": "{\"args\": [\"true\"], \"cwd\": \"/\"}"}}'
        refused paused "delete" delete
        must resume
        kill_and_remove
        refused not-found "pause of nobody" pause
}

killed_while_paused() {
        counter
        must pause
        must kill '{signal: 9}'
        is "$(status_of)" 137 "KILL ends it all the same"
        must delete
}

removed_while_paused() {
        counter
        must pause
        must delete '{force: true}'
        is "$(kinds)" "create start paused exit delete" "delete by force ends it"
}

several_times() {
        local i

        counter
        for i in 1 2 3; do
                call pause && call resume || break
        done
        is "$i" 3 "again and again"
        kill_and_remove
}

e2e_start
for_each_runtime stands_and_goes_on refusals killed_while_paused removed_while_paused several_times
e2e_done
