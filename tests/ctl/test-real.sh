#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# sandboxctl with the real daemon and runc: what an operator does. Needs root, runc and a static busybox.
set -u
shopt -s extglob
. "$top_srcdir/tests/tap.sh"

for need in runc gojq busybox script; do
        command -v $need >/dev/null || { echo "1..0 # SKIP no $need"; exit 0; }
done
[ "$(id -u)" = 0 ] || { echo "1..0 # SKIP needs root"; exit 0; }

dir=$(mktemp -d /tmp/sandboxd-test-XXXXXX)
export SANDBOXD_SOCKET=$dir/sock
ctl() { timeout 60 "$top_builddir/sandboxctl" "$@"; }
daemon=
start_daemon() {
        "$top_builddir/sandboxd" --root "$dir/root" --socket "$dir/sock" >>"$dir/log" 2>&1 &
        daemon=$!
}
cleanup() {
        for id in $(ctl --timeout 5s list -q 2>/dev/null); do ctl delete -f "$id"; done
        kill "$daemon" 2>/dev/null
        wait "$daemon" 2>/dev/null
        umount "$dir/root/netns/runsc" 2>/dev/null
        rm -rf "$dir"
}
trap cleanup EXIT
until_ok() { local i; for i in $(seq 1000); do "$@" >/dev/null 2>&1 && return; sleep 0.02; done; return 1; }

root=$dir/rootfs
mkdir -p "$root"/{bin,etc,proc,dev,sys,tmp}
cp "$(command -v busybox)" "$root/bin/busybox"
for a in cat dd echo env head id ls sh sleep stty true; do ln -s busybox "$root/bin/$a"; done
echo 'bob:x:1000:1001::/home/bob:/bin/sh' >"$root/etc/passwd"
run() { ctl run --rm --rootfs "$root" "$@"; }

start_daemon
is "$(run -- echo hello)" hello "run"
is "$(ls -A "$dir/root/bundles")" "" "nothing is left in the directory of the bundles"
is "$(ctl list -q)" "" "nor a container"
run -- sh -c 'exit 42'; is $? 42 "exit status"
is "$(run -u bob -e A=b -w /tmp -- sh -c 'echo $(id -u) $(id -g) $A $PWD $HOME')" "1000 1001 b /tmp /home/bob" "user, environment, directory"
is "$(run -- head -c 8388608 /dev/zero | wc -c)" 8388608 "8 MiB and an exit at once: none is lost"
head -c 3000000 /dev/urandom >"$dir/in"
is "$(run -i -- cat <"$dir/in" | cmp - "$dir/in" 2>&1)" "" "3 MB of input come back"
run -- /no/such/command 2>/dev/null; is $? 127 "no such command"
run -- /etc/passwd 2>/dev/null; is $? 126 "not executable"
is "$(ls -A "$dir/root/bundles")" "" "what could not be created leaves nothing behind"
out=$(run -m 16M eater -- dd if=/dev/zero of=/dev/null bs=64M count=1 2>&1); is $? 137 "out of memory: exit status"
like "$out" "*eater: *memory*16*" "out of memory: says so, with the limit"
is "$(run -- sh -c 'ls /sys/class/net')" lo "a network of its own, with nothing in it"

# --- a container that stays ---
is "$(ctl run -d --rootfs "$root" -l tier=web -m 64M stays -- sleep 1000)" stays "run -d"
is "$(ctl exec stays -- sh -c 'echo in; exit 3')" in "exec"
ctl exec stays -- sh -c 'exit 3'; is $? 3 "exec: exit status"
is "$(ctl exec -i stays cat <"$dir/in" | cmp - "$dir/in" 2>&1)" "" "exec -i: 3 MB of input come back"
ctl exec stays no-such-command 2>/dev/null; is $? 127 "exec: no such command"
like "$(ctl ps stays)" "*sleep 1000*" "ps"
is "$(ctl list -q -l tier=web)" stays "list by label"
is "$(ctl list -q -l tier=db)" "" "list by another label"
is "$(ctl stats --no-stream --format json stays | gojq .memory.limit)" 67108864 "stats: the limit is in force"
ctl update -m 32M stays; is "$(ctl stats --no-stream --format json stays | gojq .memory.limit)" 33554432 "update"
ctl pause stays && is "$(ctl state --format json stays | gojq -r .process.status)" paused "pause"
ctl resume stays && is "$(ctl state --format json stays | gojq -r .process.status)" running "resume"
ctl delete stays 2>/dev/null; is $? 1 "a running one is not deleted"

# --- a terminal ---
is "$(printf 'exit 5\r' | { script -qec "stty rows 33 cols 91; '$top_builddir/sandboxctl' run --rm -it --rootfs '$root' -- sh -c 'stty size; read -r x; \$x'" /dev/null; echo "status $?"; } | tr -d '\r' | grep -E '^(33 91|status)' | xargs)" \
        "33 91 status 5" "a terminal: its size, input, exit status"

# --- the daemon dies ---
timeout 60 "$top_builddir/sandboxctl" run --rm -i --rootfs "$root" survivor -- sh -c 'echo ready; cat; echo end' < <(until_ok test -e "$dir/again"; echo after) >"$dir/out" 2>"$dir/err" &
client=$!
until_ok grep -q ready "$dir/out"
kill -9 "$daemon"; wait "$daemon" 2>/dev/null
start_daemon
until_ok ctl --timeout 1s state survivor
touch "$dir/again"
wait $client
is "$(xargs <"$dir/out")" "ready after end" "kill -9 of the daemon: run goes on, with input and output"
is "$(ctl exec stays echo still here)" "still here" "and so do the others"

ctl kill -s KILL stays
like "$(ctl wait stays 2>/dev/null)" "@(137|255)" "kill, wait" # without a keeper an older kernel does not tell the status of an adopted one
ctl delete stays; is $? 0 "delete"
is "$(ctl events --format json stays | gojq -r 'select(.exec_id == "" and .kind != "adopted").kind' | xargs)" \
        "create start updated paused resumed exit delete" "its events"
done_testing
