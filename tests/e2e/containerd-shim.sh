#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The contract of a shim without containerd: the stub and the front are driven as containerd 2.3 does it, and as suites do that
# test shims alone; with a front for all, for each pod, for each container. Each case is in shim_cases.py.

. "$top_srcdir/tests/e2e/lib.sh"

contract() { # RUNTIME [CASE...]
        local line runtime=$1

        shift

        tap_prefix="$runtime: "
        while IFS= read -r line; do
                case $line in
                "ok "*) ok 0 "${line#ok }" ;;
                "not ok "*) ok 1 "${line#not ok }" ;;
                *) note <<<"$line" ;;
                esac
        done < <(PATH=$(realpath "$top_builddir"):$PATH SANDBOXD_SOCKET=$SOCKET ROOTFS=$ROOTFS PYTHONDONTWRITEBYTECODE=1 \
                timeout 240 /usr/bin/python3 "$top_srcdir/tests/e2e/shim_cases.py" "$T/$runtime" "$NS" "$runtime" "$@" 2>&1 || echo "not ok the cases run")
        tap_prefix=
}

# Containers without a cgroupsPath have one of their name at the top. The front is no container's.
stays() { # RUNTIME
        find /sys/fs/cgroup -mindepth 2 -maxdepth 2 -type d -name "*-$1-*" -newer "$T/began" 2>/dev/null
        leftovers | grep -Ev '\(containerd-shim|/netns/runsc$'
}

nothing_stays() {
        [ -z "$(stays "$1")" ]
}

[ -x /usr/bin/python3 ] || skip_all "python3 is not installed"
e2e_start
: >"$T/began"
for RUNTIME in $RUNTIMES; do
        cases=$SHIM_CASES
        # what a sandbox has in common with the others; the rest of it is in containerd.sh and gvisor*.sh
        [ "$RUNTIME" != runsc ] || cases=${SHIM_CASES:-exit_statuses never_started stdio killed_under_output}
        contract "$RUNTIME" $cases
        eventually nothing_stays "$RUNTIME"
        ok $? "$RUNTIME: nothing is left"
        stays "$RUNTIME" | note
done
RUNTIME=runc
rm -rf "$T/runc"
contract runc hostile_peers deaf_containerd deaf_readers left_behind older_sandboxd
for group in pod container; do
        stop
        rm -rf "$T/runc"
        printf '[front]\ngroup = "%s"\n' $group | cat "$e2e_config" - >"$T/$group.toml"
        e2e_config=$T/$group.toml launch
        contract runc by_$group
        eventually nothing_stays runc
        ok $? "$group: nothing is left"
        stays runc | note
done
rm -rf "/run/containerd/runc/$NS"
e2e_done
