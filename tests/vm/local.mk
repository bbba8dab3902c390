# SPDX-License-Identifier: Apache-2.0

# --- other worlds than this host's: cgroups of pure v2 and pure v1, Debian's kernel, in a virtual machine ---
VM_TESTS = tests/vm/v1.sh tests/vm/v2.sh
dist_check_SCRIPTS += $(VM_TESTS)
EXTRA_DIST += tests/vm/init tests/vm/lib.sh tools/vm-kernel
TESTS += $(VM_TESTS)

.PHONY: check-vm
check-vm: all tests/e2e/rpc tests/fake/fake-runtime tests/unit/test-cgroup tests/unit/test-oom tests/unit/test-pressure tests/unit/test-stats
	$(MAKE) $(AM_MAKEFLAGS) check TESTS='$(VM_TESTS)' check_PROGRAMS=
