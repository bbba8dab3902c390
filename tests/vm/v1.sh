#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A host with pure cgroup v1: no v2 tree at all. See lib.sh for VM_ALL.

. "$top_srcdir/tests/vm/lib.sh"

vm_new v1
vm_block
vm_units cgroup oom stats
if [ -n "${VM_ALL-}" ]; then
        vm_criu
        vm_all
else
        vm_e2e oom runc "init_killed"
fi
vm_run
