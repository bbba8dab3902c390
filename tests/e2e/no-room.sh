#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What the host has run out of: disk space for the state, descriptors. A request fails with a clear reason, what runs goes on, and
# when there is room again all is well.

. "$top_srcdir/tests/e2e/hostile-lib.sh"

fill() {
        dd if=/dev/zero of="$ROOT/fill" bs=4k 2>/dev/null
}

full_disk() {
        local other=$ID-other ID=$ID

        sleeper
        fill
        ID=$other
        bundle . sleep 1000
        create_refused no-resources "no room: create"
        like "$(field .message)" "*No space left*" "says why"
        refused not-found "and leaves nothing" state
        ID=${other%-other}
        status_is running
        ok $? "what runs goes on"
        must kill '{signal: 9}'
        is "$(status_of)" 137 "can be killed, and its status is known"
        rm -f "$ROOT/fill"
        must delete
        ID=$other
        create
        must delete
        rm -rf "$T/b/$other"
}

too_few_descriptors() {
        local pid used other=$ID-other

        sleeper
        pid=$(daemon_pid)
        used=$(info .fds)
        prlimit --pid "$pid" --nofile=$((used + 1)):4096
        ID=$other
        bundle . true
        call create '{runtime: "'"$RUNTIME"'", bundle: "'"$BUNDLE"'"}' 2>/dev/null
        like "$?$(field .reason)" "@(1no-resources|1internal|2|3)" "too few descriptors: create fails" || last | note
        ID=${other%-other}
        prlimit --pid "$pid" --nofile=4096:4096
        eventually answers
        ok $? "the daemon lives"
        status_is running
        ok $? "what runs goes on"
        kill_and_remove
        ID=$other
        call state && call delete '{force: true}'
        create
        must delete
        rm -rf "$T/b/$other"
        ID=${other%-other}
}

# What has ended, and was told, on a disk without room is known to the daemon after the next one.
killed_on_a_full_disk() {
        local other=$ID-other

        ends_when_told 41
        ID=$other
        sleeper
        fill
        add_exec e '' true
        is "$(field .reason)" no-resources "no room: nothing is started that no record tells of"
        like "$(field .message)" "*No space left*" "and it says why"
        must delete '{exec_id: "e"}'
        status_is running
        ok $? "its container runs on"
        must pause && must resume
        ID=${other%-other}
        let_it_end
        is "$(status_of)" 41 "what ends meanwhile is told"
        die
        is "$(status_of)" 41 "and known to the next daemon, which has no room either"
        ID=$other
        status_is running
        ok $? "what runs is taken over by it"
        must kill '{signal: 9}'
        is "$(status_of)" 137 "and can be killed"
        must delete
        ID=${other%-other}
        rm -f "$ROOT/fill"
        await_event exit
        eventually record_says 41
        ok $? "when there is room, the record is written"
        die
        is "$(status_of)" 41 "and read by the one after it"
        must delete
        is "$(kinds | sed -E 's/(warning|adopted) ?//g')" "create start exit delete" "each event is in the log, once"
        ID=$other
        is "$(kinds | sed -E 's/(warning|adopted) ?//g')" "create start exec-added paused resumed exit delete" "the other's too"
        rm -rf "$T/b/$other"
        ID=${other%-other}
}

record_says() { # STATUS of init
        gojq -e ".init.exit_status == $1" "$ROOT/state/_/$NS/$ID/meta.json" >/dev/null 2>&1
}

tried_again() { # has the daemon been started again since the log had so many lines, and failed?
        [ "$(tail -n "+$1" "$LOG" | grep -c 'Read-only file system')" -gt 1 ]
}

# There is no daemon then: containers go on without one, until the disk can be written to.
starts_on_a_read_only_disk() {
        local lines

        ends_when_told 43
        lines=$(($(wc -l <"$LOG") + 1))
        kill -STOP "$keeper_pid"
        kill -KILL "$(daemon_pid)"
        eventually mount -o remount,ro "$ROOT" 2>/dev/null
        kill -CONT "$keeper_pid"
        eventually tried_again "$lines"
        ok $? "a daemon that cannot write its state does not start, says why, and tries again"
        let_it_end
        mount -o remount,rw "$ROOT"
        eventually answers
        ok $? "until it can"
        is "$(status_of)" 43 "what has ended meanwhile is known"
        must delete
        is "$(kinds)" "create start adopted exit delete" "and in the log"
}

# A disk that breaks: ext4 makes itself read-only, with files that are open for writing.
breaks_down() {
        local other=$ID-other pid lines

        ends_when_told 44
        ID=$other
        sleeper
        pid=$(state .process.pid)
        sync -f "$ROOT"
        mount -o remount,abort "$ROOT"
        add_exec e '' true
        is "$(field .reason)" no-resources "a read-only disk: nothing is started that no record tells of"
        like "$(field .message)" "*Read-only file system*" "and it says why"
        must delete '{exec_id: "e"}'
        ID=new
        bundle . true
        create_refused no-resources "nor made"
        like "$(field .message)" "*Read-only file system*" "and it says why"
        refused not-found "and there is nothing of it" state
        rm -rf "$T/b/new"
        ID=${other%-other}
        let_it_end
        is "$(status_of)" 44 "what ends is told"
        refused no-resources "it cannot be removed" delete
        like "$(field .message)" "*cannot write the record*: Read-only file system" "and it says why"
        status_is stopped
        ok $? "so it stays as it is"
        is "$(kinds | sed -E 's/(warning) ?//g')" "create start exit" "the events are told"
        like "$(events | gojq -r 'select(.kind == "warning") | .message')" "*Read-only file system*" "one of them says what is wrong"
        ID=$other
        status_is running
        ok $? "another runs on"
        lines=$(($(wc -l <"$LOG") + 1))
        kill -KILL "$(daemon_pid)"
        eventually tried_again "$lines"
        ok $? "a daemon is not started on such a disk"
        kill -0 "$pid"
        ok $? "and what runs, runs on"
        stop
        eventually umount "$ROOT" 2>/dev/null
        e2fsck -fy "$image" >/dev/null 2>&1
        mount -o loop,errors=remount-ro "$image" "$ROOT"
        launch
        status_is running
        ok $? "on a disk that is whole again all is taken over"
        kill_and_remove
        rm -rf "$T/b/$other"
        ID=${other%-other}
        is "$(status_of)" unknown "what ended, and neither disk nor keeper has seen, is unknown"
        must delete
}

on_a_disk() {
        image=$T/image
        stop
        eventually umount "$ROOT" 2>/dev/null
        truncate -s 16M "$image"
        if ! mkfs.ext4 -q -E root_owner=0:0 "$image" 2>/dev/null || ! mount -o loop,errors=remount-ro "$image" "$ROOT" 2>/dev/null; then
                ok 0 "a disk that breaks # SKIP no ext4, or no loop device"
                return
        fi
        launch
        for_runtime fake breaks_down
        stop
        eventually umount "$ROOT" 2>/dev/null
        rm "$image"
}

mkdir -p "$ROOT"
mount -t tmpfs -o size=4m,mode=711 tmpfs "$ROOT" || skip_all "cannot mount a tmpfs"
KEEPER_OPTIONS=(--root "$T/keeper") # its lock is open for writing, and would keep the disk writable
e2e_start
for_each_runtime full_disk too_few_descriptors
for_runtime fake killed_on_a_full_disk starts_on_a_read_only_disk
for_runtime runc killed_on_a_full_disk
on_a_disk
e2e_done
