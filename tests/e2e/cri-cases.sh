# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154
# What a pod must do, with any runtime; on cri-lib.sh. They build on each other: a pod with two containers, `main` and `stubborn`.

# Ends with 5 when it is asked to.
MAIN='echo to out; echo to err >&2; trap "echo asked; exit 5" TERM; while :; do sleep 0.1; done'

the_pod() {
        pod web
        cri PodSandboxStatus '{"pod_sandbox_id": "'"${pods[web]}"'"}'
        is "$(answer '.status | "\(.state) \(.runtime_handler)"')" "SANDBOX_READY $RUNTIME" "the pod is ready"
        container web main '{}' sh -c "$MAIN"
        container web stubborn '{}' sh -c 'trap "" TERM; while :; do sleep 0.1; done'
        is "$(status main .state) $(status stubborn .state)" "CONTAINER_RUNNING CONTAINER_RUNNING" "two containers run in it"
        is "$(status main '(.started_at | tonumber) >= (.created_at | tonumber) and .finished_at == "0"')" true "started after it was made"
        is "$(sandboxd_has '.runtime == "'"$RUNTIME"'"')" 3 "all of the pod is sandboxd's"
        eventually log_has web main stdout "to out" && eventually log_has web main stderr "to err"
        ok $? "both streams arrive in its log"
}

sandboxd_has() { # FILTER: how many containers for which it is true
        rpc list '{"all_owners": true}' | gojq '[.containers[]? | select('"$1"')] | length'
}

the_execs() {
        exec_sync main 0 sh -c 'echo one; echo two >&2; exit 3'
        is "$exec_code $exec_out $exec_err" "3 one two" "exec: exit code and both outputs"
        exec_sync stubborn 10 sh -c 'head -c 300000 /dev/zero | tr "\0" x'
        is "$exec_code ${#exec_out}" "0 300000" "exec: a long output arrives whole"
        exec_sync main 0 /bin/no-such-program
        is "$?" 1 "exec: a program that is not there is an error"
        exec_sync main 1 sleep 7654
        is "$(answer .error)" DEADLINE_EXCEEDED "exec: a timeout"
        exec_sync main 10 sh -c 'ps | grep -c "[s]leep 7654"'
        is "$exec_out" 0 "exec: what timed out is killed"
        is "$(status main .state)" CONTAINER_RUNNING "and the container runs on"
}

the_stats() {
        cri_must ContainerStats "$(about main)"
        is "$(answer '.stats | (.cpu.usage_core_nano_seconds.value | tonumber) > 0 and (.memory.working_set_bytes.value | tonumber) > 0')" \
                true "statistics of a container"
        is "$(answer .stats.attributes.metadata.name)" main "are about that one"
        cri_must ListContainerStats
        is "$(answer '[.stats[].attributes.metadata.name] | sort | join(" ")')" "main stubborn" "and of all containers"
        cri_must PodSandboxStats '{"pod_sandbox_id": "'"${pods[web]}"'"}'
        is "$(answer '.stats.linux | (.memory.usage_bytes.value | tonumber) > 0 and (.containers | length) == 2')" true "and of the pod"
}

limit_of() { # NAME: what its cgroup says
        cat "/sys/fs/cgroup/memory$PARENT/${ids[$1]}/memory.limit_in_bytes" 2>/dev/null ||
                cat "/sys/fs/cgroup$PARENT/${ids[$1]}/memory.max"
}

the_update() {
        cri_must UpdateContainerResources '{"container_id": "'"${ids[main]}"'", "linux": {"memory_limit_in_bytes": 67108864, "cpu_shares": 512}}'
        is "$(limit_of main)" 67108864 "the limits are changed"
}

# Its init takes more than it may.
the_oom() {
        container web eater '{linux: {resources: {memory_limit_in_bytes: 16777216}}}' \
                dd if=/dev/zero of=/dev/null bs=100M count=1
        is "$(how_ended eater)" "137 OOMKilled" "a container over its limit: exit code and reason"
        remove_container eater
}

the_exit_codes() {
        local code

        for code in 0 1 42 127; do
                container web "e$code" '{}' sh -c "exit $code"
        done
        container web signalled '{}' sh -c 'kill -KILL $$'
        for code in 0 1 42 127; do
                is "$(how_ended "e$code")" "$code $([ "$code" = 0 ] && echo Completed || echo Error)" "exit code $code"
                remove_container "e$code"
        done
        create_container web never '{}' sleep 1000
        is "$(status never .state)" CONTAINER_CREATED "one that is not started"
        remove_container never
        ok $? "is removed"
        create_container web absent '{}' /bin/no-such-program
        cri StartContainer "$(about absent)"
        is "$?" 1 "one whose program is not there does not start"
        like "$(status absent '"\(.state) \(.exit_code) \(.reason)"')" "CONTAINER_EXITED 12[78] StartError" "and says so"
        remove_container absent
}

VOL='{mounts: [{container_path: "/vol", host_path: "'"$T/vol"'"}]}'

one_is_stopped() {
        [ "$(sandboxd_has '.process.status == "stopped"')" = 1 ]
}

the_terminal() {
        container web terminal '{tty: true, stdin: true}' sh -c '[ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo a terminal; exit 4'
        is "$(how_ended terminal)" "4 Error" "one with a terminal ends"
        eventually log_has web terminal stdout "a terminal.*"
        ok $? "which it had for all three, and what it says is in the log"
        remove_container terminal
}

# Its init is not the first in its pid namespace, so that its end does not end the rest by itself.
the_shared_pids() {
        container web shared '{linux: {security_context: {namespace_options: {pid: "POD"}}}}' sh -c 'sleep 8765 & sleep 0.2; exit 6'
        is "$(how_ended shared)" "6 Error" "one in the pod's pid namespace"
        eventually eval '! grep -qs "$PARENT/${ids[shared]}" /proc/[0-9]*/cgroup'
        ok $? "leaves no process behind"
        remove_container shared
}

the_restart_of_containerd() {
        container web ends "$VOL" sh -c 'until [ -e /vol/end ]; do sleep 0.05; done; exit 9'
        container web later "$VOL" sh -c 'until [ -e /vol/end ]; do sleep 0.05; done; sleep 2; exit 8'
        ok $? "two containers that end by themselves"
        cri ListContainers
        stop_containerd KILL
        touch "$T/vol/end"
        eventually one_is_stopped
        ok $? "one ends while containerd is away"
        launch_containerd
        is "$(how_ended ends)" "9 Error" "its exit code is known when containerd is back"
        is "$(how_ended later)" "8 Error" "and that of one that ended after that"
        exec_sync main 10 echo still here
        is "$exec_out" "still here" "what runs takes an exec"
        cri PodSandboxStatus '{"pod_sandbox_id": "'"${pods[web]}"'"}'
        is "$(answer .status.state)" SANDBOX_READY "the pod is ready as before"
        remove_container ends
        remove_container later
}

the_kill_of_sandboxd() {
        local old

        container web lives "$VOL" sh -c 'until [ -e /vol/end2 ]; do sleep 0.05; done; exit 7'
        old=$(daemon_pid)
        kill -KILL "$old"
        exec_sync main 20 echo through
        is "$exec_out" through "an exec waits for the next sandboxd"
        [ "$(daemon_pid)" != "$old" ]
        ok $? "which is another process"
        is "$(status main .state) $(status stubborn .state)" "CONTAINER_RUNNING CONTAINER_RUNNING" "the containers run on"
        touch "$T/vol/end2"
        is "$(how_ended lives)" "7 Error" "and one that ends is reported"
        remove_container lives
}

the_end() {
        stop_container main 20
        is "$(how_ended main)" "5 Error" "stop: it is asked first"
        eventually log_has web main stdout asked
        ok $? "and what it says then is in its log"
        stop_container stubborn 1
        is "$(how_ended stubborn)" "137 Error" "stop: and killed when its time is over"
        stop_container stubborn 1
        ok $? "stop of a stopped one"
        remove_container main && remove_container stubborn
        ok $? "they are removed"
        container web forgotten '{}' sleep 1000
        remove_pod web
        ok $? "the pod is removed, with a container that still ran"
        cri ListContainers
        is "$(answer '.containers | length')" 0 "which is gone too"
}

# --- all of them, on a runtime whose pods are no sandboxes ---

the_life_on_oci() { # RUNTIME
        cri_start "$1"
        the_pod
        the_execs
        the_stats
        the_update
        the_oom
        the_exit_codes
        the_terminal
        the_shared_pids
        the_restart_of_containerd
        the_kill_of_sandboxd
        the_end
        cri_done
}
