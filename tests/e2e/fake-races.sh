#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Events that come in an order which a real runtime only rarely makes: with the fake one, whose steps can be held.

. "$top_srcdir/tests/e2e/crash-lib.sh"

# An init that ends before anybody knows its pid.
init_before_its_pid() {
        script 'fake.create.begin: exit-before-pid 43'
        bundle . sleep 1000
        create
        is "$(status_of)" 43 "its status is known"
        refused stopped "it cannot be started" start
        must delete
        is "$(kinds)" "create exit delete" "events in order"
}

exec_before_its_pid() {
        sleeper
        script 'fake.exec.begin: exit-before-pid 44'
        add_exec e '' sleep 1000
        is "$(status_of '{exec_id: "e"}')" 44 "an exec: its status is known"
        must delete '{exec_id: "e"}'
        kill_and_remove
        is "$(kinds)" "create start exec-added exec-started exec-exit exit delete" "events in order"
}

# The process has ended, and the runtime's command takes its time.
exec_before_its_answer() {
        sleeper
        script "fake.exec.end: wait $T/vol/hold"
        (add_exec e '' sh -c 'exit 45') &
        held
        is "$(kinds)" "create start exec-added" "its end is not told before its start"
        release
        wait $!
        is "$(status_of '{exec_id: "e"}')" 45 "then its status is known"
        is "$(kinds)" "create start exec-added exec-started exec-exit" "events in order"
        kill_and_remove
}

init_before_its_answer() {
        script "fake.start.end: wait $T/vol/hold"
        bundle . sh -c 'exit 46'
        create
        (call start) &
        held
        is "$(kinds)" "create" "its end is not told before its start"
        release
        wait $!
        is "$(status_of)" 46 "then its status is known"
        must delete
        is "$(kinds)" "create start exit delete" "events in order"
}

# kill -9 of the daemon while the runtime makes the container: what it makes is taken, and not made again. Who reads its
# stdout has seen a writer: he would take its end for the end of all.
daemon_killed_during_create() {
        local old reader more='{request_id: "one-'"$1"'", stdout_path: "'"$T/stdout"'"}'

        mkfifo "$T/stdout"
        cat "$T/stdout" >"$T/said" &
        reader=$!
        script "fake.create.$1: wait $T/vol/hold"
        bundle . sh -c 'echo all of it; exit 47'
        (LAST=$T/last.create call create "$more + {runtime: \"fake\", bundle: \"$BUNDLE\"}") &
        held
        old=$(daemon_pid)
        kill -KILL "$old"
        wait $!
        eventually another "$old"
        script
        release
        create "$more"
        is "$(grep -c '"event":"begin","command":"create","id":"'"$ID"'"' "$ROOT/runtime/fake/$NS/calls.log")" 1 "$1: the runtime's create has run once"
        must start
        is "$(status_of)" 47 "$1: its status is known"
        must delete
        wait "$reader"
        is "$(cat "$T/said")" "all of it" "$1: who reads its output misses nothing"
        is "$(kinds | sed 's/cleaned //')" "create adopted start exit delete" "$1: one create is told"
        rm -f "$T/stdout" "$T/said" "$T/last.create"
}

killed_before_fork() {
        daemon_killed_during_create before-fork
}

killed_at_its_end() {
        daemon_killed_during_create end
}

kill_during_create() {
        local creating killing

        script "fake.create.after-pid-file: wait $T/vol/hold"
        bundle . sleep 1000
        (apart create) &
        creating=$!
        held
        (apart call kill '{signal: 9}') &
        killing=$!
        eventually requests 3
        release
        wait "$creating"
        ok $? "create is answered"
        wait "$killing"
        ok $? "and the signal that came meanwhile is sent"
        is "$(status_of)" 137 "it ends by it"
        must delete
}

# A command of a container that has ended meanwhile: nothing of it may write into what is being removed.
removed_during_update() {
        local updating

        script "fake.update.begin: touch $T/vol/began; hang"
        sleeper
        (LAST=$T/update call update '{resources: {"$bin": "{\"pids\": {\"limit\": 50}}"}}') &
        updating=$!
        eventually test -e "$T/vol/began"
        kill_and_remove
        wait "$updating"
        is "$(gojq -r .reason "$T/update")" cancelled "the update is given up"
        rm -f "$T/vol/began" "$T/update"
}

removed_during_create() {
        local creating

        script "fake.create.after-pid-file: wait $T/vol/hold"
        bundle . sleep 1000
        (apart call create '{runtime: "fake", bundle: "'"$BUNDLE"'"}') >/dev/null &
        creating=$!
        held
        call delete '{force: true}'
        wait "$creating"
        ok "$([ $? != 0 ]; echo $?)" "the create is given up"
        eventually is_gone
        ok $? "and undone"
        cleanup
}

removed_during_exec() {
        local exec

        sleeper
        script "fake.exec.after-pid-file: wait $T/vol/hold"
        (LAST=$T/last.exec add_exec e '' sleep 1000) &
        exec=$!
        held
        must delete '{force: true}'
        wait "$exec"
        like "$(gojq -r .reason "$T/last.exec")" "@(not-found|cancelled|runtime-timeout)" "who started the exec is told"
        rm -f "$T/last.exec"
        eventually is_gone
        ok $? "a container is removed while an exec is being started"
        cleanup
}

removed_during_start() {
        local start

        script "fake.start.end: wait $T/vol/hold"
        bundle . sleep 1000
        create
        (apart call start) >/dev/null &
        start=$!
        held
        must delete '{force: true}' &
        eventually requests 2
        release
        wait $!
        wait "$start"
        eventually is_gone
        ok $? "a container is removed while it is being started"
        cleanup
}

same_id_at_once() { # two creates of one id: one of them is told so
        local first second

        script "fake.create.begin: wait $T/vol/hold"
        bundle . sleep 1000
        (apart create) &
        first=$!
        held
        create_refused already-exists "a second create while the first is under way"
        release
        wait "$first"
        ok $? "the first one goes on"
        must delete
}

e2e_start
for_runtime fake init_before_its_pid exec_before_its_pid exec_before_its_answer init_before_its_answer kill_during_create removed_during_create \
        removed_during_update removed_during_exec removed_during_start same_id_at_once killed_before_fork killed_at_its_end
e2e_done
