#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A host with pure cgroup v2. VM_ALL=1: every file that applies, which takes half an hour; else a choice of a minute.

. "$top_srcdir/tests/vm/lib.sh"

vm_new v2
vm_built tests/unit/test-cgroup tests/unit/test-oom tests/unit/test-stats
vm_criu
for one in cgroup oom stats; do
        vm_test "test-$one" "/build/tests/unit/test-$one"
done
if [ -n "${VM_ALL-}" ]; then
        for one in lifecycle oom kill pause exec events queries delete-force crash restart no-keeper wait stdio checkpoint; do
                vm_test "$one" "bash /src/tests/e2e/$one.sh"
        done
else
        vm_e2e lifecycle crun "life killed"
        vm_e2e oom runc "init_killed child_killed"
        vm_e2e pause crun "stands_and_goes_on"
        vm_e2e queries crun "stats update"
        vm_e2e checkpoint runc "there_and_back"
fi
vm_run
