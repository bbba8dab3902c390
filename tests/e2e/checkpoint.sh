#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Checkpoint and restore: gVisor does it everywhere, runc and crun where criu works.

. "$top_srcdir/tests/e2e/lib.sh"

can_checkpoint() {
        [ "$RUNTIME" = runsc ] && return 0
        if [ "$RUNTIME" = crun ] && ! crun --version | grep -q +CRIU; then
                skip "checkpoint and restore" "this crun was built without it"
                return 1
        fi
        criu_says=$(criu check 2>&1) && return 0
        skip "checkpoint and restore" "criu does not work here: $(grep -m 1 -i error <<<"$criu_says")"
        return 1
}

# Where runc and crun have it, without what criu can keep only with more programs beside it (a network namespace) or not
# at all (a file that is not the container's, as its output).
no_network='.linux.namespaces |= map(select(.type != "network"))'

counter() {
        if [ "$RUNTIME" = runsc ]; then
                bundle . sh -c 'i=0; while :; do i=$((i + 1)); echo $i; sleep 0.02; done'
                create '{stdout_path: "file://'"$T/out/$ID"'", stderr_path: "file://'"$T/out/$ID"'"}'
                n=$T/out/$ID
        else
                bundle "$no_network" sh -c 'i=0; while :; do i=$((i + 1)); echo $i >>/vol/n; sleep 0.02; done'
                create
                n=$T/vol/n
        fi
        must start
        eventually grep -qs 5 "$n"
}

there_and_back() {
        local last_before

        can_checkpoint || return 0
        counter
        must checkpoint '{path: "'"$T/image"'", exit: true}'
        is "$(call wait && state .process.status)" stopped "a checkpoint that ends it"
        is "$(kinds | tr ' ' '\n' | grep -c checkpointed)" 1 "an event tells of it"
        must delete
        last_before=$(tail -n 1 "$n")
        if [ "$RUNTIME" = runsc ]; then
                create '{stdout_path: "file://'"$n"'", stderr_path: "file://'"$n"'", checkpoint: "'"$T/image"'"}'
        else
                create '{checkpoint: "'"$T/image"'"}'
        fi
        must start
        eventually counted_on "$last_before"
        ok $? "it goes on where it was"
        is "$(awk 'prev && $1 < prev { bad = 1 } { prev = $1 } END { print bad + 0 }' "$n")" 0 "and does not count anew"
        kill_and_remove
        rm -rf "$T/image" "$T/vol/n"
}

# containerd's client pauses a container before it checkpoints it.
of_a_paused_one() {
        can_checkpoint || return 0
        counter
        must pause
        if [ "$RUNTIME" = runsc ]; then
                refused not-supported "gVisor does not do that" checkpoint '{path: "'"$T/image"'"}'
        else
                must checkpoint '{path: "'"$T/image"'"}'
        fi
        status_is paused
        ok $? "it is paused after it as it was before"
        must resume && status_is running
        ok $? "and can be resumed"
        kill_and_remove
        rm -rf "$T/image"
}

counted_on() {
        [ "$(tail -n 1 "$n")" -gt "$1" ]
}

not_possible() {
        [ "$RUNTIME" != runsc ] && ! criu check >/dev/null 2>&1 || return 0
        counter
        refused runtime-failed "where criu does not work, a checkpoint fails" checkpoint '{path: "'"$T/image"'"}'
        status_is running
        ok $? "and the container runs on"
        must pause
        refused runtime-failed "a checkpoint of a paused one fails too" checkpoint '{path: "'"$T/image"'"}'
        status_is paused
        ok $? "and it stays paused"
        kill_and_remove
        rm -rf "$T/image" "$T/vol/n"
}

e2e_start
for_each_runtime there_and_back of_a_paused_one not_possible
e2e_done
