# SPDX-License-Identifier: Apache-2.0

# --- unit tests: one program per file of the tree, sorted; the source of tests/unit/test-x is tests/unit/test-x.c.
UNIT_TESTS =
UNIT_BASE = libbase.la $(CMOCKA_LIBS)
UNIT_PROTO = libproto.la $(CMOCKA_LIBS)
UNIT_DAEMON = libdaemon.la $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test-sdnotify
tests_unit_test_sdnotify_LDADD = $(UNIT_BASE)

UNIT_TESTS += tests/unit/test-spawn
tests_unit_test_spawn_LDADD = $(UNIT_BASE)

UNIT_TESTS += tests/unit/test-reaper
tests_unit_test_reaper_SOURCES = tests/unit/test-reaper.c tests/lib/nopidfd.h
tests_unit_test_reaper_LDADD = $(UNIT_BASE)

UNIT_TESTS += tests/unit/test-client
tests_unit_test_client_SOURCES = tests/unit/test-client.c tests/client/server.c tests/client/server.h
tests_unit_test_client_LDADD = libclient.la $(UNIT_PROTO)

UNIT_TESTS += tests/unit/test-client-interop
tests_unit_test_client_interop_SOURCES = tests/unit/test-client-interop.c tests/client/server.c tests/client/server.h
tests_unit_test_client_interop_LDADD = libclient.la $(UNIT_PROTO) $(NNG_LIBS)

UNIT_TESTS += tests/unit/test-atomicfile
tests_unit_test_atomicfile_LDADD = $(UNIT_BASE)

UNIT_TESTS += tests/unit/test-buf
tests_unit_test_buf_LDADD = $(UNIT_BASE)

UNIT_TESTS += tests/unit/test-clock
tests_unit_test_clock_LDADD = $(UNIT_BASE)

UNIT_TESTS += tests/unit/test-error
tests_unit_test_error_LDADD = $(UNIT_BASE)

UNIT_TESTS += tests/unit/test-fd
tests_unit_test_fd_LDADD = $(UNIT_BASE)

UNIT_TESTS += tests/unit/test-log
tests_unit_test_log_LDADD = $(UNIT_BASE)

UNIT_TESTS += tests/unit/test-loop
tests_unit_test_loop_LDADD = $(UNIT_BASE)

UNIT_TESTS += tests/unit/test-pidref
tests_unit_test_pidref_SOURCES = tests/unit/test-pidref.c tests/lib/nopidfd.h
tests_unit_test_pidref_LDADD = $(UNIT_BASE)

UNIT_TESTS += tests/unit/test-cgparse
tests_unit_test_cgparse_LDADD = $(UNIT_DAEMON)

UNIT_TESTS += tests/unit/test-cgroup
tests_unit_test_cgroup_SOURCES = tests/unit/test-cgroup.c tests/lib/tree.c tests/lib/tree.h
tests_unit_test_cgroup_LDADD = $(UNIT_DAEMON)

UNIT_TESTS += tests/unit/test-ctl-options
tests_unit_test_ctl_options_LDADD = libctl.la $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test-ctl-output
tests_unit_test_ctl_output_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
tests_unit_test_ctl_output_LDADD = libctl.la $(CMOCKA_LIBS) $(JANSSON_LIBS)

UNIT_TESTS += tests/unit/test-ctl-spec
tests_unit_test_ctl_spec_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
tests_unit_test_ctl_spec_LDADD = libctl.la $(CMOCKA_LIBS) $(JANSSON_LIBS)

UNIT_TESTS += tests/unit/test-ctl-terminal
tests_unit_test_ctl_terminal_LDADD = libctl.la $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test-ctl-units
tests_unit_test_ctl_units_LDADD = libctl.la $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test-codec
tests_unit_test_codec_SOURCES = tests/unit/test-codec.c tests/lib/fill.c tests/lib/fill.h
tests_unit_test_codec_LDADD = $(UNIT_PROTO)

UNIT_TESTS += tests/unit/test-command
tests_unit_test_command_SOURCES = tests/unit/test-command.c tests/lib/rig.h
tests_unit_test_command_LDADD = $(UNIT_DAEMON)

UNIT_TESTS += tests/unit/test-config
tests_unit_test_config_LDADD = $(UNIT_DAEMON)

UNIT_TESTS += tests/unit/test-console
tests_unit_test_console_SOURCES = tests/unit/test-console.c tests/lib/rig.h
tests_unit_test_console_LDADD = $(UNIT_DAEMON)

UNIT_TESTS += tests/unit/test-events
tests_unit_test_events_LDADD = $(UNIT_DAEMON)

UNIT_TESTS += tests/unit/test-frame
tests_unit_test_frame_LDADD = libclient.la $(UNIT_BASE)

UNIT_TESTS += tests/unit/test-json
tests_unit_test_json_SOURCES = tests/unit/test-json.c tests/lib/fill.c tests/lib/fill.h
tests_unit_test_json_LDADD = $(UNIT_DAEMON)

UNIT_TESTS += tests/unit/test-methods-header
nodist_tests_unit_test_methods_header_SOURCES = client/methods.h
tests_unit_test_methods_header_SOURCES = tests/unit/test-methods-header.c
tests_unit_test_methods_header_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/client
tests_unit_test_methods_header_LDADD = $(UNIT_PROTO)

UNIT_TESTS += tests/unit/test-record
tests_unit_test_record_SOURCES = tests/unit/test-record.c tests/lib/fill.c tests/lib/fill.h
tests_unit_test_record_LDADD = $(UNIT_DAEMON)

UNIT_TESTS += tests/unit/test-segment
tests_unit_test_segment_LDADD = $(UNIT_DAEMON)

UNIT_TESTS += tests/unit/test-spec
tests_unit_test_spec_LDADD = $(UNIT_DAEMON)
EXTRA_DIST += tests/data/runtime

UNIT_TESTS += tests/unit/test-spec-gvisor
tests_unit_test_spec_gvisor_LDADD = $(UNIT_DAEMON)
UNIT_TESTS += tests/unit/test-spec-urpc
tests_unit_test_spec_urpc_LDADD = $(UNIT_DAEMON)

UNIT_TESTS += tests/unit/test-relay
tests_unit_test_relay_SOURCES = tests/unit/test-relay.c tests/lib/rig.h
tests_unit_test_relay_LDADD = $(UNIT_DAEMON)

UNIT_TESTS += tests/unit/test-stdio
tests_unit_test_stdio_SOURCES = tests/unit/test-stdio.c tests/lib/rig.h
tests_unit_test_stdio_LDADD = $(UNIT_DAEMON)

UNIT_TESTS += tests/unit/test-oom
tests_unit_test_oom_SOURCES = tests/unit/test-oom.c tests/lib/tree.c tests/lib/tree.h
tests_unit_test_oom_LDADD = $(UNIT_DAEMON)

UNIT_TESTS += tests/unit/test-oom-log
tests_unit_test_oom_log_LDADD = $(UNIT_DAEMON)

UNIT_TESTS += tests/unit/test-openmetrics
tests_unit_test_openmetrics_LDADD = $(UNIT_PROTO)

UNIT_TESTS += tests/unit/test-outbox
tests_unit_test_outbox_CFLAGS = $(AM_CFLAGS) $(PROTOBUF_C_CFLAGS)
tests_unit_test_outbox_LDADD = $(UNIT_DAEMON)

UNIT_TESTS += tests/unit/test-metrics
tests_unit_test_metrics_LDADD = $(UNIT_DAEMON)

UNIT_TESTS += tests/unit/test-pressure
tests_unit_test_pressure_SOURCES = tests/unit/test-pressure.c tests/lib/tree.c tests/lib/tree.h
tests_unit_test_pressure_LDADD = $(UNIT_DAEMON)

UNIT_TESTS += tests/unit/test-owner-record
tests_unit_test_owner_record_LDADD = $(UNIT_DAEMON)

UNIT_TESTS += tests/unit/test-stats
tests_unit_test_stats_SOURCES = tests/unit/test-stats.c tests/lib/tree.c tests/lib/tree.h
tests_unit_test_stats_LDADD = $(UNIT_DAEMON)

UNIT_TESTS += tests/unit/test-tables
tests_unit_test_tables_LDADD = $(UNIT_PROTO)

UNIT_TESTS += tests/unit/test-toml
tests_unit_test_toml_LDADD = libtoml.la $(UNIT_PROTO)

UNIT_TESTS += tests/unit/test-front
tests_unit_test_front_SOURCES = tests/unit/test-front.c tests/lib/fake_rpc.c tests/lib/fake_rpc.h
tests_unit_test_front_CFLAGS = $(AM_CFLAGS) $(PROTOBUF_C_CFLAGS)
tests_unit_test_front_LDADD = libshim.la $(UNIT_PROTO)

UNIT_TESTS += tests/unit/test-front-restart
tests_unit_test_front_restart_SOURCES = tests/unit/test-front-restart.c tests/lib/fake_rpc.c tests/lib/fake_rpc.h
tests_unit_test_front_restart_CFLAGS = $(AM_CFLAGS) $(PROTOBUF_C_CFLAGS)
tests_unit_test_front_restart_LDADD = libshim.la libkeeper.la $(UNIT_PROTO)

UNIT_TESTS += tests/unit/test-shim-args
tests_unit_test_shim_args_LDADD = libshim.la $(UNIT_BASE)

UNIT_TESTS += tests/unit/test-shim-bootstrap
tests_unit_test_shim_bootstrap_CFLAGS = $(AM_CFLAGS) $(PROTOBUF_C_CFLAGS)
tests_unit_test_shim_bootstrap_LDADD = libshim.la $(UNIT_PROTO)

UNIT_TESTS += tests/unit/test-shim-journal
tests_unit_test_shim_journal_LDADD = libshim.la $(UNIT_BASE)

UNIT_TESTS += tests/unit/test-shim-metrics
tests_unit_test_shim_metrics_CFLAGS = $(AM_CFLAGS) $(PROTOBUF_C_CFLAGS)
tests_unit_test_shim_metrics_LDADD = libshim.la $(UNIT_PROTO)

UNIT_TESTS += tests/unit/test-shim-options
tests_unit_test_shim_options_CFLAGS = $(AM_CFLAGS) $(PROTOBUF_C_CFLAGS)
tests_unit_test_shim_options_LDADD = libshim.la $(UNIT_PROTO)

UNIT_TESTS += tests/unit/test-ttrpc
tests_unit_test_ttrpc_CFLAGS = $(AM_CFLAGS) $(PROTOBUF_C_CFLAGS)
tests_unit_test_ttrpc_LDADD = libshimproto.la $(UNIT_BASE)

UNIT_TESTS += tests/unit/test-keeper-child
tests_unit_test_keeper_child_LDADD = libkeeper.la $(UNIT_BASE)

UNIT_TESTS += tests/unit/test-keeper-link
tests_unit_test_keeper_link_LDADD = $(UNIT_DAEMON)

UNIT_TESTS += tests/unit/test-keeper-notify
tests_unit_test_keeper_notify_LDADD = libkeeper.la $(UNIT_BASE)

UNIT_TESTS += tests/unit/test-keeper-statuses
tests_unit_test_keeper_statuses_LDADD = libkeeper.la $(UNIT_BASE)

UNIT_TESTS += tests/unit/test-keeper-store
tests_unit_test_keeper_store_LDADD = libkeeper.la $(UNIT_BASE)

UNIT_TESTS += tests/unit/test-mountinfo
tests_unit_test_mountinfo_SOURCES = tests/unit/test-mountinfo.c daemon/helper/mountinfo.c
tests_unit_test_mountinfo_LDADD = $(UNIT_BASE)

UNIT_TESTS += tests/unit/test-lifecycle
tests_unit_test_lifecycle_LDADD = $(UNIT_DAEMON)

UNIT_TESTS += tests/unit/test-answers
tests_unit_test_answers_LDADD = $(UNIT_DAEMON)

UNIT_TESTS += tests/unit/test-request
FAKE_TRANSPORT = tests/lib/fake-transport.c tests/lib/fake-transport.h
tests_unit_test_request_SOURCES = tests/unit/test-request.c $(FAKE_TRANSPORT)
tests_unit_test_request_LDADD = $(UNIT_DAEMON)

UNIT_TESTS += tests/unit/test-sp
tests_unit_test_sp_LDADD = $(UNIT_DAEMON)

UNIT_TESTS += tests/unit/test-transport
tests_unit_test_transport_LDADD = $(UNIT_DAEMON)

UNIT_TESTS += tests/unit/test-urpc
tests_unit_test_urpc_SOURCES = tests/unit/test-urpc.c tests/lib/rig.h
tests_unit_test_urpc_LDADD = $(UNIT_DAEMON)

check_PROGRAMS += $(UNIT_TESTS)
TESTS += $(UNIT_TESTS)

EXTRA_DIST += tests/tap.sh tests/unit/run.sh
noinst_HEADERS += tests/unit/arena.h tests/unit/unit.h

# --- the client library, as others see it ---
dist_check_SCRIPTS += tests/client/outside.sh
TESTS += tests/client/outside.sh
EXTRA_DIST += tests/client/outside.c

# --- sandboxctl, with a fake daemon ---
check_PROGRAMS += tests/ctl/fake-sandboxd
tests_ctl_fake_sandboxd_SOURCES = tests/ctl/fake-sandboxd.c
tests_ctl_fake_sandboxd_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
tests_ctl_fake_sandboxd_LDADD = libclient.la libproto.la $(JANSSON_LIBS)
dist_check_SCRIPTS += tests/ctl/test-ctl.sh tests/ctl/test-docs.sh tests/ctl/test-real.sh
TESTS += tests/ctl/test-ctl.sh tests/ctl/test-docs.sh tests/ctl/test-real.sh
# --- sandboxd-keeper ---
EXTRA_DIST += tests/keeper/manager.py
check_PROGRAMS += tests/keeper/stand-in
tests_keeper_stand_in_SOURCES = tests/keeper/stand-in.c
tests_keeper_stand_in_LDADD = libbase.la
dist_check_SCRIPTS += tests/keeper/test-keeper.sh
TESTS += tests/keeper/test-keeper.sh

# --- below a real systemd; the long form: a Debian tree, all runtimes, many containers ---
dist_check_SCRIPTS += tests/systemd/check-systemd.sh
TESTS += tests/systemd/check-systemd.sh
EXTRA_DIST += tests/systemd/inside.sh
check-systemd: all tests/e2e/rpc
	SYSTEMD_TREE="$${SYSTEMD_TREE:-$(abs_top_builddir)/tests/systemd/tree}" SYSTEMD_CONTAINERS="$${SYSTEMD_CONTAINERS:-1000}" \
		SYSTEMD_RUNTIMES="$${SYSTEMD_RUNTIMES:-runc crun}" \
		top_srcdir='$(abs_top_srcdir)' top_builddir='$(abs_top_builddir)' bash $(srcdir)/tests/systemd/check-systemd.sh
.PHONY: check-systemd

# --- sandboxd-helper ---
dist_check_SCRIPTS += tests/helper/test-helper.sh
TESTS += tests/helper/test-helper.sh

# --- the simulator: the daemon above a host, runtimes and clients that are played ---
check_PROGRAMS += tests/sim/sim
TESTS += tests/sim/sim
tests_sim_sim_SOURCES = \
	tests/sim/driver.c \
	tests/sim/host.c \
	tests/sim/main.c \
	tests/sim/oracle.c \
	tests/sim/sim.h \
	tests/sim/wire.c
tests_sim_sim_LDADD = libdaemon.la
tests_sim_sim_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=access \
	-Wl,--wrap=clock_monotonic_ns,--wrap=clock_realtime_ns \
	-Wl,--wrap=container_event,--wrap=eventlog_append \
	-Wl,--wrap=pidref_kill,--wrap=pidref_open,--wrap=pidref_open_checked \
	-Wl,--wrap=reaper_claim,--wrap=reaper_new,--wrap=watch_pid_start,--wrap=watch_pid_stop \
	-Wl,--wrap=unlinkat \
	-Wl,--wrap=record_dir_open,--wrap=record_remove,--wrap=record_save,--wrap=record_tombstone_save \
	-Wl,--wrap=watch_timer_active,--wrap=watch_timer_arm,--wrap=watch_timer_stop

# --- the fake runtime ---
check_PROGRAMS += tests/fake/fake-runtime
tests_fake_fake_runtime_SOURCES = \
	tests/fake/commands.c \
	tests/fake/fake.h \
	tests/fake/main.c \
	tests/fake/process.c \
	tests/fake/script.c \
	tests/fake/state.c
tests_fake_fake_runtime_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
tests_fake_fake_runtime_LDADD = $(JANSSON_LIBS)
EXTRA_DIST += tests/fake/README
dist_check_SCRIPTS += tests/fake/test-fake-runtime.sh
TESTS += tests/fake/test-fake-runtime.sh

# --- generated documents ---
dist_check_SCRIPTS += tests/check-docs.sh
TESTS += tests/check-docs.sh

# --- manual pages ---
dist_check_SCRIPTS += tests/check-man.sh
TESTS += tests/check-man.sh

# --- sandboxd under valgrind ---
dist_check_SCRIPTS += tests/valgrind.sh
TESTS += tests/valgrind.sh

# --- the rules of the house ---
dist_check_SCRIPTS += tests/check-includes.sh
TESTS += tests/check-includes.sh

include tests/bench/local.mk
include tests/fuzz/local.mk
include tests/e2e/local.mk
include tests/vm/local.mk

# --- below a real containerd ---
dist_check_SCRIPTS += tests/e2e/containerd.sh tests/e2e/containerd-front.sh
TESTS += tests/e2e/containerd.sh tests/e2e/containerd-front.sh
