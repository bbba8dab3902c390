#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What the host has run out of: disk space for the state, descriptors. A request fails with a clear reason, what runs goes on, and
# when there is room again all is well.

. "$top_srcdir/tests/e2e/lib.sh"

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


mkdir -p "$ROOT"
mount -t tmpfs -o size=4m,mode=711 tmpfs "$ROOT" || skip_all "cannot mount a tmpfs"
e2e_start
for_each_runtime full_disk too_few_descriptors
e2e_done
