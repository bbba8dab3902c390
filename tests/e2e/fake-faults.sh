#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runtimes that misbehave: hang, crash, write nonsense, leave processes. Each is an error for whoever asked, and nothing stays.

. "$top_srcdir/tests/e2e/lib.sh"

hangs() {
        script 'fake.create.begin: once hang-hard'
        bundle . sleep 1000
        create_refused runtime-timeout "create hangs: it is killed, and an error"
        refused not-found "and undone" state
        script 'fake.start.begin: once hang-hard'
        create
        refused runtime-timeout "start hangs" start
        call wait
        must delete
        script 'fake.exec.begin: once hang'
        sleeper
        add_exec e '' sleep 1000
        is "$(field .reason)" runtime-timeout "exec hangs"
        must delete '{exec_id: "e"}'
        status_is running
        ok $? "the container runs on"
        script 'fake.delete.begin: once hang-hard'
        call kill '{signal: 9}'
        call wait
        refused runtime-timeout "delete hangs" delete
        must delete
}

hangs_with_its_pid() {
        script 'fake.create.end: once hang-hard'
        bundle . sleep 1000
        create_refused runtime-timeout "create hangs at its end"
        eventually is_gone
        ok $? "the process that it made is gone too"
        cleanup
}

crashes() {
        script 'fake.create.begin: once crash'
        bundle . sleep 1000
        create_refused runtime-failed "create crashes"
        like "$(field .message)" "*signal 11*" "the message says how"
        script 'fake.start.begin: once crash 6'
        create
        refused runtime-failed "start crashes" start
        call wait
        must delete
        sleeper
        script 'fake.exec.begin: once crash'
        add_exec e '' sleep 1000
        is "$(field .reason)" runtime-failed "exec crashes"
        must delete '{exec_id: "e"}'
        call kill '{signal: 9}'
        call wait
        script 'fake.delete.begin: once crash'
        refused runtime-failed "delete crashes" delete
        must delete
}

fails() {
        script 'fake.create.begin: once fail the moon is in the wrong house'
        bundle . sleep 1000
        create_refused runtime-failed "create fails"
        like "$(field .message)" "*the moon is in the wrong house*" "in the runtime's words"
        script 'fake.create.begin: once exit 1'
        create_refused runtime-failed "create fails without a word"
}

pid_files() {
        local action

        for action in 'garbage-pid-file nonsense' empty-pid-file no-pid-file 'garbage-pid-file -1' 'garbage-pid-file 99999999999999999999'; do
                script "fake.create.before-pid-file: once $action"
                rm -f "$ROOT"/runtime/fake/*/fake.once.*
                bundle . sleep 1000
                create_refused runtime-failed "$action"
                eventually is_gone
        done
        cleanup
}

logs() {
        script 'fake.create.begin: once garbage-log; fail after garbage'
        bundle . sleep 1000
        create_refused runtime-failed "a log that is no JSON"
        script 'fake.create.begin: big-log 3000; fail after much'
        create_refused runtime-failed "a log of 3 MB"
        like "$(field .message)" "*after much*" "the last error in it is told"
        ok "$([ "$(wc -c <"$T/last")" -lt 8192 ]; echo $?)" "and not all of it"
        script 'fake.*.begin: garbage-log; log warning careful'
        create
        must start
        kill_and_remove
}

strays() { # a command that has ended, and left a process that holds its standard error
        script 'fake.create.end: once fork-stay' 'fake.exec.end: once fork-stay'
        sleeper
        add_exec e '' sleep 1000
        ok $? "what holds standard error does not hold the answer"
        kill_and_remove
        cleanup
}

orphans() {
        script 'fake.*.begin: orphan 9'
        sleeper
        add_exec e '' sh -c 'exit 47'
        is "$(status_of '{exec_id: "e"}')" 47 "the ends of orphans are not taken for those of others"
        kill_and_remove
}

nonsense_answers() {
        bundle . sleep 1000
        create
        must start
        script 'fake.state.begin: garbage' 'fake.ps.begin: garbage' 'fake.events.begin: garbage {"a":'
        call pids
        call ps
        call stats
        call state
        is "$(field .process.status)" running "the daemon goes on"
        kill_and_remove
}

write_config 'command_timeout = 2'
e2e_start
for_runtime fake hangs hangs_with_its_pid crashes fails pid_files logs strays orphans nonsense_answers
e2e_done
