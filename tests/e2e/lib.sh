# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# For end-to-end tests: a private keeper with a private sandboxd below it, in a directory of their own, with a namespace of
# their own; a root filesystem made from busybox; calls; waiting; and, after every case, a look whether anything is left.
#
#   . "$top_srcdir/tests/e2e/lib.sh"
#   e2e_start
#   for_each_runtime case_a case_b      each case runs once for each of $RUNTIMES, with $RUNTIME and $ID set
#   e2e_done
#
# A case makes what it wants and takes it away again; case_end then checks that no container, process, mount, cgroup, file or
# descriptor has stayed behind. Nothing here sleeps for a time that is hoped to be long enough: what happens in the daemon
# is waited for by events (await_event), what only the kernel knows by asking again until a deadline (eventually).

: "${top_srcdir:=.}" "${top_builddir:=.}"

# A test that hangs fails; its limit is far above what it takes, with sanitizers and on a busy machine too.
if [ -z "${E2E_LIMITED-}" ]; then
        E2E_LIMITED=1 exec timeout --kill-after=20 "${E2E_LIMIT:-600}" bash "$0" "$@"
fi

. "$top_srcdir/tests/tap.sh"

shopt -s extglob

RUNTIMES=${RUNTIMES:-runc crun runsc}
SANDBOXD=$top_builddir/sandboxd
KEEPER=$top_builddir/sandboxd-keeper
CTL=$top_builddir/sandboxctl
RPC=$top_builddir/tests/e2e/rpc
FAKE=$top_builddir/tests/fake/fake-runtime

NS=e2e-$$
keeper_pid='' baseline_fds='' e2e_config=''
KEEPER_OPTIONS=()
declare -A e2e_case_failed

[ "$(id -u)" = 0 ] || skip_all "must be root"

T=$(mktemp -d "${TMPDIR:-/tmp}/sbx.XXXXXX") || exit 99
chmod 755 "$T"
ROOT=$T/root
SOCKET=$T/sock/s
ROOTFS=$T/rootfs
LOG=$T/log
mkdir -p "$T/sock" "$T/b" "$T/out" "$T/vol"

# What AddressSanitizer and UndefinedBehaviorSanitizer find in any of our processes, in builds with them.
FINDINGS=$T/findings
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}log_path=$FINDINGS" UBSAN_OPTIONS="${UBSAN_OPTIONS:+$UBSAN_OPTIONS:}log_path=$FINDINGS"
chmod 1777 "$T/vol"

note() { # what a person wants to see when a test has failed
        sed 's/^/# /' >&2
}

# --- the host: crun of Debian 12 refuses a hybrid one whose v2 tree still holds a controller, which hugetlb does on some.
# One of the tests that run at a time mounts it as v1; the last one gives it back.

hugetlb=/sys/fs/cgroup/hugetlb

hugetlb_take() {
        [ -d /sys/fs/cgroup/memory ] && grep -q '^hugetlb' /proc/cgroups || return 0
        exec {hugetlb_lock}>/run/lock/sandboxd-e2e.hugetlb
        flock -s "$hugetlb_lock"
        (
                exec {once}>/run/lock/sandboxd-e2e.hugetlb.mount
                flock "$once"
                mountpoint -q "$hugetlb" && exit 0
                mkdir -p "$hugetlb" && mount -t cgroup -o hugetlb cgroup "$hugetlb" 2>/dev/null && : >/run/lock/sandboxd-e2e.hugetlb.ours
        )
}

hugetlb_give() {
        [ -n "${hugetlb_lock-}" ] || return 0
        if [ -e /run/lock/sandboxd-e2e.hugetlb.ours ] && flock -n -x "$hugetlb_lock"; then
                umount "$hugetlb" 2>/dev/null && rmdir "$hugetlb" && rm -f /run/lock/sandboxd-e2e.hugetlb.ours
        fi
        exec {hugetlb_lock}>&-
}

# --- a root filesystem ---

make_rootfs() { # DIR
        local busybox name

        busybox=$(command -v busybox) || { echo "Bail out! busybox-static is not installed: run tools/install-deps"; exit 99; }
        mkdir -p "$1"/{bin,proc,sys,dev,tmp,etc,root,vol}
        chmod 1777 "$1/tmp"
        cp "$busybox" "$1/bin/busybox"
        for name in $("$busybox" --list); do
                [ "$name" = busybox ] || ln -s busybox "$1/bin/$name"
        done
        printf '%s\n' root:x:0:0:root:/root:/bin/sh user:x:1000:1000:user:/tmp:/bin/sh >"$1/etc/passwd"
        printf '%s\n' root:x:0: user:x:1000: >"$1/etc/group"
}

# --- the daemon ---

write_config() { # [LINES FOR [daemon]]
        e2e_config=$T/sandboxd.toml
        cat >"$e2e_config" <<END
[daemon]
${1-}
[access]
group = "${E2E_GROUP-}"
[pressure]
${E2E_PRESSURE-host = false}
[runtimes.runsc]
options = ["--platform=ptrace", "--network=none"]
[runtimes.fake]
type = "oci"
path = "$FAKE"
[runtimes.absent]
type = "oci"
path = "/nonexistent/runtime"
END
}

daemon_pid() { # of the sandboxd that runs now
        local pid

        [ -n "$keeper_pid" ] || return 0
        if [ "${E2E_KEEPER:-yes}" = no ]; then
                echo "$keeper_pid"
                return 0
        fi
        for pid in $(cat "/proc/$keeper_pid/task/$keeper_pid/children" 2>/dev/null); do
                [ "$(readlink "/proc/$pid/exe")" != "$daemon_exe" ] || echo "$pid"
        done
}

answers() { # does a daemon answer?
        "$RPC" -t 5 "$SOCKET" info >/dev/null 2>&1
}

# Starts keeper and daemon, or with E2E_KEEPER=no the daemon alone.
launch() { # [ARGUMENT OF sandboxd...]
        local command=("$SANDBOXD" --config "$e2e_config" --root "$ROOT" --socket "$SOCKET" --log-level debug "$@")

        [ "${E2E_KEEPER:-yes}" = no ] || command=("$KEEPER" --root "$ROOT" "${KEEPER_OPTIONS[@]}" -- "${command[@]}")
        "${command[@]}" </dev/null >>"$LOG" 2>&1 &
        keeper_pid=$!
        if ! eventually answers; then
                echo "# the daemon does not start:" >&2
                tail -n 20 "$LOG" | note
                echo "Bail out! the daemon does not start"
                exit 99
        fi
}

# The end in order of daemon and keeper; containers stay.
stop() {
        [ -n "$keeper_pid" ] || return 0
        kill -TERM "$keeper_pid" 2>/dev/null
        wait "$keeper_pid"
        stop_status=$?
        keeper_pid=''
}

e2e_start() { # [ARGUMENT OF sandboxd...]
        local program

        for program in "$SANDBOXD" "$KEEPER" "$CTL" "$RPC" "$FAKE"; do
                [ -x "$program" ] || { echo "Bail out! $program is not there: make check builds it"; exit 99; }
        done
        daemon_exe=$(realpath "$SANDBOXD")
        trap e2e_cleanup EXIT
        trap 'exit 1' INT TERM
        hugetlb_take
        if [ -n "${E2E_ROOTFS-}" ]; then ROOTFS=$E2E_ROOTFS; else make_rootfs "$ROOTFS"; fi
        [ -n "$e2e_config" ] || write_config
        mounts_first=$(our_mounts)
        launch "$@"
        mounts_before=$(our_mounts)
}

# --- calls ---

# The result (or the error, with status 1) as JSON on standard output.
rpc() { # METHOD [JSON]
        "$RPC" -t "${RPC_TIMEOUT:-60}" "$SOCKET" "$@"
}

# With ns and id filled in. The answer is kept for `field` (in a file: so from a subshell too); true if it is a result.
call() { # METHOD [JSON with more]
        local params="{\"ns\": \"$NS\", \"id\": \"$ID\"}"

        [ -z "${2-}" ] || params=$(gojq -nc "$params + $2") || return 2
        rpc "$1" "$params" >"${LAST:-$T/last}"
}

last() { # the answer, for people
        cat "${LAST:-$T/last}"
}

# Expects that it succeeds; else says why not.
must() { # METHOD [JSON with more]: nothing in the TAP if it succeeds
        call "$@" && return 0
        ok 1 "$1 ${2-}"
        last | note
        return 1
}

refused() { # REASON NAME METHOD [JSON with more]
        call "$3" "${4-}"
        is "$(field .reason)" "$1" "$2"
}

# sandboxctl.
sbx() {
        timeout -k 5 "${SBX_TIMEOUT:-60}" "$CTL" --socket "$SOCKET" -n "$NS" "$@"
}

field() { # FILTER of the last answer
        gojq -r "$1 // empty" "${LAST:-$T/last}"
}

info() { # FILTER
        rpc info | gojq -r "$1 // 0"
}

# --- bundles ---

# A bundle for $ID below $T/b; the path is in $BUNDLE. FILTER changes the config.json, ARGS are process.args.
bundle() { # FILTER ARG...
        local filter=$1

        shift
        BUNDLE=$T/b/$ID
        mkdir -p "$BUNDLE"
        gojq -n --arg rootfs "$ROOTFS" --arg vol "$T/vol" --arg cgroup "/sandboxd/$NS/$ID" '
        {
                ociVersion: "1.0.2",
                process: {
                        user: { uid: 0, gid: 0 }, args: $ARGS.positional, env: ["PATH=/bin", "HOME=/root"], cwd: "/",
                        capabilities: { bounding: ["CAP_KILL"], effective: ["CAP_KILL"], permitted: ["CAP_KILL"] },
                        noNewPrivileges: true
                },
                root: { path: $rootfs, readonly: false },
                hostname: "e2e",
                mounts: [
                        { destination: "/proc", type: "proc", source: "proc" },
                        { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "mode=755"] },
                        { destination: "/dev/pts", type: "devpts", source: "devpts", options: ["newinstance", "ptmxmode=0666", "mode=0620"] },
                        { destination: "/vol", type: "bind", source: $vol, options: ["rbind", "rw"] }
                ],
                linux: {
                        cgroupsPath: $cgroup,
                        resources: { devices: [{ allow: false, access: "rwm" }] },
                        namespaces: [{ type: "pid" }, { type: "mount" }, { type: "ipc" }, { type: "uts" }, { type: "network" }]
                }
        } | '"${filter:-.}" --args -- "$@" >"$BUNDLE/config.json"
}

# --- life ---

create() { # [JSON with more]
        must create '{runtime: "'"$RUNTIME"'", bundle: "'"$BUNDLE"'"} + ('"${1:-{\}}"')'
}

create_refused() { # REASON NAME [JSON with more]
        refused "$1" "$2" create '{runtime: "'"$RUNTIME"'", bundle: "'"$BUNDLE"'"} + ('"${3:-{\}}"')'
}

# A container that runs ARGS, its output in $T/out/$ID.
run() { # ARG...
        bundle . "$@"
        create '{stdout_path: "file://'"$T/out/$ID"'", stderr_path: "file://'"$T/out/$ID"'"}' && must start
}

output() {
        cat "$T/out/$ID"
}

sleeper() { # a container that runs until it is killed
        run sleep 1000
}

# How it ended: the status, or "unknown".
status_of() { # [JSON with more]
        call wait "${1-}" && field 'if .exit_known then .exit_status // 0 | tostring else "unknown" end'
}

remove() { # [JSON with more]
        call delete "${1-}"
}

kill_and_remove() {
        call kill '{signal: 9}'
        call wait
        must delete
}

# exec and start; the status is awaited with status_of '{exec_id: ...}'.
add_exec() { # EXEC-ID JSON-with-more ARG...
        local id=$1 more=$2 spec

        shift 2
        spec=$(gojq -nc '{args: $ARGS.positional, env: ["PATH=/bin"], cwd: "/", user: {uid: 0, gid: 0}} + ('"${EXEC_SPEC:-{\}}"')' --args -- "$@")
        call exec '{exec_id: "'"$id"'", spec: {"$bin": '"$(gojq -nc --arg s "$spec" '$s')"'}} + ('"${more:-{\}}"')' && call start '{exec_id: "'"$id"'"}'
}

state() { # FILTER
        call state && field "$1"
}

status_is() { # STATUS
        [ "$(state .process.status)" = "$1" ]
}

# --- a terminal: what it shows comes from $screen, and what is typed goes to $keys ---

open_screen() {
        mkfifo "$T/in" "$T/screen"
        exec {screen}<>"$T/screen" {keys}<>"$T/in"
}

close_screen() {
        exec {screen}>&- {keys}>&-
        rm -f "$T/in" "$T/screen"
}

shows() { # TEXT NAME: reads the screen up to the line that is TEXT
        local line deadline=$((SECONDS + 30))

        while [ "$SECONDS" -lt "$deadline" ] && read -r -t 30 line <&"$screen"; do
                [ "${line%$'\r'}" != "$1" ] || { ok 0 "$2"; return; }
        done
        ok 1 "$2"
}

# --- events ---

# The number of the newest event: what comes later is later than this.
mark() {
        MARK=$(info .event_seq)
}

events() { # events of $ID since the mark, one JSON a line
        rpc events.read "$(gojq -nc --arg ns "$NS" --arg id "$ID" --argjson since $((MARK + 1)) '{ns: $ns, id: $id, since: $since}')" | gojq -c '.events[]?'
}

kinds() { # of the events of $ID since the mark, in one line
        events | gojq -r .kind | paste -sd' '
}

# Waits until an event of the kind has come for $ID, since the mark.
await_event() { # KIND [FILTER]
        local since=$((MARK + 1)) deadline=$((SECONDS + 60)) answer found

        while [ "$SECONDS" -lt "$deadline" ]; do
                answer=$(rpc events.read "$(gojq -nc --arg ns "$NS" --arg id "$ID" --argjson since "$since" \
                        '{ns: $ns, id: $id, since: $since, timeout_ms: 2000}')") || answer='{}'
                found=$(gojq -c --arg kind "$1" 'first(.events[]? | select(.kind == $kind) | select('"${2:-true}"'))' <<<"$answer")
                if [ -n "$found" ]; then
                        EVENT=$found
                        return 0
                fi
                since=$(gojq -r --argjson since "$since" '.next // $since' <<<"$answer")
        done
        echo "# no event $1 of $ID since $MARK" >&2
        return 1
}

# --- the fake runtime (tests/fake/README) ---

# What it does at its steps, from now on: lines of its script.
script() { # LINE...
        mkdir -p "$ROOT/runtime/fake"
        rm -f "$ROOT"/runtime/fake/*/fake.once.*
        printf '%s\n' "$@" >"$ROOT/runtime/fake/fake.script"
}

held() { # it has come to a step "wait $T/vol/hold"
        eventually test -p "$T/vol/hold"
}

release() {
        timeout 10 bash -c ': >"$1"' - "$T/vol/hold"
        rm -f "$T/vol/hold"
}

# Processes that it leaves behind on purpose.
cleanup() {
        script
        "$FAKE" --root "$ROOT/runtime/fake/$NS" fake-cleanup
        rm -rf "$T/vol/hold"
}

# In the background, with a $T/last of its own, so that two calls at once do not share one.
apart() { # COMMAND...
        local status mine

        mine=$(mktemp "$T/last.XXXXXX")
        LAST=$mine "$@"
        status=$?
        rm -f "$mine"
        return $status
}

requests() { # are so many open?
        [ "$(info .open_requests)" -ge "$1" ]
}

is_gone() {
        ! call state && [ "$(field .reason)" = not-found ]
}

# --- what is left? ---

# Processes below the keeper (or the daemon, or manager-lib.sh's manager): all that a container, a runtime or a logger leaves behind stays there, since both are
# subreapers; and whatever is in one of our cgroups, or names our directory on its command line.
our_processes() {
        local daemon

        daemon=$(daemon_pid)
        awk -v top="${keeper_pid:-none}" -v daemon="${daemon:-none}" '
        {
                pid = $1; comm = $0; sub(/^[^(]*/, "", comm); sub(/[^)]*$/, "", comm); rest = $0; sub(/.*\) /, "", rest)
                split(rest, f, " "); parent[pid] = f[2]; what[pid] = comm " " f[1]
        }
        END {
                for (pid in parent) {
                        if (pid == top || pid == daemon || what[pid] ~ /^\(sandboxd-keeper\)/)
                                continue
                        for (p = parent[pid]; p && p != top; p = parent[p])
                                ;
                        if (p == top)
                                print "process " pid " " what[pid]
                }
        }' /proc/[0-9]*/stat 2>/dev/null
        grep -lsF "/sandboxd/$NS/" /proc/[0-9]*/cgroup 2>/dev/null | sed 's/^/process in a cgroup: /'
}

our_mounts() {
        awk -v t="$T/" 'index($5, t) == 1 { print "mount " $5 }' /proc/self/mountinfo
}

our_cgroups() {
        find /sys/fs/cgroup -mindepth 2 -type d -path "*/sandboxd/$NS/*" 2>/dev/null | sed 's/^/cgroup /'
}

our_files() {
        [ ! -d "$ROOT/state" ] || find "$ROOT/state" "$ROOT/bundles" -mindepth 1 2>/dev/null | sed 's/^/file /'
        [ ! -d "$ROOT/runtime" ] || find "$ROOT/runtime" -mindepth 3 ! -name '*.log' ! -name '*.lock' ! -name 'fake.*' 2>/dev/null | sed 's/^/file of the runtime /'
}

leftovers() {
        local fds

        rpc list '{"all_owners": true}' | gojq -r '.containers[]? | "container \(.id) \(.detail)"'
        our_processes
        diff <(sort <<<"$mounts_before") <(our_mounts | sort) | sed -n 's/^> //p'
        our_cgroups
        our_files
        if [ -n "$baseline_fds" ]; then
                fds=$(info .fds)
                [ "$fds" -le "$baseline_fds" ] || echo "descriptors: $fds, were $baseline_fds"
        fi
}

nothing_left() {
        [ -z "$(leftovers)" ]
}

# A leftover, or a case that failed in the middle: away with it, so that the next case starts from nothing.
sweep() {
        local owner ns id pid

        rpc list '{"all_owners": true}' | gojq -r '.containers[]? | [.owner // "-", .ns, .id] | @tsv' | while IFS=$'\t' read -r owner ns id; do
                [ "$owner" != - ] || owner=
                RPC_TIMEOUT=30 rpc delete "$(gojq -nc --arg owner "$owner" --arg ns "$ns" --arg id "$id" \
                        '{owner: $owner, ns: $ns, id: $id, force: true}')" >/dev/null
        done
        our_processes | awk '$1 == "process" && $2 ~ /^[0-9]+$/ { print $2 }' | while read -r pid; do
                kill -KILL "$pid" 2>/dev/null
        done
}

case_begin() {
        ID=$1
        tap_prefix="$RUNTIME: $1: "
        [ ! -e "$ROOT/runtime/fake/fake.script" ] || script
        case_failed_before=$tap_failed
        case_log_from=$(($(wc -l <"$LOG") + 1))
        case_began=$SECONDS
        mark
}

case_end() {
        rm -rf "${T:?}/b/$ID" "$T/out/$ID"
        if eventually nothing_left; then
                ok 0 "nothing is left"
        else
                ok 1 "nothing is left"
                leftovers | note
                sweep
        fi
        if [ "$tap_failed" != "$case_failed_before" ]; then
                echo "# the daemon's log of this case:" >&2
                sed -n "$case_log_from,\$p" "$LOG" | tail -n "${E2E_LOG_LINES:-60}" | note
        fi
        [ -z "${E2E_TIMES-}" ] || echo "# $RUNTIME $1: $((SECONDS - case_began)) s" >&2
        tap_prefix=
}

run_case() { # CASE
        case_begin "${1//_/-}"
        "$1"
        case_end "$1"
}

# Once per runtime: what the daemon opens at first use and keeps (the namespace of runsc's commands, inotify) is no leak.
warm_up() {
        ID=warm-up
        run true && call wait && remove
        rm -rf "${T:?}/b/$ID" "$T/out/$ID"
        mounts_before=$(our_mounts)
        baseline_fds=
        eventually nothing_left
        baseline_fds=$(info .fds)
}

# Those that are wanted: E2E_CASE names some.
cases() { # CASE...
        local one

        for one; do [[ -n "${E2E_CASE-}" && " $E2E_CASE " != *" $one "* ]] || echo "$one"; done
}

for_each_runtime() { # CASE...
        local one

        # shellcheck disable=SC2046 # a list
        set -- $(cases "$@")
        [ $# -gt 0 ] || return 0
        for RUNTIME in $RUNTIMES; do
                tap_prefix="$RUNTIME: "
                if [ "$RUNTIME" != fake ] && ! command -v "$RUNTIME" >/dev/null; then
                        ok 1 "$RUNTIME is installed"
                        continue
                fi
                warm_up
                for one; do run_case "$one"; done
        done
        tap_prefix=
}

# Cases for one runtime, which is left out where others are wanted, or for none in particular (fake).
for_runtime() { # RUNTIME CASE...
        [[ $1 != @(runc|crun|runsc) || " $RUNTIMES " = *" $1 "* ]] || return 0
        local RUNTIMES=$1

        shift
        for_each_runtime "$@"
}

e2e_cleanup() {
        local status=$? pid path

        trap - EXIT
        if [ -n "$keeper_pid" ]; then
                sweep
                kill -TERM "$keeper_pid" 2>/dev/null
                timeout 20 tail --pid="$keeper_pid" -f /dev/null 2>/dev/null || {
                        daemon_pid | while read -r pid; do kill -KILL "$pid"; done
                        kill -KILL "$keeper_pid"
                }
                wait "$keeper_pid" 2>/dev/null
        fi
        grep -lsF "/sandboxd/$NS/" /proc/[0-9]*/cgroup 2>/dev/null | cut -d/ -f3 | while read -r pid; do kill -KILL "$pid" 2>/dev/null; done
        our_mounts | tac | while read -r _ path; do umount -l "$path"; done
        find /sys/fs/cgroup -depth -type d -path "*/sandboxd/$NS*" -exec rmdir {} + 2>/dev/null
        hugetlb_give
        if [ -n "${E2E_KEEP-}" ]; then
                echo "# kept: $T" >&2
        else
                rm -rf "$T"
        fi
        exit "$status"
}

# The end of a test: the daemon stops in order, and nothing is left of it either.
e2e_done() {
        tap_prefix=
        if [ -n "$keeper_pid" ]; then
                stop
                is "$stop_status" 0 "the daemon stops in order"
                is "$(our_mounts; our_cgroups)" "$mounts_first" "no mount and no cgroup stays"
        fi
        if compgen -G "$FINDINGS.*" >/dev/null; then
                ok 1 "the sanitizers find nothing"
                cat "$FINDINGS".* | note
        fi
        done_testing
}
