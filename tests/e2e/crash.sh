#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# kill -9 of the daemon, in every state: no container dies, no status is lost, no event is missing, nothing stays behind.

. "$top_srcdir/tests/e2e/crash-lib.sh"

# Kills the daemon and waits until the keeper has started the next one.
crash() {
        local old

        old=$(daemon_pid)
        kill -KILL "$old"
        eventually another "$old"
}

# A keeper waits ever longer before it starts what ends again and again: a new one does not know of the earlier ends.
fresh_keeper() {
        stop
        launch
}

init_pid() {
        call state && field .process.pid
}

running() {
        run sh -c 'trap "exit 31" TERM; echo ready; while :; do sleep 0.05; done'
        eventually grep -q ready "$T/out/$ID"
        local pid

        pid=$(init_pid)
        crash
        status_is running
        ok $? "it is still running"
        is "$(init_pid)" "$pid" "the same process"
        must kill '{signal: 15}'
        is "$(status_of)" 31 "its status is known"
        must delete
        is "$(kinds)" "create start adopted exit delete" "no event is missing, none is there twice"
}

created() {
        bundle . sh -c 'exit 32'
        create
        crash
        status_is created
        ok $? "it is still created"
        must start
        is "$(status_of)" 32 "and can be started"
        must delete
        is "$(kinds)" "create adopted start exit delete" "no event is missing"
}

paused() {
        sleeper
        must pause
        crash
        status_is paused
        ok $? "it is still paused"
        must resume
        status_is running
        ok $? "and runs on"
        kill_and_remove
}

stopped() {
        run sh -c 'exit 33'
        call wait
        crash
        is "$(status_of)" 33 "a status from before"
        must delete
        is "$(kinds)" "create start exit adopted delete" "no event is missing"
}

with_execs() {
        sleeper
        add_exec one '' sh -c 'trap "exit 34" TERM; echo ready >/vol/ready; while :; do sleep 0.05; done'
        must exec '{exec_id: "later", spec: {"$bin": "{\"args\": [\"sh\", \"-c\", \"exit 35\"], \"cwd\": \"/\", \"env\": [\"PATH=/bin\"]}"}}'
        eventually test -e "$T/vol/ready"
        rm -f "$T/vol/ready"
        crash
        is "$(call state '{exec_id: "one"}' && field .process.status)" running "an exec is still running"
        must kill '{exec_id: "one", signal: 15}'
        is "$(status_of '{exec_id: "one"}')" 34 "its status is known"
        must start '{exec_id: "later"}'
        is "$(status_of '{exec_id: "later"}')" 35 "one that was only added can be started"
        kill_and_remove
}

waited_for() { # who waits is told, by way of a repeated request
        local waiter

        sleeper
        sbx wait "$ID" >"$T/out/waiter" 2>&1 &
        waiter=$!
        eventually parked
        crash
        must kill '{signal: 9}'
        wait "$waiter"
        is "$(cat "$T/out/waiter")" 137 "a wait goes on over the crash"
        rm -f "$T/out/waiter"
        must delete
}

parked() {
        [ "$(info .open_requests)" -gt 1 ]
}

ended_meanwhile() {
        local pid

        run sh -c 'until [ -e /vol/go ]; do sleep 0.02; done; exit 36'
        pid=$(init_pid)
        without_daemon let_end "$pid"
        rm -f "$T/vol/go"
        is "$(status_of)" 36 "an exit while no daemon is there: its status is known all the same"
        is "$(kinds)" "create start adopted exit" "and its event is there"
        must delete
}

exec_ended_meanwhile() {
        sleeper
        add_exec e '' sh -c 'until [ -e /vol/go ]; do sleep 0.02; done; echo >/vol/ends; exit 37'
        without_daemon let_exec_end
        rm -f "$T/vol/go" "$T/vol/ends"
        is "$(status_of '{exec_id: "e"}')" 37 "an exec too"
        kill_and_remove
}

output_goes_on() {
        mkfifo "$T/pipe"
        exec {out}<>"$T/pipe"
        bundle . sh -c 'i=0; while [ $i -lt 100 ]; do i=$((i + 1)); echo $i; sleep 0.02; done'
        create "{stdout_path: \"$T/pipe\"}" && must start
        crash
        is "$(status_of)" 0 "it ends"
        is "$(timeout 10 head -n 100 <&"$out" | tail -n 1)" 100 "all that it printed has come"
        must delete
        exec {out}>&-
        rm -f "$T/pipe"
}

oom_after() {
        local limit=16777216

        [ "$RUNTIME" != runsc ] || limit=134217728
        bundle ".linux.resources.memory = {limit: $limit, swap: $limit}" sh -c 'until [ -e /vol/go ]; do sleep 0.02; done; exec dd if=/dev/zero of=/dev/null bs=1G count=1'
        create && must start
        crash
        echo >"$T/vol/go"
        is "$(status_of)" 137 "killed for lack of memory, after a crash"
        rm -f "$T/vol/go"
        is "$(kinds)" "create start adopted oom exit" "the OOM event comes before the exit"
        must delete
}

# The kernel's counter tells the next daemon: no descriptor need be kept for that.
oom_meanwhile() {
        local limit=16777216

        [ "$RUNTIME" != runsc ] || return 0 # the limit kills the sandbox, whose cgroup goes with it
        bundle ".linux.resources.memory = {limit: $limit, swap: $limit}" sh -c 'until [ -e /vol/go ]; do sleep 0.02; done; exec dd if=/dev/zero of=/dev/null bs=1G count=1'
        create && must start
        without_daemon let_end "$(init_pid)"
        rm -f "$T/vol/go"
        is "$(status_of)" 137 "killed for lack of memory while no daemon was there"
        is "$(kinds)" "create start adopted oom exit" "the OOM event is there, before the exit"
        must delete
}

# Crashes while calls are under way: whatever was done or not, it can be found out, and be removed.
at_any_time() {
        local i delay pid

        fresh_keeper
        for i in 1 2 3 4; do
                delay=0.0$((i * 2))
                ID=any-$i
                bundle . sleep 1000
                sbx create --bundle "$BUNDLE" --runtime "$RUNTIME" "$ID" >/dev/null 2>&1 &
                pid=$!
                sleep "$delay" # no synchronisation: any time will do
                crash
                wait "$pid"
                if call state; then
                        must delete '{force: true}'
                else
                        is "$(field .reason)" not-found "created and known, or gone"
                fi
        done
        eventually nothing_left
        ok $? "four crashes during a create: nothing is left"
        fresh_keeper
        for i in 1 2 3 4; do
                delay=0.0$((i * 2))
                ID=any-$i
                run sh -c 'exit 38'
                sbx delete --force "$ID" >/dev/null 2>&1 &
                pid=$!
                sleep "$delay"
                crash
                wait "$pid"
                is $? 0 "a delete during a crash is done"
        done
        eventually nothing_left
        ok $? "four crashes during a delete: nothing is left"
        rm -rf "$T"/b/any-*
        ID=at-any-time
}

again_and_again() {
        local i

        fresh_keeper
        run sh -c 'trap "exit 39" TERM; echo ready; while :; do sleep 0.05; done'
        eventually grep -q ready "$T/out/$ID"
        for i in 1 2 3 4 5; do
                crash
        done
        status_is running
        ok $? "five crashes in a row: it runs on"
        must kill '{signal: 15}'
        is "$(status_of)" 39 "its status is known"
        must delete
}

e2e_start
for_each_runtime running created paused stopped with_execs waited_for ended_meanwhile exec_ended_meanwhile output_goes_on oom_after oom_meanwhile at_any_time \
        again_and_again
e2e_done
