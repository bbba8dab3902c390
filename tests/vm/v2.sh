#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A host with pure cgroup v2. VM_ALL=1: every file that applies, which takes half an hour (VM_LIMIT=3600); else a choice that
# takes a minute of CPU time, in which unit tests are only where this host has no controllers of v2 for them.

. "$top_srcdir/tests/vm/lib.sh"

vm_new v2
vm_built tests/unit/test-cgroup tests/unit/test-oom tests/unit/test-pressure tests/unit/test-stats
vm_criu
units="cgroup oom pressure stats"
[ -n "${VM_ALL-}" ] || [ ! -e /sys/fs/cgroup/cgroup.controllers ] || units=
for one in $units; do
        vm_test "test-$one" "OOM_KILLS=20 /build/tests/unit/test-$one"
done
if [ -n "${VM_ALL-}" ]; then
        for one in lifecycle oom kill pause exec events queries pressure delete-force crash restart no-keeper wait stdio checkpoint; do
                vm_test "$one" "RUNTIMES='$VM_RUNTIMES' E2E_LIMIT=3600 bash /src/tests/e2e/$one.sh"
        done
else
        vm_e2e oom crun "init_killed child_killed"
        vm_e2e queries runc "stats update"
        vm_e2e checkpoint runc "there_and_back"
fi
vm_run
