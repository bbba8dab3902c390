#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Processes that are added to a running container: their statuses, environment, directory, user; and those that cannot start.

. "$top_srcdir/tests/e2e/lib.sh"

statuses() {
        local status

        sleeper
        for status in 0 1 42 255; do
                add_exec "e$status" '' sh -c "exit $status"
                is "$(status_of '{exec_id: "e'$status'"}')" "$status" "exit $status"
                must delete '{exec_id: "e'$status'"}'
        done
        add_exec killed '' sleep 1000
        like "$(field .pid)" "[1-9]*" "start answers with a pid"
        is "$(call state '{exec_id: "killed"}' && field .process.status)" running "it runs"
        refused still-running "and cannot be deleted" delete '{exec_id: "killed"}'
        must kill '{exec_id: "killed", signal: 15}'
        is "$(status_of '{exec_id: "killed"}')" 143 "ended by TERM: 143"
        refused process-finished "a signal then finds nobody" kill '{exec_id: "killed", signal: 15}'
        must delete '{exec_id: "killed"}'
        refused process-not-found "and it is gone" state '{exec_id: "killed"}'
        status_is running
        ok $? "the container runs on"
        kill_and_remove
}

surroundings() {
        local out=$T/out/$ID.exec

        sleeper
        EXEC_SPEC='{env: ["PATH=/bin", "COLOUR=blue"], cwd: "/tmp", user: {uid: 1000, gid: 1000}}' \
                add_exec e '{stdout_path: "file://'"$out"'", io_uid: 1000, io_gid: 1000}' sh -c 'echo $COLOUR; pwd; id -u; id -g'
        is "$(status_of '{exec_id: "e"}')" 0 "it ends"
        is "$(paste -sd' ' "$out")" "blue /tmp 1000 1000" "environment, directory, user and group are as asked for"
        rm -f "$out"
        is "$(sbx exec -e COLOUR=red -w /etc "$ID" sh -c 'echo $COLOUR; pwd' | paste -sd' ')" "red /etc" "sandboxctl exec: the same"
        sbx exec "$ID" sh -c 'exit 9'
        is $? 9 "sandboxctl exec has the status of the process"
        kill_and_remove
}

cannot_start() {
        sleeper
        if add_exec e '' /no/such/program; then
                ok 1 "a missing program is told by start"
        else
                is "$(field .reason)" runtime-failed "a missing program is told by start"
                like "$(field .message)" "*/no/such/program*" "with its name"
        fi
        is "$(call state '{exec_id: "e"}' && field .process.status)" stopped "then the process has stopped"
        must delete '{exec_id: "e"}'
        refused invalid-spec "a spec that is no JSON" exec '{exec_id: "e", spec: {"$bin": "{"}}'
        refused invalid-spec "a spec without arguments" exec '{exec_id: "e", spec: {"$bin": "{\"cwd\": \"/\"}"}}'
        refused process-not-found "start of what was never added" start '{exec_id: "none"}'
        add_exec e '' sleep 1000
        refused already-exists "an exec id that is taken" exec '{exec_id: "e", spec: {"$bin": "{\"args\": [\"true\"], \"cwd\": \"/\"}"}}'
        refused wrong-state "a second start" start '{exec_id: "e"}'
        kill_and_remove
}

added_only() { # an exec that is never started
        sleeper
        must exec '{exec_id: "e", spec: {"$bin": "{\"args\": [\"true\"], \"cwd\": \"/\"}"}}'
        is "$(call state '{exec_id: "e"}' && field .process.status)" created "it is created"
        refused not-started "no signal for it" kill '{exec_id: "e", signal: 15}'
        must delete '{exec_id: "e"}'
        must exec '{exec_id: "e", spec: {"$bin": "{\"args\": [\"true\"], \"cwd\": \"/\"}"}}'
        kill_and_remove
}

end_with_init() {
        sleeper
        add_exec one '' sleep 1000
        add_exec two '' sleep 1000
        call kill '{signal: 9}'
        is "$(status_of)" 137 "init is killed"
        is "$(status_of '{exec_id: "one"}')" 137 "an exec ends with it: one"
        is "$(status_of '{exec_id: "two"}')" 137 "an exec ends with it: two"
        is "$(kinds)" "create start exec-added exec-started exec-added exec-started exec-exit exec-exit exit" "all exec exits come before the exit"
        must delete
}

many() {
        local i pids=() failed=0

        sleeper
        for i in $(seq 12); do
                (add_exec "e$i" '' sh -c "exit $i") >/dev/null &
                pids+=($!)
        done
        wait "${pids[@]}"
        for i in $(seq 12); do
                [ "$(status_of '{exec_id: "e'"$i"'"}')" = "$i" ] || failed=$((failed + 1))
        done
        is "$failed" 0 "12 execs at once: each has its own status"
        is "$(kinds | tr ' ' '\n' | sort | uniq -c | awk '/exec/ { print $1 }' | paste -sd' ')" "12 12 12" "and its three events"
        kill_and_remove
}

auto_remove() {
        sleeper
        add_exec e '{auto_remove: true}' true
        await_event exec-exit
        eventually exec_is_gone
        ok $? "an exec with auto_remove is gone after its end"
        kill_and_remove
}

exec_is_gone() {
        call state '{exec_id: "e"}'
        [ "$(field .reason)" = process-not-found ]
}

e2e_start
for_each_runtime statuses surroundings cannot_start added_only end_with_init many auto_remove
e2e_done
