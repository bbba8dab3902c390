#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The front is killed with -9, again and again, below a real containerd: with containers that run, calls in flight, a storm
# of new ones, together with sandboxd. containerd must notice nothing but a pause. Then nobody needs the front, and it ends.
# FRONT_CONTAINERS=n is for a longer storm; a thousand kills are some 500.

. "${top_srcdir:-.}/tests/tap.sh"
. "${top_srcdir:-.}/tests/e2e/image.sh"

bin=$(cd "$top_builddir" && pwd)
need "$bin/sandboxd" "$bin/sandboxd-keeper" "$bin/containerd-shim-sandboxd-v1" "$bin/sandboxctl"
[ "$(id -u)" = 0 ] || skip_all "not root"
for program in containerd ctr busybox runc gojq; do
        command -v $program >/dev/null || skip_all "$program is not installed"
done

dir=$(mktemp -d /tmp/sbx-cf.XXXXXX)
export PATH=$bin:$PATH SANDBOXD_SOCKET=$dir/root/sandboxd.sock
image=docker.io/library/box:1
containerd_pid= keeper_pid= killer_pid=
: "${FRONT_CONTAINERS:=18}"

ctr() {
        timeout 60 ctr --address "$dir/cd.sock" --namespace test "$@" </dev/null
}
run() { # ARGUMENTS...
        ctr run --snapshotter native --runtime io.containerd.sandboxd.v1 "$@" 2>&1
}
status_of() {
        ctr task ls 2>/dev/null | awk -v id="$1" '$1 == id { print $3 }'
}
has_status() { # ID STATUS
        [ "$(status_of "$1")" = "$2" ]
}
front_pid() { # of the one front, which runs
        local pid

        pid=$(gojq -r '.pid // 0' "$dir"/root/fronts/* 2>/dev/null)
        [ "${pid:-0}" -gt 0 ] && grep -qz "^$SANDBOXD_SOCKET\$" "/proc/$pid/cmdline" 2>/dev/null && echo "$pid"
}
kill_front() { # and waits for the next
        local pid

        eventually front_pid >/dev/null
        pid=$(front_pid)
        kill -9 "$pid"
        eventually next_front "$pid"
}
next_front() { # NOT-THIS-PID
        local pid

        pid=$(front_pid)
        [ -n "$pid" ] && [ "$pid" != "$1" ]
}
no_front() {
        [ -z "$(front_pid)" ]
}
sandboxd_pid() {
        sandboxctl info --format json 2>/dev/null | gojq -r .pid
}
sandboxd_answers() { # NOT-THIS-PID
        local pid

        pid=$(sandboxd_pid)
        [ -n "$pid" ] && [ "$pid" != "$1" ]
}
kept() { # how many descriptors the keeper has
        ls "/proc/$keeper_pid/fd" | wc -l
}
kept_is() { # NUMBER
        [ "$(kept)" = "$1" ]
}
stop() { # PID [SIGNAL]
        [ -n "$1" ] || return 0
        kill "-${2:-TERM}" "$1" 2>/dev/null
        wait "$1" 2>/dev/null
}
clean() {
        local id

        stop "$killer_pid"
        for id in $(ctr task ls -q 2>/dev/null); do
                ctr task delete -f "$id" >/dev/null 2>&1
        done
        stop "$keeper_pid"
        id=$(front_pid)
        [ -n "$id" ] && kill -9 "$id"
        stop "$containerd_pid"
        for id in $(awk -v d="$dir/" 'index($2, d) == 1 { print $2 }' /proc/mounts | sort -r); do
                umount -l "$id"
        done
        if [ "$tap_failed" != 0 ]; then
                grep -v debug "$dir/sandboxd.log" | sed 's/^/# sandboxd: /' | tail -60
                grep -v level=info "$dir/containerd.log" | sed 's/^/# containerd: /' | tail -20
        fi
        rm -rf "$dir"
}
trap clean EXIT

cat >"$dir/config.toml" <<END
version = 2
root = "$dir/cd-root"
state = "$dir/cd-state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.btrfs",
        "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]
[grpc]
address = "$dir/cd.sock"
END
sandboxd-keeper --root "$dir/root" -- "$bin/sandboxd" --root "$dir/root" >>"$dir/sandboxd.log" 2>&1 </dev/null &
keeper_pid=$!
eventually sandboxd_answers 0
ok $? "sandboxd runs below its keeper"
containerd --config "$dir/config.toml" >>"$dir/containerd.log" 2>&1 </dev/null &
containerd_pid=$!
eventually ctr version >/dev/null 2>&1
ok $? "containerd runs"
mkdir -p "$dir"/rootfs/{bin,tmp,proc,dev,sys}
cp "$(command -v busybox)" "$dir/rootfs/bin/"
for applet in sh sleep cat echo true wc env; do
        ln -s busybox "$dir/rootfs/bin/$applet"
done
oci_image "$dir/rootfs" $image "$dir/image.tar" sh
ctr image import --snapshotter native "$dir/image.tar" >"$dir/import.log" 2>&1
ok $? "the image is imported"
idle=$(kept)

# --- one kill, with a container that runs, and one that is waited for ---
run -d $image a sleep 1000 >"$dir/out"
ok $? "a container runs"
sed 's/^/# /' "$dir/out"
run --rm $image b sh -c 'sleep 3; exit 7' >/dev/null &
waiting=$!
eventually has_status b RUNNING
ctr task exec --exec-id e1 a sh -c 'sleep 2; echo finished; exit 5' >"$dir/exec" 2>&1 &
executing=$!
eventually eval 'ctr task ps a 2>/dev/null | grep -q e1'
for i in 1 2 3; do
        kill_front
        ok $? "the front is killed, and there is another"
done
is "$(status_of a)" RUNNING "the container runs"
is "$(ctr task exec --exec-id e2 a echo still here)" "still here" "and takes an exec"
wait $executing
is "$?" 5 "an exec that ran ended as it should have"
is "$(cat "$dir/exec")" finished "with its output"
wait $waiting
is "$?" 7 "and so did a container that was waited for"
ctr task pause a && has_status a PAUSED && kill_front && has_status a PAUSED && ctr task resume a
ok $? "pause and resume around a kill"

# --- what it may do ---
awk '/^(Cap(Inh|Prm|Eff|Bnd|Amb)|NoNewPrivs|Seccomp):/ { print $1 $2 }' "/proc/$(front_pid)/status" >"$dir/status"
is "$(xargs <"$dir/status")" "CapInh:0000000000000000 CapPrm:0000000000000000 CapEff:0000000000000000 CapBnd:0000000000000000 CapAmb:0000000000000000 NoNewPrivs:1 Seccomp:2" \
        "the front has no capability, gets no privilege, and is filtered"

# --- a request that is larger than the socket's buffer ---
long=$(head -c 90000 /dev/zero | tr '\0' x)
for i in 1 2 3; do
        kill_front &
        is "$(ctr task exec --exec-id "big$i" a sh -c 'echo ${#1} ${#9}' sh "$long" 2 3 "$long" "$long" "$long" "$long" 8 "$long")" \
                "90000 90000" "an exec with 540 KB of arguments, and a kill meanwhile"
        wait $!
done

# --- a storm of kills, and of containers ---
killer() {
        while sleep "0.$((RANDOM % 3))$((RANDOM % 10))"; do
                pid=$(front_pid) && kill -9 "$pid" && echo "$pid"
        done
}
killer >"$dir/kills" 2>/dev/null &
killer_pid=$!
one() { # N: made, executed in, stopped, deleted
        local status

        run -d $image "s$1" sh -c 'sleep 1000' >"$dir/s$1.out" || { echo "s$1: run: $(cat "$dir/s$1.out")"; return; }
        ctr task exec --exec-id e "s$1" sh -c "exit $(($1 % 100 + 1))" "$long" "$long" "$long" >"$dir/s$1.out" 2>&1
        status=$?
        [ $status = $(($1 % 100 + 1)) ] || echo "s$1: exec: $status, not $(($1 % 100 + 1)): $(cat "$dir/s$1.out")"
        ctr task kill -s KILL "s$1" >"$dir/s$1.out" 2>&1 || echo "s$1: kill: $(cat "$dir/s$1.out")"
        eventually has_status "s$1" STOPPED || echo "s$1: it is $(status_of "s$1")"
        ctr task delete "s$1" >"$dir/s$1.out" 2>&1
        grep -q 'exit code 137' "$dir/s$1.out" || echo "s$1: delete: $(cat "$dir/s$1.out")"
        ctr container delete "s$1"
}
several() { # FIRST
        for ((n = $1; n < FRONT_CONTAINERS; n += 3)); do one $n; done
}
several 0 >"$dir/wrong0" 2>&1 &
pids=$!
several 1 >"$dir/wrong1" 2>&1 &
pids="$pids $!"
several 2 >"$dir/wrong2" 2>&1
wait $pids
stop $killer_pid
killer_pid=
is "$(cat "$dir"/wrong?)" "" "$FRONT_CONTAINERS containers, each with an exec and killed, while the front is killed again and again"
kills=$(wc -l <"$dir/kills")
[ "$kills" -ge 8 ]
ok $? "it was ($kills times)"
is "$(status_of a)" RUNNING "the first container still runs"

# --- together with sandboxd ---
run --rm $image c sh -c 'sleep 3; exit 9' >/dev/null &
waiting=$!
eventually has_status c RUNNING
for i in 1 2 3; do
        old=$(sandboxd_pid)
        kill -9 "$old" "$(front_pid)"
        eventually sandboxd_answers "$old"
        ok $? "sandboxd and the front are killed in the same moment"
done
is "$(status_of a)" RUNNING "the container runs"
wait $waiting
is "$?" 9 "the status of another is right"
is "$(ctr task exec --exec-id e3 a echo here)" here "an exec"

# --- the end: nobody is connected, nothing is kept ---
pid=$(front_pid)
ctr task delete -f a >/dev/null 2>&1
ctr container delete a
eventually no_front
ok $? "without a container there is no front"
! [ -e "/proc/$pid" ]
ok $? "it has ended"
eventually kept_is $((idle + 1))
ok $? "the keeper has no descriptor of it, but its listening socket"
is "$(run --rm $image d echo hello)" hello "the next container gets a new one"
is "$(grep -c 'dropped\|given up\|cannot go on' "$dir/sandboxd.log")" 0 "nothing had to be given up"

done_testing
