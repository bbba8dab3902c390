#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Pods of Kubernetes on crun: containerd's CRI plugin above sandboxd.

. "${top_srcdir:-.}/tests/e2e/cri-lib.sh"
. "$top_srcdir/tests/e2e/cri-cases.sh"

cri_start crun
the_pod
the_execs
the_stats
the_update
the_oom
the_exit_codes
the_terminal
the_shared_pids
the_restart_of_containerd
the_kill_of_sandboxd
the_end
cri_done
