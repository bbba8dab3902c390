#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Pods of Kubernetes on runsc: containerd's CRI plugin above sandboxd; all containers of a pod in one sandbox.

. "${top_srcdir:-.}/tests/e2e/cri-lib.sh"
. "$top_srcdir/tests/e2e/cri-cases.sh"

sandbox_pids() { # of the containers that live, each once
        rpc list '{"all_owners": true}' | gojq '.containers[] | select(.process.status == "running") | .process.pid' | sort -u
}

one_sandbox() {
        is "$(sandbox_pids | wc -l)" 1 "the whole pod is in one sandbox"
        is "$(tr '\0' '\n' <"/proc/$(sandbox_pids)/cmdline" | head -n 1)" runsc-sandbox "whose host pid is told for all"
        exec_sync main 10 sh -c 'ps | grep -c "[t]rap"'
        is "$exec_out" 1 "a container sees its own processes only"
}

the_death_of_the_sandbox() {
        pod other
        container other first '{}' sleep 1000
        container other second '{}' sleep 1000
        container other third '{}' sleep 1000
        stop_container first 0
        is "$(how_ended first)" "137 Error" "the first one of a sandbox is killed"
        is "$(status second .state)" CONTAINER_RUNNING "and the next one lives on"
        remove_container first
        kill -KILL "$(rpc list '{"all_owners": true}' | gojq '.containers[] | select(.id == "'"${pods[other]}"'") | .process.pid')"
        is "$(how_ended second) $(how_ended third)" "137 Error 137 Error" "the death of the sandbox is the end of all in it"
        eventually pod_is other SANDBOX_NOTREADY
        ok $? "and of the pod"
        cri_must StopPodSandbox '{"pod_sandbox_id": "'"${pods[other]}"'"}'
        remove_container third
        ok $? "what was in it is removed"
        remove_pod other
        ok $? "in any order"
}

pod_is() { # NAME STATE
        cri PodSandboxStatus '{"pod_sandbox_id": "'"${pods[$1]}"'"}' && [ "$(answer .status.state)" = "$2" ]
}

# The limit of a pod is kubelet's: on the cgroup above.
limited_cgroup() { # NAME BYTES
        local dir=/sys/fs/cgroup/memory$PARENT/$1

        if [ -d /sys/fs/cgroup/memory ]; then
                mkdir -p "$dir" && echo "$2" >"$dir/memory.limit_in_bytes"
        else
                dir=/sys/fs/cgroup$PARENT/$1
                mkdir -p "$dir" && echo +memory >"${dir%/*}/cgroup.subtree_control" && echo "$2" >"$dir/memory.max"
        fi
}

the_oom_of_the_sandbox() {
        limited_cgroup small 134217728
        pod small '{linux: {cgroup_parent: "'"$PARENT"'/small"}}'
        container small bystander '{}' sleep 1000
        container small glutton '{}' dd if=/dev/zero of=/dev/null bs=400M count=1
        is "$(how_ended glutton) $(how_ended bystander)" "137 OOMKilled 137 OOMKilled" "a sandbox over its limit: exit code and reason of all in it"
        remove_container bystander && remove_container glutton && remove_pod small
        ok $? "they are removed"
        find /sys/fs/cgroup -depth -type d -path "*$PARENT/small" -exec rmdir {} +
}

cri_start runsc
the_pod
one_sandbox
the_death_of_the_sandbox
the_oom_of_the_sandbox
the_execs
the_stats
the_exit_codes
the_terminal
the_restart_of_containerd
the_kill_of_sandboxd
the_end
cri_done
