# SPDX-License-Identifier: Apache-2.0

# --- the programs together: a private keeper and sandboxd, real runtimes and a fake one; one behaviour per file ---
check_PROGRAMS += tests/e2e/rpc
tests_e2e_rpc_SOURCES = tests/e2e/rpc.c
tests_e2e_rpc_LDADD = $(JANSSON_LIBS)
EXTRA_DIST += tests/e2e/lib.sh

E2E_TESTS =
E2E_TESTS += tests/e2e/delete-force.sh
E2E_TESTS += tests/e2e/events.sh
E2E_TESTS += tests/e2e/exec.sh
E2E_TESTS += tests/e2e/kill.sh
E2E_TESTS += tests/e2e/lifecycle.sh
E2E_TESTS += tests/e2e/oom.sh
dist_check_SCRIPTS += $(E2E_TESTS)
TESTS += $(E2E_TESTS)

# Not yet in `make check`: they have not been run whole on a quiet machine. make check TESTS="..." runs them.
EXTRA_DIST += \
	tests/e2e/access.sh \
	tests/e2e/bad-input.sh \
	tests/e2e/checkpoint.sh \
	tests/e2e/crash.sh \
	tests/e2e/no-keeper.sh \
	tests/e2e/no-room.sh \
	tests/e2e/pause.sh \
	tests/e2e/queries.sh \
	tests/e2e/restart.sh \
	tests/e2e/stdio.sh \
	tests/e2e/terminal.sh \
	tests/e2e/wait.sh
