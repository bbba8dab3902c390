#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Containers in the sandbox of another one, as in a pod; with runsc, and with a runsc whose sandboxes cannot be asked
# directly, so that all of it is done by its command line.

. "$top_srcdir/tests/e2e/gvisor-lib.sh"

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

paused_and_killed() {
        box
        joins a sleep 1000 && must start
        must pause
        is "$(state .process.status)" paused "one is paused"
        must kill '{signal: 9}'
        is "$(status_of)" 137 "KILL ends it all the same"
        must delete
        joins b sleep 1000 && must start
        must pause && must resume
        must kill '{signal: 15}'
        is "$(status_of)" 143 "another one is paused, resumed, and gets a signal"
        must delete
        end_box
}

# --- terminals ---

tells() { # TEXT NAME: a line of the screen with it
        local line deadline=$((SECONDS + 30))

        while [ "$SECONDS" -lt "$deadline" ] && read -r -t 30 line <&"$screen"; do
                [[ $line != *"$1"* ]] || { ok 0 "$2"; return; }
        done
        ok 1 "$2"
}

# Of the container $ID, created with a terminal: what is typed, resized, and the keys that mean a signal.
has_terminal() { # NAME
        must start
        tells ready "$1: begins"
        printf 'hello\n' >&"$keys"
        tells 'line hello' "$1: is typed to"
        must resize '{width: 101, height: 41}'
        tells 'winch 41 101' "$1: is told of a new size"
        printf '\003' >&"$keys"
        tells got-int "$1: ^C"
        printf '\034' >&"$keys"
        tells got-quit "$1: ^\\"
        printf '\032' >&"$keys"
        tells got-tstp "$1: ^Z"
        must kill '{signal: 9}'
        is "$(status_of)" 137 "$1: ends"
}

terminals() {
        local type io listens='trap "echo winch \$(stty size)" WINCH; trap "echo got-int" INT; trap "echo got-quit" QUIT
                trap "echo got-tstp" TSTP; echo ready; while :; do read -t 1 x && echo "line $x"; done'

        io='{terminal: true, stdin_path: "'"$T/in"'", stdout_path: "'"$T/screen"'"}'
        box
        ID=a-$BOX
        open_screen
        bundle "$(annotated container) | .process.terminal = true" sh -c "$listens"
        create "$io"
        has_terminal "one of a pod"
        must delete
        close_screen
        end_box
        open_screen
        bundle "$(annotated sandbox) | .process.terminal = true" sh -c "$listens"
        create "$io"
        has_terminal "a sandbox's own"
        must delete
        close_screen
}

stands_still() {
        local n

        n=$(wc -l <"$T/out/$ID")
        call ps; call stats; sbx list >/dev/null # a moment that one that runs would use
        [ "$(wc -l <"$T/out/$ID")" = "$n" ]
}

# A sandbox is paused with the first of its containers, and goes on with the last.
paused_as_a_whole() {
        local old

        box
        joins c sh -c 'while :; do echo; sleep 0.01; done' && must start
        joins a sleep 1000 && must start
        joins b sleep 1000 && must start
        of c counts
        of a must pause && of b must pause
        of c stands_still
        ok $? "with one all stand still"
        of a must resume
        of c stands_still
        ok $? "as long as one is paused"
        ID=$BOX
        must pause
        of b must kill '{signal: 9}'
        is "$(of b status_of)" 137 "a paused one is killed while others are paused"
        of a must kill '{signal: 9}'
        is "$(of a status_of)" 137 "one that runs, in a sandbox that is paused"
        of c stands_still
        ok $? "and the sandbox stands still as before"
        of b must delete && of a must delete
        old=$(daemon_pid)
        kill -KILL "$old"
        eventually answers
        ID=$BOX
        is "$(state .process.status)" paused "the next daemon finds it paused"
        of c stands_still
        must resume
        of c counts
        ok $? "and it goes on with the last one"
        of c must kill '{signal: 9}'
        is "$(of c status_of)" 137 "and all is as it was"
        of c must delete
        end_box
}

# Asked by runsc itself, since there is no daemon.
processes_in_sandbox() { # FORMAT
        nsenter --net="$([ "$RUNTIME" = runsc ] && echo "$ROOT/netns/runsc" || echo "$T/shy-netns")" \
                runsc --root "$(echo "$ROOT/runtime/$RUNTIME"/*)" ps --format "$1" "$ID" 2>/dev/null
}

empty_in_sandbox() {
        ! processes_in_sandbox json | grep -q "[0-9]"
}

has_shells() { # NUMBER
        [ "$(processes_in_sandbox table | grep -c ' sh *$')" = "$1" ]
}

# What every container of a sandbox has and does is limited and counted by the host for all of it together.
out_of_memory() {
        BOX=$ID
        bundle "$(annotated sandbox)"' | .linux.resources.memory = {limit: 134217728}' sleep 1000
        create && must start
        joins bystander sleep 1000 && must start
        joins glutton dd if=/dev/zero of=/dev/null bs=400M count=1 && must start
        is "$(status_of) $(of bystander status_of) $(ID=$BOX status_of)" "137 137 137" "one takes more than the sandbox may: 137 for all in it"
        is "$(kinds) / $(of bystander kinds) / $(ID=$BOX kinds)" "create start oom exit / create start oom exit / create start oom exit" "and all are told that it was for lack of memory, before their ends"
        of glutton must delete && of bystander must delete
        ID=$BOX
        remove
        rm -rf "${T:?}/b/"*"$BOX" "$T/out/"*"$BOX"*
}

cpu_of() {
        call stats && field '.cpu_total_ns // 0'
}

# The host's count of the whole sandbox is divided as the sandbox says.
shares_of_the_cpu() {
        local idle busy

        box
        joins busy sh -c 'i=0; while [ $i -lt 300000 ]; do i=$((i + 1)); done; echo done; exec sleep 1000' && must start
        joins idle sleep 1000 && must start
        eventually grep -q done "$T/out/busy-$BOX"
        busy=$(of busy cpu_of) idle=$(of idle cpu_of)
        [ "$busy" -gt $((3 * idle)) ]
        ok $? "one that has worked has more CPU time than one that sleeps ($busy, $idle)"
        of busy must kill '{signal: 9}' && of idle must kill '{signal: 9}'
        of busy status_of >/dev/null && of idle status_of >/dev/null
        of busy must delete && of idle must delete
        end_box
}

# What is told on the way of the sandbox's end is told to the next daemon.
ends_without_a_daemon() {
        local old pid

        box
        joins a sleep 1000 && must start
        joins b sh -c 'until [ -e /vol/go ]; do sleep 0.05; done; exit 5' && must start
        joins c sleep 1000
        pid=$(state .process.pid) old=$(daemon_pid)
        kill -STOP "$keeper_pid"
        kill -KILL "$old"
        touch "$T/vol/go"
        eventually of b empty_in_sandbox
        kill -KILL "$pid"
        kill -CONT "$keeper_pid"
        eventually answers
        is "$(ID=$BOX status_of)" 137 "the sandbox was killed while there was no daemon"
        is "$(of a status_of)" 137 "what was in it ended with it"
        is "$(of b status_of)" 5 "but what had ended before has its own status"
        is "$(of c status_of)" 137 "and what was never started ended with it too"
        rm -f "$T/vol/go"
        of a must delete && of b must delete && of c must delete
        ID=$BOX
        remove
        rm -rf "${T:?}/b/"*"$BOX" "$T/out/"*"$BOX"*
}

# What Kubernetes' CRI says in annotations, and gVisor's own shim makes of it.
kubernetes() {
        local uid=e2e-$$ pod=/sandboxd/$NS/pod1 logs=$T/logs/ns_pod_e2e-$$ own pid c volumes

        volumes=/var/lib/kubelet/pods/$uid/volumes
        mkdir -p "$logs" "$volumes/kubernetes.io~empty-dir/"{empty,full} "$T/shm"
        touch "$volumes/kubernetes.io~empty-dir/full/there"
        find /sys/fs/cgroup -mindepth 1 -maxdepth 1 -type d -exec mkdir -p {}"$pod" \; 2>/dev/null
        [ ! -e /sys/fs/cgroup/cgroup.controllers ] || mkdir -p /sys/fs/cgroup"$pod"
        hints='"dev.gvisor.spec.mount.empty.type": "tmpfs", "dev.gvisor.spec.mount.empty.share": "pod", "dev.gvisor.spec.mount.empty.options": "rw",
                "dev.gvisor.spec.mount.full.type": "tmpfs", "dev.gvisor.spec.mount.full.share": "pod", "dev.gvisor.spec.mount.full.options": "rw"'
        shm='{destination: "/dev/shm", type: "bind", source: "'"$T/shm"'", options: ["rbind", "rw"]}'
        BOX=$ID
        bundle "$(annotated sandbox)"' | .linux.cgroupsPath = "'"$pod/$ID"'" | .mounts += ['"$shm"'] |
                .annotations += {"io.kubernetes.cri.sandbox-log-directory": "'"$logs"'", '"$hints"'}' sleep 1000
        create '{runtime_args: ["--debug=true", "--debug-log='"$T"'/out/%ID%/log.%COMMAND%", "--log=/nonexistent/log"]}' && must start
        pid=$(state .process.pid)
        ls "$T/out/$ID"/log.boot* "$logs/gvisor.log" "$logs"/gvisor_panic.log* >/dev/null
        ok $? "the logs of runsc are where they belong, with the id in their paths"
        is "$(gojq -r '.annotations | [.["dev.gvisor.spec.mount.empty.type"], .["dev.gvisor.spec.mount.full.type"], .["dev.gvisor.spec.mount.full.share"], .["dev.gvisor.spec.mount.gvisorinternaldevshm.share"]] | join(" ")' "$BUNDLE/config.json")" \
                "tmpfs bind shared pod" "runsc is told what the volumes of the pod are"
        is "$(sed -n 's/^[0-9]*:\(memory\|\):\(.*\)/\2/p' "/proc/$pid/cgroup" | grep -m 1 "$pod")" "$pod" "the sandbox is in the cgroup of the pod"
        like "$(must stats && field .memory.usage)" "[1-9]*" "which has its statistics"
        for c in a b; do
                ID=$c-$BOX
                bundle "$(annotated container)"' | .linux.cgroupsPath = "'"$pod/$ID"'" | .annotations += {'"$hints"'} | .mounts += ['"$shm"',
                        {destination: "/empty", type: "bind", source: "'"$volumes"'/kubernetes.io~empty-dir/empty", options: ["rbind", "rw"]},
                        {destination: "/full", type: "bind", source: "'"$volumes"'/kubernetes.io~empty-dir/full", options: ["rbind", "rw"]}]' \
                        sh -c 'echo '$c' >/dev/shm/'$c'; echo '$c' >/empty/'$c'; echo '$c' >/full/'$c'; until [ -e /vol/go ]; do sleep 0.05; done; ls /dev/shm /empty /full | xargs'
                create '{stdout_path: "file://'"$T/out/$ID"'", stderr_path: "file://'"$T/out/$ID"'"}' && must start
        done
        eventually test -e "$volumes/kubernetes.io~empty-dir/full/b"
        ok $? "what is written to a volume with something in it is on the host"
        touch "$T/vol/go"
        is "$(of b status_of) $(of a status_of)" "0 0" "the containers end"
        is "$(cat "$T/out/b-$BOX")" "/dev/shm: a b /empty: a b /full: a b there" "and shared their volumes, and /dev/shm"
        is "$(ls "$T/shm" "$volumes/kubernetes.io~empty-dir/empty" | grep -c '^[ab]$')" 0 "of which nothing was on the host"
        rm -f "$T/vol/go"
        of a must delete && of b must delete
        end_box
        is "$(find /sys/fs/cgroup -type d -path "*$pod" | head -c 1)" / "the cgroup of the pod is not ours to remove"
        find /sys/fs/cgroup -depth -type d -path "*${pod:?}*" -exec rmdir {} +
        rm -rf "${T:?}/logs" "$T/shm" "/var/lib/kubelet/pods/${uid:?}"
        rmdir /var/lib/kubelet/pods /var/lib/kubelet 2>/dev/null
}

over_a_restart() {
        local old

        box
        joins a sh -c 'until [ -e /vol/go ]; do sleep 0.05; done; exit 5' && must start
        joins b sh -c 'until [ -e /vol/go ]; do sleep 0.05; done; echo late; exit 6'
        of a add_exec now '' sh -c 'until [ -e /vol/now ]; do sleep 0.05; done; exit 7'
        of a add_exec later '' sh -c 'until [ -e /vol/then ]; do sleep 0.05; done; exit 8'
        old=$(daemon_pid)
        kill -STOP "$keeper_pid"
        kill -KILL "$old"
        touch "$T/vol/now"
        eventually of a has_shells 2
        kill -CONT "$keeper_pid"
        eventually answers
        is "$(of a status_of '{exec_id: "now"}')" 7 "an exec in one, which ended while there was no daemon"
        must start
        ok $? "one that an earlier daemon had created is started"
        touch "$T/vol/then"
        is "$(of a status_of '{exec_id: "later"}')" 8 "an exec in one, which ends after that"
        touch "$T/vol/go"
        is "$(of a status_of) $(of b status_of)" "5 6" "the exit statuses are known to the next daemon"
        is "$(cat "$T/out/$ID")" late "the output too"
        rm -f "$T/vol/go" "$T/vol/now" "$T/vol/then"
        of a must delete && of b must delete
        end_box
}

make_shy_runsc
e2e_start
for_runtime runsc streams_and_statuses before_the_start ids_that_are_alike end_of_the_sandbox over_a_restart out_of_memory shares_of_the_cpu paused_and_killed paused_as_a_whole ends_without_a_daemon kubernetes terminals
for_runtime shy-runsc streams_and_statuses end_of_the_sandbox over_a_restart paused_and_killed
e2e_done
