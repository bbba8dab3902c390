#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The keeper dies, hangs, stands still or is replaced; the daemon hangs: containers, terminals and statuses stay.

. "$top_srcdir/tests/e2e/crash-lib.sh"

below() { # is the daemon that answers a child of the present keeper?
        local now

        now=$(rpc info 2>/dev/null | gojq -r .pid)
        [ -n "$now" ] && [ "$now" = "$(daemon_pid)" ]
}

waiter='trap "exit 61" TERM; echo ready; while :; do sleep 0.05; done'
talker='stty -echo; echo begin; while read -r line; do echo "got $line"; done'

# What a service manager does: it starts the keeper again. The daemon of the dead one stores all of its own again, and
# makes way for the new one's.
keeper_killed() {
        local pid

        open_screen
        bundle '.process.terminal = true' sh -c "$talker"
        create "{terminal: true, stdin_path: \"$T/in\", stdout_path: \"$T/screen\"}" && must start
        shows begin "it has begun"
        kill -KILL "$keeper_pid"
        wait "$keeper_pid" 2>/dev/null
        keeper_pid=
        answers
        ok $? "kill -9 of the keeper: the daemon goes on"
        launch
        eventually below
        ok $? "a new keeper's daemon takes over"
        echo one >&"$keys"
        shows "got one" "the terminal goes on"
        must kill '{signal: 9}'
        like "$(status_of)" "@(137|unknown)" "its end is seen" # without a keeper in between nobody is its parent
        must delete
        close_screen
}

# The keeper stands still: nobody takes the pidfd. What was started all the same would be without it.
keeper_stopped() {
        local i pid

        kill -STOP "$keeper_pid"
        for i in 1 2 3 4; do
                ID=keeper-stopped-$i
                bundle . sh -c "$waiter"
                create "{stdout_path: \"file://$T/out/$ID\"}"
        done
        call start & pid=$!
        kill -CONT "$keeper_pid"
        wait "$pid"
        ok $? "with a keeper that stands still, start comes later"
        for i in 1 2 3 4; do
                ID=keeper-stopped-$i
                must delete '{force: true}'
                rm -rf "$T/b/$ID" "$T/out/$ID"
        done
        ID=keeper-stopped
}

upgraded() {
        local before keeper

        open_screen
        bundle '.process.terminal = true' sh -c "$talker"
        create "{terminal: true, stdin_path: \"$T/in\", stdout_path: \"$T/screen\"}" && must start
        shows begin "it has begun"
        before=$(daemon_pid)
        mark
        kill -USR2 "$keeper_pid"
        eventually another "$before"
        ok $? "USR2 to the keeper: another daemon answers"
        eventually below
        ok $? "below the same keeper"
        echo one >&"$keys"
        shows "got one" "the terminal goes on"
        must kill '{signal: 9}'
        is "$(status_of)" 137 "its status is known"
        is "$(kinds)" "adopted exit" "no event is missing"
        must delete
        close_screen
}

# A daemon that hangs is killed by its keeper, and started again.
hung() {
        local before

        [ "$RUNTIME" = runc ] || return 0
        stop
        KEEPER_OPTIONS=(--watchdog 2)
        launch
        run sh -c "$waiter"
        eventually grep -q ready "$T/out/$ID"
        before=$(daemon_pid)
        kill -STOP "$before"
        eventually another "$before"
        ok $? "a daemon that stands still is killed by the watchdog, and started again"
        must kill '{signal: 15}'
        is "$(status_of)" 61 "nothing is lost"
        must delete
        stop
        KEEPER_OPTIONS=()
        launch
}

# A record that a newer daemon wrote: it is refused, and left as it is; so is the container.
newer_record() {
        local record=$ROOT/state/_/$NS/$ID/meta.json pid before

        [ "$RUNTIME" = runc ] || return 0
        sleeper
        pid=$(state .process.pid)
        sed -i 's/"version": *[0-9]*/"version": 99/' "$record"
        before=$(md5sum <"$record")
        mark
        kill -KILL "$(daemon_pid)"
        eventually warned
        ok $? "a record of a newer version is refused, and told"
        ok "$(kill -0 "$pid"; echo $?)" "its container runs on"
        is "$(md5sum <"$record")" "$before" "and the record is as it was"
        create_refused already-exists "there is no other container of its name beside it"
        is "$(md5sum <"$record")" "$before" "the record is still as it was"
        sed -i 's/"version": *99/"version": 1/' "$record"
        kill -KILL "$(daemon_pid)"
        eventually status_is running
        ok $? "one of an older version is taken"
        kill_and_remove
}

warned() {
        rpc events.read "{\"since\": $((MARK + 1))}" | gojq -e '[.events[] | select(.kind == "warning") | .message | select(contains("newer sandboxd"))] | length > 0' >/dev/null
}

e2e_start
for_each_runtime keeper_killed keeper_stopped upgraded hung newer_record
e2e_done
