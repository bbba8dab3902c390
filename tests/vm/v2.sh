#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A host with pure cgroup v2. VM_ALL=1: every file that applies, which takes half an hour (VM_LIMIT=3600); else a choice that
# takes a minute and a half of CPU time.

. "$top_srcdir/tests/vm/lib.sh"

vm_new v2
vm_built tests/unit/test-cgroup tests/unit/test-oom tests/unit/test-pressure tests/unit/test-stats
vm_criu
for one in cgroup oom pressure stats; do
        vm_test "test-$one" "OOM_KILLS=20 /build/tests/unit/test-$one"
done
if [ -n "${VM_ALL-}" ]; then
        for one in lifecycle oom kill pause exec events queries pressure delete-force crash restart no-keeper wait stdio checkpoint; do
                vm_test "$one" "bash /src/tests/e2e/$one.sh"
        done
else
        vm_e2e oom crun "init_killed child_killed"
        vm_e2e queries runc "stats update"
        vm_e2e checkpoint runc "there_and_back"
fi
vm_run
