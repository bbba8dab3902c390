#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# gVisor by its control socket: no process of runsc but sandbox and gofer; executed processes, their stdio, terminals and
# statuses, also over a restart of the daemon; and nobody but us can drive a sandbox.

. "$top_srcdir/tests/e2e/gvisor-lib.sh"

# The processes of runsc that are there for this test, by their subcommand.
resident() {
        local pid

        our_processes | awk '$1 == "process" { print $2 }' | while read -r pid; do
                tr '\0' '\n' <"/proc/$pid/cmdline" 2>/dev/null | grep -xE 'boot|gofer|wait|exec|events|kill|ps|create|start' | head -n 1
        done | sort | uniq -c | awk '{ print $2 "=" $1 }' | paste -sd' '
}

only_sandbox_and_gofer() {
        [ "$(resident)" = "boot=1 gofer=1" ]
}

no_resident_process() {
        sleeper
        eventually only_sandbox_and_gofer
        ok $? "a running container is a sandbox and its gofer"
        add_exec e '' sleep 1000
        is "$(field .pid)" "$(state .process.pid)" "an exec has the pid of the sandbox on the host"
        add_exec f '' sleep 1000
        eventually only_sandbox_and_gofer
        ok $? "with two execs it is no more"
        must pids
        is "$(field '[.processes[] | select(.exec_id == "e" or .exec_id == "f")] | length')" 2 "which the sandbox knows"
        must kill '{exec_id: "e", signal: 15}'
        is "$(status_of '{exec_id: "e"}')" 143 "one is killed by TERM"
        must delete '{exec_id: "e"}'
        is "$(call state '{exec_id: "f"}' && field .process.status)" running "the other one runs on"
        kill_and_remove
}

statuses_and_streams() {
        local out=$T/out/$ID.e

        sleeper
        add_exec e '{stdout_path: "file://'"$out"'"}' sh -c 'echo out; echo err >&2; exit 42'
        is "$(status_of '{exec_id: "e"}')" 42 "its status"
        is "$(cat "$out")" "out
err" "its output, in a file"
        must delete '{exec_id: "e"}'
        is "$(echo typed | sbx exec -i "$ID" sh -c 'read x; echo "got $x"; echo no >&2; exit 7' 2>/dev/null)" "got typed" "FIFOs for all three"
        sbx exec "$ID" sh -c 'exit 3'
        is $? 3 "and the status"
        is "$(sbx exec "$ID" sh -c 'head -c 300000 /dev/zero | tr "\0" x' | wc -c)" 300000 "much output"
        EXEC_SPEC='{user: {uid: 1000, gid: 1000, additionalGids: [5, 6]}, cwd: "/tmp", env: ["PATH=/bin", "A=b c\u00e9\"q"], capabilities: {effective: ["CAP_KILL", "CAP_NET_RAW"], permitted: ["CAP_KILL", "CAP_NET_RAW"], bounding: ["CAP_KILL", "CAP_NET_RAW"]}}' \
                add_exec u '{stdout_path: "file://'"$out"'.u", io_uid: 1000, io_gid: 1000}' sh -c 'id; pwd; echo "$A"; grep CapBnd /proc/self/status; echo again >/dev/stdout'
        is "$(status_of '{exec_id: "u"}')" 0 "as another user"
        like "$(cat "$out.u")" "uid=1000*groups=5,6*/tmp*b cé\"q*CapBnd:*0000000000000020*again" "with groups, directory, environment and capabilities"
        rm -f "$out" "$out.u"
        kill_and_remove
}

ends_with_the_sandbox() {
        sleeper
        add_exec e '' sleep 1000
        kill -9 "$(state .process.pid)"
        is "$(status_of)" 137 "the sandbox is killed"
        is "$(status_of '{exec_id: "e"}')" 137 "and with it what runs in it"
        must delete
}

# The sandbox would wait 15 s for a client that is connected and says nothing.
ends_at_once() {
        local begun

        sleeper
        add_exec e '' sleep 1000
        begun=$(date +%s%N)
        must kill '{signal: 15, all: true}'
        # or KILL, when init was the first to end: the rest goes with it
        like "$(status_of '{exec_id: "e"}')" "1@(43|37)" "all get TERM"
        is "$(status_of)" 143 "init too"
        [ $(($(date +%s%N) - begun)) -lt 12000000000 ]
        ok $? "no open connection held up the end of the sandbox"
        must delete
}

all_answer() {
        eventually answers
}

crash() { # kill -9 of the daemon, and the next one
        local pid

        pid=$(daemon_pid)
        kill -9 "$pid"
        eventually new_daemon "$pid"
        all_answer
}

new_daemon() {
        local now

        now=$(daemon_pid)
        [ -n "$now" ] && [ "$now" != "$1" ]
}

over_a_restart() {
        local out=$T/out/$ID.e

        sleeper
        add_exec long '' sh -c 'while [ ! -e /vol/go ]; do sleep 0.1; done; exit 11'
        add_exec during '' sh -c 'while [ ! -e /vol/now ]; do sleep 0.05; done; exit 12'
        pid=$(daemon_pid)
        # it ends while there is no daemon
        kill -STOP "$keeper_pid"
        kill -9 "$pid"
        touch "$T/vol/now"
        eventually gone_from_sandbox
        kill -CONT "$keeper_pid"
        eventually new_daemon "$pid"
        all_answer
        is "$(status_of '{exec_id: "during"}')" 12 "the status of what ended while there was no daemon"
        is "$(call state '{exec_id: "long"}' && field .process.status)" running "what ran on runs"
        eventually only_sandbox_and_gofer
        ok $? "with no process for it"
        touch "$T/vol/go"
        is "$(status_of '{exec_id: "long"}')" 11 "and tells its status to the next daemon"
        is "$(kinds | tr ' ' '\n' | grep -c exec-exit)" 2 "each exit is published once"
        add_exec new '' sh -c 'exit 13'
        is "$(status_of '{exec_id: "new"}')" 13 "the next daemon starts another one"
        rm -f "$T/vol/go" "$T/vol/now"
        kill_and_remove
}

# Asked by runsc itself, since there is no daemon: one sleeping loop is left of two (and init).
gone_from_sandbox() {
        [ "$(nsenter --net="$ROOT/netns/runsc" "${E2E_RUNSC:-runsc}" --root "$(echo "$ROOT"/runtime/runsc/*)" ps --format json "$ID" 2>/dev/null | gojq 'length')" -le 3 ]
}

# kill -9 of the daemon at many instants of a start: the exec has run once, and its status is told.
crash_while_starting() {
        local i pid told=0

        sleeper
        for i in $(seq 8); do
                rm -f "$T/vol/ran.$i"
                call exec '{exec_id: "e'"$i"'", spec: {"$bin": "{\"args\": [\"sh\", \"-c\", \"echo x >>/vol/ran.'"$i"'; exit 21\"], \"env\": [\"PATH=/bin\"], \"cwd\": \"/\"}"}}'
                pid=$(daemon_pid)
                (call start '{exec_id: "e'"$i"'"}') 2>/dev/null &
                perl -e "select undef, undef, undef, 0.0015 * $i"
                kill -9 "$pid"
                eventually new_daemon "$pid"
                all_answer
                wait $! 2>/dev/null
                call start '{exec_id: "e'"$i"'"}'
                case $(status_of '{exec_id: "e'"$i"'"}') in
                21) [ "$(wc -l <"$T/vol/ran.$i")" = 1 ] && told=$((told + 1)) ;;
                unknown | '') [ ! -e "$T/vol/ran.$i" ] && told=$((told + 1)) ;;
                esac
        done
        is "$told" 8 "each has run once and told its status, or has not run"
        rm -f "$T"/vol/ran.*
        kill_and_remove
}

# --- terminals ---

keys_to() { # TEXT
        printf '%b' "$1" >&"$keys"
}

shows() { # TEXT
        local shown

        eventually grep -qa "$1" "$T/screen.log"
        shown=$?
        ok $shown "the terminal shows: $1"
        [ $shown = 0 ] || cat -v "$T/screen.log" | note
}

exec_in_terminal() {
        local reader

        run sh -c 'while :; do sleep 1000 & wait; done' # who reaps orphans
        rm -f "$T/in" "$T/screen"
        mkfifo "$T/in" "$T/screen"
        exec {keys}<>"$T/in" {screen}<>"$T/screen"
        cat <&"$screen" >"$T/screen.log" &
        reader=$!
        EXEC_SPEC='{terminal: true}' add_exec t '{terminal: true, stdin_path: "'"$T/in"'", stdout_path: "'"$T/screen"'", console_width: 77, console_height: 33}' \
                sh -c 'trap "echo winch; stty size" WINCH; trap "echo got-int" INT; stty size; echo ready; read x; echo "line $x"; while :; do read x; done' # no sleep: the next exec counts them
        shows ready
        shows '33 77'
        keys_to 'hello\n'
        shows 'line hello'
        must resize '{exec_id: "t", width: 100, height: 40}'
        shows winch
        shows '40 100'
        eventually interrupted
        ok $? "^C is a signal for the foreground group"
        must kill '{exec_id: "t", signal: 9}'
        is "$(status_of '{exec_id: "t"}')" 137 "it ends"
        must delete '{exec_id: "t"}'
        EXEC_SPEC='{terminal: true}' add_exec s '{terminal: true, stdin_path: "'"$T/in"'", stdout_path: "'"$T/screen"'"}' sh
        keys_to 'sleep 1000\n'
        eventually sleepers 2
        keys_to '\003'
        eventually sleepers 1
        ok $? "^C ends what runs in the foreground"
        keys_to 'echo be""en "$?"\n'
        shows 'been 130'
        keys_to 'sleep 1001; echo qu""it "$?"\n'
        eventually sleepers 2
        keys_to '\034'
        shows 'quit 131'
        keys_to 'sleep 1002\n'
        eventually sleepers 2
        keys_to '\032'
        shows 'Stopped'
        keys_to 'kill -9 %1; wait; exit 5\nexit 5\n'
        is "$(status_of '{exec_id: "s"}')" 5 "a shell with jobs, and its status"
        exec {keys}>&-
        kill "$reader" 2>/dev/null
        wait "$reader" 2>/dev/null
        exec {screen}>&-
        kill_and_remove
}

interrupted() {
        keys_to '\003'
        timeout 2 sh -c 'until grep -qa got-int "$1"; do sleep 0.1; done' sh "$T/screen.log"
}

sleepers() { # NUMBER, with init's
        call ps && [ "$(field '[.rows[] | select(.cmd == "sleep")] | length')" = "$1" ]
}

# --- pause, checkpoint ---

detail_is() {
        [ "$(state .detail)" = "$1" ]
}

# The sandbox cannot answer before the daemon has ended.
paused_over_a_restart() {
        local old pid what

        run sh -c 'while :; do echo; sleep 0.01; done'
        must pause && must resume # what it calls that is known now
        for what in pause resume; do
                counts
                pid=$(state .process.pid) old=$(daemon_pid)
                [ $what = pause ] || must pause
                kill -STOP "$pid"
                apart call $what &
                eventually detail_is "${what%e}ing"
                kill -KILL "$old"
                kill -CONT "$pid"
                eventually answers
                wait $!
                eventually status_is "$([ $what = pause ] && echo paused || echo running)"
                ok $? "$what while the daemon is killed: the next one finds out"
                [ $what = resume ] || must resume
        done
        counts
        ok $? "it runs"
        kill_and_remove
}

# What runsc itself was called for, since then.
runsc_was_called_for() {
        sed -nE 's/.* (create|start|delete|exec|kill|pause|resume|ps|events|checkpoint|wait|state|debug)( .*|$)/\1/p' "$T/calls" | sort -u | paste -sd' '
}

by_the_socket() {
        run sh -c 'while :; do echo; sleep 0.01; done'
        : >"$T/calls"
        counts
        must pause && must resume && must kill '{signal: 28}' && must ps && must pids && must stats
        add_exec e '' true && call wait '{exec_id: "e"}' && must delete '{exec_id: "e"}'
        like "$(sbx debug "$ID")" "*goroutine *" "its stacks"
        counts
        ok $? "it runs after all that"
        must checkpoint '{path: "'"$T/image"'", exit: true}'
        is "$(status_of)" 0 "a checkpoint ends it"
        [ -s "$T/image/checkpoint.img" ]
        ok $? "and is there"
        is "$(runsc_was_called_for)" "" "runsc was called for none of it"
        must delete
        is "$(runsc_was_called_for)" delete "but to remove it"
        rm -rf "$T/image"
}

# A release that cannot do it would end the sandbox, and make another one behind our back.
left_running() {
        local pid

        run sh -c 'while :; do echo; sleep 0.01; done'
        pid=$(state .process.pid)
        : >"$T/calls"
        if [ -n "${E2E_RUNSC-}" ]; then
                must checkpoint '{path: "'"$T/image"'"}'
                [ -s "$T/image/checkpoint.img" ]
                ok $? "a checkpoint of one that goes on"
        else
                refused not-supported "a release that would end it is not asked for a checkpoint of one that is to go on" checkpoint '{path: "'"$T/image"'"}'
                is "$(runsc_was_called_for)" "" "not even by runsc"
        fi
        counts
        ok $? "it goes on"
        is "$(state '"\(.process.status) \(.process.pid)"')" "running $pid" "and is the sandbox that it was"
        rm -rf "$T/image"
        kill_and_remove
}

# --- OOM, statistics ---

oom() {
        bundle '.linux.resources.memory = {limit: 67108864}' dd if=/dev/zero of=/dev/null bs=200M count=1
        create && must start
        is "$(status_of)" 137 "out of memory is 137"
        await_event oom
        ok $? "and an event tells of it"
        is "$(kinds)" "create start oom exit" "before the exit"
        must delete
}

both_say_the_same() { # the two are looked at one after the other: once its program has settled
        call stats && [ "$(field .sandbox_memory)" = "$(field .memory.usage)" ]
}

statistics() {
        local share whole

        bundle '.linux.resources.memory = {limit: 268435456} | .linux.resources.pids = {limit: 300}' sh -c 'i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done; echo ready; exec sleep 1000'
        create '{stdout_path: "file://'"$T/out/$ID"'"}' && must start
        eventually grep -q ready "$T/out/$ID"
        must stats
        share=$(field .cpu_total_ns)
        whole=$(cat "/sys/fs/cgroup/cpuacct/sandboxd/$NS/$ID/cpuacct.usage" 2>/dev/null ||
                awk '$1 == "usage_usec" { print $2 * 1000 }' "/sys/fs/cgroup/sandboxd/$NS/$ID/cpu.stat")
        [ "$share" -gt $((whole / 2)) ] && [ "$share" -le "$whole" ]
        ok $? "the only container of a sandbox has all of the sandbox's CPU time ($share of $whole)"
        is "$(field .memory.limit)" 268435456 "the limit of memory is that of the host's cgroup"
        is "$(field .pids_current)" 1 "processes are those of the sandbox"
        eventually both_say_the_same
        ok $? "the memory of its programs, by its file"
        share=$(field .sandbox_memory)
        add_exec e '' sh -c 'head -c 30000000 /dev/zero | tail -c 20000000 >/tmp/x; echo ready >/vol/used; sleep 1000'
        eventually test -e "$T/vol/used"
        rpc stats.all '{"ns": "'"$NS"'"}' >"$T/last"
        [ "$(field '.containers[0].sandbox_memory')" -gt $((share + 15000000)) ]
        ok $? "of which they use more now: nobody is asked for that"
        rm -f "$T/vol/used"
        kill_and_remove
}

# --- who may drive a sandbox ---

# What an ordinary user of the host can try: every name that the control socket may have.
intruder() { # ID
        setpriv --reuid=65534 --regid=65534 --clear-groups perl -MSocket -e '
                my ($id, @files) = @ARGV;
                for my $name ("\0runsc-sandbox.$id\0", "\0runsc-sandbox.$id", @files) {
                        socket(my $s, AF_UNIX, SOCK_STREAM, 0) or die;
                        if (connect($s, pack_sockaddr_un($name))) { print "connected\n"; exit }
                }
                print "refused\n"' "$1" "$ROOT"/runtime/runsc/*/*.sock /run/runsc-*.sock /tmp/runsc-*.sock /var/run/runsc-*.sock
}

nobody_else() {
        sleeper
        is "$(intruder "$ID")" refused "an ordinary user of the host cannot connect to the sandbox"
        is "$(grep -c "runsc-sandbox.$ID" /proc/net/unix)" 0 "the host's network namespace has no such name"
        is "$(nsenter --net="$ROOT/netns/runsc" grep -c "runsc-sandbox.$ID" /proc/net/unix | sed 's/[1-9][0-9]*/some/')" "$([ -n "${E2E_RUNSC-}" ] && echo 0 || echo some)" "ours has it, if it is an abstract one"
        setpriv --reuid=65534 --regid=65534 --clear-groups nsenter --net="$ROOT/netns/runsc" true 2>/dev/null
        [ $? != 0 ]
        ok $? "which an ordinary user cannot enter"
        must ps
        kill_and_remove
}

write_config
mkdir -p "$T/bin"
printf '#!/bin/sh\necho "$@" >>%s\nexec %s "$@"\n' "$T/calls" "${E2E_RUNSC:-$(command -v runsc)}" >"$T/bin/runsc"
chmod +x "$T/bin/runsc"
sed -i "s|^\[runtimes.runsc\]|&\npath = \"$T/bin/runsc\"|" "$e2e_config"
e2e_start
for_runtime runsc ${CASES:-no_resident_process statuses_and_streams ends_with_the_sandbox ends_at_once over_a_restart crash_while_starting exec_in_terminal by_the_socket left_running paused_over_a_restart oom statistics nobody_else}
e2e_done
