#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A hostile host: no processes and no descriptors left, a runtime that stands still, pipes that nobody reads, records that
# are damaged. What happens to this container is told clearly, all the others go on, and nothing is lost. (Disks: no-room.sh;
# peers: containerd-shim.sh.)

. "$top_srcdir/tests/e2e/hostile-lib.sh"

# Another container lives a life of its own meanwhile.
others_go_on() {
        local ID=$ID-other

        run sleep 1000 && add_exec e '' sh -c 'exit 5' && [ "$(status_of '{exec_id: "e"}')" = 5 ] && kill_and_remove
        ok $? "the others go on${1:+: $1}"
        rm -rf "$T/b/$ID" "$T/out/$ID"
}

# --- processes: a cgroup with a limit around keeper, daemon and runtimes (the super-user has no RLIMIT_NPROC) ---

pids_cgroup() { # makes it: $pids_top and $pids
        for pids_top in /sys/fs/cgroup/pids /sys/fs/cgroup; do
                [ -e "$pids_top/cgroup.procs" ] || continue
                pids=$pids_top/sandboxd/$NS.host
                mkdir -p "${pids%/*}"
                for one in "$pids_top" "${pids%/*}"; do echo +pids >"$one/cgroup.subtree_control"; done 2>/dev/null
                mkdir "$pids" && [ -e "$pids/pids.max" ] && return 0
                rmdir "$pids"
        done
        return 1
}

move_all() { # FROM TO
        local pid

        while read -r pid; do echo "$pid" >"$2/cgroup.procs"; done <"$1/cgroup.procs" 2>/dev/null
        [ -z "$(cat "$1/cgroup.procs")" ]
}

pids_more() { # N more than there are now
        echo $(($(cat "$pids/pids.current") + $1)) >"$pids/pids.max"
}

no_processes() {
        local other=$ID-other n

        sleeper
        ID=$other
        sleeper
        pids_cgroup || { ok 0 "a cgroup for pids # SKIP none"; return; }
        echo "$keeper_pid" >"$pids/cgroup.procs"
        daemon_pid >"$pids/cgroup.procs"
        echo 0 >"$pids/pids.max"
        add_exec e '' true
        is "$(field .reason)" no-resources "no process can be made: an exec"
        like "$(field .message)" "OCI runtime exec failed: could not create a process: *" "says why" || last | note
        must delete '{exec_id: "e"}'
        status_is running
        ok $? "its container runs on"
        ID=new
        bundle . true
        create_refused no-resources "a create"
        refused not-found "and there is nothing of it" state
        ID=${other%-other}
        must kill '{signal: 9}'
        is "$(status_of)" 137 "signals and ends need no process"
        echo 0 >"$pids/pids.max"
        refused no-resources "a delete is refused" delete
        is "$(state .process.status)" stopped "and may be repeated" || last | note
        for n in 2 3 4 6 8; do
                ID=new
                pids_more "$n"
                if call create '{runtime: "'"$RUNTIME"'", bundle: "'"$BUNDLE"'"}'; then
                        echo max >"$pids/pids.max"
                        must delete '{force: true}'
                else
                        like "$(field .reason)" "@(no-resources|runtime-failed)" "$n processes and no more: a create" || last | note
                        echo max >"$pids/pids.max"
                        eventually is_gone || ok 1 "and there is nothing of it"
                fi
        done
        rm -rf "$T/b/new"
        ID=$other
        status_is running
        ok $? "what runs, runs on"
        others_go_on "when there are processes again"
        kill_and_remove
        rm -rf "$T/b/$other"
        ID=${other%-other}
        must delete
        eventually move_all "$pids" "$pids_top"
        eventually rmdir "$pids" 2>/dev/null
        is "$(kinds)" "create start exit delete" "each event once"
}

# --- descriptors ---

few_descriptors() {
        local daemon used n status

        ends_when_told 45
        daemon=$(daemon_pid)
        used=$(info .fds)
        for n in 1 2 3 4 5 6 8 10 12 16; do
                prlimit --pid "$daemon" --nofile=$((used + n)):4096
                (
                        ID=new
                        bundle . true
                        call create '{runtime: "'"$RUNTIME"'", bundle: "'"$BUNDLE"'"}' && call start
                ) >"$T/few" 2>&1
                status=$?
                if [ $status = 1 ]; then
                        like "$(field .reason)" "@(no-resources|internal|runtime-failed)" "$n descriptors and no more: a create" || last | note
                fi
                prlimit --pid "$daemon" --nofile=4096:4096
                (
                        ID=new
                        ! call state || call delete '{force: true}'
                ) || ok 1 "with $n descriptors it can be removed"
        done
        prlimit --pid "$daemon" --nofile=$((used - 2)):4096
        let_it_end
        prlimit --pid "$daemon" --nofile=4096:4096
        is "$(status_of)" 45 "what ends while there is none is told"
        is "$(daemon_pid)" "$daemon" "by the same daemon"
        must delete
        others_go_on
        rm -rf "$T/b/new"
}

# --- a runtime that stands still ---

is_done_once() { # what the script says?
        compgen -G "$ROOT/runtime/fake/*/fake.once.*" >/dev/null
}

stands_still() {
        script 'fake.create.begin: once stop'
        bundle . sleep 1000
        apart create_refused runtime-timeout "a create that stands still is killed" >"$T/still" &
        eventually is_done_once
        others_go_on "while it stands"
        wait $!
        cat "$T/still" >>"$T/results"
        grep -q '^ok' "$T/still"
        ok $? "a create that stands still is an error"
        eventually is_gone
        ok $? "and there is nothing of it"
        sleeper
        script 'fake.exec.begin: once stop'
        add_exec e '' true
        is "$(field .reason)" runtime-timeout "an exec that stands still"
        must delete '{exec_id: "e"}'
        status_is running
        ok $? "its container runs on"
        must kill '{signal: 9}'
        is "$(status_of)" 137 "and can be killed"
        must delete
}

runc_stands_still() {
        local runtime=$RUNTIME RUNTIME=standing

        : >"$T/stand"
        bundle . sleep 1000
        create_refused runtime-timeout "$runtime is stopped: a create"
        refused not-found "and there is nothing of it" state
        sleeper
        : >"$T/stand"
        add_exec e '' true
        is "$(field .reason)" runtime-timeout "an exec"
        must delete '{exec_id: "e"}'
        RUNTIME=$runtime others_go_on
        status_is running
        ok $? "its container runs on"
        kill -STOP "$(state .process.pid)"
        must kill '{signal: 15}'
        RUNTIME=$runtime others_go_on "beside a container that stands still"
        must kill '{signal: 9}'
        is "$(status_of)" 137 "and can be killed"
        must delete
}

# --- pipes that nobody reads ---

sleeps() { # does it sleep, as who writes to a full pipe does?
        grep -qE '^State:\s+S' "/proc/$1/status"
}

full_fifo() {
        mkfifo "$T/full"
        bundle . yes
        create "{stdout_path: \"$T/full\"}" && must start
        eventually sleeps "$(state .process.pid)"
        ok $? "a FIFO that nobody reads is full: its writer waits"
        others_go_on
        status_is running
        ok $? "it is running"
        must kill '{signal: 9}'
        is "$(status_of)" 137 "and can be killed"
        must delete
        rm "$T/full"
}

full_terminal() {
        local before

        mkfifo "$T/full"
        bundle '.process.terminal = true' yes
        create "{terminal: true, stdout_path: \"$T/full\"}" && must start
        eventually sleeps "$(state .process.pid)"
        ok $? "a terminal that nobody reads is full: its writer waits"
        before=$(info .rounds)
        others_go_on
        ok "$([ $(($(info .rounds) - before)) -lt 5000 ]; echo $?)" "the loop does not turn for it"
        call kill '{signal: 9}'
        is "$(status_of)" 137 "and can be killed"
        must delete
        rm "$T/full"
}

# --- records ---

is_not_found() {
        ! call state && [ "$(field .reason)" = not-found ]
}

damaged_record() {
        local record=$ROOT/state/_/$NS/$ID/meta.json pid before

        sleeper
        pid=$(state .process.pid)
        cp "$record" "$T/record"
        truncate -s $(($(wc -c <"$T/record") / 2)) "$record"
        before=$(md5sum <"$record")
        die
        refused corrupt "half a record: its container cannot be asked for" state
        like "$(field .message)" "*${record%/*}*meta.json*what runs of it goes on*" "why, and what to do" || last | note
        like "$(events | gojq -r 'select(.kind == "warning") | .message')" "*its record cannot be used*" "there is an event"
        bundle . true
        create_refused corrupt "its id is not free"
        refused corrupt "it is not removed" delete '{force: true}'
        kill -0 "$pid"
        ok $? "its processes run on"
        is "$(md5sum <"$record")" "$before" "and the record is as it was"
        others_go_on
        cp "$T/record" "$record"
        die
        status_is running
        ok $? "with a whole record it is taken over"
        : >"$record"
        die
        refused corrupt "an empty record" state
        kill -KILL "$pid"
        rm -r "${record%/*}"
        eventually is_not_found
        ok $? "who takes the rest away by hand has a free id again"
        "$FAKE" --root "$ROOT/runtime/fake/$NS" delete --force "$ID"
        sleeper
        kill_and_remove
}

cat >"$T/standing" <<'END'
#!/bin/sh
# runc, which is stopped where it begins, once, if it was asked for
if [ -e "${0%/*}/stand" ]; then rm "${0%/*}/stand"; kill -STOP $$; fi
exec runc "$@"
END
chmod 755 "$T/standing"
write_config 'command_timeout = 3'
printf '%s\n' '[runtimes.standing]' 'type = "oci"' "path = \"$T/standing\"" >>"$e2e_config"
e2e_start
for_runtime fake no_processes few_descriptors stands_still full_fifo full_terminal damaged_record
for_runtime runc no_processes runc_stands_still full_terminal
e2e_done
