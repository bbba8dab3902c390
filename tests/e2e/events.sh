#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The event log: order, numbers without gaps, reading from anywhere, waiting, filters, and the marker of what was dropped.

. "$top_srcdir/tests/e2e/lib.sh"

numbers() { # of all events since the mark
        rpc events.read "{\"since\": $((MARK + 1))}" | gojq -r '.events[].seq'
}

no_gaps() {
        local first

        run true
        call wait
        must delete
        first=$(numbers | head -n 1)
        is "$(numbers | paste -sd' ')" "$(seq "$first" "$(info .event_seq)" | paste -sd' ')" "the numbers have no gap"
        is "$(rpc events.read "{\"since\": $((MARK + 1))}" | gojq '[.events[].time] | . == sort')" true "the times are in order"
}

details() {
        run sh -c 'exit 17'
        call wait
        must delete
        await_event create
        is "$(gojq -r .bundle <<<"$EVENT")" "$BUNDLE" "create: the bundle"
        is "$(gojq -r .stdout_path <<<"$EVENT")" "file://$T/out/$ID" "create: where its output goes"
        await_event start
        like "$(gojq -r .pid <<<"$EVENT")" "[1-9]*" "start: the pid"
        await_event exit
        is "$(gojq -r '[.exit_known, .exit_status] | @csv' <<<"$EVENT")" "true,17" "exit: the status"
        like "$(gojq -r .message <<<"$EVENT")" "*17*" "exit: in words"
        like "$(gojq -r .exited_at <<<"$EVENT")" "[1-9]*" "exit: when"
}

read_in_parts() {
        local since seen=()

        run true
        call wait
        must delete
        since=$((MARK + 1))
        while :; do
                answer=$(rpc events.read "{\"since\": $since, \"max\": 2, \"ns\": \"$NS\", \"id\": \"$ID\"}")
                mapfile -t -O ${#seen[@]} seen < <(gojq -r '.events[]?.kind' <<<"$answer")
                since=$(gojq -r .next <<<"$answer")
                [ "$since" -le "$(gojq -r .newest <<<"$answer")" ] || break
        done
        is "${seen[*]}" "create start exit delete" "two at a time"
}

waited_for() {
        local reader

        mark
        rpc events.read "{\"since\": $((MARK + 1)), \"timeout_ms\": 20000, \"ns\": \"$NS\", \"id\": \"$ID\"}" >"$T/out/answer" &
        reader=$!
        eventually reading
        bundle . true
        create
        wait "$reader"
        is "$(gojq -r '.events[0].kind' "$T/out/answer")" create "who waits is told of the next one"
        must delete
        is "$(rpc events.read "{\"since\": 1000000, \"timeout_ms\": 10}" | gojq '.events // [] | length')" 0 "nobody waits for longer than asked for"
        rm -f "$T/out/answer"
}

reading() {
        [ "$(info .open_requests)" -gt 1 ]
}

followed() {
        local reader

        sbx events --follow --since "$((MARK + 1))" --limit 4 "$ID" >"$T/out/events" &
        reader=$!
        run true
        call wait
        must delete
        wait "$reader"
        is "$(awk '{ print $3 }' "$T/out/events" | paste -sd' ')" "create start exit delete" "sandboxctl events --follow"
        is "$(sbx events --format json --since "$((MARK + 1))" "$ID" | gojq -r .kind | paste -sd' ')" "create start exit delete" "sandboxctl events as JSON"
        rm -f "$T/out/events"
}

filtered() {
        run true
        call wait
        must delete
        is "$(rpc events.read "{\"since\": $((MARK + 1)), \"ns\": \"nobody\"}" | gojq '.events // [] | length')" 0 "by namespace"
        is "$(rpc events.read "{\"since\": $((MARK + 1)), \"only_owner\": true, \"owner\": \"nobody\"}" | gojq '.events // [] | length')" 0 "by owner"
        is "$(rpc events.read "{\"since\": $((MARK + 1)), \"only_owner\": true, \"owner\": \"\", \"id\": \"$ID\"}" | gojq '.events // [] | length')" 4 "by owner and id"
}


e2e_start
for_each_runtime no_gaps details read_in_parts waited_for followed filtered
e2e_done
