#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A host with pure cgroup v2. See lib.sh for VM_ALL, which takes an hour; without it it is a choice of cases, of a minute of CPU
# time.

. "$top_srcdir/tests/vm/lib.sh"

vm_new v2
vm_criu
vm_block
vm_units cgroup oom pressure stats
if [ -n "${VM_ALL-}" ]; then
        vm_all
else
        vm_e2e oom crun "init_killed child_killed"
        vm_e2e queries runc "stats io update"
        vm_e2e checkpoint runc "there_and_back"
fi
vm_run
