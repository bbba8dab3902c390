#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# TERM, HUP and USR1 to the daemon: a restart in order, the configuration read again, the state written to the log.

. "$top_srcdir/tests/e2e/crash-lib.sh"

# The keeper starts a daemon that has stopped in order only when it is told to run on: so all of it is stopped and started.
restart() {
        stop
        is "$stop_status" 0 "stopped in order"
        launch
}

running() {
        run sh -c 'trap "exit 41" TERM; echo ready; while :; do sleep 0.05; done'
        eventually grep -q ready "$T/out/$ID"
        restart
        status_is running
        ok $? "it runs on"
        must kill '{signal: 15}'
        like "$(status_of)" "@(41|unknown)" "its end is seen" # without a keeper in between nobody is its parent
        must delete
        is "$(kinds)" "create start adopted exit delete" "events"
        is "$(rpc events.read "{\"since\": $((MARK + 1))}" | gojq -r '.events[] | select(.id == null) | .kind' | paste -sd' ')" \
                "daemon-stop daemon-start" "the log tells of the restart"
}

with_execs() {
        sleeper
        add_exec e '' sleep 1000
        restart
        is "$(call state '{exec_id: "e"}' && field .process.status)" running "an exec runs on"
        must kill '{exec_id: "e", signal: 9}'
        call wait '{exec_id: "e"}'
        kill_and_remove
}

waiting() { # calls that wait are given up by the daemon, and repeated by the client
        local waiter

        sleeper
        sbx wait "$ID" >"$T/out/waiter" 2>&1 &
        waiter=$!
        eventually parked
        restart
        must kill '{signal: 9}'
        wait "$waiter"
        like "$(cat "$T/out/waiter")" "@(137|255*)" "a wait goes on over the restart"
        rm -f "$T/out/waiter"
        must delete
}

parked() {
        [ "$(info .open_requests)" -gt 1 ]
}

numbers_go_on() {
        local before

        before=$(info .event_seq)
        restart
        ok "$([ "$(info .event_seq)" -ge $((before + 2)) ]; echo $?)" "the event numbers go on"
}

logged() { # TEXT, since the mark
        tail -n "+$((case_log_from))" "$LOG" | grep -q "$1"
}

reloaded() {
        local pid

        pid=$(daemon_pid)
        sleeper
        printf '[runtimes.more]\ntype = "oci"\npath = "%s"\n' "$(command -v runc)" >>"$e2e_config"
        kill -HUP "$pid"
        eventually logged "configuration reloaded"
        ok $? "HUP reads the configuration again"
        is "$(rpc info | gojq -r '[.runtimes[].name] | index("more") != null')" true "a new runtime is known"
        echo 'nonsense = true' >>"$e2e_config"
        kill -HUP "$pid"
        eventually logged "nonsense"
        ok $? "a wrong file is told, with what is wrong"
        is "$(rpc info | gojq -r .pid)" "$pid" "and the daemon goes on as it was"
        status_is running
        ok $? "containers run on"
        write_config
        kill -HUP "$pid"
        kill_and_remove
}

dumped() {
        sleeper
        add_exec e '' sleep 1000
        kill -USR1 "$(daemon_pid)"
        eventually logged "dump: container.*$ID: running"
        ok $? "USR1 writes every container to the log"
        eventually logged "dump: *process \"e\": running"
        ok $? "and every process"
        kill_and_remove
}

e2e_start
for_each_runtime running with_execs waiting numbers_go_on reloaded dumped
e2e_done
