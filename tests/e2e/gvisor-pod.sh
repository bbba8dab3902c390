#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Containers in the sandbox of another one, as in a pod; with runsc, and with a runsc whose sandboxes cannot be asked
# directly, so that all of it is done by its command line.

. "$top_srcdir/tests/e2e/lib.sh"

# Runs in a network namespace of its own: there its sandboxes listen, and the daemon, which looks in another one, finds nobody.
make_shy_runsc() {
        mkdir -p "$T/bin"
        : >"$T/shy-netns"
        unshare --net="$T/shy-netns" true || { echo "Bail out! no network namespace"; exit 99; }
        printf '#!/bin/sh\nexec nsenter --net=%s runsc "$@"\n' "$T/shy-netns" >"$T/bin/shy-runsc"
        chmod +x "$T/bin/shy-runsc"
        PATH=$PATH:$T/bin
        write_config
        printf '[runtimes.shy-runsc]\ntype = "runsc"\npath = "%s"\noptions = ["--platform=ptrace", "--network=none"]\n' \
                "$T/bin/shy-runsc" >>"$e2e_config"
}

annotated() { # TYPE
        echo '.annotations = {"io.kubernetes.cri.container-type": "'"$1"'", "io.kubernetes.cri.sandbox-id": "'"$BOX"'"} |
                .linux.cgroupsPath = "/sandboxd/'"$NS"'/'"$ID"'"'
}

runs_of_wait() { # how many processes wait for a container
        our_processes | awk '$1 == "process" { print "/proc/" $2 "/cmdline" }' | xargs -r grep -lsz '^wait$' 2>/dev/null | wc -l
}

waits_are() { # NUMBER
        [ "$(runs_of_wait)" = "$1" ]
}

# What a pod begins with.
box() {
        BOX=$ID
        bundle "$(annotated sandbox)" sleep 1000
        create && must start
}

joins() { # NAME ARG...: created, not started
        ID=$1-$BOX
        bundle "$(annotated container)" "${@:2}"
        create '{stdout_path: "file://'"$T/out/$ID"'", stderr_path: "file://'"$T/out/$ID.err"'"}'
}

of() { # NAME ARG...: does it with that container
        local ID=$1-$BOX

        "${@:2}"
}

end_box() {
        ID=$BOX
        kill_and_remove
        rm -rf "${T:?}/b/"*"$ID" "$T/out/"*"$ID"*
}

streams_and_statuses() {
        box
        joins a sh -c 'echo out; echo err >&2; exit 42'
        is "$(state .process.pid)" "$(ID=$BOX state .process.pid)" "its pid is that of the sandbox"
        must start
        is "$(status_of)" 42 "its exit status"
        is "$(cat "$T/out/$ID" "$T/out/$ID.err")" "out
err" "its own output"
        joins b sh -c 'kill -KILL $$' && must start
        is "$(status_of)" 137 "one that is killed by itself"
        joins c sleep 1000 && must start
        add_exec e '' sh -c 'exit 3'
        is "$(status_of '{exec_id: "e"}')" 3 "an exec in one"
        must delete '{exec_id: "e"}'
        must kill '{signal: 15, all: true}'
        is "$(status_of)" 143 "one that is sent a signal"
        joins d /no/such/program
        refused runtime-failed "one whose program is not there does not start" start
        is "$(call wait && field .exit_known)" "" "and has no exit status"
        of a must delete && of b must delete && of c must delete && of d must delete
        ok $? "they are removed"
        ID=$BOX
        is "$(state .process.status)" running "the sandbox runs on"
        end_box
}

before_the_start() {
        box
        joins a sleep 1000
        must kill '{signal: 15}'
        is "$(status_of)" 143 "one that is killed before it was started"
        must delete
        joins b sleep 1000
        must delete
        ok $? "one that is removed before it was started"
        joins c sleep 1000
        ID=$BOX
        must kill '{signal: 9}'
        is "$(of c status_of)" 137 "one whose sandbox ends before it was started"
        of c must delete
        ID=$BOX
        remove
        rm -rf "${T:?}/b/"*"$ID" "$T/out/"*"$ID"*
}

end_of_the_sandbox() {
        box
        joins a sleep 1000 && must start
        joins b sleep 1000 && must start
        eventually waits_are "$([ "$RUNTIME" = runsc ] && echo 0 || echo 2)"
        ok $? "the sandbox itself tells the ends, if it can be asked"
        of a must kill '{signal: 9}'
        is "$(of a status_of)" 137 "one is killed"
        of b status_is running
        ok $? "and the other one runs on"
        ID=$BOX
        must kill '{signal: 9}'
        is "$(status_of) $(of b status_of)" "137 137" "the end of the sandbox is the end of all"
        must delete
        ok $? "the sandbox is removed first"
        of a must delete && of b must delete
        ok $? "and what was in it then"
        rm -rf "${T:?}/b/"*"$BOX" "$T/out/"*"$BOX"*
}

# runsc takes the beginning of an id for the id.
ids_that_are_alike() {
        local one=$ID

        box
        ID=${one}2
        box
        is "$(state .process.status)" running "an id that begins with that of another one"
        joins a sh -c 'exit 8' && must start
        is "$(status_of)" 8 "and what joins its sandbox"
        must delete
        ID=a-${one}2x
        bundle "$(annotated container)" sleep 1000
        create && must start
        ID=a-${one}2
        bundle "$(annotated container)" sleep 1000
        create_refused invalid-id "one that could not be told from another one of its pod"
        ID=a-${one}2x
        kill_and_remove
        ID=$one
        is "$(state .process.status)" running "the first one is as it was"
        kill_and_remove
        ID=${one}2
        kill_and_remove
        ID=$one
        rm -rf "${T:?}/b/"*"$ID"* "$T/out/"*"$ID"*
}

over_a_restart() {
        local old

        box
        joins a sh -c 'until [ -e /vol/go ]; do sleep 0.05; done; exit 5' && must start
        joins b sh -c 'until [ -e /vol/go ]; do sleep 0.05; done; echo late; exit 6'
        old=$(daemon_pid)
        kill -KILL "$old"
        eventually answers
        must start
        ok $? "one that an earlier daemon had created is started"
        touch "$T/vol/go"
        is "$(of a status_of) $(of b status_of)" "5 6" "the exit statuses are known to the next daemon"
        is "$(cat "$T/out/$ID")" late "the output too"
        rm -f "$T/vol/go"
        of a must delete && of b must delete
        end_box
}

make_shy_runsc
e2e_start
for_runtime runsc streams_and_statuses before_the_start ids_that_are_alike end_of_the_sandbox over_a_restart
for_runtime shy-runsc streams_and_statuses end_of_the_sandbox over_a_restart
e2e_done
