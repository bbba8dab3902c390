#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Memory pressure of a group of containers: an event when it begins, and one when it is over.

. "$top_srcdir/tests/e2e/lib.sh"

unified=$(findmnt -rnt cgroup2 -o TARGET | head -n 1)

# What it reads is more than it may keep: each page comes only when another has gone. On v2 it needs no file for that.
suffers() {
        local limit='{limit: 8388608}' v2='{"memory.high": "4194304"}'

        if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
                bundle ".linux.resources.unified = $v2" sh -c 'while :; do dd if=/dev/zero of=/dev/null bs=16M count=1; done'
        else
                truncate -s 64M "$T/vol/file"
                bundle ".linux.resources.memory = $limit" sh -c 'while :; do dd if=/vol/file of=/dev/null bs=64k; done'
        fi
        create && must start
}

of_group() { # FILTER of a pressure event: waits until there is one
        local deadline=$((SECONDS + 60)) answer since=$((MARK + 1))

        while [ "$SECONDS" -lt "$deadline" ]; do
                answer=$(rpc events.read "$(gojq -nc --argjson since "$since" '{since: $since, timeout_ms: 2000}')") || return
                EVENT=$(gojq -c 'first(.events[]? | select(.kind == "pressure") | select('"$1"'))' <<<"$answer")
                [ -z "$EVENT" ] || return 0
                since=$(gojq -r .next <<<"$answer")
        done
        echo "# no pressure event" >&2
        return 1
}

group() {
        suffers
        of_group '(.pressure.level == "some")'
        is "$(gojq -r '.pressure | [.cgroup, .before, (.psi | map(.kind) | join("+"))] | join(" ")' <<<"$EVENT")" "/sandboxd/$NS none some+full" "the event of its begin"
        like "$(gojq -r .message <<<"$EVENT")" "memory pressure of /sandboxd/$NS: some, after none; *" "in words"
        like "$(sbx events -A 2>/dev/null | grep ' pressure')" "*memory pressure of /sandboxd/$NS: some*" "sandboxctl events"
        kill_and_remove
        of_group '(.pressure.level == "none")'
        is "$(gojq -r '.pressure | [.cgroup, .before, .lasted_ns > 0] | join(" ")' <<<"$EVENT")" "/sandboxd/$NS some true" "the event of its end"
        rm -f "$T/vol/file"
}

[ -n "$unified" ] || skip_all "this host has no cgroup v2 tree, which alone tells the pressure of groups"
[ -e "$unified/cgroup.pressure" ] || [ -e /proc/pressure/memory ] || skip_all "this kernel tells no pressure"
E2E_PRESSURE="host = false
cgroups = [\"/sandboxd/$NS\"]
some = 1
full = 0
window = 2000
calm = 3"
e2e_start
for_runtime runc group
e2e_done
