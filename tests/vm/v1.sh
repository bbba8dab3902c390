#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A host with pure cgroup v1: no v2 tree at all. VM_ALL=1: every file that applies; else a choice, in which unit tests are only
# where this host has no controllers of v1 for them.

. "$top_srcdir/tests/vm/lib.sh"

vm_new v1
vm_built tests/unit/test-cgroup tests/unit/test-oom tests/unit/test-stats
units="cgroup oom stats"
[ -n "${VM_ALL-}" ] || [ ! -e /sys/fs/cgroup/memory/memory.limit_in_bytes ] || units=
for one in $units; do
        vm_test "test-$one" "OOM_KILLS=20 /build/tests/unit/test-$one"
done
if [ -n "${VM_ALL-}" ]; then
        for one in lifecycle oom kill pause exec events queries delete-force crash restart; do
                vm_test "$one" "RUNTIMES='$VM_RUNTIMES' E2E_LIMIT=3600 bash /src/tests/e2e/$one.sh"
        done
else
        vm_e2e oom runc "init_killed"
fi
vm_run
