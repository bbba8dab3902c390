#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# sandboxd below a real containerd: a private one, with a root, state, address and configuration of its own, driven by ctr,
# with runc, crun and runsc; its restart, ours, and the order of events.

. "${top_srcdir:-.}/tests/tap.sh"

bin=$(cd "$top_builddir" && pwd)
need "$bin/sandboxd" "$bin/sandboxd-keeper" "$bin/containerd-shim-sandboxd-v1" "$bin/sandboxctl"
[ "$(id -u)" = 0 ] || skip_all "not root"
for program in containerd ctr busybox runc gojq; do
        command -v $program > /dev/null || skip_all "$program is not installed"
done

dir=$(mktemp -d /tmp/sbx-cd.XXXXXX)
export PATH=$bin:$PATH SANDBOXD_SOCKET=$dir/root/sandboxd.sock
image=docker.io/library/box:1
runtime=io.containerd.sandboxd.v1
ctr="ctr --address $dir/cd.sock --namespace test"
containerd_pid= keeper_pid= events_pid=

# --- what runs ---

start_containerd() {
        containerd --config "$dir/config.toml" >> "$dir/containerd.log" 2>&1 < /dev/null &
        containerd_pid=$!
        eventually $ctr version > /dev/null 2>&1
}

stop() { # PID [SIGNAL]
        [ -n "$1" ] || return 0
        kill "-${2:-TERM}" "$1" 2> /dev/null
        wait "$1" 2> /dev/null
}

sandboxd_pid() {
        sandboxctl info 2> /dev/null | sed -n 's/.*pid \([0-9]*\),.*/\1/p'
}

sandboxd_answers() { # NOT-THIS-PID
        local pid

        pid=$(sandboxd_pid)
        [ -n "$pid" ] && [ "$pid" != "$1" ]
}

start_sandboxd() {
        sandboxd-keeper --root "$dir/root" -- "$bin/sandboxd" --root "$dir/root" --log-level debug \
                >> "$dir/sandboxd.log" 2>&1 < /dev/null &
        keeper_pid=$!
        eventually sandboxd_answers 0
}

front_pids() {
        gojq -r '.pid // empty' "$dir"/root/fronts/* 2> /dev/null
}

clean() {
        local id pid

        for id in $($ctr task ls -q 2> /dev/null); do
                timeout 20 $ctr task delete -f "$id" > /dev/null 2>&1
        done
        pid=$(front_pids)
        stop "$events_pid"
        stop "$keeper_pid"
        # what the front answers is waited for by containerd
        [ -n "$pid" ] && kill $pid 2> /dev/null
        stop "$containerd_pid"
        for id in $(awk -v d="$dir/" 'index($2, d) == 1 { print $2 }' /proc/mounts | sort -r); do
                umount -l "$id"
        done
        if [ "$tap_failed" != 0 ]; then
                sed 's/^/# sandboxd: /' "$dir/sandboxd.log" | tail -40
                grep -v level=info "$dir/containerd.log" | sed 's/^/# containerd: /' | tail -20
        fi
        rm -rf "$dir"
}
trap clean EXIT

# An OCI image of busybox, as a tar that containerd imports.
make_image() {
        local oci=$dir/oci layer config manifest

        mkdir -p "$oci/blobs/sha256" "$dir/rootfs/bin" "$dir/rootfs/tmp" "$dir/rootfs/proc" "$dir/rootfs/dev" "$dir/rootfs/sys"
        cp "$(command -v busybox)" "$dir/rootfs/bin/"
        for applet in sh sleep cat echo true false kill id ls dd head stty; do
                ln -s busybox "$dir/rootfs/bin/$applet"
        done
        blob() { # FILE: prints its digest
                local sum

                sum=$(sha256sum "$1" | cut -d' ' -f1)
                mv "$1" "$oci/blobs/sha256/$sum"
                echo "$sum"
        }
        tar -C "$dir/rootfs" -cf "$dir/layer.tar" .
        layer=$(blob "$dir/layer.tar")
        printf '{"architecture":"amd64","os":"linux","config":{"Env":["PATH=/bin"],"Cmd":["sh"]},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
                "$layer" > "$dir/config.json"
        config=$(blob "$dir/config.json")
        size() { stat -c %s "$oci/blobs/sha256/$1"; }
        printf '{"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:%s","size":%d},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"sha256:%s","size":%d}]}' \
                "$config" "$(size "$config")" "$layer" "$(size "$layer")" > "$dir/manifest.json"
        manifest=$(blob "$dir/manifest.json")
        printf '{"imageLayoutVersion":"1.0.0"}' > "$oci/oci-layout"
        printf '{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:%s","size":%d,"annotations":{"org.opencontainers.image.ref.name":"%s","io.containerd.image.name":"%s"},"platform":{"architecture":"amd64","os":"linux"}}]}' \
                "$manifest" "$(size "$manifest")" "$image" "$image" > "$oci/index.json"
        tar -C "$oci" -cf "$dir/image.tar" .
        $ctr image import --snapshotter native "$dir/image.tar" > "$dir/import.log" 2>&1
}

cat > "$dir/config.toml" << END
version = 2
root = "$dir/cd-root"
state = "$dir/cd-state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.btrfs",
        "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]
[grpc]
address = "$dir/cd.sock"
END

# --- helpers ---

run() { # ARGUMENTS...: ctr run with our runtime
        timeout 60 $ctr run --snapshotter native --runtime "$runtime" "$@" < /dev/null 2>&1
}

status_of() {
        $ctr task ls 2> /dev/null | awk -v id="$1" '$1 == id { print $3 }'
}

pid_of() {
        $ctr task ls 2> /dev/null | awk -v id="$1" '$1 == id { print $2 }'
}

has_status() { # ID STATUS
        [ "$(status_of "$1")" = "$2" ]
}

is_gone() { # ID: nothing of it anywhere
        [ -z "$(status_of "$1")" ] && ! sandboxctl list -A 2> /dev/null | grep -q "\b$1\b" && ! [ -e "$dir/cd-state/io.containerd.runtime.v2.task/test/$1" ]
}

events_of() { # ID: the topics of its events, in the order in which containerd published them
        grep -F "\"container_id\":\"$1\"" "$dir/events" | grep -o '/tasks/[a-z-]*' | sed 's,/tasks/,,' | tr '\n' ' '
}

remove() { # ID
        timeout 30 $ctr task delete -f "$1" > /dev/null 2>&1
        timeout 30 $ctr container delete "$1" > /dev/null 2>&1
}

# --- the tests ---

start_sandboxd
ok $? "sandboxd runs below its keeper"
start_containerd
ok $? "containerd runs"
make_image
ok $? "the image is imported"
$ctr events > "$dir/events" 2>&1 < /dev/null &
events_pid=$!

is "$(containerd-shim-sandboxd-v1 -v)" "containerd-shim-sandboxd-v1 $(sandboxd --version | cut -d' ' -f2)" "-v"
is "$(containerd-shim-sandboxd-v1 -info < /dev/null | strings -n 8 | head -1 | grep -o 'io.containerd.*v1')" io.containerd.sandboxd.v1 "-info"

is "$(containerd-shim-sandboxd-v1 -info < /dev/null | grep -ac 'runtime-spec/1/features/Features')" 1 "... with the features of runc"
is "$(containerd-shim-sandboxd-v1 -info < /dev/null | grep -ao '"ociVersionMin": *"[0-9.]*"')" "$(runc features | grep -o '"ociVersionMin": *"[0-9.]*"')" \
        "... as it tells them"

# --- the forms of start ---
mkdir "$dir/bundle"
start() { # reads stdin
        (cd "$dir/bundle" && timeout 20 containerd-shim-sandboxd-v1 -namespace "${1:-test}" -address "$dir/cd.sock" -id box1 \
                -publish-binary x start 2>&1)
}
field() { # NUMBER TEXT: a protobuf field of type string
        printf "\\x$(printf %02x $(($1 << 3 | 2)))\\x$(printf %02x ${#2})%s" "$2"
}
is "$( (field 1 containerd.runc.v1.Options; field 2 "$(field 6 /nonexistent/runtime)") | containerd-shim-sandboxd-v1 -info | grep -ac 'features\|/nonexistent/runtime')" 1 \
        "-info of a runtime that tells no features: its options come back"
is "$( (field 1 containerd.runc.v1.Options; field 2 "$(field 6 /nonexistent/runtime)") | containerd-shim-sandboxd-v1 -info | grep -ac features)" 0 "and no features"
address=$(start < /dev/null)
like "$address" "unix://$dir/root/front/*" "start prints an address"
is "$(cat "$dir/bundle/address")" "$address" "and leaves it in the bundle"
is "$( (field 1 containerd.runc.v1.Options; field 2 abc) | start)" "$address" "with options on its input, the same"
is "$( (field 1 box1; field 2 test; field 6 "$dir/cd.sock") | start | od -An -tx1 | tr -d ' \n')" \
        "$( (printf '\010\003'; field 2 "$address"; field 3 ttrpc) | od -An -tx1 | tr -d ' \n')" "with BootstrapParams, a BootstrapResult"
other=$(start other < /dev/null)
[ "$other" != "$address" ] && [ -S "${other#unix://}" ]
ok $? "another namespace has another address"
like "$(SANDBOXD_SOCKET=$dir/no-such-socket timeout 20 containerd-shim-sandboxd-v1 -namespace test -address "$dir/cd.sock" start 2>&1)" \
        "*-id*needed*" "start says what it needs"

one_runtime() { # NAME
        local name=$1 runtime=io.containerd.sandboxd.v1 extra=() out i

        case $name in
        runc) ;;
        crun) runtime=io.containerd.runc.sandboxd.v1 extra=(--runc-binary crun) ;;
        runsc) runtime=io.containerd.runc.sandboxd.v1 extra=(--runc-binary runsc) ;;
        esac
        if ! command -v "$name" > /dev/null; then
                skip "$name" "$name is not installed"
                return
        fi
        # ctr looks at the exact name of the runtime before it takes --runc-binary, so the options are given as a file
        if [ "$name" != runc ]; then
                printf 'BinaryName = "%s"\n' "$name" > "$dir/$name.toml"
                # a network of its own needs interfaces, which ctr does not make
                [ "$name" = runsc ] && printf '[runsc_config]\nnetwork = "none"\n' >> "$dir/$name.toml"
                extra=(--runtime-config-path "$dir/$name.toml")
        fi

        out=$(run --rm "${extra[@]}" "$image" "$name-one" sh -c 'echo hello; echo there >&2; exit 3')
        is "$?" 3 "$name: the exit status of run"
        like "$out" "*hello*" "$name: standard output"
        like "$out" "*there*" "$name: standard error"
        eventually is_gone "$name-one"
        ok $? "$name: nothing is left of it"

        run -d "${extra[@]}" "$image" "$name-two" sleep 1000 > "$dir/out"
        ok $? "$name: run -d"
        sed 's/^/# /' "$dir/out"
        is "$(status_of "$name-two")" RUNNING "$name: it runs"
        is "$(sandboxctl list -A 2> /dev/null | grep -c "$name-two.*$name")" 1 "$name: it is sandboxd's, with this runtime"
        out=$(timeout 30 $ctr task exec --exec-id e1 "$name-two" sh -c 'echo from exec; exit 4' < /dev/null 2>&1)
        is "$?" 4 "$name: the exit status of exec"
        like "$out" "*from exec*" "$name: the output of exec"
        out=$(echo typed | timeout 30 $ctr task exec --exec-id e2 "$name-two" cat 2>&1)
        is "$out" typed "$name: the input of exec"
        out=$(timeout 30 script -qec "$ctr task exec --exec-id e3 -t $name-two sh -c 'stty size > /dev/null && echo a terminal'" /dev/null < /dev/null 2>&1 | tr -d '\r')
        like "$out" "*a terminal*" "$name: exec with a terminal"

        timeout 30 $ctr task pause "$name-two" && has_status "$name-two" PAUSED
        ok $? "$name: pause"
        timeout 30 $ctr task resume "$name-two" && has_status "$name-two" RUNNING
        ok $? "$name: resume"
        like "$(timeout 30 $ctr task metrics "$name-two" 2>&1)" "*memory.usage_in_bytes*" "$name: metrics"
        is "$(timeout 30 $ctr task ps "$name-two" 2>&1 | awk '{ print $1 }' | uniq)" "PID
$(pid_of "$name-two")" "$name: ps tells pids of the host"

        timeout 30 $ctr task kill -s KILL "$name-two"
        ok $? "$name: kill"
        eventually has_status "$name-two" STOPPED
        ok $? "$name: it has stopped"
        like "$(timeout 30 $ctr task delete "$name-two" 2>&1)" "*exit code 137*" "$name: delete tells its exit status"
        timeout 30 $ctr container delete "$name-two"
        eventually is_gone "$name-two"
        ok $? "$name: nothing is left of it"
        eventually eval "[[ \"\$(events_of $name-two)\" == *delete* ]]"
        is "$(events_of "$name-two")" "create start exec-added exec-started exit exec-added exec-started exit exec-added exec-started exit paused resumed exit delete " \
                "$name: events, all of them and in order"
}
for name in runc crun runsc; do
        one_runtime $name
done

# --- the same id in two namespaces ---
run -d "$image" twin sleep 1000 > /dev/null
other_ctr="ctr --address $dir/cd.sock --namespace other"
timeout 30 $other_ctr image import --snapshotter native "$dir/image.tar" > /dev/null 2>&1
timeout 30 $other_ctr run -d --snapshotter native --runtime $runtime "$image" twin sleep 1000 > "$dir/out" 2>&1
ok $? "a container with the id of one in another namespace"
sed 's/^/# /' "$dir/out"
remove twin
is "$($other_ctr task ls | awk '$1 == "twin" { print $3 }')" RUNNING "is not the other one"
timeout 30 $other_ctr task delete -f twin > /dev/null 2>&1
timeout 30 $other_ctr container delete twin > /dev/null 2>&1
eventually is_gone twin
ok $? "both are gone"

# --- a terminal ---
out=$(timeout 60 script -qec "$ctr run --rm --snapshotter native --runtime $runtime -t $image tty sh -c 'stty size; echo tty-\$?'" /dev/null < /dev/null 2>&1 | tr -d '\r')
like "$out" "*tty-0*" "run -t"

# --- containerd is restarted ---
run -d "$image" stays sleep 1000 > /dev/null
run -d "$image" ends sleep 1000 > /dev/null
stop "$events_pid"
stop "$containerd_pid" KILL
pid=$(sandboxctl list -A 2> /dev/null | awk '/ends/ { for (i = 1; i <= NF; i++) if ($i ~ /^[0-9]+$/) { print $i; exit } }')
[ -n "$pid" ] && kill -9 "$pid"
ok $? "a container ends while containerd is away"
start_containerd
ok $? "containerd runs again"
is "$(status_of stays)" RUNNING "the other one runs on"
out=$(timeout 30 $ctr task exec --exec-id after stays echo still here < /dev/null 2>&1)
is "$out" "still here" "and takes an exec"
eventually eval "[ -z \"\$(gojq -r 'select(.cursor < $(sandboxctl info --format json | gojq .event_seq)) | .owner' $dir/root/outbox/*)\" ]"
ok $? "what happened meanwhile was told to containerd"
remove stays
eventually is_gone stays
ok $? "it is deleted as ever"
remove ends
eventually is_gone ends
ok $? "and so is the one that ended meanwhile"

# --- sandboxd is killed ---
$ctr events > "$dir/events" 2>&1 < /dev/null &
events_pid=$!
run -d "$image" survivor sh -c 'sleep 5; exit 9' > /dev/null
front=$(front_pids)
old=$(sandboxd_pid)
timeout 60 $ctr task exec --exec-id during survivor sh -c 'sleep 1; echo finished; exit 5' < /dev/null > "$dir/during" 2>&1 &
exec_pid=$!
eventually grep -q exec-started "$dir/events"
kill -9 "$old"
ok $? "sandboxd is killed in the middle of an exec"
eventually sandboxd_answers "$old"
ok $? "and is there again"
wait $exec_pid
is "$?" 5 "the exec ended as it should have"
is "$(cat "$dir/during")" finished "with its output"
is "$(front_pids)" "$front" "the front is the same process"
is "$(status_of survivor)" RUNNING "the container runs, and containerd has noticed nothing"
old=$(sandboxd_pid)
kill -9 "$old"
eventually sandboxd_answers "$old"
eventually has_status survivor STOPPED
like "$(timeout 30 $ctr task delete survivor 2>&1)" "*exit code 9*" "its exit status is known after a second kill"
timeout 30 $ctr container delete survivor
eventually eval "[[ \"\$(events_of survivor)\" == *delete* ]]"
is "$(events_of survivor)" "create start exec-added exec-started exit exit delete " "events, each once and in order"

# --- the front is killed: nobody notices (containerd-front.sh has more of it) ---
run -d "$image" lucky sleep 1000 > /dev/null
old=$(front_pids)
kill -9 $old
is "$(timeout 30 $ctr task exec --exec-id e1 lucky echo there < /dev/null 2>&1)" there "an exec after the front was killed"
[ "$(front_pids)" != "$old" ] && has_status lucky RUNNING
ok $? "another front serves, and the container runs on"
remove lucky

# --- no sandboxd at all: `delete` removes the container by itself ---
run -d "$image" orphan sleep 1000 > /dev/null
pid=$($ctr task ls | awk '$1 == "orphan" { print $2 }')
stop "$keeper_pid" KILL
kill -9 "$(gojq -r .pid <<< "$(sandboxctl info --format json 2> /dev/null)")" 2> /dev/null
keeper_pid=
eventually eval '! sandboxctl info > /dev/null 2>&1'
bundle=$dir/cd-state/io.containerd.runtime.v2.task/test/orphan
(cd "$bundle" && TTRPC_ADDRESS=$dir/cd.sock.ttrpc timeout 5 containerd-shim-sandboxd-v1 -namespace test -address "$dir/cd.sock" \
        -publish-binary "$(command -v containerd)" -id orphan -bundle "$bundle" delete > "$dir/response" 2> "$dir/err" < /dev/null)
is "$?" 0 "delete without sandboxd"
is "$(od -An -tx1 "$dir/response" | tr -d ' \n' | grep -o '108901' | head -1)" 108901 "says 137"
[ -s "$dir/err" ] && sed 's/^/# /' "$dir/err"
eventually eval "! [ -e /proc/$pid ]"
ok $? "and has killed the container"
eventually eval "! [ -e $dir/root/state/*/test/orphan ]"
ok $? "and left no record"
eventually eval "! grep -q ' $bundle/rootfs ' /proc/mounts"
ok $? "and no mount"
(cd / && timeout 5 containerd-shim-sandboxd-v1 -namespace=test -address="$dir/cd.sock" --id never-was -bundle /nonexistent delete \
        > "$dir/response" 2> "$dir/err" < /dev/null)
is "$?" 0 "delete of an unknown container, without sandboxd"

done_testing
