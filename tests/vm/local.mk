# SPDX-License-Identifier: Apache-2.0

# --- other worlds than this host's: cgroups of pure v2 and pure v1, Debian's kernel, in a virtual machine ---
VM_TESTS = tests/vm/v1.sh tests/vm/v2.sh
dist_check_SCRIPTS += $(VM_TESTS)
EXTRA_DIST += tests/vm/init tests/vm/lib.sh tools/vm-kernel
TESTS += $(VM_TESTS)

.PHONY: check-vm check-oom-vm
# 1,000 kills of one cgroup, as check-oom has them (tests/e2e/local.mk), on pure v2.
check-oom-vm: all tests/e2e/rpc tests/fake/fake-runtime tests/unit/test-oom
	VM_ALL=1 VM_FILES=test-oom OOM_KILLS=1000 \
		top_srcdir=$(abs_top_srcdir) top_builddir=$(abs_top_builddir) bash $(srcdir)/tests/vm/v2.sh
check-vm: all tests/e2e/rpc tests/fake/fake-runtime tests/unit/test-cgroup tests/unit/test-oom tests/unit/test-pressure tests/unit/test-stats
	$(MAKE) $(AM_MAKEFLAGS) check TESTS='$(VM_TESTS)' check_PROGRAMS=
