#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# sandboxd under valgrind, through the life of some containers: no error, and nothing is lost. (valgrind 3.19 knows no
# pidfds, so this is also sandboxd on a kernel without them.)
set -u
shopt -s extglob
. "$top_srcdir/tests/tap.sh"

need "$top_builddir/sandboxd" "$top_builddir/sandboxctl"
for program in valgrind crun busybox; do
        command -v $program >/dev/null || skip_all "no $program"
done
[ "$(id -u)" = 0 ] || skip_all "needs root"
! ldd "$top_builddir/sandboxd" | grep -q libasan || skip_all "a build with AddressSanitizer does not run under valgrind"
valgrind --quiet "$top_builddir/sandboxd" --version >/dev/null 2>&1 || skip_all "valgrind cannot read what this compiler wrote"

dir=$(mktemp -d /tmp/sandboxd-test-XXXXXX)
export SANDBOXD_SOCKET=$dir/sock
ctl() { timeout 120 "$top_builddir/sandboxctl" "$@"; }
daemon=
cleanup() {
        [ -z "$daemon" ] || { kill -9 "$daemon"; wait "$daemon" 2>/dev/null; }
        [ ! -d "$dir/root/state/_/default/stays" ] || timeout 60 "$top_builddir/sandboxd" --root "$dir/root" --delete /default/stays
        rm -rf "$dir"
}
trap cleanup EXIT

rootfs=$dir/rootfs
mkdir -p "$rootfs"/{bin,etc,proc,dev,sys,tmp}
cp "$(command -v busybox)" "$rootfs/bin/busybox"
for applet in cat echo sh sleep; do ln -s busybox "$rootfs/bin/$applet"; done

start_daemon() {
        valgrind --quiet --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite,indirect \
                --show-leak-kinds=definite,indirect --child-silent-after-fork=yes --log-file="$dir/valgrind.%p" \
                "$top_builddir/sandboxd" --root "$dir/root" --socket "$dir/sock" >>"$dir/log" 2>&1 &
        daemon=$!
        eventually ctl --timeout 1s info >/dev/null 2>&1
}
stop_daemon() { # NAME
        kill -TERM "$daemon"
        wait "$daemon"
        is $? 0 "$1: ends with 0"
        daemon=
        is "$(cat "$dir"/valgrind.* | grep -v -e unhandled -e 'You may be able' -e 'Read the file' -e Nevertheless -e 'it at http')" \
                "" "$1: valgrind has found nothing"
        rm -f "$dir"/valgrind.*
}

start_daemon; ok $? "it begins"
[ "$tap_failed" = 0 ] || { cat "$dir/log" >&2; echo "Bail out! it does not begin"; exit 99; }
is "$(ctl run --runtime crun --rm --rootfs "$rootfs" -- echo hello)" hello "run"
ctl run --runtime crun --rm --rootfs "$rootfs" -- sh -c 'exit 42'; is $? 42 "exit status"
ctl run --runtime crun --rm --rootfs "$rootfs" -- /no/such/command 2>/dev/null; is $? 127 "a create that fails"
is "$(ctl run --runtime crun -d --rootfs "$rootfs" stays -- sleep 1000)" stays "run -d"
is "$(echo in | ctl exec -i stays cat)" in "exec"
ctl exec stays -- sh -c 'exit 3'; is $? 3 "exec: exit status"
for verb in state ps; do ctl $verb stays >/dev/null; ok $? $verb; done
ctl stats --no-stream stays >/dev/null; ok $? stats
ctl pause stays && ctl resume stays; ok $? "pause, resume"
ctl events --since 0 >/dev/null; ok $? events
stop_daemon "with a container that goes on"

start_daemon
is "$(ctl list -q)" stays "the next one takes it over"
ctl kill -s KILL stays
like "$(ctl wait stays 2>/dev/null)" "@(137|255)" "kill, wait"
ctl delete stays; ok $? delete
stop_daemon "after an adoption"
done_testing
