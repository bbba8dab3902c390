# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Pods, as Kubernetes makes them: a private containerd with its CRI plugin above the private sandboxd of lib.sh, and calls
# of the CRI by cri.py. All of a pod's cgroups are below /sandboxd/$NS/pod, where lib.sh looks for what is left.
#
#   . "$top_srcdir/tests/e2e/cri-lib.sh"
#   cri_start runc
#   pod web && container web main sh -c '...'
#   cri_done

. "$top_srcdir/tests/e2e/lib.sh"
. "$top_srcdir/tests/e2e/image.sh"

CD=$T/cd
IMAGE=example.com/box:1
PARENT=/sandboxd/$NS/pod
containerd_pid=
declare -A pods ids configs # name to id; name to configuration of a pod

# --- containerd ---

write_containerd_config() {
        mkdir -p "$CD"
        printf 'BinaryName = "crun"\n' >"$CD/crun.toml"
        printf 'BinaryName = "runsc"\n[runsc_config]\nplatform = "ptrace"\nnetwork = "none"\n' >"$CD/runsc.toml"
        cat >"$CD/config.toml" <<END
version = 2
root = "$CD/root"
state = "$CD/state"
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.aufs",
        "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]
[grpc]
address = "$CD/s"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "$IMAGE"
disable_apparmor = true
restrict_oom_score_adj = true
stats_collect_period = 1
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "$CD/cni"
conf_dir = "$CD/cni"
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "native"
default_runtime_name = "runc"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.sandboxd.v1"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.crun]
runtime_type = "io.containerd.sandboxd.v1"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.crun.options]
TypeUrl = "runtimeoptions.v1.Options"
ConfigPath = "$CD/crun.toml"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runsc]
runtime_type = "io.containerd.sandboxd.v1"
pod_annotations = ["dev.gvisor.*"]
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runsc.options]
TypeUrl = "io.containerd.runsc.v1.options"
ConfigPath = "$CD/runsc.toml"
END
}

ctr() {
        command ctr --address "$CD/s" --namespace k8s.io "$@"
}

launch_containerd() {
        PATH=$(realpath "$top_builddir"):$PATH SANDBOXD_SOCKET=$SOCKET \
                containerd --config "$CD/config.toml" >>"$CD/log" 2>&1 </dev/null &
        containerd_pid=$!
        eventually cri Version || { echo "Bail out! containerd does not start: $(tail -n 3 "$CD/log")"; exit 99; }
}

stop_containerd() { # [SIGNAL]
        [ -n "$containerd_pid" ] || return 0
        kill "-${1:-TERM}" "$containerd_pid" 2>/dev/null
        wait "$containerd_pid" 2>/dev/null
        containerd_pid=
}

# --- calls ---

# The answer is kept for `answer`; true if it is no error.
cri() { # METHOD [JSON]
        printf '%s %s\n' "$1" "$(gojq -c . <<<"${2:-{\}}")" >&"$cri_in"
        IFS= read -r -t 120 -u "$cri_out" REPLY
        printf '%s\n' "$REPLY" >"$T/answer"
        [[ $REPLY != '{"error": '* ]]
}

answer() { # FILTER
        gojq -r "$1" "$T/answer"
}

cri_must() { # METHOD [JSON]
        cri "$@" && return 0
        ok 1 "$1 ${2-}"
        note <"$T/answer"
        return 1
}

# A pod in the host's network, whose containers share nothing more than they must.
pod() { # NAME [JSON to be merged into its configuration]
        configs[$1]=$(gojq -nc --arg name "$1" --arg ns "$NS" --arg log "$T/logs/$1" --arg parent "$PARENT" '{
                metadata: {name: $name, uid: ($ns + $name), namespace: $ns}, log_directory: $log,
                linux: {cgroup_parent: $parent, security_context: {namespace_options: {network: "NODE", pid: "CONTAINER"}}}
        } * ('"${2:-{\}}"')')
        mkdir -p "$T/logs/$1"
        cri_must RunPodSandbox '{"config": '"${configs[$1]}"', "runtime_handler": "'"$RUNTIME"'"}' || return
        pods[$1]=$(answer .pod_sandbox_id)
}

create_container() { # POD NAME JSON-to-be-merged ARG...
        local pod=$1 name=$2 config

        config=$(gojq -nc --arg name "$name" --arg image "$IMAGE" '{metadata: {name: $name}, image: {image: $image},
                command: $ARGS.positional, log_path: ($name + ".log"), linux: {security_context: {namespace_options: {network: "NODE", pid: "CONTAINER"}}}} * ('"${3:-{\}}"')' --args -- "${@:4}")
        cri_must CreateContainer '{"pod_sandbox_id": "'"${pods[$pod]}"'", "config": '"$config"', "sandbox_config": '"${configs[$pod]}"'}' || return
        ids[$name]=$(answer .container_id)
}

container() { # POD NAME JSON-to-be-merged ARG...
        create_container "$@" && cri_must StartContainer '{"container_id": "'"${ids[$2]}"'"}'
}

about() { # NAME: the parameters of a call that only names the container
        echo '{"container_id": "'"${ids[$1]}"'"}'
}

status() { # NAME FILTER
        cri_must ContainerStatus "$(about "$1")" && answer ".status | $2"
}

has_ended() { # NAME
        [ "$(status "$1" .state)" = CONTAINER_EXITED ]
}

how_ended() { # NAME
        eventually has_ended "$1"
        status "$1" '"\(.exit_code) \(.reason)"'
}

# Its exit code, output and error output are then in $exec_code, $exec_out and $exec_err.
exec_sync() { # NAME TIMEOUT ARG...
        local params

        params=$(gojq -nc --arg id "${ids[$1]}" --argjson timeout "$2" '{container_id: $id, timeout: $timeout, cmd: $ARGS.positional}' --args -- "${@:3}")
        exec_code='' exec_out='' exec_err=''
        cri ExecSync "$params" || return
        exec_code=$(answer .exit_code) exec_out=$(answer '.stdout | @base64d') exec_err=$(answer '.stderr | @base64d')
}

stop_container() { # NAME TIMEOUT
        cri_must StopContainer '{"container_id": "'"${ids[$1]}"'", "timeout": '"$2"'}'
}

remove_container() { # NAME
        cri_must RemoveContainer "$(about "$1")" && unset "ids[$1]"
}

remove_pod() { # NAME: with all that is in it
        local id='{"pod_sandbox_id": "'"${pods[$1]}"'"}'

        cri_must StopPodSandbox "$id" && cri_must RemovePodSandbox "$id" && unset "pods[$1]"
}

log_has() { # POD NAME STREAM TEXT: a line of its log, as kubelet reads it
        grep -q "^20[0-9-]*T[0-9:.]*[Z+-][0-9:]* $3 F $4\$" "$T/logs/$1/$2.log"
}

# --- what is left ---

front_pids() {
        gojq -r '.pid // empty' "$ROOT"/fronts/* 2>/dev/null
}

# As in lib.sh, but for containerd's fronts, runsc's namespace and the pods' parent, which stay.
cri_leftovers() {
        local front

        front=$(front_pids | paste -sd'|')
        leftovers | grep -Ev "^process (${front:-none}) |/sandboxd/$NS/pod\$|/netns/runsc\$"
        find "$CD/state/io.containerd.runtime.v2.task" -mindepth 2 -maxdepth 2 2>/dev/null | sed 's/^/bundle /'
}

cri_nothing_left() {
        [ -z "$(cri_leftovers)" ]
}

# --- start and end ---

cri_cleanup() {
        local status=$? id pid

        trap - EXIT
        for id in "${pods[@]}"; do
                cri StopPodSandbox '{"pod_sandbox_id": "'"$id"'"}'
                cri RemovePodSandbox '{"pod_sandbox_id": "'"$id"'"}'
        done
        if [ "$tap_failed" != 0 ]; then
                tail -n "${E2E_LOG_LINES:-60}" "$LOG" | note
                grep -v level=info "$CD/log" | tail -n 20 | sed 's/^/# containerd: /' >&2
        fi
        pid=$(front_pids)
        exec {cri_in}>&-
        stop
        # what the front answers is waited for by containerd
        # shellcheck disable=SC2086 # they are several
        [ -z "$pid" ] || kill $pid 2>/dev/null
        stop_containerd
        (exit "$status")
        e2e_cleanup
}

cri_start() { # RUNTIME
        RUNTIME=$1 RUNTIMES=$1
        for program in containerd ctr gojq protoc-c "$RUNTIME"; do
                command -v "$program" >/dev/null || { echo "Bail out! $program is not installed: run tools/install-deps"; exit 99; }
        done
        /usr/bin/python3 -c 'import grpc' 2>/dev/null || { echo "Bail out! python3-grpcio is not installed: run tools/install-deps"; exit 99; }
        e2e_start
        trap cri_cleanup EXIT
        tap_prefix="$RUNTIME: "
        write_containerd_config
        coproc CRI { exec /usr/bin/python3 "$top_srcdir/tests/e2e/cri.py" "$CD/s"; }
        # shellcheck disable=SC2153 # set by coproc
        exec {cri_in}>&"${CRI[1]}" {cri_out}<&"${CRI[0]}"
        launch_containerd
        # what it says is the pause of pods too: a shell reaps whatever is left to it
        oci_image "$ROOTFS" "$IMAGE" "$CD/image.tar" sh -c 'sleep 1000000; :' && ctr images import --snapshotter native "$CD/image.tar" >/dev/null
        ok $? "the image is imported"
        eventually eval 'cri ImageStatus '"'"'{"image": {"image": "'$IMAGE'"}}'"'"' && [ "$(answer .image.id)" != null ]'
        ok $? "and seen by the CRI"
        baseline_fds=
        mounts_before=$(our_mounts)
}

cri_done() {
        eventually cri_nothing_left
        ok $? "nothing is left"
        cri_leftovers | note
        find /sys/fs/cgroup -depth -type d -path "*$PARENT" -exec rmdir {} +
        done_testing
}
