# SPDX-License-Identifier: Apache-2.0

# --- the programs together: a private keeper and sandboxd, real runtimes and a fake one; one behaviour per file ---
check_PROGRAMS += tests/e2e/rpc
tests_e2e_rpc_SOURCES = tests/e2e/rpc.c
tests_e2e_rpc_LDADD = $(JANSSON_LIBS)
EXTRA_DIST += tests/e2e/manager-lib.sh tests/e2e/crash-lib.sh tests/e2e/gvisor-lib.sh tests/e2e/hostile-lib.sh tests/e2e/ctr-lib.sh tests/e2e/debian13.sh tests/e2e/cri-cases.sh tests/e2e/cri-lib.sh tests/e2e/cri.proto tests/e2e/cri.py tests/e2e/image.sh tests/e2e/lib.sh tests/e2e/shim_cases.py tests/e2e/shim_client.py

# sandboxd that dies where it is told to; beside sandboxd, so that it finds the helpers
check_PROGRAMS += sandboxd-crash
sandboxd_crash_SOURCES = daemon/main.c tests/crash/crash.c
sandboxd_crash_LDADD = libdaemon.la libproto.la libbase.la

# sandboxd whose memory and clock are not to be relied on
check_PROGRAMS += sandboxd-faults
sandboxd_faults_SOURCES = daemon/main.c tests/crash/faults.c
sandboxd_faults_LDADD = libdaemon.la libproto.la libbase.la

# no memory: one allocation fails, each in a life of its own
check-memory: all sandboxd-faults tests/e2e/rpc tests/fake/fake-runtime
	FAULTS_SHARE=$${FAULTS_SHARE:-1} E2E_CASE=allocations E2E_LIMIT=7200 top_srcdir='$(abs_top_srcdir)' top_builddir='$(abs_top_builddir)' \
		bash $(srcdir)/tests/e2e/faults.sh
.PHONY: check-memory

# all crash points, where `make check` takes some of them
check-crash: all sandboxd-crash tests/e2e/rpc tests/fake/fake-runtime
	CRASH_SHARE=1 RUNTIMES='fake runc runsc' E2E_LIMIT=7200 top_srcdir='$(abs_top_srcdir)' top_builddir='$(abs_top_builddir)' \
		bash $(srcdir)/tests/e2e/crash-points.sh
.PHONY: check-crash

E2E_TESTS =
E2E_TESTS += tests/e2e/access.sh
E2E_TESTS += tests/e2e/bad-input.sh
E2E_TESTS += tests/e2e/checkpoint.sh
E2E_TESTS += tests/e2e/containerd-17.sh
E2E_TESTS += tests/e2e/containerd-cri-crun.sh
E2E_TESTS += tests/e2e/containerd-cri-runc.sh
E2E_TESTS += tests/e2e/containerd-cri-runsc.sh
E2E_TESTS += tests/e2e/containerd-kills.sh
E2E_TESTS += tests/e2e/containerd-shim.sh
EXTRA_DIST += tests/e2e/crash-points.sh
E2E_TESTS += tests/e2e/crash.sh
E2E_TESTS += tests/e2e/delete-force.sh
E2E_TESTS += tests/e2e/events.sh
E2E_TESTS += tests/e2e/exec.sh
E2E_TESTS += tests/e2e/fake-faults.sh
E2E_TESTS += tests/e2e/fake-races.sh
E2E_TESTS += tests/e2e/fake-storm.sh
E2E_TESTS += tests/e2e/faults.sh
E2E_TESTS += tests/e2e/hostile.sh
E2E_TESTS += tests/e2e/keeper.sh
E2E_TESTS += tests/e2e/gvisor-13.sh
E2E_TESTS += tests/e2e/gvisor.sh
E2E_TESTS += tests/e2e/gvisor-pod.sh
E2E_TESTS += tests/e2e/kill.sh
E2E_TESTS += tests/e2e/lifecycle.sh
E2E_TESTS += tests/e2e/limits.sh
E2E_TESTS += tests/e2e/no-keeper.sh
E2E_TESTS += tests/e2e/no-room.sh
E2E_TESTS += tests/e2e/oom.sh
E2E_TESTS += tests/e2e/pause.sh
E2E_TESTS += tests/e2e/pressure.sh
E2E_TESTS += tests/e2e/queries.sh
E2E_TESTS += tests/e2e/restart.sh
E2E_TESTS += tests/e2e/stdio.sh
E2E_TESTS += tests/e2e/terminal-crash.sh
E2E_TESTS += tests/e2e/terminal.sh
E2E_TESTS += tests/e2e/wait.sh
dist_check_SCRIPTS += $(E2E_TESTS)
TESTS += $(E2E_TESTS)

# --- the long forms ---
.PHONY: kills soak
kills: $(check_PROGRAMS)
	KILLS_CONTAINERS=200 KILLS_WHO=sandboxd E2E_LIMIT=3000 top_srcdir='$(abs_top_srcdir)' top_builddir='$(abs_top_builddir)' \
		bash $(srcdir)/tests/e2e/containerd-kills.sh
soak: $(check_PROGRAMS)
	KILLS=1000 E2E_LIMIT=7200 top_srcdir='$(abs_top_srcdir)' top_builddir='$(abs_top_builddir)' \
		bash $(srcdir)/tests/e2e/containerd-kills.sh

clean-local: # an unpacked package
	rm -rf tests/e2e/debian13 tests/systemd/tree
# 1,000 containers that are killed for lack of memory and gone at once, and as many kills of one cgroup
.PHONY: check-oom
check-oom: all tests/e2e/rpc tests/fake/fake-runtime tests/unit/test-oom
	top_srcdir=$(abs_top_srcdir) top_builddir=$(abs_top_builddir) OOM_STORM=1000 E2E_CASE=storm E2E_LIMIT=3600 bash $(srcdir)/tests/e2e/oom.sh
	top_srcdir=$(abs_top_srcdir) top_builddir=$(abs_top_builddir) CMOCKA_MESSAGE_OUTPUT=TAP OOM_KILLS=1000 tests/unit/test-oom
