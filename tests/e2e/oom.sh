#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# OOM kills: the event comes before the exit and names the cgroup and its limit; the cause of the exit says it too.

. "$top_srcdir/tests/e2e/lib.sh"

# runsc's own processes live within the limit too.
limit() {
        [ "$RUNTIME" = runsc ] && echo 134217728 || echo 16777216
}

eater() { # FILTER ARG...
        local filter=$1

        shift
        bundle ".linux.resources.memory = {limit: $(limit), swap: $(limit)} $filter" "$@"
        create '{stdout_path: "file://'"$T/out/$ID"'", stderr_path: "file://'"$T/out/$ID"'"}' && must start
}

init_killed() {
        eater '' dd if=/dev/zero of=/dev/null bs=1G count=1
        is "$(status_of)" 137 "killed: 137"
        is "$(field .oom_killed)" true "the answer of wait says why"
        like "$(field .cause)" "*lack of memory*" "in words too"
        is "$(kinds)" "create start oom exit" "the OOM event comes before the exit"
        await_event oom
        like "$(gojq -r .oom.cgroup <<<"$EVENT")" "*/sandboxd/$NS/$ID" "it names the cgroup"
        is "$(gojq -r .oom.limit <<<"$EVENT")" "$(limit)" "and its limit"
        like "$(gojq -r .oom.oom_kill <<<"$EVENT")" "[1-9]*" "and how many were killed"
        is "$(gojq -r '.oom | [.oom_kill_before // 0, .level] | @csv' <<<"$EVENT")" '0,"container"' "none before, and whose limit it was"
        [ ! -r /dev/kmsg ] || like "$(gojq -r '.oom | "\(.victim_pid) \(.victim_name)"' <<<"$EVENT")" "[1-9]* ?*" "and the victim"
        [ ! -r /proc/pressure/memory ] || like "$(gojq -r '.oom.psi[] | select(.kind == "some") | .resource' <<<"$EVENT")" memory "and the pressure"
        is "$(state .oom_killed)" true "state remembers it"
        like "$(sbx state "$ID")" "*lack of memory*" "sandboxctl explains it"
        must delete
}

child_killed() { # init lives on: the event comes all the same, and at once
        [ "$RUNTIME" != runsc ] || return 0 # there the sandbox is one process
        eater '' sh -c 'dd if=/dev/zero of=/dev/null bs=1G count=1; echo child $?; exec sleep 1000'
        await_event oom
        ok $? "the event of a killed child"
        eventually grep -q "child 137" "$T/out/$ID"
        ok $? "which was killed"
        status_is running
        ok $? "init runs on"
        kill_and_remove
}

not_oom() { # a KILL of ours is none
        eater '' sleep 1000
        must kill '{signal: 9}'
        is "$(status_of)" 137 "killed by us"
        is "$(field .oom_killed)" "" "is no OOM kill"
        is "$(kinds)" "create start exit" "and makes no event of one"
        must delete
}

by_sandboxctl() {
        sbx run --runtime "$RUNTIME" --rm -m "$(limit)" --rootfs "$ROOTFS" "$ID" -- dd if=/dev/zero of=/dev/null bs=1G count=1 >"$T/out/$ID" 2>&1
        is $? 137 "sandboxctl run has the status"
        like "$(output)" "*lack of memory*" "and tells why"
        is "$(kinds)" "create start oom exit delete" "also at once after the start the order is the same"
}

# --- the limit of a pod, above those of its containers ---

in_pod() { # TYPE LIMIT ARG...: a container of the pod $POD
        local type=$1 limit=$2

        shift 2
        bundle '.linux.cgroupsPath = "'"$POD_CGROUP/$ID"'" | .linux.resources.memory = {limit: '"$limit"', swap: '"$limit"'} |
                .annotations = {"io.kubernetes.cri.container-type": "'"$type"'", "io.kubernetes.cri.sandbox-id": "'"$POD"'"}' "$@"
        create && must start
}

pod_dirs() { # of the pod's cgroup, in each hierarchy
        find /sys/fs/cgroup -depth -type d -path "*$POD_CGROUP"
}

pod_limit() { # BYTES
        local dir

        for dir in $(pod_dirs); do
                [ ! -e "$dir/memory.limit_in_bytes" ] || echo "$1" >"$dir/memory.limit_in_bytes"
                [ ! -e "$dir/memory.memsw.limit_in_bytes" ] || echo "$1" >"$dir/memory.memsw.limit_in_bytes"
                [ ! -e "$dir/memory.max" ] || { echo "$1" >"$dir/memory.max" && echo 0 >"$dir/memory.swap.max"; }
        done
}

pod_killed() {
        local POD=$ID-pod ID=$ID-pod POD_CGROUP=/sandboxd/$NS/$ID-cgroup limit=67108864

        in_pod sandbox 134217728 sleep 1000
        pod_limit "$limit"
        ID=$POD-eater
        in_pod container 134217728 dd if=/dev/zero of=/dev/null bs=1G count=1
        is "$(status_of)" 137 "killed: 137"
        is "$(kinds)" "create start oom exit" "the event is that of the container that died"
        await_event oom
        is "$(gojq -r '.oom | [.level, .pod, .limit] | @tsv' <<<"$EVENT")" "$(printf 'pod\t%s\t%s' "$POD" "$limit")" "and of the pod whose limit it was"
        like "$(gojq -r .oom.cgroup <<<"$EVENT")" "*$POD_CGROUP" "and names the pod's cgroup"
        like "$(state .process.cause)" "*$POD_CGROUP, the pod's, used * KiB of its limit of 65536 KiB*" "the cause says it in words"
        must delete
        ID=$POD
        is "$(kinds)" "create start" "the pod's own container was not killed"
        kill_and_remove
        pod_dirs | xargs -r rmdir
        rm -rf "${T:?}/b/$POD" "$T/b/$POD-eater"
}

# --- many, that are gone at once ---

storm() {
        local n=${OOM_STORM:-10} found

        seq "$n" | xargs -P 4 -I '{}' timeout 300 "$CTL" --socket "$SOCKET" -n "$NS" run --runtime "$RUNTIME" --rm -m 16m --rootfs "$ROOTFS" \
                "$ID-{}" -- dd if=/dev/zero of=/dev/null bs=64M count=1 >"$T/out/$ID" 2>&1
        found=$(sbx events --since $((MARK + 1)) --format json | gojq -r 'select(.id // "" | startswith("'"$ID"'-")) | "\(.id) \(.kind)"' |
                awk '{ kinds[$1] = kinds[$1] " " $2 } END { for (id in kinds) print kinds[id] }' | sort | uniq -c | xargs)
        is "$found" "$n create start oom exit delete" "each was told of, once, before its exit"
        [ -z "${OOM_STORM-}" ] || echo "# $n OOM kills in $((SECONDS - case_began)) s: none missed" >&2
}

e2e_start
for_each_runtime init_killed child_killed not_oom by_sandboxctl
for_runtime runc pod_killed
for_runtime crun pod_killed storm
e2e_done
