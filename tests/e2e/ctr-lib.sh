# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# A private containerd above the private sandboxd of lib.sh, driven by ctr. Its namespace is $NS.
#
#   . "$top_srcdir/tests/e2e/ctr-lib.sh"
#   ctr_start [DIRECTORY]        with the containerd and ctr of that directory
#   ctr_run ID COMMAND...
#   ctr_done

. "$top_srcdir/tests/e2e/lib.sh"
. "$top_srcdir/tests/e2e/image.sh"

CD=$T/cd
IMAGE=example.com/box:1
containerd_pid= events_pid= containerd_dir=/usr/bin

ctr() {
        timeout -k 5 "${CTR_TIMEOUT:-90}" "$containerd_dir/ctr" --address "$CD/s" --namespace "$NS" "$@" </dev/null
}

launch_containerd() {
        PATH=$(realpath "$top_builddir"):$PATH SANDBOXD_SOCKET=$SOCKET \
                "$containerd_dir/containerd" --config "$CD/config.toml" >>"$CD/log" 2>&1 </dev/null &
        containerd_pid=$!
        eventually ctr version >/dev/null 2>&1 || { echo "Bail out! containerd does not start: $(tail -n 3 "$CD/log")"; exit 99; }
}

stop_containerd() { # [SIGNAL]
        [ -n "$containerd_pid" ] || return 0
        kill "-${1:-TERM}" "$containerd_pid" 2>/dev/null
        wait "$containerd_pid" 2>/dev/null
        containerd_pid=
}

watch_events() { # the events of all its life, or of the time since it is called, in $T/events
        ctr_events >>"$T/events" 2>&1 </dev/null &
        events_pid=$!
}

ctr_events() {
        exec "$containerd_dir/ctr" --address "$CD/s" --namespace "$NS" events
}

ctr_run() { # ID COMMAND..., with CTR_OPTIONS before
        # shellcheck disable=SC2086 # they are several
        ctr run --snapshotter native --runtime io.containerd.sandboxd.v1 ${CTR_OPTIONS-} "$IMAGE" "$@" 2>&1
}

task_status() { # ID
        ctr task ls 2>/dev/null | awk -v id="$1" '$1 == id { print $3 }'
}

task_is() { # ID STATUS
        [ "$(task_status "$1")" = "$2" ]
}

task_pid() { # ID
        ctr task ls 2>/dev/null | awk -v id="$1" '$1 == id { print $2 }'
}

# The topics of its events, in the order in which containerd published them.
topics_of() { # ID
        grep -F "\"container_id\":\"$1\"" "$T/events" | grep -o '/tasks/[a-z-]*' | sed 's,/tasks/,,' | paste -sd' '
}

saw() { # ID TOPIC
        [[ " $(topics_of "$1") " == *" $2 "* ]]
}

# As in lib.sh, but for the fronts.
ctr_leftovers() {
        leftovers | grep -Ev ' \(containerd-shim\) |/netns/runsc$'
        find "$CD/state/io.containerd.runtime.v2.task" -mindepth 2 -maxdepth 2 2>/dev/null | sed 's/^/bundle /'
        find /sys/fs/cgroup -mindepth 3 -type d -path "*/$NS/*" 2>/dev/null | sed 's/^/cgroup /'
        find "/run/containerd/runc/$NS" -mindepth 1 -maxdepth 1 2>/dev/null | sed 's/^/state of runc /'
}

ctr_nothing_left() {
        [ -z "$(ctr_leftovers)" ]
}

ctr_cleanup() {
        local status=$? id

        trap - EXIT
        if [ -n "$containerd_pid" ]; then
                for id in $(ctr task ls -q 2>/dev/null); do
                        CTR_TIMEOUT=10 ctr task delete -f "$id" >/dev/null 2>&1
                done
        fi
        if [ "$tap_failed" != 0 ]; then
                tail -n "${E2E_LOG_LINES:-60}" "$LOG" | note
                grep -v level=info "$CD/log" | tail -n 20 | sed 's/^/# containerd: /' >&2
        fi
        [ -z "$events_pid" ] || kill "$events_pid" 2>/dev/null
        stop_containerd KILL
        our_processes | awk '$3 == "(containerd-shim)" { print $2 }' | while read -r id; do kill "$id" 2>/dev/null; done
        grep -lsE ":/$NS/" /proc/[0-9]*/cgroup | cut -d/ -f3 | while read -r id; do kill -KILL "$id" 2>/dev/null; done
        (exit "$status")
        ctr_end=$status
        rm -rf "/run/containerd/runc/$NS" "/run/containerd/runsc/$NS"
        find /sys/fs/cgroup -depth -type d \( -path "*/$NS" -o -path "*/$NS/*" \) -exec rmdir {} + 2>/dev/null
        (exit "$ctr_end")
        e2e_cleanup
}

ctr_start() { # [DIRECTORY OF containerd AND ctr]
        local program

        containerd_dir=${1:-$(dirname "$(command -v containerd)")}
        for program in "$containerd_dir/containerd" "$containerd_dir/ctr" gojq runc; do
                command -v "$program" >/dev/null || { echo "Bail out! $program is not installed: run tools/install-deps"; exit 99; }
        done
        e2e_start
        trap ctr_cleanup EXIT
        mkdir -p "$CD"
        cat >"$CD/config.toml" <<END
version = 2
root = "$CD/root"
state = "$CD/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.btrfs",
        "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]
[grpc]
address = "$CD/s"
END
        launch_containerd
        oci_image "$ROOTFS" "$IMAGE" "$CD/image.tar" sleep 1000000 && ctr images import --snapshotter native "$CD/image.tar" >/dev/null
        ok $? "$("$containerd_dir/containerd" --version | cut -d' ' -f3): the image is imported"
        watch_events
        baseline_fds=
        mounts_before=$(our_mounts)
}

ctr_done() {
        eventually ctr_nothing_left
        ok $? "nothing is left"
        ctr_leftovers | note
        done_testing
}
